// Package sqlmigrate is the adapter to sql-migrate (github.com/rubenv/sql-migrate): a folder of SQL
// files with "-- +migrate" annotations, and a ledger of their names.
//
// The migrations are run natively, by sql-migrate's rules as of 1.8: one transaction for a file and its
// record, unless its Up annotation says notransaction; statements are split as its annotations and line
// ends say, and sent without the semicolon. A ledger that names a file which is not there is refused.
package sqlmigrate

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// DefaultTable is where sql-migrate keeps its ledger when nothing else is said.
const DefaultTable = "gorp_migrations"

var (
	marked = regexp.MustCompile(`(?m)^-- \+migrate (?:Up|Down)\b`)
	number = regexp.MustCompile(`^[0-9]+`)
)

// New joins the migrations of a folder with their ledger. The zero table is the default one.
func New(dir string, table schema.Name) *migration.Tool {
	if table == (schema.Name{}) {
		table.Table = DefaultTable
	}
	src, led := source(dir), ledger(table)
	run := &migration.SQLRunner{Source: src, Ledger: led, Script: script, Check: check}
	return &migration.Tool{Name: "sql-migrate", Source: src, Ledger: led, Runner: run, Script: script, Late: migration.LateRuns}
}

// FileTool knows sql-migrate's files by their annotations.
func FileTool() migration.FileTool {
	return migration.FileTool{Tool: "sql-migrate", Looks: func(dir string) (int, error) {
		files, err := migration.ReadFolder(dir, isMigration)
		n := 0
		for _, f := range files {
			if marked.MatchString(f.Text) {
				n++
			}
		}
		return n, err
	}}
}

func isMigration(name string) bool { return strings.HasSuffix(name, ".sql") }

// source lists the migrations of a folder: every SQL file in it is one.
type source string

// Migrations is [migration.Source.Migrations]. Names that begin with digits come first, in the order of
// that number, then all others. A file that sql-migrate could not parse is an error.
func (s source) Migrations(context.Context) ([]migration.Migration, error) {
	files, err := migration.ReadFolder(string(s), isMigration)
	if err != nil {
		return nil, err
	}
	list := make([]migration.Migration, 0, len(files))
	for _, f := range files {
		digits := number.FindString(f.Name)
		if _, err := strconv.ParseInt(digits, 10, 64); digits != "" && err != nil {
			return nil, fmt.Errorf("migration %s: the number %s is too large for sql-migrate", f.Path, digits)
		}
		parts, err := parse(f.Text)
		if err != nil {
			return nil, fmt.Errorf("migration %s: %w", f.Path, err)
		}
		title := strings.TrimSuffix(strings.TrimPrefix(f.Name, digits), ".sql")
		list = append(list, migration.Migration{
			ID: migration.ID(f.Name), Title: migration.Title(title), Path: f.Path, Hash: f.Hash, Line: parts.line,
		})
	}
	slices.SortStableFunc(list, func(a, b migration.Migration) int { return compare(string(a.ID), string(b.ID)) })
	return list, migration.CheckUnique(list, string(s), "20240131120000-create_users.sql")
}

// compare orders file names as sql-migrate does.
func compare(a, b string) int {
	x, y := number.FindString(a), number.FindString(b)
	switch {
	case x != "" && y == "":
		return -1
	case x == "" && y != "":
		return 1
	}
	// Numbers of this many digits at most: without leading zeros the longer one is the larger.
	x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
	return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y), cmp.Compare(a, b))
}

// check refuses what sql-migrate refuses: a ledger with a name that is no file's.
func check(all []migration.Status, _ []migration.Migration) error {
	for _, s := range all {
		if s.Verdict == migration.VerdictOrphan {
			return fmt.Errorf("the ledger says that %s is applied, and there is no such file: sql-migrate refuses to go on", s.Migration.ID)
		}
	}
	return nil
}

// ledger keeps the names of the files, and when each was applied.
func ledger(table schema.Name) *migration.RowLedger {
	return &migration.RowLedger{
		Name: table,
		Keys: []string{"id"},
		Sort: "id",
		Make: func(f engine.Family, name string) []string {
			list := []string{"create table if not exists " + name + " " + columns(f)}
			if table.Schema != "" && f == engine.Postgres {
				list = append([]string{"create schema if not exists " + f.Ident(table.Schema)}, list...)
			}
			return list
		},
		Row: func(m migration.Marking) ([]migration.Cell, error) {
			return []migration.Cell{{Column: "id", Value: string(m.ID)}, {Column: "applied_at", Value: m.Now.Format(moment(m.Family))}}, nil
		},
		Read: read,
	}
}

func columns(f engine.Family) string {
	switch f {
	case engine.Postgres:
		return `("id" text not null primary key, "applied_at" timestamp with time zone)`
	case engine.MySQL, engine.MariaDB:
		return "(`id` varchar(255) not null primary key, `applied_at` datetime) engine=InnoDB charset=UTF8"
	default:
		return `("id" varchar(255) not null primary key, "applied_at" datetime)`
	}
}

// moment is the layout of applied_at. In SQLite, which keeps the text, it is that of the driver in
// sql-migrate's own program.
func moment(f engine.Family) string {
	switch f {
	case engine.MySQL, engine.MariaDB:
		return "2006-01-02 15:04:05.999999"
	case engine.Postgres:
		return "2006-01-02 15:04:05.999999-07:00"
	default:
		return "2006-01-02 15:04:05.999999999-07:00"
	}
}

func read(rows []map[string]string, _ []migration.Migration) ([]migration.Record, error) {
	records := make([]migration.Record, 0, len(rows))
	for _, row := range rows {
		records = append(records, migration.Record{ID: migration.ID(row["id"]), State: migration.Applied, At: migration.Time(row["applied_at"]), Raw: row})
	}
	slices.SortStableFunc(records, func(a, b migration.Record) int { return compare(string(a.ID), string(b.ID)) })
	return records, nil
}

// script is what sql-migrate sends of a file.
func script(m migration.Migration) (migration.Script, error) {
	text, err := migration.Reread(m)
	if err != nil {
		return migration.Script{}, err
	}
	parts, err := parse(text)
	return migration.Script{Parts: parts.statements, Transaction: parts.transaction}, err
}
