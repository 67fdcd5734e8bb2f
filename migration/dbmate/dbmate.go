// Package dbmate is the adapter to dbmate (github.com/amacneil/dbmate): folders of SQL files
// named <version>_<title>.sql whose parts begin with "-- migrate:up" and "-- migrate:down", and a
// ledger of versions.
//
// The migrations are run natively, by dbmate's rules as of 2.35: the up block of a file goes to the
// server as one text, in a transaction together with its record unless the block says
// transaction:false. What dbmate does around that (wait for the server, create the database, write
// schema.sql) is not done.
package dbmate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// DefaultTable is where dbmate keeps its ledger when nothing else is said.
const DefaultTable = "schema_migrations"

var fileName = regexp.MustCompile(`^(\d+).*\.sql$`)

// New joins the migrations of folders, which dbmate sorts together, with their ledger.
// The zero table is the default one.
func New(dirs []string, table schema.Name) *migration.Tool {
	if table == (schema.Name{}) {
		table.Table = DefaultTable
	}
	src, led := source(dirs), ledger(table)
	run := &migration.SQLRunner{Source: src, Ledger: led, Script: script}
	return &migration.Tool{Name: "dbmate", Source: src, Ledger: led, Runner: run, Script: script, Late: migration.LateRuns}
}

// FileTool knows dbmate's files by their names and annotations.
func FileTool() migration.FileTool {
	return migration.FileTool{Tool: "dbmate", Looks: func(dir string) (int, error) {
		files, err := migration.ReadFolder(dir, fileName.MatchString)
		n := 0
		for _, f := range files {
			if up.MatchString(f.Text) {
				n++
			}
		}
		return n, err
	}}
}

// source lists the migrations of several folders.
type source []string

// Migrations is [migration.Source.Migrations]. Two files with one version, and a file without both
// annotations, are errors: dbmate fails on them when their turn comes.
func (s source) Migrations(context.Context) ([]migration.Migration, error) {
	var list []migration.Migration
	for _, dir := range s {
		files, err := migration.ReadFolder(dir, fileName.MatchString)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			b, err := parse(f.Text)
			if err != nil {
				return nil, fmt.Errorf("migration %s: %w", f.Path, err)
			}
			version := fileName.FindStringSubmatch(f.Name)[1]
			title := migration.Title(strings.TrimSuffix(strings.TrimPrefix(f.Name, version), ".sql"))
			list = append(list, migration.Migration{ID: migration.ID(version), Title: title, Path: f.Path, Hash: f.Hash, Line: b.line})
		}
	}
	slices.SortStableFunc(list, func(a, b migration.Migration) int {
		return cmp.Compare(filepath.Base(a.Path), filepath.Base(b.Path))
	})
	return list, migration.CheckUnique(list, strings.Join(s, ", "), "20240131120000_create_users.sql")
}

// ledger keeps the versions as text, as they stand in the file names.
func ledger(table schema.Name) *migration.RowLedger {
	return &migration.RowLedger{
		Name: table,
		Keys: []string{"version"},
		Sort: "version",
		Make: func(f engine.Family, name string) []string {
			if f != engine.Postgres {
				return []string{"create table if not exists " + name + " (version varchar(128) primary key)"}
			}
			make := "create table if not exists " + name + " (version varchar primary key)"
			if table.Schema == "" {
				return []string{make}
			}
			return []string{"create schema if not exists " + f.Ident(table.Schema), make}
		},
		Row: func(m migration.Marking) ([]migration.Cell, error) {
			return []migration.Cell{{Column: "version", Value: string(m.ID)}}, nil
		},
	}
}

// script is the up block of a file, which is sent whole.
func script(m migration.Migration) (migration.Script, error) {
	text, err := migration.Reread(m)
	if err != nil {
		return migration.Script{}, err
	}
	b, err := parse(text)
	return migration.Script{Parts: []migration.Statement{{Text: b.text, Line: b.line}}, Transaction: b.transaction}, err
}

var (
	up      = regexp.MustCompile(`(?m)^--\s*migrate:up(?:\s*$|\s+\S+)`)
	down    = regexp.MustCompile(`(?m)^--\s*migrate:down(?:\s*$|\s+\S+)`)
	comment = regexp.MustCompile(`^\s*(?:--.*)?$`)
)

// block is the up block of a file.
type block struct {
	text        string // with its annotation
	line        int    // of the annotation, from 1
	transaction bool
}

// parse finds the up block of a file.
func parse(text string) (block, error) {
	ups, downs := up.FindAllStringIndex(text, -1), down.FindAllStringIndex(text, -1)
	switch {
	case len(ups) == 0:
		return block{}, errors.New("there is no line \"-- migrate:up\"")
	case len(downs) == 0:
		return block{}, errors.New("there is no line \"-- migrate:down\"; dbmate wants one, if only an empty one")
	case len(ups) > 1:
		return block{}, fmt.Errorf("there are %d \"-- migrate:up\" blocks; dbmate records each under the same version, so the second fails: make a file of each", len(ups))
	case len(downs) > 1:
		return block{}, errors.New("there are several \"-- migrate:down\" blocks")
	case downs[0][0] < ups[0][0]:
		return block{}, errors.New("\"-- migrate:down\" stands before \"-- migrate:up\"")
	}
	for i, line := range strings.Split(text[:ups[0][0]], "\n") {
		if !comment.MatchString(strings.TrimSuffix(line, "\r")) {
			return block{}, fmt.Errorf("line %d: only comments may stand before \"-- migrate:up\"", i+1)
		}
	}
	b := block{text: text[ups[0][0]:downs[0][0]], line: 1 + strings.Count(text[:ups[0][0]], "\n"), transaction: true}
	first, _, _ := strings.Cut(b.text, "\n")
	for _, option := range strings.Fields(first) {
		if key, value, ok := strings.Cut(option, ":"); ok && key == "transaction" {
			b.transaction = value != "false"
		}
	}
	return b, nil
}
