package doctor_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/doctor"
	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/migration/dbmate"
	"mulligan/schema"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// library is an application's history: six migrations, the fourth of which changes rows only.
func library(f engine.Family) map[string]string {
	text := "varchar(100)"
	if f == engine.SQLite || f == engine.Postgres {
		text = "text"
	}
	key := "ALTER TABLE posts ADD CONSTRAINT posts_author FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE;"
	if f == engine.SQLite {
		key = ""
	}
	return map[string]string{
		"1_users.sql": "CREATE TABLE users (id integer PRIMARY KEY, email " + text + " NOT NULL);",
		"2_posts.sql": "CREATE TABLE posts (id integer PRIMARY KEY, user_id integer, title " + text + ");\n" +
			"CREATE INDEX posts_title ON posts (title);\n" + key,
		"3_locale.sql": "ALTER TABLE users ADD COLUMN locale varchar(5) NOT NULL DEFAULT 'en';",
		"4_emails.sql": "UPDATE users SET email = lower(email);",
		"5_body.sql":   "ALTER TABLE posts ADD COLUMN body " + text + ";\nCREATE INDEX users_email ON users (email);",
		"6_tags.sql":   "CREATE TABLE tags (id integer PRIMARY KEY, name varchar(20));",
	}
}

// site is an application with its database.
type site struct {
	t    *testing.T
	db   testengine.Database
	dir  string
	tool *migration.Tool

	known map[migration.ID]string // what an earlier snapshot saw
}

// newSite writes the library's migrations, and applies all of them.
func newSite(t *testing.T, open testengine.Open) *site {
	t.Helper()
	s := &site{t: t, db: open(t), dir: t.TempDir()}
	s.tool = dbmate.New([]string{s.dir}, schema.Name{})
	for name, text := range library(s.db.Family()) {
		s.write(name, text)
	}
	s.migrate("")
	return s
}

func (s *site) write(name, up string) {
	s.t.Helper()
	s.put(name, "-- migrate:up\n"+up+"\n-- migrate:down\n")
}

// put writes a file as it is.
func (s *site) put(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// clear begins anew: no migration, and an empty database.
func (s *site) clear() {
	s.t.Helper()
	for name := range library(s.db.Family()) {
		if err := os.Remove(filepath.Join(s.dir, name)); err != nil {
			s.t.Fatal(err)
		}
	}
	s.db.Exec(s.t, "DROP TABLE posts", "DROP TABLE users", "DROP TABLE tags", "DROP TABLE schema_migrations")
}

func (s *site) rename(from, to string) {
	s.t.Helper()
	if err := os.Rename(filepath.Join(s.dir, from), filepath.Join(s.dir, to)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) migrate(to migration.ID) {
	s.t.Helper()
	var log bytes.Buffer
	if err := s.tool.Runner.Run(s.t.Context(), migration.Target{URL: s.db.URL, DB: s.db.DB}, to, &log); err != nil {
		s.t.Fatalf("migrate: %v\n%s", err, log.String())
	}
}

// forget takes records out of the ledger.
func (s *site) forget(versions ...string) {
	s.t.Helper()
	for _, v := range versions {
		s.db.Exec(s.t, "DELETE FROM schema_migrations WHERE version = '"+v+"'")
	}
}

func (s *site) source() doctor.Source {
	return doctor.Source{Server: s.db.Server, URL: s.db.URL, Target: "app", Tool: s.tool, Known: s.known}
}

// examine runs the doctor, and checks that it changed nothing and left nothing.
func (s *site) examine() *doctor.Diagnosis {
	s.t.Helper()
	before := s.content()
	src := s.source()
	d, err := doctor.Run(s.t.Context(), src, nil)
	if err != nil {
		s.t.Fatalf("Run: %v", err)
	}
	if diff := cmp.Diff(before, s.content()); diff != "" {
		s.t.Errorf("the doctor changed the database (-before +after):\n%s", diff)
	}
	s.wantGone(d.Shadow.Database)
	return d
}

func (s *site) wantGone(name string) {
	s.t.Helper()
	if _, err := s.db.Server.Stat(s.t.Context(), name); err == nil {
		s.t.Errorf("the scratch database %s is still there", name)
	}
}

// content is the ledger and the schema as text.
func (s *site) content() string {
	s.t.Helper()
	found, err := s.db.Inspect(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	var b strings.Builder
	for _, o := range found.Objects {
		fmt.Fprintf(&b, "%s: %s\n", o.Key(), o.Def)
	}
	rows, err := migration.TableRows(s.t.Context(), s.db.DB, s.tool.Ledger.Table(), "1")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, row := range rows {
		fmt.Fprintf(&b, "row %v\n", row)
	}
	return b.String()
}

// verdicts are a diagnosis in short: "1 applied, 2 half-applied".
func verdicts(d *doctor.Diagnosis) string {
	var list []string
	for _, m := range d.Migrations {
		list = append(list, string(m.ID)+" "+string(m.Verdict))
	}
	return strings.Join(list, ", ")
}

// kinds counts the findings by their kind.
func kinds(d *doctor.Diagnosis) string {
	count := map[string]int{}
	for _, f := range d.Findings {
		count[f.Kind]++
	}
	var list []string
	for _, k := range slices.Sorted(maps.Keys(count)) {
		list = append(list, fmt.Sprintf("%d %s", count[k], k))
	}
	return strings.Join(list, ", ")
}
