package golangmigrate

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// ledger is a table of at most one row: the version that the schema has reached, and whether the
// migration to it was begun and not ended.
type ledger struct{ name schema.Name }

// Table is [migration.Ledger.Table].
func (l *ledger) Table() schema.Name { return l.name }

// Create is [migration.Ledger.Create].
func (l *ledger) Create(ctx context.Context, q engine.Querier) error {
	exists, err := migration.TableExists(ctx, q, l.name)
	if err != nil || exists {
		return err
	}
	table := q.Family().Table(l.name)
	make := []string{"CREATE TABLE " + table + " (version bigint not null primary key, dirty boolean not null)"}
	if q.Family() == engine.SQLite {
		make = []string{
			"CREATE TABLE " + table + " (version uint64,dirty bool)",
			"CREATE UNIQUE INDEX IF NOT EXISTS version_unique ON " + table + " (version)",
		}
	}
	for _, statement := range make {
		if _, err := q.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("create ledger %s: %w", l.name, err)
		}
	}
	return nil
}

// state is the one row.
type state struct {
	version int64
	dirty   bool
	empty   bool // there is no row: nothing is applied
	raw     map[string]string
}

func (l *ledger) state(ctx context.Context, q engine.Querier) (state, error) {
	rows, err := migration.TableRows(ctx, q, l.name, "")
	if err != nil {
		return state{}, err
	}
	switch len(rows) {
	case 0:
		return state{empty: true}, nil
	case 1:
	default:
		return state{}, fmt.Errorf("read ledger %s: it has %d rows, and golang-migrate keeps one: which version is meant cannot be told", l.name, len(rows))
	}
	version, err := strconv.ParseInt(rows[0]["version"], 10, 64)
	if err != nil {
		return state{}, fmt.Errorf("read ledger %s: version %q is no number", l.name, rows[0]["version"])
	}
	return state{version: version, dirty: migration.True(rows[0]["dirty"]), raw: rows[0]}, nil
}

// Records is [migration.Ledger.Records]: a record for every file up to the number. The number itself
// is a record even without a file.
func (l *ledger) Records(ctx context.Context, q engine.Querier, files []migration.Migration) ([]migration.Record, error) {
	at, err := l.state(ctx, q)
	if err != nil || at.empty {
		return nil, err
	}
	var records []migration.Record
	for _, m := range files {
		if number(m.ID) < at.version {
			records = append(records, migration.Record{ID: m.ID, State: migration.Applied})
		}
	}
	last := migration.Record{ID: migration.ID(strconv.FormatInt(at.version, 10)), State: migration.Applied, Raw: at.raw}
	if at.dirty {
		last.State = migration.Failed
	}
	return append(records, last), nil
}

// Mark is [migration.Ledger.Mark]. It sets the number to the last of marks where they follow it without a gap, the
// number's own dirty mark counting as the first; all else would mark, or unmark, others.
func (l *ledger) Mark(ctx context.Context, q engine.Querier, marks, files []migration.Migration) ([]migration.Write, error) {
	at, err := l.state(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("record migrations: %w", err)
	}
	now := at
	for _, m := range marks {
		if err := now.follow(m, files); err != nil {
			return nil, fmt.Errorf("record migration %s in %s: %w", m.ID, l.name, err)
		}
		now = state{version: number(m.ID)}
	}
	if len(marks) == 0 {
		return nil, nil
	}
	return []migration.Write{l.set(q.Family(), at, marks[len(marks)-1].ID, false)}, nil
}

// follow tells whether marking m would mark m and nothing else.
func (at state) follow(m migration.Migration, files []migration.Migration) error {
	want := number(m.ID)
	switch {
	case !at.empty && !at.dirty && want <= at.version, at.dirty && want < at.version:
		return migration.ErrRecorded
	case at.dirty && want == at.version:
		return nil
	case at.dirty:
		return fmt.Errorf("%w: version %d is dirty", migration.ErrMarksAll, at.version)
	}
	for _, f := range files {
		if n := number(f.ID); n < want && (at.empty || n > at.version) {
			return fmt.Errorf("%w: version %s is not recorded", migration.ErrMarksAll, f.ID)
		}
	}
	return nil
}

// Unmark is [migration.Ledger.Unmark]. It sets the number back to the file before the first of marks, where marks are the
// last that the number stands for: else others would be unmarked, [migration.ErrMarksAll].
func (l *ledger) Unmark(ctx context.Context, q engine.Querier, marks, files []migration.Migration) ([]migration.Write, error) {
	at, err := l.state(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("take records away: %w", err)
	}
	now, moved := at, false
	for _, m := range slices.Backward(marks) {
		switch want := number(m.ID); {
		case now.empty || now.version < want:
			continue
		case now.version > want:
			return nil, fmt.Errorf("take the record of migration %s out of %s: %w: it stands at version %d", m.ID, l.name, migration.ErrMarksAll, now.version)
		}
		moved = true
		now = before(files, now.version)
	}
	if !moved {
		return nil, nil
	}
	id := migration.ID("")
	if !now.empty {
		id = migration.ID(strconv.FormatInt(now.version, 10))
	}
	return []migration.Write{l.set(q.Family(), at, id, false)}, nil
}

// before is the state of the last file below a version.
func before(files []migration.Migration, version int64) state {
	at := state{empty: true}
	for _, f := range files {
		if n := number(f.ID); n < version {
			at = state{version: n}
		}
	}
	return at
}

// set is the statement that writes the number in place of what is there; the zero ID leaves the table empty.
func (l *ledger) set(f engine.Family, at state, id migration.ID, dirty bool) migration.Write {
	if id == "" {
		return migration.Write{SQL: "DELETE FROM " + f.Table(l.name), Rows: migration.AnyRows}
	}
	statement := fmt.Sprintf("UPDATE %s SET version = %s, dirty = %s", f.Table(l.name), f.Placeholder(1), f.Placeholder(2))
	if at.empty {
		statement = fmt.Sprintf("INSERT INTO %s (version, dirty) VALUES (%s, %s)", f.Table(l.name), f.Placeholder(1), f.Placeholder(2))
	}
	// MySQL counts no row where the row is what it was.
	return migration.Write{SQL: statement, Args: []any{number(id), dirty}, Rows: migration.AnyRows}
}

// write sets the number at once.
func (l *ledger) write(ctx context.Context, q engine.Querier, id migration.ID, dirty bool) error {
	at, err := l.state(ctx, q)
	if err == nil {
		err = migration.Execute(ctx, q, []migration.Write{l.set(q.Family(), at, id, dirty)})
	}
	if err != nil {
		return fmt.Errorf("set ledger %s to version %s: %w", l.name, id, err)
	}
	return nil
}
