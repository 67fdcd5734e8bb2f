// Package atlas is the adapter to Atlas's versioned migrations (ariga.io/atlas): a folder of files
// <version>_<title>.sql with their sums in atlas.sum, and a ledger of revisions with the sum of each file.
//
// The migrations are run natively, by Atlas's rules as of 1.2: a file is split into statements, which run in a
// transaction together with the file's row unless it says "atlas:txmode none"; the row is written before the first
// statement and after each, so that on MySQL and MariaDB it tells how many of a file were applied. A folder that
// does not match its atlas.sum is not run. Checkpoints, imports and archives in a folder are refused: what an empty
// database gets there is not what the files say one after the other.
package atlas

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// DefaultTable is where Atlas keeps its ledger. On PostgreSQL it stands in the schema that Atlas's url names by
// search_path, and where it names none in a schema of the same name.
const DefaultTable = "atlas_schema_revisions"

// lockName is what Atlas locks (cmd/atlas/internal/cmdapi of Atlas 0.13.1).
const lockName = "atlas_migrate_execute"

// ErrUnread says that a folder holds more than plain migrations.
var ErrUnread = errors.New("only Atlas itself can follow it")

// New joins the migrations of a folder with their ledger. The zero table is the default one, where the session's
// search path leads.
func New(dir string, table schema.Name) *migration.Tool {
	if table == (schema.Name{}) {
		table.Table = DefaultTable
	}
	src, led := source(dir), ledger(dir, table)
	run := &migration.SQLRunner{Source: src, Ledger: led, Script: script, Apply: (&applier{dir, led}).apply, Check: check(dir)}
	return &migration.Tool{
		Name: "atlas", Source: src, Ledger: led, Runner: run, Script: script, Late: migration.LateRefused, Lock: lock(),
	}
}

func lock() migration.Lock {
	return migration.ServerLock{
		Postgres: func(string) []int64 { return []int64{lockKey()} },
		MySQL:    func(string) []string { return []string{lockName} },
	}
}

// lockKey is the lock's name as a number, for PostgreSQL.
func lockKey() int64 {
	key := fnv.New32()
	_, _ = key.Write([]byte(lockName)) // it has no error
	return int64(key.Sum32())
}

// FileTool knows Atlas's files by their atlas.sum.
func FileTool() migration.FileTool {
	return migration.FileTool{Tool: "atlas", Looks: func(dir string) (int, error) {
		sums, err := migration.List(dir, func(name string) bool { return name == sumName })
		if err != nil || len(sums) == 0 {
			return 0, err
		}
		names, err := migration.List(dir, isMigration)
		return len(names), err
	}}
}

func isMigration(name string) bool { return strings.HasSuffix(name, ".sql") }

// source lists the migrations of a folder.
type source string

// Migrations is [migration.Source.Migrations], in the order of the file names.
// Errors: [ErrUnread] where a file is a checkpoint, an import or an archive.
func (s source) Migrations(context.Context) ([]migration.Migration, error) {
	files, err := migration.ReadFolder(string(s), isMigration)
	if err != nil {
		return nil, err
	}
	list := make([]migration.Migration, 0, len(files))
	for _, f := range files {
		if err := readable(f.Text); err != nil {
			return nil, fmt.Errorf("migration %s: %w", f.Path, err)
		}
		version, title := parts(f.Name)
		list = append(list, migration.Migration{ID: migration.ID(version), Title: migration.Title(title), Path: f.Path, Hash: f.Hash})
	}
	return list, migration.CheckUnique(list, string(s), "20240131120000_create_users.sql")
}

// parts are the version in a file's name, and the description.
func parts(name string) (version, description string) {
	version, description, _ = strings.Cut(strings.TrimSuffix(name, ".sql"), "_")
	return version, description
}

// readable refuses what makes a file more than its statements.
func readable(text string) error {
	if d, ok := directive(text); ok && (d.name == "sum" || d.name == "txtar") {
		return fmt.Errorf("it says atlas:%s: %w", d.name, ErrUnread)
	}
	for _, d := range directives(text) {
		if d.name == "checkpoint" || d.name == "import" {
			return fmt.Errorf("it says atlas:%s: %w", d.name, ErrUnread)
		}
	}
	return nil
}

// check refuses what Atlas refuses: a folder that does not match its sums, and pending files below applied ones.
func check(dir string) func([]migration.Status, []migration.Migration) error {
	return func(all []migration.Status, pending []migration.Migration) error {
		if err := checkSums(dir); err != nil {
			return err
		}
		last := migration.ID("")
		for _, s := range all {
			if s.Verdict == migration.VerdictApplied {
				last = max(last, s.Migration.ID)
			}
		}
		for _, m := range pending {
			if m.ID < last {
				return fmt.Errorf("migration %s is pending although version %s is applied: Atlas refuses migrations that are out of order", m.Path, last)
			}
		}
		return nil
	}
}

// script is what Atlas sends of a file. The statements are those of PostgreSQL: what runs them splits the file for
// the engine itself.
func script(m migration.Migration) (migration.Script, error) {
	text, err := migration.Reread(m)
	if err != nil {
		return migration.Script{}, err
	}
	mode, err := txMode(text)
	if err != nil {
		return migration.Script{}, err
	}
	if !custom(text) {
		return migration.Script{Parts: []migration.Statement{{Text: text, Line: 1}}, Transaction: mode != "none"}, nil
	}
	list, err := split(engine.Postgres, text)
	return migration.Script{Parts: list, Transaction: mode != "none"}, err
}
