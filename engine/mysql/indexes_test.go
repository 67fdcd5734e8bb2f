package mysql_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/schema"
)

// manyRows makes rows of an id, a number and a text of its own each, and a long text.
func manyRows(from, n int) string {
	var b strings.Builder
	long := strings.Repeat("long ", 150)
	for i := from; i < from+n; i++ {
		fmt.Fprintf(&b, "%d\t%d\tthe text of row %d\t%s\n", i, -i, i, long)
	}
	return b.String()
}

// many is more rows than a table takes with its indexes on.
const many = 12_000

// indexNames lists a table's indexes as they are now.
func indexNames(t *testing.T, server *testdb.Server, database, table string) []string {
	t.Helper()
	var names []string
	for _, row := range server.Query(t, database, "SELECT DISTINCT INDEX_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = '"+database+"' AND TABLE_NAME = '"+table+"'") {
		names = append(names, row[0])
	}
	slices.Sort(names)
	return names
}

func newLoader(t *testing.T, db engine.DB, tables ...*schema.Table) engine.Loader {
	t.Helper()
	l, err := db.Loader(deadline(t), tables, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestIndexesComeBackAfterALoad(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		_, db, name := database(t, server,
			"CREATE TABLE p (id int PRIMARY KEY)",
			"CREATE TABLE t (id int PRIMARY KEY AUTO_INCREMENT, n int, s varchar(100) NOT NULL, f text, pid int, g int AS (n + 1) STORED, "+
				"KEY by_n (n), UNIQUE KEY u_n (n), UNIQUE KEY u_s (s), KEY by_pid (pid), KEY part (s(5), n DESC) COMMENT 'it''s \\\\ one', KEY `odd ``,name` (n, s), "+
				"KEY by_g (g), KEY last (n, id), FULLTEXT KEY words (s), CONSTRAINT f FOREIGN KEY (pid) REFERENCES p (id))",
			"CREATE TABLE child (id int PRIMARY KEY, tn int, CONSTRAINT g FOREIGN KEY (tn) REFERENCES t (n))")
		before := inspect(t, db)
		tb := tableOf(t, db, "t")
		l := newLoader(t, db, tb)
		var group errgroup.Group
		for i := range 3 {
			group.Go(func() error {
				_, err := l.Load(deadline(t), tb, []string{"id", "n", "s", "f"}, strings.NewReader(manyRows(i*many/2+1, many/2)))
				return err
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		// on: what the foreign keys need, what holds a generated column, full text; g needs an index that begins with n
		want := []string{"PRIMARY", "by_g", "by_n", "by_pid", "last", "odd `,name", "part", "u_n", "u_s", "words"}
		for _, off := range []string{"part", "u_s"} {
			want = slices.DeleteFunc(want, func(s string) bool { return s == off })
		}
		if diff := cmp.Diff(want, indexNames(t, server, name, "t")); diff != "" {
			t.Errorf("indexes during the load (-want +got):\n%s", diff)
		}
		if err := l.Finish(deadline(t), nil); err != nil {
			t.Fatal(err)
		}
		if diff := schema.Diff(before.Objects, inspect(t, db).Objects); diff != nil {
			t.Errorf("the load changed the schema: %v", diff)
		}
		for _, query := range []string{"SELECT COUNT(*) FROM t FORCE INDEX (u_s) WHERE s > ''", "SELECT COUNT(*) FROM t FORCE INDEX (part) WHERE s > ''"} {
			if n := server.Query(t, name, query)[0][0]; n != fmt.Sprint(many/2*3) {
				t.Errorf("%s gave %s, want %d", query, n, many/2*3)
			}
		}
		if row := server.Query(t, name, "CHECK TABLE t"); row[0][3] != "OK" {
			t.Errorf("check table: %v", row)
		}
	})
}

func TestSmallLoadsLeaveIndexesOn(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		_, db, name := database(t, server, "CREATE TABLE t (id int PRIMARY KEY, n int, s varchar(100), f text, KEY (n), KEY (s))")
		tb := tableOf(t, db, "t")
		l := newLoader(t, db, tb)
		load := func(rows string) {
			t.Helper()
			if _, err := l.Load(deadline(t), tb, tb.Stored(), strings.NewReader(rows)); err != nil {
				t.Fatal(err)
			}
		}
		load(manyRows(1, 100))
		if diff := cmp.Diff([]string{"PRIMARY", "n", "s"}, indexNames(t, server, name, "t")); diff != "" {
			t.Errorf("indexes (-want +got):\n%s", diff)
		}
		load(manyRows(101, many))
		load(manyRows(101+many, 100))
		if diff := cmp.Diff([]string{"PRIMARY"}, indexNames(t, server, name, "t")); diff != "" {
			t.Errorf("indexes after a large load (-want +got):\n%s", diff)
		}
	})
}

func TestTablesThatKeepTheirIndexes(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		tables := map[string]string{
			"partitioned": "CREATE TABLE partitioned (id int PRIMARY KEY, n int, s varchar(100), f text, KEY (n), KEY (s)) PARTITION BY HASH (id) PARTITIONS 3",
			"myisam":      "CREATE TABLE myisam (id int PRIMARY KEY, n int, s varchar(100), f text, KEY (n), KEY (s)) ENGINE=MyISAM",
			"keyless":     "CREATE TABLE keyless (id int NOT NULL, n int, s varchar(100), f text, UNIQUE KEY (id), UNIQUE KEY (n), UNIQUE KEY (s))",
			"counted":     "CREATE TABLE counted (id int NOT NULL AUTO_INCREMENT, n int NOT NULL, s varchar(100), f text, PRIMARY KEY (n), KEY (id), KEY (id, s))",
			"words":       "CREATE TABLE words (id int PRIMARY KEY, n int, s varchar(100), f text, FULLTEXT KEY (s))",
		}
		if server.Family == testdb.FamilyMariaDB {
			tables["versioned"] = "CREATE TABLE versioned (id int PRIMARY KEY, n int, s varchar(100), f text, KEY (n), KEY (s)) WITH SYSTEM VERSIONING"
			tables["ignored"] = "CREATE TABLE ignored (id int PRIMARY KEY, n int, s varchar(100), f text, KEY (n), KEY (s) IGNORED)"
		} else {
			tables["expression"] = "CREATE TABLE expression (id int PRIMARY KEY, n int, s varchar(100), f text, KEY (n), KEY ((n + 1)))"
			tables["invisible"] = "CREATE TABLE invisible (id int PRIMARY KEY, n int, s varchar(100), f text, KEY (n), KEY (s) INVISIBLE)"
		}
		for table, statement := range tables {
			t.Run(table, func(t *testing.T) {
				_, db, name := database(t, server, statement)
				tb := tableOf(t, db, table)
				want := inspect(t, db)
				on := indexNames(t, server, name, table)
				l := newLoader(t, db, tb)
				if _, err := l.Load(deadline(t), tb, tb.Stored(), strings.NewReader(manyRows(1, many))); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(on, indexNames(t, server, name, table)); diff != "" {
					t.Errorf("indexes during the load (-want +got):\n%s", diff)
				}
				if err := l.Finish(deadline(t), nil); err != nil {
					t.Fatal(err)
				}
				if diff := schema.Diff(want.Objects, inspect(t, db).Objects); diff != nil {
					t.Errorf("the load changed the schema: %v", diff)
				}
			})
		}
	})
}

func TestSharedUniqueValueEndsFinish(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		_, db, _ := database(t, server, "CREATE TABLE things (id int PRIMARY KEY, n int, s varchar(100), f text, UNIQUE KEY one_each (s), UNIQUE KEY half (n, s(30)))")
		tb := tableOf(t, db, "things")
		l := newLoader(t, db, tb)
		rows := manyRows(1, many) + "70000\t-7\tthe text of row 7\t\\N\n"
		if _, err := l.Load(deadline(t), tb, tb.Stored(), strings.NewReader(rows)); err != nil {
			t.Fatal(err)
		}
		err := l.Finish(deadline(t), nil)
		if err == nil || !strings.Contains(err.Error(), "table things") || !strings.Contains(err.Error(), "one_each") || !strings.Contains(err.Error(), "index half of table things: 2 rows with a value that another row has: id 7, 70000") || !strings.Contains(err.Error(), "unique") {
			t.Errorf("finish: %v, want an error that names the table and the unique index", err)
		}
		found := (*engine.RowsError)(nil)
		if !errors.As(err, &found) || found.Rows != 2 || !slices.EqualFunc(found.Keys, [][]string{{"7"}, {"70000"}}, slices.Equal) {
			t.Errorf("finish: %+v, want the keys of both rows", found)
		}
	})
}

// TestLoadByUserWithoutAlter has a user who may empty and fill tables, and no more.
func TestLoadByUserWithoutAlter(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		_, _, name := database(t, server, "CREATE TABLE t (id int PRIMARY KEY, n int, s varchar(100), f text, KEY (n))")
		s := connectTo(t, server.URLAs(server.NewUser(t, "SELECT, INSERT, DELETE, DROP ON `"+name+"`.*"), ""))
		defer s.Close()
		db := open(t, s, name)
		tb := tableOf(t, db, "t")
		l := newLoader(t, db, tb)
		if n, err := l.Load(deadline(t), tb, tb.Stored(), strings.NewReader(manyRows(1, many))); n != many || err != nil {
			t.Fatalf("load: %d rows, %v", n, err)
		}
		if err := l.Finish(deadline(t), nil); err != nil {
			t.Fatal(err)
		}
		notes := l.(engine.Noter).Notes()
		if len(notes) != 1 || !strings.Contains(notes[0], "table t was loaded with its indexes on") {
			t.Errorf("notes: %q, want one about the table's indexes", notes)
		}
	})
}

// TestReaderThatFailsLateLeavesNothing fails behind the rows that decide about the indexes.
func TestReaderThatFailsLateLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		_, db, name := database(t, server, "CREATE TABLE t (id int PRIMARY KEY, n int, s varchar(100), f text, KEY (n))")
		before := inspect(t, db)
		tb := tableOf(t, db, "t")
		l := newLoader(t, db, tb)
		for i, rows := range []string{manyRows(1, 10), manyRows(1, many/2), manyRows(1, many), manyRows(1, many/2)} {
			errLate := []error{errors.New("the chunk is damaged"), io.ErrUnexpectedEOF}[i%2]
			_, err := l.Load(deadline(t), tb, tb.Stored(), io.MultiReader(strings.NewReader(rows), iotest.ErrReader(errLate)))
			if !errors.Is(err, errLate) {
				t.Errorf("load: %v, want the reader's error", err)
			}
		}
		if err := l.Finish(deadline(t), nil); err != nil {
			t.Fatal(err)
		}
		if n := server.Query(t, name, "SELECT COUNT(*) FROM t")[0][0]; n != "0" {
			t.Errorf("%s rows stayed", n)
		}
		if diff := schema.Diff(before.Objects, inspect(t, db).Objects); diff != nil {
			t.Errorf("the load changed the schema: %v", diff)
		}
	})
}

// TestLoadIsTakenUpWithItsIndexes kills a load of many rows around each ALTER TABLE that takes indexes off or puts them back.
func TestLoadIsTakenUpWithItsIndexes(t *testing.T) {
	errDead := errors.New("the process died")
	each(t, func(t *testing.T, server *testdb.Server) {
		_, db, name := database(t, server, "CREATE TABLE t (id int PRIMARY KEY, n int, s varchar(100), f text, KEY by_n (n), UNIQUE KEY by_s (s))")
		before, tb := inspect(t, db), tableOf(t, db, "t")
		var state []byte
		begin := func(dies bool) engine.Loader {
			t.Helper()
			l, err := open(t, connectTo(t, server.URL("")), name).Loader(deadline(t), []*schema.Table{tb}, &engine.LoadOptions{State: state, Keep: func(s []byte) error {
				state = slices.Clone(s)
				if dies && strings.Contains(string(s), "by_s") {
					return errDead
				}
				return nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			return l
		}
		load := func(l engine.Loader, rows string) error {
			_, err := l.Load(deadline(t), tb, tb.Stored(), strings.NewReader(rows))
			return err
		}
		wantIndexes := func(when string, want ...string) {
			t.Helper()
			if diff := cmp.Diff(want, indexNames(t, server, name, "t")); diff != "" {
				t.Errorf("indexes %s (-want +got):\n%s", when, diff)
			}
		}
		if err := load(begin(true), manyRows(1, many)); !errors.Is(err, errDead) {
			t.Fatalf("load: %v, want the death before the indexes come off", err)
		}
		wantIndexes("that were to come off", "PRIMARY", "by_n", "by_s")
		l := begin(false)
		if err := load(l, manyRows(1, many)); err != nil {
			t.Fatal(err)
		}
		wantIndexes("during the load", "PRIMARY")
		l = begin(false)
		wantIndexes("when the load is taken up", "PRIMARY")
		if err := load(l, manyRows(1+many, 10)); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second one comes after a Finish whose word was lost
			if err := l.Finish(deadline(t), nil); err != nil {
				t.Fatal(err)
			}
			if diff := schema.Diff(before.Objects, inspect(t, db).Objects); diff != nil {
				t.Errorf("the load changed the schema: %v", diff)
			}
			l = begin(false)
		}
		if n := server.Query(t, name, "SELECT COUNT(*) FROM t")[0][0]; n != fmt.Sprint(many+10) {
			t.Errorf("%s rows, want %d", n, many+10)
		}
		server.Exec(t, name, "ALTER TABLE t DROP KEY by_n")
		_, err := open(t, connectTo(t, server.URL("")), name).Loader(deadline(t), []*schema.Table{tb}, &engine.LoadOptions{State: state})
		if err == nil || !strings.Contains(err.Error(), "table t is neither") {
			t.Errorf("a table that somebody else changed was taken up: %v", err)
		}
	})
}
