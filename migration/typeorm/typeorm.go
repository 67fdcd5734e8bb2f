// Package typeorm is the adapter to TypeORM, 0.3.x and 1.x.
//
// TypeORM's migrations are classes, and only the application knows them: its compiled DataSource
// file names them, and its own typeorm package runs them. So they are listed and run by a child
// process, the application's node with runner.cjs of this folder, in the application's folder.
// The ledger is read and written natively; TypeORM's own commands cannot record one migration alone,
// and create the table when they only look.
//
// A migration's ID is its name: the class's, or its name property. File names are no evidence.
// Migrations run one transaction each, as with TypeORM's mode "each".
package typeorm

import (
	"cmp"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// DefaultTable is where TypeORM keeps its ledger when nothing else is said.
const DefaultTable = "migrations"

// Options describe an application. Only DataSource is required.
type Options struct {
	Dir        string      // the application's folder; empty = this process's directory
	DataSource string      // compiled file that exports the DataSource; relative to Dir
	Node       string      // empty = "node"
	Env        []string    // "NAME=value" for the application, with [migration.Placeholders]
	Table      schema.Name // the ledger; zero = DefaultTable
	URL        engine.URL  // fills the placeholders of Env while migrations are listed, without any connection; zero = none
}

// New joins an application's migrations with their ledger.
func New(o Options) *migration.Tool {
	if o.Node == "" {
		o.Node = "node"
	}
	if o.Table == (schema.Name{}) {
		o.Table.Table = DefaultTable
	}
	app := &app{o: o}
	return &migration.Tool{Name: "typeorm", Source: app, Ledger: ledger(o.Table), Runner: app, Late: migration.LateRuns, Notes: app.notes}
}

// ledger keeps a row for each migration; its name alone says which.
func ledger(table schema.Name) *migration.RowLedger {
	return &migration.RowLedger{
		Name: table,
		Keys: []string{"name"},
		Make: func(f engine.Family, name string) []string {
			return []string{"CREATE TABLE " + name + " " + columns(f, table.Table)}
		},
		Row: func(m migration.Marking) ([]migration.Cell, error) {
			n, err := timestamp(m.ID)
			return []migration.Cell{{Column: "timestamp", Value: n}, {Column: "name", Value: string(m.ID)}}, err
		},
		Read: read,
	}
}

func columns(f engine.Family, table string) string {
	switch f {
	case engine.Postgres:
		sum := sha1.Sum([]byte(table + "_id")) // as TypeORM names its keys
		key := f.Ident("PK_" + hex.EncodeToString(sum[:])[:27])
		return `("id" SERIAL NOT NULL, "timestamp" bigint NOT NULL, "name" character varying NOT NULL, CONSTRAINT ` + key + ` PRIMARY KEY ("id"))`
	case engine.MySQL, engine.MariaDB:
		return "(`id` int NOT NULL AUTO_INCREMENT, `timestamp` bigint NOT NULL, `name` varchar(255) NOT NULL, PRIMARY KEY (`id`)) ENGINE=InnoDB"
	default:
		return `("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "timestamp" bigint NOT NULL, "name" varchar NOT NULL)`
	}
}

// timestamp is the number that TypeORM takes from the last 13 characters of a name.
func timestamp(id migration.ID) (int64, error) {
	n, err := strconv.ParseInt(string(id[max(0, len(id)-13):]), 10, 64)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("the name %q does not end in a JavaScript timestamp of 13 digits", id)
	}
	return n, nil
}

// read orders the rows by id, which very old tables lack, and makes records of them.
func read(rows []map[string]string, _ []migration.Migration) ([]migration.Record, error) {
	number := func(row map[string]string) int64 {
		n, err := strconv.ParseInt(row["id"], 10, 64)
		if err != nil {
			return -1
		}
		return n
	}
	slices.SortStableFunc(rows, func(a, b map[string]string) int { return cmp.Compare(number(a), number(b)) })
	records := make([]migration.Record, 0, len(rows))
	for _, row := range rows {
		records = append(records, migration.Record{ID: migration.ID(row["name"]), State: migration.Applied, Raw: row})
	}
	return records, nil
}

var _ interface {
	migration.Source
	migration.Runner
} = (*app)(nil)

// app is an application: it lists its migrations and runs them.
type app struct {
	o        Options
	settings atomic.Pointer[source] // what the DataSource said of itself when it was last asked; nil = it was not
}

var _ migration.Stepper = (*app)(nil)

// Migrations is [migration.Source.Migrations]. It starts node, and connects to no database.
func (a *app) Migrations(ctx context.Context) ([]migration.Migration, error) {
	var list []migration.Migration
	var config *source
	err := a.ask(ctx, call{verb: "list", url: a.o.URL}, func(got answer) error {
		if got.Source != nil {
			config = got.Source
		}
		if got.Migration != nil {
			id := migration.ID(got.Migration.Name)
			if migration.Index(list, id) >= 0 {
				return fmt.Errorf("two migrations have the name %s", id)
			}
			list = append(list, migration.Migration{ID: id, Title: title(got.Migration.Name)})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the migrations of %s: %w", a.o.DataSource, err)
	}
	a.settings.Store(config)
	if err := a.checkTable(config); err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: 0 migration files found by %s: its \"migrations\" option must match the compiled files", migration.ErrNone, a.o.DataSource)
	}
	return list, a.locate(list)
}

// notes warns of settings with which TypeORM changes tables, or drops them, by itself.
func (a *app) notes() []string {
	s := a.settings.Load()
	if s == nil {
		return nil
	}
	var list []string
	if s.Synchronize {
		list = append(list, "the application's DataSource has synchronize: true: it changes tables at each start, and records nothing in the ledger")
	}
	if s.DropSchema {
		list = append(list, "the application's DataSource has dropSchema: true: it empties the database at each start")
	}
	if s.MigrationsRun {
		list = append(list, "the application's DataSource has migrationsRun: true: each process that starts runs the migrations, and nothing keeps two apart")
	}
	return list
}

// checkTable refuses to look at another ledger than the application writes.
func (a *app) checkTable(s *source) error {
	if s == nil {
		return nil
	}
	writes := schema.Name{Schema: s.Schema, Table: s.Table}
	if s.Schema == "" {
		writes.Schema = a.o.Table.Schema
	}
	if writes.Table != a.o.Table.Table || !migration.SameTable(a.o.Table, writes) {
		return fmt.Errorf("%s keeps its ledger in table %s, not in %s: set migrations.table", a.o.DataSource, writes, a.o.Table)
	}
	return nil
}

// title is the readable part of a name: what stands before the timestamp.
func title(name string) string { return migration.Title(name[:max(0, len(name)-13)]) }
