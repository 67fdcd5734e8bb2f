package flyway

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"mulligan/migration"
)

const (
	separator  = "__"
	suffix     = ".sql"
	repeatable = "R" + separator // what a repeatable migration's ID begins with
)

// FileTool knows Flyway's files by their names.
func FileTool() migration.FileTool {
	return migration.FileTool{Tool: "flyway", Looks: func(dir string) (int, error) {
		names, err := migration.List(dir, func(name string) bool {
			_, ok := parseName(name)
			return ok && strings.Contains(name, separator)
		})
		return len(names), err
	}}
}

// name is the name of a file, taken apart.
type name struct {
	kind        byte    // 'V', 'R' or 'B'
	text        string  // the version with dots; empty for a repeatable one
	version     version // the same
	description string
}

// parseName reads a file's name; false = Flyway does not apply such a file.
func parseName(file string) (name, bool) {
	base, ok := strings.CutSuffix(file, suffix)
	if !ok || base == "" {
		return name{}, false
	}
	left, right, _ := strings.Cut(base[1:], separator)
	n := name{kind: base[0], description: strings.ReplaceAll(right, "_", " ")}
	switch n.kind {
	case 'R':
		return n, left == "" && right != ""
	case 'V', 'B':
		n.text = strings.ReplaceAll(left, "_", ".")
		n.version, ok = parseVersion(left)
		return n, ok
	default:
		return name{}, false
	}
}

// id is the migration's identity.
func (n name) id(file string) migration.ID {
	if n.kind == 'R' {
		return migration.ID(strings.TrimSuffix(file, suffix))
	}
	return migration.ID(n.text)
}

// source lists the migrations of a location.
type source string

// entry is a migration with its name.
type entry struct {
	name
	migration.Migration
}

// Migrations is [migration.Source.Migrations]: the versioned by version, then the repeatable by description. Files with
// other names are left out, as Flyway leaves them out unless validateMigrationNaming is set.
func (s source) Migrations(context.Context) ([]migration.Migration, error) {
	all, err := s.entries()
	if err != nil {
		return nil, err
	}
	all = withoutBaselines(all)
	slices.SortStableFunc(all, func(a, b entry) int {
		repeats := func(e entry) int {
			if e.kind == 'R' {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(repeats(a), repeats(b)), a.version.compare(b.version), cmp.Compare(a.description, b.description))
	})
	list := make([]migration.Migration, len(all))
	for i, e := range all {
		list[i] = e.Migration
		if i == 0 || all[i-1].kind == 'R' != (e.kind == 'R') {
			continue
		}
		// Versions may be equal without being written alike; two repeatable ones are one by their description.
		if before := all[i-1]; before.version.compare(e.version) == 0 && (e.kind != 'R' || before.description == e.description) {
			return nil, fmt.Errorf("two migrations are one to Flyway: %s and %s", before.Path, e.Path)
		}
	}
	return list, migration.CheckUnique(list, string(s), "V1__create_users.sql")
}

// entries reads all files of the location and its sub-folders.
func (s source) entries() ([]entry, error) {
	var list []entry
	err := filepath.WalkDir(string(s), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("list migrations folder: %w", err)
		}
		if !d.IsDir() {
			return nil
		}
		files, err := migration.ReadFolder(path, isMigration)
		for _, f := range files {
			n, _ := parseName(f.Name)
			m := migration.Migration{ID: n.id(f.Name), Title: migration.Title(n.description), Path: f.Path, Hash: f.Hash}
			list = append(list, entry{n, m})
		}
		return err
	})
	return list, err
}

func isMigration(file string) bool {
	_, ok := parseName(file)
	return ok
}

// withoutBaselines leaves the newest baseline file where no versioned one stands at or below it, and no other.
func withoutBaselines(all []entry) []entry {
	best := -1
	for i, e := range all {
		if e.kind == 'B' && (best < 0 || e.version.compare(all[best].version) > 0) {
			best = i
		}
	}
	if best >= 0 {
		newest := all[best]
		covered := slices.ContainsFunc(all, func(e entry) bool { return e.kind == 'V' && e.version.compare(newest.version) <= 0 })
		all = slices.DeleteFunc(all, func(e entry) bool { return e.kind == 'B' && (covered || e.Path != newest.Path) })
	}
	return all
}
