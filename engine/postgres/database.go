package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"mulligan/engine"
	"mulligan/schema"
)

// database is one open database. Its pool has the canonical settings, the sessions have the server's.
type database struct {
	server   *server
	name     string
	pool     *sql.DB
	sessions *sql.DB
}

var _ engine.DB = (*database)(nil)

// Family implements [engine.Querier].
func (d *database) Family() engine.Family { return engine.Postgres }

// ExecContext implements [engine.Querier].
func (d *database) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	result, err := d.pool.ExecContext(ctx, query, args...)
	return result, mapped(ctx, err)
}

// QueryContext implements [engine.Querier].
func (d *database) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	rows, err := d.pool.QueryContext(ctx, query, args...)
	return rows, mapped(ctx, err)
}

// QueryRowContext implements [engine.Querier].
func (d *database) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return d.pool.QueryRowContext(ctx, query, args...)
}

// Session implements [engine.DB].
func (d *database) Session(ctx context.Context) (engine.Session, error) {
	conn, err := d.sessions.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("session on database %s: %w", d.name, connectFault(ctx, d.server.url, err))
	}
	return &session{conn: conn}, nil
}

// Inspect implements [engine.DB].
func (d *database) Inspect(ctx context.Context) (*schema.Schema, error) {
	var s *schema.Schema
	err := d.with(ctx, func(c *pgx.Conn) error {
		return quietly(ctx, c, func() (err error) {
			s, err = inspect(ctx, c, true)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("inspect database %s: %w", d.name, mapped(ctx, err))
	}
	return s, nil
}

// with lends the driver's own connection of the pool.
func (d *database) with(ctx context.Context, do func(*pgx.Conn) error) (err error) {
	conn, err := d.pool.Conn(ctx)
	if err != nil {
		return connectFault(ctx, d.server.url, err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return conn.Raw(func(c any) error { return do(c.(*stdlib.Conn).Conn()) })
}

// quietly runs do in a transaction that changes nothing, sees one moment, and has
// an empty search path, so that the server's definition functions qualify every name.
func quietly(ctx context.Context, c *pgx.Conn, do func() error) (err error) {
	tx, err := c.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	defer func() {
		rollback := tx.Rollback(context.WithoutCancel(ctx))
		if err == nil {
			err = rollback
		}
	}()
	if _, err := c.Exec(ctx, "SET LOCAL search_path = ''"); err != nil {
		return err
	}
	return do()
}

// Close implements [engine.DB].
func (d *database) Close() error { return errors.Join(d.pool.Close(), d.sessions.Close()) }

// session is one connection with the server's own settings.
type session struct{ conn *sql.Conn }

var _ engine.Session = (*session)(nil)

// Family implements [engine.Querier].
func (s *session) Family() engine.Family { return engine.Postgres }

// ExecContext implements [engine.Querier].
func (s *session) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	result, err := s.conn.ExecContext(ctx, query, args...)
	return result, mapped(ctx, err)
}

// QueryContext implements [engine.Querier].
func (s *session) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	rows, err := s.conn.QueryContext(ctx, query, args...)
	return rows, mapped(ctx, err)
}

// QueryRowContext implements [engine.Querier].
func (s *session) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return s.conn.QueryRowContext(ctx, query, args...)
}

// Close implements [engine.Session].
func (s *session) Close() error {
	if err := s.conn.Close(); !errors.Is(err, sql.ErrConnDone) {
		return err
	}
	return nil
}
