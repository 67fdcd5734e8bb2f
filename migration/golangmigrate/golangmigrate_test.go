package golangmigrate_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/migration/golangmigrate"
	"mulligan/migration/migrationtest"
	"mulligan/schema"
)

func TestMain(m *testing.M) { testdb.Main(m) }

func TestLedger(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		migrationtest.Test(t, migrationtest.Config{
			Tool:      "golang-migrate",
			Open:      func(t testing.TB) engine.DB { return open(t).DB },
			Ledger:    func(table schema.Name) migration.Ledger { return golangmigrate.New("", table).Ledger },
			Files:     []migration.Migration{{ID: "1"}, {ID: "2"}, {ID: "20240101000000"}, {ID: "9223372036854775807"}},
			OneNumber: true,
			Renamed:   true,
		})
	})
}

func TestReplay(t *testing.T) {
	program := migrationtest.Program(t, "golang-migrate")
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		family := open(t).Family()
		dir := migrationtest.Example(t, "golang-migrate", migrationtest.Folder(family))
		migrationtest.Replay(t, open, golangmigrate.New(dir, schema.Name{}), nil, func(t *testing.T, db testengine.Database) {
			if out, err := migrationtest.Run(t, program, "-path", dir, "-database", address(db.URL), "up"); err != nil {
				t.Fatalf("migrate up: %v\n%s", err, out)
			}
		})
	})
}

// address is a url as golang-migrate wants it.
func address(u engine.URL) string {
	password, _ := u.Password()
	switch u.Family() {
	case engine.Postgres:
		return u.Reveal()
	case engine.SQLite:
		return "sqlite://" + u.Database()
	default:
		return "mysql://" + url.UserPassword(u.User(), password).String() + "@tcp(" + u.Host() + ")/" + u.Database()
	}
}

func TestFailure(t *testing.T) {
	program := migrationtest.Program(t, "golang-migrate")
	dir := migrationtest.Write(t,
		"1_a.up.sql", "CREATE TABLE a (id integer PRIMARY KEY);",
		"2_b.up.sql", "CREATE TABLE b (id integer PRIMARY KEY);\nCREATE TABLE a (id integer PRIMARY KEY);",
		"3_c.up.sql", "CREATE TABLE c (id integer PRIMARY KEY);")
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		tool := golangmigrate.New(dir, schema.Name{})
		migrationtest.Failure(t, open, tool, nil, func(t *testing.T, db testengine.Database) {
			if out, err := migrationtest.Run(t, program, "-path", dir, "-database", address(db.URL), "up"); err == nil {
				t.Fatalf("migrate up succeeded:\n%s", out)
			}
		})
		db := open(t)
		migrationtest.Fails(t, tool, db)
		files, err := tool.Source.Migrations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		records, err := tool.Ledger.Records(t.Context(), db, files)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range records {
			got = append(got, string(r.ID)+" "+string(r.State))
		}
		if diff := cmp.Diff([]string{"1 applied", "2 failed"}, got); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
		if err := migration.Insert(t.Context(), db, tool.Ledger, files[2], files); !errors.Is(err, migration.ErrMarksAll) {
			t.Errorf("Insert past a dirty version: %v, want ErrMarksAll", err)
		}
		if err := migration.Insert(t.Context(), db, tool.Ledger, files[1], files); err != nil {
			t.Errorf("Insert of the dirty version: %v", err)
		}
		migrationtest.Apply(t, tool, db, "")
	})
}

// TestSkipped: a file below the number is never run, as with the tool itself.
func TestSkipped(t *testing.T) {
	db := testengine.SQLite(t)
	db.Exec(t, "CREATE TABLE schema_migrations (version uint64,dirty bool)", "INSERT INTO schema_migrations VALUES (2, false)")
	dir := migrationtest.Write(t, "1_a.up.sql", "CREATE TABLE a (id int)", "2_b.up.sql", "", "3_c.up.sql", "CREATE TABLE c (id int)")
	log := migrationtest.Apply(t, golangmigrate.New(dir, schema.Name{}), db, "")
	if strings.Contains(log, "1_a") || !strings.Contains(log, "3_c") {
		t.Errorf("log: %s", log)
	}
}

func TestUnknownVersion(t *testing.T) {
	db := testengine.SQLite(t)
	db.Exec(t, "CREATE TABLE schema_migrations (version uint64,dirty bool)", "INSERT INTO schema_migrations VALUES (7, false)")
	dir := migrationtest.Write(t, "1_a.up.sql", "CREATE TABLE a (id int)")
	err := golangmigrate.New(dir, schema.Name{}).Runner.Run(t.Context(), migration.Target{DB: db.DB}, "", io.Discard)
	if err == nil || !strings.Contains(err.Error(), "version 7") {
		t.Errorf("Run: %v, want an error that names version 7", err)
	}
}

func TestTwoRows(t *testing.T) {
	db := testengine.SQLite(t)
	db.Exec(t, "CREATE TABLE schema_migrations (version uint64,dirty bool)", "INSERT INTO schema_migrations VALUES (1, false), (2, false)")
	if _, err := golangmigrate.New("", schema.Name{}).Ledger.Records(t.Context(), db, nil); err == nil || !strings.Contains(err.Error(), "2 rows") {
		t.Errorf("Records: %v, want an error that counts the rows", err)
	}
}

// TestLockKeys: the numbers are those that golang-migrate makes for a database "to" and the default table, opened
// by a url and by a connection.
func TestLockKeys(t *testing.T) {
	lock, ok := golangmigrate.New("", schema.Name{}).Lock.(migration.ServerLock)
	if !ok {
		t.Fatal("the lock is no ServerLock")
	}
	if diff := cmp.Diff([]int64{4175121441, 2833566385}, lock.Postgres("to")); diff != "" {
		t.Errorf("PostgreSQL (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"3072547438"}, lock.MySQL("to")); diff != "" {
		t.Errorf("MySQL (-want +got):\n%s", diff)
	}
}

// servers are the engines on which golang-migrate takes a lock.
func servers(t *testing.T, test func(t *testing.T, open testengine.Open)) {
	t.Run("PostgreSQL", func(t *testing.T) { test(t, testengine.Postgres) })
	t.Run("MariaDB", func(t *testing.T) { test(t, testengine.MariaDB) })
	t.Run("MySQL", func(t *testing.T) { test(t, testengine.MySQL) })
}

// TestRealLock: the real program waits for our lock, and we are told of its own.
func TestRealLock(t *testing.T) {
	program := migrationtest.Program(t, "golang-migrate")
	servers(t, func(t *testing.T, open testengine.Open) {
		db := open(t)
		gate, wait, waiting := "SELECT GET_LOCK('gate', 60)", "SELECT GET_LOCK('gate', 60);", "SELECT count(*) FROM information_schema.processlist WHERE state = 'User lock' AND db = DATABASE() AND info LIKE ?"
		first, second := "SELECT GET_LOCK%", "%'gate'%"
		if db.Family() == engine.Postgres {
			gate, wait, waiting = "SELECT pg_advisory_lock(1)", "SELECT pg_advisory_lock(1);", "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database() AND query LIKE $1"
			first, second = "SELECT pg_advisory_lock($1)%", "%lock(1)%"
		}
		dir := migrationtest.Write(t, "1_a.up.sql", wait+" CREATE TABLE a (id integer PRIMARY KEY);")
		lock := golangmigrate.New(dir, schema.Name{}).Lock
		s, err := db.Session(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		free, err := lock.Take(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.ExecContext(t.Context(), gate); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			out, err := migrationtest.Run(t, program, "-path", dir, "-database", address(db.URL), "up")
			if err != nil {
				err = fmt.Errorf("%w\n%s", err, out)
			}
			ended <- err
		}()
		waits := func(query string) {
			t.Helper()
			for n := 0; n == 0; {
				if err := db.QueryRowContext(t.Context(), waiting, query).Scan(&n); err != nil {
					t.Fatal(err)
				}
				select {
				case err := <-ended:
					t.Fatalf("migrate did not wait: %v", err)
				default:
				}
			}
		}
		waits(first)
		if err := free(t.Context()); err != nil {
			t.Fatal(err)
		}
		waits(second)
		if _, err := lock.Take(t.Context(), s); !errors.Is(err, migration.ErrHeld) {
			t.Errorf("Take while migrate works: %v, want ErrHeld", err)
		}
		if who, err := lock.Holder(t.Context(), s); err != nil || who == "" {
			t.Errorf("Holder: %q, %v", who, err)
		}
		release := "SELECT pg_advisory_unlock(1)"
		if db.Family() != engine.Postgres {
			release = "SELECT RELEASE_LOCK('gate')"
		}
		if _, err := s.ExecContext(t.Context(), release); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestRealRow: the number that we write is the one that the tool writes, which takes it for its own: after a mark,
// after an unmark, and after the mark or unmark of what it left dirty.
func TestRealRow(t *testing.T) {
	program := migrationtest.Program(t, "golang-migrate")
	dir := migrationtest.Write(t, "1_a.up.sql", "CREATE TABLE a (id integer PRIMARY KEY);", "2_b.up.sql", "CREATE TABLE b (id integer PRIMARY KEY);",
		"3_c.up.sql", "CREATE TABLE a (id integer PRIMARY KEY);")
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		db := open(t)
		tool := golangmigrate.New(dir, schema.Name{})
		files, err := tool.Source.Migrations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		run := func(args ...string) (string, error) {
			return migrationtest.Run(t, program, append([]string{"-path", dir, "-database", address(db.URL)}, args...)...)
		}
		version := func(want string) {
			t.Helper()
			if out, err := run("version"); strings.TrimSpace(out) != want {
				t.Errorf("migrate version: %q, %v, want %q", out, err, want)
			}
		}
		do := func(what string, err error) {
			t.Helper()
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
		if out, err := run("up", "2"); err != nil {
			t.Fatalf("migrate up: %v\n%s", err, out)
		}
		migrationtest.SameRow(t, db, tool.Ledger, files[1], files)
		version("2")
		for _, repair := range []struct {
			do   func(context.Context, engine.Querier, migration.Ledger, migration.Migration, []migration.Migration) error
			want string
		}{{migration.Delete, "2"}, {migration.Insert, "3"}} {
			if out, err := run("up"); err == nil {
				t.Fatalf("migrate up succeeded:\n%s", out)
			}
			version("3 (dirty)")
			do("repair of the dirty version", repair.do(t.Context(), db, tool.Ledger, files[2], files))
			version(repair.want)
		}
		if out, err := run("up"); err != nil || !strings.Contains(out, "no change") {
			t.Errorf("migrate up after our mark: %v\n%s", err, out)
		}
		for i := len(files) - 1; i >= 0; i-- {
			do("unmark", migration.Delete(t.Context(), db, tool.Ledger, files[i], files))
		}
		version("error: no migration")
		do("mark", migration.Insert(t.Context(), db, tool.Ledger, files[0], files))
		version("1")
	})
}

func TestSource(t *testing.T) {
	dir := migrationtest.Write(t, "10_ten.up.sql", "SELECT 10", "9_nine_tables.up.sql", "SELECT 9", "9_nine_tables.down.sql", "", "README.md", "", "011_x.up.txt", "")
	files, err := golangmigrate.New(dir, schema.Name{}).Source.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range files {
		got = append(got, string(m.ID)+" "+m.Title)
	}
	if diff := cmp.Diff([]string{"9 nine tables", "10 ten", "11 x"}, got); diff != "" {
		t.Errorf("migrations (-want +got):\n%s", diff)
	}
	for name, dir := range map[string]string{
		"two files": migrationtest.Write(t, "1_a.up.sql", "", "01_b.up.sql", ""),
		"too large": migrationtest.Write(t, "99999999999999999999_a.up.sql", ""),
	} {
		if _, err := golangmigrate.New(dir, schema.Name{}).Source.Migrations(t.Context()); err == nil || !strings.Contains(err.Error(), "_a.up.sql") {
			t.Errorf("%s: %v, want an error that names the file", name, err)
		}
	}
	if _, err := golangmigrate.New(t.TempDir(), schema.Name{}).Source.Migrations(t.Context()); !errors.Is(err, migration.ErrNone) {
		t.Errorf("empty folder: %v, want ErrNone", err)
	}
}
