package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"mulligan/engine"
	"mulligan/schema"
)

// DB is one open database. Its queries run in our own sessions (see the package's comment).
type DB struct {
	*sql.DB
	batches *sql.DB // for texts of several statements that are all our own
	server  *Server
	name    string
}

var _ engine.DB = (*DB)(nil)

// Family tells MySQL from MariaDB.
func (db *DB) Family() engine.Family { return db.server.traits.Family }

// Session opens a connection of its own, with the server's own settings.
func (db *DB) Session(ctx context.Context) (engine.Session, error) {
	pool, err := db.server.plainPool(db.name)
	if err != nil {
		return nil, fmt.Errorf("open a session on database %s: %w", db.name, err)
	}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open a session on database %s: %w", db.name, mapped(err)), pool.Close())
	}
	return &Session{Conn: conn, pool: pool, family: db.Family()}, nil
}

// Inspect reads the schema. Users, grants and the database's own properties are no part of it.
func (db *DB) Inspect(ctx context.Context) (*schema.Schema, error) {
	s, err := db.inspect(ctx)
	if err != nil {
		return nil, fmt.Errorf("inspect database %s: %w", db.name, mapped(err))
	}
	return s, nil
}

// inspect reads tables and objects at the same time. A table that comes or goes meanwhile is an error, or is in both.
func (db *DB) inspect(ctx context.Context) (*schema.Schema, error) {
	var s *schema.Schema
	var objects []schema.Object
	group, within := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		s, err = readTables(within, db.DB, db.Family(), db.name)
		return err
	})
	group.Go(func() (err error) {
		objects, err = db.objects(within)
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	s.Objects = ordered(schema.WithColumnOrders(objects, s.Tables))
	return s, nil
}

// Close ends the connections.
func (db *DB) Close() error { return errors.Join(db.DB.Close(), db.batches.Close()) }

// Session is one connection with the server's own settings. What is left of it when it is closed is
// not used again.
type Session struct {
	*sql.Conn
	pool   *sql.DB
	family engine.Family
}

var _ engine.Session = (*Session)(nil)

// ExecContext implements [engine.Querier].
func (s *Session) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	result, err := s.Conn.ExecContext(ctx, query, args...)
	return result, mapped(err)
}

// QueryContext implements [engine.Querier].
func (s *Session) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	rows, err := s.Conn.QueryContext(ctx, query, args...)
	return rows, mapped(err)
}

// Family tells MySQL from MariaDB.
func (s *Session) Family() engine.Family { return s.family }

// Close ends the connection.
func (s *Session) Close() error {
	err := s.Conn.Close()
	if errors.Is(err, sql.ErrConnDone) {
		err = nil
	}
	return errors.Join(err, s.pool.Close())
}
