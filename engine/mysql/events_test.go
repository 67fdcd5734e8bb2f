package mysql_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testdb"
)

// eventsOf gives all that there is to know of a database's events, and how each stands.
func eventsOf(t *testing.T, server *testdb.Server, name string) (all [][]string, status string) {
	t.Helper()
	all = server.Query(t, name, `SELECT EVENT_NAME, STATUS, DEFINER, TIME_ZONE, EVENT_TYPE, EXECUTE_AT, INTERVAL_VALUE, INTERVAL_FIELD, SQL_MODE, STARTS, ENDS,
		ON_COMPLETION, EVENT_COMMENT, EVENT_DEFINITION, CREATED, CHARACTER_SET_CLIENT, COLLATION_CONNECTION
		FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE() ORDER BY EVENT_NAME`)
	var list []string
	for _, e := range all {
		list = append(list, e[0]+" "+e[1])
	}
	return all, strings.Replace(strings.Join(list, ", "), "REPLICA_SIDE", "SLAVESIDE", 1)
}

func ticks(t *testing.T, server *testdb.Server, name string) string {
	t.Helper()
	return server.Query(t, name, "SELECT COUNT(*) FROM log")[0][0]
}

// Events survive a rename with all that they are, and are silent where a run has set them aside.
func TestRenameEvents(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		t.Parallel() // each has its own server, and waits for seconds to pass
		before := server.Query(t, "", "SELECT @@event_scheduler")[0][0]
		server.Exec(t, "", "SET GLOBAL event_scheduler = ON")
		t.Cleanup(func() { server.Exec(t, "", "SET GLOBAL event_scheduler = "+before) })
		live, _ := server.NewDatabase(t)
		control, _ := server.NewDatabase(t)
		aside, again := live+"__mulligan_old_9f3a1c", live+"__mulligan_new_9f3a1c"
		for _, name := range []string{aside, again} {
			t.Cleanup(func() { server.DropDatabase(t, name) })
		}
		ticking := []string{"CREATE TABLE log (at datetime)", "CREATE EVENT `ti'ck` ON SCHEDULE EVERY 1 SECOND COMMENT 'DO ENABLE' DO INSERT INTO log VALUES (NOW())"}
		server.Exec(t, control, ticking...)
		server.Exec(t, live, slices.Concat(ticking, []string{
			"SET time_zone = '+03:00'",
			"CREATE DEFINER = 'root'@'localhost' EVENT later ON SCHEDULE AT '2037-01-01 00:00:00' ON COMPLETION PRESERVE DO INSERT INTO log VALUES (NULL)",
			"CREATE EVENT off ON SCHEDULE EVERY 3 DAY STARTS '2037-01-01 00:00:00' ENDS '2037-02-01 00:00:00' DISABLE COMMENT 'it''s off' DO INSERT INTO log VALUES (NULL)",
			"CREATE EVENT replica ON SCHEDULE EVERY 1 SECOND DISABLE ON SLAVE DO INSERT INTO log VALUES (NULL)",
			"SET timestamp = 1577836800",
			"CREATE EVENT expired ON SCHEDULE AT '2021-01-01 00:00:00' DISABLE DO INSERT INTO log VALUES (NULL)",
		})...)
		s := connectTo(t, server.URL(""))
		defer s.Close()
		ctx := deadline(t)
		wait := func(name string, times int) { // until an event there has fired
			t.Helper()
			for last := ticks(t, server, name); times > 0; {
				if now := ticks(t, server, name); now != last {
					times, last = times-1, now
				}
				if ctx.Err() != nil {
					t.Fatalf("no event of %s fires", name)
				}
			}
		}
		wait(live, 1)
		want, status := eventsOf(t, server, live)
		if status != "expired DISABLED, later ENABLED, off DISABLED, replica SLAVESIDE_DISABLED, ti'ck ENABLED" {
			t.Fatalf("the test's events: %s", status)
		}
		for _, m := range []engine.Move{{From: live, To: aside}, {From: aside, To: again}} {
			if err := s.(engine.Renamer).Rename(deadline(t), m); err != nil {
				t.Fatal(err)
			}
			if m.To == aside {
				rows := ticks(t, server, aside)
				wait(control, 2)
				if now := ticks(t, server, aside); now != rows {
					t.Errorf("an event that is set aside has fired: %s rows, were %s", now, rows)
				}
			}
			if _, status := eventsOf(t, server, m.To); status != "expired DISABLED, later DISABLED, off DISABLED, replica SLAVESIDE_DISABLED, ti'ck DISABLED" {
				t.Errorf("set aside: %s", status)
			}
		}
		if err := s.(engine.Renamer).Rename(deadline(t), engine.Move{From: again, To: live}); err != nil {
			t.Fatal(err)
		}
		got, _ := eventsOf(t, server, live)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-before +after):\n%s", diff)
		}
		if tables := server.Query(t, live, "SHOW TABLES"); len(tables) != 1 {
			t.Errorf("tables %v, want log alone", tables)
		}
	})
}
