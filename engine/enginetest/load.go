package enginetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"mulligan/engine"
	"mulligan/schema"
)

var errBroken = errors.New("enginetest: the chunk is damaged")

// brokenReader gives good rows and then an error, or calls a function and goes on.
type brokenReader struct {
	next, until int
	then        func() error
}

func (r *brokenReader) Read(p []byte) (int, error) {
	if r.next >= r.until {
		if err := r.then(); err != nil {
			return 0, err
		}
		r.then, r.until = func() error { return io.EOF }, r.until+50_000
	}
	n := 0
	for r.next < r.until {
		line := fmt.Sprintf("%d\t1\n", r.next)
		if n+len(line) > len(p) {
			break
		}
		n += copy(p[n:], line)
		r.next++
	}
	return n, nil
}

func numbered(from, to int) []string {
	var rows []string
	for i := from; i <= to; i++ {
		rows = append(rows, fmt.Sprintf("%d\t%d", i, i*10))
	}
	return rows
}

// two is a table of two columns.
const two = "CREATE TABLE thing (id {id}, n {int}){opts}"

func testLoad(t *testing.T, e *env) {
	t.Run("ReaderFails", e.readerFails)
	t.Run("BadRows", e.badRows)
	t.Run("Cancelled", func(t *testing.T) {
		db := e.open(t, two)
		list := tables(t, inspect(t, db), "thing")
		l := loader(t, db, list)
		ctx, cancel := context.WithCancel(deadline(t))
		_, err := l.Load(ctx, list[0], list[0].Stored(), &brokenReader{until: 5000, then: func() error { cancel(); return nil }})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("load: %v, want context.Canceled", err)
		}
		closing(t, "loader", l.Close)
		if n := number(t, db, "SELECT count(*) FROM thing"); n != 0 {
			t.Errorf("%d rows stayed of a load that was cancelled", n)
		}
	})
	t.Run("ReplacesSeeds", func(t *testing.T) {
		db := e.open(t, family()...)
		exec(t, db, "INSERT INTO parent VALUES (1, 'seed'), (2, 'seed two')", "INSERT INTO child VALUES (1, 1, 'seed', NULL)")
		list := tables(t, inspect(t, db), "parent")
		l := loader(t, db, tables(t, inspect(t, db), "parent", "child"))
		load(t, l, list[0], []string{"2\treal"})
		finish(t, l)
		if diff := cmp.Diff([]string{"2\treal"}, content(t, db, "parent")); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
		if n := number(t, db, "SELECT count(*) FROM child"); n != 0 {
			t.Errorf("%d seeded rows stayed in a table that was to be emptied", n)
		}
	})
	t.Run("Concurrent", e.concurrentLoads)
	t.Run("ColumnOrder", func(t *testing.T) {
		db := e.open(t, "CREATE TABLE thing (id {id}, a {key} DEFAULT 'x', b {int}){opts}")
		list := tables(t, inspect(t, db), "thing")
		l := loader(t, db, list)
		if _, err := l.Load(deadline(t), list[0], []string{"b", "id"}, strings.NewReader("7\t1\n\\N\t2\n")); err != nil {
			t.Fatalf("load: %v", err)
		}
		finish(t, l)
		if diff := cmp.Diff([]string{"1\tx\t7", "2\tx\t\\N"}, content(t, db, "thing")); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	})
	t.Run("NoRows", func(t *testing.T) {
		db := e.open(t, two)
		list := tables(t, inspect(t, db), "thing")
		l := loader(t, db, list)
		load(t, l, list[0], nil)
		finish(t, l)
	})
	t.Run("CloseAbandons", func(t *testing.T) {
		db := e.open(t, two)
		l := loader(t, db, tables(t, inspect(t, db), "thing"))
		for range 2 {
			closing(t, "loader", l.Close)
		}
	})
}

func (e *env) readerFails(t *testing.T) {
	for _, until := range []int{0, 3, 20_000} {
		db := e.open(t, two)
		list := tables(t, inspect(t, db), "thing")
		l := loader(t, db, list)
		_, err := l.Load(deadline(t), list[0], list[0].Stored(), &brokenReader{until: until, then: func() error { return errBroken }})
		if !errors.Is(err, errBroken) {
			t.Errorf("load from a reader that fails after %d rows: %v, want its error", until, err)
		}
		load(t, l, list[0], numbered(1, 4))
		finish(t, l)
		if diff := cmp.Diff(numbered(1, 4), content(t, db, "thing")); diff != "" {
			t.Errorf("rows after a failed and a good load (-want +got):\n%s", diff)
		}
	}
}

func (e *env) badRows(t *testing.T) {
	for name, text := range map[string]string{
		"TooFewColumns":  "1\t1\n2\n",
		"TooManyColumns": "1\t1\n2\t2\t3\n",
		"DuplicateKey":   "1\t1\n2\t2\n1\t3\n",
		"NullKey":        "1\t1\n\\N\t2\n",
		"NotANumber":     "1\t1\n2\tabc\n",
		"CutLine":        "1\t1\n2\t",
	} {
		t.Run(name, func(t *testing.T) {
			db := e.open(t, "CREATE TABLE thing (id {id}, n {int} NOT NULL){opts}")
			if e.family == engine.SQLite {
				// Only a STRICT table refuses a text in an integer column, and a NULL key there is a new number.
				exec(t, db, "DROP TABLE thing", "CREATE TABLE thing (id INT NOT NULL PRIMARY KEY, n INT NOT NULL) STRICT")
			}
			list := tables(t, inspect(t, db), "thing")
			l := loader(t, db, list)
			if n, err := l.Load(deadline(t), list[0], list[0].Stored(), strings.NewReader(text)); err == nil {
				t.Errorf("load %q: no error, %d rows", text, n)
			} else if !strings.Contains(err.Error(), "thing") {
				t.Errorf("load %q: the error %q does not say which table", text, err)
			}
			load(t, l, list[0], numbered(7, 8))
			finish(t, l)
			if diff := cmp.Diff(numbered(7, 8), content(t, db, "thing")); diff != "" {
				t.Errorf("rows after a bad and a good load (-want +got):\n%s", diff)
			}
		})
	}
}

func (e *env) concurrentLoads(t *testing.T) {
	db := e.open(t, "CREATE TABLE one (id {id}, n {int}){opts}", "CREATE TABLE two (id {id}, n {int}){opts}")
	list := tables(t, inspect(t, db), "one", "two")
	l := loader(t, db, list)
	var group errgroup.Group
	want := numbered(1, 4000)
	for _, tb := range list {
		for part := range slices.Chunk(want, 1000) {
			group.Go(func() error {
				n, err := l.Load(deadline(t), tb, tb.Stored(), strings.NewReader(strings.Join(part, "\n")+"\n"))
				if err == nil && n != int64(len(part)) {
					err = fmt.Errorf("%d rows, want %d", n, len(part))
				}
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		t.Fatalf("load: %v", err)
	}
	finish(t, l)
	slices.Sort(want)
	for _, tb := range list {
		if diff := cmp.Diff(want, content(t, db, tb.Name.Table)); diff != "" {
			t.Errorf("rows of %s (-want +got):\n%s", tb.Name, diff)
		}
	}
}

func testFinish(t *testing.T, e *env) {
	t.Run("SchemaIsAsBefore", e.schemaIsAsBefore)
	t.Run("TriggersAreMuted", func(t *testing.T) {
		db := e.open(t, slices.Concat(family(), trigger(e.family))...)
		list := tables(t, inspect(t, db), "parent", "child")
		l := loader(t, db, list)
		load(t, l, list[1], []string{"1\t1\ta\t\\N"})
		load(t, l, list[0], []string{"1\tp"})
		finish(t, l)
		if n := number(t, db, "SELECT count(*) FROM audit"); n != 0 {
			t.Errorf("a trigger fired %d times while rows were loaded", n)
		}
		exec(t, db, "INSERT INTO child (id, parent_id, name) VALUES (2, 1, 'b')")
		if n := number(t, db, "SELECT count(*) FROM audit"); n != 1 {
			t.Errorf("after Finish the trigger fired %d times for one row, want 1", n)
		}
	})
	t.Run("Circles", func(t *testing.T) {
		db := e.open(t, circular(e.family)...)
		list := tables(t, inspect(t, db), "tree", "egg", "hen")
		l := loader(t, db, list)
		load(t, l, list[0], []string{"1\t3", "2\t1", "3\t\\N", "4\t4"})
		load(t, l, list[1], []string{"1\t1"})
		load(t, l, list[2], []string{"1\t1"})
		finish(t, l)
		if n := number(t, db, "SELECT count(*) FROM egg JOIN hen ON egg.hen = hen.id AND hen.egg = egg.id"); n != 1 {
			t.Errorf("%d pairs, want 1", n)
		}
	})
	t.Run("Orphans", e.orphans)
	t.Run("DuplicateInUniqueIndex", func(t *testing.T) {
		db := e.open(t, family()...)
		list := tables(t, inspect(t, db), "child")
		l := loader(t, db, list)
		_, err := l.Load(deadline(t), list[0], list[0].Stored(), strings.NewReader("1\t\\N\tsame\t\\N\n2\t\\N\tsame\t\\N\n"))
		if err == nil {
			err = l.Finish(deadline(t), nil)
		}
		if err == nil {
			t.Error("two equal values in a unique index gave no error, neither in Load nor in Finish")
		}
		// A server whose index stays on for so few rows says it of the first row that it refuses.
		if found := (*engine.RowsError)(nil); errors.As(err, &found) {
			wantRows(t, found, "child_name", "child", 2, [][]string{{"1"}, {"2"}})
		} else if e.family == engine.Postgres || e.family == engine.SQLite {
			t.Errorf("finish: %v, want a RowsError", err)
		}
	})
	if e.family == engine.Postgres || e.family == engine.SQLite {
		t.Run("DuplicateInPartOfTheRows", e.duplicateInPart)
	}
	t.Run("Sequences", e.sequences)
	t.Run("ForeignKeysWorkAgain", func(t *testing.T) {
		db := e.open(t, family()...)
		list := tables(t, inspect(t, db), "parent", "child")
		l := loader(t, db, list)
		load(t, l, list[0], []string{"1\tp"})
		finish(t, l)
		s, err := db.Session(deadline(t))
		if err != nil {
			t.Fatalf("session: %v", err)
		}
		defer closing(t, "session", s.Close)
		if e.family == engine.SQLite {
			exec(t, s, "PRAGMA foreign_keys = ON")
		}
		// The name matters: MySQL 9.7 does not check a foreign key whose index has another column that is NULL.
		if _, err := s.ExecContext(deadline(t), "INSERT INTO child (id, parent_id, name) VALUES (9, 99, 'n')"); err == nil {
			t.Error("after Finish a row without a parent could be inserted")
		}
	})
}

// duplicateInPart is an index on an expression and on some rows only.
func (e *env) duplicateInPart(t *testing.T) {
	db := e.open(t, append(family(), "CREATE UNIQUE INDEX child_part ON child (lower(name), parent_id DESC) WHERE note IS NULL")...)
	list := tables(t, inspect(t, db), "parent", "child")
	l := loader(t, db, list)
	load(t, l, list[0], []string{"7\tp"})
	load(t, l, list[1], []string{"1\t7\tA\t\\N", "2\t7\ta\t\\N", "3\t7\tAa\tnote", "4\t7\taA\tnote", "5\t\\N\tb\t\\N", "6\t\\N\tB\t\\N"})
	found := (*engine.RowsError)(nil)
	if err := l.Finish(deadline(t), nil); !errors.As(err, &found) {
		t.Fatalf("finish: %v, want a RowsError", err)
	}
	wantRows(t, found, "child_part", "child", 2, [][]string{{"1"}, {"2"}})
}

func (e *env) schemaIsAsBefore(t *testing.T) {
	ddl := slices.Concat(family(), trigger(e.family), circular(e.family), ledger())
	for _, n := range nastyNames(e.family) {
		q, child := e.family.Ident(n), e.family.Ident(n+" c")
		ddl = append(ddl, "CREATE TABLE "+q+" (id {id}, "+q+" {key}){opts}",
			"CREATE INDEX "+e.family.Ident(n+" i")+" ON "+q+" ("+q+")",
			"CREATE TABLE "+child+" (id {id}, up {int}, CONSTRAINT "+e.family.Ident(n+" f")+" FOREIGN KEY (up) REFERENCES "+q+" (id)){opts}")
	}
	db := e.open(t, ddl...)
	before := inspect(t, db)
	var list []*schema.Table
	for i := range before.Tables {
		list = append(list, &before.Tables[i])
	}
	finish(t, loader(t, db, list))
	after := inspect(t, db)
	if diff := schema.Diff(before.Objects, after.Objects); diff != nil {
		t.Errorf("the load changed the schema: %v", diff)
	}
	if diff := cmp.Diff(shape(before), shape(after)); diff != "" {
		t.Errorf("the load changed the tables (-before +after):\n%s", diff)
	}
}

// wantRows checks what is said of rows that break a constraint: their keys, and nothing else of them.
func wantRows(t testing.TB, found *engine.RowsError, constraint, table string, rows int64, keys [][]string) {
	t.Helper()
	if !strings.Contains(found.Constraint, constraint) || !strings.Contains(found.Table.String(), table) || found.Rows != rows {
		t.Errorf("%d rows of %s in table %s, want %d of %s in %s", found.Rows, found.Constraint, found.Table, rows, constraint, table)
	}
	if diff := cmp.Diff(keys, found.Keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if len(keys) > 0 && !strings.Contains(found.Error(), keys[0][0]) {
		t.Errorf("the error %q does not say the key %s", found, keys[0])
	}
}

func (e *env) orphans(t *testing.T) {
	names := func(t *testing.T, err error, constraint, child, parent, count string) {
		t.Helper()
		if err == nil {
			t.Fatal("rows without a parent passed Finish")
		}
		want := []string{constraint, count}
		if e.family == engine.SQLite { // foreign keys have no names in SQLite's catalog
			want = []string{child, parent, count}
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("the error %q does not say %q", err, w)
			}
		}
	}
	t.Run("Child", func(t *testing.T) {
		db := e.open(t, family()...)
		list := tables(t, inspect(t, db), "parent", "child")
		l := loader(t, db, list)
		load(t, l, list[0], []string{"1\tp"})
		load(t, l, list[1], []string{"1\t1\ta\t\\N", "2\t77\tb\t\\N", "3\t78\tc\t\\N", "4\t\\N\td\t\\N"})
		names(t, l.Finish(deadline(t), nil), "child_parent", "child", "parent", "2")
	})
	t.Run("ParentOfAnother", func(t *testing.T) {
		db := e.open(t, family()...)
		exec(t, db, "INSERT INTO parent VALUES (1, 'p')", "INSERT INTO child VALUES (1, 1, 'c', NULL)")
		list := tables(t, inspect(t, db), "parent")
		l := loader(t, db, list)
		load(t, l, list[0], []string{"2\tp"})
		names(t, l.Finish(deadline(t), nil), "child_parent", "child", "parent", "1")
	})
	t.Run("Many", func(t *testing.T) {
		db := e.open(t, family()...)
		list := tables(t, inspect(t, db), "parent", "child")
		l := loader(t, db, list)
		var rows []string
		var keys [][]string
		for id := 1; id <= engine.MaxKeys+5; id++ {
			rows = append(rows, fmt.Sprintf("%d\t77\t%d\tsecret", id, id))
			if id <= engine.MaxKeys {
				keys = append(keys, []string{fmt.Sprint(id)})
			}
		}
		load(t, l, list[1], rows)
		err := l.Finish(deadline(t), nil)
		found := (*engine.RowsError)(nil)
		if !errors.As(err, &found) {
			t.Fatalf("finish: %v, want a RowsError", err)
		}
		wantRows(t, found, "parent", "child", engine.MaxKeys+5, keys)
		if text := err.Error(); !strings.Contains(text, "and 5 more") || strings.Contains(text, "secret") {
			t.Errorf("the error is %q", text)
		}
	})
	t.Run("WithoutKey", func(t *testing.T) {
		db := e.open(t, family()[0], "CREATE TABLE loose (up {int}, also {key}, CONSTRAINT loose_up FOREIGN KEY (up) REFERENCES parent (id)){opts}")
		list := tables(t, inspect(t, db), "parent", "loose")
		l := loader(t, db, list)
		load(t, l, list[1], []string{"7\ta", "8\tb", "7\tc", "\\N\td"})
		err := l.Finish(deadline(t), nil)
		found := (*engine.RowsError)(nil)
		if !errors.As(err, &found) {
			t.Fatalf("finish: %v, want a RowsError", err)
		}
		wantRows(t, found, "up", "loose", 3, [][]string{{"7"}, {"7"}, {"8"}})
	})
}

func (e *env) sequences(t *testing.T) {
	ddl := []string{
		"CREATE TABLE counted (id {auto}, note {key}){opts}",
		"CREATE TABLE emptied (id {auto}, note {key}){opts}",
		"CREATE TABLE fresh (id {auto}, note {key}){opts}",
	}
	source := e.open(t, ddl...)
	for _, name := range []string{"counted", "emptied"} {
		exec(t, source, "INSERT INTO "+name+" (note) VALUES ('a'), ('b'), ('c'), ('d'), ('e')")
	}
	exec(t, source, "DELETE FROM counted WHERE id > 3", "DELETE FROM emptied")
	from := inspect(t, source)
	target := e.open(t, ddl...)
	exec(t, target, "INSERT INTO fresh (note) VALUES ('seed'), ('seed')")
	list := tables(t, inspect(t, target), "counted", "emptied", "fresh")
	l := loader(t, target, list)
	load(t, l, list[0], content(t, source, "counted"))
	finish(t, l, from.Sequences...)
	if diff := cmp.Diff(from.Sequences, inspect(t, target).Sequences); diff != "" {
		t.Errorf("sequences (-source +target):\n%s", diff)
	}
	for name, want := range map[string]int64{"counted": 6, "emptied": 6, "fresh": 1} {
		exec(t, target, "INSERT INTO "+name+" (note) VALUES ('next')")
		if got := number(t, target, "SELECT max(id) FROM "+name); got != want {
			t.Errorf("the next number of %s is %d, want %d", name, got, want)
		}
	}
}
