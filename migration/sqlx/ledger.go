package sqlx

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// ledger keeps a row for each version.
func ledger(table schema.Name) *migration.RowLedger {
	return &migration.RowLedger{
		Name: table,
		Keys: []string{"version"},
		Sort: "version",
		Make: func(f engine.Family, name string) []string {
			stamp, bytes := "TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP", "BLOB"
			if f == engine.Postgres {
				stamp, bytes = "TIMESTAMPTZ NOT NULL DEFAULT now()", "BYTEA"
			}
			return []string{"CREATE TABLE IF NOT EXISTS " + name + " (version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on " + stamp +
				", success BOOLEAN NOT NULL, checksum " + bytes + " NOT NULL, execution_time BIGINT NOT NULL)"}
		},
		Row:   row,
		Read:  read,
		Again: succeed,
		Undo: func(m migration.Marking, table string) ([]migration.Write, error) {
			sql := "DELETE FROM " + table + " WHERE version = " + m.Family.Placeholder(1)
			return []migration.Write{{SQL: sql, Args: []any{number(m.ID)}, Rows: migration.AnyRows}}, nil
		},
	}
}

// row is what sqlx writes before it knows how long a migration took.
func row(m migration.Marking) ([]migration.Cell, error) {
	if m.Path == "" {
		return nil, fmt.Errorf("the file of migration %s is not known, and the row needs its checksum", m.ID)
	}
	text, err := migration.Reread(m.Migration)
	return []migration.Cell{
		{Column: "version", Value: number(m.ID)},
		{Column: "description", Value: description(filepath.Base(m.Path))},
		{Column: "success", Value: true},
		{Column: "checksum", Value: checksum(text)},
		{Column: "execution_time", Value: -1},
	}, err
}

// succeed makes the row of a failed migration a good one, with the checksum of the file as it is now: with another one
// sqlx would stop.
func succeed(m migration.Marking, table string) ([]migration.Write, bool, error) {
	text, err := migration.Reread(m.Migration)
	f := m.Family
	sql := fmt.Sprintf("UPDATE %s SET success = %s, checksum = %s WHERE version = %s", table, f.Placeholder(1), f.Placeholder(2), f.Placeholder(3))
	return []migration.Write{{SQL: sql, Args: []any{true, checksum(text), number(m.ID)}, Rows: 1}}, true, err
}

// read makes records.
func read(rows []map[string]string, files []migration.Migration) ([]migration.Record, error) {
	list := make([]migration.Record, 0, len(rows))
	for _, row := range rows {
		r := migration.Record{ID: migration.ID(row["version"]), State: migration.Applied, At: migration.Time(row["installed_on"]), Raw: row}
		if !migration.True(row["success"]) {
			r.State = migration.Failed
		}
		if i := migration.Index(files, r.ID); i >= 0 && files[i].Path != "" {
			sum, err := sumOf(row, files[i])
			if err != nil {
				return nil, err
			}
			r.Sum = sum
		}
		list = append(list, r)
	}
	return list, nil
}

// apply runs one migration. On MySQL and MariaDB its row comes first, and is a good one only at the end: what commits in
// between leaves the row as it is. Afterwards the row says how long it took.
func apply(ctx context.Context, s engine.Session, l *migration.RowLedger, m migration.Migration, files []migration.Migration) error {
	sc, err := script(m)
	if err != nil {
		return err
	}
	f, start := s.Family(), time.Now()
	table := f.Table(l.Name)
	mysql := f == engine.MySQL || f == engine.MariaDB
	set := func(column string, value any) error {
		sql := fmt.Sprintf("UPDATE %s SET %s = %s WHERE version = %s", table, column, f.Placeholder(1), f.Placeholder(2))
		return migration.Execute(ctx, s, []migration.Write{{SQL: sql, Args: []any{value, number(m.ID)}, Rows: 1}})
	}
	send := func() error {
		for _, part := range sc.Parts {
			if err := migration.RunScript(ctx, s, part.Text, part.Line); err != nil {
				return err
			}
		}
		return nil
	}
	record := func() error { return migration.Insert(ctx, s, l, m, files) }
	steps := []func() error{send, record}
	if mysql {
		steps = []func() error{record, func() error { return set("success", false) }, send, func() error { return set("success", true) }}
	}
	do := func() error {
		for _, step := range steps {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	}
	if sc.Transaction || mysql { // on MySQL sqlx does not look for the comment
		err = migration.InTransaction(ctx, s, do)
	} else if err = do(); err != nil {
		migration.Rollback(ctx, s) // the text may have begun one
	}
	if err != nil {
		return err
	}
	return set("execution_time", time.Since(start).Nanoseconds())
}
