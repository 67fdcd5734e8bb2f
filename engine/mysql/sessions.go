package mysql

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"mulligan/engine"
)

// sessions lists the ids of the sessions whose current database is name. SHOW PROCESSLIST is the one
// way that both servers keep: information_schema.PROCESSLIST is deprecated on MySQL.
func (s *Server) sessions(ctx context.Context, name string) ([]string, error) {
	list, err := named(ctx, s.admin, "SHOW PROCESSLIST")
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	var ids []string
	for _, row := range list {
		id, database := "", ""
		for column, value := range row {
			switch strings.ToLower(column) {
			case "id":
				id = value
			case "db":
				database = value
			}
		}
		if database == name {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// await waits until no session uses the database, but no longer than limit, and returns those that are left.
func (s *Server) await(ctx context.Context, name string, limit time.Duration) ([]string, error) {
	deadline := time.Now().Add(limit)
	for pause := time.Millisecond; ; pause *= 2 {
		left, err := s.sessions(ctx, name)
		if err != nil || len(left) == 0 || time.Now().After(deadline) {
			return left, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(min(pause, 200*time.Millisecond)):
		}
	}
}

// settlePatience is how long a session that was closed a moment ago may take to be gone.
const settlePatience = time.Second

// Evict ends all sessions of the database that the caller may see and end, and waits until they are gone.
// Those that are ending by themselves, such as those of a pool that was just closed, are left to it: a KILL that comes
// while a session ends can reach what the server puts in its place.
func (s *Server) Evict(ctx context.Context, name string) error {
	ids, err := s.await(ctx, name, settlePatience)
	for _, id := range ids {
		if err != nil {
			break
		}
		_, err = s.admin.ExecContext(ctx, "KILL CONNECTION "+id)
		if n := number(err); n == 1094 { // it has ended by itself
			err = nil
		} else if n == 1095 { // another user's
			err = fmt.Errorf("%w: %w", engine.ErrDenied, err)
		}
	}
	if err == nil {
		ids, err = s.await(ctx, name, 10*time.Second)
	}
	if err == nil && len(ids) > 0 {
		err = fmt.Errorf("%w: %d sessions have not ended", engine.ErrInUse, len(ids))
	}
	if err != nil {
		return fmt.Errorf("end the sessions of database %s: %w", name, mapped(err))
	}
	return nil
}

// Lock takes a lock of the whole server (GET_LOCK) that is named after the database, on a connection
// of its own. unlock says so where that connection, and with it the lock, was lost meanwhile.
// Errors: ErrLocked.
func (s *Server) Lock(ctx context.Context, name string) (unlock func() error, err error) {
	conn, err := s.admin.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("lock database %s: %w", name, mapped(err))
	}
	sum := sha256.Sum256([]byte(name))
	key := "mulligan:" + hex.EncodeToString(sum[:20]) // at most 64 characters on MySQL
	var got sql.NullInt64
	err = conn.QueryRowContext(ctx, "SELECT GET_LOCK(?, 0)", key).Scan(&got)
	switch {
	case err != nil:
	case !got.Valid:
		err = errors.New("the server gave no lock")
	case got.Int64 == 0:
		err = engine.ErrLocked
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock database %s: %w", name, mapped(err)), discard(conn))
	}
	return sync.OnceValue(func() error { return s.unlock(conn, key, name) }), nil
}

func (s *Server) unlock(conn *sql.Conn, key, name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var released sql.NullInt64
	err := conn.QueryRowContext(ctx, "SELECT RELEASE_LOCK(?)", key).Scan(&released)
	if err == nil && released.Int64 != 1 {
		err = errors.New("it was not held any more")
	}
	if err = errors.Join(err, discard(conn)); err != nil {
		return fmt.Errorf("unlock database %s: %w", name, err)
	}
	return nil
}
