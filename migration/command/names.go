package command

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// rule says how a tool names its migrations: the ledger's usual table, and what of a file's name the
// ledger keeps.
type rule struct {
	table string
	id    func(file string) migration.ID
}

// rules are the tools whose ledger is a set of file names or of the numbers they begin with (facts: each tool's
// documentation). Anything else is [Generic].
func rules() map[string]rule {
	return map[string]rule{
		"knex":        {"knex_migrations", whole},
		"sequelize":   {"SequelizeMeta", whole},
		"sql-migrate": {"gorp_migrations", whole},
		"laravel":     {"migrations", stem},
		"rails":       {"schema_migrations", digits},
		"ecto":        {"schema_migrations", digits},
		Generic:       {"", stem},
	}
}

// Generic is the name of a home-grown tool.
const Generic = "command"

// Tools lists the tools that [Named] knows, sorted.
func Tools() []string {
	var list []string
	for name := range rules() {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// ErrNoTable says that a home-grown tool's ledger must be named.
var ErrNoTable = errors.New("the ledger of a home-grown tool must be named: set migrations.table")

// Named makes the source and the ledger of a tool that only its own command can run: the files of a folder, and
// a table that holds their names. Such a ledger can be read only, so the command stops midway where it
// has {to}, and not otherwise. A zero table is the tool's usual one. Errors: [ErrNoTable]; errors.ErrUnsupported for an unknown tool.
func Named(tool, dir string, table schema.Name) (*migration.Tool, error) {
	r, ok := rules()[tool]
	if !ok {
		return nil, fmt.Errorf("migrations of %s: %w", tool, errors.ErrUnsupported)
	}
	if table == (schema.Name{}) {
		if r.table == "" {
			return nil, ErrNoTable
		}
		table.Table = r.table
	}
	return &migration.Tool{Name: tool, Source: folder{dir, r.id}, Ledger: names{table}}, nil
}

// folder is a flat folder of migration files in the order of their names.
type folder struct {
	dir string
	id  func(string) migration.ID
}

// Migrations is [migration.Source.Migrations].
func (f folder) Migrations(context.Context) ([]migration.Migration, error) {
	files, err := migration.ReadFolder(f.dir, func(name string) bool {
		return !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "_") && !strings.HasSuffix(name, ".d.ts") &&
			!strings.HasSuffix(name, ".down.sql") && strings.ContainsAny(name, "0123456789") && filepath.Ext(name) != ""
	})
	if err != nil {
		return nil, err
	}
	list := make([]migration.Migration, 0, len(files))
	for _, file := range files {
		list = append(list, migration.Migration{ID: f.id(file.Name), Title: migration.Title(string(stem(file.Name))), Path: file.Path, Hash: file.Hash})
	}
	return list, migration.CheckUnique(list, f.dir, "NUMBER_name.ext")
}

func whole(file string) migration.ID { return migration.ID(file) }

func stem(file string) migration.ID {
	name := strings.TrimSuffix(file, filepath.Ext(file))
	return migration.ID(strings.TrimSuffix(name, ".up"))
}

func digits(file string) migration.ID {
	end := strings.IndexFunc(file, func(r rune) bool { return r < '0' || r > '9' })
	return migration.ID(file[:max(end, 0)])
}

// names is a ledger that holds the names of files, with or without their extension, or the numbers that
// they begin with, in one of its columns.
type names struct{ table schema.Name }

// Table is [migration.Ledger.Table].
func (l names) Table() schema.Name { return l.table }

// Records is [migration.Ledger.Records]. A value that is no file's keeps its own text as its ID.
func (l names) Records(ctx context.Context, q engine.Querier, files []migration.Migration) ([]migration.Record, error) {
	rows, err := migration.TableRows(ctx, q, l.table, "")
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	column, err := l.column(rows[0])
	if err != nil {
		return nil, err
	}
	records := make([]migration.Record, 0, len(rows))
	for _, row := range rows {
		records = append(records, migration.Record{ID: match(row[column], files), State: migration.Applied, Raw: row})
	}
	return records, nil
}

// column finds the column that holds the names.
func (l names) column(row map[string]string) (string, error) {
	for _, want := range []string{"name", "migration", "filename", "version", "id"} {
		for have := range row {
			if strings.EqualFold(have, want) {
				return have, nil
			}
		}
	}
	return "", fmt.Errorf("ledger %s has no column called name, migration, filename, version or id: %w", l.table, errors.ErrUnsupported)
}

func match(value string, files []migration.Migration) migration.ID {
	for _, m := range files {
		file := filepath.Base(m.Path)
		if value == string(m.ID) || value == file || value == string(stem(file)) || value != "" && value == string(digits(file)) {
			return m.ID
		}
	}
	return migration.ID(value)
}

// Create, Mark and Unmark refuse: what such a tool writes beside the name is its own business.
func (l names) Create(context.Context, engine.Querier) error { return l.readOnly() }

// Mark is [migration.Ledger.Mark].
func (l names) Mark(context.Context, engine.Querier, []migration.Migration, []migration.Migration) ([]migration.Write, error) {
	return nil, l.readOnly()
}

// Unmark is [migration.Ledger.Unmark].
func (l names) Unmark(context.Context, engine.Querier, []migration.Migration, []migration.Migration) ([]migration.Write, error) {
	return nil, l.readOnly()
}

func (l names) readOnly() error {
	return fmt.Errorf("ledger %s is only read; a command that is to stop midway needs {to}: %w", l.table, errors.ErrUnsupported)
}
