package enginetest

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mulligan/engine"
	"mulligan/schema"
)

func testInspect(t *testing.T, e *env) {
	t.Run("Empty", func(t *testing.T) {
		s := inspect(t, e.open(t))
		if len(s.Tables) != 0 || len(s.Sequences) != 0 {
			t.Errorf("an empty database has tables %v and sequences %v", tableNames(s), s.Sequences)
		}
		if diff := schema.Diff(s.Objects, inspect(t, e.open(t)).Objects); diff != nil {
			t.Errorf("two empty databases differ: %v", diff)
		}
	})
	t.Run("Columns", e.inspectColumns)
	t.Run("KeyAndParents", e.inspectKeys)
	t.Run("Names", e.inspectNames)
	t.Run("Twice", func(t *testing.T) {
		db := e.open(t, slices.Concat(family(), trigger(e.family), circular(e.family), ledger())...)
		first, second := inspect(t, db), inspect(t, db)
		if diff := cmp.Diff(first, second, cmpopts.IgnoreFields(schema.Table{}, "Rows", "Bytes")); diff != "" {
			t.Errorf("two looks at one schema differ (-first +second):\n%s", diff)
		}
		checkOrder(t, first)
	})
	t.Run("Rebuilt", func(t *testing.T) {
		ddl := slices.Concat(family(), trigger(e.family), circular(e.family), ledger())
		first, second := inspect(t, e.open(t, ddl...)), inspect(t, e.open(t, ddl...))
		if diff := schema.Diff(first.Objects, second.Objects); diff != nil {
			t.Errorf("the same statements made different schemas: %v", diff)
		}
		if diff := cmp.Diff(shape(first), shape(second)); diff != "" {
			t.Errorf("the same statements made different tables (-first +second):\n%s", diff)
		}
	})
	t.Run("Without", func(t *testing.T) {
		db := e.open(t, family()...)
		before := inspect(t, db)
		exec(t, db, ledger()...)
		after := inspect(t, db)
		if schema.Diff(before.Objects, after.Objects) == nil {
			t.Error("a new table makes no difference")
		}
		rest := after.Without(func(n schema.Name) bool { return n.Table == "migrations" })
		if diff := schema.Diff(before.Objects, rest.Objects); diff != nil {
			t.Errorf("objects of the ledger are left: %v", diff)
		}
		if diff := cmp.Diff(before.Sequences, rest.Sequences, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("sequences of the ledger are left (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(shape(before), shape(rest)); diff != "" {
			t.Errorf("tables (-want +got):\n%s", diff)
		}
	})
}

func checkOrder(t *testing.T, s *schema.Schema) {
	t.Helper()
	if !slices.IsSortedFunc(s.Tables, func(a, b schema.Table) int { return a.Name.Compare(b.Name) }) {
		t.Errorf("tables are not sorted: %v", tableNames(s))
	}
	if !slices.IsSortedFunc(s.Sequences, func(a, b schema.Sequence) int { return a.Name.Compare(b.Name) }) {
		t.Errorf("sequences are not sorted: %v", s.Sequences)
	}
	if !slices.IsSortedFunc(s.Objects, func(a, b schema.Object) int { return strings.Compare(a.Key(), b.Key()) }) {
		t.Error("objects are not sorted by key")
	}
	seen := map[string]bool{}
	for _, o := range s.Objects {
		if seen[o.Key()] {
			t.Errorf("two objects share the key %q", o.Key())
		}
		seen[o.Key()] = true
	}
}

func (e *env) inspectColumns(t *testing.T) {
	generated := "GENERATED ALWAYS AS (a + 1) STORED"
	db := e.open(t, "CREATE TABLE thing (id {auto}, a {int} NOT NULL, b {key} DEFAULT 'x', c {int} "+generated+", d {text}){opts}")
	tb := table(t, inspect(t, db), "thing")
	if tb.Kind != schema.KindTable {
		t.Errorf("kind %q, want %q", tb.Kind, schema.KindTable)
	}
	type facts struct {
		Name                         string
		Nullable, Default, Generated bool
		Identity                     bool
	}
	var got []facts
	for _, c := range tb.Columns {
		got = append(got, facts{c.Name, c.Nullable, c.Default != "", c.Generated, c.Identity != schema.IdentityNone})
		if c.Type == "" {
			t.Errorf("column %s has no type", c.Name)
		}
	}
	want := []facts{
		{"id", false, false, false, true},
		{"a", false, false, false, false},
		{"b", true, true, false, false},
		{"c", true, false, true, false},
		{"d", true, false, false, false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"id", "a", "b", "d"}, tb.Stored()); diff != "" {
		t.Errorf("stored columns (-want +got):\n%s", diff)
	}
}

func (e *env) inspectKeys(t *testing.T) {
	ddl := append(circular(e.family), family()...)
	ddl = append(ddl, "CREATE TABLE pairs (a {int} NOT NULL, b {int} NOT NULL, c {int}, PRIMARY KEY (b, a)){opts}",
		"CREATE TABLE keyless (a {int}, b {text}){opts}")
	s := inspect(t, e.open(t, ddl...))
	if diff := cmp.Diff([]string{"b", "a"}, table(t, s, "pairs").Key); diff != "" {
		t.Errorf("key of two columns (-want +got):\n%s", diff)
	}
	if key := table(t, s, "keyless").Key; len(key) != 0 {
		t.Errorf("a table without a key has the key %q", key)
	}
	for name, want := range map[string][]string{
		"tree": {"tree"}, "hen": {"egg"}, "egg": {"hen"}, "child": {"parent"}, "parent": nil,
	} {
		var got []string
		for _, p := range table(t, s, name).Parents {
			got = append(got, p.Table)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("parents of %s (-want +got):\n%s", name, diff)
		}
	}
	if i := slices.Index(tableNames(s), "both_names"); i >= 0 {
		t.Error("a view is listed as a table")
	}
}

func (e *env) inspectNames(t *testing.T) {
	names := nastyNames(e.family)
	db := e.open(t)
	for _, n := range names {
		q := e.family.Ident(n)
		exec(t, db, "CREATE TABLE "+q+" (id {id}, "+q+" {text}){opts}")
	}
	s := inspect(t, db)
	for _, n := range names {
		tb := table(t, s, n)
		if diff := cmp.Diff([]string{"id", n}, tb.Stored()); diff != "" {
			t.Errorf("columns of %q (-want +got):\n%s", n, diff)
		}
	}
	checkOrder(t, s)
}

// change is one step away from the schema of [family], and the object that must show it.
type change struct{ statement, shows string }

func testChanges(t *testing.T, e *env) {
	db := e.open(t, slices.Concat(family(), trigger(e.family))...)
	before := inspect(t, db)
	for _, c := range changes(e.family) {
		t.Run(strings.Join(strings.Fields(c.statement), " "), func(t *testing.T) {
			exec(t, db, c.statement)
			after := inspect(t, db)
			diff := schema.Diff(before.Objects, after.Objects)
			if !slices.ContainsFunc(diff, func(d schema.Change) bool { return strings.Contains(d.Name, c.shows) }) {
				t.Errorf("the change is not seen at %q; seen: %v", c.shows, diff)
			}
			before = after
		})
	}
}

func changes(f engine.Family) []change {
	common := []change{
		{"CREATE TABLE extra (id {id}, b {key}){opts}", "extra"},
		{"ALTER TABLE extra ADD COLUMN c {int}", "extra"},
		{"ALTER TABLE extra RENAME COLUMN c TO cc", "cc"},
		{"ALTER TABLE extra ADD COLUMN d {int} NOT NULL DEFAULT 7", "extra.d"},
		{"CREATE INDEX extra_b ON extra (b)", "extra_b"},
		{"ALTER TABLE extra RENAME TO extras", "extras"},
		{"CREATE UNIQUE INDEX extras_two ON extras (b, cc)", "extras_two"},
		{"CREATE VIEW seen AS SELECT id FROM extras", "seen"},
		{"DROP VIEW seen", "seen"},
		{"DROP TABLE extras", "extras"},
		{"DROP VIEW both_names", "both_names"},
		{"ALTER TABLE child DROP COLUMN note", "child"},
		{"ALTER TABLE audit ADD COLUMN more {text}", "audit"},
	}
	switch f {
	case engine.SQLite:
		return append(common, sqliteChanges()...)
	case engine.Postgres:
		return append(common, postgresChanges()...)
	case engine.MySQL, engine.MariaDB:
	}
	return append(common, mysqlChanges()...)
}

func sqliteChanges() []change {
	return []change{
		{"DROP TRIGGER child_fire", "child_fire"},
		{"DROP INDEX child_two", "child_two"},
		{"CREATE INDEX child_two ON child (name, parent_id)", "child_two"},
		{"CREATE INDEX child_part ON child (name) WHERE parent_id IS NOT NULL", "child_part"},
		{"CREATE INDEX child_expr ON child (lower(name))", "child_expr"},
		{"CREATE TABLE strictly (id INTEGER PRIMARY KEY, n INT CHECK (n > 0)) STRICT", "strictly"},
		{"CREATE TABLE no_rowid (a TEXT PRIMARY KEY) WITHOUT ROWID", "no_rowid"},
		{"CREATE TRIGGER parent_fire BEFORE UPDATE ON parent BEGIN SELECT 1; END", "parent_fire"},
	}
}

func postgresChanges() []change {
	return []change{
		{"ALTER TABLE parent ALTER COLUMN name DROP NOT NULL", "parent.name"},
		{"ALTER TABLE parent ALTER COLUMN name TYPE varchar(101)", "parent.name"},
		{"ALTER TABLE parent ALTER COLUMN name SET DEFAULT 'x'", "parent.name"},
		{"ALTER TABLE child DROP CONSTRAINT child_parent", "child_parent"},
		{"ALTER TABLE child ADD CONSTRAINT child_parent FOREIGN KEY (parent_id) REFERENCES parent (id) ON DELETE SET NULL", "child_parent"},
		{"ALTER TABLE child ADD CONSTRAINT child_check CHECK (id > 0)", "child_check"},
		{"ALTER TABLE child DISABLE TRIGGER child_fire", "child_fire"},
		{"DROP TRIGGER child_fire ON child", "child_fire"},
		{"CREATE OR REPLACE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'", "fire"},
		{"CREATE INDEX child_part ON child (name) WHERE parent_id IS NOT NULL", "child_part"},
		{"CREATE INDEX child_expr ON child (lower(name))", "child_expr"},
		{"CREATE TYPE mood AS ENUM ('sad', 'ok')", "mood"},
		{"ALTER TYPE mood ADD VALUE 'happy'", "mood"},
		{"CREATE SEQUENCE counter", "counter"},
		{"CREATE SCHEMA other", "other"},
		{"CREATE TABLE other.inside (id bigint)", "inside"},
		{"CREATE MATERIALIZED VIEW kept AS SELECT id FROM parent", "kept"},
		{"ALTER TABLE parent ENABLE ROW LEVEL SECURITY", "parent"},
		{"CREATE POLICY mine ON parent USING (id > 0)", "mine"},
		{"CREATE DOMAIN positive AS int CHECK (VALUE > 0)", "positive"},
		{"CREATE TABLE parts (id int, at date) PARTITION BY RANGE (at)", "parts"},
		{"CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')", "parts_1"},
	}
}

func mysqlChanges() []change {
	return []change{
		{"ALTER TABLE parent MODIFY name varchar(100)", "parent.name"},
		{"ALTER TABLE parent MODIFY name varchar(101)", "parent.name"},
		{"ALTER TABLE parent MODIFY name varchar(101) DEFAULT 'x'", "parent.name"},
		{"ALTER TABLE parent MODIFY name varchar(101) CHARACTER SET latin1", "parent.name"},
		{"ALTER TABLE child DROP FOREIGN KEY child_parent", "child_parent"},
		{"ALTER TABLE child ADD CONSTRAINT child_parent FOREIGN KEY (parent_id) REFERENCES parent (id) ON DELETE SET NULL", "child_parent"},
		{"ALTER TABLE child ADD CONSTRAINT child_check CHECK (id > 0)", "child_check"},
		{"CREATE INDEX parent_plain ON parent (name)", "parent_plain"},
		{"DROP INDEX parent_plain ON parent", "parent_plain"},
		{"DROP TRIGGER child_fire", "child_fire"},
		{"CREATE PROCEDURE act() SELECT 1", "act"},
		{"CREATE FUNCTION twice(n int) RETURNS int DETERMINISTIC RETURN n * 2", "twice"},
		{"CREATE TABLE parts (id int) PARTITION BY HASH (id) PARTITIONS 2", "parts"},
		{"ALTER TABLE parent COMMENT 'said'", "parent"},
		{"ALTER TABLE child ADD COLUMN c3 int AFTER id", "child"},
	}
}
