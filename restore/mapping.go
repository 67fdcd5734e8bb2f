package restore

import (
	"slices"

	"mulligan/schema"
	"mulligan/snapshot"
)

// Mapping says where one table's columns go when the schema has changed.
type Mapping struct {
	Table   string            // as the snapshot calls it, with or without its schema
	To      string            // the table's new name; empty = the same
	Rename  map[string]string // old column name to new
	Drop    []string          // old columns that are left out on purpose
	Default map[string]string // new column name to an expression in the engine's SQL, evaluated once
}

// layout is where each carried table goes.
type layout map[schema.Name]placement

// placement is where one table's rows go.
type placement struct {
	from     *snapshot.Table
	to       *schema.Table // in the new schema
	columns  []string      // of the new table, in the order of the cells that are loaded
	keep     []int         // cells of the snapshot's line that are loaded, in order; nil = all as they are
	defaults []string      // expressions whose values are added after them
}

// plain tells that lines are loaded as they are stored.
func (p placement) plain() bool { return p.keep == nil && len(p.defaults) == 0 }

// arrange finds the place of one table, and everything that stands against it.
func arrange(t *snapshot.Table, s *schema.Schema, mapping []Mapping) (placement, []Misfit) {
	rule := ruleFor(t.Name, mapping)
	name := t.Name
	if rule.To != "" {
		to, err := schema.ParseName(rule.To)
		if err != nil {
			return placement{}, []Misfit{{Table: t.Name, Reason: "mapping: " + err.Error()}}
		}
		if to.Schema == "" {
			to.Schema = t.Name.Schema
		}
		name = to
	}
	target := s.Table(name)
	if target == nil {
		return placement{}, []Misfit{{Table: t.Name, Reason: "the schema has no table " + name.String()}}
	}
	p := placement{from: t, to: target, keep: []int{}}
	misfits := p.cells(t, rule)
	return p, append(misfits, p.rest(t, rule)...)
}

// cells decides for every stored column of the snapshot where it goes.
func (p *placement) cells(t *snapshot.Table, rule Mapping) (misfits []Misfit) {
	stored := t.Stored()
	for i, old := range stored {
		if slices.Contains(rule.Drop, old) {
			continue
		}
		name := old
		if to, ok := rule.Rename[old]; ok {
			name = to
		}
		switch c, ok := p.to.Column(name); {
		case !ok:
			misfits = append(misfits, Misfit{t.Name, old, "the table has no column " + name})
		case c.Generated:
			misfits = append(misfits, Misfit{t.Name, old, "column " + name + " is computed there"})
		case slices.Contains(p.columns, name):
			misfits = append(misfits, Misfit{t.Name, old, "two columns would go into " + name})
		default:
			p.columns, p.keep = append(p.columns, name), append(p.keep, i)
		}
	}
	if len(p.keep) == len(stored) {
		p.keep = nil
	}
	return misfits
}

// rest decides for every other column of the new table what fills it.
func (p *placement) rest(t *snapshot.Table, rule Mapping) (misfits []Misfit) {
	for _, c := range p.to.Columns {
		if slices.Contains(p.columns, c.Name) {
			continue
		}
		if expr, ok := rule.Default[c.Name]; ok {
			p.columns, p.defaults = append(p.columns, c.Name), append(p.defaults, expr)
			continue
		}
		if !c.Filled() {
			misfits = append(misfits, Misfit{t.Name, c.Name, "the new column is NOT NULL and has no default"})
		}
	}
	return misfits
}

func ruleFor(n schema.Name, mapping []Mapping) Mapping {
	for _, m := range mapping {
		if m.Table == n.Table || m.Table == n.String() {
			return m
		}
	}
	return Mapping{}
}

// asTable is the new table with the loaded columns only, in the order of the snapshot's cells,
// so that it can be read back in the same form.
func (p placement) asTable() *schema.Table {
	t := *p.to
	t.Columns = make([]schema.Column, len(p.columns))
	for i, name := range p.columns {
		t.Columns[i], _ = p.to.Column(name)
	}
	return &t
}
