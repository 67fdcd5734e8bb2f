package schema

import (
	"slices"
	"strings"
)

// Change is one object that differs between two schemas.
// Old is empty where the object is only in the new one, New where it is only in the old one.
type Change struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	Old  string `json:"old,omitempty"`
	New  string `json:"new,omitempty"`
}

// String says the change in one line, for people.
func (c Change) String() string {
	switch {
	case c.Old == "":
		return c.Kind + " " + c.Name + ": only in the new schema"
	case c.New == "":
		return c.Kind + " " + c.Name + ": only in the old schema"
	default:
		return c.Kind + " " + c.Name + ": was " + oneLine(c.Old) + ", is " + oneLine(c.New)
	}
}

// Diff compares two lists of objects, each in any order, and returns the changes
// sorted by kind and name; nil means equal.
func Diff(before, after []Object) []Change {
	was := make(map[string]Object, len(before))
	for _, o := range before {
		was[o.Key()] = o
	}
	var changes []Change
	for _, o := range after {
		p, ok := was[o.Key()]
		delete(was, o.Key())
		if ok && p.Def == o.Def {
			continue
		}
		changes = append(changes, Change{Kind: o.Kind, Name: o.Name, Old: p.Def, New: o.Def})
	}
	for _, o := range was {
		changes = append(changes, Change{Kind: o.Kind, Name: o.Name, Old: o.Def})
	}
	slices.SortFunc(changes, func(a, b Change) int {
		return strings.Compare(a.Kind+" "+a.Name, b.Kind+" "+b.Name)
	})
	return changes
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// KindColumnOrder is the object that holds the order of a table's columns, see [WithColumnOrders].
const KindColumnOrder = "column order"

// WithColumnOrders adds to the objects of a schema one for each table that holds the order of its columns, and
// sorts them all by key. The order is an object of its own, so that a column which only stands elsewhere is no
// change of that column and of all after it.
func WithColumnOrders(objects []Object, tables []Table) []Object {
	for _, t := range tables {
		names := make([]string, len(t.Columns))
		for i, c := range t.Columns {
			names[i] = quotePart(c.Name)
		}
		objects = append(objects, Object{Kind: KindColumnOrder, Name: t.Name.String(), Def: strings.Join(names, ", ")})
	}
	slices.SortFunc(objects, func(a, b Object) int { return strings.Compare(a.Key(), b.Key()) })
	return objects
}
