package flyway_test

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
	"mulligan/migration/flyway"
	"mulligan/migration/migrationtest"
	"mulligan/schema"
)

func TestMain(m *testing.M) { testdb.Main(m) }

func list(t *testing.T, dir string) []migration.Migration {
	t.Helper()
	files, err := flyway.New(dir, schema.Name{}).Source.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestLedger(t *testing.T) {
	dir := migrationtest.Write(t, "V1__a.sql", "SELECT 1;", "V1.1__b_c.sql", "", "V20240101__d.sql", "SELECT 2", "R__it's_\"quoted\".sql", "SELECT 3;")
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		migrationtest.Test(t, migrationtest.Config{
			Tool:    "flyway",
			Open:    func(t testing.TB) engine.DB { return open(t).DB },
			Ledger:  func(table schema.Name) migration.Ledger { return flyway.New(dir, table).Ledger },
			Files:   list(t, dir),
			Renamed: true,
		})
	})
}

func TestReplay(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		dir := migrationtest.Library(t, open(t).Family(), func(version, title string) string {
			if strings.HasSuffix(title, "_view") {
				return "views/V" + version + "__" + title + ".sql"
			}
			return "V" + version + "__" + title + ".sql"
		})
		migrationtest.Replay(t, open, flyway.New(dir, schema.Name{}), []string{"installed_on"}, nil)
	})
}

func TestSource(t *testing.T) {
	dir := migrationtest.Write(t, "V2__b.sql", "", "V10__ten_tables.sql", "", "V1_1__one.sql", "", "V3.sql", "", "R__views.sql", "", "R__a_view.sql", "",
		"U2__b.sql", "", "B2__base.sql", "", "beforeMigrate.sql", "", "Views.sql", "", "Vx__a.sql", "", "R1__x.sql", "", "README.md", "", "V4__x.sql.conf", "")
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "more"), 0o700), os.WriteFile(filepath.Join(dir, "more", "V1__first.sql"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range list(t, dir) {
		rel, err := filepath.Rel(dir, m.Path)
		got = append(got, fmt.Sprintf("%s %q %s %v", m.ID, m.Title, rel, err))
	}
	want := []string{
		`1 "first" more/V1__first.sql <nil>`, `1.1 "one" V1_1__one.sql <nil>`, `2 "b" V2__b.sql <nil>`, `3 "" V3.sql <nil>`,
		`10 "ten tables" V10__ten_tables.sql <nil>`, `R__a_view "a view" R__a_view.sql <nil>`, `R__views "views" R__views.sql <nil>`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("migrations (-want +got):\n%s", diff)
	}
}

func TestBaselineFile(t *testing.T) {
	dir := migrationtest.Write(t, "B5__base.sql", "", "B3__older.sql", "", "V6__next.sql", "")
	var got []string
	for _, m := range list(t, dir) {
		got = append(got, filepath.Base(m.Path))
	}
	if diff := cmp.Diff([]string{"B5__base.sql", "V6__next.sql"}, got); diff != "" {
		t.Errorf("migrations (-want +got):\n%s", diff)
	}
}

func TestRefused(t *testing.T) {
	for name, files := range map[string][]string{
		"same version": {"V1__a.sql", "V1.0__b.sql"}, "same description": {"R__a_b.sql", "R__a b.sql"},
	} {
		dir := migrationtest.Write(t)
		for _, f := range files {
			if err := os.WriteFile(filepath.Join(dir, f), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, err := flyway.New(dir, schema.Name{}).Source.Migrations(t.Context())
		for _, f := range files {
			if err == nil || !strings.Contains(err.Error(), f) {
				t.Errorf("%s: %v, want an error that names %s", name, err, f)
			}
		}
	}
	if _, err := flyway.New(t.TempDir(), schema.Name{}).Source.Migrations(t.Context()); !errors.Is(err, migration.ErrNone) {
		t.Errorf("empty folder: %v, want ErrNone", err)
	}
}

// TestRow: the row is the one that Flyway writes when it skips the execution.
func TestRow(t *testing.T) {
	dir := migrationtest.Write(t, "V1_1__add_users.sql", "CREATE TABLE a (id int);\n", "V2__"+strings.Repeat("x", 210)+".sql", "", "R__views.sql", "café \u2028 x\n\n")
	files := list(t, dir)
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		db, l := open(t), flyway.New(dir, schema.Name{}).Ledger
		if err := l.Create(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		db.Exec(t, "INSERT INTO flyway_schema_history (installed_rank, description, type, script, installed_by, execution_time, success) "+
			"VALUES (0, '<< Flyway Schema Creation >>', 'SCHEMA', 'app', 'u', 0, true)")
		writes, err := l.Mark(t.Context(), db, files, files)
		if err == nil {
			err = migration.Execute(t.Context(), db, writes)
		}
		if err != nil {
			t.Fatal(err)
		}
		records, err := l.Records(t.Context(), db, files)
		if err != nil {
			t.Fatal(err)
		}
		user := db.URL.User()
		var got []string
		for _, r := range records {
			if r.At.IsZero() || r.Sum != migration.SumMatches {
				t.Errorf("record %s: at %s, checksum %q", r.ID, r.At, r.Sum)
			}
			version, versioned := r.Raw["version"]
			got = append(got, fmt.Sprint(r.Raw["installed_rank"], " ", version, versioned, " ", r.Raw["description"], " ", r.Raw["type"], " ", r.Raw["script"], " ", r.Raw["checksum"], " ",
				r.Raw["installed_by"] == user, " ", r.Raw["execution_time"], migration.True(r.Raw["success"])))
		}
		want := []string{
			"1 1.1true add users SQL V1_1__add_users.sql -623083431 true 0true",
			"2 2true " + strings.Repeat("x", 197) + "... SQL V2__" + strings.Repeat("x", 210) + ".sql 0 true 0true",
			"3 false views SQL R__views.sql 824702490 true 0true",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	})
}

// history fills a ledger on SQLite with rows "rank version description type checksum success", where - is NULL.
func history(t *testing.T, dir string, rows ...string) (testengine.Database, *migration.Tool) {
	t.Helper()
	db, tool := testengine.SQLite(t), flyway.New(dir, schema.Name{})
	if err := tool.Ledger.Create(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		f := strings.Fields(row)
		for i := range f {
			if f[i] == "-" {
				f[i] = "NULL"
			} else {
				f[i] = "'" + f[i] + "'"
			}
		}
		db.Exec(t, "INSERT INTO flyway_schema_history (installed_rank, version, description, type, checksum, success, script, installed_by, execution_time) "+
			"VALUES ("+strings.Join(f, ", ")+", 'script', '', 0)")
	}
	return db, tool
}

func states(t *testing.T, db testengine.Database, tool *migration.Tool) string {
	t.Helper()
	files, err := tool.Source.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	records, err := tool.Ledger.Records(t.Context(), db, files)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range migration.Compare(files, records) {
		got = append(got, fmt.Sprintf("%s %s", s.Migration.ID, s.Verdict))
	}
	return strings.Join(got, ", ")
}

func TestHistory(t *testing.T) {
	dir := migrationtest.Write(t, "V1__a.sql", "", "V2__b.sql", "", "V3__c.sql", "", "R__r.sql", "CREATE TABLE a (id int);\n")
	tests := []struct {
		name string
		rows []string
		want string
	}{
		{"schema marker", []string{"0 - x SCHEMA - 1"}, "1 pending, 2 pending, 3 pending, R__r pending"},
		{"baseline", []string{"1 2.0 x BASELINE - 1"}, "1 applied, 2 applied, 3 pending, R__r pending"},
		{"baseline that no file has", []string{"1 2.5 x BASELINE - 1", "2 3 c SQL 0 1"}, "1 applied, 2 applied, 3 applied, R__r pending"},
		{"failed", []string{"1 1 a SQL 0 1", "2 2 b SQL 0 0"}, "1 applied, 2 dirty, 3 pending, R__r pending"},
		{"deleted", []string{"1 1 a SQL 0 1", "2 1 a DELETE 0 1"}, "1 pending, 2 pending, 3 pending, R__r pending"},
		{"deleted and applied again", []string{"1 1 a SQL 0 1", "2 1 a DELETE 0 1", "3 01 a SQL 0 1"}, "1 applied, 2 pending, 3 pending, R__r pending"},
		{"undone", []string{"1 1 a SQL 0 1", "2 1 a UNDO_SQL 0 1"}, "1 pending, 2 pending, 3 pending, R__r pending"},
		{"repeated", []string{"1 - r SQL 7 1", "2 - r SQL -623083431 1"}, "1 pending, 2 pending, 3 pending, R__r applied"},
		{"to be repeated", []string{"1 - r SQL -623083431 1", "2 - r SQL 7 1"}, "1 pending, 2 pending, 3 pending, R__r pending"},
		{"without a file", []string{"1 9 x JDBC - 1", "2 - some_thing SQL 0 1"}, "1 pending, 2 pending, 3 pending, R__r pending, 9 applied, R__some_thing applied"},
	}
	for _, tt := range tests {
		db, tool := history(t, dir, tt.rows...)
		want := strings.ReplaceAll(strings.ReplaceAll(tt.want, "9 applied", "9 orphan"), "thing applied", "thing orphan")
		if got := states(t, db, tool); got != want {
			t.Errorf("%s: %s, want %s", tt.name, got, want)
		}
	}
}

func TestChecksumDiffers(t *testing.T) {
	dir := migrationtest.Write(t, "V1__a.sql", "", "V2__b.sql", "", "V3__c.sql", "", "R__r.sql", "${x}")
	db, tool := history(t, dir, "1 1 a SQL 0 1", "2 2 b SQL 5 1", "3 3 c SQL - 1", "4 - r SQL 5 1")
	records, err := tool.Ledger.Records(t.Context(), db, list(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []migration.Sum{migration.SumMatches, migration.SumDiffers, "", ""} {
		if records[i].Sum != want || records[i].State != migration.Applied {
			t.Errorf("record %d: %s, checksum %q, want %q", i, records[i].State, records[i].Sum, want)
		}
	}
}

// TestMarkFailed: a failed row goes before the good one is written, with the rank that it leaves free.
func TestMarkFailed(t *testing.T) {
	dir := migrationtest.Write(t, "V1__a.sql", "", "V2__b.sql", "")
	db, tool := history(t, dir, "1 1 a SQL 0 1", "2 2.0 b SQL 0 0")
	files := list(t, dir)
	if err := migration.Insert(t.Context(), db, tool.Ledger, files[1], files); err != nil {
		t.Fatal(err)
	}
	records, err := tool.Ledger.Records(t.Context(), db, files)
	if err != nil || len(records) != 2 || records[1].State != migration.Applied || records[1].Raw["installed_rank"] != "2" {
		t.Errorf("records %v, %v", records, err)
	}
}

// TestUnmark: a good row stays, and one of type DELETE says that it counts no more. A baseline cannot be taken back in part.
func TestUnmark(t *testing.T) {
	dir := migrationtest.Write(t, "V1__a.sql", "", "V2__b.sql", "", "V3__c.sql", "")
	db, tool := history(t, dir, "1 1 x BASELINE - 1", "2 2 b SQL 7 1", "3 3 c SQL 0 0")
	files := list(t, dir)
	for _, m := range files[1:] {
		if err := migration.Delete(t.Context(), db, tool.Ledger, m, files); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := migration.TableRows(t.Context(), db, tool.Ledger.Table(), "installed_rank")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rows {
		got = append(got, r["installed_rank"]+" "+r["version"]+" "+r["description"]+" "+r["type"]+" "+r["checksum"]+" "+r["script"])
	}
	if diff := cmp.Diff([]string{"1 1 x BASELINE  script", "2 2 b SQL 7 script", "4 2 b DELETE 7 script"}, got[:3]); diff != "" || len(got) != 3 {
		t.Errorf("rows (-want +got):\n%s\n%v", diff, got)
	}
	if err := migration.Delete(t.Context(), db, tool.Ledger, files[0], files); !errors.Is(err, migration.ErrMarksAll) {
		t.Errorf("Delete of the baseline: %v, want ErrMarksAll", err)
	}
}

// TestFailure: where the server can take back a migration nothing is left of it; elsewhere a row says that it failed.
func TestFailure(t *testing.T) {
	dir := migrationtest.Write(t,
		"V1__a.sql", "CREATE TABLE a (id integer PRIMARY KEY);",
		"V2__b.sql", "CREATE TABLE b (id integer PRIMARY KEY);\nCREATE TABLE a (id integer PRIMARY KEY);",
		"V3__c.sql", "CREATE TABLE c (id integer PRIMARY KEY);")
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		tool := flyway.New(dir, schema.Name{})
		migrationtest.Failure(t, open, tool, []string{"installed_on"}, nil)
		db := open(t)
		migrationtest.Fails(t, tool, db)
		want := "1 applied, 2 pending, 3 pending"
		if f := db.Family(); f == engine.MySQL || f == engine.MariaDB {
			want = "1 applied, 2 dirty, 3 pending"
		}
		if got := states(t, db, tool); got != want {
			t.Errorf("after a failure: %s, want %s", got, want)
		}
	})
}

func TestNoTransaction(t *testing.T) {
	dir := migrationtest.Write(t,
		"V1__a.sql", "CREATE TABLE a (id integer);",
		"V2__b.sql", "CREATE INDEX a_id ON a (id);\n\nSELECT nothing;", "V2__b.sql.conf", "executeInTransaction=false\n")
	db, tool := testengine.Postgres(t), flyway.New(dir, schema.Name{})
	if stopped := migrationtest.Fails(t, tool, db); stopped.Line != 3 {
		t.Errorf("the failure is at line %d, want 3", stopped.Line)
	}
	if got, want := states(t, db, tool), "1 applied, 2 dirty"; got != want {
		t.Errorf("after a failure: %s, want %s", got, want)
	}
	s, err := db.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(fmt.Sprint(s.Objects), "a_id") {
		t.Error("the first statement was taken back")
	}
}

// TestAlone: statements that no transaction may hold are run without one, whatever stands around them.
func TestAlone(t *testing.T) {
	dir := migrationtest.Write(t, "V1__a.sql", "CREATE TABLE a (id integer);\n-- note\nCREATE UNIQUE INDEX CONCURRENTLY a_id ON a (id);\nVACUUM a;")
	db, tool := testengine.Postgres(t), flyway.New(dir, schema.Name{})
	migrationtest.Apply(t, tool, db, "")
	if got, want := states(t, db, tool), "1 applied"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestPlaceholder(t *testing.T) {
	dir := migrationtest.Write(t, "V1__a.sql", "CREATE TABLE a (id int);", "V2__b.sql", "SELECT 1;\nCREATE TABLE ${prefix}b (id int);")
	db, tool := testengine.SQLite(t), flyway.New(dir, schema.Name{})
	err := tool.Runner.Run(t.Context(), migration.Target{DB: db.DB}, "", &strings.Builder{})
	if !errors.Is(err, flyway.ErrPlaceholder) || !strings.Contains(err.Error(), "V2__b.sql, line 2: ${prefix}") {
		t.Errorf("Run: %v, want ErrPlaceholder with file and line", err)
	}
	if got, want := states(t, db, tool), "1 pending, 2 pending"; got != want {
		t.Errorf("%s: the migration before the one with a placeholder was run", got)
	}
}

func TestOutOfOrder(t *testing.T) {
	dir := migrationtest.Write(t, "V1__a.sql", "", "V2__b.sql", "", "V10__c.sql", "")
	db, tool := history(t, dir, "1 2 b SQL 0 1")
	err := tool.Runner.Run(t.Context(), migration.Target{DB: db.DB}, "", &strings.Builder{})
	if err == nil || !strings.Contains(err.Error(), "V1__a.sql") || !strings.Contains(err.Error(), "out of order") {
		t.Errorf("Run: %v, want an error about the order", err)
	}
}

func TestLock(t *testing.T) {
	lock := flyway.New("", schema.Name{}).Lock.(migration.ServerLock)
	if got := lock.Postgres("any"); len(got) != 1 || got[0] != 77433833903597 {
		t.Errorf("the key on PostgreSQL is %v", got)
	}
	if got := lock.MySQL("app"); len(got) != 1 || got[0] != "Flyway--320650056" {
		t.Errorf("the name on MySQL is %v", got)
	}
}
