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

// Split takes out of a list of changes those that leave the meaning of the schema as it is: the order of a
// table's columns, and names. A name is an index or a constraint that is gone, and one of the same table with
// the same definition that is new: tools choose such names, and two ways to one schema often choose
// differently. cosmetic holds one change for each such pair, with Old and New as the two names.
func Split(changes []Change) (real, cosmetic []Change) {
	used := make([]bool, len(changes))
	for i, gone := range changes {
		if used[i] || gone.New != "" || !nameOnlyKind(gone.Kind) {
			continue
		}
		for k, come := range changes {
			if used[k] || come.Old != "" || come.Kind != gone.Kind || !sameButName(gone, come) {
				continue
			}
			used[i], used[k] = true, true
			cosmetic = append(cosmetic, Change{Kind: gone.Kind, Name: gone.Name, Old: gone.Name, New: come.Name})
			break
		}
	}
	for i, c := range changes {
		switch {
		case used[i]:
		case c.Kind == KindColumnOrder && c.Old != "" && c.New != "":
			cosmetic = append(cosmetic, c)
		default:
			real = append(real, c)
		}
	}
	return real, cosmetic
}

// nameOnlyKind tells the kinds of object whose name carries no meaning.
func nameOnlyKind(kind string) bool {
	switch kind {
	case "index", "constraint", "key", "foreign key", "check", "primary key", "unique":
		return true
	default:
		return false
	}
}

func sameButName(a, b Change) bool {
	tableA, ownA := splitLast(a.Name)
	tableB, ownB := splitLast(b.Name)
	if tableA != tableB {
		return false
	}
	return mask(a.Old, ownA) == mask(b.New, ownB)
}

// splitLast cuts an object's name at the last dot outside quotes.
func splitLast(name string) (parent, own string) {
	quoted, at := false, -1
	for i := range len(name) {
		switch name[i] {
		case '"':
			quoted = !quoted
		case '.':
			if !quoted {
				at = i
			}
		}
	}
	if at < 0 {
		return "", name
	}
	return name[:at], name[at+1:]
}

// mask takes an object's own name, in any of the ways an engine may quote it, out of its definition.
func mask(def, own string) string {
	if n, err := ParseName(own); err == nil {
		own = n.Table
	}
	quoted := []string{"`" + strings.ReplaceAll(own, "`", "``") + "`", `"` + strings.ReplaceAll(own, `"`, `""`) + `"`}
	for _, form := range quoted {
		if i := strings.Index(def, form); i >= 0 {
			return def[:i] + "?" + def[i+len(form):]
		}
	}
	return strings.Replace(def, " "+own+" ", " ? ", 1)
}
