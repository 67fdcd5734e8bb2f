// Package golangmigrate is the adapter to golang-migrate (github.com/golang-migrate/migrate): a
// folder of files <version>_<title>.up.sql, and a ledger of one row that holds one number.
//
// The migrations are run natively, by the tool's rules as of 4.20: the number is written with the
// dirty mark, the file goes to the server as one text, the number is written without the mark. On
// SQLite the file runs in a transaction; PostgreSQL makes one of a text by itself, unless the text
// has its own; MySQL and MariaDB have none. The URL options x-multi-statement and x-no-tx-wrap are
// not known here: an application that needs them runs its own command.
package golangmigrate

import (
	"cmp"
	"context"
	"fmt"
	"hash/crc32"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// DefaultTable is where golang-migrate keeps its ledger when nothing else is said.
const DefaultTable = "schema_migrations"

var fileName = regexp.MustCompile(`^([0-9]+)_(.*)\.(down|up)\.(.*)$`)

// New joins the migrations of a folder with their ledger. The zero table is the default one.
func New(dir string, table schema.Name) *migration.Tool {
	if table == (schema.Name{}) {
		table.Table = DefaultTable
	}
	src, led := source(dir), ledger(table)
	run := &migration.SQLRunner{Source: src, Ledger: led, Script: script, Apply: apply(led), Check: check}
	return &migration.Tool{
		Name: "golang-migrate", Source: src, Ledger: led, Runner: run, Script: script,
		Late: migration.LateSkipped, Lock: lock(table.Table),
	}
}

// factor salts the numbers of the tool's locks (database/util.go of golang-migrate 4.20).
const factor = 1486364155

// lock is the tool's. Opened by a url it takes the url's path for the database's name, with its slash; opened with
// a connection it asks the server. The two locks differ, so both are taken.
func lock(table string) migration.Lock {
	sum := func(text string) uint32 { return crc32.ChecksumIEEE([]byte(text)) * factor }
	return migration.ServerLock{
		Postgres: func(database string) []int64 {
			space := "public\x00" + table + "\x00"
			return []int64{int64(sum(space + "/" + database)), int64(sum(space + database))}
		},
		MySQL: func(database string) []string {
			return []string{strconv.FormatUint(uint64(sum(database+":"+table)), 10)}
		},
	}
}

// script is the whole file. On SQLite it runs in a transaction; PostgreSQL makes one of a text by itself.
func script(m migration.Migration) (migration.Script, error) {
	text, err := migration.Reread(m)
	return migration.Script{Parts: []migration.Statement{{Text: text, Line: 1}}}, err
}

// FileTool knows golang-migrate's files by their names.
func FileTool() migration.FileTool {
	return migration.FileTool{Tool: "golang-migrate", Looks: func(dir string) (int, error) {
		names, err := migration.List(dir, isUp)
		return len(names), err
	}}
}

func isUp(name string) bool {
	m := fileName.FindStringSubmatch(name)
	return m != nil && m[3] == "up"
}

// source lists the up migrations of a folder.
type source string

// Migrations is [migration.Source.Migrations]. Leading zeros of a version count for nothing.
func (s source) Migrations(context.Context) ([]migration.Migration, error) {
	files, err := migration.ReadFolder(string(s), isUp)
	if err != nil {
		return nil, err
	}
	list := make([]migration.Migration, 0, len(files))
	for _, f := range files {
		m := fileName.FindStringSubmatch(f.Name)
		version, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("migration %s: the version %s is too large for the ledger", f.Path, m[1])
		}
		id := migration.ID(strconv.FormatInt(version, 10))
		list = append(list, migration.Migration{ID: id, Title: migration.Title(m[2]), Path: f.Path, Hash: f.Hash})
	}
	slices.SortStableFunc(list, func(a, b migration.Migration) int { return cmp.Compare(migration.Number(a.ID), migration.Number(b.ID)) })
	return list, migration.CheckUnique(list, string(s), "000001_create_users.up.sql")
}

// check refuses what golang-migrate refuses: a ledger whose number is no file's.
func check(all []migration.Status, _ []migration.Migration) error {
	for _, s := range all {
		if s.Verdict == migration.VerdictOrphan {
			return fmt.Errorf("the ledger stands at version %s, and no migration has it", s.Migration.ID)
		}
	}
	return nil
}

// ledger is a table of at most one row: the version that the schema has reached, and whether the migration to it
// was begun and not ended.
func ledger(table schema.Name) *migration.NumberLedger {
	return &migration.NumberLedger{
		Tool:  "golang-migrate",
		Name:  table,
		Dirty: "dirty",
		Make: func(f engine.Family, name string) []string {
			if f != engine.SQLite {
				return []string{"CREATE TABLE " + name + " (version bigint not null primary key, dirty boolean not null)"}
			}
			return []string{
				"CREATE TABLE " + name + " (version uint64,dirty bool)",
				"CREATE UNIQUE INDEX IF NOT EXISTS version_unique ON " + name + " (version)",
			}
		},
	}
}

// apply runs one migration between two writes of its number, first with the dirty mark and then without.
func apply(l *migration.NumberLedger) func(context.Context, engine.Session, migration.Migration, []migration.Migration) error {
	return func(ctx context.Context, s engine.Session, m migration.Migration, _ []migration.Migration) error {
		text, err := migration.Reread(m)
		if err != nil {
			return err
		}
		if err := l.Set(ctx, s, m.ID, true); err != nil {
			return err
		}
		run := func() error { return migration.RunScript(ctx, s, text, 1) }
		switch {
		case strings.TrimSpace(text) == "":
		case s.Family() == engine.SQLite:
			err = migration.InTransaction(ctx, s, run)
		default:
			if err = run(); err != nil {
				migration.Rollback(ctx, s) // the text may have begun one
			}
		}
		if err != nil {
			return err
		}
		return l.Set(ctx, s, m.ID, false)
	}
}
