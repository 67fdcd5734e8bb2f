package generic

import (
	"context"
	"path/filepath"
	"strings"

	"mulligan/migration"
)

// folder is a flat folder of migration files in the order of their names.
type folder struct{ dir, form string }

// Migrations is [migration.Source.Migrations].
func (f folder) Migrations(context.Context) ([]migration.Migration, error) {
	files, err := migration.ReadFolder(f.dir, isFile)
	if err != nil {
		return nil, err
	}
	list := make([]migration.Migration, 0, len(files))
	for _, file := range files {
		list = append(list, migration.Migration{ID: idOf(file.Name, f.form), Title: migration.Title(stem(file.Name)), Path: file.Path, Hash: file.Hash})
	}
	return list, migration.CheckUnique(list, f.dir, "NUMBER_name.ext")
}

// isFile tells a migration's file by a number in its name, and leaves out what reverses one.
func isFile(name string) bool {
	return !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "_") && !strings.HasSuffix(name, ".d.ts") &&
		!strings.HasSuffix(name, ".down.sql") && strings.ContainsAny(name, "0123456789") && filepath.Ext(name) != ""
}

// idOf is what a ledger of that form holds of a file's name.
func idOf(file, form string) migration.ID {
	switch form {
	case File:
		return migration.ID(file)
	case Digits:
		return migration.ID(digits(file))
	default:
		return migration.ID(stem(file))
	}
}

func stem(file string) string {
	return strings.TrimSuffix(strings.TrimSuffix(file, filepath.Ext(file)), ".up")
}

func digits(file string) string {
	end := strings.IndexFunc(file, func(r rune) bool { return r < '0' || r > '9' })
	return file[:max(end, 0)]
}

// meant finds the file that a ledger's value means. A value that means none is its own ID.
func meant(value, form string, files []migration.Migration) migration.ID {
	if form == File {
		return migration.Named(value, files)
	}
	for _, m := range files {
		file := filepath.Base(m.Path)
		switch {
		case value == string(m.ID):
			return m.ID
		case form == Digits && strings.TrimLeft(value, "0") == strings.TrimLeft(string(m.ID), "0"): // in a column of numbers
			return m.ID
		case form == "" && (value == file || value == stem(file) || value != "" && value == digits(file)):
			return m.ID
		}
	}
	return migration.ID(value)
}
