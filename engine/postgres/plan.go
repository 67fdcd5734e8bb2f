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

// plan is what a load takes off and puts back. Names in it are quoted and qualified.
type plan struct {
	keys     []foreignKey
	triggers []trigger
	forced   []string // tables whose row security binds their owner too
	indexes  []index
	truncate []string // tables with rows of their own
	remove   []string // the same, where the user may not TRUNCATE
}

type foreignKey struct {
	table, name, def, comment string
	orphans                   string // a query that counts rows without a parent; empty = the key is NOT VALID
}

type trigger struct {
	table, name string
	enabled     string // O, R or A: pg_trigger.tgenabled
}

type index struct {
	name, def, comment string
	tablespace         string // empty = the database's own
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
	var kind, relation, name, def, comment, extra, orphans string
	_, err = pgx.ForEachRow(rows, []any{&place, &kind, &relation, &name, &def, &comment, &extra, &orphans}, func() error {
		switch {
		case kind == "constraint":
			p.keys = append(p.keys, foreignKey{table: relation, name: name, def: def, comment: comment, orphans: orphans})
		case kind == "trigger":
			p.triggers = append(p.triggers, trigger{table: relation, name: name, enabled: extra})
		case kind == "forced row security":
			p.forced = append(p.forced, relation)
		case kind == "index":
			p.indexes = append(p.indexes, index{name: relation, def: def, comment: comment, tablespace: extra})
		case extra == "truncate":
			p.truncate = append(p.truncate, relation)
		default:
			p.remove = append(p.remove, relation)
		}
		return nil
	})
	return p, err
}

// takeOff lists the statements that make the tables ready, for one transaction.
func (p *plan) takeOff() []string {
	var list []string
	for _, k := range p.keys {
		list = append(list, "ALTER TABLE "+k.table+" DROP CONSTRAINT "+k.name)
	}
	for _, t := range p.triggers {
		list = append(list, "ALTER TABLE ONLY "+t.table+" DISABLE TRIGGER "+t.name)
	}
	for _, t := range p.forced {
		list = append(list, "ALTER TABLE ONLY "+t+" NO FORCE ROW LEVEL SECURITY")
	}
	if len(p.indexes) > 0 {
		names := make([]string, len(p.indexes))
		for i, x := range p.indexes {
			names[i] = x.name
		}
		list = append(list, "DROP INDEX "+strings.Join(names, ", "))
	}
	for _, t := range p.remove {
		list = append(list, "DELETE FROM ONLY "+t)
	}
	if len(p.truncate) > 0 {
		list = append(list, "TRUNCATE ONLY "+strings.Join(p.truncate, ", ONLY "))
	}
	return list
}

// create lists the statements that build an index, for one transaction.
func (x index) create() []string {
	// The definition does not say the tablespace: PostgreSQL manual, "default_tablespace".
	list := []string{"SET LOCAL default_tablespace = " + engine.Postgres.Literal(x.tablespace), x.def}
	if x.comment != "" {
		list = append(list, "COMMENT ON INDEX "+x.name+" IS "+engine.Postgres.Literal(x.comment))
	}
	return list
}

// add lists the statements that make a foreign key again, which checks it.
func (k foreignKey) add() []string {
	list := []string{"ALTER TABLE " + k.table + " ADD CONSTRAINT " + k.name + " " + k.def}
	if k.comment != "" {
		list = append(list, "COMMENT ON CONSTRAINT "+k.name+" ON "+k.table+" IS "+engine.Postgres.Literal(k.comment))
	}
	return list
}

// wake lists the statements that give triggers and row security their state back.
func (p *plan) wake() []string {
	var list []string
	for _, t := range p.triggers {
		word := map[string]string{"R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}[t.enabled]
		if word == "" {
			word = "ENABLE"
		}
		list = append(list, "ALTER TABLE ONLY "+t.table+" "+word+" TRIGGER "+t.name)
	}
	for _, t := range p.forced {
		list = append(list, "ALTER TABLE ONLY "+t+" FORCE ROW LEVEL SECURITY")
	}
	return list
}
