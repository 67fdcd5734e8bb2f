// Package diesel is the adapter to Diesel (diesel.rs): a folder of folders <version>_<title> with the files up.sql
// and, where they are wanted, down.sql and metadata.toml; and a ledger of versions.
//
// The migrations are run natively, by Diesel's rules as of 2.3: up.sql goes to the server as one text, in
// a transaction together with its record, unless metadata.toml says otherwise. Migrations that a program makes of
// Rust code are in no folder: such an application runs its own command.
package diesel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// DefaultTable is where Diesel keeps its ledger; it knows no other name.
const DefaultTable = "__diesel_schema_migrations"

// longest is how many characters of a version the ledger takes.
const longest = 50

// upFile is the file of a migration that is run.
const upFile = "up.sql"

// New joins the migrations of a folder with their ledger. The zero table is the default one.
func New(dir string, table schema.Name) *migration.Tool {
	if table == (schema.Name{}) {
		table.Table = DefaultTable
	}
	src, led := source(dir), ledger(table)
	run := &migration.SQLRunner{Source: src, Ledger: led, Script: script}
	return &migration.Tool{Name: "diesel", Source: src, Ledger: led, Runner: run, Script: script, Late: migration.LateRuns}
}

// FileTool knows Diesel's folders by the file up.sql in them.
func FileTool() migration.FileTool {
	return migration.FileTool{Tool: "diesel", Looks: func(dir string) (int, error) {
		names, err := folders(dir)
		n := 0
		for _, name := range names {
			if _, err := os.Stat(filepath.Join(dir, name, upFile)); err == nil && digits.MatchString(name) {
				n++
			}
		}
		return n, err
	}}
}

// digits begin the names that Diesel's own command makes.
var digits = regexp.MustCompile(`^[0-9][0-9-]*_`)

// folders names the sub-folders of a folder. Those that begin with a dot are none of Diesel's.
func folders(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list migrations folder: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		info, err := os.Stat(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read migration: %w", err)
		}
		if info.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// source lists the migrations of a folder.
type source string

// Migrations is [migration.Source.Migrations], in the order of the versions as texts. A folder without the file
// up.sql and an empty one are errors, as with Diesel.
func (s source) Migrations(context.Context) ([]migration.Migration, error) {
	names, err := folders(string(s))
	if err != nil {
		return nil, err
	}
	list := make([]migration.Migration, 0, len(names))
	for _, name := range names {
		path := filepath.Join(string(s), name, upFile)
		f, err := migration.ReadFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("migration %s has no file %s", filepath.Join(string(s), name), upFile)
		case err != nil:
			return nil, err
		case f.Text == "":
			return nil, fmt.Errorf("migration %s is empty, which Diesel refuses", path)
		}
		first, title, _ := strings.Cut(name, "_")
		version := strings.ReplaceAll(first, "-", "")
		if version == "" || len([]rune(version)) > longest {
			return nil, fmt.Errorf("migration %s: its name begins with no version of 1 to %d characters", path, longest)
		}
		list = append(list, migration.Migration{ID: migration.ID(version), Title: migration.Title(title), Path: path, Hash: f.Hash})
	}
	slices.SortStableFunc(list, func(a, b migration.Migration) int { return cmp.Compare(a.ID, b.ID) })
	return list, migration.CheckUnique(list, string(s), "2024-01-31-120000_create_users/"+upFile)
}

// ledger keeps the versions, and when each was applied.
func ledger(table schema.Name) *migration.RowLedger {
	return &migration.RowLedger{
		Name: table,
		Keys: []string{"version"},
		Sort: "version",
		Make: func(_ engine.Family, name string) []string {
			return []string{"CREATE TABLE IF NOT EXISTS " + name + " (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)"}
		},
		Row: func(m migration.Marking) ([]migration.Cell, error) {
			return []migration.Cell{{Column: "version", Value: string(m.ID)}}, nil
		},
		Read: func(rows []map[string]string, _ []migration.Migration) ([]migration.Record, error) {
			records := make([]migration.Record, 0, len(rows))
			for _, row := range rows {
				records = append(records, migration.Record{ID: migration.ID(row["version"]), State: migration.Applied, At: migration.Time(row["run_on"]), Raw: row})
			}
			return records, nil
		},
	}
}

// script is the whole file.
func script(m migration.Migration) (migration.Script, error) {
	text, err := migration.Reread(m)
	if err != nil {
		return migration.Script{}, err
	}
	whole, err := transaction(filepath.Join(filepath.Dir(m.Path), "metadata.toml"))
	return migration.Script{Parts: []migration.Statement{{Text: text, Line: 1}}, Transaction: whole}, err
}

var (
	inTransaction = regexp.MustCompile(`(?m)^\s*run_in_transaction\s*=\s*(\S+?)\s*(?:#.*)?\r?$`)
	section       = regexp.MustCompile(`(?m)^\s*\[`)
)

// transaction reads whether a migration runs in one: where there is no file it does, and where the file does not
// say so it does not (diesel_migrations/migrations_internals/src/lib.rs of Diesel).
func transaction(path string) (bool, error) {
	f, err := migration.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	text := f.Text
	if at := section.FindStringIndex(text); at != nil {
		text = text[:at[0]]
	}
	m := inTransaction.FindStringSubmatch(text)
	switch {
	case m == nil, m[1] == "false":
		return false, nil
	case m[1] == "true":
		return true, nil
	}
	return false, fmt.Errorf("%s: run_in_transaction is %s, neither true nor false", path, m[1])
}
