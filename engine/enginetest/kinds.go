package enginetest

import (
	"slices"
	"strings"
	"testing"

	"mulligan/engine"
	"mulligan/schema"
)

// kind is one kind of change: two databases that differ in exactly it must show it.
type kind struct {
	name   string
	before string // statements that both databases have, behind those of the family's base
	change string // statements that only the second has
	shows  string // key of the object that must differ
	apart  bool   // it is cosmetic: [schema.Split] must set it apart
}

// kindsOf lists the family's base and the kinds of change that its servers have.
func kindsOf(f engine.Family) (base string, list []kind, least int) {
	switch f {
	case engine.Postgres:
		return postgresBase, slices.Concat(postgresTableKinds(), postgresOtherKinds()), 66
	case engine.SQLite:
		return sqliteBase, sqliteKinds(), 20
	case engine.MariaDB:
		return mysqlBase, slices.Concat(mysqlKinds(), mariadbKinds()), 39
	case engine.MySQL:
	}
	return mysqlBase, slices.Concat(mysqlKinds(), mysqlOwnKinds()), 38
}

// testKinds makes each kind of change in a database, which differs from then on from what it was. A server that can
// completes it back and forth. A database that this brings back to its base serves the next kind, too.
func testKinds(t *testing.T, e *env) {
	base, list, least := kindsOf(e.family)
	seen := map[string]bool{}
	spare := e.script(t, base)
	plain := inspect(t, spare)
	completer, completes := e.server.(engine.Completer)
	for _, k := range list {
		if seen[k.name] {
			t.Errorf("kind %s is listed twice", k.name)
		}
		seen[k.name] = true
		if !completes {
			t.Run(k.name, func(t *testing.T) {
				t.Parallel()
				e.change(t, e.script(t, base), plain, k)
			})
			continue
		}
		if spare == nil {
			spare = e.script(t, base)
		}
		t.Run(k.name, func(t *testing.T) {
			db := spare
			spare = nil
			before, after := e.change(t, db, plain, k)
			back := e.complete(t, completer, db, after, before)
			whole := same(back, before)
			if !whole {
				db = e.script(t, base+k.before) // what is cosmetic stays
				back = before
			}
			forth := e.complete(t, completer, db, back, after)
			if whole && k.before == "" && same(e.complete(t, completer, db, forth, plain), plain) {
				spare = db
			}
		})
	}
	t.Logf("%s: %d kinds of change", e.server.Traits().Family, len(list))
	if len(list) < least {
		t.Errorf("%d kinds of change, want %d", len(list), least)
	}
}

// change makes a kind of change in a database with the base, and gives its schema before and after.
func (e *env) change(t *testing.T, db engine.DB, plain *schema.Schema, k kind) (before, after *schema.Schema) {
	t.Helper()
	before = plain
	if k.before != "" {
		run(t, db, k.before)
		before = inspect(t, db)
	}
	run(t, db, k.change)
	after = inspect(t, db)
	checkKind(t, k, schema.Diff(before.Objects, after.Objects))
	checkOrder(t, after)
	return before, after
}

func same(one, two *schema.Schema) bool { return len(schema.Diff(one.Objects, two.Objects)) == 0 }

func checkKind(t *testing.T, k kind, diff []schema.Change) {
	t.Helper()
	real, cosmetic := schema.Split(diff)
	found, other := real, cosmetic
	if k.apart {
		found, other = cosmetic, real
		if len(real) > 0 {
			t.Errorf("a cosmetic change counts as real: %v", real)
		}
	}
	shows := func(c schema.Change) bool { return c.Kind+" "+c.Name == k.shows }
	if !slices.ContainsFunc(found, shows) {
		t.Errorf("%s does not show it; what does: %v; and %v", k.shows, found, other)
	}
	for _, c := range diff {
		if text := schema.Explain(c, "one", "the other"); !strings.HasPrefix(text, c.Kind+" "+c.Name) {
			t.Errorf("%v is explained as %q", c, text)
		}
	}
}

// script makes a database by a script and opens it.
func (e *env) script(t testing.TB, text string) engine.DB {
	t.Helper()
	db := e.open(t)
	run(t, db, text)
	return db
}

// run runs a script in a session of its own.
func run(t testing.TB, db engine.DB, text string) {
	t.Helper()
	session, err := db.Session(deadline(t))
	if err != nil {
		t.Fatalf("session: %v", err)
	}
	defer closing(t, "session", session.Close)
	if err := session.Script(deadline(t), text); err != nil {
		t.Fatalf("script %s: %v", text, err)
	}
}

// complete lets the server complete a database to a schema, compares, and gives what came of it.
func (e *env) complete(t *testing.T, c engine.Completer, db engine.DB, have, want *schema.Schema) *schema.Schema {
	t.Helper()
	list, err := c.Complete(schema.Diff(have.Objects, want.Objects))
	if err != nil {
		t.Fatalf("complete: %v", err)
	}
	session, err := db.Session(deadline(t))
	if err != nil {
		t.Fatalf("session: %v", err)
	}
	defer closing(t, "session", session.Close)
	for _, s := range list {
		if _, err := session.ExecContext(deadline(t), s.SQL); err != nil {
			t.Errorf("complete: %s: %v", s.SQL, err)
		}
	}
	got := inspect(t, db)
	if real, _ := schema.Split(schema.Diff(got.Objects, want.Objects)); len(real) > 0 {
		t.Errorf("after %v\ndiffers %v", list, real)
	}
	return got
}

// testSame makes pairs of databases by two scripts that mean the same.
func testSame(t *testing.T, e *env) {
	for _, p := range pairs(e.family) {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			one, two := inspect(t, e.script(t, p.one)), inspect(t, e.script(t, p.two))
			real, cosmetic := schema.Split(schema.Diff(one.Objects, two.Objects))
			if len(real) > 0 {
				t.Errorf("%s\n   and\n%s\n   differ: %v", p.one, p.two, real)
			}
			if p.apart != (len(cosmetic) > 0) {
				t.Errorf("cosmetic differences: %v; want some: %v", cosmetic, p.apart)
			}
		})
	}
}

// pair is two scripts that mean the same to a server.
type pair struct {
	name, one, two string
	apart          bool // there is a cosmetic difference: a name, or the order of columns
}

func pairs(f engine.Family) []pair {
	switch f {
	case engine.Postgres:
		return postgresPairs()
	case engine.SQLite:
		return sqlitePairs()
	case engine.MariaDB:
		return slices.Concat(mysqlPairs(), mariadbPairs())
	case engine.MySQL:
	}
	return slices.Concat(mysqlPairs(), mysqlOwnPairs())
}
