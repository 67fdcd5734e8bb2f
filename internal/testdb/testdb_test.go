package testdb_test

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mulligan/internal/testdb"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// family is how the tests of one kind of server reach it.
type family struct {
	name   testdb.Family
	shared func(testing.TB) *testdb.Server
	own    func(testing.TB, ...string) *testdb.Server
}

func families() []family {
	return []family{
		{testdb.FamilyPostgres, testdb.Postgres, testdb.NewPostgres},
		{testdb.FamilyMariaDB, testdb.MariaDB, testdb.NewMariaDB},
		{testdb.FamilyMySQL, testdb.MySQL, testdb.NewMySQL},
	}
}

func TestSharedServer(t *testing.T) {
	for _, f := range families() {
		t.Run(string(f.name), func(t *testing.T) {
			start := time.Now()
			s := f.shared(t)
			t.Logf("%s: %s, ready after %s", s, s.Version(), time.Since(start).Round(time.Millisecond))
			if again := f.shared(t); again != s {
				t.Errorf("a second call gave another server, %s", again)
			}
			version := s.Query(t, "", "SELECT version()")[0][0]
			marks := map[testdb.Family]bool{
				testdb.FamilyPostgres: strings.HasPrefix(version, "PostgreSQL"),
				testdb.FamilyMariaDB:  strings.Contains(version, "MariaDB"),
				testdb.FamilyMySQL:    !strings.Contains(version, "MariaDB") && !strings.HasPrefix(version, "PostgreSQL"),
			}
			if !marks[f.name] {
				t.Errorf("asked for %s, got %s", f.name, version)
			}
		})
	}
}

func TestURL(t *testing.T) {
	for _, f := range families() {
		t.Run(string(f.name), func(t *testing.T) {
			s := f.shared(t)
			u, err := url.Parse(s.URL(`a/b c?"`))
			if err != nil {
				t.Fatal(err)
			}
			password, _ := u.User.Password()
			got := []string{u.Scheme, u.User.Username(), password, u.Host, u.Path}
			want := []string{string(f.name), s.User.Name, s.User.Password, s.Addr(), `/a/b c?"`}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("URL (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNewDatabase(t *testing.T) {
	for _, f := range families() {
		t.Run(string(f.name), func(t *testing.T) {
			s := f.shared(t)
			var name string
			t.Run("in use", func(t *testing.T) {
				name, _ = s.NewDatabase(t)
				s.Exec(t, name, "CREATE TABLE t (a int PRIMARY KEY, b text); INSERT INTO t VALUES (1, 'é𝄞'), (2, NULL)")
				want := [][]string{{"1", "é𝄞"}, {"2", "NULL"}}
				if diff := cmp.Diff(want, s.Query(t, name, "SELECT a, b FROM t ORDER BY a")); diff != "" {
					t.Errorf("rows (-want +got):\n%s", diff)
				}
				holdTransaction(t, s, name)
			})
			rows := s.Query(t, "", "SELECT 1 FROM information_schema.schemata WHERE schema_name = '"+name+"'")
			if f.name == testdb.FamilyPostgres {
				rows = s.Query(t, "", "SELECT 1 FROM pg_database WHERE datname = '"+name+"'")
			}
			if len(rows) != 0 {
				t.Errorf("database %s is there after its test", name)
			}
		})
	}
}

// holdTransaction leaves a session with an open transaction in the database, until the database
// is dropped under it.
func holdTransaction(t *testing.T, s *testdb.Server, database string) {
	t.Helper()
	db := s.Open(t, database)
	tx, err := db.BeginTx(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("INSERT INTO t VALUES (3, 'open')"); err != nil {
		t.Fatal(err)
	}
	// Kept open on purpose; this runs after the drop and only frees the connection.
	t.Cleanup(func() { _ = tx.Rollback() })
	t.Cleanup(func() { s.DropDatabase(t, database) })
}

func TestPasswordIsChecked(t *testing.T) {
	for _, f := range families() {
		t.Run(string(f.name), func(t *testing.T) {
			s := f.shared(t)
			name, _ := s.NewDatabase(t)
			low := s.NewUser(t)
			for _, u := range []testdb.User{
				{Name: s.User.Name, Password: "wrong"},
				{Name: s.User.Name},
				{Name: low.Name, Password: s.User.Password},
				{Name: "nobody", Password: "x"},
			} {
				if err := s.OpenAs(t, u, name).Ping(); err == nil {
					t.Errorf("user %s got in with password %q", u.Name, u.Password)
				}
			}
			if err := s.OpenAs(t, s.User, name).Ping(); err != nil {
				t.Errorf("the right password is refused: %v", err)
			}
		})
	}
}

func TestNewUserHasOnlyItsGrants(t *testing.T) {
	for _, f := range families() {
		t.Run(string(f.name), func(t *testing.T) {
			s := f.shared(t)
			name, _ := s.NewDatabase(t)
			s.Exec(t, name, "CREATE TABLE t (a int)")
			var u testdb.User
			if f.name == testdb.FamilyPostgres {
				u = s.NewUser(t)
				s.Exec(t, name, "GRANT SELECT ON t TO "+s.SQL(u))
			} else {
				u = s.NewUser(t, "SELECT ON "+s.Quote(name)+".t")
			}
			db := s.OpenAs(t, u, name)
			var n int
			if err := db.QueryRow("SELECT count(*) FROM t").Scan(&n); err != nil {
				t.Errorf("granted: %v", err)
			}
			for _, q := range []string{"INSERT INTO t VALUES (1)", "CREATE DATABASE stolen"} {
				if _, err := db.Exec(q); err == nil {
					t.Errorf("not granted, but done: %s", q)
				}
			}
		})
	}
}

func TestStopKillStart(t *testing.T) {
	for _, f := range families() {
		t.Run(string(f.name), func(t *testing.T) {
			start := time.Now()
			s := f.own(t)
			t.Logf("started in %s", time.Since(start).Round(time.Millisecond))
			name, _ := s.NewDatabase(t)
			s.Exec(t, name, "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1)")
			s.Kill(t)
			s.Start(t)
			s.Exec(t, name, "INSERT INTO t VALUES (2)")
			start = time.Now()
			s.Stop(t)
			t.Logf("stopped in %s", time.Since(start).Round(time.Millisecond))
			s.Start(t)
			want := [][]string{{"1"}, {"2"}}
			if diff := cmp.Diff(want, s.Query(t, name, "SELECT a FROM t ORDER BY a")); diff != "" {
				t.Errorf("rows after a crash and a stop (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	if got := testdb.NewPostgres(t, "-c", "max_connections=7").Query(t, "", "SHOW max_connections"); got[0][0] != "7" {
		t.Errorf("postgres: max_connections is %s, want 7", got[0][0])
	}
	if got := testdb.NewMySQL(t, "--local-infile=OFF").Query(t, "", "SELECT @@local_infile, @@log_bin"); got[0][0] != "0" || got[0][1] != "1" {
		t.Errorf("mysql: local_infile, log_bin are %s, want 0, 1", got[0])
	}
	for _, s := range []*testdb.Server{testdb.MySQL(t), testdb.MariaDB(t)} {
		if got := s.Query(t, "", "SELECT @@local_infile, @@log_bin"); got[0][0] != "1" || got[0][1] != "1" {
			t.Errorf("%s: local_infile, log_bin are %s, want 1, 1", s, got[0])
		}
	}
}

func TestTools(t *testing.T) {
	dumps := map[testdb.Family]string{
		testdb.FamilyPostgres: "pg_dump",
		testdb.FamilyMariaDB:  "mariadb-dump",
		testdb.FamilyMySQL:    "mysqldump",
	}
	for _, f := range families() {
		t.Run(string(f.name), func(t *testing.T) {
			s := f.shared(t)
			name, _ := s.NewDatabase(t)
			s.Exec(t, name, "CREATE TABLE t (a text)", "INSERT INTO t VALUES ('a row of mine')")
			cmd := exec.Command(s.Tool(t, dumps[f.name]), append(s.ClientArgs(), name)...)
			cmd.Env = s.Env()
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%s: %v\n%s", cmd.Path, err, out)
			}
			if !strings.Contains(string(out), "a row of mine") {
				t.Errorf("the dump lacks the row:\n%s", out)
			}
			if _, err := os.Stat(s.SocketPath()); err != nil {
				t.Error(err)
			}
		})
	}
}
