package doctor

import (
	"slices"
	"strings"
)

// DriftKind says in which way a live database is not what the migrations make it.
type DriftKind string

// The ways.
const (
	DriftByHand  DriftKind = "made by hand" // in the live database only: no migration makes it
	DriftLacking DriftKind = "lacking"      // in the replay only
	DriftChanged DriftKind = "changed"      // in both, with two definitions
)

// Drift says in which way an object differs.
func (diff Difference) Drift() DriftKind {
	switch {
	case diff.Old == "" && diff.From == "":
		return DriftByHand
	case diff.New == "":
		return DriftLacking
	default:
		return DriftChanged
	}
}

// Whole is a difference, with those that follow from it: of a table or view that is on one side only, its columns and keys.
type Whole struct {
	Difference
	Parts []Difference
}

// Outline puts differences that follow from another under that one. The order stays.
func Outline(list []Difference) []Whole {
	tables, parts := map[string]bool{}, map[string][]Difference{}
	for _, d := range list {
		if isRelation(d.Kind) && d.oneSided() {
			tables[d.Name] = true
		}
	}
	for _, d := range list {
		if table := tableOf(d.Kind, d.Name, tables); table != "" && d.oneSided() {
			parts[table] = append(parts[table], d)
		}
	}
	var wholes []Whole
	for _, d := range list {
		switch {
		case isRelation(d.Kind) && d.oneSided():
			wholes = append(wholes, Whole{d, parts[d.Name]})
		case !d.oneSided() || tableOf(d.Kind, d.Name, tables) == "":
			wholes = append(wholes, Whole{d, nil})
		}
	}
	return wholes
}

func (diff Difference) oneSided() bool { return diff.Old == "" || diff.New == "" }

// relations are the kinds of objects that have columns.
func relations() []string { return []string{"table", "view", "materialized view", "foreign table"} }

func isRelation(kind string) bool { return slices.Contains(relations(), kind) }

// tableOf finds the table or view of a list that an object is a part of.
func tableOf(kind, name string, tables map[string]bool) string {
	if isRelation(kind) {
		return ""
	}
	for i, r := range name + "." {
		if r == '.' && tables[name[:i]] {
			return name[:i]
		}
	}
	return ""
}

// heads leaves out of a list of keys those of the parts of tables and views that are in it, too. Tables come first.
func heads(keys []string) []string {
	tables := map[string]bool{}
	for _, k := range keys {
		if name := relationOf(k); name != "" {
			tables[name] = true
		}
	}
	var first, rest []string
	for _, k := range keys {
		if strings.HasPrefix(k, "table ") {
			first = append(first, k)
		} else if relationOf(k) != "" || !isPart(k, tables) {
			rest = append(rest, k)
		}
	}
	return append(first, rest...)
}

// relationOf is the name in the key of a table or view, also of one that is taken away; empty = it is that of something else.
func relationOf(key string) string {
	for _, kind := range relations() {
		if name, ok := strings.CutPrefix(strings.TrimPrefix(key, "no "), kind+" "); ok {
			return name
		}
	}
	return ""
}

// isPart tells whether a key is that of a part of one of the tables. A kind may be two words.
func isPart(key string, tables map[string]bool) bool {
	for i, r := range key {
		if r == ' ' && tableOf("", key[i+1:], tables) != "" {
			return true
		}
	}
	return false
}
