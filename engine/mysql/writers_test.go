package mysql_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	driver "github.com/go-sql-driver/mysql"

	"mulligan/engine"
	"mulligan/internal/testdb"
)

// watched are tables whose triggers note every row.
func watched() []string {
	list := []string{"CREATE TABLE notes (place varchar(10), id bigint)", "CREATE FUNCTION same(n bigint) RETURNS bigint DETERMINISTIC RETURN n"}
	for _, name := range []string{"one", "two", "three"} {
		list = append(list, "CREATE TABLE "+name+" (id bigint PRIMARY KEY AUTO_INCREMENT)",
			"CREATE TRIGGER note_"+name+" AFTER INSERT ON "+name+" FOR EACH ROW INSERT INTO notes VALUES ('"+name+"', same(NEW.id))")
	}
	return list
}

// hammer lets several connections, none of which has a current database, write into watched tables of all of the databases
// until stop, whether they find them or not.
func hammer(t *testing.T, server *testdb.Server, names ...string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var writers sync.WaitGroup
	for _, table := range []string{"one", "two", "three"} {
		for _, name := range names {
			pool := server.Open(t, "")
			statement := fmt.Sprintf("INSERT INTO `%s`.%s VALUES ()", name, table)
			writers.Go(func() {
				for ctx.Err() == nil {
					_, err := pool.Exec(statement)
					if fault := (*driver.MySQLError)(nil); errors.As(err, &fault) && slices.Contains([]uint16{1049, 1146}, fault.Number) {
						continue // the database or the table is not there
					}
					if err != nil {
						t.Errorf("%s: %v", statement, err)
						return
					}
				}
			})
		}
	}
	return func() {
		cancel()
		writers.Wait()
	}
}

// noted checks that each row of the watched tables was noted once.
func noted(t *testing.T, server *testdb.Server, name string) {
	t.Helper()
	for _, table := range []string{"one", "two", "three"} {
		got := server.Query(t, name, "SELECT (SELECT COUNT(*) FROM "+table+"), COUNT(*), COUNT(DISTINCT id) FROM notes WHERE place = '"+table+"'")[0]
		if got[0] == "0" || got[0] != got[1] || got[0] != got[2] {
			t.Errorf("table %s has %s rows, its trigger noted %s, %s of them different", table, got[0], got[1], got[2])
		}
	}
}

// A writer that has no current database is not seen. It may find a table or not, but never one without its triggers.
func TestRenameUnderWriters(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		live, _ := server.NewDatabase(t)
		server.Exec(t, live, watched()...)
		s := connectTo(t, server.URL(""))
		defer s.Close()
		aside := live + "_aside"
		t.Cleanup(func() { server.DropDatabase(t, aside) })
		stop := hammer(t, server, live, aside)
		for range 3 {
			for _, m := range []engine.Move{{From: live, To: aside}, {From: aside, To: live}} {
				if err := s.(engine.Renamer).Rename(deadline(t), m); err != nil {
					stop()
					t.Fatal(err)
				}
			}
		}
		stop()
		noted(t, server, live)
	})
}
