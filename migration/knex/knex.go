// Package knex is the adapter to knex (knexjs.org), as of 3.3: a folder of JavaScript or TypeScript files, a ledger
// of file names, and beside it a table of one row that is knex's lock.
//
// The migrations are code, so the user's own command runs them. A ledger holds names with their extension, and code
// that is written as .ts is often run as .js: a record whose name differs from a file's by the extension alone counts
// as that file's, and a mark has the extension that the ledger's other rows have. knex itself takes the two for
// different migrations. A record without a file stops knex, unless disableMigrationsListValidation is set.
package knex

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// DefaultTable is where knex keeps its ledger when nothing else is said.
const DefaultTable = "knex_migrations"

// New joins the migrations of a folder with their ledger. The zero table is the default one.
func New(dir string, table schema.Name) *migration.Tool {
	if table == (schema.Name{}) {
		table.Table = DefaultTable
	}
	beside := lock(schema.Name{Schema: table.Schema, Table: table.Table + "_lock"})
	return &migration.Tool{Name: "knex", Source: source(dir), Ledger: ledger(table, beside), Late: migration.LateRuns, Lock: beside}
}

// source is a folder of code. knex sorts by the whole file name.
type source string

// Migrations is [migration.Source.Migrations].
func (s source) Migrations(context.Context) ([]migration.Migration, error) {
	return migration.CodeFolder(string(s), ".js", ".cjs", ".mjs", ".ts", ".cts", ".mts", ".co", ".coffee", ".eg", ".iced", ".litcoffee", ".ls")
}

func ledger(table schema.Name, beside lock) *migration.RowLedger {
	return &migration.RowLedger{
		Name: table,
		Keys: []string{"name"},
		Sort: "id",
		Make: func(f engine.Family, name string) []string {
			return append([]string{makes(f, name)}, beside.makes(f)...)
		},
		Row:  row,
		Read: read,
		Undo: func(m migration.Marking, table string) ([]migration.Write, error) {
			return migration.Unname(m, table, "name"), nil
		},
	}
}

func makes(f engine.Family, table string) string {
	switch f {
	case engine.Postgres:
		return "create table " + table + ` ("id" serial primary key, "name" varchar(255), "batch" integer, "migration_time" timestamptz)`
	case engine.MySQL, engine.MariaDB:
		return "create table " + table + " (`id` int unsigned not null auto_increment primary key, `name` varchar(255), `batch` int, `migration_time` timestamp)"
	default:
		return "create table " + table + " (`id` integer not null primary key autoincrement, `name` varchar(255), `batch` integer, `migration_time` datetime)"
	}
}

// row is what knex inserts; all that one run applies are one batch.
func row(m migration.Marking) ([]migration.Cell, error) {
	last := 0
	for _, text := range migration.Texts(m.Rows, "batch") {
		n, err := strconv.Atoi(text)
		if err == nil {
			last = max(last, n)
		}
	}
	return []migration.Cell{
		{Column: "name", Value: migration.NameFor(m.ID, migration.Texts(m.Rows, "name"), m.Files)},
		{Column: "batch", Value: last + 1},
		{Column: "migration_time", Value: now(m)},
	}, nil
}

// now is the time as the drivers that knex uses write a Date: to the millisecond, and to SQLite as a number.
func now(m migration.Marking) any {
	switch m.Family {
	case engine.Postgres:
		return migration.Expr("date_trunc('milliseconds', CURRENT_TIMESTAMP)")
	case engine.MySQL, engine.MariaDB:
		return migration.Expr("CURRENT_TIMESTAMP")
	default:
		return m.Now.UnixMilli()
	}
}

func read(rows []map[string]string, files []migration.Migration) ([]migration.Record, error) {
	records := make([]migration.Record, 0, len(rows))
	for _, row := range rows {
		at := migration.Time(row["migration_time"])
		if ms, err := strconv.ParseInt(row["migration_time"], 10, 64); err == nil {
			at = time.UnixMilli(ms).UTC()
		}
		records = append(records, migration.Record{ID: migration.Named(row["name"], files), State: migration.Applied, At: at, Raw: row})
	}
	return records, nil
}

// lock is the table beside the ledger: one row, whose is_locked is 1 while knex works. A process that is killed
// leaves it so, until `knex migrate:unlock`; so does one of ours that took it.
type lock schema.Name

var _ migration.Lock = lock{}

// makes are the statements that make the table where it is absent, and its row.
func (l lock) makes(f engine.Family) []string {
	table, columns, from := f.Table(schema.Name(l)), "(`index` integer not null primary key autoincrement, `is_locked` integer)", ""
	switch f {
	case engine.Postgres:
		columns = `("index" serial primary key, "is_locked" integer)`
	case engine.MySQL, engine.MariaDB:
		columns, from = "(`index` int unsigned not null auto_increment primary key, `is_locked` int)", " FROM DUAL"
	case engine.SQLite:
	}
	return []string{
		"create table if not exists " + table + " " + columns,
		"INSERT INTO " + table + " (is_locked) SELECT 0" + from + " WHERE NOT EXISTS (SELECT 1 FROM " + table + ")",
	}
}

// Take is [migration.Lock.Take]. Where the table is absent knex has never worked, and there is nothing to take.
func (l lock) Take(ctx context.Context, s engine.Session) (func(context.Context) error, error) {
	exists, err := migration.TableExists(ctx, s, schema.Name(l))
	if err != nil {
		return nil, err
	}
	if !exists {
		return func(context.Context) error { return nil }, nil
	}
	took := false
	err = migration.InTransaction(ctx, s, func() error {
		took, err = l.take(ctx, s)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("take knex's lock in %s: %w", schema.Name(l), err)
	}
	if !took {
		who, err := l.Holder(ctx, s)
		if who == "" {
			who = "a transaction that has changed " + schema.Name(l).String()
		}
		return nil, errors.Join(fmt.Errorf("%w by %s", migration.ErrHeld, who), err)
	}
	return func(ctx context.Context) error {
		if _, err := s.ExecContext(ctx, "UPDATE "+s.Family().Table(schema.Name(l))+" SET is_locked = 0"); err != nil {
			return fmt.Errorf("free knex's lock in %s: %w", schema.Name(l), err)
		}
		return nil
	}, nil
}

// take sets the row's mark. A row that a transaction of knex's has changed is passed over, not waited for.
func (l lock) take(ctx context.Context, s engine.Session) (bool, error) {
	f := s.Family()
	table := f.Table(schema.Name(l))
	// The statement that makes the row would wait for who has changed one.
	if rows, err := migration.TableRows(ctx, s, schema.Name(l), ""); err != nil {
		return false, err
	} else if len(rows) == 0 {
		if _, err := s.ExecContext(ctx, l.makes(f)[1]); err != nil {
			return false, err
		}
	}
	if f != engine.SQLite {
		var index int64
		err := s.QueryRowContext(ctx, "SELECT "+f.Ident("index")+" FROM "+table+" WHERE is_locked = 0 FOR UPDATE SKIP LOCKED").Scan(&index)
		if errors.Is(err, sql.ErrNoRows) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	result, err := s.ExecContext(ctx, "UPDATE "+table+" SET is_locked = 1 WHERE is_locked = 0")
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

// Holder is [migration.Lock.Holder]. knex sets the mark inside the transaction of its migrations, where only
// PostgreSQL shows it to others.
func (l lock) Holder(ctx context.Context, q engine.Querier) (string, error) {
	rows, err := migration.TableRows(ctx, q, schema.Name(l), "")
	if errors.Is(err, migration.ErrNoLedger) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for _, row := range rows {
		if migration.True(row["is_locked"]) {
			return fmt.Sprintf("is_locked = 1 in %s, which a run that was killed leaves behind, too (`knex migrate:unlock` frees it)", schema.Name(l)), nil
		}
	}
	if q.Family() != engine.Postgres {
		return "", nil
	}
	const query = `SELECT 'process ' || l.pid || coalesce(', user ' || a.usename, '') || coalesce(' at ' || host(a.client_addr), '')
		FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
		WHERE l.locktype = 'relation' AND l.relation = to_regclass($1) AND l.mode = 'RowExclusiveLock' AND l.granted AND l.pid <> pg_backend_pid()
			AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1`
	var who sql.NullString
	err = q.QueryRowContext(ctx, query, q.Family().Table(schema.Name(l))).Scan(&who)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("look for the holder of knex's lock: %w", err)
	}
	return who.String, nil
}
