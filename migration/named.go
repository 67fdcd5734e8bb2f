package migration

import (
	"path/filepath"
	"slices"
	"strings"
)

// Named finds the file that a name in a ledger means: the one whose ID it is, else the only one whose ID differs from
// it by the extension alone, since what is written as a.ts is often run as a.js. A name that means no file is its own ID.
func Named(name string, files []Migration) ID {
	if Index(files, ID(name)) >= 0 {
		return ID(name)
	}
	var found []ID
	for _, m := range files {
		if filepath.Ext(name) != "" && stem(string(m.ID)) == stem(name) {
			found = append(found, m.ID)
		}
	}
	if len(found) == 1 {
		return found[0]
	}
	return ID(name)
}

// NameFor gives the name under which a ledger that holds the given names would hold a file: with the extension that
// the newest of them has in place of the file's, else with the file's own.
func NameFor(id ID, names []string, files []Migration) string {
	for _, name := range slices.Backward(names) {
		as := Named(name, files)
		if Index(files, as) >= 0 && as != id && filepath.Ext(string(as)) == filepath.Ext(string(id)) {
			return stem(string(id)) + filepath.Ext(name)
		}
	}
	return string(id)
}

func stem(name string) string { return strings.TrimSuffix(name, filepath.Ext(name)) }

// Texts lists the cells of one column.
func Texts(rows []map[string]string, column string) []string {
	list := make([]string, 0, len(rows))
	for _, row := range rows {
		list = append(list, row[column])
	}
	return list
}

// Unname gives what deletes all rows in whose column a name stands that means the migration ([Named]).
func Unname(m Marking, table, column string) []Write {
	var list []Write
	names := Texts(m.Rows, column)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if name != "" && Named(name, m.Files) == m.ID {
			statement := "DELETE FROM " + table + " WHERE " + m.Family.Ident(column) + " = " + m.Family.Placeholder(1)
			list = append(list, Write{SQL: statement, Args: []any{name}, Rows: AnyRows})
		}
	}
	return list
}

// CodeFolder reads a flat folder of migrations that are code, each named by its whole file name. Declarations of types
// are none, and where JavaScript lies beside the TypeScript that it was made of, it counts alone.
func CodeFolder(dir string, extensions ...string) ([]Migration, error) {
	code := func(name string) bool {
		return slices.Contains(extensions, filepath.Ext(name)) && !strings.HasSuffix(stem(name), ".d") && !strings.HasPrefix(name, ".")
	}
	names, err := List(dir, code)
	if err != nil {
		return nil, err
	}
	made := func(name string) bool {
		return filepath.Ext(name) == ".ts" && slices.Contains(names, stem(name)+".js") || filepath.Ext(name) == ".cts" && slices.Contains(names, stem(name)+".cjs")
	}
	var list []Migration
	for _, name := range names {
		if made(name) {
			continue
		}
		f, err := ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		list = append(list, Migration{ID: ID(name), Title: Title(strings.TrimLeft(stem(name), "0123456789")), Path: f.Path, Hash: f.Hash})
	}
	return list, CheckUnique(list, dir, "20240131120000_create_users.js")
}
