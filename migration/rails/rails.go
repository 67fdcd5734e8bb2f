// Package rails is the adapter to the migrations of Ruby on Rails, or of Active Record alone: Ruby files
// named <version>_<name>.rb, and a ledger of versions.
//
// An ID is the number that a file's name begins with, without leading zeros. The migrations are code: a command runs them, "bin/rails
// db:migrate", which bears being masked. What Rails practice calls a new database is db:schema:load: it makes the
// schema of db/schema.rb and records all versions. Name that as the bootstrap where old migrations do not run any more.
//
// Facts: Active Record 6.1 to 8.1, migration.rb, schema_migration.rb and internal_metadata.rb.
package rails

import (
	"cmp"
	"context"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math/big"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// DefaultTable is where Rails keeps its ledger when nothing else is said.
const DefaultTable = "schema_migrations"

// Metadata is the table that Rails makes beside its ledger.
const Metadata = "ar_internal_metadata"

var (
	wanted   = regexp.MustCompile(`^[0-9].*_.*\.rb$`) // what Rails looks for
	fileName = regexp.MustCompile(`^([0-9]+)_([_a-z0-9]*)\.?([_a-z0-9]*)?\.rb$`)
	class    = regexp.MustCompile(`(?m)^\s*class\s+[\w:]+\s*<\s*ActiveRecord::Migration\b`)
)

// New joins the migrations of a folder, db/migrate, and of those below it with their ledger. The zero table is the default one.
func New(dir string, table schema.Name) *migration.Tool {
	if table == (schema.Name{}) {
		table.Table = DefaultTable
	}
	return &migration.Tool{Name: "rails", Source: source(dir), Ledger: ledger(table), Late: migration.LateRuns, Lock: lock()}
}

// FileTool knows Rails's files by their names and their class.
func FileTool() migration.FileTool {
	return migration.FileTool{Tool: "rails", Looks: func(dir string) (int, error) {
		files, err := migration.ReadFolder(dir, fileName.MatchString)
		n := 0
		for _, f := range files {
			if class.MatchString(f.Text) {
				n++
			}
		}
		return n, err
	}}
}

// source is a folder of migrations.
type source string

// Migrations is [migration.Source.Migrations]. Two files with one version, or with one class by their names, are
// errors, as is a name that Rails would not read.
func (s source) Migrations(context.Context) ([]migration.Migration, error) {
	paths, err := s.paths()
	if err != nil {
		return nil, err
	}
	var list []migration.Migration
	classes := map[string]string{}
	for _, path := range paths {
		parts := fileName.FindStringSubmatch(filepath.Base(path))
		if parts == nil {
			return nil, fmt.Errorf("migration %s: Rails refuses its name: only lower-case letters, digits and underscores may follow the number", path)
		}
		f, err := migration.ReadFile(path)
		if err != nil {
			return nil, err
		}
		name := camelized(parts[2])
		if first, twice := classes[name]; twice {
			return nil, fmt.Errorf("two migrations have the name %s: %s and %s", name, first, path)
		}
		classes[name] = path
		list = append(list, migration.Migration{ID: version(parts[1]), Title: migration.Title(parts[2]), Path: path, Hash: f.Hash})
	}
	slices.SortStableFunc(list, func(a, b migration.Migration) int {
		return cmp.Or(cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID)) // as numbers of any length
	})
	return list, migration.CheckUnique(list, string(s), "20240131120000_create_users.rb")
}

// paths finds the files that Rails looks at, also in folders below, but not in hidden ones.
func (s source) paths() ([]string, error) {
	var list []string
	err := filepath.WalkDir(string(s), func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("list migrations folder: %w", err)
		case d.IsDir() && path != string(s) && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case !d.IsDir() && wanted.MatchString(d.Name()):
			list = append(list, path)
		}
		return nil
	})
	return list, err
}

// version is a number as Rails writes it into the ledger.
func version(digits string) migration.ID {
	return migration.ID(cmp.Or(strings.TrimLeft(digits, "0"), "0"))
}

// camelized is the name of the class that Rails expects, but for the application's own inflections.
func camelized(name string) string {
	var b strings.Builder
	for _, part := range strings.Split(name, "_") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}

// lock is taken by Rails around all it runs, on servers.
func lock() migration.ServerLock {
	key := func(database string) int64 { return 2053462845 * int64(crc32.ChecksumIEEE([]byte(database))) }
	return migration.ServerLock{
		Postgres: func(database string) []int64 { return []int64{key(database)} },
		MySQL:    func(database string) []string { return []string{strconv.FormatInt(key(database), 10)} },
	}
}

// ledger keeps the versions as text.
func ledger(table schema.Name) *migration.RowLedger {
	return &migration.RowLedger{
		Name: table,
		Keys: []string{"version"},
		Sort: "version",
		Make: func(f engine.Family, name string) []string {
			return append([]string{"CREATE TABLE " + name + " (version " + text(f) + " NOT NULL PRIMARY KEY)"}, metadata(f, f.Table(schema.Name{Schema: table.Schema, Table: Metadata}))...)
		},
		Row: func(m migration.Marking) ([]migration.Cell, error) {
			if _, ok := new(big.Int).SetString(string(m.ID), 10); !ok {
				return nil, fmt.Errorf("the version %q is no number", m.ID)
			}
			return []migration.Cell{{Column: "version", Value: string(m.ID)}}, nil
		},
		ID: func(row map[string]string) migration.ID {
			if strings.Trim(row["version"], "0123456789") != "" {
				return migration.ID(row["version"])
			}
			return version(row["version"])
		},
		Undo: func(m migration.Marking, name string) ([]migration.Write, error) {
			var list []migration.Write
			for _, row := range m.Rows {
				if v := row["version"]; v != "" && version(v) == m.ID {
					list = append(list, migration.Write{SQL: "DELETE FROM " + name + " WHERE version = " + m.Family.Placeholder(1), Args: []any{v}, Rows: migration.AnyRows})
				}
			}
			return list, nil
		},
	}
}

func text(f engine.Family) string {
	switch f {
	case engine.Postgres:
		return "character varying"
	case engine.MySQL, engine.MariaDB:
		return "varchar(255)"
	default:
		return "varchar"
	}
}

// metadata makes the table beside the ledger, and the row that Rails writes into it. It names the environment of Active
// Record where nobody told it one; Rails's next migration writes the right one, and until then
// db:drop and its like refuse to work.
func metadata(f engine.Family, name string) []string {
	stamp, now := "datetime(6)", "UTC_TIMESTAMP(6)"
	switch f {
	case engine.Postgres:
		stamp, now = "timestamp(6) without time zone", "timezone('utc', clock_timestamp())"
	case engine.SQLite:
		now = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"
	case engine.MySQL, engine.MariaDB:
	}
	key := f.Ident("key")
	return []string{
		"CREATE TABLE IF NOT EXISTS " + name + " (" + key + " " + text(f) + " NOT NULL PRIMARY KEY, " + f.Ident("value") + " " + text(f) +
			", created_at " + stamp + " NOT NULL, updated_at " + stamp + " NOT NULL)",
		"INSERT INTO " + name + " (" + key + ", " + f.Ident("value") + ", created_at, updated_at) SELECT 'environment', 'default_env', " + now + ", " + now +
			" WHERE NOT EXISTS (SELECT 1 FROM " + name + " WHERE " + key + " = 'environment')",
	}
}
