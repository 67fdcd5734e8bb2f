package alembic

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// ledger is a table of the heads that a database has reached.
type ledger struct {
	name    schema.Name
	scripts *scripts
}

var _ migration.Ledger = (*ledger)(nil)

// Table is [migration.Ledger.Table].
func (l *ledger) Table() schema.Name { return l.name }

// Create is [migration.Ledger.Create].
func (l *ledger) Create(ctx context.Context, q engine.Querier) error {
	exists, err := migration.TableExists(ctx, q, l.name)
	if err != nil || exists {
		return err
	}
	f := q.Family()
	make := "CREATE TABLE " + f.Table(l.name) + " (version_num VARCHAR(32) NOT NULL, CONSTRAINT " + f.Ident(l.name.Table+"_pkc") + " PRIMARY KEY (version_num))"
	if _, err := q.ExecContext(ctx, make); err != nil {
		return fmt.Errorf("create ledger %s: %w", l.name, err)
	}
	return nil
}

// at is what the ledger stands for.
type at struct {
	graph   *graph
	heads   []migration.ID        // its rows
	applied map[migration.ID]bool // the heads and all before them, as far as the files know
}

func (l *ledger) at(ctx context.Context, q engine.Querier, files []migration.Migration) (*at, []map[string]string, error) {
	rows, err := migration.TableRows(ctx, q, l.name, "version_num")
	if err != nil {
		return nil, nil, err
	}
	g, err := lay(l.scripts, files, true)
	if err != nil {
		return nil, nil, fmt.Errorf("read ledger %s: %w", l.name, err)
	}
	now := &at{graph: g, applied: map[migration.ID]bool{}}
	for _, row := range rows {
		if id := migration.ID(row["version_num"]); id != "" {
			now.heads = append(now.heads, id)
		}
	}
	for left := slices.Clone(now.heads); len(left) > 0; left = left[1:] {
		if id := left[0]; !now.applied[id] {
			now.applied[id] = true
			left = append(left, g.parents[id]...)
		}
	}
	return now, rows, nil
}

// Records is [migration.Ledger.Records]: the revisions before a head are implied. A head that is no
// file's stands alone, since what comes before it is not known.
func (l *ledger) Records(ctx context.Context, q engine.Querier, files []migration.Migration) ([]migration.Record, error) {
	now, rows, err := l.at(ctx, q, files)
	if err != nil {
		return nil, err
	}
	var records []migration.Record
	for _, m := range files {
		if now.applied[m.ID] && !slices.Contains(now.heads, m.ID) {
			records = append(records, migration.Record{ID: m.ID, State: migration.Applied})
		}
	}
	for _, row := range rows {
		r := migration.Record{ID: migration.ID(row["version_num"]), State: migration.Applied, Raw: row}
		if r.ID == "" {
			r.State = migration.Unreadable
		}
		records = append(records, r)
	}
	return records, nil
}

// Mark is [migration.Ledger.Mark]. All that a revision builds on must be recorded, or be marked before it.
func (l *ledger) Mark(ctx context.Context, q engine.Querier, marks, files []migration.Migration) ([]migration.Write, error) {
	now, _, err := l.at(ctx, q, files)
	if err != nil {
		return nil, fmt.Errorf("record migrations: %w", err)
	}
	for _, h := range now.heads {
		if migration.Index(files, h) < 0 {
			return nil, fmt.Errorf("record migrations in %s: it names revision %s, which no file has: what that stands for is not known, and Alembic refuses to work with it", l.name, h)
		}
	}
	var list []migration.Write
	for _, m := range marks {
		writes, err := l.mark(q.Family(), now, m.ID)
		if err != nil {
			return nil, fmt.Errorf("record migration %s in %s: %w", m.ID, l.name, err)
		}
		list = append(list, writes...)
	}
	return list, nil
}

// mark moves the heads to a revision.
func (l *ledger) mark(f engine.Family, now *at, id migration.ID) ([]migration.Write, error) {
	if now.applied[id] {
		return nil, migration.ErrRecorded
	}
	if _, known := now.graph.scripts[id]; !known {
		return nil, errors.New("no file has this revision")
	}
	var from []migration.ID
	for _, p := range now.graph.parents[id] {
		if !now.applied[p] {
			return nil, fmt.Errorf("%w: revision %s before it is not recorded", migration.ErrMarksAll, p)
		}
		if slices.Contains(now.heads, p) {
			from = append(from, p)
		}
	}
	now.applied[id] = true
	now.heads = append(slices.DeleteFunc(now.heads, func(h migration.ID) bool { return slices.Contains(from, h) }), id)
	return l.move(f, from, []migration.ID{id}), nil
}

// Unmark is [migration.Ledger.Unmark]. Nothing that is recorded may build on a revision that is taken away.
func (l *ledger) Unmark(ctx context.Context, q engine.Querier, marks, files []migration.Migration) ([]migration.Write, error) {
	now, _, err := l.at(ctx, q, files)
	if err != nil {
		return nil, fmt.Errorf("take records away: %w", err)
	}
	var list []migration.Write
	for _, m := range slices.Backward(marks) {
		if !now.applied[m.ID] {
			continue
		}
		if after := now.graph.children(m.ID, now.applied); len(after) > 0 {
			return nil, fmt.Errorf("take the record of migration %s out of %s: %w: revision %s after it is recorded", m.ID, l.name, migration.ErrMarksAll, after[0])
		}
		delete(now.applied, m.ID)
		now.heads = slices.DeleteFunc(now.heads, func(h migration.ID) bool { return h == m.ID })
		var to []migration.ID
		for _, p := range now.graph.parents[m.ID] {
			// A head beside its own descendant is a row that should not be, and stays.
			if len(now.graph.children(p, now.applied)) == 0 && !slices.Contains(now.heads, p) {
				to = append(to, p)
			}
		}
		now.heads = append(now.heads, to...)
		list = append(list, l.move(q.Family(), []migration.ID{m.ID}, to)...)
	}
	return list, nil
}

// move writes other heads in the place of some: what both sides have is updated, what is over is deleted or inserted.
func (l *ledger) move(f engine.Family, from, to []migration.ID) []migration.Write {
	table, one, two := f.Table(l.name), f.Placeholder(1), f.Placeholder(2)
	var list []migration.Write
	for len(from) > 1 || len(from) > len(to) {
		list = append(list, migration.Write{SQL: "DELETE FROM " + table + " WHERE version_num = " + one, Args: []any{string(from[0])}, Rows: 1})
		from = from[1:]
	}
	if len(from) == 1 {
		list = append(list, migration.Write{
			SQL: "UPDATE " + table + " SET version_num = " + one + " WHERE version_num = " + two, Args: []any{string(to[0]), string(from[0])}, Rows: 1,
		})
		to = to[1:]
	}
	for _, id := range to {
		list = append(list, migration.Write{SQL: "INSERT INTO " + table + " (version_num) VALUES (" + one + ")", Args: []any{string(id)}, Rows: 1})
	}
	return list
}
