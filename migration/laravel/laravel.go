// Package laravel is the adapter to Laravel's migrations: a folder of PHP files named like
// 2024_01_31_120000_create_users.php, and a ledger of their names without the extension.
//
// The migrations are code, so the user's own command runs them. Laravel writes a record after the migration's
// transaction, so a crash in between leaves a schema without its record on every engine. Its tables have no lock.
package laravel

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// DefaultTable is where Laravel keeps its ledger when nothing else is said.
const DefaultTable = "migrations"

// New joins the migrations of folders, which Laravel sorts together, with their ledger.
// The zero table is the default one.
func New(dirs []string, table schema.Name) *migration.Tool {
	if table == (schema.Name{}) {
		table.Table = DefaultTable
	}
	return &migration.Tool{Name: "laravel", Source: source(dirs), Ledger: ledger(table), Late: migration.LateRuns}
}

// isFile tells Laravel's files: its pattern is *_*.php.
func isFile(name string) bool {
	return strings.HasSuffix(name, ".php") && strings.Contains(name, "_") && !strings.HasPrefix(name, ".")
}

// FileTool knows Laravel's files by the date that they begin with.
func FileTool() migration.FileTool {
	return migration.FileTool{Tool: "laravel", Looks: func(dir string) (int, error) {
		names, err := migration.List(dir, func(name string) bool { return isFile(name) && dated(name) > 0 })
		return len(names), err
	}}
}

// dated is the length of the date that a name begins with, as in 2024_01_31_120000_; 0 = none.
func dated(name string) int {
	const form = "0000_00_00_000000_"
	if len(name) <= len(form) {
		return 0
	}
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return '0'
		}
		return r
	}, name[:len(form)])
	if digits != form {
		return 0
	}
	return len(form)
}

// source lists the migrations of several folders.
type source []string

// Migrations is [migration.Source.Migrations].
func (s source) Migrations(context.Context) ([]migration.Migration, error) {
	var list []migration.Migration
	for _, dir := range s {
		files, err := migration.ReadFolder(dir, isFile)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			name := strings.TrimSuffix(f.Name, ".php")
			list = append(list, migration.Migration{ID: migration.ID(name), Title: migration.Title(name[dated(name):]), Path: f.Path, Hash: f.Hash})
		}
	}
	slices.SortStableFunc(list, func(a, b migration.Migration) int { return cmp.Compare(a.ID, b.ID) })
	return list, migration.CheckUnique(list, strings.Join(s, ", "), "2024_01_31_120000_create_users.php")
}

func ledger(table schema.Name) *migration.RowLedger {
	return &migration.RowLedger{
		Name: table,
		Keys: []string{"migration"},
		Sort: "id",
		Make: func(f engine.Family, name string) []string {
			return []string{"create table " + name + " " + columns(f)}
		},
		Row: func(m migration.Marking) ([]migration.Cell, error) {
			last := 0
			for _, text := range migration.Texts(m.Rows, "batch") {
				if n, err := strconv.Atoi(text); err == nil {
					last = max(last, n)
				}
			}
			// All that one run applies are one batch.
			return []migration.Cell{{Column: "migration", Value: string(m.ID)}, {Column: "batch", Value: last + 1}}, nil
		},
	}
}

// columns are Laravel's; on MySQL and MariaDB with the character set of its own configuration.
func columns(f engine.Family) string {
	switch f {
	case engine.Postgres:
		return `("id" serial not null primary key, "migration" varchar(255) not null, "batch" integer not null)`
	case engine.MySQL, engine.MariaDB:
		return "(`id` int unsigned not null auto_increment primary key, `migration` varchar(255) not null, `batch` int not null)" +
			" default character set utf8mb4 collate 'utf8mb4_unicode_ci'"
	default:
		return `("id" integer not null primary key autoincrement, "migration" varchar not null, "batch" integer not null)`
	}
}
