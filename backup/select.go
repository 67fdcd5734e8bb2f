package backup

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"mulligan/migration"
	"mulligan/schema"
	"mulligan/snapshot"
)

// ErrNoTable tells that a pattern names no table of the database.
var ErrNoTable = errors.New("no such table")

// Rules say which tables a snapshot carries. The zero Rules carry all.
type Rules struct {
	Include    []string // table names or patterns ('*', '?', '[…]'), with or without a schema; empty = all
	Exclude    []string // the same; wins over Include
	Where      []Where
	OnlyLedger bool // the ledger and nothing else
}

// Where keeps a table's rows that meet a condition.
type Where struct {
	Table     string // a name, not a pattern
	Condition string // in the engine's SQL
}

// Selection is what the rules choose.
type Selection struct {
	Tables   []*schema.Table
	Excluded []snapshot.Excluded     // every other table, with the rule that left it out
	Pulled   []schema.Name           // parents that no rule chose, but a chosen table's foreign key needs
	Where    map[schema.Name]string  // conditions by table
	Ledgers  []migration.Fingerprint // the ledgers among the chosen tables
}

// Select applies the rules to the tables of a database. A ledger is always chosen, but one of several whose
// very name is excluded: a former tool left it. The parents of what is chosen are chosen, too, since rows
// without their parents cannot be restored.
// Errors: ErrNoTable for a name or pattern that fits no table; errors.ErrUnsupported for a chosen table
// whose rows no snapshot can carry.
func Select(s *schema.Schema, rules Rules) (*Selection, error) {
	sel := &Selection{Where: map[schema.Name]string{}, Ledgers: migration.Detect(s.Tables)}
	if err := sel.conditions(s, rules); err != nil {
		return nil, err
	}
	for _, pattern := range slices.Concat(rules.Include, rules.Exclude) {
		if !slices.ContainsFunc(s.Tables, func(t schema.Table) bool { return Match(pattern, t.Name) }) {
			return nil, fmt.Errorf("table %s: %w in the database", pattern, ErrNoTable)
		}
	}
	sel.formerLedgers(rules)
	chosen := make(map[schema.Name]bool, len(s.Tables))
	why := make(map[schema.Name]string, len(s.Tables))
	for i := range s.Tables {
		t := &s.Tables[i]
		chosen[t.Name], why[t.Name] = choose(t.Name, rules, sel.isLedger(t.Name))
	}
	sel.pullParents(s, chosen)
	for i := range s.Tables {
		t := &s.Tables[i]
		if !chosen[t.Name] {
			sel.Excluded = append(sel.Excluded, snapshot.Excluded{Name: t.Name, Rule: why[t.Name]})
			continue
		}
		if t.Kind == schema.KindVirtual || t.Kind == schema.KindForeign {
			return nil, fmt.Errorf("table %s is a %s table, whose rows a snapshot cannot carry: exclude it: %w", t.Name, t.Kind, errors.ErrUnsupported)
		}
		sel.Tables = append(sel.Tables, t)
	}
	return sel, nil
}

// Match tells whether a pattern of the configuration names a table. A pattern without a dot is
// compared with the table's name in any schema, one with a dot also with "schema.table" as [schema.Name]
// prints it; an exact name always fits, whatever signs it holds.
func Match(pattern string, n schema.Name) bool {
	names := []string{n.Table, n.String()}
	if n.Schema != "" { // else "?users" would fit ".users"
		names = append(names, n.Schema+"."+n.Table)
	}
	for _, name := range names {
		if pattern == name {
			return true
		}
		if ok, err := path.Match(escapeSlashes(pattern), escapeSlashes(name)); err == nil && ok {
			return true
		}
	}
	return false
}

// escapeSlashes keeps '/' from being a separator to path.Match.
func escapeSlashes(s string) string { return strings.ReplaceAll(s, "/", "\x00") }

func choose(n schema.Name, rules Rules, ledger bool) (chosen bool, why string) {
	for _, p := range rules.Exclude {
		if !ledger && Match(p, n) {
			return false, "exclude " + p
		}
	}
	switch {
	case ledger:
		return true, ""
	case rules.OnlyLedger:
		return false, "only the ledger was asked for"
	case migration.IsCompanion(n):
		return false, "belongs to a migration tool"
	case len(rules.Include) == 0:
		return true, ""
	}
	if slices.ContainsFunc(rules.Include, func(p string) bool { return Match(p, n) }) {
		return true, ""
	}
	return false, "not in include"
}

// formerLedgers lets go of ledgers whose very names are excluded, as long as another one is left. A pattern
// does not mean them.
func (sel *Selection) formerLedgers(rules Rules) {
	kept := slices.DeleteFunc(slices.Clone(sel.Ledgers), func(f migration.Fingerprint) bool {
		return slices.Contains(rules.Exclude, f.Table.Table) || slices.Contains(rules.Exclude, f.Table.String())
	})
	if len(kept) > 0 {
		sel.Ledgers = kept
	}
}

func (sel *Selection) isLedger(n schema.Name) bool {
	return slices.ContainsFunc(sel.Ledgers, func(f migration.Fingerprint) bool { return f.Table == n })
}

func (sel *Selection) pullParents(s *schema.Schema, chosen map[schema.Name]bool) {
	for again := true; again; {
		again = false
		for i := range s.Tables {
			if !chosen[s.Tables[i].Name] {
				continue
			}
			for _, parent := range s.Tables[i].Parents {
				if !chosen[parent] && s.Table(parent) != nil {
					chosen[parent], again = true, true
					sel.Pulled = append(sel.Pulled, parent)
				}
			}
		}
	}
	slices.SortFunc(sel.Pulled, schema.Name.Compare)
}

func (sel *Selection) conditions(s *schema.Schema, rules Rules) error {
	for _, w := range rules.Where {
		found := false
		for _, t := range s.Tables {
			if w.Table == t.Name.Table || w.Table == t.Name.String() {
				sel.Where[t.Name], found = w.Condition, true
			}
		}
		if !found {
			return fmt.Errorf("where for table %s: %w in the database", w.Table, ErrNoTable)
		}
	}
	return nil
}
