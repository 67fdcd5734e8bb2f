package golangmigrate_test

import (
	"errors"
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
