package mysql_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"mulligan/engine"
	"mulligan/engine/mysql"
	"mulligan/internal/testdb"
)

func TestViewWithoutPrivileges(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		_, _, name := database(t, server, "CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
		_, _, mixed := database(t, server, "CREATE TABLE m (id int) ENGINE=MyISAM")
		for grants, c := range map[string]struct {
			readers int
			note    string
		}{
			"SELECT, LOCK TABLES": {3, "read locks of this database's tables"},
			"SELECT":              {1, "one reader"},
		} {
			user := server.NewUser(t, grants+" ON `"+name+"`.*", grants+" ON `"+mixed+"`.*")
			s := connectTo(t, server.URLAs(user, ""))
			defer s.Close()
			db := open(t, s, name)
			v, err := db.View(deadline(t), 3)
			if err != nil {
				t.Fatalf("%s: %v", grants, err)
			}
			p := v.Point()
			if p.Readers != c.readers || !strings.Contains(p.Note, c.note) {
				t.Errorf("%s: %+v", grants, p)
			}
			if n, err := v.Dump(deadline(t), io.Discard, tableOf(t, db, "t"), engine.Range{}); n != 2 || err != nil {
				t.Errorf("%s: dump: %d rows, %v", grants, n, err)
			}
			v.Close()
			if _, err := db.View(deadline(t), 1); err != nil {
				t.Errorf("%s: a second view: %v", grants, err)
			}
			w, err := open(t, s, mixed).View(deadline(t), 2)
			if strings.Contains(grants, "LOCK") {
				if err != nil || !strings.Contains(w.Point().Note, "m (MyISAM)") {
					t.Errorf("view of a MyISAM table: %v", err)
				}
			} else if err == nil || !strings.Contains(err.Error(), "m") {
				t.Errorf("view of a MyISAM table without a lock: %v, want an error that names it", err)
			}
			if w != nil && err == nil {
				w.Close()
			}
		}
	})
}

func TestViewLocksWhatHasNoTransactions(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		_, db, name := database(t, server, "CREATE TABLE m (id int) ENGINE=MyISAM", "CREATE TABLE i (id int)", "INSERT INTO m VALUES (1)")
		v, err := db.View(deadline(t), 2)
		if err != nil {
			t.Fatal(err)
		}
		if p := v.Point(); !strings.Contains(p.Note, "m (MyISAM)") || p.Position == "" {
			t.Errorf("%+v", p)
		}
		server.Exec(t, name, "INSERT INTO i VALUES (1)") // the rest is free
		locked := server.Open(t, name)
		conn, err := locked.Conn(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.ExecContext(deadline(t), "SET lock_wait_timeout = 1"); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.ExecContext(deadline(t), "INSERT INTO m VALUES (2)"); err == nil {
			t.Error("a table without transactions was written under a view")
		}
		if n, err := v.Dump(deadline(t), io.Discard, tableOf(t, db, "m"), engine.Range{}); n != 1 || err != nil {
			t.Errorf("dump: %d rows, %v", n, err)
		}
		if err := v.Close(); err != nil {
			t.Error(err)
		}
		if _, err := conn.ExecContext(deadline(t), "INSERT INTO m VALUES (2)"); err != nil {
			t.Errorf("write after the view was closed: %v", err)
		}
	})
}

func TestErrorsOfConnect(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		right := server.URL("")
		u, err := engine.ParseURL(right)
		if err != nil {
			t.Fatal(err)
		}
		wrong := strings.Replace(right, u.User()+":", u.User()+":n0t-the-", 1)
		for address, want := range map[string]error{
			wrong:                              engine.ErrDenied,
			"mysql://root:s3cret@127.0.0.1:1/": engine.ErrNoServer,
			"mariadb://root:s3cret@localhost/?socket=/nonexistent/socket": engine.ErrNoServer,
		} {
			u, err := engine.ParseURL(address)
			if err != nil {
				t.Fatal(err)
			}
			_, err = mysql.Connect(context.Background(), u)
			if !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
			if password, _ := u.Password(); err != nil && strings.Contains(err.Error(), password) {
				t.Errorf("the password is in %q", err)
			}
		}
		user := server.NewUser(t)
		s := connectTo(t, server.URLAs(user, ""))
		defer s.Close()
		if err := s.Create(deadline(t), "may_not", nil); !errors.Is(err, engine.ErrDenied) {
			t.Errorf("create: %v, want ErrDenied", err)
		}
		_, _, name := database(t, server)
		if _, err := s.Open(deadline(t), name); !errors.Is(err, engine.ErrDenied) {
			t.Errorf("open: %v, want ErrDenied", err)
		}
		if _, err := s.Stat(deadline(t), name); !errors.Is(err, engine.ErrDenied) {
			t.Errorf("stat: %v, want ErrDenied", err)
		}
	})
}

func TestFamilyIsTheServersOwn(t *testing.T) {
	for want, server := range map[engine.Family]*testdb.Server{engine.MariaDB: testdb.MariaDB(t), engine.MySQL: testdb.MySQL(t)} {
		for _, scheme := range []string{"mysql", "mariadb"} {
			_, rest, _ := strings.Cut(server.URL(""), ":")
			s := connectTo(t, scheme+":"+rest)
			if got := s.Traits().Family; got != want {
				t.Errorf("%s:// to %s gave %s", scheme, want, got)
			}
			s.Close()
		}
	}
}

func TestScriptWithDelimiters(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		_, db, name := database(t, server, "CREATE TABLE t (id int PRIMARY KEY, s varchar(50))")
		session, err := db.Session(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		const text = `-- delimiter in a comment
INSERT INTO t VALUES (1, 'a;
delimiter b');
DELIMITER //
CREATE PROCEDURE p() BEGIN INSERT INTO t VALUES (2, '//'); INSERT INTO t VALUES (3, 'x'); END//
CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW BEGIN SET NEW.s = UPPER(NEW.s); END //
delimiter ;
CALL p(); /* end */`
		if err := session.Script(deadline(t), text); err != nil {
			t.Fatal(err)
		}
		got := server.Query(t, name, "SELECT GROUP_CONCAT(s ORDER BY id SEPARATOR '|') FROM t")[0][0]
		if want := "a;\ndelimiter b|//|X"; got != want {
			t.Errorf("the script left %q, want %q", got, want)
		}
		// Without the client's word the server finds the statements itself.
		if err := session.Script(deadline(t), "CREATE PROCEDURE q() BEGIN SELECT 1; SELECT 2; END; CALL q(); INSERT INTO t VALUES (9, 'i');"); err != nil {
			t.Error(err)
		}
		var failure *engine.ScriptError
		err = session.Script(deadline(t), "DELIMITER $$\nSELECT 1$$\nSELECT nothing$$\nINSERT INTO t VALUES (10, '')$$\n")
		if !errors.As(err, &failure) || failure.Offset != 24 {
			t.Errorf("script: %v, want the failing statement's place", err)
		}
	})
}
