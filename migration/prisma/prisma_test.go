package prisma_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/migration/migrationtest"
	"mulligan/migration/prisma"
	"mulligan/schema"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// prismaEngine runs Prisma's own engine.
func prismaEngine(t *testing.T) func(db testengine.Database, args ...string) (string, error) {
	dir := migrationtest.Modules(t, "prisma-7", map[string]string{
		"@prisma/schema-engine-wasm":   "8.1.0-2.59be4fda12412a79eeb9c2ae727b6aa723593323",
		"@prisma/adapter-pg":           "7.10.0",
		"@prisma/adapter-libsql":       "7.10.0",
		"@prisma/driver-adapter-utils": "7.10.0",
	}, "testdata/engine.mjs")
	return func(db testengine.Database, args ...string) (string, error) {
		address := db.URL.Reveal()
		if db.Family() == engine.SQLite {
			address = "file:" + db.URL.Database()
		}
		return migrationtest.Node(t, dir, []string{"DATABASE_URL=" + address}, append([]string{"engine.mjs"}, args...)...)
	}
}

// folder is the examples' library as Prisma's migrations.
func folder(t *testing.T, f engine.Family) string {
	return migrationtest.Library(t, f, func(version, title string) string { return version + "_" + title + "/migration.sql" })
}

// times are the ledger's columns whose values differ from run to run.
func times() []string { return []string{"id", "started_at", "finished_at"} }

func TestReplay(t *testing.T) {
	run := prismaEngine(t)
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		family := open(t).Family()
		dir := folder(t, family)
		reference := func(t *testing.T, db testengine.Database) {
			if out, err := run(db, "deploy", dir); err != nil {
				t.Fatalf("deploy: %v\n%s", err, out)
			}
		}
		if family == engine.MySQL || family == engine.MariaDB {
			reference = nil // the engine that npm has cannot migrate MySQL
		}
		migrationtest.Replay(t, open, prisma.New(dir, schema.Name{}), times(), reference)
	})
}

func TestLedger(t *testing.T) {
	var files []migration.Migration
	for _, id := range []migration.ID{"0_init", "20240101000000_a", "20240102000000_it's", `20240103000000_"x"`} {
		files = append(files, migration.Migration{ID: id, Hash: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"})
	}
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		migrationtest.Test(t, migrationtest.Config{
			Tool:    "prisma",
			Open:    func(t testing.TB) engine.DB { return open(t).DB },
			Ledger:  func(table schema.Name) migration.Ledger { return prisma.New("", table).Ledger },
			Files:   files,
			Renamed: true,
		})
	})
}

// TestRealRows: the rows that Prisma's engine writes, when it applies a migration and when it is told that one is applied.
func TestRealRows(t *testing.T) {
	run := prismaEngine(t)
	must := func(t *testing.T, db testengine.Database, args ...string) string {
		t.Helper()
		out, err := run(db, args...)
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(out)
	}
	engines(t, func(t *testing.T, open testengine.Open) {
		db := open(t)
		dir := migrationtest.Write(t)
		for _, name := range []string{"20240101000000_a", "20240102000000_b", "20240103000000_c"} {
			write(t, filepath.Join(dir, name, "migration.sql"), "CREATE TABLE "+name[15:]+" (id int);\n")
		}
		tool := prisma.New(dir, schema.Name{})
		files, err := tool.Source.Migrations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// The tool marks the first, we the others.
		if out := must(t, db, "deploy", migrationtest.Write(t)); out != `{"appliedMigrationNames":[]}` {
			t.Errorf("deploy of nothing: %s", out)
		}
		must(t, db, "applied", dir, string(files[0].ID))
		theirs := marked(t, db, tool, files, 0)
		if err := migration.Insert(t.Context(), db, tool.Ledger, files[1], files); err != nil {
			t.Fatal(err)
		}
		ours := marked(t, db, tool, files, 1)
		if diff := cmp.Diff(theirs, ours); diff != "" {
			t.Errorf("the row of a mark (-Prisma's +ours):\n%s", diff)
		}
		if out := must(t, db, "status", dir); !strings.Contains(out, `"unappliedMigrationNames":["20240103000000_c"]`) || !strings.Contains(out, `"editedMigrationNames":[],"failedMigrationNames":[]`) {
			t.Errorf("status: %s", out)
		}
		if out := must(t, db, "deploy", dir); out != `{"appliedMigrationNames":["20240103000000_c"]}` {
			t.Errorf("deploy: %s", out)
		}
		// What we take away it applies again.
		if err := migration.Delete(t.Context(), db, tool.Ledger, files[1], files); err != nil {
			t.Fatal(err)
		}
		if out := must(t, db, "deploy", dir); out != `{"appliedMigrationNames":["20240102000000_b"]}` {
			t.Errorf("deploy after the mark was taken away: %s", out)
		}
	})
}

// marked is the row of a migration, its id and times reduced to their shape, its name and checksum to whether they are right.
func marked(t *testing.T, db testengine.Database, tool *migration.Tool, files []migration.Migration, i int) map[string]string {
	t.Helper()
	records, err := tool.Ledger.Records(t.Context(), db, files)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if r.ID != files[i].ID || r.State != migration.Applied {
			continue
		}
		row := maps.Clone(r.Raw)
		for name, shape := range map[string]string{"id": "[0-9a-f]", "started_at": "[0-9]", "finished_at": "[0-9]"} {
			row[name] = regexp.MustCompile(shape).ReplaceAllString(row[name], "9")
		}
		row["id"] = fmt.Sprint(row["id"], " version ", r.Raw["id"][14:15])
		row["checksum"] = fmt.Sprint(r.Raw["checksum"] == files[i].Hash, r.Sum)
		row["migration_name"] = fmt.Sprint(r.Raw["migration_name"] == string(files[i].ID))
		if since := time.Since(r.At); since < -time.Minute || since > time.Minute {
			t.Errorf("%s was recorded %s ago", r.ID, since)
		}
		// A fraction of a second may end in zeros that drivers cut.
		for _, name := range []string{"started_at", "finished_at"} {
			row[name] = regexp.MustCompile(`\.9+`).ReplaceAllString(row[name], ".9")
		}
		return row
	}
	t.Fatalf("%s is not recorded: %v", files[i].ID, records)
	return nil
}

// engines are those that the engine of npm can migrate.
func engines(t *testing.T, test func(t *testing.T, open testengine.Open)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) { test(t, testengine.SQLite) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, testengine.Postgres) })
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// attempts makes a folder of three migrations, of which the second makes table b and then fails.
func attempts(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"20240101000000_a": "CREATE TABLE a (n integer PRIMARY KEY);",
		"20240102000000_b": "CREATE TABLE b (n integer PRIMARY KEY);\nCREATE TABLE a (n integer PRIMARY KEY);",
		"20240103000000_c": "CREATE TABLE c (n integer PRIMARY KEY);",
	} {
		write(t, filepath.Join(dir, name, "migration.sql"), text)
	}
	return dir
}

func TestFailure(t *testing.T) {
	run, dir := prismaEngine(t), attempts(t)
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		reference := func(t *testing.T, db testengine.Database) {
			if out, err := run(db, "deploy", dir); err == nil {
				t.Fatalf("deploy succeeded:\n%s", out)
			}
		}
		if f := open(t).Family(); f == engine.MySQL || f == engine.MariaDB {
			reference = nil // the engine that npm has cannot migrate MySQL
		}
		tool := prisma.New(dir, schema.Name{})
		migrationtest.Failure(t, open, tool, append(times(), "logs"), reference)
		db := open(t)
		migrationtest.Fails(t, tool, db)
		files, err := tool.Source.Migrations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got, want := states(t, db, tool, files), "20240101000000_a applied, 20240102000000_b failed"; got != want {
			t.Errorf("after a failure: %s, want %s", got, want)
		}
		if err := migration.Insert(t.Context(), db, tool.Ledger, files[1], files); err != nil {
			t.Fatal(err)
		}
		if got, want := states(t, db, tool, files), "20240101000000_a applied, 20240102000000_b rolled-back, 20240102000000_b applied"; got != want {
			t.Errorf("after the failed one was marked: %s, want %s", got, want)
		}
		migrationtest.Apply(t, tool, db, "")
	})
}

func states(t *testing.T, db testengine.Database, tool *migration.Tool, files []migration.Migration) string {
	t.Helper()
	records, err := tool.Ledger.Records(t.Context(), db, files)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range records {
		got = append(got, string(r.ID)+" "+string(r.State))
	}
	return strings.Join(got, ", ")
}

// deploy is a runner that can only apply everything: Prisma's own engine.
type deploy struct {
	run func(db testengine.Database, args ...string) (string, error)
	dir string
}

func (d deploy) Run(_ context.Context, target migration.Target, _ migration.ID, log io.Writer) error {
	out, err := d.run(testengine.Database{DB: target.DB, URL: target.URL}, "deploy", d.dir)
	return errors.Join(err, func() error { _, err := io.WriteString(log, out); return err }())
}

func TestMasked(t *testing.T) {
	run := prismaEngine(t)
	engines(t, func(t *testing.T, open testengine.Open) {
		dir := t.TempDir()
		for _, name := range []string{"20240101000000_a", "20240102000000_b", "20240103000000_c"} {
			write(t, filepath.Join(dir, name, "migration.sql"), "CREATE TABLE "+name[15:]+" (id int);\n")
		}
		db, tool := open(t), prisma.New(dir, schema.Name{})
		tool.Runner = migration.Mask(deploy{run, dir}, tool.Ledger, tool.Source)
		migrationtest.Apply(t, tool, db, "20240102000000_b")
		for table, want := range map[string]bool{"a": true, "b": true, "c": false} {
			if got, err := migration.TableExists(t.Context(), db, schema.Name{Table: table}); got != want || err != nil {
				t.Errorf("table %s is there: %t, %v", table, got, err)
			}
		}
		if log := migrationtest.Apply(t, tool, db, ""); !strings.Contains(log, `["20240103000000_c"]`) {
			t.Errorf("the rest: %s", log)
		}
	})
}

func TestChecksum(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "0_init", "migration.sql"), "hello")
	write(t, filepath.Join(dir, "1_lines", "migration.sql"), "a\r\nb\n")
	db, tool := testengine.SQLite(t), prisma.New(dir, schema.Name{})
	if err := tool.Ledger.Create(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	files, err := tool.Source.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, tt := range []struct {
		name, checksum string
		want           migration.Sum
	}{
		{"0_init", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", migration.SumMatches},
		{"0_init", "2cf24dba5fb0a3e26e83b2ac5b9e29e1b161e5c1fa7425e7343362938b9824", migration.SumMatches}, // bytes without their leading zero
		{"0_init", "manual", migration.SumDiffers},
		{"1_lines", fmt.Sprintf("%x", sha256.Sum256([]byte("a\nb\n"))), migration.SumMatches},
		{"1_lines", fmt.Sprintf("%x", sha256.Sum256([]byte("a\r\nb\r\n"))), migration.SumDiffers}, // Prisma puts \r in front of every \n
		{"2_gone", "manual", ""},
	} {
		db.Exec(t, fmt.Sprintf("DELETE FROM _prisma_migrations; INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at) VALUES ('%d', '%s', '%s', 1)", i, tt.checksum, tt.name))
		records, err := tool.Ledger.Records(t.Context(), db, files)
		if err != nil || len(records) != 1 || records[0].Sum != tt.want {
			t.Errorf("checksum %s of %s: %v, %v; want %q", tt.checksum, tt.name, records, err, tt.want)
		}
	}
}

func TestSource(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"20240102000000_add_users", "20240101000000_init", "1_one", "10_ten", "0_base"} {
		write(t, filepath.Join(dir, name, "migration.sql"), "")
	}
	write(t, filepath.Join(dir, "migration_lock.toml"), `provider = "sqlite"`)
	src := prisma.New(dir, schema.Name{}).Source
	files, err := src.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range files {
		got = append(got, string(m.ID)+" "+m.Title)
	}
	want := []string{"0_base 0 base", "1_one 1 one", "10_ten 10 ten", "20240101000000_init init", "20240102000000_add_users add users"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("migrations (-want +got):\n%s", diff)
	}
	if err := os.Mkdir(filepath.Join(dir, "20240103000000_empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := src.Migrations(t.Context()); err == nil || !strings.Contains(err.Error(), "20240103000000_empty has no migration.sql") {
		t.Errorf("a folder without its file: %v", err)
	}
	if _, err := prisma.New(t.TempDir(), schema.Name{}).Source.Migrations(t.Context()); !errors.Is(err, migration.ErrNone) {
		t.Errorf("empty folder: %v, want ErrNone", err)
	}
}

func TestDetected(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"20240101000000_a/migration.sql", "20240102000000_b/migration.sql", "20240103000000_c/migration.sql", "20240103000000_c/snapshot.json", "1_x/up.sql"} {
		write(t, filepath.Join(dir, filepath.FromSlash(name)), "")
	}
	if n, err := prisma.FileTool().Looks(dir); n != 2 || err != nil {
		t.Errorf("%d migrations, %v; want 2", n, err)
	}
}

func TestLock(t *testing.T) {
	lock := prisma.New("", schema.Name{}).Lock.(migration.ServerLock)
	if got := fmt.Sprint(lock.Postgres("to"), lock.MySQL("to")); got != "[72707369] [prisma_migrate]" {
		t.Errorf("locks %s", got)
	}
}
