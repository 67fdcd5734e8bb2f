package django

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mulligan/migration"
)

// node is a migration among the others.
type node struct {
	migration.Migration
	file
	app      string
	parents  map[migration.ID]bool
	children map[migration.ID]bool
}

// graph is all migrations of the project's apps.
type graph struct {
	nodes map[migration.ID]*node
	user  string // the app of the user model; empty = not known
}

// order links the migrations, lets those that replace others stand for them, and lists all as manage.py migrate would
// apply them: for each app's last ones what they depend on, and then themselves.
func (g *graph) order() ([]migration.Migration, error) {
	if err := g.link(); err != nil {
		return nil, err
	}
	for _, id := range g.sorted() {
		g.replace(id)
	}
	w := walk{graph: g, done: map[migration.ID]bool{}}
	for _, id := range g.sorted() {
		if g.last(g.nodes[id]) {
			if err := w.visit(id); err != nil {
				return nil, err
			}
		}
	}
	// Whatever no app's last migration leads to is in a circle.
	for _, id := range g.sorted() {
		if err := w.visit(id); err != nil {
			return nil, err
		}
	}
	return w.list, nil
}

// sorted are the IDs by app, then name.
func (g *graph) sorted() []migration.ID {
	return slices.SortedFunc(maps.Keys(g.nodes), func(a, b migration.ID) int {
		appA, nameA := split(a)
		appB, nameB := split(b)
		return cmp.Or(strings.Compare(appA, appB), strings.Compare(nameA, nameB))
	})
}

// last tells whether no migration of a node's own app follows it.
func (g *graph) last(n *node) bool {
	for c := range n.children {
		if g.nodes[c].app == n.app {
			return false
		}
	}
	return true
}

// link turns what the files say into edges.
func (g *graph) link() error {
	ids := g.sorted()
	apps, heir := map[string]bool{}, map[migration.ID]migration.ID{}
	for _, id := range ids {
		n := g.nodes[id]
		n.parents, n.children = map[migration.ID]bool{}, map[migration.ID]bool{}
		apps[n.app] = true
		for _, r := range n.replaces {
			heir[r] = id
		}
	}
	edge := func(n *node, child, parent migration.ID) error {
		if child == parent {
			return fmt.Errorf("migration %s depends on itself", n.Path)
		}
		for _, end := range []*migration.ID{&child, &parent} {
			if app, _ := split(*end); !apps[app] {
				return nil // of an app that is not here
			}
			if g.nodes[*end] == nil && heir[*end] != "" {
				*end = heir[*end]
			}
			if g.nodes[*end] == nil {
				return fmt.Errorf("migration %s depends on %s, which has no file", n.Path, *end)
			}
		}
		if child == parent {
			return nil // it replaces what it names
		}
		g.nodes[child].parents[parent], g.nodes[parent].children[child] = true, true
		return nil
	}
	// What a name such as __first__ stands for is told from the edges inside of the apps, which come first.
	for _, inside := range []bool{true, false} {
		for _, id := range ids {
			n := g.nodes[id]
			for _, need := range g.needs(n) {
				app, _ := split(need)
				if (app == n.app) != inside {
					continue
				}
				if need = g.special(n, need); need == "" {
					continue
				}
				if err := edge(n, id, need); err != nil {
					return err
				}
			}
		}
	}
	for _, id := range ids {
		for _, later := range g.nodes[id].before {
			if err := edge(g.nodes[id], g.special(g.nodes[id], later), id); err != nil {
				return err
			}
		}
	}
	return nil
}

// needs is what a migration depends on.
func (g *graph) needs(n *node) []migration.ID {
	if n.user && g.user != "" {
		return append(slices.Clone(n.needs), migration.ID(g.user+"."+first))
	}
	return n.needs
}

// special resolves the names that stand for the first or the last of an app; within one's own app they stand for nothing.
func (g *graph) special(n *node, id migration.ID) migration.ID {
	app, name := split(id)
	if name != first && name != latest {
		return id
	}
	if app == n.app {
		return ""
	}
	for _, other := range g.sorted() {
		o := g.nodes[other]
		within := func(p migration.ID) bool { return g.nodes[p].app == app }
		if o.app == app && (name == latest && g.last(o) || name == first && !slices.ContainsFunc(slices.Collect(maps.Keys(o.parents)), within)) {
			return other
		}
	}
	return id
}

// replace puts a migration in the place of those that it replaces.
func (g *graph) replace(id migration.ID) {
	n := g.nodes[id]
	if n == nil {
		return
	}
	for _, gone := range n.replaces {
		old := g.nodes[gone]
		if old == nil || gone == id {
			continue
		}
		delete(g.nodes, gone)
		for c := range old.children {
			delete(g.nodes[c].parents, gone)
			if c != id && !slices.Contains(n.replaces, c) {
				g.nodes[c].parents[id], n.children[c] = true, true
			}
		}
		for p := range old.parents {
			delete(g.nodes[p].children, gone)
			if p != id && !slices.Contains(n.replaces, p) {
				g.nodes[p].children[id], n.parents[p] = true, true
			}
		}
	}
}

// walk lists migrations after their parents, as Django's own search does: among parents the last by name comes first.
type walk struct {
	graph *graph
	list  []migration.Migration
	done  map[migration.ID]bool
	way   []migration.ID // from where the search came
}

func (w *walk) visit(id migration.ID) error {
	if w.done[id] {
		return nil
	}
	if i := slices.Index(w.way, id); i >= 0 {
		var names []string
		for _, at := range append(w.way[i:], id) {
			names = append(names, w.graph.nodes[at].Path)
		}
		return fmt.Errorf("migrations depend on each other in a circle: %s", strings.Join(names, " on "))
	}
	w.way = append(w.way, id)
	parents := slices.SortedFunc(maps.Keys(w.graph.nodes[id].parents), func(a, b migration.ID) int {
		appA, nameA := split(a)
		appB, nameB := split(b)
		return cmp.Or(strings.Compare(appB, appA), strings.Compare(nameB, nameA))
	})
	for _, p := range parents {
		if err := w.visit(p); err != nil {
			return err
		}
	}
	w.way = w.way[:len(w.way)-1]
	w.done[id] = true
	w.list = append(w.list, w.graph.nodes[id].Migration)
	return nil
}
