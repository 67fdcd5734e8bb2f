package sqlx_test

import (
	"bytes"
	"crypto/sha512"
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
	"mulligan/migration/migrationtest"
	"mulligan/migration/sqlx"
	"mulligan/schema"
)

func TestMain(m *testing.M) { testdb.Main(m) }

func files(t *testing.T, tool *migration.Tool) []migration.Migration {
	t.Helper()
	list, err := tool.Source.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func states(t *testing.T, db testengine.Database, tool *migration.Tool) string {
	t.Helper()
	list := files(t, tool)
	records, err := tool.Ledger.Records(t.Context(), db, list)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range migration.Compare(list, records) {
		got = append(got, fmt.Sprintf("%s %s", s.Migration.ID, s.Verdict))
	}
	return strings.Join(got, ", ")
}

func TestLedger(t *testing.T) {
	dir := migrationtest.Write(t, "1_a.sql", "SELECT 1", "02_b.up.sql", "", "20240101000000_it's.sql", "x", "9223372036854775807_d.sql", "y")
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		migrationtest.Test(t, migrationtest.Config{
			Tool:    "sqlx",
			Open:    func(t testing.TB) engine.DB { return open(t).DB },
			Ledger:  func(table schema.Name) migration.Ledger { return sqlx.New(dir, table).Ledger },
			Files:   files(t, sqlx.New(dir, schema.Name{})),
			Renamed: true,
		})
	})
}

func TestReplay(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		dir := migrationtest.Library(t, open(t).Family(), func(version, title string) string { return version + "_" + title + ".up.sql" })
		alone, err := filepath.Glob(filepath.Join(dir, "*_index_titles.up.sql"))
		if err != nil || len(alone) != 1 {
			t.Fatal(alone, err)
		}
		text, err := os.ReadFile(alone[0])
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "CONCURRENTLY") {
			text = append([]byte("-- no-transaction\n"), text...)
			if err := os.WriteFile(alone[0], text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		migrationtest.Replay(t, open, sqlx.New(dir, schema.Name{}), []string{"installed_on", "execution_time"}, nil)
	})
}

// TestRow: the row is what sqlx writes, and its bytes can be read in the record.
func TestRow(t *testing.T) {
	const text = "\ufeffCREATE TABLE a (id int);\r\n"
	dir := migrationtest.Write(t, "007_add_users__now.up.sql", text, "007_add_users__now.down.sql", "", "8_x.sql.sql", "")
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		db, tool := open(t), sqlx.New(dir, schema.Name{})
		list := files(t, tool)
		if err := tool.Ledger.Create(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		writes, err := tool.Ledger.Mark(t.Context(), db, list, list)
		if err == nil {
			err = migration.Execute(t.Context(), db, writes)
		}
		if err != nil {
			t.Fatal(err)
		}
		records, err := tool.Ledger.Records(t.Context(), db, list)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range records {
			if r.At.IsZero() || r.Sum != migration.SumMatches {
				t.Errorf("record %s: at %s, checksum %q", r.ID, r.At, r.Sum)
			}
			got = append(got, fmt.Sprint(r.Raw["version"], " ", r.Raw["description"], " ", migration.True(r.Raw["success"]), " ", r.Raw["checksum"], " ", r.Raw["execution_time"]))
		}
		want := []string{
			fmt.Sprintf("7 add users  now true %x -1", sha512.Sum384([]byte(text))),
			"8 x true 38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b -1",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
		var raw []byte
		if err := db.QueryRowContext(t.Context(), "SELECT checksum FROM _sqlx_migrations WHERE version = 7").Scan(&raw); err != nil {
			t.Fatal(err)
		}
		if sum := sha512.Sum384([]byte(text)); !bytes.Equal(raw, sum[:]) {
			t.Errorf("the checksum is %x, not the bytes of %x", raw, sum)
		}
	})
}

// TestFailure: where the server can take back a migration nothing is left of it; elsewhere its row says that it failed,
// until it is marked.
func TestFailure(t *testing.T) {
	dir := migrationtest.Write(t,
		"1_a.sql", "CREATE TABLE a (id integer PRIMARY KEY);",
		"2_b.sql", "CREATE TABLE b (id integer PRIMARY KEY);\nCREATE TABLE a (id integer PRIMARY KEY);",
		"3_c.sql", "CREATE TABLE c (id integer PRIMARY KEY);")
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		tool := sqlx.New(dir, schema.Name{})
		migrationtest.Failure(t, open, tool, []string{"installed_on", "execution_time"}, nil)
		db := open(t)
		migrationtest.Fails(t, tool, db)
		want := "1 applied, 2 pending, 3 pending"
		if f := db.Family(); f == engine.MySQL || f == engine.MariaDB {
			want = "1 applied, 2 dirty, 3 pending"
		}
		if got := states(t, db, tool); got != want {
			t.Errorf("after a failure: %s, want %s", got, want)
		}
		list := files(t, tool)
		if err := migration.Insert(t.Context(), db, tool.Ledger, list[1], list); err != nil {
			t.Fatal(err)
		}
		migrationtest.Apply(t, tool, db, "")
		if got, want := states(t, db, tool), "1 applied, 2 applied, 3 applied"; got != want {
			t.Errorf("after the mark: %s, want %s", got, want)
		}
	})
}

// TestMarkFailed: the row of a failed migration becomes a good one, with the checksum of the file as it is now.
func TestMarkFailed(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		db, tool := open(t), sqlx.New(migrationtest.Write(t, "1_a.sql", "SELECT 1"), schema.Name{})
		list := files(t, tool)
		if err := tool.Ledger.Create(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		db.Exec(t, "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (1, 'a', false, 'x', -1)")
		records, err := tool.Ledger.Records(t.Context(), db, list)
		if err != nil || len(records) != 1 || records[0].State != migration.Failed || records[0].Sum != migration.SumDiffers || records[0].Raw["checksum"] != "78" {
			t.Fatalf("a failed row: %v, %v", records, err)
		}
		if err := migration.Insert(t.Context(), db, tool.Ledger, list[0], list); err != nil {
			t.Fatal(err)
		}
		records, err = tool.Ledger.Records(t.Context(), db, list)
		if err != nil || len(records) != 1 || records[0].State != migration.Applied || records[0].Sum != migration.SumMatches {
			t.Errorf("after the mark: %v, %v", records, err)
		}
	})
}

// TestSession: triggers and views are made as sqlx's own session makes them.
func TestSession(t *testing.T) {
	for _, open := range []testengine.Open{testengine.MariaDB, testengine.MySQL} {
		db := open(t)
		dir := migrationtest.Write(t, "1_a.sql", "CREATE TABLE a (t varchar(20));\nINSERT INTO a VALUES ('x' || 'y');")
		migrationtest.Apply(t, sqlx.New(dir, schema.Name{}), db, "")
		var got string
		if err := db.QueryRowContext(t.Context(), "SELECT t FROM a").Scan(&got); err != nil || got != "xy" {
			t.Errorf("'x' || 'y' is %q, %v", got, err)
		}
	}
	db := testengine.SQLite(t)
	dir := migrationtest.Write(t, "1_a.sql", "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (a int REFERENCES a);\nINSERT INTO b VALUES (1);")
	if stopped := migrationtest.Fails(t, sqlx.New(dir, schema.Name{}), db); !strings.Contains(stopped.Error(), "FOREIGN KEY") {
		t.Errorf("%v, want a broken foreign key", stopped)
	}
}

func TestRefused(t *testing.T) {
	for row, want := range map[string]string{
		"(9, 'gone', true, 'x', 0)": "9 was applied and has no file",
		"(1, 'a', true, 'x', 0)":    "1_a.sql was applied and its file has changed",
	} {
		db, tool := testengine.SQLite(t), sqlx.New(migrationtest.Write(t, "1_a.sql", "", "2_b.sql", "CREATE TABLE b (id int)"), schema.Name{})
		if err := tool.Ledger.Create(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		db.Exec(t, "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES "+row)
		err := tool.Runner.Run(t.Context(), migration.Target{DB: db.DB}, "", &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", row, err, want)
		}
	}
}

func TestSource(t *testing.T) {
	dir := migrationtest.Write(t, "10_ten.sql", "", "9_nine_tables.up.sql", "", "9_nine_tables.down.sql", "", "readme.sql", "", "11_x.txt", "")
	var got []string
	for _, m := range files(t, sqlx.New(dir, schema.Name{})) {
		got = append(got, string(m.ID)+" "+m.Title+" "+filepath.Base(m.Path))
	}
	if diff := cmp.Diff([]string{"9 nine tables 9_nine_tables.up.sql", "10 ten 10_ten.sql"}, got); diff != "" {
		t.Errorf("migrations (-want +got):\n%s", diff)
	}
	for name, dir := range map[string]string{
		"two files": migrationtest.Write(t, "1_a.sql", "", "01_b.up.sql", ""),
		"no number": migrationtest.Write(t, "x_a.sql", ""),
		"too large": migrationtest.Write(t, "99999999999999999999_a.sql", ""),
	} {
		if _, err := sqlx.New(dir, schema.Name{}).Source.Migrations(t.Context()); err == nil || !strings.Contains(err.Error(), "_a.sql") {
			t.Errorf("%s: %v, want an error that names the file", name, err)
		}
	}
	if _, err := sqlx.New(t.TempDir(), schema.Name{}).Source.Migrations(t.Context()); !errors.Is(err, migration.ErrNone) {
		t.Errorf("empty folder: %v, want ErrNone", err)
	}
}

func TestLock(t *testing.T) {
	lock := sqlx.New("", schema.Name{}).Lock.(migration.ServerLock)
	if got := fmt.Sprint(lock.Postgres("to"), lock.MySQL("to")); got != "[3712663651623799032] [338607ebad8a88f8]" {
		t.Errorf("locks %s", got)
	}
}
