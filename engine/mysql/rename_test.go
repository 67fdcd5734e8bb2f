package mysql_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/schema"
)

// furnished is a database with everything that RENAME TABLE does not take along.
func furnished(mark string) []string {
	return []string{
		"CREATE TABLE parent (id int PRIMARY KEY AUTO_INCREMENT, name varchar(50) CHARACTER SET latin1)",
		"CREATE TABLE child (id int PRIMARY KEY, parent_id int, CONSTRAINT fk FOREIGN KEY (parent_id) REFERENCES parent (id))",
		"CREATE TABLE `odd ``name.x` (id int PRIMARY KEY)",
		"CREATE TABLE log (at varchar(100))",
		"CREATE TABLE `größe` (id int PRIMARY KEY, CHECK (id > 0))",
		"INSERT INTO parent VALUES (1, '" + mark + "'), (7, 'größe')",
		"INSERT INTO child VALUES (1, 1)",
		"CREATE FUNCTION twice(n int) RETURNS int DETERMINISTIC RETURN n * 2",
		"CREATE VIEW b_view AS SELECT id, name, twice(id) AS t FROM parent",
		"CREATE VIEW a_view AS SELECT id, 'b_view.`x`' AS said FROM b_view",
		"CREATE PROCEDURE fill(IN n int) BEGIN DECLARE s varchar(20) DEFAULT 'it''s \\\\ ä'; INSERT INTO log VALUES (CONCAT(s, n)); END",
		"CREATE TRIGGER first_one BEFORE INSERT ON child FOR EACH ROW SET NEW.id = NEW.id + 1",
		"CREATE TRIGGER a_second BEFORE INSERT ON child FOR EACH ROW SET NEW.id = NEW.id * 2",
		"CREATE TRIGGER z_third BEFORE INSERT ON child FOR EACH ROW PRECEDES a_second SET NEW.id = NEW.id + 0",
		"SET NAMES latin1",
		"CREATE TRIGGER umlaut AFTER INSERT ON `gr\xf6\xdfe` FOR EACH ROW INSERT INTO log VALUES ('\xe4')",
		"SET NAMES utf8mb4",
		"SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT'",
		`CREATE TRIGGER "Quo.ted" AFTER INSERT ON /* ON x */ child FOR EACH ROW INSERT INTO log VALUES ('got ' || NEW.id)`,
		"SET sql_mode = DEFAULT",
		"CREATE EVENT ev ON SCHEDULE EVERY 1 YEAR STARTS '2037-01-01 00:00:00' DISABLE COMMENT 'c' DO INSERT INTO log VALUES ('ev')",
	}
}

// behaves checks that the code of a furnished database works where it is now.
func behaves(t *testing.T, server *testdb.Server, name, mark string) {
	t.Helper()
	server.Exec(t, name, "INSERT INTO child VALUES (4, 7)", "CALL fill(3)", "INSERT INTO `größe` VALUES (1)", "DELETE FROM `größe`")
	for query, want := range map[string]string{
		"SELECT GROUP_CONCAT(name ORDER BY id) FROM b_view": mark + ",größe",
		"SELECT MAX(t) FROM b_view":                         "14",
		"SELECT said FROM a_view LIMIT 1":                   "b_view.`x`",
		"SELECT MAX(id) FROM child":                         "10", // (4 + 1) * 2: the triggers fire in their order
		"SELECT GROUP_CONCAT(at ORDER BY HEX(at)) FROM log": `got 10,it's \ ä3,ä`,
	} {
		if got := server.Query(t, name, query); got[0][0] != want {
			t.Errorf("%s: %s gave %q, want %q", name, query, got[0][0], want)
		}
	}
	server.Exec(t, name, "DELETE FROM log", "DELETE FROM child WHERE id = 10")
}

func objectsOf(t *testing.T, s engine.Server, name string) []schema.Object {
	t.Helper()
	db, err := s.Open(deadline(t), name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	return inspect(t, db).Objects
}

func exists(t *testing.T, s engine.Server, name string) bool {
	t.Helper()
	_, err := s.Stat(deadline(t), name)
	if err != nil && !errors.Is(err, engine.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

// pair makes a live and a fresh database for a swap, and the name to set the live one aside under.
func pair(t *testing.T, server *testdb.Server) (s engine.Server, live, fresh, aside string) {
	t.Helper()
	live, _ = server.NewDatabase(t)
	fresh, _ = server.NewDatabase(t)
	aside, _ = server.NewDatabase(t)
	server.Exec(t, "", "DROP DATABASE "+aside, "ALTER DATABASE "+fresh+" CHARACTER SET latin1 COLLATE latin1_bin")
	server.Exec(t, live, furnished("old")...)
	server.Exec(t, fresh, furnished("new")...)
	server.Exec(t, fresh, "CREATE TABLE only_new (id int PRIMARY KEY)", "DROP VIEW a_view", "CREATE VIEW a_view AS SELECT 1 AS id, 'b_view.`x`' AS said")
	s = connectTo(t, server.URL(""))
	t.Cleanup(func() { s.Close() })
	return s, live, fresh, aside
}

func TestRenameTakesEverything(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		s, live, fresh, aside := pair(t, server)
		old, new := objectsOf(t, s, live), objectsOf(t, s, fresh)
		freshInfo, err := s.Stat(deadline(t), fresh)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.(engine.Renamer).Rename(deadline(t), engine.Move{From: live, To: aside}, engine.Move{From: fresh, To: live}); err != nil {
			t.Fatal(err)
		}
		if diff := schema.Diff(old, objectsOf(t, s, aside)); diff != nil {
			t.Errorf("what was set aside differs: %v", diff)
		}
		if diff := schema.Diff(new, objectsOf(t, s, live)); diff != nil {
			t.Errorf("what is live differs: %v", diff)
		}
		if exists(t, s, fresh) {
			t.Errorf("%s is still there", fresh)
		}
		info, err := s.Stat(deadline(t), live)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(freshInfo.Properties, info.Properties); diff != "" {
			t.Errorf("properties (-fresh +live):\n%s", diff)
		}
		behaves(t, server, live, "new")
		behaves(t, server, aside, "old")
	})
}

func TestRenameCycle(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		s, one, two, temporary := pair(t, server)
		err := s.(engine.Renamer).Rename(deadline(t), engine.Move{From: one, To: temporary}, engine.Move{From: two, To: one}, engine.Move{From: temporary, To: two})
		if err != nil {
			t.Fatal(err)
		}
		if exists(t, s, temporary) {
			t.Errorf("%s is still there", temporary)
		}
		behaves(t, server, one, "new")
		behaves(t, server, two, "old")
	})
}

// TestRenameGoesOn breaks a Rename at points all along its way, as a kill would, and calls it again.
func TestRenameGoesOn(t *testing.T) {
	const points = 24
	each(t, func(t *testing.T, server *testdb.Server) {
		const never = 1 << 30
		s, live, fresh, aside := pair(t, server)
		ctx := newCountdown(deadline(t), never)
		defer ctx.cancel()
		if err := s.(engine.Renamer).Rename(ctx, engine.Move{From: live, To: aside}, engine.Move{From: fresh, To: live}); err != nil {
			t.Fatal(err)
		}
		for i := range points {
			breakAt(t, server, 1+i*(never-int(ctx.left.Load()))/points)
		}
	})
}

func breakAt(t *testing.T, server *testdb.Server, step int) {
	t.Helper()
	s, live, fresh, aside := pair(t, server)
	old, new := objectsOf(t, s, live), objectsOf(t, s, fresh)
	moves := []engine.Move{{From: live, To: aside}, {From: fresh, To: live}}
	ctx := newCountdown(deadline(t), step)
	defer ctx.cancel()
	if err := s.(engine.Renamer).Rename(ctx, moves...); err == nil {
		return // it was quicker this time
	}
	s.Close()
	s = connectTo(t, server.URL(""))
	defer s.Close()
	if err := s.(engine.Renamer).Rename(deadline(t), moves...); err != nil && (!errors.Is(err, engine.ErrNotExist) || exists(t, s, fresh)) {
		t.Errorf("broken at step %d, called again: %v", step, err)
		return
	}
	if diff := schema.Diff(old, objectsOf(t, s, aside)); diff != nil {
		t.Errorf("broken at step %d: what was set aside differs: %v", step, diff)
	}
	if diff := schema.Diff(new, objectsOf(t, s, live)); diff != nil {
		t.Errorf("broken at step %d: what is live differs: %v", step, diff)
	}
	for _, name := range []string{live, aside} {
		if tables := server.Query(t, name, "SHOW TABLES LIKE '\\_\\_mulligan%'"); len(tables) > 0 {
			t.Errorf("broken at step %d: the journal is still in %s", step, name)
		}
	}
	server.Exec(t, "", "DROP DATABASE "+aside)
}

// countdown is a context that is cancelled when it was asked for its end often enough.
type countdown struct {
	context.Context
	cancel context.CancelFunc
	left   atomic.Int64 // database/sql asks from goroutines of its own too
}

func newCountdown(ctx context.Context, left int) *countdown {
	c := &countdown{}
	c.Context, c.cancel = context.WithCancel(ctx)
	c.left.Store(int64(left))
	return c
}

func (c *countdown) Done() <-chan struct{} {
	if c.left.Add(-1) <= 0 {
		c.cancel()
	}
	return c.Context.Done()
}

func TestRenameRefused(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		s, live, fresh, aside := pair(t, server)
		_, _, other := database(t, server, fmt.Sprintf("CREATE TABLE outside (id int PRIMARY KEY, p int, CONSTRAINT from_outside FOREIGN KEY (p) REFERENCES `%s`.parent (id))", live))
		server.Exec(t, live, watched()...)
		old := objectsOf(t, s, live)
		err := s.(engine.Renamer).Rename(deadline(t), engine.Move{From: live, To: aside})
		if err == nil || !strings.Contains(err.Error(), "from_outside") {
			t.Errorf("rename under a foreign key from outside: %v, want an error that names it", err)
		}
		server.Exec(t, other, "DROP TABLE outside")

		// A session that has another current database, but a transaction on a table, holds its metadata lock.
		holder := server.Open(t, "")
		tx, err := holder.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec("SELECT * FROM `" + live + "`.parent"); err != nil {
			t.Fatal(err)
		}
		stop := hammer(t, server, live, aside)
		err = s.(engine.Renamer).Rename(deadline(t), engine.Move{From: live, To: aside})
		stop()
		if !errors.Is(err, engine.ErrInUse) {
			t.Errorf("rename of a table that is locked: %v, want ErrInUse", err)
		}
		noted(t, server, live)
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		if diff := schema.Diff(old, objectsOf(t, s, live)); diff != nil {
			t.Errorf("a refused rename changed the database: %v", diff)
		}
		if exists(t, s, aside) || !exists(t, s, fresh) {
			t.Error("a refused rename left or took a database")
		}
		behaves(t, server, live, "old")
	})
}
