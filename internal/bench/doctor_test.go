package bench

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mulligan/internal/testdb"
	"mulligan/migration/migrationtest"
)

// BenchmarkDoctor compares a doctor on 150 migrations that make 300 tables with one plain replay of them by goose's own program.
func BenchmarkDoctor(b *testing.B) {
	b.Run("Postgres", func(b *testing.B) { benchDoctor(b, testdb.Postgres(b), "postgres") })
	b.Run("MariaDB", func(b *testing.B) { benchDoctor(b, testdb.MariaDB(b), "mysql") })
	b.Run("MySQL", func(b *testing.B) { benchDoctor(b, testdb.MySQL(b), "mysql") })
}

func benchDoctor(b *testing.B, server *testdb.Server, driver string) {
	steps := setting(b, "MULLIGAN_BENCH_MIGRATIONS", 150)
	folder := manyMigrations(b, steps)
	goose := migrationtest.Program(b, "goose")
	up := func(name string) []string {
		return []string{goose, "-dir", folder, driver, gooseAddress(b, server, driver, name), "up"}
	}
	healthy, healthyURL := server.NewDatabase(b)
	must(b, server.Env(), up(healthy)...)
	broken, brokenURL := server.NewDatabase(b)
	must(b, server.Env(), up(broken)...)
	server.Exec(b, broken, "DELETE FROM goose_db_version WHERE version_id > 1")
	const fresh = "bench_fresh"
	drop := func(b *testing.B) { server.DropDatabase(b, fresh) }
	sick, well := newSite(b, brokenURL, folder), newSite(b, healthyURL, folder)
	what := fmt.Sprintf("%s: %d migrations that make %d tables", driver, steps, 2*steps)
	plain := program{
		name: "goose up, into an empty database", args: up(fresh), env: server.Env(),
		before: func(b *testing.B) { drop(b); server.Exec(b, "", "CREATE DATABASE "+fresh) },
		after:  func(b *testing.B) int64 { drop(b); return 0 },
	}
	for b.Loop() {
		compare(b, what+", the ledger is right", program{name: "mulligan doctor", args: []string{well.program, "-q", "doctor"}, env: well.env()}, plain)
		// Exit code 1 is what it finds.
		args := shell(`"$@" >/dev/null; test $? = 1`, sick.program, "-q", "doctor")
		compare(b, what+", the ledger knows of one", program{name: "mulligan doctor", args: args, env: sick.env()}, plain)
	}
}

// gooseAddress is a database as goose's command wants it.
func gooseAddress(b *testing.B, server *testdb.Server, driver, name string) string {
	b.Helper()
	text := server.URL(name)
	if driver == "postgres" {
		return text
	}
	u, err := url.Parse(text)
	if err != nil {
		b.Fatal(err)
	}
	password, _ := u.User.Password()
	return u.User.Username() + ":" + password + "@tcp(" + u.Host + ")/" + name + "?parseTime=true"
}

// manyMigrations writes a folder of goose's: each makes two tables with keys, and every third changes an older one.
func manyMigrations(b *testing.B, n int) string {
	b.Helper()
	folder := b.TempDir()
	for i := 1; i <= n; i++ {
		var s strings.Builder
		s.WriteString("-- +goose Up\n")
		for k := range 2 {
			t := 2*i - 1 + k
			fmt.Fprintf(&s, "CREATE TABLE t%d (id integer PRIMARY KEY, name varchar(80) NOT NULL, kind varchar(20) DEFAULT 'a', parent_id integer, made timestamp NULL, note text);\n", t)
			fmt.Fprintf(&s, "CREATE INDEX t%d_name ON t%d (name);\n", t, t)
			if t > 1 {
				fmt.Fprintf(&s, "ALTER TABLE t%d ADD CONSTRAINT t%d_parent FOREIGN KEY (parent_id) REFERENCES t%d (id);\n", t, t, t-1)
			}
		}
		if i%3 == 0 {
			fmt.Fprintf(&s, "ALTER TABLE t%d ADD COLUMN extra_%d integer NOT NULL DEFAULT 0;\n", i/3, i)
		}
		s.WriteString("-- +goose Down\n")
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%05d_step.sql", i)), []byte(s.String()), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return folder
}
