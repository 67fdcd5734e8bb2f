package tern_test

import (
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
	"mulligan/migration/migrationtest"
	"mulligan/migration/tern"
	"mulligan/schema"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// postgres runs a test on the one engine that tern works with.
func postgres(t *testing.T, test func(t *testing.T)) { t.Run("PostgreSQL", test) }

func TestLedger(t *testing.T) {
	postgres(t, func(t *testing.T) {
		migrationtest.Test(t, migrationtest.Config{
			Tool:      "tern",
			Open:      func(t testing.TB) engine.DB { return testengine.Postgres(t).DB },
			Ledger:    func(table schema.Name) migration.Ledger { return tern.New("", table).Ledger },
			Files:     []migration.Migration{{ID: "1"}, {ID: "2"}, {ID: "3"}, {ID: "4"}},
			OneNumber: true,
		})
	})
}

// TestOthers: elsewhere than on PostgreSQL every way to begin ends in a clear error, and nothing is made.
func TestOthers(t *testing.T) {
	for name, open := range map[string]testengine.Open{"SQLite": testengine.SQLite, "MariaDB": testengine.MariaDB, "MySQL": testengine.MySQL} {
		t.Run(name, func(t *testing.T) {
			db := open(t)
			tool := tern.New(migrationtest.Write(t, "1_a.sql", "CREATE TABLE a (id int)"), schema.Name{Table: "v"})
			one := migration.Migration{ID: "1"}
			_, read := tool.Ledger.Records(t.Context(), db, nil)
			for what, err := range map[string]error{
				"Create":  tool.Ledger.Create(t.Context(), db),
				"Records": read,
				"Mark":    migration.Insert(t.Context(), db, tool.Ledger, one, nil),
				"Unmark":  migration.Delete(t.Context(), db, tool.Ledger, one, nil),
				"Run":     tool.Runner.Run(t.Context(), migration.Target{DB: db.DB}, "", io.Discard),
			} {
				if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "PostgreSQL only") {
					t.Errorf("%s: %v, want ErrUnsupported and a word on PostgreSQL", what, err)
				}
			}
			if s, err := db.Inspect(t.Context()); err != nil || len(s.Tables) != 0 {
				t.Errorf("tables %v, %v", s.Tables, err)
			}
		})
	}
}

// run runs a verb of the real tern on a folder.
func run(t *testing.T, program string, u engine.URL, dir string, verb ...string) (string, error) {
	t.Helper()
	return migrationtest.Run(t, program, append(verb, "--migrations", dir, "--conn-string", u.Reveal())...)
}

// folder are the examples of golang-migrate, each with its way back below tern's line.
func folder(t *testing.T) string {
	t.Helper()
	from := migrationtest.Example(t, "golang-migrate", "postgres")
	files, err := migration.ReadFolder(from, func(name string) bool { return strings.HasSuffix(name, ".up.sql") })
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	for _, f := range files {
		down, err := os.ReadFile(filepath.Join(from, strings.Replace(f.Name, ".up.", ".down.", 1)))
		if err != nil {
			t.Fatal(err)
		}
		text := f.Text
		if strings.Contains(text, "CONCURRENTLY") {
			text = "---- tern: disable-tx ----\n" + text
		}
		parts = append(parts, strings.Replace(f.Name, ".up.sql", ".sql", 1), text+"\n---- create above / drop below ----\n"+string(down))
	}
	return migrationtest.Write(t, parts...)
}

func TestReplay(t *testing.T) {
	program := migrationtest.Program(t, "tern")
	postgres(t, func(t *testing.T) {
		dir := folder(t)
		migrationtest.Replay(t, testengine.Postgres, tern.New(dir, schema.Name{}), nil, func(t *testing.T, db testengine.Database) {
			if out, err := run(t, program, db.URL, dir, "migrate"); err != nil {
				t.Fatalf("tern migrate: %v\n%s", err, out)
			}
		})
	})
}

func TestFailure(t *testing.T) {
	program := migrationtest.Program(t, "tern")
	for name, how := range map[string]string{"Transaction": "", "NoTransaction": "---- tern: disable-tx ----\n"} {
		t.Run(name, func(t *testing.T) {
			dir := migrationtest.Write(t,
				"1_a.sql", "CREATE TABLE a (id integer PRIMARY KEY);",
				"2_b.sql", how+"CREATE TABLE b (id integer PRIMARY KEY);\nCREATE TABLE a (id integer PRIMARY KEY);",
				"3_c.sql", "CREATE TABLE c (id integer PRIMARY KEY);")
			postgres(t, func(t *testing.T) {
				tool := tern.New(dir, schema.Name{})
				migrationtest.Failure(t, testengine.Postgres, tool, nil, func(t *testing.T, db testengine.Database) {
					if out, err := run(t, program, db.URL, dir, "migrate"); err == nil {
						t.Fatalf("tern migrate succeeded:\n%s", out)
					}
				})
				// The server tells no position of this in a text of several statements.
				if stopped := migrationtest.Fails(t, tool, testengine.Postgres(t)); how != "" && stopped.Line != 3 {
					t.Errorf("the failure is at line %d, want 3", stopped.Line)
				}
			})
		})
	}
}

// TestCannotMask: a ledger of one number cannot be masked, and says so before anything runs.
func TestCannotMask(t *testing.T) {
	postgres(t, func(t *testing.T) {
		db := testengine.Postgres(t)
		tool := tern.New(folder(t), schema.Name{})
		err := migration.Mask(tool.Runner, tool.Ledger, tool.Source).Run(t.Context(), migration.Target{URL: db.URL, DB: db.DB}, "2", io.Discard)
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Mask: %v, want ErrUnsupported", err)
		}
		s, err := db.Inspect(t.Context())
		if err != nil || len(s.Tables) != 1 {
			t.Errorf("tables %v, %v; want the ledger alone", s.Tables, err)
		}
	})
}

// TestRealRow: the number that we write is the one that tern writes, and its own status takes it.
func TestRealRow(t *testing.T) {
	program := migrationtest.Program(t, "tern")
	postgres(t, func(t *testing.T) {
		db := testengine.Postgres(t)
		dir := migrationtest.Write(t, "001_a.sql", "SET search_path = pg_catalog; CREATE TABLE public.a (id int);", "002_b.sql", "CREATE TABLE b (id int);")
		tool := tern.New(dir, schema.Name{})
		files, err := tool.Source.Migrations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		status := func(want string) {
			t.Helper()
			out, err := run(t, program, db.URL, dir, "status")
			if err != nil || !strings.Contains(out, "version:  "+want+" of 2") {
				t.Errorf("tern status: %v, want version %s\n%s", err, want, out)
			}
		}
		if out, err := run(t, program, db.URL, dir, "migrate"); err != nil {
			t.Fatalf("tern migrate: %v\n%s", err, out)
		}
		migrationtest.SameRow(t, db, tool.Ledger, files[1], files)
		status("2")
		for i, want := range []string{"1", "0"} {
			if err := migration.Delete(t.Context(), db, tool.Ledger, files[1-i], files); err != nil {
				t.Fatal(err)
			}
			status(want)
		}
		migrated := testengine.Postgres(t)
		migrationtest.Apply(t, tool, migrated, "")
		if err := migration.Delete(t.Context(), db, tool.Ledger, files[0], files); err != nil {
			t.Errorf("unmark at zero: %v", err)
		}
		for _, m := range files {
			if err := migration.Insert(t.Context(), db, tool.Ledger, m, files); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(migrationtest.Content(t, db), migrationtest.Content(t, migrated)); diff != "" {
			t.Errorf("the real tool and our marks (-), the native runner (+):\n%s", diff)
		}
	})
}

// TestRealLock: while we hold tern's lock, tern waits; while tern holds it, we are told.
func TestRealLock(t *testing.T) {
	program := migrationtest.Program(t, "tern")
	postgres(t, func(t *testing.T) {
		db := testengine.Postgres(t)
		dir := migrationtest.Write(t, "001_a.sql", "SELECT pg_advisory_lock(1); CREATE TABLE a (id int);")
		lock := tern.New(dir, schema.Name{}).Lock
		s, err := db.Session(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		free, err := lock.Take(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.ExecContext(t.Context(), "SELECT pg_advisory_lock(1)"); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			out, err := run(t, program, db.URL, dir, "migrate")
			if err != nil {
				err = fmt.Errorf("%w\n%s", err, out)
			}
			ended <- err
		}()
		// tern comes to our lock, and from there to the lock of its migration.
		waits := func(key int64) {
			t.Helper()
			const query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND (classid::bigint << 32) + objid::bigint = $1"
			for n := 0; n == 0; {
				if err := s.QueryRowContext(t.Context(), query, key).Scan(&n); err != nil {
					t.Fatal(err)
				}
				select {
				case err := <-ended:
					t.Fatalf("tern did not wait: %v", err)
				default:
				}
			}
		}
		waits(9628173550095224)
		if err := free(t.Context()); err != nil {
			t.Fatal(err)
		}
		waits(1)
		if _, err := lock.Take(t.Context(), s); !errors.Is(err, migration.ErrHeld) {
			t.Errorf("Take while tern works: %v, want ErrHeld", err)
		}
		if who, err := lock.Holder(t.Context(), s); err != nil || !strings.Contains(who, "process") {
			t.Errorf("Holder: %q, %v", who, err)
		}
		if _, err := s.ExecContext(t.Context(), "SELECT pg_advisory_unlock(1)"); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestUnknownVersion: a number beyond the files stops the run, and an empty ledger can be marked.
func TestUnknownVersion(t *testing.T) {
	postgres(t, func(t *testing.T) {
		db := testengine.Postgres(t)
		tool := tern.New(migrationtest.Write(t, "1_a.sql", "CREATE TABLE a (id int)"), schema.Name{})
		if err := tool.Ledger.Create(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		db.Exec(t, "UPDATE schema_version SET version = 7")
		err := tool.Runner.Run(t.Context(), migration.Target{DB: db.DB}, "", io.Discard)
		if err == nil || !strings.Contains(err.Error(), "version 7") {
			t.Errorf("Run: %v, want an error that names version 7", err)
		}
		db.Exec(t, "DELETE FROM schema_version")
		if err := migration.Insert(t.Context(), db, tool.Ledger, migration.Migration{ID: "1"}, nil); err != nil {
			t.Errorf("mark in an empty ledger: %v", err)
		}
	})
}

func TestSource(t *testing.T) {
	const line = "\n---- create above / drop below ----\n"
	dir := migrationtest.Write(t, "001_first_table.sql", "CREATE TABLE a (id int);"+line+"DROP TABLE a;", "2_{{.x}}.sql", "SELECT 1", "README.sql", "", "x_3.sql", "")
	if err := os.Mkdir(filepath.Join(dir, "shared"), 0o700); err != nil {
		t.Fatal(err)
	}
	files, err := tern.New(dir, schema.Name{}).Source.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range files {
		got = append(got, string(m.ID)+" "+m.Title)
	}
	if diff := cmp.Diff([]string{"1 first table", "2 {{.x}}"}, got); diff != "" {
		t.Errorf("migrations (-want +got):\n%s", diff)
	}
	const sql = "SELECT 1;"
	for name, tt := range map[string]struct {
		dir, want string
	}{
		"gap":       {migrationtest.Write(t, "1_a.sql", sql, "3_c.sql", sql), "3_c.sql: there is no migration 2"},
		"start":     {migrationtest.Write(t, "2_b.sql", sql), "2_b.sql: there is no migration 1"},
		"zero":      {migrationtest.Write(t, "0_a.sql", sql), "0_a.sql: 0 is no number"},
		"too large": {migrationtest.Write(t, "2147483648_a.sql", sql), "_a.sql"},
		"twice":     {migrationtest.Write(t, "1_a.sql", sql, "01_b.sql", sql), "01_b.sql and"},
		"comments":  {migrationtest.Write(t, "1_a.sql", "-- none\n"+line+sql), "1_a.sql: there is no SQL above"},
	} {
		if _, err := tern.New(tt.dir, schema.Name{}).Source.Migrations(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, tt.want)
		}
	}
	if _, err := tern.New(t.TempDir(), schema.Name{}).Source.Migrations(t.Context()); !errors.Is(err, migration.ErrNone) {
		t.Errorf("empty folder: %v, want ErrNone", err)
	}
}

// TestTemplate: what only tern can fill in is refused before anything runs.
func TestTemplate(t *testing.T) {
	dir := migrationtest.Write(t, "1_a.sql", "CREATE TABLE a (id int)", "2_b.sql", "CREATE TABLE {{.name}} (id int)",
		"3_c.sql", "SELECT 1;\n---- create above / drop below ----\nDROP TABLE {{.name}}")
	tool := tern.New(dir, schema.Name{})
	files, err := tool.Source.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tool.Script(files[1]); !errors.Is(err, tern.ErrTemplate) || !strings.Contains(err.Error(), "migrations.command") {
		t.Errorf("Script: %v, want ErrTemplate and a way out", err)
	}
	if _, err := tool.Script(files[2]); err != nil {
		t.Errorf("a template below the line: %v", err)
	}
	postgres(t, func(t *testing.T) {
		db := testengine.Postgres(t)
		err := tool.Runner.Run(t.Context(), migration.Target{DB: db.DB}, "", io.Discard)
		if !errors.Is(err, tern.ErrTemplate) || !strings.Contains(err.Error(), "2_b.sql") {
			t.Errorf("Run: %v, want ErrTemplate and the file's name", err)
		}
		if s, err := db.Inspect(t.Context()); err != nil || len(s.Tables) != 1 {
			t.Errorf("tables %v, %v; want the ledger alone", s.Tables, err)
		}
	})
}

func TestFileTool(t *testing.T) {
	dir := migrationtest.Write(t, "1_a.sql", "SELECT 1;\n---- create above / drop below ----\n", "2_b.sql", "SELECT 1;")
	if n, err := tern.FileTool().Looks(dir); n != 1 || err != nil {
		t.Errorf("%d files, %v", n, err)
	}
}
