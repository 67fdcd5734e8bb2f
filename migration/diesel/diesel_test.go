package diesel_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/migration/diesel"
	"mulligan/migration/migrationtest"
	"mulligan/schema"
)

func TestMain(m *testing.M) { testdb.Main(m) }

func TestLedger(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		migrationtest.Test(t, migrationtest.Config{
			Tool:   "diesel",
			Open:   func(t testing.TB) engine.DB { return open(t).DB },
			Ledger: func(table schema.Name) migration.Ledger { return diesel.New("", table).Ledger },
			Files:  []migration.Migration{{ID: "00000000000000"}, {ID: "20240101000000"}, {ID: "20240102000000"}, {ID: "x"}},
		})
	})
}

// times are the ledger's columns whose values differ from run to run.
var times = []string{"run_on"}

// write makes a folder of folders, alternately their names and the texts of a file in them.
func write(t *testing.T, namesAndTexts ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(namesAndTexts); i += 2 {
		path := filepath.Join(dir, namesAndTexts[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(namesAndTexts[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// folder are the examples of golang-migrate, each in a folder of its own.
func folder(t *testing.T, f engine.Family) string {
	t.Helper()
	files, err := migration.ReadFolder(migrationtest.Example(t, "golang-migrate", migrationtest.Folder(f)), func(name string) bool {
		return strings.HasSuffix(name, ".up.sql")
	})
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	for _, f := range files {
		name := "2024-01-01-" + strings.TrimSuffix(f.Name, ".up.sql")
		parts = append(parts, name+"/up.sql", f.Text)
		if strings.Contains(f.Text, "CONCURRENTLY") {
			parts = append(parts, name+"/metadata.toml", "run_in_transaction = false\n")
		}
	}
	return write(t, parts...)
}

func TestReplay(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		migrationtest.Replay(t, open, diesel.New(folder(t, open(t).Family()), schema.Name{}), times, nil)
	})
}

func TestFailure(t *testing.T) {
	for name, tt := range map[string]struct {
		metadata string
		leaves   bool // table b, on an engine whose schema changes can be taken back
	}{"Transaction": {"run_in_transaction = true", false}, "NoTransaction": {"run_in_transaction = false", true}} {
		t.Run(name, func(t *testing.T) {
			dir := write(t,
				"1_a/up.sql", "CREATE TABLE a (id integer PRIMARY KEY);",
				"2_b/up.sql", "CREATE TABLE b (id integer PRIMARY KEY);\nCREATE TABLE a (id integer PRIMARY KEY);", "2_b/metadata.toml", tt.metadata,
				"3_c/up.sql", "CREATE TABLE c (id integer PRIMARY KEY);")
			testengine.Each(t, func(t *testing.T, open testengine.Open) {
				tool := diesel.New(dir, schema.Name{})
				migrationtest.Failure(t, open, tool, times, nil)
				db := open(t)
				migrationtest.Fails(t, tool, db)
				// A text of several statements is a transaction of its own on PostgreSQL.
				want := db.Family() != engine.Postgres && (tt.leaves || db.Family() != engine.SQLite)
				if got := strings.Contains(migrationtest.Content(t, db), "rows of b\n"); got != want {
					t.Errorf("table b is there: %t", got)
				}
			})
		})
	}
}

// TestMasked: a runner that can only do all is stopped midway.
func TestMasked(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		db := open(t)
		dir := folder(t, db.Family())
		tool := diesel.New(dir, schema.Name{})
		files, err := tool.Source.Migrations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		native := open(t)
		migrationtest.Apply(t, tool, native, files[4].ID)
		tool.Runner = migration.Mask(tool.Runner, tool.Ledger, tool.Source)
		migrationtest.Apply(t, tool, db, files[4].ID)
		if diff := cmp.Diff(migrationtest.Content(t, native, times...), migrationtest.Content(t, db, times...)); diff != "" {
			t.Errorf("stopped (-) and masked (+) differ:\n%s", diff)
		}
	})
}

// TestRow: the row is what Diesel writes, the version alone; the server says when.
func TestRow(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		db := open(t)
		tool := diesel.New(write(t, "2024-01-01-000001_a/up.sql", "SELECT 1"), schema.Name{})
		files, err := tool.Source.Migrations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := tool.Ledger.Create(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		// As Diesel's own statement does it.
		db.Exec(t, "INSERT INTO __diesel_schema_migrations (version) VALUES ('20240101000001')")
		migrationtest.SameRow(t, db, tool.Ledger, files[0], files, times...)
		records, err := tool.Ledger.Records(t.Context(), db, files)
		if err != nil || len(records) != 1 || records[0].At.IsZero() {
			t.Errorf("records %v, %v", records, err)
		}
	})
}

func TestSource(t *testing.T) {
	const sql = "SELECT 1;"
	dir := write(t, "2024-01-31-120000_create_users/up.sql", sql, "20240102000000_b/up.sql", sql, "00000000000000_diesel_initial_setup/up.sql", sql,
		"1/up.sql", sql, ".hidden/x", "", "README.md", "", "a-b_c/up.sql", sql)
	files, err := diesel.New(dir, schema.Name{}).Source.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range files {
		got = append(got, fmt.Sprintf("%s %q %s", m.ID, m.Title, filepath.Base(m.Path)))
	}
	want := []string{`00000000000000 "diesel initial setup" up.sql`, `1 "" up.sql`, `20240102000000 "b" up.sql`, `20240131120000 "create users" up.sql`, `ab "c" up.sql`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("migrations (-want +got):\n%s", diff)
	}
	for name, tt := range map[string]struct{ dir, want string }{
		"no up.sql":  {write(t, "1_a/down.sql", sql), "1_a has no file up.sql"},
		"empty":      {write(t, "1_a/up.sql", ""), "up.sql is empty"},
		"twice":      {write(t, "2024-01_a/up.sql", sql, "202401_b/up.sql", sql), "202401_b"},
		"no version": {write(t, "_a/up.sql", sql), "no version"},
		"too long":   {write(t, strings.Repeat("1", 51)+"_a/up.sql", sql), "no version"},
	} {
		if _, err := diesel.New(tt.dir, schema.Name{}).Source.Migrations(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, tt.want)
		}
	}
	if _, err := diesel.New(t.TempDir(), schema.Name{}).Source.Migrations(t.Context()); !errors.Is(err, migration.ErrNone) {
		t.Errorf("empty folder: %v, want ErrNone", err)
	}
	if n, err := diesel.FileTool().Looks(dir); n != 3 || err != nil {
		t.Errorf("FileTool: %d folders, %v", n, err)
	}
}

func TestMetadata(t *testing.T) {
	for text, want := range map[string]string{
		"run_in_transaction = true":                "true",
		"# x\n run_in_transaction=false # why\r\n": "false",
		"other = 1": "false",
		"":          "false",
		"a = 1\n[section]\nrun_in_transaction = true":            "false",
		"run_in_transaction = true\n[s]\nrun_in_transaction = 1": "true",
		"run_in_transaction = maybe":                             "neither",
	} {
		tool := diesel.New(write(t, "1_a/up.sql", "SELECT 1", "1_a/metadata.toml", text), schema.Name{})
		files, err := tool.Source.Migrations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		script, err := tool.Script(files[0])
		got := fmt.Sprint(script.Transaction)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
