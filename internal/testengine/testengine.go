// Package testengine gives tests an empty database of each engine, open through the real adapters.
// A package that uses it hands its tests to testdb.Main, which ends the servers.
package testengine

import (
	"context"
	"path/filepath"
	"testing"

	"mulligan/engine"
	"mulligan/engine/mysql"
	"mulligan/engine/postgres"
	"mulligan/engine/sqlite"
	"mulligan/internal/testdb"
)

// Database is an empty database, open, and where it is.
type Database struct {
	engine.DB
	URL    engine.URL
	Server engine.Server
}

// Exec runs statements, one after the other.
func (d Database) Exec(t testing.TB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := d.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// Open makes an empty database, which goes when t ends.
type Open func(t testing.TB) Database

// Each runs a test on every engine, as sub-tests named after them.
func Each(t *testing.T, test func(t *testing.T, open Open)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) { test(t, SQLite) })
	Servers(t, test)
}

// Servers runs a test on every engine that has a server, as sub-tests named after them.
func Servers(t *testing.T, test func(t *testing.T, open Open)) {
	t.Helper()
	t.Run("PostgreSQL", func(t *testing.T) { test(t, Postgres) })
	t.Run("MariaDB", func(t *testing.T) { test(t, MariaDB) })
	t.Run("MySQL", func(t *testing.T) { test(t, MySQL) })
}

// SQLite makes a database in a folder of its own.
func SQLite(t testing.TB) Database {
	t.Helper()
	address := "sqlite:" + filepath.Join(t.TempDir(), "test.db")
	d := open(t, address, sqlite.Connect, true)
	return d
}

// Postgres makes a database on the shared PostgreSQL server.
func Postgres(t testing.TB) Database {
	t.Helper()
	_, address := testdb.Postgres(t).NewDatabase(t)
	return open(t, address, postgres.Connect, false)
}

// MariaDB makes a database on the shared MariaDB server.
func MariaDB(t testing.TB) Database {
	t.Helper()
	_, address := testdb.MariaDB(t).NewDatabase(t)
	return open(t, address, mysql.Connect, false)
}

// MySQL makes a database on the shared MySQL server.
func MySQL(t testing.TB) Database {
	t.Helper()
	_, address := testdb.MySQL(t).NewDatabase(t)
	return open(t, address, mysql.Connect, false)
}

func open(t testing.TB, address string, connect func(context.Context, engine.URL) (engine.Server, error), create bool) Database {
	t.Helper()
	u, err := engine.ParseURL(address)
	if err != nil {
		t.Fatal(err)
	}
	s, err := connect(t.Context(), u)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { closing(t, s.Close()) })
	if create {
		if err := s.Create(t.Context(), u.Database(), nil); err != nil {
			t.Fatalf("create: %v", err)
		}
	}
	db, err := s.Open(t.Context(), u.Database())
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { closing(t, db.Close()) })
	return Database{DB: db, URL: u, Server: s}
}

func closing(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("close: %v", err)
	}
}
