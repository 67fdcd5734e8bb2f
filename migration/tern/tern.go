// Package tern is the adapter to tern (github.com/jackc/tern): a folder of files <number>_<title>.sql,
// numbered from 1 without a gap, and a ledger of one number. tern works with PostgreSQL only.
//
// The migrations are run natively, by tern's rules as of 2.3: what stands above the line "---- create above /
// drop below ----" goes to the server as one text, in a transaction together with the number, after which all
// settings are reset. A file with the line "---- tern: disable-tx ----" goes there statement by statement, without one.
// tern's files are templates with values of its own configuration; one that uses this cannot be run here, and
// needs tern itself as its command.
package tern

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// DefaultTable is where tern keeps its ledger when nothing else is said, in the schema public.
const DefaultTable = "schema_version"

// lockKey is tern's, for every database (migrate/migrate.go of tern 2.3.4).
const lockKey = 9628173550095224

// ErrTemplate says that a migration has to go through tern's templates first.
var ErrTemplate = errors.New("it is a template, whose values only tern knows: set migrations.command to tern")

var (
	fileName  = regexp.MustCompile(`\A(\d+)_(.+)\.sql\z`)
	disableTx = regexp.MustCompile(`(?m)^---- tern: disable-tx ----$`)
)

// divider parts what makes a change from what takes it back.
const divider = "---- create above / drop below ----"

// New joins the migrations of a folder with their ledger. The zero table is the default one.
func New(dir string, table schema.Name) *migration.Tool {
	if table == (schema.Name{}) {
		table = schema.Name{Schema: "public", Table: DefaultTable}
	}
	src, led := source(dir), ledger(table)
	run := &migration.SQLRunner{Source: src, Ledger: led, Script: script, Check: check}
	return &migration.Tool{
		Name: "tern", Source: src, Ledger: led, Runner: run, Script: script, Late: migration.LateSkipped,
		Lock: migration.ServerLock{Postgres: func(string) []int64 { return []int64{lockKey} }},
	}
}

// FileTool knows tern's files by the line that divides them.
func FileTool() migration.FileTool {
	return migration.FileTool{Tool: "tern", Looks: func(dir string) (int, error) {
		files, err := migration.ReadFolder(dir, fileName.MatchString)
		n := 0
		for _, f := range files {
			if strings.Contains(f.Text, divider) {
				n++
			}
		}
		return n, err
	}}
}

// source lists the migrations of a folder. Sub-folders hold templates, and no migrations.
type source string

// Migrations is [migration.Source.Migrations]. A number that is missing and a file without a statement are
// errors, as with tern.
func (s source) Migrations(context.Context) ([]migration.Migration, error) {
	files, err := migration.ReadFolder(string(s), fileName.MatchString)
	if err != nil {
		return nil, err
	}
	list := make([]migration.Migration, 0, len(files))
	for _, f := range files {
		m := fileName.FindStringSubmatch(f.Name)
		n, err := strconv.ParseInt(m[1], 10, 32)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("migration %s: %s is no number that tern takes: they begin at 1", f.Path, m[1])
		}
		if !speaks(up(f.Text)) {
			return nil, fmt.Errorf("migration %s: there is no SQL above the line %q", f.Path, divider)
		}
		id := migration.ID(strconv.FormatInt(n, 10))
		list = append(list, migration.Migration{ID: id, Title: migration.Title(m[2]), Path: f.Path, Hash: f.Hash, Line: 1})
	}
	slices.SortStableFunc(list, func(a, b migration.Migration) int {
		return cmp.Compare(migration.Number(a.ID), migration.Number(b.ID))
	})
	if err := migration.CheckUnique(list, string(s), "001_create_users.sql"); err != nil {
		return nil, err
	}
	for i, m := range list {
		if migration.Number(m.ID) != int64(i+1) {
			return nil, fmt.Errorf("migration %s: there is no migration %d before it; tern wants numbers without a gap", m.Path, i+1)
		}
	}
	return list, nil
}

// up is what makes the change, with its lines where they are in the file.
func up(text string) string {
	above, _, _ := strings.Cut(text, divider)
	return strings.TrimRight(above, " \t\r\n")
}

// speaks tells whether a line is more than a comment.
func speaks(text string) bool {
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "--") {
			return true
		}
	}
	return false
}

// check refuses what tern refuses, a number beyond the files, and what only tern can run.
func check(all []migration.Status, pending []migration.Migration) error {
	for _, s := range all {
		if s.Verdict == migration.VerdictOrphan {
			return fmt.Errorf("the ledger stands at version %s, and no migration has it", s.Migration.ID)
		}
	}
	for _, m := range pending {
		if _, err := script(m); err != nil {
			return fmt.Errorf("migration %s: %w", m.Path, err)
		}
	}
	return nil
}

func ledger(table schema.Name) *migration.NumberLedger {
	return &migration.NumberLedger{
		Tool: "tern",
		Name: table,
		Only: engine.Postgres,
		Zero: true,
		Make: func(_ engine.Family, name string) []string {
			return []string{"create table if not exists " + name + "(version int4 not null)", "insert into " + name + "(version) values (0)"}
		},
	}
}

// script is what tern sends of a file.
func script(m migration.Migration) (migration.Script, error) {
	text, err := migration.Reread(m)
	if err != nil {
		return migration.Script{}, err
	}
	text = up(text)
	if strings.Contains(text, "{{") {
		return migration.Script{}, ErrTemplate
	}
	whole := migration.Script{Parts: []migration.Statement{{Text: text, Line: 1}}, Transaction: true}
	if disableTx.MatchString(text) {
		whole = migration.Script{Parts: whole.Statements(engine.Postgres)}
	}
	reset := migration.Statement{Text: "RESET ALL", Line: 1 + strings.Count(text, "\n")}
	whole.Parts = append(whole.Parts, reset)
	return whole, nil
}
