// Package goose is the adapter to goose (github.com/pressly/goose): a folder of SQL files
// <version>_<title>.sql with "-- +goose" annotations, and a ledger of versions.
//
// The migrations are run natively, by goose's rules as of 3.29: one transaction for a file and its
// record, unless the file says NO TRANSACTION; statements are split as its annotations and line ends
// say; ENVSUB puts in variables of mulligan's own environment. A migration below the highest applied
// one is refused as goose refuses it. Migrations in Go must be compiled, so they cannot be run here:
// such a folder needs the application's own program as its command.
package goose

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// DefaultTable is where goose keeps its ledger when nothing else is said.
const DefaultTable = "goose_db_version"

// ErrGo says that migrations are written in Go.
var ErrGo = errors.New("migrations in Go must be compiled into a program of their own: set migrations.command to that program")

// lookup finds an environment variable.
type lookup func(name string) (value string, set bool)

// New joins the migrations of a folder with their ledger. The zero table is the default one.
func New(dir string, table schema.Name) *migration.Tool {
	if table == (schema.Name{}) {
		table.Table = DefaultTable
	}
	src, led := source(dir), ledger(table)
	read := scripter(os.LookupEnv)
	run := &migration.SQLRunner{Source: src, Ledger: led, Script: read, Check: check}
	return &migration.Tool{Name: "goose", Source: src, Ledger: led, Runner: run, Script: read, Late: migration.LateRefused}
}

// FileTool knows goose's files by their names and annotations.
func FileTool() migration.FileTool {
	return migration.FileTool{Tool: "goose", Looks: func(dir string) (int, error) {
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

var marked = regexp.MustCompile(`(?mi)^--\s*\+goose\s+up\s*$|"github\.com/pressly/goose`)

func isMigration(name string) bool {
	_, ok := version(name)
	return ok
}

// version reads the digits before the first underscore. Zero and names without are no migrations.
func version(name string) (migration.ID, bool) {
	ext := filepath.Ext(name)
	digits, _, ok := strings.Cut(name, "_")
	if !ok || ext != ".sql" && ext != ".go" || strings.HasSuffix(name, "_test.go") {
		return "", false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 1 {
		return "", false
	}
	return migration.ID(strconv.FormatInt(n, 10)), true
}

// source lists the migrations of a folder, those in Go too.
type source string

// Migrations is [migration.Source.Migrations]. A file that goose could not parse is an error.
func (s source) Migrations(context.Context) ([]migration.Migration, error) {
	files, err := migration.ReadFolder(string(s), isMigration)
	if err != nil {
		return nil, err
	}
	list := make([]migration.Migration, 0, len(files))
	for _, f := range files {
		id, _ := version(f.Name)
		m := migration.Migration{ID: id, Path: f.Path, Hash: f.Hash}
		_, title, _ := strings.Cut(strings.TrimSuffix(f.Name, filepath.Ext(f.Name)), "_")
		m.Title = migration.Title(title)
		if filepath.Ext(f.Name) == ".sql" {
			parts, err := split(f.Text)
			if err != nil {
				return nil, fmt.Errorf("migration %s: %w", f.Path, err)
			}
			m.Line = parts.line
		}
		list = append(list, m)
	}
	slices.SortStableFunc(list, func(a, b migration.Migration) int { return cmp.Compare(number(a.ID), number(b.ID)) })
	return list, migration.CheckUnique(list, string(s), "20240131120000_create_users.sql")
}

func number(id migration.ID) int64 {
	n, err := strconv.ParseInt(string(id), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// check refuses what goose refuses: a pending migration below one that is applied, and one in Go.
func check(all []migration.Status, pending []migration.Migration) error {
	highest := int64(0)
	for _, s := range all {
		if s.Verdict == migration.VerdictApplied || s.Verdict == migration.VerdictOrphan {
			highest = max(highest, number(s.Migration.ID))
		}
	}
	for _, m := range pending {
		if filepath.Ext(m.Path) == ".go" {
			return fmt.Errorf("migration %s: %w", m.Path, ErrGo)
		}
		if number(m.ID) < highest {
			return fmt.Errorf("migration %s is pending although version %d is applied: goose refuses migrations that are out of order", m.Path, highest)
		}
	}
	return nil
}

// ledger keeps a row for each version, and one for version 0 that says the table is in use.
func ledger(table schema.Name) *migration.RowLedger {
	return &migration.RowLedger{
		Name: table,
		Keys: []string{"version_id"},
		Sort: "id",
		Make: func(f engine.Family, name string) []string {
			return []string{"CREATE TABLE " + name + " " + columns(f), zero(f, name)}
		},
		Row: func(m migration.Marking) ([]migration.Cell, error) {
			n := number(m.ID)
			if n < 0 {
				return nil, fmt.Errorf("%q is no version of goose's", m.ID)
			}
			return []migration.Cell{{Column: "version_id", Value: n}, {Column: "is_applied", Value: true}}, nil
		},
		Read:  read,
		First: first,
	}
}

func columns(f engine.Family) string {
	switch f {
	case engine.Postgres:
		return "(id integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp NOT NULL DEFAULT now())"
	case engine.MySQL, engine.MariaDB:
		return "(id bigint(20) unsigned NOT NULL AUTO_INCREMENT, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp datetime NULL default CURRENT_TIMESTAMP, PRIMARY KEY(id))"
	default:
		return "(id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')))"
	}
}

func zero(f engine.Family, table string) string {
	yes := "true"
	if f == engine.SQLite {
		yes = "1"
	}
	return "INSERT INTO " + table + " (version_id, is_applied) VALUES (0, " + yes + ")"
}

// read makes records. The newest row of a version says what all its rows count for: older versions
// of goose wrote a row of its own when a migration was taken back.
func read(rows []map[string]string, _ []migration.Migration) ([]migration.Record, error) {
	newest := make(map[string]migration.State, len(rows))
	for _, row := range rows {
		newest[row["version_id"]] = migration.RolledBack
		if migration.True(row["is_applied"]) {
			newest[row["version_id"]] = migration.Applied
		}
	}
	records := make([]migration.Record, 0, len(rows))
	for _, row := range rows {
		if v := row["version_id"]; v != "0" {
			records = append(records, migration.Record{ID: migration.ID(v), State: newest[v], At: migration.Time(row["tstamp"]), Raw: row})
		}
	}
	return records, nil
}

// first puts the row of version 0 into a table that lacks it, without which goose refuses to work.
func first(f engine.Family, table string, rows []map[string]string) []migration.Write {
	if slices.ContainsFunc(rows, func(row map[string]string) bool { return row["version_id"] == "0" }) {
		return nil
	}
	return []migration.Write{{SQL: zero(f, table), Rows: 1}}
}

// scripter reads what goose would send, with variables from an environment.
func scripter(env lookup) func(migration.Migration) (migration.Script, error) {
	return func(m migration.Migration) (migration.Script, error) {
		if filepath.Ext(m.Path) == ".go" {
			return migration.Script{}, ErrGo
		}
		text, err := migration.Reread(m)
		if err != nil {
			return migration.Script{}, err
		}
		parts, err := parse(text, env)
		return migration.Script{Parts: parts.statements, Transaction: parts.transaction}, err
	}
}
