package drizzle_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/migration/drizzle"
	"mulligan/migration/migrationtest"
	"mulligan/schema"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// migrate runs Drizzle's own migrator: version "drizzle-orm" or "drizzle-orm-1".
func migrate(t *testing.T) func(t *testing.T, db testengine.Database, version, dir string) (string, error) {
	home := migrationtest.Modules(t, "drizzle", map[string]string{
		"drizzle-orm": "0.45.4", "drizzle-orm-1": "npm:drizzle-orm@1.0.0-rc.4", "pg": "8.23.1", "mysql2": "3.24.5", "@libsql/client": "0.18.0",
	}, "testdata/migrate.mjs")
	return func(t *testing.T, db testengine.Database, version, dir string) (string, error) {
		t.Helper()
		address := strings.Replace(db.URL.Reveal(), "mariadb://", "mysql://", 1)
		if db.Family() == engine.SQLite {
			address = "file:" + db.URL.Database()
		}
		return migrationtest.Node(t, home, []string{"DATABASE_URL=" + address}, "migrate.mjs", version, dir)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// step is a migration of a journal.
type step struct {
	tag  string
	when int64
	text string
}

// journaled makes a folder of version 0.x.
func journaled(t *testing.T, steps ...step) string {
	t.Helper()
	dir, entries := t.TempDir(), []map[string]any{}
	for i, s := range steps {
		entries = append(entries, map[string]any{"idx": i, "version": "7", "when": s.when, "tag": s.tag, "breakpoints": true})
		write(t, filepath.Join(dir, s.tag+".sql"), s.text)
	}
	text, err := json.Marshal(map[string]any{"version": "7", "dialect": "postgresql", "entries": entries})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "meta", "_journal.json"), string(text))
	return dir
}

// tables is a folder of version 0.x that makes one table with each migration.
func tables(t *testing.T, whens ...int64) string {
	t.Helper()
	var steps []step
	for i, when := range whens {
		name := string(rune('a' + i))
		steps = append(steps, step{fmt.Sprintf("%04d_%s", i, name), when, "CREATE TABLE " + name + " (id integer);--> statement-breakpoint\nCREATE INDEX " + name + "_id ON " + name + " (id);\n"})
	}
	return journaled(t, steps...)
}

// library is the examples' library in Drizzle's files, with a breakpoint after each statement: of version 0.x and of 1.0.
func library(t *testing.T, f engine.Family) (zero, one string) {
	t.Helper()
	one = migrationtest.Library(t, f, func(version, title string) string { return version + "_" + title + "/migration.sql" })
	entries, err := os.ReadDir(one)
	if err != nil {
		t.Fatal(err)
	}
	var steps []step
	for i, e := range entries {
		path := filepath.Join(one, e.Name(), "migration.sql")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var parts []string
		for _, s := range migration.Statements(f, string(text)) {
			parts = append(parts, strings.Replace(s.Text, " CONCURRENTLY", "", 1)) // Drizzle has a transaction around all
		}
		whole := strings.Join(parts, ";--> statement-breakpoint\n") + ";\n"
		write(t, path, whole)
		steps = append(steps, step{fmt.Sprintf("%04d_%s", i, e.Name()[15:]), 1704067200123 + int64(i)*1000, whole})
	}
	return journaled(t, steps...), one
}

func files(t *testing.T, tool *migration.Tool) []migration.Migration {
	t.Helper()
	list, err := tool.Source.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestLedger(t *testing.T) {
	zero := tables(t, 1000, 2000, 3000, 4000)
	_, one := library(t, engine.SQLite)
	for name, dir := range map[string]string{"0.x": zero, "1.0": one} {
		t.Run(name, func(t *testing.T) {
			testengine.Each(t, func(t *testing.T, open testengine.Open) {
				family := open(t).Family()
				migrationtest.Test(t, migrationtest.Config{
					Tool:      "drizzle",
					Open:      func(t testing.TB) engine.DB { return open(t).DB },
					Ledger:    func(table schema.Name) migration.Ledger { return drizzle.New(dir, table, family).Ledger },
					Files:     files(t, drizzle.New(dir, schema.Name{}, family))[:4],
					OneNumber: name == "0.x",
				})
			})
		})
	}
}

func TestReplay(t *testing.T) {
	run := migrate(t)
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		family := open(t).Family()
		zero, one := library(t, family)
		for version, dir := range map[string]string{"drizzle-orm": zero, "drizzle-orm-1": one} {
			t.Run(version, func(t *testing.T) {
				reference := func(t *testing.T, db testengine.Database) {
					if out, err := run(t, db, version, dir); err != nil {
						t.Fatalf("migrate: %v\n%s", err, out)
					}
				}
				migrationtest.Replay(t, open, drizzle.New(dir, schema.Name{}, family), []string{"applied_at"}, reference)
			})
		}
	})
}

// TestRealRows: our rows are Drizzle's, and after we have marked everything Drizzle does nothing.
func TestRealRows(t *testing.T) {
	run := migrate(t)
	dir := tables(t, 1704067200123, 1704067200124, 1704067300000)
	folders := t.TempDir()
	for _, name := range []string{"20240101000000_a", "20240102030405_b"} {
		write(t, filepath.Join(folders, name, "migration.sql"), "CREATE TABLE "+name[15:]+" (id integer);")
	}
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		for version, dir := range map[string]string{"drizzle-orm": dir, "drizzle-orm-1": folders} {
			t.Run(version, func(t *testing.T) {
				// What we mark Drizzle leaves alone, what we do not it runs, and records as we would.
				db := open(t)
				tool := drizzle.New(dir, schema.Name{}, db.Family())
				list := files(t, tool)
				last := list[len(list)-1]
				if err := tool.Ledger.Create(t.Context(), db); err != nil {
					t.Fatal(err)
				}
				writes, err := tool.Ledger.Mark(t.Context(), db, list[:len(list)-1], list)
				if err == nil {
					err = migration.Execute(t.Context(), db, writes)
				}
				if err != nil {
					t.Fatal(err)
				}
				if out, err := run(t, db, version, dir); err != nil {
					t.Fatalf("migrate: %v\n%s", err, out)
				}
				want := map[string]bool{"a": false, "b": false}
				want[string(last.ID[len(last.ID)-1:])] = true
				wantTables(t, db, want)
				wantSums(t, db, tool, list, migration.SumMatches)
				migrationtest.SameRow(t, db, tool.Ledger, last, list, "id", "applied_at")
				before := migrationtest.Content(t, db)
				if out, err := run(t, db, version, dir); err != nil {
					t.Fatalf("migrate after all was marked: %v\n%s", err, out)
				}
				if diff := cmp.Diff(before, migrationtest.Content(t, db)); diff != "" {
					t.Errorf("Drizzle did something after all was marked:\n%s", diff)
				}
			})
		}
	})
}

func wantSums(t *testing.T, db testengine.Database, tool *migration.Tool, list []migration.Migration, want migration.Sum) {
	t.Helper()
	records, err := tool.Ledger.Records(t.Context(), db, list)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if r.Sum != want {
			t.Errorf("checksum of %s: %q, want %q", r.ID, r.Sum, want)
		}
	}
}

func wantTables(t *testing.T, db testengine.Database, want map[string]bool) {
	t.Helper()
	for table, want := range want {
		if got, err := migration.TableExists(t.Context(), db, schema.Name{Table: table}); got != want || err != nil {
			t.Errorf("table %s is there: %t, want %t; %v", table, got, want, err)
		}
	}
}

// TestRealSkipped: what comes in below the mark is never run by Drizzle, and a record says so.
func TestRealSkipped(t *testing.T) {
	run := migrate(t)
	db := testengine.SQLite(t)
	if out, err := run(t, db, "drizzle-orm", tables(t, 1000, 3000)); err != nil {
		t.Fatalf("migrate: %v\n%s", err, out)
	}
	dir := tables(t, 1000, 3000, 2000)
	if out, err := run(t, db, "drizzle-orm", dir); err != nil {
		t.Fatalf("migrate: %v\n%s", err, out)
	}
	wantTables(t, db, map[string]bool{"a": true, "b": true, "c": false})
	tool := drizzle.New(dir, schema.Name{}, engine.SQLite)
	list := files(t, tool)
	records, err := tool.Ledger.Records(t.Context(), db, list)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range records {
		got = append(got, fmt.Sprint(r.ID, " ", r.State, " ", r.Raw != nil))
	}
	if diff := cmp.Diff([]string{"0000_a applied true", "0001_b applied true", "0002_c applied false"}, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if tool.Late != migration.LateSkipped {
		t.Errorf("late migrations are %s", tool.Late)
	}
	if log := migrationtest.Apply(t, tool, db, ""); log != "" {
		t.Errorf("the native runner did something: %s", log)
	}
	// On an empty database Drizzle runs it, and so does the native runner, all at once.
	real, native := testengine.SQLite(t), testengine.SQLite(t)
	if out, err := run(t, real, "drizzle-orm", dir); err != nil {
		t.Fatalf("migrate: %v\n%s", err, out)
	}
	migrationtest.Apply(t, tool, native, "")
	if diff := cmp.Diff(migrationtest.Content(t, real), migrationtest.Content(t, native)); diff != "" {
		t.Errorf("Drizzle (-) and the native runner (+) differ:\n%s", diff)
	}
}

// TestMarks: a mark hides what is below it, so that must be recorded or marked, too.
func TestMarks(t *testing.T) {
	db := testengine.SQLite(t)
	tool := drizzle.New(tables(t, 1000, 2000, 3000), schema.Name{}, engine.SQLite)
	list := files(t, tool)
	if err := tool.Ledger.Create(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	for _, marks := range [][]migration.Migration{list[1:2], {list[0], list[2]}} {
		if _, err := tool.Ledger.Mark(t.Context(), db, marks, list); !errors.Is(err, migration.ErrMarksAll) {
			t.Errorf("Mark %v: %v, want ErrMarksAll", marks, err)
		}
	}
	db.Exec(t, "INSERT INTO __drizzle_migrations (hash, created_at) VALUES ('x', 3000)")
	if _, err := tool.Ledger.Mark(t.Context(), db, list[:1], list); !errors.Is(err, migration.ErrRecorded) {
		t.Errorf("Mark of what a row stands for: %v, want ErrRecorded", err)
	}
	wantSumsOf(t, db, tool, list, map[migration.ID]migration.Sum{"0002_c": migration.SumDiffers})
	for _, marks := range [][]migration.Migration{list[:1], list[2:], list[1:]} {
		if _, err := tool.Ledger.Unmark(t.Context(), db, marks, list); !errors.Is(err, migration.ErrMarksAll) {
			t.Errorf("Unmark %v: %v, want ErrMarksAll", marks, err)
		}
	}
	writes, err := tool.Ledger.Unmark(t.Context(), db, list, list)
	if err == nil {
		err = migration.Execute(t.Context(), db, writes)
	}
	records, again := tool.Ledger.Records(t.Context(), db, list)
	if err != nil || again != nil || len(records) != 0 {
		t.Errorf("Unmark of all: %v, %v, %v", err, again, records)
	}
	err = migration.Mask(tool.Runner, tool.Ledger, tool.Source).Run(t.Context(), migration.Target{DB: db.DB}, list[0].ID, io.Discard)
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Mask: %v, want ErrUnsupported", err)
	}
}

func wantSumsOf(t *testing.T, db testengine.Database, tool *migration.Tool, list []migration.Migration, want map[migration.ID]migration.Sum) {
	t.Helper()
	records, err := tool.Ledger.Records(t.Context(), db, list)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if r.Sum != want[r.ID] {
			t.Errorf("checksum of %s: %q, want %q", r.ID, r.Sum, want[r.ID])
		}
	}
}

// TestRealUpgrade: a table of version 0.x that 1.0 has taken over has rows with a name and no time.
func TestRealUpgrade(t *testing.T) {
	run := migrate(t)
	for _, open := range []testengine.Open{testengine.SQLite, testengine.Postgres} {
		db := open(t)
		old := journaled(t, step{"0000_a", 1704067200123, "CREATE TABLE a (id integer);"})
		if out, err := run(t, db, "drizzle-orm", old); err != nil {
			t.Fatalf("migrate: %v\n%s", err, out)
		}
		dir := t.TempDir()
		write(t, filepath.Join(dir, "20240101000000_a", "migration.sql"), "CREATE TABLE a (id integer);")
		tool := drizzle.New(dir, schema.Name{}, db.Family())
		list := files(t, tool)
		wantSums(t, db, tool, list, migration.SumMatches)
		if _, err := tool.Ledger.Mark(t.Context(), db, []migration.Migration{{ID: "20240102000000_b"}}, list); err == nil || !strings.Contains(err.Error(), "upgrade") {
			t.Errorf("Mark in an old table: %v", err)
		}
		if out, err := run(t, db, "drizzle-orm-1", dir); err != nil {
			t.Fatalf("migrate with 1.0: %v\n%s", err, out)
		}
		wantSums(t, db, tool, list, migration.SumMatches)
	}
}

// TestFailure: as each migration has a transaction of its own, those before the failing one stay.
func TestFailure(t *testing.T) {
	dir := journaled(t, step{"0000_a", 1, "CREATE TABLE a (n integer);"},
		step{"0001_b", 2, "CREATE TABLE b (n integer);--> statement-breakpoint\n\nCREATE TABLE a (n integer);"}, step{"0002_c", 3, "CREATE TABLE c (n integer);"})
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		tool := drizzle.New(dir, schema.Name{}, open(t).Family())
		migrationtest.Failure(t, open, tool, nil, nil)
		if stopped := migrationtest.Fails(t, tool, open(t)); stopped.Line != 3 {
			t.Errorf("the failure is at line %d, want 3", stopped.Line)
		}
	})
}

func TestSource(t *testing.T) {
	dir := journaled(t, step{"0001_late_one", 5, "x"}, step{"0000_first", 9, ""})
	write(t, filepath.Join(dir, "0002_not_listed.sql"), "")
	var got []string
	for _, m := range files(t, drizzle.New(dir, schema.Name{}, engine.SQLite)) {
		got = append(got, fmt.Sprint(m.ID, " ", m.Title, " ", filepath.Base(m.Path), " ", len(m.Hash)))
	}
	if diff := cmp.Diff([]string{"0001_late_one late one 0001_late_one.sql 64", "0000_first first 0000_first.sql 64"}, got); diff != "" {
		t.Errorf("migrations (-want +got):\n%s", diff)
	}
	for name, tt := range map[string]struct{ dir, want string }{
		"no journal":   {t.TempDir(), "_journal.json"},
		"missing file": {func() string { d := tables(t, 1); os.Remove(filepath.Join(d, "0000_a.sql")); return d }(), "0000_a.sql"},
		"outside":      {journaled(t, step{"a", 1, ""}), "no name of a file"},
		"no JSON":      {journaled(t), "_journal.json"},
		"twice":        {journaled(t, step{"a", 1, ""}, step{"a", 2, ""}), "two migrations"},
		"no time":      {func() string { d := t.TempDir(); write(t, d+"/20241301000000_x/migration.sql", ""); return d }(), "20241301000000_x"},
	} {
		journal := filepath.Join(tt.dir, "meta", "_journal.json")
		switch name {
		case "outside":
			write(t, journal, `{"entries": [{"tag": "../a", "when": 1}]}`)
		case "no JSON":
			write(t, journal, `{"entries": [`)
		}
		if _, err := drizzle.New(tt.dir, schema.Name{}, engine.SQLite).Source.Migrations(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, tt.want)
		}
	}
	if _, err := drizzle.New(journaled(t), schema.Name{}, engine.SQLite).Source.Migrations(t.Context()); !errors.Is(err, migration.ErrNone) {
		t.Errorf("empty journal: %v, want ErrNone", err)
	}
}

func TestDetected(t *testing.T) {
	one := t.TempDir()
	write(t, filepath.Join(one, "20240101000000_a", "migration.sql"), "")
	write(t, filepath.Join(one, "20240101000000_a", "snapshot.json"), "")
	for dir, want := range map[string]int{tables(t, 1, 2): 2, one: 1, t.TempDir(): 0} {
		if n, err := drizzle.FileTool().Looks(dir); n != want || err != nil {
			t.Errorf("%d migrations, %v; want %d", n, err, want)
		}
	}
}
