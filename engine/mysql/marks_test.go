package mysql_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/schema"
)

func marksOf(t testing.TB, db engine.DB) map[string]string {
	t.Helper()
	s := inspect(t, db)
	var list []*schema.Table
	for i := range s.Tables {
		list = append(list, &s.Tables[i])
	}
	marks, err := db.(engine.Marker).Marks(deadline(t), list)
	if err != nil {
		t.Fatalf("marks: %v", err)
	}
	byName := map[string]string{}
	for n, mark := range marks {
		byName[n.Table] = mark
	}
	return byName
}

// awaitMarks asks until the tables have marks.
func awaitMarks(t testing.TB, db engine.DB, tables ...string) map[string]string {
	t.Helper()
	ctx := deadline(t)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		marks := marksOf(t, db)
		if !slices.ContainsFunc(tables, func(n string) bool { return marks[n] == "" }) {
			return marks
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("tables %v have only the marks %v", tables, marks)
		}
	}
}

// Two transactions begin in one second, and change one table. MariaDB gives both changes the same time, however far apart the commits
// are: were there a mark between them, it would be equal after the second.
func TestMarksOfTransactionsOfOneSecond(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		t.Parallel()
		_, db, name := database(t, server, "CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE quiet (id int PRIMARY KEY)", "INSERT INTO quiet VALUES (1)")
		pool := server.Open(t, name)
		first, second := begin(t, pool, 1), begin(t, pool, 2)
		for i := 3; !sameSecond(t, server, first, second); i += 2 {
			first.commit(t)
			second.commit(t)
			first, second = begin(t, pool, i), begin(t, pool, i+1)
		}
		first.commit(t)
		of := " FROM information_schema.TABLES WHERE TABLE_NAME = 't' AND TABLE_SCHEMA = '" + name + "'"
		ask := func(what string) (answer string) { // of our own session: others see what MySQL has cached
			if err := db.QueryRowContext(deadline(t), "SELECT "+what+of).Scan(&answer); err != nil {
				t.Fatal(err)
			}
			return answer
		}
		for ask("COALESCE(UPDATE_TIME <= NOW() - INTERVAL 2 SECOND, 0)") != "1" {
		}
		changed := func() string { return ask("UPDATE_TIME") }
		before, time := marksOf(t, db), changed()
		second.commit(t)
		after := marksOf(t, db)
		if before["t"] != "" && before["t"] == after["t"] {
			t.Errorf("the mark is %q before the second commit and after it", before["t"])
		}
		if server.Family == testdb.FamilyMariaDB && (before["t"] != "" || after["t"] == "" || changed() != time) {
			t.Errorf("mark %q, times %s and %s: MariaDB is not as it was measured", before["t"], time, changed())
		}
	})
}

// writer is a transaction that has added a row.
type writer struct {
	tx *sql.Tx
	id int64 // of its connection
}

func begin(t *testing.T, pool *sql.DB, row int) (w writer) {
	t.Helper()
	tx, err := pool.BeginTx(deadline(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	w.tx = tx
	if _, err := tx.ExecContext(deadline(t), fmt.Sprintf("INSERT INTO t VALUES (%d)", row)); err != nil {
		t.Fatal(err)
	}
	if err := tx.QueryRowContext(deadline(t), "SELECT CONNECTION_ID()").Scan(&w.id); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w writer) commit(t *testing.T) {
	t.Helper()
	if err := w.tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// sameSecond asks InnoDB, which makes its list anew when nobody has asked for 0.1 s, when both began.
func sameSecond(t *testing.T, server *testdb.Server, a, b writer) bool {
	t.Helper()
	tick := time.NewTicker(150 * time.Millisecond)
	defer tick.Stop()
	for {
		got := server.Query(t, "", fmt.Sprintf(`SELECT COUNT(DISTINCT trx_started), COUNT(*) FROM information_schema.INNODB_TRX
			WHERE trx_mysql_thread_id IN (%d, %d)`, a.id, b.id))[0]
		if got[1] == "2" {
			return got[0] == "1"
		}
		<-tick.C
	}
}

// The server's list of transactions grows old while somebody asks for it all the time. An old list proves nothing.
func TestMarksBesideMonitor(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		t.Parallel()
		_, db, name := database(t, server, "CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
		pool := server.Open(t, name)
		const list = "SELECT COUNT(*) FROM information_schema.INNODB_TRX"
		ctx, stop := context.WithCancel(deadline(t))
		var monitors sync.WaitGroup
		for range 3 {
			monitors.Go(func() {
				var n int
				for pool.QueryRowContext(ctx, list).Scan(&n) == nil {
				}
			})
		}
		for ask := "SELECT COALESCE(UPDATE_TIME <= NOW() - INTERVAL 2 SECOND, 0) FROM information_schema.TABLES WHERE TABLE_NAME = 't' AND TABLE_SCHEMA = DATABASE()"; ; {
			var old bool
			if err := db.QueryRowContext(deadline(t), ask).Scan(&old); err != nil {
				t.Fatal(err)
			}
			if old {
				break
			}
		}
		for len(marksOf(t, db)) > 0 && ctx.Err() == nil {
		} // where all of them paused for a moment, there may be some
		if ctx.Err() != nil {
			t.Error("there are always marks, whatever the age of the list")
		}
		stop()
		monitors.Wait()
		awaitMarks(t, db, "t")
	})
}

func TestMarksOfSomeTables(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		t.Parallel()
		_, db, name := database(t, server,
			"CREATE TABLE `Order.Items` (id int)", "CREATE TABLE `漢字 _9` (id int)", "CREATE TABLE `größe` (id int)", "CREATE TABLE never (id int)",
			"CREATE TABLE m (id int) ENGINE=MyISAM", "CREATE TABLE swapped (id int)", "CREATE TABLE twin (id int)", "CREATE TABLE turned (a int, b int)",
			"INSERT INTO `Order.Items` VALUES (1)", "INSERT INTO `漢字 _9` VALUES (1)", "INSERT INTO `größe` VALUES (1)", "INSERT INTO m VALUES (1)",
			"INSERT INTO swapped VALUES (1)", "INSERT INTO twin VALUES (2)", "INSERT INTO turned VALUES (1, 2)")
		before := awaitMarks(t, db, "Order.Items", "漢字 _9", "swapped", "twin", "turned")
		if diff := cmp.Diff([]string{"Order.Items", "swapped", "turned", "twin", "漢字 _9"}, slices.Sorted(maps.Keys(before))); diff != "" {
			t.Errorf("tables with marks (-want +got):\n%s", diff)
		}
		user := server.NewUser(t, "ALL ON `"+name+"`.*")
		s := connectTo(t, server.URLAs(user, ""))
		defer s.Close()
		if marks := marksOf(t, open(t, s, name)); len(marks) > 0 {
			t.Errorf("without the PROCESS privilege: %v", marks)
		}
		importTable(t, server, name, "twin", "swapped")
		server.Exec(t, name, "ALTER TABLE turned RENAME COLUMN a TO c, RENAME COLUMN b TO a", "ALTER TABLE turned RENAME COLUMN c TO b")
		after := marksOf(t, db)
		for _, table := range []string{"swapped", "turned"} {
			if after[table] == before[table] {
				t.Errorf("table %s has other rows and still the mark %q", table, before[table])
			}
		}
		if after["twin"] != before["twin"] {
			t.Errorf("an exported table has the mark %q, and had %q", after["twin"], before["twin"])
		}
	})
}

// importTable puts the file of one table in place of another's.
func importTable(t *testing.T, server *testdb.Server, name, from, to string) {
	t.Helper()
	folder := filepath.Join(server.Query(t, "", "SELECT @@datadir")[0][0], name)
	conn, err := server.Open(t, name).Conn(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	exec := func(text string) {
		t.Helper()
		if _, err := conn.ExecContext(deadline(t), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	exec("FLUSH TABLES " + from + " FOR EXPORT")
	content, err := os.ReadFile(filepath.Join(folder, from+".ibd"))
	if err != nil {
		t.Fatal(err)
	}
	exec("UNLOCK TABLES")
	exec("ALTER TABLE " + to + " DISCARD TABLESPACE")
	if err := os.WriteFile(filepath.Join(folder, to+".ibd"), content, 0o666); err != nil {
		t.Fatal(err)
	}
	exec("ALTER TABLE " + to + " IMPORT TABLESPACE")
}

func TestFenceIsDenied(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		_, _, name := database(t, server, "CREATE TABLE t (id int)")
		user := server.NewUser(t, "SELECT ON `"+name+"`.*")
		s := connectTo(t, server.URLAs(user, ""))
		defer s.Close()
		db := open(t, s, name)
		if _, err := db.(engine.Fencer).Fence(deadline(t), []*schema.Table{tableOf(t, db, "t")}); !errors.Is(err, engine.ErrDenied) {
			t.Errorf("fence: %v, want ErrDenied", err)
		}
	})
}
