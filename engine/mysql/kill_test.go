package mysql

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/schema"
)

// TestRenameAfterKill leaves a Rename undone at the ends of its steps, without the cleanup that an error has,
// and calls it again on a new connection; or settles it, which is what somebody does who wants other moves.
func TestRenameAfterKill(t *testing.T) {
	for family, server := range map[string]*testdb.Server{"MariaDB": testdb.MariaDB(t), "MySQL": testdb.MySQL(t)} {
		for _, stop := range []string{"captured", "hidden", "triggers gone", "moved", "old removed", "triggers made", "shown", "events noted"} {
			t.Run(family+"/"+stop, func(t *testing.T) { renameAfterKill(t, server, stop, false) })
			t.Run(family+"/"+stop+", settled", func(t *testing.T) { renameAfterKill(t, server, stop, true) })
		}
	}
}

func renameAfterKill(t *testing.T, server *testdb.Server, stop string, settle bool) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	u, err := engine.ParseURL(server.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	opened, err := Connect(ctx, u)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	s := opened.(*Server)
	live, _ := server.NewDatabase(t)
	fresh, _ := server.NewDatabase(t)
	aside := live + "__mulligan_old_1"
	t.Cleanup(func() { server.DropDatabase(t, aside) })
	for name, table := range map[string]string{live: "was_old", fresh: "was_new"} {
		server.Exec(t, name, "CREATE TABLE same (id int PRIMARY KEY)", "CREATE TABLE "+table+" (id int PRIMARY KEY)",
			"CREATE VIEW v AS SELECT id AS "+table+" FROM same", "CREATE TRIGGER tr BEFORE INSERT ON same FOR EACH ROW INSERT INTO "+table+" VALUES (NEW.id)",
			"CREATE EVENT "+table+"_event ON SCHEDULE EVERY 1 YEAR STARTS '2037-01-01' DO INSERT INTO same VALUES (1)")
	}
	look := func(name string) []schema.Object {
		db, err := s.Open(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		found, err := db.Inspect(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return found.Objects
	}
	old, new := look(live), look(fresh)
	moves := []engine.Move{{From: live, To: aside}, {From: fresh, To: live}}
	r := &renaming{server: s, moves: moves}
	err = errors.Join(r.plan(), r.begin(ctx), r.check(ctx), r.capture(ctx))
	switch stop {
	case "hidden":
		err = errors.Join(err, r.hide(ctx))
	case "triggers gone":
		err = errors.Join(err, r.hide(ctx), r.dropTriggers(ctx))
	case "moved":
		err = errors.Join(err, r.moveTables(ctx))
	case "old removed":
		err = errors.Join(err, r.moveTables(ctx), r.removeOld(ctx, aside))
	case "triggers made":
		err = errors.Join(err, r.moveTables(ctx), r.removeOld(ctx, aside), r.remakeAll(ctx, r.only(isTrigger)))
	case "shown":
		err = errors.Join(err, r.moveTables(ctx), r.removeOld(ctx, aside), r.remakeAll(ctx, r.only(isTrigger)), r.show(ctx, true))
	case "events noted":
		err = errors.Join(err, r.moveTables(ctx), r.removeOld(ctx, aside), r.remakeAll(ctx, r.only(isTrigger)), r.show(ctx, true), r.keepPaused(ctx))
	}
	if err := errors.Join(err, r.end()); err != nil {
		t.Fatal(err)
	}
	bare := server.Query(t, "", "SELECT TABLE_SCHEMA FROM information_schema.TABLES t WHERE TABLE_NAME = 'same' AND TABLE_SCHEMA IN ('"+live+"', '"+fresh+"', '"+aside+`')
		AND NOT EXISTS (SELECT 1 FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = t.TABLE_SCHEMA AND EVENT_OBJECT_TABLE = 'same')`)
	if len(bare) > 0 {
		t.Errorf("a table has its name and lacks its trigger in %v", bare)
	}
	if err := s.Rename(ctx, engine.Move{From: live, To: "elsewhere"}); err == nil {
		t.Error("other moves were begun while a rename was unfinished")
	}
	if settle {
		if err := s.Settle(ctx, "another", live); err != nil {
			t.Fatal(err)
		}
		if slices.Contains([]string{"captured", "hidden", "triggers gone"}, stop) { // it is taken back
			if diff := append(schema.Diff(old, look(live)), schema.Diff(new, look(fresh))...); len(diff) > 0 {
				t.Errorf("what was taken back differs: %v", diff)
			}
			return
		}
	} else if err := s.Rename(ctx, moves...); err != nil {
		t.Fatal(err)
	}
	if got := server.Query(t, aside, "SELECT EVENT_NAME, STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE()"); got[0][0] != "was_old_event" || got[0][1] != "DISABLED" {
		t.Errorf("the set-aside database has the events %v", got)
	}
	if diff := schema.Diff(new, look(live)); diff != nil {
		t.Errorf("what is live differs: %v", diff)
	}
	if _, err := s.Stat(ctx, fresh); !errors.Is(err, engine.ErrNotExist) {
		t.Errorf("%s: %v, want ErrNotExist", fresh, err)
	}
	if err := s.Rename(ctx, engine.Move{From: live, To: fresh}, engine.Move{From: aside, To: live}); err != nil {
		t.Fatal(err)
	}
	if diff := schema.Diff(old, look(live)); diff != nil {
		t.Errorf("what was set aside and has come back differs: %v", diff)
	}
	if diff := schema.Diff(new, look(fresh)); diff != nil {
		t.Errorf("what was live differs: %v", diff)
	}
}
