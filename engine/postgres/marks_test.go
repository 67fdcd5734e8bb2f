package postgres_test

import (
	"syscall"
	"testing"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/schema"
)

// marksNow gives the marks of all tables, as one who comes after everybody has left.
func marksNow(t testing.TB, address, name string) map[string]string {
	t.Helper()
	s := connect(t, address)
	defer s.Close()
	for ctx := limit(t); ; {
		info, err := s.Stat(ctx, name)
		if err != nil {
			t.Fatalf("stat: %v", err)
		}
		if info.Sessions == 0 {
			break
		}
	}
	db, err := s.Open(limit(t), name)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer db.Close()
	marks, err := db.(engine.Marker).Marks(limit(t), tablesOf(inspectDB(t, db)))
	if err != nil {
		t.Fatalf("marks: %v", err)
	}
	byName := map[string]string{}
	for n, mark := range marks {
		byName[n.Table] = mark
	}
	return byName
}

// writeIn runs a script in a session that then ends.
func writeIn(t testing.TB, server *testdb.Server, name string, statements ...string) {
	t.Helper()
	db := server.Open(t, name)
	defer db.Close()
	for _, s := range statements {
		if _, err := db.ExecContext(limit(t), s); err != nil {
			t.Fatalf("exec %s: %v", s, err)
		}
	}
}

// What throws the counters away must show: each time as many rows are written afterwards as had been counted before.
func TestMarksAfterLossOfCounters(t *testing.T) {
	server := testdb.NewPostgres(t, "-c", "max_prepared_transactions=2")
	name, address := server.NewDatabase(t)
	for what, lose := range map[string]func(t *testing.T){
		"reset": func(t *testing.T) { writeIn(t, server, name, "SELECT pg_stat_reset()") },
		"single": func(t *testing.T) {
			writeIn(t, server, name, "SELECT pg_stat_reset_single_table_counters('thing'::regclass)")
		},
		"crash": func(t *testing.T) {
			db := server.Open(t, name)
			defer db.Close()
			conn, err := db.Conn(limit(t))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			var pid int
			if err := conn.QueryRowContext(limit(t), "SELECT pg_backend_pid()").Scan(&pid); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			// The server goes on when it has recovered; until then it takes no one, or still takes and then ends them.
			for ctx := limit(t); ctx.Err() == nil; {
				var n int64
				err := db.QueryRowContext(ctx, "SELECT pg_stat_get_tuples_inserted('thing'::regclass)").Scan(&n)
				if err == nil && n == 0 {
					return
				}
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			writeIn(t, server, name, "DROP TABLE IF EXISTS thing", "CREATE TABLE thing (id int)", "INSERT INTO thing VALUES (1)")
			before := marksNow(t, address, name)
			lose(t)
			writeIn(t, server, name, "INSERT INTO thing VALUES (2)")
			after := marksNow(t, address, name)
			if n := server.Query(t, name, "SELECT pg_stat_get_tuples_inserted('thing'::regclass)")[0][0]; n != "1" {
				t.Errorf("%s rows are counted: the counters were not lost", n)
			}
			if before["thing"] == "" || before["thing"] == after["thing"] {
				t.Errorf("mark %q, and with other rows %q", before["thing"], after["thing"])
			}
		})
	}
	t.Run("restart", func(t *testing.T) {
		before := marksNow(t, address, name)
		server.Stop(t)
		server.Start(t)
		if after := marksNow(t, address, name); before["thing"] == "" || before["thing"] == after["thing"] {
			t.Errorf("mark %q, and after a restart %q", before["thing"], after["thing"])
		}
	})
	t.Run("prepared", func(t *testing.T) {
		writeIn(t, server, name, "BEGIN; INSERT INTO thing VALUES (3); PREPARE TRANSACTION 'three'")
		before := marksNow(t, address, name)
		writeIn(t, server, name, "COMMIT PREPARED 'three'")
		if after := marksNow(t, address, name); before["thing"] == "" || before["thing"] == after["thing"] {
			t.Errorf("mark %q, and after a prepared transaction %q", before["thing"], after["thing"])
		}
	})
}

func TestMarksShowWhatChangesRows(t *testing.T) {
	server := testdb.Postgres(t)
	name, address := server.NewDatabase(t)
	changes := map[string]struct{ made, change string }{
		"copied":   {"CREATE TABLE copied (id int)", "COPY copied FROM PROGRAM 'echo 5'"},
		"unlogged": {"CREATE UNLOGGED TABLE unlogged (id int)", "INSERT INTO unlogged VALUES (1)"},
		"cut":      {"CREATE TABLE cut (id int); INSERT INTO cut VALUES (1)", "BEGIN; TRUNCATE cut; INSERT INTO cut VALUES (2); COMMIT"},
		"child":    {"CREATE TABLE child (id int); CREATE TABLE grandchild () INHERITS (child)", "INSERT INTO grandchild VALUES (1)"},
		"direct":   {"CREATE TABLE direct (id int) PARTITION BY LIST (id); CREATE TABLE direct1 PARTITION OF direct FOR VALUES IN (1)", "INSERT INTO direct1 VALUES (1)"},
		"attached": {"CREATE TABLE attached (id int) PARTITION BY LIST (id); CREATE TABLE attached1 (id int); INSERT INTO attached1 VALUES (1)",
			"ALTER TABLE attached ATTACH PARTITION attached1 FOR VALUES IN (1)"},
		"wider":    {"CREATE TABLE wider (id int); INSERT INTO wider VALUES (1)", "ALTER TABLE wider ADD COLUMN more int DEFAULT 5"},
		"narrower": {"CREATE TABLE narrower (id int, more int); INSERT INTO narrower VALUES (1, 2)", "ALTER TABLE narrower DROP COLUMN more; ALTER TABLE narrower ADD COLUMN more int"},
		"zoned":    {"CREATE TABLE zoned (at timestamp); INSERT INTO zoned VALUES (now())", "SET timezone = 'UTC'; ALTER TABLE zoned ALTER at TYPE timestamptz"},
		"labelled": {"CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN moody AS mood[]; CREATE TABLE labelled (m moody); INSERT INTO labelled VALUES ('{sad}')",
			"ALTER TYPE mood RENAME VALUE 'sad' TO 'glum'"},
		"merged": {"CREATE TABLE merged (id int PRIMARY KEY, n int); INSERT INTO merged VALUES (1, 1)",
			"INSERT INTO merged VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET n = EXCLUDED.n"},
	}
	for _, c := range changes {
		writeIn(t, server, name, c.made)
	}
	writeIn(t, server, name, "CREATE TABLE quiet (id int, t text[]); INSERT INTO quiet VALUES (1, '{a}')")
	before := marksNow(t, address, name)
	for _, c := range changes {
		writeIn(t, server, name, c.change)
	}
	writeIn(t, server, name, "VACUUM FREEZE quiet", "ANALYZE quiet", "CREATE INDEX ON quiet (id)")
	after := marksNow(t, address, name)
	for table := range changes {
		if before[table] == "" || before[table] == after[table] {
			t.Errorf("table %s: mark %q, and after a change %q", table, before[table], after[table])
		}
	}
	if before["quiet"] == "" || before["quiet"] != after["quiet"] {
		t.Errorf("quiet table: mark %q, and after nothing %q", before["quiet"], after["quiet"])
	}
}

func TestNoMarksInDoubt(t *testing.T) {
	server := testdb.Postgres(t)
	name, address := server.NewDatabase(t)
	writeIn(t, server, name, "CREATE TABLE sure (id int)", "CREATE TABLE named (r regclass[])", "CREATE DOMAIN who AS regrole; CREATE TABLE owned (w who)",
		"CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER far FOREIGN DATA WRAPPER nowhere; CREATE FOREIGN TABLE afar (id int) SERVER far",
		"CREATE TABLE partly (id int) PARTITION BY LIST (id); CREATE FOREIGN TABLE partly1 PARTITION OF partly FOR VALUES IN (1) SERVER far")
	marks := marksNow(t, address, name)
	for table, want := range map[string]bool{"sure": true, "named": false, "owned": false, "afar": false, "partly": false} {
		if _, got := marks[table]; got != want {
			t.Errorf("table %s has a mark: %t, want %t", table, got, want)
		}
	}
	for _, off := range []string{
		`ALTER DATABASE ` + server.Quote(name) + ` SET track_counts = off`,
		`ALTER DATABASE ` + server.Quote(name) + ` RESET track_counts; CREATE FUNCTION silent() RETURNS void LANGUAGE sql SET track_counts = off AS 'SELECT'`,
	} {
		writeIn(t, server, name, off)
		if marks := marksNow(t, address, name); len(marks) > 0 {
			t.Errorf("%.40s…: marks %v", off, marks)
		}
	}
}

// A writer that holds one table, and goes for another that the fence has already, must get through, and the fence after it.
func TestFenceBesideDeadlock(t *testing.T) {
	db := newDB(t, "CREATE TABLE one (id int); CREATE TABLE two (id int)")
	writer, err := db.Session(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	execIn(t, writer, "BEGIN", "INSERT INTO two VALUES (1)")
	s := inspectDB(t, db)
	held := make(chan error, 1)
	go func() {
		release, err := db.(engine.Fencer).Fence(limit(t), []*schema.Table{s.Table(schema.Name{Schema: "public", Table: "one"}), s.Table(schema.Name{Schema: "public", Table: "two"})})
		if err == nil {
			err = release()
		}
		held <- err
	}()
	const waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'two'::regclass AND mode = 'ExclusiveLock' AND NOT granted"
	for scalar[int64](t, db, waiting) == 0 {
	}
	execIn(t, writer, "INSERT INTO one VALUES (1)", "COMMIT")
	if err := <-held; err != nil {
		t.Errorf("fence: %v", err)
	}
}

// A session that is still there can have written what no mark shows: the database is quiet when all others have left it.
func TestQuietWhenOthersHaveLeft(t *testing.T) {
	server := testdb.Postgres(t)
	name, address := server.NewDatabase(t)
	writeIn(t, server, name, "CREATE TABLE thing (id int)")
	db := openDB(t, address, name)
	ctx := limit(t)
	quiet := func() bool {
		t.Helper()
		is, err := db.(engine.Marker).Quiet(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	other := server.Open(t, name)
	if _, err := other.ExecContext(limit(t), "INSERT INTO thing VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	if quiet() {
		t.Error("a session that has just written is there, and the database is called quiet")
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	for !quiet() { // until the server has ended it, or ctx ends
	}
}
