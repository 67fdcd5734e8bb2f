package testdb

import (
	"errors"
	"os"
	"sync"
	"testing"
)

// Family tells the kinds of servers apart. Its text is the scheme of the server's URLs.
type Family string

// The families of servers.
const (
	FamilyPostgres Family = "postgres"
	FamilyMariaDB  Family = "mariadb"
	FamilyMySQL    Family = "mysql"
)

// TestingM is what [Main] and [Wrap] need of a *testing.M.
type TestingM interface{ Run() int }

// Main runs the tests of m, ends the shared servers and exits with the tests' exit code.
func Main(m TestingM) { os.Exit(Wrap(m).Run()) }

// Wrap returns an m whose Run also ends the shared servers that the tests started.
func Wrap(m TestingM) TestingM { return wrapped{m} }

type wrapped struct{ TestingM }

// Run runs the tests, then ends the servers.
func (w wrapped) Run() int {
	defer servers.discard()
	return w.TestingM.Run()
}

// Postgres returns the PostgreSQL server of this test process, which the first call starts.
func Postgres(t testing.TB) *Server {
	t.Helper()
	return servers.get(t, FamilyPostgres)
}

// MariaDB returns the MariaDB server of this test process, which the first call starts.
func MariaDB(t testing.TB) *Server {
	t.Helper()
	return servers.get(t, FamilyMariaDB)
}

// MySQL returns the MySQL server of this test process, which the first call starts. LOCAL INFILE
// is allowed on it; for a server's own default use NewMySQL(t, "--local-infile=OFF").
func MySQL(t testing.TB) *Server {
	t.Helper()
	return servers.get(t, FamilyMySQL)
}

// NewPostgres starts a PostgreSQL server for t alone and ends it when t ends. The args are
// postgres's, such as "-c", "max_connections=10"; the last setting of a parameter wins.
func NewPostgres(t testing.TB, args ...string) *Server {
	t.Helper()
	return own(t, FamilyPostgres, args)
}

// NewMariaDB starts a MariaDB server for t alone and ends it when t ends. The args are mariadbd's.
func NewMariaDB(t testing.TB, args ...string) *Server {
	t.Helper()
	return own(t, FamilyMariaDB, args)
}

// NewMySQL starts a MySQL server for t alone and ends it when t ends. The args are mysqld's.
func NewMySQL(t testing.TB, args ...string) *Server {
	t.Helper()
	return own(t, FamilyMySQL, args)
}

func own(t testing.TB, family Family, args []string) *Server {
	t.Helper()
	s, err := open(family, args)
	if err != nil {
		t.Fatalf("testdb: start %s: %v", family, err)
	}
	t.Cleanup(func() {
		if err := s.discard(); err != nil {
			t.Errorf("testdb: end %s: %v", family, err)
		}
	})
	return s
}

// pool holds the servers that the tests of one process share. It is the one thing in this package
// that outlives a test, since a server costs more to start than most tests cost to run.
type pool struct {
	mu      sync.Mutex // guards entries
	entries map[Family]*entry
}

type entry struct {
	once   sync.Once
	server *Server
	err    error
}

var servers pool

// get starts the shared server on the first call; other families can start meanwhile.
func (p *pool) get(t testing.TB, family Family) *Server {
	t.Helper()
	p.mu.Lock()
	if p.entries == nil {
		p.entries = make(map[Family]*entry)
	}
	e := p.entries[family]
	if e == nil {
		e = new(entry)
		p.entries[family] = e
	}
	p.mu.Unlock()
	e.once.Do(func() { e.server, e.err = open(family, nil) })
	if e.err != nil {
		t.Fatalf("testdb: start %s: %v", family, e.err)
	}
	return e.server
}

func (p *pool) discard() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, e := range p.entries {
		if e.server != nil {
			errs = append(errs, e.server.discard())
		}
	}
	p.entries = nil
	return errors.Join(errs...)
}
