package command_test

import (
	"bytes"
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
	"mulligan/migration/command"
	"mulligan/migration/dbmate"
	"mulligan/migration/golangmigrate"
	"mulligan/migration/migrationtest"
	"mulligan/schema"
)

func TestMain(m *testing.M) { testdb.Main(m) }

const address = "mariadb://mia:p%2Fss%20w@db.example:3307/app?tls=false"

func run(t *testing.T, o command.Options, address string, to migration.ID) (string, error) {
	t.Helper()
	r, err := command.New(o)
	if err != nil {
		return "", err
	}
	u, err := engine.ParseURL(address)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	err = r.Run(t.Context(), migration.Target{URL: u}, to, &log)
	return log.String(), err
}

func TestPlaceholders(t *testing.T) {
	o := command.Options{
		Command: []string{"sh", "-c", `printf '%s\n' "$@" "$TO" "$LONG" >"$OUT"; echo "$LONG and $PASS"`, "sh", "{host}:{port}", "{user}@{database}", "{to}", "{other}"},
		Env:     []string{"TO=up to {to}", "LONG={url}", "PASS={password}", "OUT=" + filepath.Join(t.TempDir(), "out")},
	}
	log, err := run(t, o, address, "007")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(strings.TrimPrefix(o.Env[3], "OUT="))
	if err != nil {
		t.Fatal(err)
	}
	want := "db.example:3307\nmia@app\n007\n{other}\nup to 007\n" + address + "\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("arguments and environment (-want +got):\n%s", diff)
	}
	if strings.Contains(log, "p/ss") || strings.Contains(log, "p%2Fss") || !strings.Contains(log, "***") {
		t.Errorf("the password is in the output: %s", log)
	}
}

func TestDefaultPort(t *testing.T) {
	for address, want := range map[string]string{"postgres://u@h/d": "5432", "mysql://u@h/d": "3306", "sqlite:/tmp/x.db": ""} {
		log, err := run(t, command.Options{Command: []string{"echo", "port", "{port}"}}, address, "")
		if err != nil || log != strings.TrimSpace("port "+want)+"\n" && log != "port "+want+"\n" {
			t.Errorf("%s: %q, %v", address, log, err)
		}
	}
}

// TestDatabaseURL: the child gets the target, whatever address the environment or an .env file holds.
func TestDatabaseURL(t *testing.T) {
	t.Setenv("DATABASE_URL", "mysql://live.example/live")
	for _, env := range [][]string{nil, {"DATABASE_URL=mysql://other.example/live"}, {"DATABASE_URL=mysql://other.example/live", "DATABASE_URL={url}"}} {
		log, err := run(t, command.Options{Command: []string{"sh", "-c", "echo $DATABASE_URL"}, Env: env}, "mariadb://mia@db.example/app", "")
		if err != nil || log != "mariadb://mia@db.example/app\n" {
			t.Errorf("env %v: DATABASE_URL is %q, %v", env, log, err)
		}
	}
	log, err := run(t, command.Options{Command: []string{"sh", "-c", "echo $DATABASE_URL"}, Env: []string{"DATABASE_URL=jdbc:mysql://{host}/{database}"}}, "mysql://h/d", "")
	if err != nil || log != "jdbc:mysql://h/d\n" {
		t.Errorf("an entry with placeholders: %q, %v", log, err)
	}
}

func TestSecretInArguments(t *testing.T) {
	for _, arg := range []string{"{password}", "--url={url}"} {
		_, err := run(t, command.Options{Command: []string{"echo", arg}}, address, "")
		if !errors.Is(err, command.ErrSecret) || !strings.Contains(err.Error(), "migrations.env") {
			t.Errorf("%s: %v, want ErrSecret and what to do", arg, err)
		}
	}
	if log, err := run(t, command.Options{Command: []string{"echo", "{url}"}}, "postgres://u@h/d", ""); err != nil || log != "postgres://u@h/d\n" {
		t.Errorf("a url without a password: %q, %v", log, err)
	}
}

func TestBadOptions(t *testing.T) {
	for name, o := range map[string]command.Options{
		"empty":   {},
		"steps":   {Command: []string{"x"}, Steps: func([]string, []migration.Status, []migration.Migration) ([][]string, error) { return nil, nil }},
		"no name": {Command: []string{"x"}, Env: []string{"=secret"}},
		"no sign": {Command: []string{"x"}, Env: []string{"secret"}},
	} {
		if _, err := command.New(o); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFailure(t *testing.T) {
	_, err := run(t, command.Options{Command: []string{"sh", "-c", `echo "cannot connect with $DATABASE_URL"; exit 3`}}, address, "")
	var stopped *migration.RunError
	if !errors.As(err, &stopped) || !strings.Contains(err.Error(), "cannot connect") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("Run: %v, want what the command said", err)
	}
	if strings.Contains(err.Error(), "ss%20w") {
		t.Errorf("the password is in the error: %v", err)
	}
}

func TestCannotStop(t *testing.T) {
	if _, err := run(t, command.Options{Command: []string{"true"}}, address, "1"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Run: %v, want ErrUnsupported", err)
	}
	if _, err := run(t, command.Options{Command: []string{"echo", "{to}"}}, address, ""); err == nil {
		t.Error("{to} without a list of migrations ran")
	}
}

// shellTool is a migration tool in a line of shell that applies what its ledger lacks, and can only do all.
func shellTool(t *testing.T) (*migration.Tool, testengine.Database) {
	t.Helper()
	db := testengine.SQLite(t)
	var files []string
	for i := range 4 {
		files = append(files, fmt.Sprintf("%d_t.sql", i+1), fmt.Sprintf("-- migrate:up\nCREATE TABLE t%d (id int);\n-- migrate:down\n", i+1))
	}
	dir := migrationtest.Write(t, files...)
	inner := dbmate.New([]string{dir}, schema.Name{})
	tool, err := command.Tool(command.Options{
		Command: []string{"sh", "-c", `for v in 1 2 3 4; do
			if [ "$(sqlite3 "$DB" "SELECT count(*) FROM schema_migrations WHERE version = '$v'")" = 0 ]; then
				sqlite3 "$DB" "CREATE TABLE t$v (id int); INSERT INTO schema_migrations VALUES ('$v')" || exit 1
			fi
		done`},
		Env: []string{"DB={database}"}, Source: inner.Source, Ledger: inner.Ledger, Tool: "shell",
	})
	if err != nil {
		t.Fatal(err)
	}
	return tool, db
}

// TestMasked: a command that can only do all stops where it should.
func TestMasked(t *testing.T) {
	tool, db := shellTool(t)
	for i, to := range []migration.ID{"1", "3", "3", "4"} {
		migrationtest.Apply(t, tool, db, to)
		s, err := db.Inspect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := map[migration.ID]int{"1": 1, "3": 3, "4": 4}[to]
		records, err := tool.Ledger.Records(t.Context(), db, nil)
		if err != nil || len(records) != want || len(s.Tables) != want+1 {
			t.Errorf("step %d to %s: %d records, %d tables, %v", i, to, len(records), len(s.Tables), err)
		}
	}
}

// TestSteps: a tool that names where to stop in its own way is run once for each command that it makes, for what is pending.
func TestSteps(t *testing.T) {
	db := testengine.SQLite(t)
	up := "-- migrate:up\n-- migrate:down\n"
	inner := dbmate.New([]string{migrationtest.Write(t, "1_a.sql", up, "2_b.sql", up, "3_c.sql", up)}, schema.Name{})
	broken := errors.New("broken")
	o := command.Options{
		Command: []string{"sqlite3", "{database}"}, Source: inner.Source, Ledger: inner.Ledger,
		Steps: func(args []string, all []migration.Status, pending []migration.Migration) ([][]string, error) {
			if len(all) != 3 {
				return nil, broken
			}
			var list [][]string
			for _, m := range pending {
				list = append(list, append(args[:2:2], "INSERT INTO schema_migrations VALUES ('"+string(m.ID)+"')"))
			}
			return list, nil
		},
	}
	runner, err := command.New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []migration.ID{"1", "3", "3"} {
		if err := runner.Run(t.Context(), migration.Target{URL: db.URL, DB: db.DB}, to, &bytes.Buffer{}); err != nil {
			t.Fatalf("run to %s: %v", to, err)
		}
		records, err := inner.Ledger.Records(t.Context(), db, nil)
		if err != nil || fmt.Sprint(len(records)) != string(to) {
			t.Errorf("after a run to %s: %v, %v", to, records, err)
		}
	}
	db.Exec(t, "DELETE FROM schema_migrations", "INSERT INTO schema_migrations VALUES ('9')")
	if err := runner.Run(t.Context(), migration.Target{URL: db.URL, DB: db.DB}, "1", &bytes.Buffer{}); !errors.Is(err, broken) {
		t.Errorf("Run: %v, want the error of Steps", err)
	}
}

// TestMaskedFailure: the records that hid migrations are taken away after a failure too.
func TestMaskedFailure(t *testing.T) {
	tool, db := shellTool(t)
	db.Exec(t, "CREATE TABLE t2 (id int)")
	if err := tool.Runner.Run(t.Context(), migration.Target{URL: db.URL, DB: db.DB}, "2", &bytes.Buffer{}); err == nil {
		t.Fatal("the run succeeded")
	}
	records, err := tool.Ledger.Records(t.Context(), db, nil)
	if err != nil || len(records) != 1 || records[0].ID != "1" {
		t.Errorf("records %v, %v; want that of 1 alone", records, err)
	}
}

// TestMaskedOneNumber: a ledger of one number is refused, and left as it was.
func TestMaskedOneNumber(t *testing.T) {
	db := testengine.SQLite(t)
	inner := golangmigrate.New(migrationtest.Write(t, "1_a.up.sql", "", "2_b.up.sql", ""), schema.Name{})
	masked := migration.Mask(inner.Runner, inner.Ledger, inner.Source)
	err := masked.Run(t.Context(), migration.Target{DB: db.DB}, "1", &bytes.Buffer{})
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Run: %v, want ErrUnsupported", err)
	}
	if records, err := inner.Ledger.Records(t.Context(), db, nil); err != nil || len(records) != 0 {
		t.Errorf("records %v, %v", records, err)
	}
}

func TestSQLFile(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		db := open(t)
		dir := migrationtest.Write(t, "base.sql", "CREATE TABLE a (id integer);\n\nINSERT INTO a VALUES (1);", "bad.sql", "-- base\n\nSELECT nothing\nFROM nowhere;", "latin.sql", "SELECT 'caf\xe9';")
		target := migration.Target{URL: db.URL, DB: db.DB}
		if err := command.SQLFile(filepath.Join(dir, "base.sql")).Run(t.Context(), target, "", &bytes.Buffer{}); err != nil {
			t.Fatal(err)
		}
		if got := migrationtest.Content(t, db); !strings.Contains(got, `"1"`) {
			t.Errorf("the row is not there:\n%s", got)
		}
		var stopped *migration.RunError
		err := command.SQLFile(filepath.Join(dir, "bad.sql")).Run(t.Context(), target, "", &bytes.Buffer{})
		if !errors.As(err, &stopped) || stopped.Path != filepath.Join(dir, "bad.sql") || stopped.Line < 3 || stopped.Line > 4 || !strings.HasPrefix(stopped.Statement, "SELECT nothing") {
			t.Errorf("Run: %+v, want the file, line 3 or 4, and the statement", err)
		}
		if err := command.SQLFile(filepath.Join(dir, "latin.sql")).Run(t.Context(), target, "", &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "UTF-8") {
			t.Errorf("Run: %v, want an error about UTF-8", err)
		}
		if err := command.SQLFile("none.sql").Run(t.Context(), target, "", &bytes.Buffer{}); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("Run: %v, want fs.ErrNotExist", err)
		}
		if err := command.SQLFile("base.sql").Run(t.Context(), target, "1", &bytes.Buffer{}); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Run: %v, want ErrUnsupported", err)
		}
	})
}
