package rails_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/migration/command"
	"mulligan/migration/migrationtest"
	"mulligan/migration/rails"
	"mulligan/schema"
)

func TestMain(m *testing.M) { testdb.Main(m) }

func TestLedger(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		migrationtest.Test(t, migrationtest.Config{
			Tool:   "rails",
			Open:   func(t testing.TB) engine.DB { return open(t).DB },
			Ledger: func(table schema.Name) migration.Ledger { return rails.New("", table).Ledger },
			Files:  []migration.Migration{{ID: "1"}, {ID: "9"}, {ID: "20240101000000"}, {ID: "99999999999999999999"}},
		})
	})
}

var sample = filepath.Join("testdata", "migrate")

func program(t testing.TB) string {
	t.Helper()
	const gems = "/usr/share/rubygems-integration/all/specifications/activerecord-*.gemspec"
	return migrationtest.Installed(t, "/usr/bin/ruby", gems)
}

func environment(u engine.URL) []string {
	return []string{"RECORD_URL=" + migrationtest.DriverURL(u, "postgresql", "mysql2", "sqlite3:")}
}

// record runs Active Record on the sample.
func record(t testing.TB, db testengine.Database, commands ...string) (string, error) {
	t.Helper()
	return migrationtest.RunIn(t, ".", environment(db.URL), program(t), append([]string{filepath.Join("testdata", "active_record.rb"), sample}, commands...)...)
}

func list(t testing.TB, tool *migration.Tool) []migration.Migration {
	t.Helper()
	files, err := tool.Source.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// tables describes the two tables of Rails, times and what only its run knows left out.
func tables(t testing.TB, db testengine.Database) []string {
	t.Helper()
	var lines []string
	in := false
	for _, line := range strings.Split(migrationtest.Content(t, db, "created_at", "updated_at"), "\n") {
		if !strings.HasPrefix(line, "\t") {
			in = strings.Contains(line, rails.DefaultTable) || strings.Contains(line, rails.Metadata)
		}
		if in && !strings.Contains(line, "schema_sha1") {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestReal: the tables and rows of Active Record are ours, and its status agrees with what we mark.
func TestReal(t *testing.T) {
	tool := rails.New(sample, schema.Name{})
	files := list(t, tool)
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		theirs, ours := open(t), open(t)
		if out, err := record(t, theirs, "migrate"); err != nil {
			t.Fatalf("migrate: %v\n%s", err, out)
		}
		if err := tool.Ledger.Create(t.Context(), ours); err != nil {
			t.Fatal(err)
		}
		for _, m := range files {
			if err := migration.Insert(t.Context(), ours, tool.Ledger, m, files); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(tables(t, theirs), tables(t, ours)); diff != "" {
			t.Errorf("what Active Record (-) and we (+) write:\n%s", diff)
		}
		for _, m := range files {
			migrationtest.SameRow(t, theirs, tool.Ledger, m, files)
		}
		want := "up 001 Create users\nup 20240101000000 Add email to users\nup 20240102000000 Create posts\nup 20240103000000 Add title to postsblog\n"
		if out, err := record(t, ours, "migrate", "status"); err != nil || out != want {
			t.Errorf("after our marks Active Record says %v\n%s", err, out)
		}
		if c := migrationtest.Content(t, ours); strings.Contains(c, "users") {
			t.Errorf("Active Record ran what we marked:\n%s", c)
		}
	})
}

// TestMasked: Active Record, which is told nothing, stops at each migration.
func TestMasked(t *testing.T) {
	tool := rails.New(sample, schema.Name{})
	files := list(t, tool)
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		db := open(t)
		runner, err := command.New(command.Options{
			Command: []string{program(t), filepath.Join("testdata", "active_record.rb"), sample, "migrate"},
			Env:     environment(db.URL), Source: tool.Source, Ledger: tool.Ledger,
		})
		if err != nil {
			t.Fatal(err)
		}
		stops := []int{1}
		if db.Family() == engine.SQLite {
			stops = []int{1, 2}
		}
		for _, n := range stops {
			var log bytes.Buffer
			if err := runner.Run(t.Context(), migration.Target{URL: db.URL, DB: db.DB}, files[n].ID, &log); err != nil {
				t.Fatalf("run to %s: %v\n%s", files[n].ID, err, log.String())
			}
			records, err := tool.Ledger.Records(t.Context(), db, files)
			if err != nil {
				t.Fatal(err)
			}
			if len(records) != n+1 || migration.Position(files, records) != files[n].ID {
				t.Errorf("after a run to %s the ledger holds %v", files[n].ID, records)
			}
			if c := migrationtest.Content(t, db); strings.Contains(c, "posts") != (n == 2) {
				t.Errorf("after a run to %s:\n%s", files[n].ID, c)
			}
		}
	})
}

// TestRealLock: while we hold its lock Active Record does not migrate, and we see who holds it.
func TestRealLock(t *testing.T) {
	tool := rails.New(sample, schema.Name{})
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		db := open(t)
		s, err := db.Session(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		free, err := tool.Lock.Take(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		who, err := tool.Lock.Holder(t.Context(), db)
		if locks := db.Family() != engine.SQLite; err != nil || (who != "") != locks {
			t.Errorf("Holder: %q, %v", who, err)
		}
		if db.Family() != engine.SQLite {
			if out, err := record(t, db, "migrate"); err == nil || !strings.Contains(out, "ConcurrentMigrationError") {
				t.Errorf("while the lock is held: %v\n%s", err, out)
			}
		}
		if err := errors.Join(free(t.Context()), s.Close()); err != nil {
			t.Error(err)
		}
	})
}

func TestLockKey(t *testing.T) {
	lock := rails.New("", schema.Name{}).Lock.(migration.ServerLock)
	if got := lock.Postgres("to"); !slices.Equal(got, []int64{7425327306863600820}) {
		t.Errorf("the key on PostgreSQL is %d", got)
	}
	if got := lock.MySQL("to"); !slices.Equal(got, []string{"7425327306863600820"}) {
		t.Errorf("the name on MySQL is %s", got)
	}
}

// TestZeros: a row with leading zeros, as old Rails wrote them, is the version it names, and can be taken away.
func TestZeros(t *testing.T) {
	tool := rails.New(sample, schema.Name{})
	files := list(t, tool)
	db := testengine.SQLite(t)
	if err := tool.Ledger.Create(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	db.Exec(t, "INSERT INTO schema_migrations VALUES ('001'), ('x')")
	verdicts := func() (got []string) {
		records, err := tool.Ledger.Records(t.Context(), db, files)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range migration.Compare(files, records) {
			got = append(got, fmt.Sprintf("%s %s", s.Migration.ID, s.Verdict))
		}
		return got
	}
	want := []string{"1 applied", "20240101000000 pending", "20240102000000 pending", "20240103000000 pending", "x orphan"}
	if diff := cmp.Diff(want, verdicts()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := migration.Delete(t.Context(), db, tool.Ledger, files[0], files); err != nil {
		t.Fatal(err)
	}
	if got := verdicts(); got[0] != "1 pending" || got[4] != "x orphan" {
		t.Errorf("after the record was taken away: %v", got)
	}
}

func TestSource(t *testing.T) {
	var got []string
	for _, m := range list(t, rails.New(sample, schema.Name{})) {
		got = append(got, fmt.Sprintf("%s %q %s %d", m.ID, m.Title, filepath.Base(m.Path), len(m.Hash)))
	}
	want := []string{
		`1 "create users" 001_create_users.rb 64`,
		`20240101000000 "add email to users" 20240101000000_add_email_to_users.rb 64`,
		`20240102000000 "create posts" 20240102000000_create_posts.rb 64`,
		`20240103000000 "add title to posts" 20240103000000_add_title_to_posts.blog.rb 64`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("migrations (-want +got):\n%s", diff)
	}
	if n, err := rails.FileTool().Looks(sample); n != 3 || err != nil {
		t.Errorf("Looks: %d, %v", n, err)
	}
	dir := migrationtest.Write(t, "2_b.rb", "", "10_a.rb", "", "helper.rb", "", "3.rb", "")
	if err := os.MkdirAll(filepath.Join(dir, ".hidden"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".hidden", "1_b.rb"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if files := list(t, rails.New(dir, schema.Name{})); len(files) != 2 || files[0].ID != "2" || files[1].ID != "10" {
		t.Errorf("migrations %v", files)
	}
}

func TestRefused(t *testing.T) {
	for name, tt := range map[string]struct{ files, want []string }{
		"version": {[]string{"1_a.rb", "", "01_b.rb", ""}, []string{"1_a.rb", "01_b.rb"}},
		"class":   {[]string{"1_add_users.rb", "", "2_add__users.rb", ""}, []string{"1_add_users.rb", "2_add__users.rb", "AddUsers"}},
		"name":    {[]string{"1_AddUsers.rb", ""}, []string{"1_AddUsers.rb"}},
		"none":    {[]string{"a.rb", ""}, []string{migration.ErrNone.Error()}},
	} {
		_, err := rails.New(migrationtest.Write(t, tt.files...), schema.Name{}).Source.Migrations(t.Context())
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want an error with %q", name, err, want)
			}
		}
	}
}
