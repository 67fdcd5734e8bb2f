package sequelize_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/migration/command"
	"mulligan/migration/migrationtest"
	"mulligan/migration/sequelize"
	"mulligan/schema"
)

func TestMain(m *testing.M) { testdb.Main(m) }

func TestLedger(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		migrationtest.Test(t, migrationtest.Config{
			Tool:   "sequelize",
			Open:   func(t testing.TB) engine.DB { return open(t).DB },
			Ledger: func(table schema.Name) migration.Ledger { return sequelize.New("", table).Ledger },
			Files:  []migration.Migration{{ID: "1_a.js"}, {ID: "2_b.js"}, {ID: "3_c.cjs"}, {ID: "4_d.js"}},
		})
	})
}

// application is a folder with sequelize-cli and its drivers.
func application(t testing.TB) string {
	t.Helper()
	dir := migrationtest.Application(t)
	text, err := os.ReadFile(filepath.Join("testdata", "config.js"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.js"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// program is a runner of one of sequelize-cli's commands.
func program(t testing.TB, app, migrations, verb string) migration.Runner {
	t.Helper()
	r, err := command.New(command.Options{
		Command: []string{filepath.Join("node_modules", ".bin", "sequelize-cli"), verb, "--config", "config.js", "--migrations-path", migrations},
		Dir:     app,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func code(app string) migrationtest.Code {
	return migrationtest.Code{
		Tool: func(t testing.TB, migrations string) *migration.Tool {
			tool := sequelize.New(migrations, schema.Name{})
			tool.Runner = program(t, app, migrations, "db:migrate")
			return tool
		},
		File: func(n int) (name, text string) {
			return fmt.Sprintf("2024010%d000000-t%d.js", n, n), fmt.Sprintf(
				"module.exports = { up: (q, s) => q.createTable('t%d', { n: s.INTEGER }), down: (q) => q.dropTable('t%d') }\n", n, n)
		},
		Idle: "already up to date",
	}
}

func TestReal(t *testing.T) {
	app := application(t)
	testengine.Servers(t, func(t *testing.T, open testengine.Open) { code(app).Real(t, open) })
}

func TestMasked(t *testing.T) {
	app := application(t)
	testengine.Servers(t, func(t *testing.T, open testengine.Open) { code(app).Masked(t, open) })
}

// TestRecorded: what Sequelize 6.37.7 left in SQLite, and what it made of that by db:migrate:schema:timestamps:add.
func TestRecorded(t *testing.T) {
	l := sequelize.New("", schema.Name{}).Ledger
	files := []migration.Migration{{ID: "20240101000000-t1.js"}, {ID: "20240102000000-t2.js"}}
	migrationtest.Recorded(t, l, files, []string{
		"CREATE TABLE `SequelizeMeta` (`name` VARCHAR(255) NOT NULL UNIQUE PRIMARY KEY)",
		"INSERT INTO SequelizeMeta VALUES ('20240101000000-t1.js'), ('20240102000000-t2.js')",
	})
	db, row := testengine.SQLite(t), "'2026-11-25 19:51:17.092 +00:00', '2026-11-25 19:51:17.092 +00:00')"
	db.Exec(t, "CREATE TABLE `SequelizeMeta` (`name` VARCHAR(255) NOT NULL UNIQUE PRIMARY KEY, `createdAt` DATETIME NOT NULL, `updatedAt` DATETIME NOT NULL)",
		"INSERT INTO SequelizeMeta VALUES ('20240101000000-t1.js', "+row+", ('20240102000000-t2.js', "+row)
	migrationtest.SameRow(t, db, l, files[1], files, "createdAt", "updatedAt")
	var kinds string
	if err := db.QueryRowContext(t.Context(), "SELECT group_concat(typeof(createdAt) || ' ' || typeof(updatedAt)) FROM SequelizeMeta").Scan(&kinds); err != nil || kinds != "text text,text text" {
		t.Errorf("the times are %q, %v", kinds, err)
	}
}

// TestRealStatus: after a mark Sequelize's own status calls it up, in a ledger with times and in one without.
func TestRealStatus(t *testing.T) {
	app := application(t)
	name, text := code(app).File(1)
	other, second := code(app).File(2)
	dir := migrationtest.Write(t, name, text, other, second)
	testengine.Servers(t, func(t *testing.T, open testengine.Open) {
		t.Parallel()
		db, tool := open(t), sequelize.New(dir, schema.Name{})
		files, err := tool.Source.Migrations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(tool.Ledger.Create(t.Context(), db), migration.Insert(t.Context(), db, tool.Ledger, files[0], files)); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		target := migration.Target{URL: db.URL, DB: db.DB}
		if err := program(t, app, dir, "db:migrate:status").Run(t.Context(), target, "", &log); err != nil {
			t.Fatalf("%v\n%s", err, log.String())
		}
		if !strings.Contains(log.String(), "up "+name) || !strings.Contains(log.String(), "down "+other) {
			t.Errorf("db:migrate:status says:\n%s", log.String())
		}
	})
}

// TestRealTimes: a ledger to which Sequelize added its times is marked with both. Its command that adds them does not
// find the table by its dialect for MariaDB.
func TestRealTimes(t *testing.T) {
	app := application(t)
	name, text := code(app).File(1)
	other, second := code(app).File(2)
	dir := migrationtest.Write(t, name, text, other, second)
	times := func(t *testing.T, open testengine.Open) {
		t.Parallel()
		db, tool := open(t), sequelize.New(dir, schema.Name{})
		tool.Runner = program(t, app, dir, "db:migrate")
		target := migration.Target{URL: db.URL, DB: db.DB}
		for _, verb := range []string{"db:migrate", "db:migrate:schema:timestamps:add"} {
			var log bytes.Buffer
			if err := program(t, app, dir, verb).Run(t.Context(), target, "", &log); err != nil {
				t.Fatalf("%v\n%s", err, log.String())
			}
		}
		files, err := tool.Source.Migrations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		before := time.Now().Add(-2 * time.Second)
		migrationtest.SameRow(t, db, tool.Ledger, files[1], files, "createdAt", "updatedAt")
		records, err := tool.Ledger.Records(t.Context(), db, files)
		if err != nil || len(records) != 2 || records[1].At.Before(before) || records[1].At.After(time.Now().Add(2*time.Second)) {
			t.Errorf("records %+v, %v; want the second of now", records, err)
		}
		if log := migrationtest.Apply(t, tool, db, ""); !strings.Contains(log, "already up to date") {
			t.Errorf("after the record was written anew Sequelize did something:\n%s", log)
		}
	}
	t.Run("PostgreSQL", func(t *testing.T) { times(t, testengine.Postgres) })
	t.Run("MySQL", func(t *testing.T) { times(t, testengine.MySQL) })
}

// TestExtension: names that differ by the extension alone are one migration's, and marks have the ledger's.
func TestExtension(t *testing.T) {
	db, l := testengine.Postgres(t), sequelize.New("", schema.Name{}).Ledger
	if err := l.Create(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	db.Exec(t, `INSERT INTO "SequelizeMeta" VALUES ('1-a.js')`)
	files := []migration.Migration{{ID: "1-a.ts"}, {ID: "2-b.ts"}}
	writes, err := l.Mark(t.Context(), db, files[1:], files)
	if err != nil || len(writes) != 1 {
		t.Fatalf("Mark: %v, %v", writes, err)
	}
	if diff := cmp.Diff([]any{"2-b.js"}, writes[0].Args); diff != "" {
		t.Errorf("marked (-want +got):\n%s", diff)
	}
	if err := migration.Delete(t.Context(), db, l, files[0], files); err != nil {
		t.Fatal(err)
	}
	if records, err := l.Records(t.Context(), db, files); err != nil || len(records) != 0 {
		t.Errorf("records %v, %v; want none", records, err)
	}
}

func TestSource(t *testing.T) {
	dir := migrationtest.Write(t, "2-b.js", "", "1-a.ts", "", "1-a.d.ts", "", "2-b.ts", "", "3-c.mjs", "", "4-d.cjs", "", "index.md", "")
	files, err := sequelize.New(dir, schema.Name{}).Source.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range files {
		got = append(got, string(m.ID)+" "+m.Title)
	}
	if diff := cmp.Diff([]string{"1-a.ts a", "2-b.js b", "4-d.cjs d"}, got); diff != "" {
		t.Errorf("migrations (-want +got):\n%s", diff)
	}
}
