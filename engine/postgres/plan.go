package postgres

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"mulligan/engine"
	"mulligan/schema"
)

//go:embed plan.sql
var planQuery string

// plan is what a load takes off and puts back. Names in it are quoted and qualified. Its JSON is the state of a load that
// can be taken up again.
type plan struct {
	Ready    bool         `json:"ready"` // it was all taken off and the tables were emptied: rows may have come since
	Keys     []foreignKey `json:"keys,omitempty"`
	Triggers []trigger    `json:"triggers,omitempty"`
	Forced   []text       `json:"forced,omitempty"` // tables whose row security binds their owner too
	Indexes  []index      `json:"indexes,omitempty"`

	truncate []text // tables with rows of their own
	remove   []text // the same, where the user may not TRUNCATE
}

type text = engine.Verbatim

type foreignKey struct {
	Table   text   `json:"table"`
	Name    text   `json:"name"`
	Def     text   `json:"def"`
	Comment text   `json:"comment,omitempty"`
	Parent  text   `json:"parent"`
	Faults  faults `json:"faults"` // rows without a parent; none where the key is NOT VALID
}

type trigger struct {
	Table   text   `json:"table"`
	Name    text   `json:"name"`
	Enabled string `json:"enabled"` // O, R or A: pg_trigger.tgenabled
}

type index struct {
	Name       text   `json:"name"`
	Table      text   `json:"table"`
	Def        text   `json:"def"`
	Comment    text   `json:"comment,omitempty"`
	Tablespace text   `json:"tablespace,omitempty"` // empty = the database's own
	Faults     faults `json:"faults"`               // rows that share a value; none where the index is not unique
}

// faults finds the rows that break a constraint.
type faults struct {
	From text   `json:"from,omitempty"` // FROM and WHERE of a query, in which c are the rows; empty = there can be none
	Keys []text `json:"keys,omitempty"` // columns of c that name a row
}

// readPlan looks up what touches the tables, over a connection with an empty search path.
func readPlan(ctx context.Context, c *pgx.Conn, tables []*schema.Table) (*plan, error) {
	names := make([]string, len(tables))
	for i, t := range tables {
		if t.Kind != schema.KindTable && t.Kind != schema.KindPartitioned {
			return nil, fmt.Errorf("table %s: a %s table cannot be loaded", t.Name, t.Kind)
		}
		names[i] = table(t.Name)
	}
	rows, err := c.Query(ctx, planQuery, names)
	if err != nil {
		return nil, err
	}
	p := &plan{}
	var place int
	var kind, extra string
	var relation, name, def, comment, from text
	var keys []string
	_, err = pgx.ForEachRow(rows, []any{&place, &kind, &relation, &name, &def, &comment, &extra, &from, &keys}, func() error {
		f := faults{From: from}
		for _, k := range keys {
			f.Keys = append(f.Keys, text(k))
		}
		switch {
		case kind == "constraint":
			p.Keys = append(p.Keys, foreignKey{Table: relation, Name: name, Def: def, Comment: comment, Parent: text(extra), Faults: f})
		case kind == "trigger":
			p.Triggers = append(p.Triggers, trigger{Table: relation, Name: name, Enabled: extra})
		case kind == "forced row security":
			p.Forced = append(p.Forced, relation)
		case kind == "index":
			p.Indexes = append(p.Indexes, index{Name: relation, Table: name, Def: def, Comment: comment, Tablespace: text(extra), Faults: f})
		case extra == "truncate":
			p.truncate = append(p.truncate, relation)
		default:
			p.remove = append(p.remove, relation)
		}
		return nil
	})
	return p, err
}

// takeOff lists the statements that take everything off, for one transaction. What is off stays off.
func (p *plan) takeOff() []string {
	var list []string
	for _, k := range p.Keys {
		list = append(list, join("ALTER TABLE ", k.Table, " DROP CONSTRAINT IF EXISTS ", k.Name))
	}
	for _, t := range p.Triggers {
		list = append(list, join("ALTER TABLE ONLY ", t.Table, " DISABLE TRIGGER ", t.Name))
	}
	for _, t := range p.Forced {
		list = append(list, join("ALTER TABLE ONLY ", t, " NO FORCE ROW LEVEL SECURITY"))
	}
	if len(p.Indexes) > 0 {
		names := make([]text, len(p.Indexes))
		for i, x := range p.Indexes {
			names[i] = x.Name
		}
		list = append(list, "DROP INDEX IF EXISTS "+separated(names, ", "))
	}
	return list
}

// empty lists the statements that remove the tables' rows, for one transaction.
func (p *plan) empty() []string {
	var list []string
	for _, t := range p.remove {
		list = append(list, join("DELETE FROM ONLY ", t))
	}
	if len(p.truncate) > 0 {
		list = append(list, "TRUNCATE ONLY "+separated(p.truncate, ", ONLY "))
	}
	return list
}

func join(parts ...text) string {
	var b strings.Builder
	for _, s := range parts {
		b.WriteString(string(s))
	}
	return b.String()
}

func separated(list []text, by string) string {
	parts := make([]string, len(list))
	for i, s := range list {
		parts[i] = string(s)
	}
	return strings.Join(parts, by)
}

// create lists the statements that build an index, for one transaction.
func (x index) create() []string {
	// The definition does not say the tablespace: PostgreSQL manual, "default_tablespace".
	list := []string{"SET LOCAL default_tablespace = " + engine.Postgres.Literal(string(x.Tablespace)), string(x.Def)}
	if x.Comment != "" {
		list = append(list, join("COMMENT ON INDEX ", x.Name, " IS ")+engine.Postgres.Literal(string(x.Comment)))
	}
	return list
}

// add lists the statements that make a foreign key again, which checks it.
func (k foreignKey) add() []string {
	list := []string{join("ALTER TABLE ", k.Table, " ADD CONSTRAINT ", k.Name, " ", k.Def)}
	if k.Comment != "" {
		list = append(list, join("COMMENT ON CONSTRAINT ", k.Name, " ON ", k.Table, " IS ")+engine.Postgres.Literal(string(k.Comment)))
	}
	return list
}

// wake lists the statements that give triggers and row security their state back.
func (p *plan) wake() []string {
	var list []string
	for _, t := range p.Triggers {
		word := map[string]text{"R": " ENABLE REPLICA", "A": " ENABLE ALWAYS"}[t.Enabled]
		if word == "" {
			word = " ENABLE"
		}
		list = append(list, join("ALTER TABLE ONLY ", t.Table, word, " TRIGGER ", t.Name))
	}
	for _, t := range p.Forced {
		list = append(list, join("ALTER TABLE ONLY ", t, " FORCE ROW LEVEL SECURITY"))
	}
	return list
}
