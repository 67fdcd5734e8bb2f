package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"mulligan/internal/testdb"
)

// place is one test's own database on one engine, seen with the eyes of its stock clients.
type place struct {
	tb     testing.TB     // the test that it belongs to
	engine string         // sqlite, postgres, mariadb or mysql
	server *testdb.Server // nil for SQLite
	name   string         // of the database; for SQLite the path of its file
	url    string         // with the password
}

// engines are all that a test runs on.
func engines() []string { return []string{"sqlite", "postgres", "mariadb", "mysql"} }

// newPlace makes an empty database; folder is where a SQLite file goes.
func newPlace(t testing.TB, engine, folder string) *place {
	t.Helper()
	return newPlaceOn(t, engine, folder, nil)
}

// newPlaceOn is newPlace on a server of the test's own; nil = the one that tests share.
func newPlaceOn(t testing.TB, engine, folder string, own *testdb.Server) *place {
	t.Helper()
	p := &place{tb: t, engine: engine}
	switch engine {
	case "sqlite":
		p.name = filepath.Join(folder, "app.db")
		p.url = "sqlite:" + p.name
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p.name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		return p
	case "postgres":
		p.server = testdb.Postgres(t)
	case "mariadb":
		p.server = testdb.MariaDB(t)
	case "mysql":
		p.server = testdb.MySQL(t)
	default:
		t.Fatalf("no engine is called %s", engine)
	}
	if own != nil {
		p.server = own
	}
	p.name, p.url = p.server.NewDatabase(t)
	if p.familyDir() == "mysql" {
		p.exec(t, "ALTER DATABASE "+p.server.Quote(p.name)+" CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
	}
	t.Cleanup(func() {
		for _, name := range p.family(t) {
			p.server.DropDatabase(t, name)
		}
	})
	return p
}

// copy names a second database, which is not there.
func (p *place) copy(t testing.TB) (name, address string) {
	t.Helper()
	if p.server == nil {
		name = filepath.Join(filepath.Dir(p.name), "copy.db")
		return name, "sqlite:" + name
	}
	return p.name + "_copy", p.server.URL(p.name + "_copy")
}

// familyDir is the folder of the examples that fits the engine.
func (p *place) familyDir() string {
	if p.engine == "mariadb" {
		return "mysql"
	}
	return p.engine
}

// open connects to a database of the place's server; empty = the place's own.
func (p *place) open(t testing.TB, name string) *sql.DB {
	t.Helper()
	if name == "" {
		name = p.name
	}
	if p.server != nil {
		return p.server.Open(t, name)
	}
	u := url.URL{Scheme: "file", Path: name, RawQuery: "mode=rw&_pragma=foreign_keys(1)&_pragma=busy_timeout(10000)"}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// try runs statements on one connection, which is closed again so that nobody is left in the database.
func (p *place) try(t testing.TB, name string, statements ...string) error {
	t.Helper()
	db := p.open(t, name)
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, s := range statements {
		if _, err := conn.ExecContext(t.Context(), s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

func (p *place) exec(t testing.TB, statements ...string) {
	t.Helper()
	if err := p.try(t, "", statements...); err != nil {
		t.Fatal(err)
	}
}

// query gives rows as text, NULL as NULL.
func (p *place) query(t testing.TB, name, statement string) (list [][]string, err error) {
	t.Helper()
	db := p.open(t, name)
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), statement)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", statement, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		cells, refs := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range cells {
			refs[i] = &cells[i]
		}
		if err := rows.Scan(refs...); err != nil {
			return nil, err
		}
		line := make([]string, len(cells))
		for i, c := range cells {
			if line[i] = c.String; !c.Valid {
				line[i] = "NULL"
			}
		}
		list = append(list, line)
	}
	return list, rows.Err()
}

// value is the one cell that a query gives.
func (p *place) value(t testing.TB, statement string) string {
	t.Helper()
	rows, err := p.query(t, "", statement)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 1 || len(rows[0]) != 1 {
		t.Fatalf("%s: %d rows in place of one value", statement, len(rows))
	}
	return rows[0][0]
}

// quote writes a name as the engine's statements take it.
func (p *place) quote(name string) string {
	if p.server != nil {
		return p.server.Quote(name)
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// dump is what the engine's stock client writes for a database: of the tables their rows alone, in an order of
// its own, so that two databases with equal rows give equal text; without tables everything there is.
func (p *place) dump(t testing.TB, name string, tables ...string) string {
	t.Helper()
	if name == "" {
		name = p.name
	}
	var text string
	switch p.engine {
	case "sqlite":
		text = sqliteDump(t, name, tables)
	case "postgres":
		args := []string{"--dbname=" + name, "--column-inserts"}
		for _, table := range tables {
			args = append(args, "--data-only", "--table="+table)
		}
		text = p.client(t, "pg_dump", args...)
	default:
		args := append(p.server.ClientArgs(), "--skip-comments", "--skip-dump-date", "--skip-extended-insert", "--complete-insert",
			"--order-by-primary", "--hex-blob", "--no-tablespaces", "--routines", "--events")
		tool := "mariadb-dump"
		if p.engine == "mysql" {
			tool, args = "mysqldump", append(args, "--set-gtid-purged=OFF")
		}
		if len(tables) > 0 {
			args = append(args, "--no-create-info", "--skip-triggers")
		}
		text = p.client(t, tool, append(append(args, name), tables...)...)
	}
	var lines []string
	for line := range strings.Lines(text) {
		if p.engine == "mariadb" && strings.Contains(line, " TRIGGER ") {
			line = strings.ReplaceAll(line, "`", "") // a rename of the table puts quotes round its name in them
		}
		// PostgreSQL's client puts a new random word into each dump.
		if !strings.HasPrefix(line, `\restrict`) && !strings.HasPrefix(line, `\unrestrict`) {
			lines = append(lines, line)
		}
	}
	if len(tables) > 0 {
		slices.Sort(lines)
	}
	return strings.Join(lines, "")
}

func (p *place) client(t testing.TB, tool string, args ...string) string {
	t.Helper()
	return output(t, p.server.Env(), p.server.Tool(t, tool), args...)
}

func sqliteDump(t testing.TB, file string, tables []string) string {
	t.Helper()
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Fatal("sqlite3 is not installed: sudo scripts/install-test-servers")
	}
	if len(tables) == 0 {
		return output(t, os.Environ(), "sqlite3", "-readonly", file, ".dump")
	}
	args := []string{"-readonly", "-cmd", ".headers on", file}
	for _, table := range tables {
		quoted := `"` + strings.ReplaceAll(table, `"`, `""`) + `"`
		args = append(args, ".mode insert "+quoted, "SELECT * FROM "+quoted)
	}
	return output(t, os.Environ(), "sqlite3", args...)
}

func output(t testing.TB, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), name, args...)
	var out, errs bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = env, &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, &errs)
	}
	return out.String()
}

// family lists the place's database and all that were made beside it: scratches, those set aside, those undone.
// A killed SQLite run also leaves files beside a file; all are listed but locks.
func (p *place) family(t testing.TB) (names []string) {
	t.Helper()
	if p.server == nil {
		files, err := filepath.Glob(p.name + "*")
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	list := "SELECT datname FROM pg_database ORDER BY 1"
	if p.engine != "postgres" {
		list = "SELECT schema_name FROM information_schema.schemata ORDER BY 1"
	}
	for _, row := range p.server.Query(t, "", list) {
		if strings.HasPrefix(row[0], p.name) {
			names = append(names, row[0])
		}
	}
	return names
}

// beside lists the family without the database itself, each name as what follows the database's own.
func (p *place) beside(t testing.TB) []string {
	t.Helper()
	names := []string{}
	for _, name := range p.family(t) {
		if rest := strings.TrimPrefix(name, p.name); rest != "" {
			names = append(names, rest)
		}
	}
	return names
}

// passwords are all forms in which the place's password may be written.
func passwords(address string) []string {
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	password, ok := u.User.Password()
	if !ok {
		return nil
	}
	quoted, _ := json.Marshal(password) // a string can be marshalled
	forms := []string{password, strings.TrimPrefix(url.UserPassword("", password).String(), ":"), url.QueryEscape(password),
		strings.Trim(string(quoted), `"`), strings.Trim(fmt.Sprintf("%q", password), `"`)}
	slices.Sort(forms)
	return slices.Compact(forms)
}

// leaked fails the test where a password stands in a text.
func leaked(t testing.TB, where, text string, secrets []string) {
	t.Helper()
	for _, s := range secrets {
		if s != "" && strings.Contains(text, s) {
			t.Errorf("%s holds a password", where)
			return
		}
	}
}

// leakedInState looks for passwords in everything that the program keeps: journals, reports, manifests, logs.
func leakedInState(t testing.TB, folder string, secrets []string) {
	t.Helper()
	if len(secrets) == 0 {
		return
	}
	err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.Contains(path, ".mulligan") {
			return err
		}
		data, err := os.ReadFile(path)
		if err == nil {
			leaked(t, path, string(data), secrets)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
