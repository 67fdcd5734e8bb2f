package mysql_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/schema"
)

func deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// database makes a database with the statements run in it, and opens it.
func database(t testing.TB, server *testdb.Server, statements ...string) (engine.Server, engine.DB, string) {
	t.Helper()
	name, _ := server.NewDatabase(t)
	server.Exec(t, name, statements...)
	s := connectTo(t, server.URL(""))
	t.Cleanup(func() { s.Close() })
	return s, open(t, s, name), name
}

func open(t testing.TB, s engine.Server, name string) engine.DB {
	t.Helper()
	db, err := s.Open(deadline(t), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func inspect(t testing.TB, db engine.DB) *schema.Schema {
	t.Helper()
	s, err := db.Inspect(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tableOf(t testing.TB, db engine.DB, name string) *schema.Table {
	t.Helper()
	tb := inspect(t, db).Table(schema.Name{Table: name})
	if tb == nil {
		t.Fatalf("there is no table %s", name)
	}
	return tb
}

// dump gives a table's rows, sorted.
func dump(t testing.TB, db engine.DB, tb *schema.Table) []string {
	t.Helper()
	v, err := db.View(deadline(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	var b strings.Builder
	if _, err := v.Dump(deadline(t), &b, tb, engine.Range{}); err != nil {
		t.Fatal(err)
	}
	lines := slices.Sorted(strings.Lines(b.String()))
	return lines
}

// reload dumps a table, loads the rows into it again, and gives both contents.
func reload(t testing.TB, db engine.DB, name string) (before, after []string) {
	t.Helper()
	tb := tableOf(t, db, name)
	before = dump(t, db, tb)
	load(t, db, tb, strings.Join(before, ""))
	return before, dump(t, db, tb)
}

func load(t testing.TB, db engine.DB, tb *schema.Table, rows string) {
	t.Helper()
	l, err := db.Loader(deadline(t), []*schema.Table{tb}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n, err := l.Load(deadline(t), tb, tb.Stored(), strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(strings.Count(rows, "\n")); n != want {
		t.Errorf("loaded %d rows, want %d", n, want)
	}
	if err := l.Finish(deadline(t), nil); err != nil {
		t.Fatal(err)
	}
}
