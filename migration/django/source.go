package django

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mulligan/internal/python"
	"mulligan/migration"
)

// first and latest stand for the first and the last migration of an app.
const (
	first  = "__first__"
	latest = "__latest__"
)

// isMigration tells the names of files that Django takes for migrations.
func isMigration(name string) bool {
	stem, is := strings.CutSuffix(name, ".py")
	return is && stem != "" && !strings.HasPrefix(stem, "_") && !strings.HasPrefix(stem, "~") && !strings.Contains(stem, ".")
}

// file is what a migration's file says.
type file struct {
	needs    []migration.ID // what it depends on
	user     bool           // it depends on the project's user model
	before   []migration.ID // what depends on it
	replaces []migration.ID
}

// parsed remembers what the files say.
type parsed = migration.Parsed[file]

// parse reads the literals of a file's class Migration.
func parse(f migration.File) (file, error) {
	m, err := python.Parse(f.Text)
	if err == nil && !slices.ContainsFunc(m.Classes, func(c python.Class) bool { return c.Name == "Migration" }) {
		err = errors.New("it has no class Migration, and Django takes every .py file of the folder for a migration")
	}
	var list file
	if err == nil {
		list.needs, list.user, err = references(m, "dependencies")
	}
	if err == nil {
		list.before, _, err = references(m, "run_before")
	}
	if err == nil {
		list.replaces, _, err = references(m, "replaces")
	}
	if err != nil {
		return file{}, fmt.Errorf("migration %s: %w", f.Path, err)
	}
	return list, nil
}

// references reads a list of pairs of app and name.
func references(m *python.Module, name string) (list []migration.ID, user bool, err error) {
	a, err := m.Find("Migration", name)
	if err != nil || a == nil {
		return nil, false, err
	}
	value, err := a.Value()
	if err != nil {
		return nil, false, err
	}
	items, ok := value.(python.List)
	if !ok {
		return nil, false, fmt.Errorf("line %d: %s is no literal list", a.Line, name)
	}
	for _, item := range items {
		switch item := item.(type) {
		case python.List:
			if app, name, ok := pair(item); ok {
				list = append(list, migration.ID(app+"."+name))
				continue
			}
		case python.Call:
			if id, ok := swappable(item); ok {
				user = user || id == ""
				if id != "" {
					list = append(list, id)
				}
				continue
			}
		}
		return nil, false, fmt.Errorf("line %d: %s holds something else than pairs of texts and swappable_dependency", a.Line, name)
	}
	return list, user, nil
}

func pair(item python.List) (app, name string, ok bool) {
	if len(item) != 2 {
		return "", "", false
	}
	app, ok = item[0].(string)
	name, isText := item[1].(string)
	return app, name, ok && isText && app != "" && name != "" && !strings.Contains(app, ".")
}

// swappable reads swappable_dependency("app.Model"), and of settings.AUTH_USER_MODEL gives no ID.
func swappable(c python.Call) (migration.ID, bool) {
	if c.Name != "migrations.swappable_dependency" && c.Name != "swappable_dependency" || len(c.Args) != 1 {
		return "", false
	}
	switch model := c.Args[0].(type) {
	case string:
		app, _, ok := strings.Cut(model, ".")
		return migration.ID(app + "." + first), ok
	case python.Name:
		return "", true
	default:
		return "", false
	}
}

// app is one folder of migrations.
type app struct {
	label string
	dir   string
}

// project is what stands below a folder.
type project struct {
	apps []app
	user string // the app of AUTH_USER_MODEL; empty = the settings do not say it, or not all the same
}

// look finds the folders of migrations below a folder. Those of installed packages are none of the project's.
func look(dir string) (project, error) {
	p, models := project{}, map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("look for apps: %w", err)
		case !d.IsDir():
			if model := userModel(path); model != "" {
				models[model] = true
			}
			return nil
		case path != dir && foreign(path, d.Name()):
			return fs.SkipDir
		}
		label, is, err := appOf(path)
		if is && err == nil {
			p.apps = append(p.apps, app{label: label, dir: path})
		}
		return err
	})
	if err != nil {
		return project{}, err
	}
	for model := range models {
		if p.user, _, _ = strings.Cut(model, "."); len(models) > 1 {
			p.user = ""
		}
	}
	slices.SortFunc(p.apps, func(a, b app) int { return strings.Compare(a.label, b.label) })
	for i := 1; i < len(p.apps); i++ {
		if p.apps[i].label == p.apps[i-1].label {
			return project{}, fmt.Errorf("two apps have the label %s: %s and %s", p.apps[i].label, p.apps[i-1].dir, p.apps[i].dir)
		}
	}
	return p, nil
}

// foreign tells folders of installed packages and the like.
func foreign(path, name string) bool {
	if strings.HasPrefix(name, ".") || slices.Contains([]string{"node_modules", "site-packages", "dist-packages", "__pycache__"}, name) {
		return true
	}
	_, err := os.Stat(filepath.Join(path, "pyvenv.cfg"))
	return err == nil
}

// appOf tells whether a folder is an app's migrations, and gives the app's label: that of its apps.py, else the app's folder.
// A folder without __init__.py is none to Django.
func appOf(path string) (label string, is bool, err error) {
	path, err = filepath.Abs(path)
	if err != nil || filepath.Base(path) != "migrations" {
		return "", false, err
	}
	if _, err := os.Stat(filepath.Join(path, "__init__.py")); err != nil {
		return "", false, nil
	}
	home := filepath.Dir(path)
	f, err := migration.ReadFile(filepath.Join(home, "apps.py"))
	if errors.Is(err, fs.ErrNotExist) {
		return filepath.Base(home), true, nil
	}
	if err != nil {
		return "", false, err
	}
	m, err := python.Parse(f.Text)
	if err != nil {
		return "", false, fmt.Errorf("read the app's label: %s: %w", f.Path, err)
	}
	label = filepath.Base(home)
	for _, a := range m.Assignments {
		if a.Class == "" || a.Name != "label" {
			continue
		}
		value, err := a.Value()
		text, ok := value.(string)
		if err != nil || !ok || text == "" {
			return "", false, fmt.Errorf("read the app's label: %s, line %d: it is no literal text", f.Path, a.Line)
		}
		label = text
	}
	return label, true, nil
}

// userModel reads AUTH_USER_MODEL of a file of settings; empty = there is none, or none that can be read.
func userModel(path string) string {
	name, in := filepath.Base(path), filepath.Base(filepath.Dir(path))
	if filepath.Ext(name) != ".py" || name != "settings.py" && in != "settings" {
		return ""
	}
	f, err := migration.ReadFile(path)
	if err != nil {
		return ""
	}
	m, err := python.Parse(f.Text)
	if err != nil {
		return ""
	}
	a, err := m.Find("", "AUTH_USER_MODEL")
	if err != nil || a == nil {
		return ""
	}
	value, err := a.Value()
	text, _ := value.(string)
	if err != nil {
		return ""
	}
	return text
}

// source lists the migrations of a project.
type source struct {
	dir   string
	files *parsed
}

// Migrations is [migration.Source.Migrations].
func (s *source) Migrations(context.Context) ([]migration.Migration, error) {
	p, err := look(s.dir)
	if err != nil {
		return nil, err
	}
	g := &graph{nodes: map[migration.ID]*node{}, user: p.user}
	var list []migration.Migration
	for _, a := range p.apps {
		files, err := migration.ReadFolder(a.dir, isMigration)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			said, err := s.files.Of(f)
			if err != nil {
				return nil, err
			}
			name := strings.TrimSuffix(f.Name, ".py")
			m := migration.Migration{ID: migration.ID(a.label + "." + name), Title: title(name), Path: f.Path, Hash: f.Hash}
			list = append(list, m)
			g.nodes[m.ID] = &node{Migration: m, file: said, app: a.label}
		}
	}
	if err := migration.CheckUnique(list, s.dir, "app/migrations/0001_initial.py (beside an __init__.py)"); err != nil {
		return nil, err
	}
	return g.order()
}

// title is what follows the number.
func title(name string) string {
	if number, rest, ok := strings.Cut(name, "_"); ok && strings.Trim(number, "0123456789") == "" {
		return migration.Title(rest)
	}
	return migration.Title(name)
}
