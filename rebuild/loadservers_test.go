package rebuild_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"mulligan/engine"
	"mulligan/engine/mysql"
	"mulligan/engine/postgres"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/migration/dbmate"
	"mulligan/restore"
	"mulligan/schema"
	"mulligan/snapshot"
	"mulligan/store/dir"
)

// serverVariable is the url of the server that the child of a test works on.
const serverVariable = "MULLIGAN_TEST_SERVER"

// siteOn takes up a site whose database is on a server.
func siteOn(root, address string) (*site, error) {
	s := &site{state: filepath.Join(root, "state"), files: filepath.Join(root, "migrations")}
	var err error
	if s.url, err = engine.ParseURL(address); err != nil {
		return nil, err
	}
	s.name = s.url.Database()
	connect := mysql.Connect
	if s.url.Family() == engine.Postgres {
		connect = postgres.Connect
	}
	if s.real, err = connect(context.Background(), s.url); err != nil {
		return nil, err
	}
	s.store, err = dir.Open(filepath.Join(root, "snapshots"))
	return s, err
}

// A load with triggers, indexes and foreign keys is killed by SIGKILL in the midst of its rows, and again when they are all in. What
// comes out is the schema and the rows that an undisturbed run makes.
func TestLoadOnServersGoesOnAfterKill9(t *testing.T) {
	t.Parallel()
	testengine.Servers(t, func(t *testing.T, open testengine.Open) {
		d := open(t)
		must(t, d.Close())
		root := memoryDir(t)
		for _, name := range []string{"state", "migrations"} {
			must(t, os.Mkdir(filepath.Join(root, name), 0o700))
		}
		s, err := siteOn(root, d.URL.Reveal())
		must(t, err)
		t.Cleanup(func() { must(t, s.real.Close()) })
		s.fillServer(t)
		c := chunk(t, s, 64<<10)
		wantSchema, wantRows := c.content(t)
		p := c.restore(t, restore.Beside)
		server := serverVariable + "=" + d.URL.Reveal()
		p.dies(t, fmt.Sprintf("load %d after", c.total/2), server)
		first := len(p.noted(t))
		p.dies(t, "finish 1 before", server)
		if first == 0 || len(p.noted(t)) != c.total {
			t.Errorf("%d chunks were noted after the first kill, %d after the second, of %d", first, len(p.noted(t)), c.total)
		}
		loads, emptied := p.resume(t, c.site)
		if loads > 0 || emptied > 0 {
			t.Errorf("the last process loaded %d chunks and emptied %d tables, though all were in", loads, emptied)
		}
		gotSchema, gotRows := c.content(t)
		if diff := schema.Diff(wantSchema.Objects, gotSchema.Objects); diff != nil {
			t.Errorf("the schema is another: %v", diff)
		}
		for name, want := range wantRows {
			if gotRows[name] != want {
				t.Errorf("table %s has %s, want %s", name, gotRows[name], want)
			}
		}
		t.Logf("%d of %d chunks were noted at the first kill", first, c.total)
		if _, err := p.undo(t); err != nil { // so that no database is left on the server
			t.Error(err)
		}
	})
}

// fillServer makes migrations, the schema that they make, and rows.
func (s *site) fillServer(t testing.TB) {
	t.Helper()
	trigger := "CREATE TRIGGER keys_audit AFTER INSERT ON security_keys FOR EACH ROW INSERT INTO audit (what) VALUES ('fired');"
	if s.url.Family() == engine.Postgres {
		trigger = `CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO audit (what) VALUES (''fired''); RETURN NEW; END';
			CREATE TRIGGER keys_audit AFTER INSERT ON security_keys FOR EACH ROW EXECUTE FUNCTION fire();`
	}
	texts := []string{
		"CREATE TABLE users (id int PRIMARY KEY, nick varchar(60) NOT NULL, bio varchar(400)); CREATE UNIQUE INDEX users_nick ON users (nick); CREATE INDEX users_bio ON users (bio);",
		"CREATE TABLE audit (what varchar(60));",
		`CREATE TABLE security_keys (id int PRIMARY KEY, user_id int NOT NULL, CONSTRAINT key_user FOREIGN KEY (user_id) REFERENCES users (id));
		 CREATE INDEX keys_user ON security_keys (user_id);`,
		trigger,
	}
	db, err := s.real.Open(t.Context(), s.name)
	must(t, err)
	defer func() { must(t, db.Close()) }()
	for i, text := range texts {
		s.migration(t, i, text)
	}
	tool := dbmate.New([]string{s.files}, schema.Name{})
	must(t, tool.Runner.Run(t.Context(), migration.Target{URL: s.url, DB: db}, "", io.Discard))
	rows := "INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)"
	thousands := "FROM digits a CROSS JOIN digits b CROSS JOIN digits c CROSS JOIN digits d WHERE a.n < 6"
	for _, text := range []string{
		"CREATE TABLE digits (n int)", rows,
		"INSERT INTO users SELECT a.n * 1000 + b.n * 100 + c.n * 10 + d.n, concat('user', a.n * 1000 + b.n * 100 + c.n * 10 + d.n), repeat('long ', 60) " + thousands,
		"INSERT INTO security_keys SELECT id * 2, id FROM users",
		"DELETE FROM audit", "INSERT INTO audit VALUES ('one')", "DROP TABLE digits",
		map[bool]string{true: "ANALYZE", false: "ANALYZE TABLE users, security_keys"}[s.url.Family() == engine.Postgres], // what chunks are cut by
	} {
		if _, err := db.ExecContext(t.Context(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

// content is the schema and the digests of all tables of the database.
func (s *site) content(t testing.TB) (*schema.Schema, map[string]snapshot.Digest) {
	t.Helper()
	db, err := s.real.Open(t.Context(), s.name)
	must(t, err)
	defer func() { must(t, db.Close()) }()
	found, err := db.Inspect(t.Context())
	must(t, err)
	view, err := db.View(t.Context(), 1)
	must(t, err)
	defer func() { must(t, view.Close()) }()
	rows := map[string]snapshot.Digest{}
	for i := range found.Tables {
		d := snapshot.NewDigester()
		_, err := view.Dump(t.Context(), d, &found.Tables[i], engine.Range{})
		must(t, err)
		rows[found.Tables[i].Name.String()], err = d.Sum()
		must(t, err)
	}
	return found, rows
}
