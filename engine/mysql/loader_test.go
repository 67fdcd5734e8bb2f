package mysql_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"mulligan/internal/testdb"
	"mulligan/schema"
)

func TestLoaderPutsTriggersBack(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		s, db, name := database(t, server, furnished("x")...)
		before := inspect(t, db)
		tb := tableOf(t, db, "child")
		l, err := db.Loader(deadline(t), []*schema.Table{tb}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if _, err := l.Load(deadline(t), tb, tb.Stored(), strings.NewReader("1\t1\n2\t7\n3\t\\N\n")); err != nil {
			t.Fatal(err)
		}
		if err := l.Finish(deadline(t), before.Sequences); err != nil {
			t.Fatal(err)
		}
		if diff := schema.Diff(before.Objects, inspect(t, db).Objects); diff != nil {
			t.Errorf("the load changed the schema: %v", diff)
		}
		if n := server.Query(t, name, "SELECT COUNT(*) FROM log")[0][0]; n != "0" {
			t.Errorf("triggers fired %s times during the load", n)
		}
		behaves(t, server, name, "x")
		_ = s
	})
}

func TestFailedLoadOfMyISAMIsNotForgotten(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		_, db, _ := database(t, server, "CREATE TABLE m (id int PRIMARY KEY, e enum('a') NOT NULL) ENGINE=MyISAM")
		tb := tableOf(t, db, "m")
		l, err := db.Loader(deadline(t), []*schema.Table{tb}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if _, err := l.Load(deadline(t), tb, tb.Stored(), strings.NewReader("1\ta\n1\ta\n")); err == nil {
			t.Fatal("a duplicate key gave no error")
		}
		if err := l.Finish(deadline(t), nil); err == nil || !strings.Contains(err.Error(), "m") {
			t.Errorf("finish: %v, want an error that names the table", err)
		}
		load(t, db, tb, "1\ta\n2\t\n")
	})
}

func TestValuesAreNotChangedInSilence(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		_, db, _ := database(t, server, "CREATE TABLE t (id int PRIMARY KEY, e enum('a','b'), s varchar(3), b blob, d decimal(4,1), j json)")
		tb := tableOf(t, db, "t")
		l, err := db.Loader(deadline(t), []*schema.Table{tb}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		for _, row := range []string{
			`1	c	\N	\N	\N	\N`, `1	\N	long	\N	\N	\N`, `1	\N	\N	\\x4	\N	\N`, `1	\N	\N	\\xzz	\N	\N`, `1	\N	\N	text	\N	\N`,
			`1	\N	\N	\N	1.25	\N`, `1	\N	\N	\N	10000	\N`, `1	\N	\N	\N	\N	{`, `x	\N	\N	\N	\N	\N`, "1\t\t\\N\t\\N\t1.25\t\\N",
		} {
			if _, err := l.Load(deadline(t), tb, tb.Stored(), strings.NewReader(row+"\n")); err == nil {
				t.Errorf("row %q was taken", row)
			}
		}
		if rows := dump(t, db, tb); len(rows) > 0 {
			t.Errorf("rows %q stayed", rows)
		}
		if errors.Is(l.Finish(deadline(t), nil), nil) != true {
			t.Error("finish failed")
		}
	})
}

func TestInspectSeesManyTables(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		var statements []string
		for i := range 300 {
			statements = append(statements, fmt.Sprintf("CREATE TABLE t%d (id int PRIMARY KEY AUTO_INCREMENT, a int, KEY (a), CONSTRAINT f%d FOREIGN KEY (a) REFERENCES t%d (id))", i, i, i/2))
		}
		_, db, _ := database(t, server, statements...)
		s := inspect(t, db)
		if len(s.Tables) != 300 || len(s.Sequences) != 300 || len(s.Tables[1].Parents) != 1 {
			t.Errorf("%d tables and %d sequences, want 300 of each; %v hangs on %v", len(s.Tables), len(s.Sequences), s.Tables[1].Name, s.Tables[1].Parents)
		}
	})
}
