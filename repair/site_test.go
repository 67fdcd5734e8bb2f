package repair_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mulligan/doctor"
	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/migration/dbmate"
	"mulligan/migration/golangmigrate"
	"mulligan/repair"
	"mulligan/schema"
	"mulligan/snapshot"
	"mulligan/store"
	"mulligan/store/dir"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// site is an application with its database, and a repository.
type site struct {
	t    *testing.T
	db   testengine.Database
	dir  string
	tool *migration.Tool
	repo store.Store
	runs string
}

// shop are its migrations; the second has three statements, the fourth changes rows only.
func shop(f engine.Family) []string {
	check := "ALTER TABLE orders ADD CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES customers (id);"
	if f == engine.SQLite {
		check = "CREATE INDEX orders_customer ON orders (customer_id);"
	}
	return []string{
		"CREATE TABLE customers (id integer PRIMARY KEY, email varchar(80) NOT NULL);",
		"CREATE TABLE orders (id integer PRIMARY KEY, customer_id integer, placed varchar(20));\n" +
			"ALTER TABLE customers ADD COLUMN vip integer NOT NULL DEFAULT 0;\n" + check,
		"CREATE INDEX orders_placed ON orders (placed);",
		"UPDATE customers SET email = lower(email);",
		"CREATE TABLE refunds (id integer PRIMARY KEY);",
	}
}

// newSite makes the shop with all its migrations applied, those of dbmate or of golang-migrate.
func newSite(t *testing.T, open testengine.Open, tool string) *site {
	t.Helper()
	s := &site{t: t, db: open(t), dir: t.TempDir(), runs: t.TempDir()}
	for i, text := range shop(s.db.Family()) {
		name := fmt.Sprintf("%d_step.up.sql", i+1)
		if tool == "dbmate" {
			name, text = fmt.Sprintf("%d_step.sql", i+1), "-- migrate:up\n"+text+"\n-- migrate:down\n"
		}
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.tool = dbmate.New([]string{s.dir}, schema.Name{})
	if tool != "dbmate" {
		s.tool = golangmigrate.New(s.dir, schema.Name{})
	}
	repo, err := dir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s.repo = repo
	if out := s.migrate(); strings.Count(out, "applied") != 5 {
		t.Fatalf("the shop's migrations: %s", out)
	}
	return s
}

// migrate runs the tool, and gives what it prints.
func (s *site) migrate() string {
	s.t.Helper()
	var log strings.Builder
	if err := s.tool.Runner.Run(s.t.Context(), migration.Target{URL: s.db.URL, DB: s.db.DB}, "", &log); err != nil {
		s.t.Fatalf("migrate: %v\n%s", err, log.String())
	}
	return log.String()
}

func (s *site) forget(versions ...string) {
	s.t.Helper()
	for _, v := range versions {
		s.db.Exec(s.t, "DELETE FROM schema_migrations WHERE version = '"+v+"'")
	}
}

// ledger is every row of the ledger as text.
func (s *site) ledger() string {
	s.t.Helper()
	rows, err := migration.TableRows(s.t.Context(), s.db.DB, s.tool.Ledger.Table(), "version")
	if err != nil {
		return err.Error()
	}
	var list []string
	for _, row := range rows {
		list = append(list, fmt.Sprint(row))
	}
	return strings.Join(list, "\n")
}

// run is a repair of the site.
func (s *site) run(r repair.Request) *repair.Run {
	s.t.Helper()
	id, err := snapshot.NewID(time.Now(), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &repair.Run{
		Source:  doctor.Source{Server: s.db.Server, URL: s.db.URL, Target: "shop", Tool: s.tool},
		Request: r, ID: id, Version: "test", Store: s.repo, Journal: filepath.Join(s.runs, id.String(), "journal.jsonl"),
	}
}

// repair plans and executes.
func (s *site) repair(r repair.Request) (*repair.Outcome, error) {
	s.t.Helper()
	run := s.run(r)
	out, err := run.Plan(s.t.Context())
	if err != nil {
		return out, err
	}
	return out, run.Execute(s.t.Context(), out)
}

// steps are a decision in short: "record 2, refuse 4".
func steps(d repair.Decision) string {
	var list []string
	for _, s := range d.Steps {
		text := string(s.Action) + " " + string(s.Migration)
		if s.Assumed {
			text += " (assumed)"
		}
		list = append(list, text)
	}
	for _, r := range d.Refused {
		list = append(list, "refuse "+string(r.Migration))
	}
	return strings.Join(list, ", ")
}
