package schema

import (
	"slices"
	"strings"
)

// Split takes out of a list of changes those that leave the meaning of the schema as it is: the order of a
// table's columns, and names. A name is an index or a constraint that is gone, and one of the same table with
// the same definition that is new: tools choose such names, and two ways to one schema often choose
// differently. cosmetic holds one change for each such pair, with Old and New as the two names, and what is said of
// the object under either name, as its comment is.
func Split(changes []Change) (real, cosmetic []Change) {
	s := splitter{changes: changes, used: make([]bool, len(changes))}
	s.swapped()
	s.renamed()
	s.followers()
	for i, c := range changes {
		switch {
		case s.used[i]:
		case c.Kind == KindColumnOrder && c.Old != "" && c.New != "":
			s.cosmetic = append(s.cosmetic, c)
		default:
			real = append(real, c)
		}
	}
	slices.SortStableFunc(s.cosmetic, func(a, b Change) int { return strings.Compare(a.Kind+" "+a.Name, b.Kind+" "+b.Name) })
	return real, s.cosmetic
}

// splitter is one Split.
type splitter struct {
	changes  []Change
	used     []bool   // which changes are in cosmetic
	cosmetic []Change // pairs of names first
}

// side is one definition of a change, under a name.
type side struct {
	change    int
	name, def string
}

// swapped finds the tables whose indexes or constraints have the same definitions under other names, where a name
// of the one side is another's on the other.
func (s *splitter) swapped() {
	type group struct{ kind, table string }
	was, is := map[group][]side{}, map[group][]side{}
	exchanged := map[group]bool{}
	for i, c := range s.changes {
		if !nameOnlyKind(c.Kind) {
			continue
		}
		table, _ := splitLast(c.Name)
		g := group{c.Kind, table}
		if c.Old != "" {
			was[g] = append(was[g], side{i, c.Name, nameless(c.Old)})
		}
		if c.New != "" {
			is[g] = append(is[g], side{i, c.Name, nameless(c.New)})
		}
		exchanged[g] = exchanged[g] || c.Old != "" && c.New != ""
	}
	for g := range exchanged {
		if !exchanged[g] || len(was[g]) != len(is[g]) {
			continue
		}
		byDef := func(a, b side) int { return strings.Compare(a.def+"\x00"+a.name, b.def+"\x00"+b.name) }
		slices.SortFunc(was[g], byDef)
		slices.SortFunc(is[g], byDef)
		if !slices.EqualFunc(was[g], is[g], func(a, b side) bool { return a.def == b.def }) {
			continue
		}
		for i, a := range was[g] {
			s.pair(a.change, is[g][i].change)
		}
	}
}

// renamed pairs what is gone with what is new.
func (s *splitter) renamed() {
	for i, gone := range s.changes {
		if s.used[i] || gone.New != "" || !nameOnlyKind(gone.Kind) {
			continue
		}
		for k, come := range s.changes {
			if !s.used[k] && come.Old == "" && come.Kind == gone.Kind && sameButName(gone, come) {
				s.pair(i, k)
				break
			}
		}
	}
}

func (s *splitter) pair(gone, come int) {
	s.used[gone], s.used[come] = true, true
	old, new := s.changes[gone].Name, s.changes[come].Name
	s.cosmetic = append(s.cosmetic, Change{Kind: s.changes[gone].Kind, Name: old, Old: old, New: new})
}

// followers finds what is named after a pair's old name on one side and after its new one on the other, and equal.
func (s *splitter) followers() {
	for _, pair := range s.cosmetic {
		for i, gone := range s.changes {
			suffix, found := strings.CutPrefix(gone.Name, pair.Old+" ")
			if !found || s.used[i] || gone.New != "" {
				continue
			}
			for k, come := range s.changes {
				if !s.used[k] && come.Old == "" && come.Kind == gone.Kind && come.Name == pair.New+" "+suffix && come.New == gone.Old {
					s.pair(i, k)
					break
				}
			}
		}
	}
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
	tableA, _ := splitLast(a.Name)
	tableB, _ := splitLast(b.Name)
	return tableA == tableB && nameless(a.Old) == nameless(b.New)
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

// nameless takes an object's own name out of its definition. It stands behind the words that the definition
// begins with, and nowhere else: a column further on may have the same name.
func nameless(def string) string {
	for _, head := range []string{
		"CREATE INDEX ", "CREATE UNIQUE INDEX ", "KEY ", "UNIQUE KEY ", "FULLTEXT KEY ", "SPATIAL KEY ", "VECTOR KEY ", "CONSTRAINT ",
	} {
		if rest, found := strings.CutPrefix(def, head); found {
			return head + "?" + rest[nameLength(rest):]
		}
	}
	return def
}

// nameLength is the length of the name that s begins with, in whatever quotes it has.
func nameLength(s string) int {
	if s == "" || s[0] != '"' && s[0] != '`' {
		if i := strings.IndexByte(s, ' '); i >= 0 {
			return i
		}
		return len(s)
	}
	for i := 1; i < len(s); i++ {
		if s[i] != s[0] {
			continue
		}
		if i+1 == len(s) || s[i+1] != s[0] {
			return i + 1
		}
		i++
	}
	return len(s)
}
