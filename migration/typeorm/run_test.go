package typeorm_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/migration/command"
	"mulligan/migration/migrationtest"
	"mulligan/migration/typeorm"
	"mulligan/schema"
)

// versions are the TypeORM releases that the adapter is tested with.
func versions() []string { return []string{"0.3.31", "1.1.1"} }

// servers are the engines that the sample application knows.
func servers(t *testing.T, test func(t *testing.T, open testengine.Open)) {
	t.Run("PostgreSQL", func(t *testing.T) { test(t, testengine.Postgres) })
	t.Run("MariaDB", func(t *testing.T) { test(t, testengine.MariaDB) })
	t.Run("MySQL", func(t *testing.T) { test(t, testengine.MySQL) })
}

// sample is the sample application on a database, which its bootstrap has filled with tables.
func sample(t *testing.T, dir string, open testengine.Open) (*migration.Tool, testengine.Database) {
	t.Helper()
	db := open(t)
	if f := db.Family(); f == engine.MySQL || f == engine.MariaDB {
		db.Exec(t, "ALTER DATABASE "+f.Ident(db.URL.Database())+" CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
	}
	tool := typeorm.New(typeorm.Options{Dir: dir, DataSource: "data-source.js", URL: db.URL})
	node(t, dir, db, "bootstrap.js")
	return tool, db
}

// node runs a script of the sample on a database, through the adapter for commands.
func node(t *testing.T, dir string, db testengine.Database, args ...string) {
	t.Helper()
	r, err := command.New(command.Options{Command: append([]string{"node"}, args...), Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	if err := r.Run(t.Context(), migration.Target{URL: db.URL, DB: db.DB}, "", &log); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
}

func TestList(t *testing.T) {
	for _, version := range versions() {
		t.Run(version, func(t *testing.T) {
			dir := migrationtest.Sample(t, version)
			files, err := typeorm.New(typeorm.Options{Dir: dir, DataSource: "data-source.js"}).Source.Migrations(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(files) != 12 || files[0].ID != "templateDeleteCascade1673609465036" || files[1].ID != "webauthn1675045120206" {
				t.Errorf("migrations: %v", files)
			}
			// Two of the files are called otherwise than the class in them.
			named := map[migration.ID]string{"messageEdited1684000000001": "1684000000000-messageEdited.js", "userNick1686000000000": "1686000000000-renameNick.js"}
			for _, m := range files {
				want := named[m.ID]
				if want == "" {
					want = string(m.ID[len(m.ID)-13:]) + "-" + string(m.ID[:len(m.ID)-13]) + ".js"
				}
				if filepath.Base(m.Path) != want || len(m.Hash) != 64 {
					t.Errorf("migration %s: path %q, hash %q", m.ID, m.Path, m.Hash)
				}
			}
		})
	}
}

// TestReplay: the adapter leaves the database as TypeORM's own command does.
func TestReplay(t *testing.T) {
	for _, version := range versions() {
		t.Run(version, func(t *testing.T) {
			dir := migrationtest.Sample(t, version)
			servers(t, func(t *testing.T, open testengine.Open) {
				tool, ours := sample(t, dir, open)
				log := migrationtest.Apply(t, tool, ours, "")
				if !strings.Contains(log, "applied auditLogs1697000000000") {
					t.Errorf("the log does not name the last migration:\n%s", log)
				}
				_, theirs := sample(t, dir, open)
				node(t, dir, theirs, filepath.Join("node_modules", "typeorm", "cli.js"), "migration:run", "-d", "data-source.js")
				if diff := cmp.Diff(migrationtest.Content(t, theirs), migrationtest.Content(t, ours)); diff != "" {
					t.Errorf("TypeORM (-) and the adapter (+) differ:\n%s", diff)
				}
			})
		})
	}
}

// TestMasked: steps to four places, two of them by masking, end in what a run at once leaves.
func TestMasked(t *testing.T) {
	dir := migrationtest.Sample(t, versions()[0])
	servers(t, func(t *testing.T, open testengine.Open) {
		tool, once := sample(t, dir, open)
		migrationtest.Apply(t, tool, once, "")
		// Masking uses up numbers of the ledger's rows.
		steps(t, dir, open, migrationtest.Content(t, once, "id"))
	})
}

// steps runs to four places, two of them by masking, and expects the same database in the end.
func steps(t *testing.T, dir string, open testengine.Open, want string) {
	t.Helper()
	tool, db := sample(t, dir, open)
	files, err := tool.Source.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	masked := *tool
	masked.Runner = migration.Mask(all{tool.Runner}, tool.Ledger, tool.Source)
	for _, step := range []struct {
		tool *migration.Tool
		to   int
	}{{tool, 0}, {&masked, 4}, {tool, 7}, {&masked, 11}} {
		migrationtest.Apply(t, step.tool, db, files[step.to].ID)
		records, err := tool.Ledger.Records(t.Context(), db, files)
		if err != nil {
			t.Fatal(err)
		}
		if len(records) != step.to+1 || migration.Position(files, records) != files[step.to].ID {
			t.Fatalf("after the step to %s the ledger has %d records, the last %s", files[step.to].ID, len(records), migration.Position(files, records))
		}
	}
	if diff := cmp.Diff(want, migrationtest.Content(t, db, "id")); diff != "" {
		t.Errorf("TypeORM at once (-) and steps (+) differ:\n%s", diff)
	}
}

// all is a runner that cannot stop midway.
type all struct{ migration.Runner }

func (a all) Run(ctx context.Context, target migration.Target, to migration.ID, log io.Writer) error {
	if to != "" {
		return errors.ErrUnsupported
	}
	return a.Runner.Run(ctx, target, "", log)
}

// TestBroken: the story's database stops at the second migration, and the failure says where and why.
func TestBroken(t *testing.T) {
	dir := migrationtest.Sample(t, "0.3.31")
	servers(t, func(t *testing.T, open testengine.Open) {
		db := open(t)
		if f := db.Family(); f != engine.Postgres {
			db.Exec(t, "ALTER DATABASE "+f.Ident(db.URL.Database())+" CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
		}
		node(t, dir, db, "break.js")
		tool := typeorm.New(typeorm.Options{Dir: dir, DataSource: "data-source.js"})
		stopped := migrationtest.Fails(t, tool, db)
		if stopped.ID != "webauthn1675045120206" || filepath.Base(stopped.Path) != "1675045120206-webauthn.js" || !strings.Contains(stopped.Statement, "security_keys") {
			t.Errorf("the failure is of %s in %s: %q", stopped.ID, stopped.Path, stopped.Statement)
		}
		if !strings.Contains(stopped.Error(), "already exists") {
			t.Errorf("the failure says %v", stopped)
		}
	})
}

func TestRunUnknown(t *testing.T) {
	dir := migrationtest.Sample(t, "0.3.31")
	db := testengine.Postgres(t)
	tool := typeorm.New(typeorm.Options{Dir: dir, DataSource: "data-source.js"})
	err := tool.Runner.Run(t.Context(), migration.Target{URL: db.URL, DB: db.DB}, "none1600000000000", &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "none1600000000000") {
		t.Errorf("Run: %v, want an error that names the migration", err)
	}
}

// source writes a data source file into a sample's folder and lists its migrations.
func source(t *testing.T, dir, text string, table schema.Name) ([]migration.Migration, error) {
	t.Helper()
	path := filepath.Join(dir, "other-source.js")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o := typeorm.Options{Dir: dir, DataSource: "other-source.js", Table: table}
	return typeorm.New(o).Source.Migrations(t.Context())
}

const dataSource = `const { DataSource } = require('typeorm')
module.exports = new DataSource({ type: 'postgres', url: 'postgres://u@127.0.0.1:1/d', migrations: [%], migrationsTableName: 'migrations' })
`

func TestSource(t *testing.T) {
	dir := migrationtest.Sample(t, "0.3.31")
	one := strings.Replace(dataSource, "%", "class one1600000000000 { up() {} down() {} }", 1)
	tests := []struct {
		name, text string
		table      schema.Name
		want       string // "" = one migration
	}{
		{"one", one, schema.Name{}, ""},
		{"garbage", "console.log('{\"error\": not json'); process.stdout.write('@mulligan {}\\n')\n" + one, schema.Name{}, ""},
		{"none", strings.Replace(dataSource, "%", "__dirname + '/nowhere/*.js'", 1), schema.Name{}, "0 migration files found"},
		{"bad name", strings.Replace(dataSource, "%", "class initial0 { up() {} down() {} }", 1), schema.Name{}, "initial0"},
		{"other table", one, schema.Name{Table: "ledger"}, "migrations.table"},
		{"no data source", "module.exports = {}", schema.Name{}, "exports 0 DataSource"},
		{"throws", "throw new Error('no config')", schema.Name{}, "no config"},
		{"syntax error", "module.exports = {", schema.Name{}, "Unexpected"},
		{"exits", "process.exit(0)", schema.Name{}, "ended the process"},
		{"exits with an error", "console.error('license expired'); process.exit(4)", schema.Name{}, "exit status 4"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files, err := source(t, dir, tt.text, tt.table)
			if tt.want == "" {
				if err != nil || len(files) != 1 || files[0].ID != "one1600000000000" {
					t.Errorf("migrations %v, %v", files, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want an error with %q", err, tt.want)
			}
		})
	}
	if _, err := source(t, dir, tests[2].text, schema.Name{}); !errors.Is(err, migration.ErrNone) {
		t.Errorf("%v, want ErrNone", err)
	}
}

func TestMissing(t *testing.T) {
	dir := migrationtest.Write(t, "data-source.js", "require('typeorm')")
	tests := []struct {
		name string
		o    typeorm.Options
		want string
	}{
		{"typeorm", typeorm.Options{Dir: dir, DataSource: "data-source.js"}, "npm install"},
		{"node", typeorm.Options{Dir: dir, DataSource: "data-source.js", Node: "node-is-not-here"}, "install Node.js"},
		{"data source", typeorm.Options{Dir: dir, DataSource: "dist/data-source.js"}, "is the application compiled?"},
		{"option", typeorm.Options{Dir: dir}, "migrations.data_source"},
		{"folder", typeorm.Options{Dir: filepath.Join(dir, "none"), DataSource: "data-source.js"}, "the application's folder"},
	}
	for _, tt := range tests {
		if _, err := typeorm.New(tt.o).Source.Migrations(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error with %q", tt.name, err, tt.want)
		}
	}
	if _, err := typeorm.New(tests[1].o).Source.Migrations(t.Context()); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("%v, want exec.ErrNotFound", err)
	}
}

// TestCancel: an application that hangs is ended.
func TestCancel(t *testing.T) {
	dir := migrationtest.Write(t, "data-source.js", "setInterval(() => {}, 1000); module.exports = new Promise(() => {})",
		"package.json", "{}")
	if err := os.MkdirAll(filepath.Join(dir, "node_modules", "typeorm"), 0o700); err != nil {
		t.Fatal(err)
	}
	fake := "module.exports = { DataSource: class { initialize() {} } }"
	if err := os.WriteFile(filepath.Join(dir, "node_modules", "typeorm", "index.js"), []byte(fake), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	start := time.Now()
	_, err := typeorm.New(typeorm.Options{Dir: dir, DataSource: "data-source.js"}).Source.Migrations(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 8*time.Second {
		t.Errorf("Migrations: %v after %s, want the context's error", err, time.Since(start))
	}
}

// TestPassword: the password is neither in the output nor in an error.
func TestPassword(t *testing.T) {
	dir := migrationtest.Sample(t, "0.3.31")
	db := testengine.Postgres(t)
	password, _ := db.URL.Password()
	text := "console.log('connecting to ' + process.env.DATABASE_URL)\n" +
		strings.Replace(dataSource, "%", "class one1600000000000 { async up() { throw new Error('denied for ' + process.env.DATABASE_URL) } down() {} }", 1)
	if err := os.WriteFile(filepath.Join(dir, "leaky.js"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	tool := typeorm.New(typeorm.Options{Dir: dir, DataSource: "leaky.js"})
	err := tool.Runner.Run(t.Context(), migration.Target{URL: db.URL, DB: db.DB}, "", &log)
	if err == nil || !strings.Contains(log.String(), "connecting to") {
		t.Fatalf("Run: %v\n%s", err, log.String())
	}
	escaped := strings.Split(strings.Split(db.URL.Reveal(), "@")[0], ":")[2]
	for _, secret := range []string{password, escaped} {
		if strings.Contains(log.String()+err.Error(), secret) {
			t.Errorf("the password is in the output or the error: %v\n%s", err, log.String())
		}
	}
}

// Steps wait for whoever looks at the database in between, and end where no more is wanted or the look fails.
func TestRunSteps(t *testing.T) {
	dir := migrationtest.Sample(t, "1.1.1")
	servers(t, func(t *testing.T, open testengine.Open) {
		tool, db := sample(t, dir, open)
		target := migration.Target{URL: db.URL, DB: db.DB}
		files, err := tool.Source.Migrations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		steps := func(after func(migration.Step) (bool, error)) error {
			return tool.Runner.(migration.Stepper).RunSteps(t.Context(), target, files[:5], io.Discard, after)
		}
		seen := 0
		look := func(step migration.Step) (bool, error) {
			records, err := tool.Ledger.Records(t.Context(), db.DB, files)
			if err != nil {
				return false, err
			}
			seen++
			if len(step.Sent) == 0 {
				t.Errorf("step %d: no statement of %s is told", seen, step.ID)
			}
			if want := files[seen-1].ID; step.ID != want || migration.Position(files, records) != want || len(records) != seen {
				t.Errorf("step %d: %s applied, %d recorded, want %s", seen, step.ID, len(records), want)
			}
			return seen != 2, nil
		}
		if err := steps(look); err != nil || seen != 2 {
			t.Fatalf("no more was wanted after 2 steps: %d steps, %v", seen, err)
		}
		broken := errors.New("broken")
		if err := steps(func(migration.Step) (bool, error) { seen++; return true, broken }); !errors.Is(err, broken) || seen != 3 {
			t.Fatalf("the look failed at step 3: %d steps, %v", seen, err)
		}
		if err := steps(look); err != nil || seen != 5 {
			t.Fatalf("to the fifth: %d steps, %v", seen, err)
		}
	})
}

// TestRealRow: the row that we write is the one that TypeORM writes; its own migration:show takes it, and its
// migration:revert, which looks for the timestamp and the name, takes it away.
func TestRealRow(t *testing.T) {
	dir := migrationtest.Sample(t, "1.1.1")
	servers(t, func(t *testing.T, open testengine.Open) {
		tool, db := sample(t, dir, open)
		files, err := tool.Source.Migrations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		own := func(verb string) string {
			t.Helper()
			r, err := command.New(command.Options{Command: []string{"node", filepath.Join("node_modules", "typeorm", "cli.js"), verb, "-d", "data-source.js"}, Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			if err := r.Run(t.Context(), migration.Target{URL: db.URL, DB: db.DB}, "", &log); err != nil {
				t.Fatalf("%s: %v\n%s", verb, err, log.String())
			}
			return log.String()
		}
		own("migration:run")
		last := files[len(files)-1]
		migrationtest.SameRow(t, db, tool.Ledger, last, files, "id")
		if err := migration.Delete(t.Context(), db, tool.Ledger, files[3], files); err != nil {
			t.Fatal(err)
		}
		out := own("migration:show")
		if strings.Count(out, "[X]") != len(files)-1 || strings.Count(out, "[ ]") != 1 || !strings.Contains(out, "[ ] "+string(files[3].ID)) {
			t.Errorf("migration:show after our mark of %s and our unmark of %s:\n%s", last.ID, files[3].ID, out)
		}
		own("migration:revert")
		records, err := tool.Ledger.Records(t.Context(), db, files)
		if err != nil || len(records) != len(files)-2 || slices.ContainsFunc(records, func(r migration.Record) bool { return r.ID == last.ID }) {
			t.Errorf("records after migration:revert: %v, %v", records, err)
		}
	})
}
