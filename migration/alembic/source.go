package alembic

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"mulligan/internal/python"
	"mulligan/migration"
)

// isScript tells the names of files that Alembic loads.
func isScript(name string) bool {
	return strings.HasSuffix(name, ".py") && !strings.HasPrefix(name, ".#") && !strings.HasPrefix(name, "__init__")
}

// script is what a file says of itself.
type script struct {
	revision migration.ID
	title    string
	down     []string // revisions before it
	depends  []string // revisions, or labels of branches, that must be there before it
	labels   []string
}

// scripts remembers what the files say.
type scripts = migration.Parsed[script]

// parse reads the literals of a file.
func parse(f migration.File) (script, error) {
	m, err := python.Parse(f.Text)
	if err != nil {
		return script{}, fmt.Errorf("migration %s: %w", f.Path, err)
	}
	s := script{}
	s.title, _, _ = strings.Cut(strings.TrimSpace(m.Doc), "\n")
	revision, _, err := texts(m, "revision")
	if err == nil && len(revision) != 1 {
		err = errors.New("it assigns no revision: Alembic wants one in each .py file of the folder")
	}
	var given bool
	if err == nil {
		s.revision = migration.ID(revision[0])
		if s.down, given, err = texts(m, "down_revision"); err == nil && !given {
			err = errors.New("it assigns no down_revision, if only None")
		}
	}
	if err == nil {
		s.depends, _, err = texts(m, "depends_on")
	}
	if err == nil {
		s.labels, _, err = texts(m, "branch_labels")
	}
	if err != nil {
		return script{}, fmt.Errorf("migration %s: %w", f.Path, err)
	}
	return s, nil
}

// texts reads a name that is None, a text, or several texts.
func texts(m *python.Module, name string) (list []string, given bool, err error) {
	a, err := m.Find("", name)
	if err != nil || a == nil {
		return nil, false, err
	}
	value, err := a.Value()
	if err != nil {
		return nil, false, err
	}
	items, several := value.(python.List)
	if !several && value != nil {
		items = python.List{value}
	}
	for _, item := range items {
		text, ok := item.(string)
		if !ok || text == "" {
			return nil, false, fmt.Errorf("line %d: %s is no literal text or texts", a.Line, name)
		}
		list = append(list, text)
	}
	return list, true, nil
}

// source lists the revisions of a folder.
type source struct {
	dir     string
	scripts *scripts
}

// Migrations is [migration.Source.Migrations]. A revision comes after all that it builds on and depends on, and otherwise in the
// order of the files' names. Several heads are legal; their titles say so. Of several files without a revision
// before them only one may lack a label: the others begin branches on purpose.
func (s *source) Migrations(context.Context) ([]migration.Migration, error) {
	files, err := migration.ReadFolder(s.dir, isScript)
	if err != nil {
		return nil, err
	}
	var list []migration.Migration
	for _, f := range files {
		sc, err := s.scripts.Of(f)
		if err != nil {
			return nil, err
		}
		list = append(list, migration.Migration{ID: sc.revision, Title: sc.title, Path: f.Path, Hash: f.Hash})
	}
	if err := migration.CheckUnique(list, s.dir, "1975ea83b712_add_users.py"); err != nil {
		return nil, err
	}
	g, err := lay(s.scripts, list, true)
	if err != nil {
		return nil, err
	}
	if err := g.checkRoots(); err != nil {
		return nil, err
	}
	list, err = g.sorted()
	if err != nil {
		return nil, err
	}
	g.nameHeads(list)
	return list, nil
}

// nameHeads tells in the titles which revisions are heads where there are several: no revision follows them, as
// Alembic counts, to whom one that only depends on another does not follow it.
func (g *graph) nameHeads(list []migration.Migration) {
	followed := map[migration.ID]bool{}
	for _, sc := range g.scripts {
		for _, d := range sc.down {
			followed[migration.ID(d)] = true
		}
	}
	n := 0
	for _, m := range list {
		if !followed[m.ID] {
			n++
		}
	}
	for i, m := range list {
		if n > 1 && !followed[m.ID] {
			list[i].Title = strings.TrimSpace(fmt.Sprintf("%s (one of %d heads)", m.Title, n))
		}
	}
}

// graph is how revisions hang together.
type graph struct {
	list    []migration.Migration
	scripts map[migration.ID]script
	parents map[migration.ID][]migration.ID // revisions before, then those depended on; each once
	ahead   map[migration.ID][]migration.ID // the reverse
}

// lay puts the files of a list together. A revision before that no file has is an error where whole says
// that the list is all there is.
func lay(s *scripts, list []migration.Migration, whole bool) (*graph, error) {
	g := &graph{list: list, scripts: map[migration.ID]script{}, parents: map[migration.ID][]migration.ID{}, ahead: map[migration.ID][]migration.ID{}}
	labels := map[string]migration.ID{}
	for _, m := range list {
		sc, err := s.Listed(m)
		if err != nil {
			return nil, err
		}
		g.scripts[m.ID] = sc
		for _, l := range sc.labels {
			labels[l] = m.ID
		}
	}
	for _, m := range list {
		sc := g.scripts[m.ID]
		for i, name := range slices.Concat(sc.down, sc.depends) {
			id := migration.ID(name)
			if _, ok := g.scripts[id]; !ok && i >= len(sc.down) && labels[name] != "" {
				id = labels[name]
			}
			if _, ok := g.scripts[id]; !ok {
				if whole {
					return nil, fmt.Errorf("migration %s builds on revision %s, which no file in %s has", m.Path, name, filepath.Dir(m.Path))
				}
				continue
			}
			if !slices.Contains(g.parents[m.ID], id) {
				g.parents[m.ID] = append(g.parents[m.ID], id)
				g.ahead[id] = append(g.ahead[id], m.ID)
			}
		}
	}
	return g, nil
}

// children are the revisions that build or depend on one, as far as among lets them count; nil = all.
func (g *graph) children(id migration.ID, among map[migration.ID]bool) []migration.ID {
	var list []migration.ID
	for _, c := range g.ahead[id] {
		if among == nil || among[c] {
			list = append(list, c)
		}
	}
	return list
}

// checkRoots refuses several beginnings that nobody asked for.
func (g *graph) checkRoots() error {
	var roots []string
	bare := 0
	for _, m := range g.list {
		if sc := g.scripts[m.ID]; len(sc.down) == 0 {
			roots = append(roots, m.Path)
			if len(sc.labels) == 0 {
				bare++
			}
		}
	}
	if bare > 1 {
		return fmt.Errorf("%d files have neither a down_revision nor a label of the branch that they begin, among %s", bare, strings.Join(roots, ", "))
	}
	return nil
}

// sorted puts each revision after its parents; of those that could come next, the first in the list does.
func (g *graph) sorted() ([]migration.Migration, error) {
	var list []migration.Migration
	done := map[migration.ID]bool{}
	left := slices.Clone(g.list)
	for len(left) > 0 {
		i := slices.IndexFunc(left, func(m migration.Migration) bool {
			return !slices.ContainsFunc(g.parents[m.ID], func(p migration.ID) bool { return !done[p] })
		})
		if i < 0 {
			return nil, fmt.Errorf("revisions build on each other in a circle: %s", strings.Join(g.circle(left[0].ID, done), " on "))
		}
		done[left[i].ID] = true
		list = append(list, left[i])
		left = slices.Delete(left, i, i+1)
	}
	return list, nil
}

// circle names the files of a circle, from a revision that is in one or builds on one.
func (g *graph) circle(id migration.ID, done map[migration.ID]bool) []string {
	var way []migration.ID
	for !slices.Contains(way, id) {
		way = append(way, id)
		next := slices.IndexFunc(g.parents[id], func(p migration.ID) bool { return !done[p] })
		id = g.parents[id][next]
	}
	var names []string
	for _, at := range append(way[slices.Index(way, id):], id) {
		names = append(names, g.list[migration.Index(g.list, at)].Path)
	}
	return names
}
