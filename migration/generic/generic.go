// Package generic is the adapter to migration tools that mulligan does not know by name: home-grown ones, and those
// whose ledger is so plain that it can be described.
//
// The migrations are the files of a folder, in the order of their names, and the user's own command runs them. The
// ledger is a table with a column that names them. What else a row must hold is said by [Options]; without that the
// ledger can still be read, and nothing be written: what such a tool writes beside the name is its own business.
package generic

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// What of a file's name a ledger holds: of 0007_add_users.up.sql
const (
	File   = "file"   // all of it
	Stem   = "stem"   // 0007_add_users
	Digits = "digits" // 0007
)

// Value is a column that has the same value in each row.
type Value struct{ Column, Value string }

// Options describe a ledger. Only Table is required to read it; Column and Form, too, to write it.
type Options struct {
	Table  schema.Name
	Column string  // holds the migration; empty = the first that is called name, migration, filename, version or id
	Form   string  // what of the file's name it holds: [File], [Stem] or [Digits]; empty = any of them
	Time   string  // gets the current time; empty = none does
	Values []Value // further columns

	tool  string // its name; empty = "command"
	late  migration.Late
	group string                                       // gets the number after the greatest, the same for a whole call; empty = none
	makes func(f engine.Family, table string) []string // what makes the table, where it is known
}

// ErrNoTable says that a home-grown tool's ledger must be named.
var ErrNoTable = errors.New("the ledger of a home-grown tool must be named: set migrations.table")

// Check refuses options that do not fit together. Errors: [ErrNoTable].
func (o Options) Check() error {
	if o.Table == (schema.Name{}) {
		return ErrNoTable
	}
	if !slices.Contains([]string{"", File, Stem, Digits}, o.Form) {
		return fmt.Errorf("the form %q of a ledger's column is not known; allowed are %s, %s and %s", o.Form, File, Stem, Digits)
	}
	columns := o.columns()
	for i, c := range columns {
		if slices.Contains(columns[:i], c) {
			return fmt.Errorf("the column %s of ledger %s is named twice", c, o.Table)
		}
	}
	return nil
}

// columns are those that the options name.
func (o Options) columns() []string {
	var list []string
	for _, c := range []string{o.Column, o.Time, o.group} {
		if c != "" {
			list = append(list, c)
		}
	}
	for _, v := range o.Values {
		list = append(list, v.Column)
	}
	return list
}

// New joins the migrations of a folder with their ledger. What [Options.Check] refuses, each of the ledger's methods does.
func New(dir string, o Options) *migration.Tool {
	name := o.tool
	if name == "" {
		name = "command"
	}
	return &migration.Tool{Name: name, Source: folder{dir, o.Form}, Ledger: &ledger{o}, Late: o.late}
}

// Presets are the options of tools by their names, from each tool's source. kysely and node-pg-migrate refuse to run a
// migration before one that is applied, so hiding the later ones ([migration.Mask]) works only with kysely's
// allowUnorderedMigrations and with node-pg-migrate's --no-check-order; a command with {to} needs neither.
func Presets() map[string]Options {
	return map[string]Options{
		"kysely": { // 0.28
			tool: "kysely", late: migration.LateRefused, Table: schema.Name{Table: "kysely_migration"}, Column: "name", Form: Stem, Time: "timestamp",
			makes: func(f engine.Family, table string) []string {
				return []string{"create table " + table + " (" + f.Ident("name") + " varchar(255) not null primary key, " + f.Ident("timestamp") + " varchar(255) not null)"}
			},
		},
		"node-pg-migrate": { // 9
			tool: "node-pg-migrate", late: migration.LateRefused, Table: schema.Name{Table: "pgmigrations"}, Column: "name", Form: Stem, Time: "run_on",
			makes: func(f engine.Family, table string) []string {
				return []string{"CREATE TABLE " + table + " (id " + strings.TrimPrefix(serial(f), "BIG") + " PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL)"}
			},
		},
		"bun": { // 1.3
			tool: "bun", late: migration.LateRuns, Table: schema.Name{Table: "bun_migrations"}, Column: "name", Form: Digits, group: "group_id",
			makes: func(f engine.Family, table string) []string {
				text, at := "VARCHAR(255)", "TIMESTAMP"
				if f == engine.Postgres {
					text, at = "VARCHAR", "TIMESTAMPTZ"
				}
				return []string{"CREATE TABLE " + table + " (id " + serial(f) + " PRIMARY KEY, name " + text + ", group_id BIGINT, migrated_at " + at + " NOT NULL DEFAULT CURRENT_TIMESTAMP)"}
			},
		},
	}
}

// serial is the type of a number that the server counts up.
func serial(f engine.Family) string {
	switch f {
	case engine.Postgres:
		return "BIGSERIAL"
	case engine.MySQL, engine.MariaDB:
		return "BIGINT NOT NULL AUTO_INCREMENT"
	default:
		return "INTEGER"
	}
}
