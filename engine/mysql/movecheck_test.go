package mysql_test

import (
	"errors"
	"strings"
	"testing"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/schema"
)

// says checks that an error names all that it should.
func says(t *testing.T, err error, wants ...string) {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
}

func TestCheckMoveFindsNothingOnWhatCanBeMoved(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		s, live, fresh, aside := pair(t, server)
		probe, _ := server.NewDatabase(t)
		old := objectsOf(t, s, live)
		if err := s.(engine.MoveChecker).CheckMove(deadline(t), live, probe); err != nil {
			t.Error(err)
		}
		if diff := schema.Diff(old, objectsOf(t, s, live)); diff != nil {
			t.Errorf("the check changed the database: %v", diff)
		}
		if !exists(t, s, fresh) || exists(t, s, aside) {
			t.Error("the check made or took a database")
		}
		behaves(t, server, live, "old")
	})
}

func TestCheckMoveGivesAllReasons(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		s, _, live, _ := pair(t, server)
		probe, _ := server.NewDatabase(t)
		server.Exec(t, live, "CREATE TABLE gone (id int, late int)", "CREATE VIEW broken AS SELECT late FROM gone",
			"CREATE TRIGGER stale BEFORE INSERT ON gone FOR EACH ROW SET NEW.late = 1", "ALTER TABLE gone DROP COLUMN late")
		_, _, other := database(t, server, "CREATE TABLE outside (id int PRIMARY KEY, p int, CONSTRAINT from_outside FOREIGN KEY (p) REFERENCES `"+live+"`.parent (id), "+
			"CONSTRAINT another FOREIGN KEY (id) REFERENCES `"+live+"`.child (id))")
		t.Cleanup(func() { server.Exec(t, other, "DROP TABLE outside") })
		err := s.(engine.MoveChecker).CheckMove(deadline(t), live, "")
		says(t, err, "foreign key from_outside of table "+other+".outside, which stays, points to table "+live+".parent", "another")
		err = s.(engine.MoveChecker).CheckMove(deadline(t), live, probe)
		says(t, err, "from_outside", "another", "view broken", "trigger stale")
	})
}

// An account that may make everything, but not for others.
func TestCheckMoveTriesDefiners(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		live, _ := server.NewDatabase(t)
		probe := live + "_probe"
		server.Exec(t, "", "CREATE DATABASE "+probe)
		t.Cleanup(func() { server.DropDatabase(t, probe) })
		user := server.NewUser(t, "ALL ON `"+live+"%`.*")
		server.Exec(t, live, "CREATE TABLE base (id int PRIMARY KEY)", "CREATE VIEW seen AS SELECT id FROM base",
			"CREATE TRIGGER fired BEFORE INSERT ON base FOR EACH ROW SET NEW.id = NEW.id",
			"CREATE PROCEDURE called() SELECT 1", "CREATE EVENT timed ON SCHEDULE AT '2037-01-01 00:00:00' DO SELECT 1",
			"CREATE DEFINER = "+server.SQL(user)+" VIEW own AS SELECT id FROM base",
			"CREATE DEFINER = "+server.SQL(user)+" FUNCTION counted() RETURNS int DETERMINISTIC RETURN 1")
		s := connectTo(t, server.URLAs(user, ""))
		defer s.Close()
		err := s.(engine.MoveChecker).CheckMove(deadline(t), live, probe)
		// A procedure of another account cannot even be read. A function and a trigger take SUPER where there is a binary log.
		says(t, err, "view seen", "trigger fired", "procedure called", "event timed", "function counted")
		if !errors.Is(err, engine.ErrDenied) || strings.Contains(err.Error(), "view own") {
			t.Errorf("%v; want ErrDenied, and nothing about the view of its own", err)
		}
		says(t, s.(engine.MoveChecker).CheckMove(deadline(t), live, ""), "procedure called", "hides it")
	})
}

// What an unfinished Rename has begun is ended by its own moves alone.
func TestCheckMoveKnowsUnfinishedRenames(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		s, live, fresh, aside := pair(t, server)
		server.Exec(t, live, "CREATE TABLE __mulligan_ddl (kind varchar(20), body longblob)",
			`INSERT INTO __mulligan_ddl VALUES ('=moves', '{"Moves": [{"From": "`+live+`", "To": "`+aside+`"}, {"From": "`+fresh+`", "To": "`+live+`"}]}')`)
		for _, name := range []string{live, fresh} {
			says(t, s.(engine.MoveChecker).CheckMove(deadline(t), name, ""), "unfinished")
		}
	})
}
