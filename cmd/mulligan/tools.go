package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mulligan/config"
	"mulligan/engine"
	"mulligan/migration"
	"mulligan/migration/alembic"
	"mulligan/migration/atlas"
	"mulligan/migration/command"
	"mulligan/migration/dbmate"
	"mulligan/migration/diesel"
	"mulligan/migration/django"
	"mulligan/migration/drizzle"
	"mulligan/migration/ecto"
	"mulligan/migration/flyway"
	"mulligan/migration/generic"
	"mulligan/migration/golangmigrate"
	"mulligan/migration/goose"
	"mulligan/migration/knex"
	"mulligan/migration/laravel"
	"mulligan/migration/liquibase"
	"mulligan/migration/prisma"
	"mulligan/migration/rails"
	"mulligan/migration/sequelize"
	"mulligan/migration/sqlmigrate"
	"mulligan/migration/sqlx"
	"mulligan/migration/tern"
	"mulligan/migration/typeorm"
	"mulligan/schema"
)

// project is what an adapter is told of an application.
type project struct {
	dirs   []string
	table  schema.Name // zero = the tool's default
	family engine.Family
	make   func(o typeorm.Options) *migration.Tool // what TypeORM needs besides
	ledger generic.Options                         // of a home-grown tool
}

// dir is the only folder, of the tools that have one.
func (p project) dir() string { return p.dirs[0] }

// adapters join an application's migrations with their ledger, by the tool's name. A new tool is one line here.
func adapters() map[string]func(p project) *migration.Tool {
	inFolder := func(make func(dir string, table schema.Name) *migration.Tool) func(project) *migration.Tool {
		return func(p project) *migration.Tool { return make(p.dir(), p.table) }
	}
	list := map[string]func(project) *migration.Tool{
		"alembic":        inFolder(alembic.New),
		"atlas":          inFolder(atlas.New),
		"dbmate":         func(p project) *migration.Tool { return dbmate.New(p.dirs, p.table) },
		"diesel":         inFolder(diesel.New),
		"django":         inFolder(django.New),
		"drizzle":        func(p project) *migration.Tool { return drizzle.New(p.dir(), p.table, p.family) },
		"ecto":           inFolder(ecto.New),
		"flyway":         inFolder(flyway.New),
		"golang-migrate": inFolder(golangmigrate.New),
		"goose":          inFolder(goose.New),
		"knex":           inFolder(knex.New),
		"laravel":        func(p project) *migration.Tool { return laravel.New(p.dirs, p.table) },
		"liquibase":      newLiquibase,
		"prisma":         inFolder(prisma.New),
		"rails":          inFolder(rails.New),
		"sequelize":      inFolder(sequelize.New),
		"sql-migrate":    inFolder(sqlmigrate.New),
		"sqlx":           inFolder(sqlx.New),
		"tern":           inFolder(tern.New),
		"typeorm":        func(p project) *migration.Tool { return p.make(typeorm.Options{Table: p.table}) },
		"command":        func(p project) *migration.Tool { return generic.New(p.dir(), p.ledger) },
	}
	for name, preset := range generic.Presets() {
		list[name] = func(p project) *migration.Tool {
			if p.table != (schema.Name{}) {
				preset.Table = p.table
			}
			return generic.New(p.dir(), preset)
		}
	}
	return list
}

// newLiquibase takes a folder, or the changelog itself.
func newLiquibase(p project) *migration.Tool {
	if p.table == (schema.Name{}) {
		p.table = liquibase.DefaultTable(p.family)
	}
	if info, err := os.Stat(p.dir()); err == nil && !info.IsDir() {
		return liquibase.New(filepath.Dir(p.dir()), filepath.Base(p.dir()), p.table)
	}
	return liquibase.New(p.dir(), "", p.table)
}

// stepsOf are the tools whose own commands name where to stop.
func stepsOf(tool string) func([]string, []migration.Status, []migration.Migration) ([][]string, error) {
	switch tool {
	case "alembic":
		return alembic.Steps
	case "django":
		return django.Steps
	default:
		return nil
	}
}

// fileTools know a folder's files by their names or contents.
func fileTools() []migration.FileTool {
	return []migration.FileTool{
		golangmigrate.FileTool(), goose.FileTool(), dbmate.FileTool(), flyway.FileTool(), prisma.FileTool(), drizzle.FileTool(),
		sqlmigrate.FileTool(), tern.FileTool(), atlas.FileTool(), diesel.FileTool(), rails.FileTool(), alembic.FileTool(),
		django.FileTool(), liquibase.FileTool(), laravel.FileTool(), ecto.FileTool(), typeorm.FileTool(),
	}
}

// tool makes the target's migration tool.
func (a *app) tool(target *config.Target, url engine.URL) (*migration.Tool, error) {
	m := target.Migrations
	name, err := toolName(m)
	if err != nil {
		return nil, fmt.Errorf("target %s: %w", target.Name, err)
	}
	adapter, ok := adapters()[name]
	if !ok {
		return nil, usageError{fmt.Errorf("target %s: migrations of %s are not known", target.Name, name), "known are " + strings.Join(knownTools(), ", ")}
	}
	p, err := a.project(target, url)
	if err != nil {
		return nil, err
	}
	tool := adapter(p)
	if len(m.Command) > 0 {
		tool.Runner, err = command.New(command.Options{
			Command: m.Command, Dir: a.config.Dir, Env: a.childEnv(m.Env), Source: tool.Source, Ledger: tool.Ledger, Tool: name, Steps: stepsOf(name),
		})
		if err != nil {
			return nil, usageError{fmt.Errorf("target %s: %w", target.Name, err), ""}
		}
	}
	if tool.Runner == nil {
		return nil, usageError{fmt.Errorf("target %s: migrations of %s are run by their own command", target.Name, name), "set migrations.command"}
	}
	tool.Bootstrap, err = a.bootstrap(m)
	return tool, err
}

// project collects what the configuration says of an application.
func (a *app) project(target *config.Target, url engine.URL) (project, error) {
	m := target.Migrations
	p := project{dirs: m.Dirs, family: url.Family()}
	if len(p.dirs) == 0 {
		p.dirs = []string{m.Dir}
	}
	var err error
	if p.table, err = ledgerTable(m); err != nil {
		return p, err
	}
	p.make = func(o typeorm.Options) *migration.Tool {
		o.Dir, o.DataSource, o.Env, o.URL = a.config.Dir, m.DataSource, a.childEnv(m.Env), url
		return typeorm.New(o)
	}
	p.ledger = generic.Options{Table: p.table, Column: m.Ledger.Column, Form: m.Ledger.Form, Time: m.Ledger.Time}
	for _, v := range m.Ledger.Values {
		p.ledger.Values = append(p.ledger.Values, generic.Value{Column: v.Column, Value: v.Value})
	}
	if m.Tool == "command" {
		if err := p.ledger.Check(); err != nil {
			return p, usageError{fmt.Errorf("target %s: %w", target.Name, err), ""}
		}
	}
	return p, nil
}

func knownTools() []string { return slices.Sorted(maps.Keys(adapters())) }

// toolName is the configured tool, or the one that the files look like.
func toolName(m config.Migrations) (string, error) {
	switch {
	case m.Tool != "":
		return m.Tool, nil
	case m.DataSource != "":
		return "typeorm", nil
	case m.Dir == "" && len(m.Dirs) == 0:
		return "", usageError{fmt.Errorf("no migrations are named"), "set migrations.dir in mulligan.yaml, or pass --migrations FOLDER"}
	}
	dir := m.Dir
	if dir == "" {
		dir = m.Dirs[0]
	}
	return migration.DetectFolder(dir, fileTools()...)
}
