package atlas_test

import (
	"errors"
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

// hash writes the sums of a folder.
func hash(t *testing.T, dir string) {
	t.Helper()
	if err := atlas.WriteSums(dir); err != nil {
		t.Fatal(err)
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

func TestReplay(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		dir := folder(t, open(t).Family())
		hash(t, dir)
		migrationtest.Replay(t, open, atlas.New(dir, schema.Name{}), volatile, nil)
	})
}

func TestFailure(t *testing.T) {
	failing(t, func(t *testing.T, dir string, line int) {
		testengine.Each(t, func(t *testing.T, open testengine.Open) {
			tool := atlas.New(dir, schema.Name{})
			migrationtest.Failure(t, open, tool, hidden(), nil)
			if stopped := migrationtest.Fails(t, tool, open(t)); stopped.Line != line {
				t.Errorf("the failure is at line %d, want %d", stopped.Line, line)
			}
		})
	})
}

// failing tests folders whose second file fails at a line, in a transaction and without one.
func failing(t *testing.T, test func(t *testing.T, dir string, line int)) {
	for name, how := range map[string]string{"Transaction": "", "NoTransaction": "-- atlas:txmode none\n\n"} {
		t.Run(name, func(t *testing.T) {
			dir := migrationtest.Write(t,
				"1_a.sql", "CREATE TABLE a (id integer PRIMARY KEY);",
				"2_b.sql", how+"CREATE TABLE b (id integer PRIMARY KEY);\nCREATE TABLE a (id integer PRIMARY KEY);",
				"3_c.sql", "CREATE TABLE c (id integer PRIMARY KEY);")
			hash(t, dir)
			test(t, dir, 2+strings.Count(how, "\n"))
		})
	}
}

// hidden are the columns of which a failure can make something else.
func hidden() []string { return append([]string{"error_stmt"}, volatile...) } // it tells with or without the semicolon

// TestDump: what Atlas 0.13.1 left by `migrate set 2` is read, and our row and table are the same. On SQLite it was
// built with a C compiler.
func TestDump(t *testing.T) {
	dir := migrationtest.Write(t, "1_a.sql", "CREATE TABLE a (id integer PRIMARY KEY);\n",
		"2_b.sql", "CREATE TABLE b (id integer PRIMARY KEY);\nCREATE TABLE a (id integer);\n")
	tool := atlas.New(dir, schema.Name{})
	files := list(t, tool)
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		theirs, ours := open(t), open(t)
		theirs.Exec(t, dump(theirs.Family())...)
		want := migrationtest.Content(t, theirs, "executed_at", "operator_version")
		migrationtest.SameRow(t, theirs, tool.Ledger, files[1], files, "executed_at")
		if theirs.Family() == engine.SQLite {
			var kind string
			if err := theirs.QueryRowContext(t.Context(), "SELECT typeof(partial_hashes) || ' ' || typeof(executed_at) FROM atlas_schema_revisions WHERE version = '2'").Scan(&kind); err != nil || kind != "blob text" {
				t.Errorf("the row's types are %q, %v", kind, err)
			}
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
	})
}

// dump is the ledger that Atlas made on an engine, as its server tells.
func dump(f engine.Family) []string {
	var table, times, null string
	switch f {
	case engine.SQLite:
		table = "CREATE TABLE \"atlas_schema_revisions\" (`version` text NOT NULL, `description` text NOT NULL, `type` integer NOT NULL DEFAULT 2, " +
			"`applied` integer NOT NULL DEFAULT 0, `total` integer NOT NULL DEFAULT 0, `executed_at` datetime NOT NULL, `execution_time` integer NOT NULL, " +
			"`error` text NULL, `error_stmt` text NULL, `hash` text NOT NULL, `partial_hashes` json NULL, `operator_version` text NOT NULL, PRIMARY KEY (`version`))"
		times, null = "2026-11-25 18:48:05.185325745+00:00", "X'6e756c6c'"
	case engine.Postgres:
		table = `CREATE TABLE public.atlas_schema_revisions (version character varying NOT NULL, description character varying NOT NULL, ` +
			`type bigint NOT NULL DEFAULT 2, applied bigint NOT NULL DEFAULT 0, total bigint NOT NULL DEFAULT 0, executed_at timestamp with time zone NOT NULL, ` +
			`execution_time bigint NOT NULL, error text, error_stmt text, hash character varying NOT NULL, partial_hashes jsonb, ` +
			`operator_version character varying NOT NULL, PRIMARY KEY (version))`
		times, null = "2026-11-25 19:46:02.694629+00", "'null'"
	case engine.MariaDB, engine.MySQL:
		document, when := "json", "NOT NULL"
		if f == engine.MariaDB {
			document, when = "longtext DEFAULT NULL CHECK (json_valid(`partial_hashes`))", "NULL DEFAULT NULL"
		}
		table = "CREATE TABLE `atlas_schema_revisions` (`version` varchar(255) NOT NULL, `description` varchar(255) NOT NULL, " +
			"`type` bigint unsigned NOT NULL DEFAULT 2, `applied` bigint NOT NULL DEFAULT 0, `total` bigint NOT NULL DEFAULT 0, `executed_at` timestamp " + when + ", " +
			"`execution_time` bigint NOT NULL, `error` longtext, `error_stmt` longtext, `hash` varchar(255) NOT NULL, `partial_hashes` " + document + ", " +
			"`operator_version` varchar(255) NOT NULL, PRIMARY KEY (`version`)) CHARSET utf8mb4 COLLATE utf8mb4_bin"
		times, null = "2026-11-25 19:46:04", "'null'"
	}
	row := func(version, title, hash string) string {
		return "INSERT INTO atlas_schema_revisions VALUES('" + version + "','" + title + "',4,0,0,'" + times + "',0,'','','" + hash + "'," + null + ",'Atlas CLI - development')"
	}
	return []string{table, row("1", "a", "I/XlqJzeQl7RkkiITPtaRRA5QjEcZ0m6UQzFST/PJCY="), row("2", "b", "M9MPfMDP8kuOhl+tokNq1nmIn9zk1Wl/TnIbWWsR5ws=")}
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
	db := testengine.SQLite(t)
	dir := migrationtest.Write(t, "1_a.sql", "", "2_b.sql", "", "3_c.sql", "")
	hash(t, dir)
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
