// Package drizzle is the adapter to the migrations of Drizzle ORM, 0.x and 1.0.
//
// Version 0.x has files <tag>.sql and a journal, meta/_journal.json, that lists them with a time each. Its ledger is a
// high-water mark: what has a time above the highest in the table is run, and nothing else ever is. A migration's ID is
// its tag, its row is the one with its time, and migrations below the mark that have no row count as applied, as they
// do to Drizzle. Version 1.0 has folders <14 digits>_<name> with a migration.sql, and goes by their names.
//
// The migrations are run natively: a file is split at its marks "--> statement-breakpoint" and nowhere else. Drizzle puts
// all that is pending into one transaction; here each migration has its own, so that one can stop between two.
package drizzle

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// Where Drizzle keeps its ledger when nothing else is said. Engines other than PostgreSQL have no such schema.
const (
	DefaultTable  = "__drizzle_migrations"
	DefaultSchema = "drizzle"
)

const (
	journalName = "meta/_journal.json"
	fileName    = "migration.sql"
	snapshot    = "snapshot.json"
	breakpoint  = "--> statement-breakpoint"
)

var folderName = regexp.MustCompile(`^\d{14}_`)

// New joins the migrations of a folder, Drizzle's "out", with their ledger on an engine of the given family. A folder
// without a journal and with folders of migrations is one of version 1.0. A table without a schema is in
// [DefaultSchema] on PostgreSQL; the zero table is the default one.
func New(dir string, table schema.Name, f engine.Family) *migration.Tool {
	if table.Table == "" {
		table.Table = DefaultTable
	}
	if table.Schema == "" && f == engine.Postgres {
		table.Schema = DefaultSchema
	}
	if isFolders(dir) {
		src := folders(dir)
		led := named(table)
		run := &migration.SQLRunner{Source: src, Ledger: led, Script: script, Setup: setup}
		return &migration.Tool{Name: "drizzle", Source: src, Ledger: led, Runner: run, Script: script, Late: migration.LateRuns}
	}
	src := journal(dir)
	led := &marks{timed(src, table), src}
	run := &migration.SQLRunner{Source: src, Ledger: led, Script: script, Apply: led.apply, Setup: setup}
	return &migration.Tool{Name: "drizzle", Source: src, Ledger: led, Runner: run, Script: script, Late: migration.LateSkipped}
}

// setup makes a session what mysql2 makes it, Drizzle's driver for MySQL (version 3.24, measured by TestReplay).
func setup(f engine.Family) []string {
	if f != engine.MySQL && f != engine.MariaDB {
		return nil
	}
	return []string{"SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci", "SET SESSION sql_mode = CONCAT('IGNORE_SPACE,', @@sql_mode)"}
}

// FileTool knows Drizzle's folders by the journal, or by the snapshots beside the migrations.
func FileTool() migration.FileTool {
	return migration.FileTool{Tool: "drizzle", Looks: func(dir string) (int, error) {
		list, err := journal(dir).entries()
		if !errors.Is(err, fs.ErrNotExist) {
			return len(list), err
		}
		return len(glob(dir, snapshot)), nil
	}}
}

// isFolders tells a folder of version 1.0.
func isFolders(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, filepath.FromSlash(journalName)))
	return errors.Is(err, fs.ErrNotExist) && len(glob(dir, fileName)) > 0
}

// glob names the sub-folders of migrations that hold a file.
func glob(dir, file string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var list []string
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(dir, e.Name(), file)); err == nil && folderName.MatchString(e.Name()) {
			list = append(list, e.Name())
		}
	}
	return list
}

// entry is a line of the journal.
type entry struct {
	When int64  `json:"when"` // when it was made, in milliseconds since 1970
	Tag  string `json:"tag"`
}

// journal is the folder of version 0.x.
type journal string

// entries reads the journal. Errors: fs.ErrNotExist where there is none.
func (j journal) entries() ([]entry, error) {
	path := filepath.Join(string(j), filepath.FromSlash(journalName))
	f, err := migration.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var content struct {
		Entries []entry `json:"entries"`
	}
	if err := json.Unmarshal([]byte(f.Text), &content); err != nil {
		return nil, fmt.Errorf("read the journal %s: %w", path, err)
	}
	for _, e := range content.Entries {
		if !filepath.IsLocal(e.Tag) {
			return nil, fmt.Errorf("read the journal %s: the tag %q is no name of a file", path, e.Tag)
		}
	}
	return content.Entries, nil
}

// Migrations is [migration.Source.Migrations]: the journal's order. Files that it does not list are none of Drizzle's.
func (j journal) Migrations(context.Context) ([]migration.Migration, error) {
	entries, err := j.entries()
	if err != nil {
		return nil, err
	}
	list := make([]migration.Migration, 0, len(entries))
	for _, e := range entries {
		f, err := migration.ReadFile(filepath.Join(string(j), e.Tag+".sql"))
		if err != nil {
			return nil, err
		}
		_, title, _ := strings.Cut(e.Tag, "_")
		list = append(list, migration.Migration{ID: migration.ID(e.Tag), Title: migration.Title(title), Path: f.Path, Hash: f.Hash})
	}
	return list, migration.CheckUnique(list, string(j), "0000_create_users.sql in its "+journalName)
}

// folders is the folder of version 1.0.
type folders string

// Migrations is [migration.Source.Migrations]: the folders by their names.
func (d folders) Migrations(context.Context) ([]migration.Migration, error) {
	names := glob(string(d), fileName)
	// JavaScript's localeCompare, by which Drizzle sorts, looks at the case last.
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a), strings.ToLower(b)), cmp.Compare(a, b))
	})
	list := make([]migration.Migration, 0, len(names))
	for _, name := range names {
		if _, err := made(name); err != nil {
			return nil, err
		}
		f, err := migration.ReadFile(filepath.Join(string(d), name, fileName))
		if err != nil {
			return nil, err
		}
		list = append(list, migration.Migration{ID: migration.ID(name), Title: migration.Title(name[15:]), Path: f.Path, Hash: f.Hash})
	}
	return list, migration.CheckUnique(list, string(d), "20240131120000_create_users/"+fileName)
}

// made is the time in a folder's name, in milliseconds since 1970.
func made(name string) (int64, error) {
	at, err := time.Parse("20060102150405", name[:min(14, len(name))])
	if err != nil {
		return 0, fmt.Errorf("migration %s: its name does not begin with a time: %w", name, err)
	}
	return at.UnixMilli(), nil
}

// script is the file, split at its breakpoints.
func script(m migration.Migration) (migration.Script, error) {
	text, err := migration.Reread(m)
	if err != nil {
		return migration.Script{}, err
	}
	sc, line := migration.Script{Transaction: true}, 1
	for part := range strings.SplitSeq(text, breakpoint) {
		if strings.TrimSpace(part) != "" {
			sc.Parts = append(sc.Parts, migration.Statement{Text: part, Line: line})
		}
		line += strings.Count(part, "\n")
	}
	return sc, nil
}
