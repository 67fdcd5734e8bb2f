package liquibase

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"mulligan/migration"
)

// entry is one thing that a changelog holds, in its order: a change set, or other changelogs.
type entry struct {
	line    int        // of a change set, from 1; 0 = not known
	logical string     // the path that it gives itself; empty = its file's
	change  *changeSet // exactly one of the three is set
	include *include
	all     *includeAll
}

// changeSet is what identifies one; of one in SQL also what is run.
type changeSet struct {
	id, author string
	sql        *sqlChange
}

// include names another changelog.
type include struct {
	file     string
	relative bool
}

// includeAll names a folder of changelogs.
type includeAll struct {
	path     string
	suffix   string // of the files that count; empty = all
	relative bool
	optional bool // the folder may be absent or empty
}

// changelog is what a file holds.
type changelog struct {
	logical string // the path that it gives itself
	entries []entry
}

// parsed remembers what the files hold.
type parsed = migration.Parsed[*changelog]

// isChangelog tells the names of files that Liquibase can read.
func isChangelog(name string) bool {
	return !strings.HasPrefix(name, ".") && slices.Contains([]string{".xml", ".yaml", ".yml", ".json", ".sql"}, strings.ToLower(filepath.Ext(name)))
}

// parse reads a changelog of any form.
func parse(f migration.File) (c *changelog, err error) {
	switch strings.ToLower(filepath.Ext(f.Name)) {
	case ".sql":
		c, err = parseSQL(f.Text)
	case ".xml":
		c, err = parseXML(f.Text)
	case ".json":
		c, err = parseJSON(f.Text)
	case ".yaml", ".yml":
		c, err = parseYAML(f.Text)
	default:
		err = errors.New("its name ends in none of .xml, .yaml, .yml, .json and .sql")
	}
	if err == nil {
		err = c.check()
	}
	if err != nil {
		return nil, fmt.Errorf("changelog %s: %w", f.Path, err)
	}
	return c, nil
}

// check refuses what cannot be told without Liquibase.
func (c *changelog) check() error {
	for i, e := range c.entries {
		where := fmt.Sprintf("change set %d", i+1)
		if e.line > 0 {
			where = fmt.Sprintf("line %d", e.line)
		}
		switch {
		case e.change != nil && (e.change.id == "" || e.change.author == ""):
			return fmt.Errorf("%s: a change set needs an id and an author", where)
		case e.include != nil && e.include.file == "":
			return fmt.Errorf("%s: an include names no file", where)
		case e.include != nil && strings.Contains(e.include.file, "${"), e.all != nil && strings.Contains(e.all.path, "${"):
			return fmt.Errorf("%s: a path with a parameter cannot be told without Liquibase", where)
		case e.all != nil && e.all.path == "":
			return fmt.Errorf("%s: an includeAll names no path", where)
		}
	}
	return nil
}

// source lists the change sets of a changelog and of those that it includes.
type source struct {
	dir   string
	first string // changelog, from dir; empty = it is looked for
	files *parsed
}

// Migrations is [migration.Source.Migrations].
func (s *source) Migrations(context.Context) ([]migration.Migration, error) {
	first := s.first
	if first == "" {
		var err error
		if first, err = s.find(); err != nil {
			return nil, err
		}
	}
	var list []migration.Migration
	if err := s.read(normal(first), nil, &list); err != nil {
		return nil, err
	}
	if err := migration.CheckUnique(list, filepath.Join(s.dir, first), "a change set"); err != nil {
		return nil, err
	}
	return list, nil
}

// find looks for a changelog under one of the usual names.
func (s *source) find() (string, error) {
	var found []string
	for _, folder := range []string{"", "db/changelog", "changelog"} {
		names, err := migration.List(filepath.Join(s.dir, filepath.FromSlash(folder)), func(name string) bool {
			stem := strings.TrimSuffix(name, filepath.Ext(name))
			return isChangelog(name) && slices.Contains([]string{
				"db.changelog-master", "db.changelog-root", "db.changelog", "changelog-master", "changelog-root", "changelog", "master", "root",
			}, stem)
		})
		if err != nil && (folder == "" || !errors.Is(err, fs.ErrNotExist)) {
			return "", err
		}
		for _, name := range names {
			found = append(found, path.Join(folder, name))
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("%w: %s holds no changelog like db.changelog-master.xml: name it", migration.ErrNone, s.dir)
	case 1:
		return found[0], nil
	default:
		return "", fmt.Errorf("which changelog of %s is the first cannot be told: %s", s.dir, strings.Join(found, ", "))
	}
}

// read adds the change sets of one changelog, by its path from dir. way are those that include it.
func (s *source) read(name string, way []string, list *[]migration.Migration) error {
	if slices.Contains(way, name) {
		return fmt.Errorf("changelogs include each other in a circle: %s", strings.Join(append(way, name), " includes "))
	}
	f, err := migration.ReadFile(filepath.Join(s.dir, filepath.FromSlash(name)))
	if err != nil {
		if len(way) > 0 {
			err = fmt.Errorf("included by %s: %w", way[len(way)-1], err)
		}
		return err
	}
	c, err := s.files.Of(f)
	if err != nil {
		return err
	}
	way = append(slices.Clone(way), name)
	for _, e := range c.entries {
		switch {
		case e.include != nil:
			err = s.read(beside(name, e.include.file, e.include.relative), way, list)
		case e.all != nil:
			err = s.readAll(beside(name, e.all.path, e.all.relative), e.all, way, list)
		default:
			file := name
			for _, own := range []string{c.logical, e.logical} {
				if own != "" {
					file = normal(own)
				}
			}
			*list = append(*list, migration.Migration{
				ID: identity(file, e.change.id, e.change.author), Title: migration.Title(e.change.id), Path: f.Path, Hash: f.Hash, Line: e.line,
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// beside is a path that a changelog names: from its own folder, or from the search path.
func beside(name, other string, relative bool) string {
	if relative {
		return normal(path.Join(path.Dir(name), strings.ReplaceAll(other, `\`, "/")))
	}
	return normal(other)
}

// readAll adds the changelogs of a folder and of those below it, in the order of their paths. Other files there count for nothing.
func (s *source) readAll(folder string, all *includeAll, way []string, list *[]migration.Migration) error {
	top := filepath.Join(s.dir, filepath.FromSlash(folder))
	var names []string
	err := filepath.WalkDir(top, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() || !isChangelog(d.Name()) || !strings.HasSuffix(d.Name(), all.suffix) {
			return nil
		}
		below, err := filepath.Rel(top, at)
		names = append(names, path.Join(folder, filepath.ToSlash(below)))
		return err
	})
	if errors.Is(err, os.ErrNotExist) && all.optional {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read folder %s, included by %s: %w", folder, way[len(way)-1], err)
	}
	if len(names) == 0 && !all.optional {
		return fmt.Errorf("folder %s, included by %s, holds no changelog", folder, way[len(way)-1])
	}
	slices.Sort(names)
	for _, name := range names {
		if err := s.read(name, way, list); err != nil {
			return err
		}
	}
	return nil
}
