package goose_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/migration/goose"
	"mulligan/migration/migrationtest"
	"mulligan/schema"
)

func TestMain(m *testing.M) { testdb.Main(m) }

func TestLedger(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		migrationtest.Test(t, migrationtest.Config{
			Tool:    "goose",
			Open:    func(t testing.TB) engine.DB { return open(t).DB },
			Ledger:  func(table schema.Name) migration.Ledger { return goose.New("", table).Ledger },
			Files:   []migration.Migration{{ID: "1"}, {ID: "2"}, {ID: "20240101000000"}, {ID: "9223372036854775807"}},
			Renamed: true,
		})
	})
}

// times are the ledger's columns whose values differ from run to run.
var times = []string{"tstamp"}

func TestReplay(t *testing.T) {
	program := migrationtest.Program(t, "goose")
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		family := open(t).Family()
		dir := migrationtest.Example(t, "goose", migrationtest.Folder(family))
		migrationtest.Replay(t, open, goose.New(dir, schema.Name{}), times, func(t *testing.T, db testengine.Database) {
			driver, dsn := address(db.URL)
			if out, err := migrationtest.Run(t, program, "-dir", dir, driver, dsn, "up"); err != nil {
				t.Fatalf("goose up: %v\n%s", err, out)
			}
		})
	})
}

// address is a url as goose's command wants it.
func address(u engine.URL) (driver, dsn string) {
	password, _ := u.Password()
	switch u.Family() {
	case engine.Postgres:
		return "postgres", u.Reveal()
	case engine.SQLite:
		return "sqlite3", u.Database()
	default:
		return "mysql", u.User() + ":" + password + "@tcp(" + u.Host() + ")/" + u.Database() + "?parseTime=true"
	}
}

func TestFailure(t *testing.T) {
	program := migrationtest.Program(t, "goose")
	for name, how := range map[string]string{"Transaction": "", "NoTransaction": "-- +goose NO TRANSACTION\n"} {
		t.Run(name, func(t *testing.T) {
			dir := migrationtest.Write(t,
				"1_a.sql", "-- +goose Up\nCREATE TABLE a (id integer PRIMARY KEY);",
				"2_b.sql", how+"-- +goose Up\nCREATE TABLE b (id integer PRIMARY KEY);\n\nCREATE TABLE a (id integer PRIMARY KEY);\n-- +goose Down\n",
				"3_c.sql", "-- +goose Up\nCREATE TABLE c (id integer PRIMARY KEY);")
			testengine.Each(t, func(t *testing.T, open testengine.Open) {
				tool := goose.New(dir, schema.Name{})
				migrationtest.Failure(t, open, tool, times, func(t *testing.T, db testengine.Database) {
					driver, dsn := address(db.URL)
					if out, err := migrationtest.Run(t, program, "-dir", dir, driver, dsn, "up"); err == nil {
						t.Fatalf("goose up succeeded:\n%s", out)
					}
				})
				stopped := migrationtest.Fails(t, tool, open(t))
				if want := 4 + strings.Count(how, "\n"); stopped.Line != want || !strings.HasPrefix(stopped.Statement, "CREATE TABLE a") {
					t.Errorf("the failure is at line %d, %q; want line %d", stopped.Line, stopped.Statement, want)
				}
			})
		})
	}
}

func TestOutOfOrder(t *testing.T) {
	db := testengine.SQLite(t)
	dir := migrationtest.Write(t, "1_a.sql", "-- +goose Up\n", "2_b.sql", "-- +goose Up\n")
	tool := goose.New(dir, schema.Name{})
	if err := tool.Ledger.Create(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if err := migration.Insert(t.Context(), db, tool.Ledger, migration.Migration{ID: "2"}, nil); err != nil {
		t.Fatal(err)
	}
	err := tool.Runner.Run(t.Context(), migration.Target{DB: db.DB}, "", io.Discard)
	if err == nil || !strings.Contains(err.Error(), "1_a.sql") || !strings.Contains(err.Error(), "out of order") {
		t.Errorf("Run: %v, want an error about the order", err)
	}
}

func TestGoMigrations(t *testing.T) {
	db := testengine.SQLite(t)
	dir := migrationtest.Write(t, "1_a.sql", "-- +goose Up\nCREATE TABLE a (id int);", "2_b.go", "package x", "helper.go", "package x", "2_b_test.go", "package x")
	err := goose.New(dir, schema.Name{}).Runner.Run(t.Context(), migration.Target{DB: db.DB}, "", io.Discard)
	if !errors.Is(err, goose.ErrGo) || !strings.Contains(err.Error(), "2_b.go") {
		t.Errorf("Run: %v, want ErrGo with the file's name", err)
	}
	s, err := db.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Table(schema.Name{Table: "a"}) != nil {
		t.Error("the migrations before the one in Go were run")
	}
}

// TestZeroRow: goose refuses a ledger without the row of version 0, so Insert puts it there.
func TestZeroRow(t *testing.T) {
	program := migrationtest.Program(t, "goose")
	db := testengine.SQLite(t)
	dir := migrationtest.Write(t, "1_a.sql", "-- +goose Up\nCREATE TABLE a (id int);", "2_b.sql", "-- +goose Up\nCREATE TABLE b (id int);")
	tool := goose.New(dir, schema.Name{})
	if err := tool.Ledger.Create(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	db.Exec(t, "DELETE FROM goose_db_version")
	if err := migration.Insert(t.Context(), db, tool.Ledger, migration.Migration{ID: "1"}, nil); err != nil {
		t.Fatal(err)
	}
	out, err := migrationtest.Run(t, program, "-dir", dir, "sqlite3", db.URL.Database(), "up")
	if err != nil || !strings.Contains(out, "2_b.sql") || strings.Contains(out, "1_a.sql") {
		t.Errorf("goose up: %v\n%s", err, out)
	}
}

// TestHistory: the newest row of a version says whether it is applied.
func TestHistory(t *testing.T) {
	db := testengine.SQLite(t)
	tool := goose.New("", schema.Name{})
	if err := tool.Ledger.Create(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	db.Exec(t, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (1, 1), (2, 1), (1, 0), (2, 0), (2, 1)")
	records, err := tool.Ledger.Records(t.Context(), db, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range migration.Compare([]migration.Migration{{ID: "1"}, {ID: "2"}}, records) {
		got = append(got, fmt.Sprintf("%s %s %d", s.Migration.ID, s.Verdict, len(s.Records)))
	}
	if diff := cmp.Diff([]string{"1 pending 2", "2 applied 3"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if records[0].At.IsZero() {
		t.Error("a record has no time")
	}
}

// TestRealRow: the row that we write by hand, for which goose has no command, is the one that it writes, and its
// own status takes it. The row of version 0, without which it refuses to work, is put back.
func TestRealRow(t *testing.T) {
	program := migrationtest.Program(t, "goose")
	dir := migrationtest.Write(t, "1_a.sql", "-- +goose Up\nCREATE TABLE a (id integer PRIMARY KEY);", "2_b.sql", "-- +goose Up\nCREATE TABLE b (id integer PRIMARY KEY);")
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		db := open(t)
		tool := goose.New(dir, schema.Name{})
		files, err := tool.Source.Migrations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		driver, dsn := address(db.URL)
		run := func(verb string) string {
			t.Helper()
			out, err := migrationtest.Run(t, program, "-dir", dir, driver, dsn, verb)
			if err != nil {
				t.Fatalf("goose %s: %v\n%s", verb, err, out)
			}
			return out
		}
		pending := func(want ...string) {
			t.Helper()
			got := []string(nil)
			for line := range strings.SplitSeq(run("status"), "\n") {
				if words := strings.Fields(line); strings.Contains(line, "Pending") {
					got = append(got, words[len(words)-1])
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("pending (-want +goose's):\n%s", diff)
			}
		}
		run("up")
		for _, m := range files {
			migrationtest.SameRow(t, db, tool.Ledger, m, files, "id", "tstamp")
		}
		pending()
		db.Exec(t, "DELETE FROM goose_db_version")
		if err := migration.Insert(t.Context(), db, tool.Ledger, files[0], files); err != nil {
			t.Fatal(err)
		}
		pending("2_b.sql")
		// An old goose wrote a row when it took a migration back. Of several rows the youngest counts.
		no := "false"
		if db.Family() == engine.SQLite {
			no = "0"
		}
		db.Exec(t, "INSERT INTO goose_db_version (version_id, is_applied, tstamp) VALUES (2, "+no+", '2020-01-02 03:04:05')")
		records, err := tool.Ledger.Records(t.Context(), db, files)
		if err != nil || len(records) != 2 || records[1].State != migration.RolledBack {
			t.Errorf("records with a false row: %v, %v", records, err)
		}
		if err := migration.Insert(t.Context(), db, tool.Ledger, files[1], files); err != nil {
			t.Fatal(err)
		}
		pending()
		run("up")
		if err := migration.Delete(t.Context(), db, tool.Ledger, files[1], files); err != nil {
			t.Fatal(err)
		}
		pending("2_b.sql")
	})
}
