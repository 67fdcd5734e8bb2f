package generic

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// ledger is a table that is described by options. What they leave open is found in the table.
type ledger struct{ o Options }

var _ migration.Ledger = (*ledger)(nil)

// Table is [migration.Ledger.Table].
func (l *ledger) Table() schema.Name { return l.o.Table }

// Create is [migration.Ledger.Create]. The table is a plain one, with the columns of the options.
func (l *ledger) Create(ctx context.Context, q engine.Querier) error {
	if err := l.o.Check(); err != nil {
		return err
	}
	exists, err := migration.TableExists(ctx, q, l.o.Table)
	if err != nil || exists {
		return err
	}
	if err := l.writable(); err != nil {
		return err
	}
	return (&migration.RowLedger{Name: l.o.Table, Make: l.makes}).Create(ctx, q)
}

func (l *ledger) makes(f engine.Family, table string) []string {
	if l.o.makes != nil {
		return l.o.makes(f, table)
	}
	columns := []string{f.Ident(l.o.Column) + " varchar(255) NOT NULL PRIMARY KEY"}
	if l.o.Time != "" {
		at := "timestamp"
		if f == engine.Postgres {
			at = "timestamp with time zone"
		}
		columns = append(columns, f.Ident(l.o.Time)+" "+at+" NOT NULL")
	}
	for _, v := range l.o.Values {
		columns = append(columns, f.Ident(v.Column)+" varchar(255) NOT NULL")
	}
	return []string{"CREATE TABLE " + table + " (" + strings.Join(columns, ", ") + ")"}
}

// writable refuses to write what the options do not describe.
func (l *ledger) writable() error {
	if l.o.Column == "" || l.o.Form == "" {
		return fmt.Errorf("ledger %s is only read, since nothing says what its rows hold: set column and form in migrations.ledger: %w", l.o.Table, errors.ErrUnsupported)
	}
	return nil
}

// Records is [migration.Ledger.Records]. A value that is no file's keeps its own text as its ID.
func (l *ledger) Records(ctx context.Context, q engine.Querier, files []migration.Migration) ([]migration.Record, error) {
	rows, _, err := l.open(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("read ledger %s: %w", l.o.Table, err)
	}
	return rows.Records(ctx, q, files)
}

// Mark is [migration.Ledger.Mark].
func (l *ledger) Mark(ctx context.Context, q engine.Querier, marks, files []migration.Migration) ([]migration.Write, error) {
	rows, has, err := l.open(ctx, q)
	if err == nil {
		err = l.writable()
	}
	if err == nil {
		err = l.whole(has)
	}
	if err != nil {
		return nil, fmt.Errorf("record migrations: %w", err)
	}
	return rows.Mark(ctx, q, marks, files)
}

// Unmark is [migration.Ledger.Unmark].
func (l *ledger) Unmark(ctx context.Context, q engine.Querier, marks, files []migration.Migration) ([]migration.Write, error) {
	rows, _, err := l.open(ctx, q)
	if err == nil {
		err = l.writable()
	}
	if err != nil {
		return nil, fmt.Errorf("take records away: %w", err)
	}
	return rows.Unmark(ctx, q, marks, files)
}

// open looks at the table, which must have the columns of the options, and makes a ledger of rows of it.
func (l *ledger) open(ctx context.Context, q engine.Querier) (*migration.RowLedger, []column, error) {
	if err := l.o.Check(); err != nil {
		return nil, nil, err
	}
	exists, err := migration.TableExists(ctx, q, l.o.Table)
	if err != nil {
		return nil, nil, err
	}
	if !exists {
		return nil, nil, migration.ErrNoLedger
	}
	has, err := columns(ctx, q, l.o.Table)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range l.o.columns() {
		if !slices.ContainsFunc(has, func(c column) bool { return c.name == name }) {
			return nil, nil, fmt.Errorf("ledger %s has no column %s: it has %s", l.o.Table, name, list(has))
		}
	}
	key := l.o.Column
	if key == "" {
		key = usual(has)
	}
	if key == "" {
		return nil, nil, fmt.Errorf("ledger %s has no column called %s: it has %s; set column in migrations.ledger: %w",
			l.o.Table, strings.Join(usualNames(), ", "), list(has), errors.ErrUnsupported)
	}
	return l.rows(key, has), has, nil
}

// usualNames are what the column with the migration is called, the more telling first.
func usualNames() []string { return []string{"name", "migration", "filename", "version", "id"} }

func usual(has []column) string {
	for _, want := range usualNames() {
		for _, c := range has {
			if strings.EqualFold(c.name, want) {
				return c.name
			}
		}
	}
	return ""
}

// whole refuses a table that wants more of a row than the options say.
func (l *ledger) whole(has []column) error {
	for _, c := range has {
		if c.required && !slices.Contains(l.o.columns(), c.name) {
			return fmt.Errorf("ledger %s needs a value in column %s, which migrations.ledger does not name: it has %s: %w",
				l.o.Table, c.name, list(has), errors.ErrUnsupported)
		}
	}
	return nil
}

func (l *ledger) rows(key string, has []column) *migration.RowLedger {
	return &migration.RowLedger{
		Name: l.o.Table,
		Keys: []string{key},
		Row:  func(m migration.Marking) ([]migration.Cell, error) { return l.row(m, has) },
		Read: func(rows []map[string]string, files []migration.Migration) ([]migration.Record, error) {
			records := make([]migration.Record, 0, len(rows))
			for _, row := range rows {
				id := meant(row[key], l.o.Form, files)
				records = append(records, migration.Record{ID: id, State: migration.Applied, At: migration.Time(row[l.o.Time]), Raw: row})
			}
			return records, nil
		},
		Undo: func(m migration.Marking, table string) ([]migration.Write, error) {
			var writes []migration.Write
			names := migration.Texts(m.Rows, key)
			slices.Sort(names)
			for _, name := range slices.Compact(names) {
				if name != "" && meant(name, l.o.Form, m.Files) == m.ID {
					statement := "DELETE FROM " + table + " WHERE " + m.Family.Ident(key) + " = " + m.Family.Placeholder(1)
					writes = append(writes, migration.Write{SQL: statement, Args: []any{name}, Rows: migration.AnyRows})
				}
			}
			return writes, nil
		},
	}
}

// row is what the options describe.
func (l *ledger) row(m migration.Marking, has []column) ([]migration.Cell, error) {
	name := string(m.ID)
	if l.o.Form == File {
		name = migration.NameFor(m.ID, migration.Texts(m.Rows, l.o.Column), m.Files)
	}
	cells := []migration.Cell{{Column: l.o.Column, Value: name}}
	if l.o.Time != "" {
		i := slices.IndexFunc(has, func(c column) bool { return c.name == l.o.Time })
		at, err := has[i].now(m)
		if err != nil {
			return nil, err
		}
		cells = append(cells, migration.Cell{Column: l.o.Time, Value: at})
	}
	if l.o.group != "" {
		last := 0
		for _, text := range migration.Texts(m.Rows, l.o.group) {
			if n, err := strconv.Atoi(text); err == nil {
				last = max(last, n)
			}
		}
		cells = append(cells, migration.Cell{Column: l.o.group, Value: last + 1})
	}
	for _, v := range l.o.Values {
		cells = append(cells, migration.Cell{Column: v.Column, Value: v.Value})
	}
	return cells, nil
}
