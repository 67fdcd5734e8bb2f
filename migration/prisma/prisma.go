// Package prisma is the adapter to Prisma Migrate: folders <14 digits>_<name> that hold a migration.sql, and a ledger of
// attempts: a row for each, with when it began, ended and was rolled back.
//
// A migration's ID is its folder's name. The migrations are run natively, by the rules of `prisma migrate deploy` as of
// versions 6 and 7: the row of the attempt is written, the file goes to the server as one text, the row is ended. There
// is no transaction around them; PostgreSQL makes one of a text by itself, unless the text has its own.
package prisma

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

// DefaultTable is where Prisma keeps its ledger. It cannot be given another name.
const DefaultTable = "_prisma_migrations"

const (
	fileName = "migration.sql"
	snapshot = "snapshot.json" // lies beside a migration of Drizzle's
)

var folderName = regexp.MustCompile(`^\d{14}_`)

// New joins the migrations of a folder with their ledger. The zero table is the default one.
func New(dir string, table schema.Name) *migration.Tool {
	if table.Table == "" {
		table.Table = DefaultTable
	}
	src, led := source(dir), ledger(table)
	run := &migration.SQLRunner{Source: src, Ledger: led, Script: script}
	run.Apply = func(ctx context.Context, s engine.Session, m migration.Migration, _ []migration.Migration) error {
		return apply(ctx, s, s.Family().Table(table), m)
	}
	return &migration.Tool{
		Name: "prisma", Source: src, Ledger: led, Runner: run, Script: script,
		Late: migration.LateRuns, Lock: lock(),
	}
}

// lock is the tool's, the same for all databases of a MySQL server.
func lock() migration.Lock {
	return migration.ServerLock{
		Postgres: func(string) []int64 { return []int64{72707369} },
		MySQL:    func(string) []string { return []string{"prisma_migrate"} },
	}
}

// FileTool knows Prisma's folders by their names and their files.
func FileTool() migration.FileTool {
	return migration.FileTool{Tool: "prisma", Looks: func(dir string) (int, error) {
		folders, err := list(dir)
		n := 0
		for _, f := range folders {
			if folderName.MatchString(f) && exists(filepath.Join(dir, f, fileName)) && !exists(filepath.Join(dir, f, snapshot)) {
				n++
			}
		}
		return n, err
	}}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// source lists the migrations of a folder.
type source string

// Migrations is [migration.Source.Migrations]. Every sub-folder is a migration, whatever its name; one without its file
// is an error, as with Prisma.
func (s source) Migrations(context.Context) ([]migration.Migration, error) {
	folders, err := list(string(s))
	if err != nil {
		return nil, err
	}
	all := make([]migration.Migration, 0, len(folders))
	for _, name := range folders {
		f, err := migration.ReadFile(filepath.Join(string(s), name, fileName))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("migration %s has no %s: delete its folder, or put the file back", filepath.Join(string(s), name), fileName)
		}
		if err != nil {
			return nil, err
		}
		title := migration.Title(folderName.ReplaceAllString(name, ""))
		all = append(all, migration.Migration{ID: migration.ID(name), Title: title, Path: f.Path, Hash: f.Hash})
	}
	return all, migration.CheckUnique(all, string(s), "20240131120000_create_users/"+fileName)
}

// list names the sub-folders, sorted as JavaScript's localeCompare does: case decides last, and punctuation stands before
// digits, so that "1_init" comes before "10_more".
func list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list migrations folder: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	weight := strings.NewReplacer("_", "\x01", "-", "\x02")
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(weight.Replace(strings.ToLower(a)), weight.Replace(strings.ToLower(b))), cmp.Compare(a, b))
	})
	return names, nil
}

// script is the whole file.
func script(m migration.Migration) (migration.Script, error) {
	text, err := migration.Reread(m)
	return migration.Script{Parts: []migration.Statement{{Text: text, Line: 1}}}, err
}
