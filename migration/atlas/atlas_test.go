package atlas_test

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/migration/atlas"
	"mulligan/migration/migrationtest"
	"mulligan/schema"
)

func TestMain(m *testing.M) { testdb.Main(m) }

func TestLedger(t *testing.T) {
	dir := migrationtest.Write(t, "1_a.sql", "", "2.sql", "", "20240101000000_b_c.sql", "", "9_d.sql", "")
	files := list(t, atlas.New(dir, schema.Name{}))
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		migrationtest.Test(t, migrationtest.Config{
			Tool:    "atlas",
			Open:    func(t testing.TB) engine.DB { return open(t).DB },
			Ledger:  func(table schema.Name) migration.Ledger { return atlas.New(dir, table).Ledger },
			Files:   files,
			Renamed: true,
		})
	})
}

func list(t testing.TB, tool *migration.Tool) []migration.Migration {
	t.Helper()
	files, err := tool.Source.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// volatile are the ledger's columns whose values differ from run to run, or from one release of Atlas to another.
var volatile = []string{"executed_at", "execution_time", "operator_version", "partial_hashes", "error"}

// arguments are a verb of Atlas's on a folder and a database.
func arguments(u engine.URL, dir string, verb ...string) []string {
	address := u.Reveal()
	if u.Family() == engine.Postgres {
		separator := "?"
		if strings.Contains(address, "?") {
			separator = "&"
		}
		address += separator + "search_path=public"
	}
	return append(append([]string{"migrate"}, verb...), "--dir", "file://"+dir, "--url", address)
}

func run(t *testing.T, program string, u engine.URL, dir string, verb ...string) (string, error) {
	t.Helper()
	return migrationtest.Run(t, program, arguments(u, dir, verb...)...)
}

// hash writes the sums of a folder as the real Atlas does.
func hash(t *testing.T, program, dir string) {
	t.Helper()
	if out, err := migrationtest.Run(t, program, "migrate", "hash", "--dir", "file://"+dir); err != nil {
		t.Fatalf("atlas migrate hash: %v\n%s", err, out)
	}
}

// folder are the examples of golang-migrate, some of them with Atlas's own words.
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
		text := f.Text
		switch {
		case strings.Contains(text, "CONCURRENTLY"):
			text = "-- atlas:txmode none\n\n" + text
		case strings.Contains(text, "CREATE TRIGGER"):
			text = "-- atlas:delimiter \\n-- end\n" + strings.ReplaceAll(text, ";\nCREATE TRIGGER", ";\n-- end\nCREATE TRIGGER") + "\n-- end\n"
			text = strings.ReplaceAll(text, ");\nCREATE FUNCTION", ");\n-- end\nCREATE FUNCTION")
		}
		parts = append(parts, strings.Replace(f.Name, ".up.sql", ".sql", 1), text)
	}
	return migrationtest.Write(t, parts...)
}

// servers are the engines that the real program knows without a C compiler.
func servers(t *testing.T, test func(t *testing.T, open testengine.Open)) {
	t.Run("PostgreSQL", func(t *testing.T) { test(t, testengine.Postgres) })
	t.Run("MariaDB", func(t *testing.T) { test(t, testengine.MariaDB) })
	t.Run("MySQL", func(t *testing.T) { test(t, testengine.MySQL) })
}

func TestReplay(t *testing.T) {
	program := migrationtest.Program(t, "atlas")
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		family := open(t).Family()
		dir := folder(t, family)
		hash(t, program, dir)
		reference := func(t *testing.T, db testengine.Database) {
			if out, err := run(t, program, db.URL, dir, "apply"); err != nil {
				t.Fatalf("atlas migrate apply: %v\n%s", err, out)
			}
		}
		if family == engine.SQLite {
			reference = nil // Atlas's driver for SQLite needs a C compiler
		}
		migrationtest.Replay(t, open, atlas.New(dir, schema.Name{}), volatile, reference)
	})
}

func TestFailure(t *testing.T) {
	program := migrationtest.Program(t, "atlas")
	for name, how := range map[string]string{"Transaction": "", "NoTransaction": "-- atlas:txmode none\n\n"} {
		t.Run(name, func(t *testing.T) {
			dir := migrationtest.Write(t,
				"1_a.sql", "CREATE TABLE a (id integer PRIMARY KEY);",
				"2_b.sql", how+"CREATE TABLE b (id integer PRIMARY KEY);\nCREATE TABLE a (id integer PRIMARY KEY);",
				"3_c.sql", "CREATE TABLE c (id integer PRIMARY KEY);")
			hash(t, program, dir)
			testengine.Each(t, func(t *testing.T, open testengine.Open) {
				tool := atlas.New(dir, schema.Name{})
				reference := func(t *testing.T, db testengine.Database) {
					if out, err := run(t, program, db.URL, dir, "apply"); err == nil {
						t.Fatalf("atlas migrate apply succeeded:\n%s", out)
					}
				}
				if open(t).Family() == engine.SQLite {
					reference = nil // as above
				}
				hidden := append([]string{"error_stmt"}, volatile...) // it tells with or without the semicolon
				migrationtest.Failure(t, open, tool, hidden, reference)
				if stopped := migrationtest.Fails(t, tool, open(t)); stopped.Line != 2+strings.Count(how, "\n") {
					t.Errorf("the failure is at line %d", stopped.Line)
				}
			})
		})
	}
}

// TestCannotMask: masking cannot stop Atlas midway. It takes the hidden files for the newest, passes over those before
// them without a word, and leaves a ledger that says so. Newer releases than the one tested here refuse such a gap,
// unless the command says --exec-order non-linear.
func TestCannotMask(t *testing.T) {
	program := migrationtest.Program(t, "atlas")
	servers(t, func(t *testing.T, open testengine.Open) {
		db := open(t)
		dir := folder(t, db.Family())
		hash(t, program, dir)
		tool := atlas.New(dir, schema.Name{})
		files := list(t, tool)
		native := tool.Runner
		tool.Runner = migration.Mask(real{program, dir}, tool.Ledger, tool.Source)
		migrationtest.Apply(t, tool, db, files[4].ID)
		records, err := tool.Ledger.Records(t.Context(), db, files)
		if err != nil || len(records) != 0 {
			t.Errorf("records after a masked run: %v, %v", records, err)
		}
		tool.Runner = native
		migrationtest.Apply(t, tool, db, files[4].ID)
		if records, err = tool.Ledger.Records(t.Context(), db, files); err != nil || len(records) != 5 {
			t.Errorf("the native runner stopped at %d records, %v", len(records), err)
		}
	})
}

// real is Atlas's own program as a runner that can only do all.
type real struct{ program, dir string }

func (r real) Run(ctx context.Context, target migration.Target, _ migration.ID, log io.Writer) error {
	cmd := exec.CommandContext(ctx, r.program, arguments(target.URL, r.dir, "apply")...)
	cmd.Stdout, cmd.Stderr = log, log
	return cmd.Run()
}

// TestRealRow: the row that we write is the one that `atlas migrate set` writes, and Atlas takes ours for its own.
func TestRealRow(t *testing.T) {
	program := migrationtest.Program(t, "atlas")
	dir := migrationtest.Write(t, "1_a.sql", "CREATE TABLE a (id int);", "2_b_c.sql", "CREATE TABLE b (id int);", "3_d.sql", "CREATE TABLE d (id int);")
	hash(t, program, dir)
	servers(t, func(t *testing.T, open testengine.Open) {
		db := open(t)
		tool := atlas.New(dir, schema.Name{})
		files := list(t, tool)
		status := func(want ...string) {
			t.Helper()
			out, err := run(t, program, db.URL, dir, "status")
			for _, w := range want {
				if err != nil || !strings.Contains(out, w) {
					t.Errorf("atlas migrate status: %v, want %q\n%s", err, w, out)
				}
			}
		}
		if out, err := run(t, program, db.URL, dir, "set", "2"); err != nil {
			t.Fatalf("atlas migrate set: %v\n%s", err, out)
		}
		for _, m := range files[:2] {
			migrationtest.SameRow(t, db, tool.Ledger, m, files, "executed_at")
		}
		records, err := tool.Ledger.Records(t.Context(), db, files)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if r.Sum != migration.SumMatches || r.At.IsZero() {
				t.Errorf("record %s: checksum %q, time %s", r.ID, r.Sum, r.At)
			}
		}
		status("Current Version: 2", "Next Version:    3")
		if err := migration.Insert(t.Context(), db, tool.Ledger, files[2], files); err != nil {
			t.Fatal(err)
		}
		status("Migration Status: OK", "Current Version: 3")
		for _, m := range files[1:] {
			if err := migration.Delete(t.Context(), db, tool.Ledger, m, files); err != nil {
				t.Fatal(err)
			}
		}
		status("Current Version: 1", "Next Version:    2")
		if out, err := run(t, program, db.URL, dir, "apply"); err != nil {
			t.Errorf("atlas migrate apply after our rows: %v\n%s", err, out)
		}
	})
}

// TestDump: what Atlas 0.13.1, built with a C compiler, left in SQLite by `migrate set 2`, is read, and our row and
// table are the same.
func TestDump(t *testing.T) {
	dir := migrationtest.Write(t, "1_a.sql", "CREATE TABLE a (id integer PRIMARY KEY);\n",
		"2_b.sql", "CREATE TABLE b (id integer PRIMARY KEY);\nCREATE TABLE a (id integer);\n")
	tool := atlas.New(dir, schema.Name{})
	files := list(t, tool)
	theirs, ours := testengine.SQLite(t), testengine.SQLite(t)
	theirs.Exec(t, "CREATE TABLE \"atlas_schema_revisions\" (`version` text NOT NULL, `description` text NOT NULL, `type` integer NOT NULL DEFAULT 2, "+
		"`applied` integer NOT NULL DEFAULT 0, `total` integer NOT NULL DEFAULT 0, `executed_at` datetime NOT NULL, `execution_time` integer NOT NULL, "+
		"`error` text NULL, `error_stmt` text NULL, `hash` text NOT NULL, `partial_hashes` json NULL, `operator_version` text NOT NULL, PRIMARY KEY (`version`))",
		"INSERT INTO atlas_schema_revisions VALUES('1','a',4,0,0,'2026-11-25 18:48:05.185325745+00:00',0,'','','I/XlqJzeQl7RkkiITPtaRRA5QjEcZ0m6UQzFST/PJCY=',X'6e756c6c','Atlas CLI - development')",
		"INSERT INTO atlas_schema_revisions VALUES('2','b',4,0,0,'2026-11-25 18:48:05.338146395+00:00',0,'','','M9MPfMDP8kuOhl+tokNq1nmIn9zk1Wl/TnIbWWsR5ws=',X'6e756c6c','Atlas CLI - development')")
	want := migrationtest.Content(t, theirs, "executed_at", "operator_version")
	migrationtest.SameRow(t, theirs, tool.Ledger, files[1], files, "executed_at")
	var kind string
	if err := theirs.QueryRowContext(t.Context(), "SELECT typeof(partial_hashes) || ' ' || typeof(executed_at) FROM atlas_schema_revisions WHERE version = '2'").Scan(&kind); err != nil || kind != "blob text" {
		t.Errorf("the row's types are %q, %v", kind, err)
	}
	if err := tool.Ledger.Create(t.Context(), ours); err != nil {
		t.Fatal(err)
	}
	writes, err := tool.Ledger.Mark(t.Context(), ours, files, files)
	if err != nil {
		t.Fatal(err)
	}
	if err := migration.Execute(t.Context(), ours, writes); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, migrationtest.Content(t, ours, "executed_at", "operator_version")); diff != "" {
		t.Errorf("Atlas's ledger (-) and ours (+):\n%s", diff)
	}
}

// TestRealFailed: a file that Atlas itself left half applied is marked, and Atlas goes on behind it. Its own
// `migrate set` leaves it half applied.
func TestRealFailed(t *testing.T) {
	program := migrationtest.Program(t, "atlas")
	dir := migrationtest.Write(t, "1_a.sql", "CREATE TABLE a (id int);", "2_b.sql", "-- atlas:txmode none\n\nCREATE TABLE b (id int);\nCREATE TABLE a (id int);",
		"3_c.sql", "CREATE TABLE c (id int);")
	hash(t, program, dir)
	servers(t, func(t *testing.T, open testengine.Open) {
		db := open(t)
		tool := atlas.New(dir, schema.Name{})
		files := list(t, tool)
		if out, err := run(t, program, db.URL, dir, "apply"); err == nil {
			t.Fatalf("atlas migrate apply succeeded:\n%s", out)
		}
		records, err := tool.Ledger.Records(t.Context(), db, files)
		if err != nil {
			t.Fatal(err)
		}
		if len(records) != 2 || records[1].State != migration.Failed || records[1].Raw["applied"] != "1" {
			t.Fatalf("records: %v", records)
		}
		if err := migration.Insert(t.Context(), db, tool.Ledger, files[1], files); err != nil {
			t.Fatal(err)
		}
		if out, err := run(t, program, db.URL, dir, "apply"); err != nil || !strings.Contains(out, "CREATE TABLE c") {
			t.Errorf("atlas migrate apply after our mark: %v\n%s", err, out)
		}
	})
}

// TestRealLock: Atlas does not begin while we hold its lock.
func TestRealLock(t *testing.T) {
	program := migrationtest.Program(t, "atlas")
	dir := migrationtest.Write(t, "1_a.sql", "CREATE TABLE a (id int);")
	hash(t, program, dir)
	servers(t, func(t *testing.T, open testengine.Open) {
		db := open(t)
		s, err := db.Session(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		free, err := atlas.New(dir, schema.Name{}).Lock.Take(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := run(t, program, db.URL, dir, "apply", "--lock-timeout", "50ms"); err == nil || !strings.Contains(out, "lock") {
			t.Errorf("atlas migrate apply under our lock: %v\n%s", err, out)
		}
		if err := free(t.Context()); err != nil {
			t.Fatal(err)
		}
		if out, err := run(t, program, db.URL, dir, "apply"); err != nil {
			t.Errorf("atlas migrate apply: %v\n%s", err, out)
		}
	})
}

// TestRecords: the row that names the ledger is none, a baseline stands for what is below it, and what is half
// applied has failed.
func TestRecords(t *testing.T) {
	db := testengine.SQLite(t)
	dir := migrationtest.Write(t, "1_a.sql", "", "2_b.sql", "", "3_c.sql", "", "4_d.sql", "", "5_e.sql", "")
	tool := atlas.New(dir, schema.Name{})
	files := list(t, tool)
	if err := tool.Ledger.Create(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	row := func(version, kind, applied, total, failure, hash string) {
		db.Exec(t, "INSERT INTO atlas_schema_revisions VALUES ('"+version+"', 'x', "+kind+", "+applied+", "+total+
			", '2026-01-02 03:04:05.25+01:00', 7, '"+failure+"', '', '"+hash+"', 'null', 'v')")
	}
	row(".atlas_cloud_identifier", "2", "0", "0", "", "")
	row("2", "1", "0", "0", "", "")
	row("3", "2", "4", "4", "", "h1:other")
	row("4", "6", "1", "2", "no", "")
	row("5", "2", "2", "2", "no", "")
	records, err := tool.Ledger.Records(t.Context(), db, files)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range records {
		got = append(got, strings.TrimSpace(string(r.ID)+" "+string(r.State)+" "+string(r.Sum)))
	}
	if diff := cmp.Diff([]string{"1 applied", "2 applied", "3 applied differs", "4 failed", "5 failed"}, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if at := records[1].At.Format("15:04:05.99"); at != "02:04:05.25" {
		t.Errorf("the time is %s", at)
	}
	if _, err := tool.Ledger.Unmark(t.Context(), db, files[:1], files); !errors.Is(err, migration.ErrMarksAll) {
		t.Errorf("Unmark below the baseline: %v, want ErrMarksAll", err)
	}
}

func TestSource(t *testing.T) {
	dir := migrationtest.Write(t, "20240102_b_c.sql", "", "20240101.sql", "-- atlas:txmode none\n\nSELECT 1", "README.md", "", "atlas.sum", "")
	var got []string
	for _, m := range list(t, atlas.New(dir, schema.Name{})) {
		got = append(got, string(m.ID)+" "+m.Title)
	}
	if diff := cmp.Diff([]string{"20240101 ", "20240102 b c"}, got); diff != "" {
		t.Errorf("migrations (-want +got):\n%s", diff)
	}
	for _, text := range []string{"-- atlas:checkpoint\n\nSELECT 1;", "-- atlas:checkpoint v1\n\n", "-- atlas:import ../x\n", "-- atlas:txtar\n\n-- m.sql --\n", "-- atlas:sum ignore\n"} {
		dir := migrationtest.Write(t, "1_a.sql", text)
		_, err := atlas.New(dir, schema.Name{}).Source.Migrations(t.Context())
		if !errors.Is(err, atlas.ErrUnread) || !strings.Contains(err.Error(), "1_a.sql") {
			t.Errorf("%q: %v, want ErrUnread and the file's name", text, err)
		}
	}
	twice := migrationtest.Write(t, "1_a.sql", "", "1_b.sql", "")
	if _, err := atlas.New(twice, schema.Name{}).Source.Migrations(t.Context()); err == nil || !strings.Contains(err.Error(), "1_b.sql") {
		t.Errorf("two with one version: %v", err)
	}
	if _, err := atlas.New(t.TempDir(), schema.Name{}).Source.Migrations(t.Context()); !errors.Is(err, migration.ErrNone) {
		t.Errorf("empty folder: %v, want ErrNone", err)
	}
}

// TestSums: a folder that is not as its atlas.sum says is not run, and the first file that differs is named.
func TestSums(t *testing.T) {
	// Written by Atlas 0.13.1.
	const kept = "h1:6TvDq7clpLfNRWL207cbLiIxBIX+rYB47sOSWHrsw5c=\n1_a.sql h1:32Y0fWyNpCIXWSKMdwDJHwvhZ1TFtM/3Jadp2LqDW2g=\n" +
		"2_b_c.sql h1:Et6cl68N7HTEpIbtHvuRWF3/TgFJgehAz/iY0cm6TUE=\n3_c.sql h1:8/8HgCu0oXwl4krvAMOqbqS1VeZPkdjK6XIMHaRCQCE=\n"
	files := []string{
		"1_a.sql", "CREATE TABLE a (id integer PRIMARY KEY);\nINSERT INTO a VALUES (1);\n",
		"2_b_c.sql", "CREATE TABLE b (id integer PRIMARY KEY);\nCREATE TABLE a (id integer);\n",
		"3_c.sql", "CREATE TABLE c (id integer);\n",
	}
	for _, tt := range []struct {
		name   string
		change func(dir string) error
		want   string
	}{
		{"same", func(string) error { return nil }, ""},
		{"edited", func(dir string) error { return os.WriteFile(filepath.Join(dir, "2_b_c.sql"), nil, 0o600) }, "2_b_c.sql is not"},
		{"new", func(dir string) error { return os.WriteFile(filepath.Join(dir, "4_d.sql"), nil, 0o600) }, "4_d.sql is not"},
		{"gone", func(dir string) error { return os.Remove(filepath.Join(dir, "3_c.sql")) }, "names other files"},
		{"no sums", func(dir string) error { return os.Remove(filepath.Join(dir, "atlas.sum")) }, "has no atlas.sum"},
		{"first line", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "atlas.sum"), []byte("h1:x"+kept[strings.Index(kept, "\n"):]), 0o600)
		}, "names other files"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := migrationtest.Write(t, append([]string{"atlas.sum", kept}, files...)...)
			if err := tt.change(dir); err != nil {
				t.Fatal(err)
			}
			db := testengine.SQLite(t)
			err := atlas.New(dir, schema.Name{}).Runner.Run(t.Context(), migration.Target{DB: db.DB}, "1", io.Discard)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "atlas migrate hash")) {
				t.Errorf("Run: %v, want %q", err, tt.want)
			}
		})
	}
}

// TestLate: a file below an applied one stops the run, as with Atlas itself.
func TestLate(t *testing.T) {
	program := migrationtest.Program(t, "atlas")
	db := testengine.SQLite(t)
	dir := migrationtest.Write(t, "1_a.sql", "", "2_b.sql", "", "3_c.sql", "")
	hash(t, program, dir)
	tool := atlas.New(dir, schema.Name{})
	files := list(t, tool)
	if err := tool.Ledger.Create(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 2} {
		if err := migration.Insert(t.Context(), db, tool.Ledger, files[i], files); err != nil {
			t.Fatal(err)
		}
	}
	err := tool.Runner.Run(t.Context(), migration.Target{DB: db.DB}, "", io.Discard)
	if err == nil || !strings.Contains(err.Error(), "2_b.sql") || !strings.Contains(err.Error(), "out of order") {
		t.Errorf("Run: %v, want an error that names 2_b.sql", err)
	}
}

func TestFileTool(t *testing.T) {
	for sums, want := range map[string]int{"atlas.sum": 2, "other.sum": 0} {
		dir := migrationtest.Write(t, "1_a.sql", "", "2_b.sql", "", sums, "")
		if n, err := atlas.FileTool().Looks(dir); n != want || err != nil {
			t.Errorf("%s: %d files, %v", sums, n, err)
		}
	}
}
