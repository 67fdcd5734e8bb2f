package sqlite

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	"mulligan/engine"
)

var (
	_ engine.DB      = (*DB)(nil)
	_ engine.Session = (*session)(nil)
)

// DB is one open file. It is safe for concurrent use.
type DB struct {
	*sql.DB
	name string
	busy time.Duration // how long to wait for a lock

	fences *engine.Fences[*sql.Conn] // of the server
}

// Family is engine.SQLite.
func (d *DB) Family() engine.Family { return engine.SQLite }

// Session gives one connection of its own. It is closed for good with the session,
// so that no pragma or open transaction of it reaches a later one.
func (d *DB) Session(ctx context.Context) (engine.Session, error) {
	conn, err := d.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("session on database %s: %w", d.name, translate(err))
	}
	return &session{conn}, nil
}

type session struct{ *sql.Conn }

func (s *session) Family() engine.Family { return engine.SQLite }

// Script hands the text to SQLite, which takes one statement after the other off its front.
func (s *session) Script(ctx context.Context, text string) error {
	if strings.ContainsRune(text, 0) {
		return errors.New("run script: it holds a zero byte, and SQLite would read no further")
	}
	if _, err := s.ExecContext(ctx, text); err != nil {
		return fmt.Errorf("run script: %w", translate(err))
	}
	return nil
}

func (s *session) Close() error { return discard(s.Conn) }

// discard closes a connection in place of giving it back to its pool.
func discard(conn *sql.Conn) error {
	err := conn.Raw(func(any) error { return sqldriver.ErrBadConn })
	if errors.Is(err, sqldriver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) {
		return nil
	}
	return err
}
