package sqlmigrate_test

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
	"mulligan/migration/command"
	"mulligan/migration/migrationtest"
	"mulligan/migration/sqlmigrate"
	"mulligan/schema"
)

func TestMain(m *testing.M) { testdb.Main(m) }

func TestLedger(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		migrationtest.Test(t, migrationtest.Config{
			Tool:   "sql-migrate",
			Open:   func(t testing.TB) engine.DB { return open(t).DB },
			Ledger: func(table schema.Name) migration.Ledger { return sqlmigrate.New("", table).Ledger },
			Files:  []migration.Migration{{ID: "1_a.sql"}, {ID: "2.sql"}, {ID: "10-b.sql"}, {ID: "é last.sql"}},
		})
	})
}

// times are the ledger's columns whose values differ from run to run.
var times = []string{"applied_at"}

// program is the real sql-migrate for a database.
type program struct{ server, lite string }

func programs(t *testing.T) program {
	return program{migrationtest.Program(t, "sql-migrate"), migrationtest.Program(t, "sql-migrate-on-sqlite")}
}

// arguments are the command that runs a verb of sql-migrate's on a folder.
func (p program) arguments(t *testing.T, u engine.URL, dir, verb string) []string {
	t.Helper()
	dialect, source := "postgres", u.Reveal()
	switch u.Family() {
	case engine.SQLite:
		return []string{p.lite, verb, u.Database(), dir}
	case engine.Postgres:
		if !strings.Contains(source, "sslmode=") { // the tool's driver asks for TLS where nothing is said
			separator := "?"
			if strings.Contains(source, "?") {
				separator = "&"
			}
			source += separator + "sslmode=disable"
		}
	default:
		password, _ := u.Password()
		dialect, source = "mysql", u.User()+":"+password+"@tcp("+u.Host()+")/"+u.Database()+"?parseTime=true"
	}
	config := filepath.Join(t.TempDir(), "dbconfig.yml")
	text := fmt.Sprintf("development:\n  dialect: %s\n  datasource: %q\n  dir: %q\n", dialect, source, dir)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{p.server, verb, "-config=" + config}
}

func (p program) run(t *testing.T, u engine.URL, dir, verb string) (string, error) {
	t.Helper()
	args := p.arguments(t, u, dir, verb)
	return migrationtest.Run(t, args[0], args[1:]...)
}

// pending are the migrations that the tool's own status calls pending.
func (p program) pending(t *testing.T, u engine.URL, dir string) []string {
	t.Helper()
	out, err := p.run(t, u, dir, "status")
	if err != nil {
		t.Fatalf("sql-migrate status: %v\n%s", err, out)
	}
	list := []string{}
	for line := range strings.SplitSeq(out, "\n") {
		words := strings.Fields(strings.ReplaceAll(line, "|", " "))
		switch {
		case len(words) == 2 && words[0] == "pending":
			list = append(list, words[1])
		case len(words) == 2 && words[1] == "no":
			list = append(list, words[0])
		}
	}
	return list
}

// folder are the examples of goose, whose annotations are these of another name.
func folder(t *testing.T, f engine.Family) string {
	t.Helper()
	files, err := migration.ReadFolder(migrationtest.Example(t, "goose", migrationtest.Folder(f)), func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	for _, file := range files {
		text := strings.ReplaceAll(file.Text, "-- +goose ", "-- +migrate ")
		if none := "-- +migrate NO TRANSACTION\n"; strings.Contains(text, none) {
			text = strings.Replace(strings.Replace(text, none, "", 1), "-- +migrate Up", "-- +migrate Up notransaction", 1)
		}
		parts = append(parts, file.Name, text)
	}
	return migrationtest.Write(t, parts...)
}

func TestReplay(t *testing.T) {
	program := programs(t)
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		dir := folder(t, open(t).Family())
		migrationtest.Replay(t, open, sqlmigrate.New(dir, schema.Name{}), times, func(t *testing.T, db testengine.Database) {
			if out, err := program.run(t, db.URL, dir, "up"); err != nil {
				t.Fatalf("sql-migrate up: %v\n%s", err, out)
			}
		})
	})
}

func write(t *testing.T, how string) string {
	return migrationtest.Write(t,
		"1_a.sql", "-- +migrate Up\nCREATE TABLE a (id integer PRIMARY KEY);\n-- +migrate Down\nDROP TABLE a;",
		"2_b.sql", "-- +migrate Up"+how+"\nCREATE TABLE b (id integer PRIMARY KEY);\n\nCREATE TABLE a (id integer PRIMARY KEY);\n",
		"10_c.sql", "-- +migrate Up\nCREATE TABLE c (id integer PRIMARY KEY);")
}

func TestFailure(t *testing.T) {
	program := programs(t)
	for name, how := range map[string]string{"Transaction": "", "NoTransaction": " notransaction"} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, how)
			testengine.Each(t, func(t *testing.T, open testengine.Open) {
				tool := sqlmigrate.New(dir, schema.Name{})
				migrationtest.Failure(t, open, tool, times, func(t *testing.T, db testengine.Database) {
					if out, err := program.run(t, db.URL, dir, "up"); err == nil {
						t.Fatalf("sql-migrate up succeeded:\n%s", out)
					}
				})
				stopped := migrationtest.Fails(t, tool, open(t))
				if stopped.Line != 4 || !strings.HasPrefix(stopped.Statement, "CREATE TABLE a") {
					t.Errorf("the failure is at line %d, statement %q", stopped.Line, stopped.Statement)
				}
			})
		})
	}
}

// TestMasked: the real tool is stopped midway.
func TestMasked(t *testing.T) {
	program := programs(t)
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		db := open(t)
		dir := folder(t, db.Family())
		tool := sqlmigrate.New(dir, schema.Name{})
		files, err := tool.Source.Migrations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		tool.Runner, err = command.New(command.Options{Command: program.arguments(t, db.URL, dir, "up"), Source: tool.Source, Ledger: tool.Ledger})
		if err != nil {
			t.Fatal(err)
		}
		migrationtest.Apply(t, tool, db, files[4].ID)
		native := open(t)
		migrationtest.Apply(t, sqlmigrate.New(dir, schema.Name{}), native, files[4].ID)
		if diff := cmp.Diff(migrationtest.Content(t, native, times...), migrationtest.Content(t, db, times...)); diff != "" {
			t.Errorf("stopped midway, the native runner (-) and the real tool (+) differ:\n%s", diff)
		}
		var want []string
		for _, m := range files[5:] {
			want = append(want, string(m.ID))
		}
		if diff := cmp.Diff(want, program.pending(t, db.URL, dir)); diff != "" {
			t.Errorf("pending (-want +the tool's):\n%s", diff)
		}
	})
}

// TestRealRow: the row that we write is the one that the tool writes, and it takes ours for its own.
func TestRealRow(t *testing.T) {
	program := programs(t)
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		db := open(t)
		dir := migrationtest.Write(t, "1_a.sql", "-- +migrate Up\nCREATE TABLE a (id int);", "2_b.sql", "-- +migrate Up\nCREATE TABLE b (id int);")
		tool := sqlmigrate.New(dir, schema.Name{})
		files, err := tool.Source.Migrations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if out, err := program.run(t, db.URL, dir, "up"); err != nil {
			t.Fatalf("sql-migrate up: %v\n%s", err, out)
		}
		for _, m := range files {
			migrationtest.SameRow(t, db, tool.Ledger, m, files, times...)
		}
		if got := program.pending(t, db.URL, dir); len(got) != 0 {
			t.Errorf("after our marks the tool calls %v pending", got)
		}
		if err := migration.Delete(t.Context(), db, tool.Ledger, files[1], files); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"2_b.sql"}, program.pending(t, db.URL, dir)); diff != "" {
			t.Errorf("after our unmark, pending (-want +the tool's):\n%s", diff)
		}
	})
}

// TestTime: times are read in every form that the tool's drivers leave in SQLite.
func TestTime(t *testing.T) {
	db := testengine.SQLite(t)
	l := sqlmigrate.New("", schema.Name{}).Ledger
	if err := l.Create(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	db.Exec(t, "INSERT INTO gorp_migrations VALUES ('1.sql', '2026-01-02 03:04:05.25+01:00'), ('2.sql', '2026-01-02 02:04:05.25 +0000 UTC m=+0.012')")
	records, err := l.Records(t.Context(), db, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if got := r.At.Format("2006-01-02 15:04:05.99"); got != "2026-01-02 02:04:05.25" {
			t.Errorf("the time of %s is %s", r.ID, got)
		}
	}
	if len(records) != 2 {
		t.Errorf("%d records", len(records))
	}
}

// TestLate: a file that comes in below the last applied one is run, and an unknown name in the ledger stops all.
func TestLate(t *testing.T) {
	db := testengine.SQLite(t)
	dir := migrationtest.Write(t, "1_a.sql", "-- +migrate Up\nCREATE TABLE a (id int);", "2_b.sql", "-- +migrate Up\nCREATE TABLE b (id int);")
	tool := sqlmigrate.New(dir, schema.Name{})
	if err := tool.Ledger.Create(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	db.Exec(t, "INSERT INTO gorp_migrations VALUES ('2_b.sql', '2026-01-02 03:04:05+00:00')")
	if log := migrationtest.Apply(t, tool, db, ""); !strings.Contains(log, "1_a.sql") || strings.Contains(log, "2_b.sql") {
		t.Errorf("log: %s", log)
	}
	db.Exec(t, "INSERT INTO gorp_migrations VALUES ('3_c.sql', '2026-01-02 03:04:05+00:00')")
	err := tool.Runner.Run(t.Context(), migration.Target{DB: db.DB}, "", io.Discard)
	if err == nil || !strings.Contains(err.Error(), "3_c.sql") {
		t.Errorf("Run: %v, want an error that names 3_c.sql", err)
	}
}

func TestSource(t *testing.T) {
	const body = "-- +migrate Up\n"
	dir := migrationtest.Write(t, "10_ten.sql", body, "9-nine_tables.sql", "-- x\n"+body, "zz.sql", body, "README.md", "", "20240131120000-x.sql", body)
	files, err := sqlmigrate.New(dir, schema.Name{}).Source.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range files {
		got = append(got, fmt.Sprintf("%s %q line %d", m.ID, m.Title, m.Line))
	}
	want := []string{`9-nine_tables.sql "nine tables" line 2`, `10_ten.sql "ten" line 1`, `20240131120000-x.sql "x" line 1`, `zz.sql "zz" line 1`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("migrations (-want +got):\n%s", diff)
	}
	for name, dir := range map[string]string{
		"no annotation": migrationtest.Write(t, "1_a.sql", "SELECT 1;"),
		"too large":     migrationtest.Write(t, "99999999999999999999_a.sql", body),
	} {
		if _, err := sqlmigrate.New(dir, schema.Name{}).Source.Migrations(t.Context()); err == nil || !strings.Contains(err.Error(), "_a.sql") {
			t.Errorf("%s: %v, want an error that names the file", name, err)
		}
	}
	if _, err := sqlmigrate.New(t.TempDir(), schema.Name{}).Source.Migrations(t.Context()); !errors.Is(err, migration.ErrNone) {
		t.Errorf("empty folder: %v, want ErrNone", err)
	}
}

func TestFileTool(t *testing.T) {
	dir := migrationtest.Write(t, "1.sql", "-- +migrate Up\n", "2.sql", "-- +goose Up\n", "3.txt", "-- +migrate Up\n")
	if n, err := sqlmigrate.FileTool().Looks(dir); n != 1 || err != nil {
		t.Errorf("%d files, %v", n, err)
	}
}
