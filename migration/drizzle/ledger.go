package drizzle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// create makes the table of version 0.x, or with more columns that of 1.0.
func create(f engine.Family, quoted string, table schema.Name, more ...string) []string {
	id, number := "id SERIAL PRIMARY KEY", "bigint"
	if f == engine.SQLite {
		number = "numeric"
		if len(more) > 0 {
			id = "id INTEGER PRIMARY KEY" // before 1.0 it was SERIAL there, too, which is NULL in every row
		}
	}
	columns := append([]string{id, "hash text NOT NULL", "created_at " + number}, more...)
	make := []string{"CREATE TABLE IF NOT EXISTS " + quoted + " (" + strings.Join(columns, ", ") + ")"}
	if f == engine.Postgres && table.Schema != "" {
		return append([]string{"CREATE SCHEMA IF NOT EXISTS " + f.Ident(table.Schema)}, make...)
	}
	return make
}

// timed is the table of version 0.x: a row for each migration that was run, named by its time.
func timed(src journal, table schema.Name) *migration.RowLedger {
	return &migration.RowLedger{
		Name: table,
		Keys: []string{"created_at"},
		Sort: "created_at, id",
		Make: func(f engine.Family, quoted string) []string { return create(f, quoted, table) },
		Row: func(m migration.Marking) ([]migration.Cell, error) {
			entries, err := src.entries()
			if err != nil {
				return nil, err
			}
			when, ok := whenOf(entries, m.ID)
			if !ok || m.Hash == "" {
				return nil, fmt.Errorf("migration %s is not in the journal, or its file was not read", m.ID)
			}
			return []migration.Cell{{Column: "hash", Value: m.Hash}, {Column: "created_at", Value: when}}, nil
		},
		Read: func(rows []map[string]string, files []migration.Migration) ([]migration.Record, error) {
			entries, err := src.entries()
			if err != nil {
				return nil, err
			}
			return read(rows, entries, files)
		},
	}
}

// whenOf is the time of a migration.
func whenOf(entries []entry, id migration.ID) (int64, bool) {
	for _, e := range entries {
		if migration.ID(e.Tag) == id {
			return e.When, true
		}
	}
	return 0, false
}

// read makes a record of each row, and of each file at or below the highest time that has no row: Drizzle will never run
// that one. Where two entries have one time, the hash says whose the row is.
func read(rows []map[string]string, entries []entry, files []migration.Migration) ([]migration.Record, error) {
	var list []migration.Record
	var highest int64
	for _, row := range rows {
		when, err := strconv.ParseFloat(row["created_at"], 64)
		if err != nil {
			list = append(list, migration.Record{State: migration.Unreadable, Raw: row})
			continue
		}
		highest = max(highest, int64(when))
		r := migration.Record{ID: migration.ID(strconv.FormatInt(int64(when), 10)), State: migration.Applied, Raw: row}
		for _, e := range entries {
			i := migration.Index(files, migration.ID(e.Tag))
			if e.When != int64(when) || i < 0 || r.Sum == migration.SumMatches {
				continue
			}
			r.ID, r.Sum = files[i].ID, migration.SumDiffers
			if row["hash"] == files[i].Hash {
				r.Sum = migration.SumMatches
			}
		}
		list = append(list, r)
	}
	for _, m := range files {
		when, ok := whenOf(entries, m.ID)
		own := slices.ContainsFunc(list, func(r migration.Record) bool { return r.ID == m.ID })
		if ok && !own && highest > 0 && when <= highest {
			list = append(list, migration.Record{ID: m.ID, State: migration.Applied})
		}
	}
	return list, nil
}

// marks is the ledger of version 0.x, which lets a record be written or taken away only where that is true of no other
// migration.
type marks struct {
	*migration.RowLedger
	src journal
}

var _ migration.Ledger = (*marks)(nil)

// Mark is [migration.Ledger.Mark]. A row hides all migrations below its time, so these must be recorded, or marked in the
// same call.
func (l *marks) Mark(ctx context.Context, q engine.Querier, marks, files []migration.Migration) ([]migration.Write, error) {
	writes, err := l.RowLedger.Mark(ctx, q, marks, files)
	if err != nil {
		return nil, err
	}
	entries, records, err := l.state(ctx, q, files)
	if err != nil {
		return nil, err
	}
	for _, m := range marks {
		when, _ := whenOf(entries, m.ID)
		for _, e := range entries {
			id := migration.ID(e.Tag)
			hidden := e.When <= when && migration.Index(marks, id) < 0
			if hidden && !slices.ContainsFunc(records, func(r migration.Record) bool { return r.ID == id }) {
				return nil, fmt.Errorf("record migration %s in %s: %w: %s is not recorded", m.ID, l.Table(), migration.ErrMarksAll, id)
			}
		}
	}
	return writes, nil
}

// Unmark is [migration.Ledger.Unmark]. Drizzle runs a migration again only where no row has its time or a later one, so
// those of other migrations stand against it; and what counts as applied without a row of its own must go on to.
func (l *marks) Unmark(ctx context.Context, q engine.Querier, marks, files []migration.Migration) ([]migration.Write, error) {
	entries, records, err := l.state(ctx, q, files)
	if err != nil {
		return nil, fmt.Errorf("take records away: %w", err)
	}
	isMark := func(id migration.ID) bool { return migration.Index(marks, id) >= 0 }
	var first int64 = -1
	for _, m := range marks {
		when, ok := whenOf(entries, m.ID)
		if ok && slices.ContainsFunc(records, func(r migration.Record) bool { return r.ID == m.ID }) && (first < 0 || when < first) {
			first = when
		}
	}
	if first < 0 {
		return nil, nil
	}
	var left int64
	for _, r := range records {
		if r.Raw == nil || isMark(r.ID) {
			continue
		}
		at, err := strconv.ParseFloat(r.Raw["created_at"], 64)
		if err == nil && int64(at) >= first {
			return nil, fmt.Errorf("take records out of %s: %w: %s is recorded after them", l.Table(), migration.ErrMarksAll, r.ID)
		}
		left = max(left, int64(at))
	}
	for _, r := range records {
		if when, ok := whenOf(entries, r.ID); ok && r.Raw == nil && !isMark(r.ID) && when > left {
			return nil, fmt.Errorf("take records out of %s: %w: they stand for %s", l.Table(), migration.ErrMarksAll, r.ID)
		}
	}
	f := q.Family()
	var writes []migration.Write
	for _, m := range marks {
		if when, ok := whenOf(entries, m.ID); ok {
			where := f.Ident("created_at") + " = " + f.Placeholder(1)
			writes = append(writes, migration.Write{SQL: "DELETE FROM " + f.Table(l.Table()) + " WHERE " + where, Args: []any{when}, Rows: migration.AnyRows})
		}
	}
	return writes, nil
}

func (l *marks) state(ctx context.Context, q engine.Querier, files []migration.Migration) ([]entry, []migration.Record, error) {
	records, err := l.Records(ctx, q, files)
	if err != nil {
		return nil, nil, err
	}
	entries, err := l.src.entries()
	return entries, records, err
}

// apply runs one migration. Its row is written even where a later one hides it: Drizzle looks at the table once, before
// the first.
func (l *marks) apply(ctx context.Context, s engine.Session, m migration.Migration, files []migration.Migration) error {
	sc, err := script(m)
	if err != nil {
		return err
	}
	f := s.Family()
	cells, err := l.Row(migration.Marking{Migration: m, Family: f, Files: files, Now: time.Now().UTC()})
	if err != nil {
		return err
	}
	return migration.InTransaction(ctx, s, func() error {
		for _, part := range sc.Parts {
			if err := migration.RunScript(ctx, s, part.Text, part.Line); err != nil {
				return err
			}
		}
		query := fmt.Sprintf("INSERT INTO %s (%s, %s) VALUES (%s, %s)", f.Table(l.Table()), f.Ident("hash"), f.Ident("created_at"), f.Placeholder(1), f.Placeholder(2))
		if _, err := s.ExecContext(ctx, query, cells[0].Value, cells[1].Value); err != nil {
			return fmt.Errorf("write the ledger: %w", err)
		}
		return nil
	})
}

// errOld says that the table lacks the names by which version 1.0 goes.
var errOld = errors.New("the ledger is of Drizzle 0.x, and the folder of 1.0: let Drizzle's own migrate upgrade the table first")

// named is the table of version 1.0.
func named(table schema.Name) *migration.RowLedger {
	return &migration.RowLedger{
		Name: table,
		Keys: []string{"hash"},
		Sort: "id",
		Make: func(f engine.Family, quoted string) []string {
			applied := map[engine.Family]string{engine.Postgres: "timestamp with time zone DEFAULT now()", engine.SQLite: "TEXT"}[f]
			if applied == "" {
				applied = "TIMESTAMP DEFAULT CURRENT_TIMESTAMP"
			}
			return create(f, quoted, table, "name text", "applied_at "+applied)
		},
		ID: func(row map[string]string) migration.ID { return migration.ID(row["name"]) },
		Row: func(m migration.Marking) ([]migration.Cell, error) {
			if len(m.Rows) > 0 && !slices.ContainsFunc(m.Rows, func(row map[string]string) bool { return row["name"] != "" }) {
				return nil, errOld
			}
			when, err := made(string(m.ID))
			cells := []migration.Cell{{Column: "hash", Value: m.Hash}, {Column: "created_at", Value: when}, {Column: "name", Value: string(m.ID)}}
			if m.Family == engine.SQLite {
				cells = append(cells, migration.Cell{Column: "applied_at", Value: m.Now.Format("2006-01-02T15:04:05.000Z")})
			}
			return cells, err
		},
		Read: readNamed,
		Undo: func(m migration.Marking, table string) ([]migration.Write, error) {
			where := m.Family.Ident("name") + " = " + m.Family.Placeholder(1)
			return []migration.Write{{SQL: "DELETE FROM " + table + " WHERE " + where, Args: []any{string(m.ID)}, Rows: migration.AnyRows}}, nil
		},
	}
}

// readNamed makes records. A row of before the upgrade has no name; it is found by its second, as Drizzle finds it.
func readNamed(rows []map[string]string, files []migration.Migration) ([]migration.Record, error) {
	list := make([]migration.Record, 0, len(rows))
	for _, row := range rows {
		r := migration.Record{ID: migration.ID(row["name"]), State: migration.Applied, At: migration.Time(row["applied_at"]), Raw: row}
		at, err := strconv.ParseFloat(row["created_at"], 64)
		for _, m := range files {
			when, _ := made(string(m.ID))
			if r.ID == "" && err == nil && when/1000 == int64(at)/1000 {
				r.ID = m.ID
			}
		}
		if r.ID == "" {
			r.State = migration.Unreadable
		}
		if i := migration.Index(files, r.ID); i >= 0 && files[i].Hash != "" {
			r.Sum = migration.SumDiffers
			if row["hash"] == files[i].Hash {
				r.Sum = migration.SumMatches
			}
		}
		list = append(list, r)
	}
	return list, nil
}
