package golangmigrate

import (
	"context"
	"fmt"
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

// Insert is [migration.Ledger.Insert]. It sets the number to m where m is the file after it, and
// takes the dirty mark away where m is the number itself; all else would mark, or unmark, others.
func (l *ledger) Insert(ctx context.Context, q engine.Querier, m migration.Migration, files []migration.Migration) error {
	at, err := l.state(ctx, q)
	if err != nil {
		return fmt.Errorf("record migration %s: %w", m.ID, err)
	}
	want := number(m.ID)
	switch {
	case !at.empty && !at.dirty && want <= at.version, at.dirty && want < at.version:
		return fmt.Errorf("record migration %s in %s: %w", m.ID, l.name, migration.ErrRecorded)
	case at.dirty && want == at.version:
		return l.set(ctx, q, m.ID, false)
	case at.dirty:
		return fmt.Errorf("record migration %s in %s: %w: version %d is dirty", m.ID, l.name, migration.ErrMarksAll, at.version)
	}
	for _, f := range files {
		if n := number(f.ID); n < want && (at.empty || n > at.version) {
			return fmt.Errorf("record migration %s in %s: %w: version %s is not recorded", m.ID, l.name, migration.ErrMarksAll, f.ID)
		}
	}
	return l.set(ctx, q, m.ID, false)
}

// Delete is [migration.Ledger.Delete]. It sets the number back to the file before m. Where the number
// is past m that would unmark others: [migration.ErrMarksAll].
func (l *ledger) Delete(ctx context.Context, q engine.Querier, m migration.Migration, files []migration.Migration) error {
	at, err := l.state(ctx, q)
	if err != nil {
		return fmt.Errorf("delete the record of migration %s: %w", m.ID, err)
	}
	switch want := number(m.ID); {
	case at.empty || at.version < want:
		return nil
	case at.version > want:
		return fmt.Errorf("delete the record of migration %s from %s: %w: it stands at version %d", m.ID, l.name, migration.ErrMarksAll, at.version)
	}
	before := migration.ID("")
	for _, f := range files {
		if number(f.ID) < at.version {
			before = f.ID
		}
	}
	return l.set(ctx, q, before, false)
}

// set writes the number in place of what is there, in one statement; the zero ID leaves the table empty.
func (l *ledger) set(ctx context.Context, q engine.Querier, id migration.ID, dirty bool) error {
	at, err := l.state(ctx, q)
	if err != nil {
		return fmt.Errorf("set ledger %s to version %s: %w", l.name, id, err)
	}
	f := q.Family()
	statement, args := "DELETE FROM "+f.Table(l.name), []any(nil)
	if id != "" {
		args = []any{number(id), dirty}
		statement = fmt.Sprintf("UPDATE %s SET version = %s, dirty = %s", f.Table(l.name), f.Placeholder(1), f.Placeholder(2))
		if at.empty {
			statement = fmt.Sprintf("INSERT INTO %s (version, dirty) VALUES (%s, %s)", f.Table(l.name), f.Placeholder(1), f.Placeholder(2))
		}
	}
	if _, err := q.ExecContext(ctx, statement, args...); err != nil {
		return fmt.Errorf("set ledger %s to version %s: %w", l.name, id, err)
	}
	return nil
}
