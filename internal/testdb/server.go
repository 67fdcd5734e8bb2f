package testdb

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Server is a running database server.
type Server struct {
	Family Family
	User   User   // a superuser, who may log in over TCP
	Port   int    // on 127.0.0.1
	Dir    string // the server's own folder: socket, log, data; a server as another user owns it

	driver  *driver
	args    []string
	process *process
	reaper  *reaper
}

// User is an account of a server.
type User struct {
	Name     string
	Password string
}

// SQL is the account as it stands in the server's statements, quoted.
func (s *Server) SQL(u User) string {
	if s.Family == FamilyPostgres {
		return s.Quote(u.Name)
	}
	return s.literal(u.Name) + "@'%'"
}

// URL returns the address of a database for the server's own user, with the password:
// postgres://…?sslmode=disable, mariadb://… or mysql://…. An empty name gives one without a database.
func (s *Server) URL(database string) string { return s.URLAs(s.User, database) }

// URLAs returns the address of a database for u, with the password.
func (s *Server) URLAs(u User, database string) string {
	addr := url.URL{
		Scheme:  string(s.Family),
		User:    url.UserPassword(u.Name, u.Password),
		Host:    s.Addr(),
		Path:    "/" + database,
		RawPath: "/" + url.PathEscape(database),
	}
	if s.Family == FamilyPostgres {
		addr.RawQuery = "sslmode=disable"
	}
	return addr.String()
}

// Addr is the server's host and port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

// SocketPath is the server's unix socket. For PostgreSQL clients name its folder, [Server.Dir].
func (s *Server) SocketPath() string {
	if s.Family == FamilyPostgres {
		return filepath.Join(s.Dir, ".s.PGSQL."+strconv.Itoa(s.Port))
	}
	return filepath.Join(s.Dir, "s")
}

// LogPath is the file with what the server wrote since its last start.
func (s *Server) LogPath() string { return filepath.Join(s.Dir, "log") }

// PID is the process id of the server's main process.
func (s *Server) PID() int { return s.process.pid() }

// Version is what the server's program says of itself.
func (s *Server) Version() string { return s.driver.version }

func (s *Server) data() string    { return filepath.Join(s.Dir, "data") }
func (s *Server) pidFile() string { return filepath.Join(s.Dir, "pid") }

// NewDatabase makes an empty database for t, which is dropped when t ends, also under open sessions.
// It returns its name and [Server.URL].
func (s *Server) NewDatabase(t testing.TB) (name, address string) {
	t.Helper()
	name = "test_" + strings.ToLower(rand.Text()[:12])
	s.Exec(t, "", "CREATE DATABASE "+s.Quote(name))
	t.Cleanup(func() { s.DropDatabase(t, name) })
	return name, s.URL(name)
}

// DropDatabase drops a database and ends the sessions in it. One that does not exist is fine, and
// so is a server that was stopped.
func (s *Server) DropDatabase(t testing.TB, name string) {
	t.Helper()
	if !s.process.running() {
		return
	}
	if s.Family == FamilyPostgres {
		s.Exec(t, "", "DROP DATABASE IF EXISTS "+s.Quote(name)+" WITH (FORCE)")
		return
	}
	// A session in a transaction would hold up the DROP by its metadata locks. One that is ending is left to it: a KILL that
	// comes while a session ends can reach what the server puts in its place.
	for _, id := range s.lasting(t, name) {
		db := s.Open(t, "")
		// The session may have ended by itself since; then there is nothing to kill.
		_, _ = db.ExecContext(context.Background(), "KILL "+id)
	}
	s.Exec(t, "", "DROP DATABASE IF EXISTS "+s.Quote(name))
}

// lasting lists the sessions of a database of MySQL or MariaDB that are still there after a second.
func (s *Server) lasting(t testing.TB, name string) (ids []string) {
	t.Helper()
	pause := time.NewTicker(10 * time.Millisecond)
	defer pause.Stop()
	for end := time.Now().Add(time.Second); ; <-pause.C {
		ids = ids[:0]
		// MySQL's information_schema.processlist fails where a statement holds text outside the first plane of Unicode.
		for _, row := range s.Query(t, "", "SHOW PROCESSLIST") {
			if row[3] == name {
				ids = append(ids, row[0])
			}
		}
		if len(ids) == 0 || time.Now().After(end) {
			return ids
		}
	}
}

// NewUser makes an account with a password and no privileges but the given ones, each of which
// completes GRANT … TO: "SELECT ON app.*" (MariaDB, MySQL) or "CONNECT ON DATABASE app" (PostgreSQL,
// in the database postgres; for what lies in another use [Server.Exec] and [Server.SQL]). The
// account goes with the server.
func (s *Server) NewUser(t testing.TB, grants ...string) User {
	t.Helper()
	u := User{Name: "user_" + strings.ToLower(rand.Text()[:12]), Password: `l0w%41 '"` + rand.Text()[:8]}
	if s.Family == FamilyPostgres {
		s.Exec(t, "", "CREATE ROLE "+s.SQL(u)+" LOGIN PASSWORD "+s.literal(u.Password))
	} else {
		s.Exec(t, "", "CREATE USER "+s.SQL(u)+" IDENTIFIED BY "+s.literal(u.Password))
	}
	for _, g := range grants {
		s.Exec(t, "", "GRANT "+g+" TO "+s.SQL(u))
	}
	return u
}

// Open returns a pool of connections to a database as the server's user, closed when t ends.
// Several statements may stand in one Exec. An empty name is the server's default database.
func (s *Server) Open(t testing.TB, database string) *sql.DB {
	t.Helper()
	return s.OpenAs(t, s.User, database)
}

// OpenAs is [Server.Open] as another user. Nothing is connected yet: a wrong password shows at
// the first use.
func (s *Server) OpenAs(t testing.TB, u User, database string) *sql.DB {
	t.Helper()
	db, err := s.driver.openDB(s, u, database)
	if err != nil {
		t.Fatalf("testdb: open database %s: %v", database, err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("testdb: close database %s: %v", database, err)
		}
	})
	return db
}

// Pool is [Server.Open] for whoever closes the pool himself: what watches a server that is being killed opens
// one for each look, and must not fail a test by it.
func (s *Server) Pool(database string) (*sql.DB, error) { return s.driver.openDB(s, s.User, database) }

// Exec runs statements in a database, one argument after the other on one connection, and fails t
// where one fails. An argument may hold several.
func (s *Server) Exec(t testing.TB, database string, statements ...string) {
	t.Helper()
	db, err := s.driver.openDB(s, s.User, database)
	if err != nil {
		t.Fatalf("testdb: open database %s: %v", database, err)
	}
	defer func() { _ = db.Close() }() // nothing is in use any more
	db.SetMaxOpenConns(1)
	for _, q := range statements {
		if _, err := db.ExecContext(context.Background(), q); err != nil {
			t.Fatalf("testdb: %s, database %q: %.300s: %v", s.Family, database, q, err)
		}
	}
}

// Query returns the rows of a query as text, NULL as the word NULL, and fails t where it fails.
func (s *Server) Query(t testing.TB, database, query string) [][]string {
	t.Helper()
	rows, err := s.query(database, query)
	if err != nil {
		t.Fatalf("testdb: %s, database %q: %.300s: %v", s.Family, database, query, err)
	}
	return rows
}

func (s *Server) query(database, query string) (_ [][]string, err error) {
	db, err := s.driver.openDB(s, s.User, database)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }() // the rows are read or the query failed
	rows, err := db.QueryContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err has told
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var all [][]string
	for rows.Next() {
		row, err := scanText(rows, len(columns))
		if err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

func scanText(rows *sql.Rows, n int) ([]string, error) {
	cells := make([]sql.NullString, n)
	into := make([]any, n)
	for i := range cells {
		into[i] = &cells[i]
	}
	if err := rows.Scan(into...); err != nil {
		return nil, err
	}
	row := make([]string, n)
	for i, c := range cells {
		row[i] = c.String
		if !c.Valid {
			row[i] = "NULL"
		}
	}
	return row, nil
}

// Quote returns a name as the server's statements take it.
func (s *Server) Quote(name string) string {
	q := "`"
	if s.Family == FamilyPostgres {
		q = `"`
	}
	return q + strings.ReplaceAll(name, q, q+q) + q
}

// literal returns a text as the server's statements take it.
func (s *Server) literal(text string) string {
	if s.Family != FamilyPostgres {
		text = strings.ReplaceAll(text, `\`, `\\`)
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

// Env is the environment that leads the server's client programs to it as its user over TCP: all of
// this process's, less its own settings for such programs. MariaDB's and MySQL's take the user from
// [Server.ClientArgs] alone.
func (s *Server) Env() []string {
	if s.Family == FamilyPostgres {
		return append(serverEnv(), "PGHOST=127.0.0.1", "PGPORT="+strconv.Itoa(s.Port), "PGUSER="+s.User.Name,
			"PGPASSWORD="+s.User.Password, "PGSSLMODE=disable")
	}
	return append(serverEnv(), "MYSQL_HOST=127.0.0.1", "MYSQL_TCP_PORT="+strconv.Itoa(s.Port), "MYSQL_PWD="+s.User.Password)
}

// ClientArgs are the first arguments of the server's client programs, which with [Server.Env]
// lead to it. PostgreSQL's need none.
func (s *Server) ClientArgs() []string {
	if s.Family == FamilyPostgres {
		return nil
	}
	return []string{"--no-defaults", "--protocol=tcp", "--host=127.0.0.1", "--port=" + strconv.Itoa(s.Port), "--user=" + s.User.Name}
}

// Tool returns the path of a program that came with the server, such as pg_dump, mariadb-dump or mysqldump.
func (s *Server) Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := s.driver.programs.tool(name)
	if err != nil {
		t.Fatalf("testdb: %s has no program %s: %v", s.Family, name, err)
	}
	return path
}

// Stop shuts the server down in order and waits for its end. Only for a server of t's own.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.end(t, "stop", s.driver.shutdown)
}

// Kill ends the server as a crash would, with recovery left to do, and waits for its end. Only
// for a server of t's own.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	s.end(t, "kill", s.driver.crash)
}

func (s *Server) end(t testing.TB, what string, signal syscall.Signal) {
	t.Helper()
	if err := s.process.end(signal, endLimit); err != nil {
		t.Fatalf("testdb: %s %s: %v", what, s.Family, err)
	}
	if err := os.Remove(s.pidFile()); err != nil {
		t.Fatalf("testdb: %s %s: %v", what, s.Family, err)
	}
}

// Start starts a server again that was stopped or killed, with its data and at its old port.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	if err := s.start(ctx); err != nil {
		t.Fatalf("testdb: start %s again: %v", s.Family, err)
	}
}

// String names the server without its password.
func (s *Server) String() string { return fmt.Sprintf("%s at %s", s.Family, s.Addr()) }
