// Package sequelize is the adapter to Sequelize's migrations, as sequelize-cli 6.6 runs them with umzug 2: a folder of
// JavaScript or TypeScript files, and a ledger of file names.
//
// The migrations are code, so the user's own command runs them. A ledger holds names with their extension, and code
// that is written as .ts is often run as .js: a record whose name differs from a file's by the extension alone counts
// as that file's, and a mark has the extension that the ledger's other rows have. Sequelize itself takes the two for
// different migrations. It holds no lock, and uses no transaction.
package sequelize

import (
	"context"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// DefaultTable is where Sequelize keeps its ledger when nothing else is said.
const DefaultTable = "SequelizeMeta"

// New joins the migrations of a folder with their ledger. The zero table is the default one.
func New(dir string, table schema.Name) *migration.Tool {
	if table == (schema.Name{}) {
		table.Table = DefaultTable
	}
	return &migration.Tool{Name: "sequelize", Source: source(dir), Ledger: ledger(table), Late: migration.LateRuns}
}

// source is a folder of code. sequelize-cli takes the files with these extensions, in the order of their whole names.
type source string

// Migrations is [migration.Source.Migrations].
func (s source) Migrations(context.Context) ([]migration.Migration, error) {
	return migration.CodeFolder(string(s), ".js", ".cjs", ".ts", ".cts")
}

func ledger(table schema.Name) *migration.RowLedger {
	return &migration.RowLedger{
		Name: table,
		Keys: []string{"name"},
		Sort: "name",
		Make: func(f engine.Family, name string) []string {
			if f == engine.MySQL || f == engine.MariaDB {
				return []string{"CREATE TABLE " + name + " (`name` VARCHAR(255) NOT NULL UNIQUE, PRIMARY KEY (`name`)) ENGINE=InnoDB DEFAULT CHARSET=utf8 COLLATE utf8_unicode_ci"}
			}
			if f == engine.SQLite {
				return []string{"CREATE TABLE " + name + " (`name` VARCHAR(255) NOT NULL UNIQUE PRIMARY KEY)"}
			}
			return []string{"CREATE TABLE " + name + ` ("name" VARCHAR(255) NOT NULL UNIQUE, PRIMARY KEY ("name"))`}
		},
		Row:  row,
		Read: read,
		Undo: func(m migration.Marking, table string) ([]migration.Write, error) {
			return migration.Unname(m, table, "name"), nil
		},
	}
}

// row is what Sequelize inserts. The times are there after db:migrate:schema:timestamps:add.
func row(m migration.Marking) ([]migration.Cell, error) {
	cells := []migration.Cell{{Column: "name", Value: migration.NameFor(m.ID, migration.Texts(m.Rows, "name"), m.Files)}}
	for _, column := range []string{"createdAt", "updatedAt"} {
		if len(m.Rows) > 0 && m.Rows[0][column] != "" {
			cells = append(cells, migration.Cell{Column: column, Value: now(m)})
		}
	}
	return cells, nil
}

// now is the time as Sequelize writes one.
func now(m migration.Marking) any {
	switch m.Family {
	case engine.Postgres:
		return migration.Expr("date_trunc('milliseconds', CURRENT_TIMESTAMP)")
	case engine.MySQL, engine.MariaDB:
		return migration.Expr("CURRENT_TIMESTAMP")
	default:
		return m.Now.Format("2006-01-02 15:04:05.000 -07:00")
	}
}

func read(rows []map[string]string, files []migration.Migration) ([]migration.Record, error) {
	records := make([]migration.Record, 0, len(rows))
	for _, row := range rows {
		id := migration.Named(row["name"], files)
		records = append(records, migration.Record{ID: id, State: migration.Applied, At: migration.Time(row["createdAt"]), Raw: row})
	}
	return records, nil
}
