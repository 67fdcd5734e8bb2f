package knex_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/migration/command"
	"mulligan/migration/knex"
	"mulligan/migration/migrationtest"
	"mulligan/schema"
)

func TestMain(m *testing.M) { testdb.Main(m) }

func TestLedger(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		migrationtest.Test(t, migrationtest.Config{
			Tool:    "knex",
			Open:    func(t testing.TB) engine.DB { return open(t).DB },
			Ledger:  func(table schema.Name) migration.Ledger { return knex.New("", table).Ledger },
			Files:   []migration.Migration{{ID: "1_a.js"}, {ID: "2_b.js"}, {ID: "3_c.ts"}, {ID: "4_d.js"}},
			Renamed: true,
		})
	})
}

// application is a folder with knex and its drivers.
func application(t testing.TB) string {
	t.Helper()
	dir := migrationtest.Application(t)
	text, err := os.ReadFile(filepath.Join("testdata", "knexfile.js"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "knexfile.js"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// program is a runner of one of knex's commands.
func program(t testing.TB, app, migrations, verb string) migration.Runner {
	t.Helper()
	r, err := command.New(command.Options{
		Command: []string{filepath.Join("node_modules", ".bin", "knex"), verb},
		Dir:     app,
		Env:     []string{"MIGRATIONS=" + migrations},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func code(app string) migrationtest.Code {
	return migrationtest.Code{
		Tool: func(t testing.TB, migrations string) *migration.Tool {
			tool := knex.New(migrations, schema.Name{})
			tool.Runner = program(t, app, migrations, "migrate:latest")
			return tool
		},
		File: func(n int) (name, text string) {
			return fmt.Sprintf("2024010%d000000_t%d.js", n, n), fmt.Sprintf(
				"exports.up = (knex) => knex.schema.createTable('t%d', (t) => { t.integer('n') })\nexports.down = (knex) => knex.schema.dropTable('t%d')\n", n, n)
		},
		Idle:     "Already up to date",
		Volatile: []string{"id", "batch", "migration_time"},
	}
}

func TestMasked(t *testing.T) {
	app := application(t)
	testengine.Servers(t, func(t *testing.T, open testengine.Open) { code(app).Masked(t, open) })
}

func TestSteps(t *testing.T) {
	app := application(t)
	testengine.Servers(t, func(t *testing.T, open testengine.Open) { code(app).Steps(t, open) })
}

func TestReal(t *testing.T) {
	app := application(t)
	c := code(app)
	c.Volatile = []string{"id", "migration_time"}
	testengine.Servers(t, func(t *testing.T, open testengine.Open) { c.Real(t, open) })
}

// TestRecorded: what knex 3.3.0 left in SQLite by migrate:latest, twice. Its time is a number of milliseconds.
func TestRecorded(t *testing.T) {
	files := []migration.Migration{{ID: "20240101000000_t1.js"}, {ID: "20240102000000_t2.js"}}
	db := migrationtest.Recorded(t, knex.New("", schema.Name{}).Ledger, files, []string{
		"CREATE TABLE `knex_migrations` (`id` integer not null primary key autoincrement, `name` varchar(255), `batch` integer, `migration_time` datetime)",
		"CREATE TABLE `knex_migrations_lock` (`index` integer not null primary key autoincrement, `is_locked` integer)",
		"INSERT INTO knex_migrations VALUES (1, '20240101000000_t1.js', 1, 1795636221189), (2, '20240102000000_t2.js', 2, 1795636221190)",
		"INSERT INTO knex_migrations_lock VALUES (1, 0)",
	}, "id", "migration_time")
	var kinds string
	if err := db.QueryRowContext(t.Context(), "SELECT group_concat(typeof(migration_time)) FROM knex_migrations").Scan(&kinds); err != nil || kinds != "integer,integer" {
		t.Errorf("the times are %q, %v", kinds, err)
	}
}

// TestRealList: after a mark knex's own list calls it completed, and the time is that of the mark.
func TestRealList(t *testing.T) {
	app := application(t)
	name, text := code(app).File(1)
	other, second := code(app).File(2)
	dir := migrationtest.Write(t, name, text, other, second)
	testengine.Servers(t, func(t *testing.T, open testengine.Open) {
		t.Parallel()
		db, tool := open(t), knex.New(dir, schema.Name{})
		files, err := tool.Source.Migrations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		before := time.Now().Add(-2 * time.Second)
		if err := errors.Join(tool.Ledger.Create(t.Context(), db), migration.Insert(t.Context(), db, tool.Ledger, files[0], files)); err != nil {
			t.Fatal(err)
		}
		records, err := tool.Ledger.Records(t.Context(), db, files)
		if err != nil || len(records) != 1 || records[0].At.Before(before) || records[0].At.After(time.Now().Add(2*time.Second)) {
			t.Errorf("records %+v, %v; want one of now", records, err)
		}
		var log bytes.Buffer
		if err := program(t, app, dir, "migrate:list").Run(t.Context(), migration.Target{URL: db.URL, DB: db.DB}, "", &log); err != nil {
			t.Fatal(err)
		}
		done, pending, _ := strings.Cut(log.String(), "Found 1 Pending")
		if !strings.Contains(done, "Found 1 Completed") || !strings.Contains(done, name) || !strings.Contains(pending, other) {
			t.Errorf("migrate:list says:\n%s", log.String())
		}
	})
}

// TestRealLock: knex waits for nobody who holds its lock, and we for no run of knex's.
func TestRealLock(t *testing.T) {
	app := application(t)
	name, text := code(app).File(1)
	dir := migrationtest.Write(t, name, text)
	testengine.Servers(t, func(t *testing.T, open testengine.Open) {
		t.Parallel()
		db, tool := open(t), knex.New(dir, schema.Name{})
		tool.Runner = program(t, app, dir, "migrate:latest")
		s, err := db.Session(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}()
		free, err := tool.Lock.Take(t.Context(), s)
		if err != nil || len(tables(t, db)) != 0 {
			t.Fatalf("Take without a table: %v, tables %v", err, tables(t, db))
		}
		if err := errors.Join(free(t.Context()), tool.Ledger.Create(t.Context(), db)); err != nil {
			t.Fatal(err)
		}
		wantHolder(t, tool, db, "")
		if free, err = tool.Lock.Take(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		wantHolder(t, tool, db, "is_locked = 1 in knex_migrations_lock")
		if _, err := tool.Lock.Take(t.Context(), s); !errors.Is(err, migration.ErrHeld) {
			t.Errorf("Take again: %v, want ErrHeld", err)
		}
		if stopped := migrationtest.Fails(t, tool, db); !strings.Contains(stopped.Error(), "already locked") {
			t.Errorf("knex says %v", stopped)
		}
		if err := free(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantHolder(t, tool, db, "")
		migrationtest.Apply(t, tool, db, "")
	})
}

// TestLockInTransaction: knex's mark is in the transaction of its migrations.
func TestLockInTransaction(t *testing.T) {
	for name, open := range map[string]testengine.Open{"PostgreSQL": testengine.Postgres, "MariaDB": testengine.MariaDB, "MySQL": testengine.MySQL} {
		t.Run(name, func(t *testing.T) {
			db, tool := open(t), knex.New("", schema.Name{})
			if err := tool.Ledger.Create(t.Context(), db); err != nil {
				t.Fatal(err)
			}
			theirs, err := db.Session(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ours, err := db.Session(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, statement := range []string{"BEGIN", "UPDATE knex_migrations_lock SET is_locked = 1 WHERE is_locked = 0"} {
				if _, err := theirs.ExecContext(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := tool.Lock.Take(t.Context(), ours); !errors.Is(err, migration.ErrHeld) {
				t.Errorf("Take: %v, want ErrHeld", err)
			}
			if name == "PostgreSQL" {
				wantHolder(t, tool, db, "process ")
			}
			migration.Rollback(t.Context(), theirs)
			free, err := tool.Lock.Take(t.Context(), ours)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(free(t.Context()), ours.Close(), theirs.Close()); err != nil {
				t.Error(err)
			}
		})
	}
}

func wantHolder(t *testing.T, tool *migration.Tool, db engine.DB, want string) {
	t.Helper()
	who, err := tool.Lock.Holder(t.Context(), db)
	if err != nil || !strings.HasPrefix(who, want) || (who == "") != (want == "") {
		t.Errorf("Holder is %q, %v; want %q", who, err, want)
	}
}

func tables(t *testing.T, db engine.DB) []string {
	t.Helper()
	s, err := db.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for i := range s.Tables {
		list = append(list, s.Tables[i].Name.Table)
	}
	return list
}

// TestBatch: what one call marks is one batch, the next after the last.
func TestBatch(t *testing.T) {
	db, l := testengine.SQLite(t), knex.New("", schema.Name{}).Ledger
	if err := l.Create(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	db.Exec(t, "INSERT INTO knex_migrations (name, batch) VALUES ('1.js', 1), ('2.js', 10), ('3.js', 9)")
	files := []migration.Migration{{ID: "1.js"}, {ID: "2.js"}, {ID: "3.js"}, {ID: "4.js"}, {ID: "5.js"}}
	writes, err := l.Mark(t.Context(), db, files[3:], files)
	if err != nil {
		t.Fatal(err)
	}
	if err := migration.Execute(t.Context(), db, writes); err != nil {
		t.Fatal(err)
	}
	records, err := l.Records(t.Context(), db, files)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range records {
		got = append(got, string(r.ID)+" "+r.Raw["batch"])
	}
	if diff := cmp.Diff([]string{"1.js 1", "2.js 10", "3.js 9", "4.js 11", "5.js 11"}, got); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
}

// TestExtension: names that differ by the extension alone are one migration's, and marks have the ledger's.
func TestExtension(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		db, l := open(t), knex.New("", schema.Name{}).Ledger
		if err := l.Create(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		db.Exec(t, "INSERT INTO knex_migrations (name, batch) VALUES ('1_a.js', 1), ('2_b.js', 1), ('gone.js', 1)")
		files := []migration.Migration{{ID: "1_a.ts"}, {ID: "2_b.ts"}, {ID: "3_c.ts"}}
		names := func() []string {
			t.Helper()
			records, err := l.Records(t.Context(), db, files)
			if err != nil {
				t.Fatal(err)
			}
			var list []string
			for _, r := range records {
				list = append(list, string(r.ID)+" as "+r.Raw["name"])
			}
			slices.Sort(list)
			return list
		}
		if err := migration.Insert(t.Context(), db, l, files[0], files); !errors.Is(err, migration.ErrRecorded) {
			t.Errorf("mark 1_a.ts again: %v, want ErrRecorded", err)
		}
		if err := migration.Insert(t.Context(), db, l, files[2], files); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"1_a.ts as 1_a.js", "2_b.ts as 2_b.js", "3_c.ts as 3_c.js", "gone.js as gone.js"}, names()); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
		if err := migration.Delete(t.Context(), db, l, files[1], files); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"1_a.ts as 1_a.js", "3_c.ts as 3_c.js", "gone.js as gone.js"}, names()); diff != "" {
			t.Errorf("records after one was taken away (-want +got):\n%s", diff)
		}
	})
}

func TestSource(t *testing.T) {
	dir := migrationtest.Write(t, "20240102_b.js", "", "20240101_a_table.ts", "", "20240101_a_table.d.ts", "", "20240102_b.ts", "", "20240102_b.js.map", "", ".hidden.js", "", "note.md", "", "20240103_c.mjs", "")
	files, err := knex.New(dir, schema.Name{}).Source.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range files {
		got = append(got, string(m.ID)+" "+m.Title)
	}
	if diff := cmp.Diff([]string{"20240101_a_table.ts a table", "20240102_b.js b", "20240103_c.mjs c"}, got); diff != "" {
		t.Errorf("migrations (-want +got):\n%s", diff)
	}
	if _, err := knex.New(t.TempDir(), schema.Name{}).Source.Migrations(t.Context()); !errors.Is(err, migration.ErrNone) {
		t.Errorf("an empty folder: %v, want ErrNone", err)
	}
	if _, err := knex.New(filepath.Join(dir, "none"), schema.Name{}).Source.Migrations(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v, want fs.ErrNotExist", err)
	}
}
