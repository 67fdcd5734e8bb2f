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
	"mulligan/internal/lock"
)

const (
	lockPatience = 30 * time.Second // how long the server may take to say that a lock is held still
	endPatience  = 3                // seconds that the session of a holder that is gone may take to end
)

// held is a lock, with the connection that has it.
type held struct {
	name string
	conn *sql.Conn
	id   int64  // of the connection, in the server
	key  string // of the lock
	free func() error
}

// Lock takes a lock of the whole server (GET_LOCK) that is named after the database, on a connection
// of its own. Errors: ErrLocked.
//
// Who holds it is written in locks, too, on the same connection: one for each byte of [lock.Holder.Text], named after the
// connection, the byte's place and the byte. That a lock is taken and by which connection is all that a session can show
// every other one, of any account, on both servers and without a privilege: attributes of a connection are seen only
// where the performance schema is on, which on MariaDB it is not by default.
func (s *Server) Lock(ctx context.Context, name string, by lock.Holder) (engine.Lock, error) {
	l, err := s.lock(ctx, name, by)
	if err != nil {
		return nil, fmt.Errorf("lock database %s: %w", name, mapped(err))
	}
	return l, nil
}

func (s *Server) lock(ctx context.Context, name string, by lock.Holder) (*held, error) {
	conn, err := s.admin.Conn(ctx)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(strings.ToLower(name)))                                 // some servers take App and app for one database
	l := &held{name: name, conn: conn, key: "mulligan:" + hex.EncodeToString(sum[:20])} // at most 64 characters on MySQL
	err = conn.QueryRowContext(ctx, "SELECT CONNECTION_ID()").Scan(&l.id)
	var got bool
	if err == nil {
		got, err = l.try(ctx, 0)
	}
	if err == nil && !got {
		err = s.succeed(ctx, l)
	}
	if err == nil {
		err = l.sign(ctx, by)
	}
	if err != nil {
		return nil, errors.Join(err, discard(conn))
	}
	l.free = sync.OnceValue(l.unlock)
	return l, nil
}

func (l *held) try(ctx context.Context, seconds int) (bool, error) {
	var got sql.NullInt64
	err := l.conn.QueryRowContext(ctx, "SELECT GET_LOCK(?, ?)", l.key, seconds).Scan(&got)
	if err == nil && !got.Valid {
		err = errors.New("the server gave no lock")
	}
	return got.Int64 == 1, err
}

// sign writes the holder. Until all of it is there it is no whole text, and so says nothing.
func (l *held) sign(ctx context.Context, by lock.Holder) error {
	var list []string
	for place, b := range []byte(by.Text()) {
		list = append(list, fmt.Sprintf("GET_LOCK('mulligan:%d:%d:%d', 0)", l.id, place, b))
	}
	_, err := l.conn.ExecContext(ctx, "SELECT "+strings.Join(list, ", "))
	return err
}

// signature reads what the connection ? has written: it asks for each place for each character that is printed.
const signature = `WITH RECURSIVE place (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM place WHERE n < 399),
	letter (b) AS (SELECT 32 UNION ALL SELECT b + 1 FROM letter WHERE b < 126)
	SELECT GROUP_CONCAT(CHAR(b) ORDER BY n SEPARATOR '') FROM place JOIN letter
	WHERE IS_USED_LOCK(CONCAT('mulligan:', ?, ':', n, ':', b)) = ?`

// holder says which connection has the lock, and who that is; 0 = none has it any more.
func (l *held) holder(ctx context.Context) (id int64, by lock.Holder, err error) {
	var has sql.NullInt64
	if err := l.conn.QueryRowContext(ctx, "SELECT IS_USED_LOCK(?)", l.key).Scan(&has); err != nil {
		return 0, lock.Holder{}, err
	}
	var text sql.NullString
	if err := l.conn.QueryRowContext(ctx, signature, has.Int64, has.Int64).Scan(&text); err != nil {
		return 0, lock.Holder{}, err
	}
	by, _ = lock.Parse(text.String)
	return has.Int64, by, nil
}

// succeed takes the lock over from a holder that is proved to be gone, whose connection the server keeps still: a client
// that a proxy or a cut network stands in for. Any other is a [engine.LockedError].
func (s *Server) succeed(ctx context.Context, l *held) error {
	id, by, err := l.holder(ctx)
	if err != nil {
		return err
	}
	if id == 0 {
		return &engine.LockedError{} // it has just been let go
	}
	locked := &engine.LockedError{Holder: by, Session: s.describe(ctx, id), End: fmt.Sprintf("KILL %d", id)}
	if !by.Gone() {
		return locked
	}
	// Looked at once more: by now the lock may be another's. While the server runs, no number of a connection is given out again.
	if now, same, err := l.holder(ctx); err != nil || now != id || same != by {
		return errors.Join(locked, err)
	}
	_, err = l.conn.ExecContext(ctx, fmt.Sprintf("KILL CONNECTION %d", id))
	if n := number(err); n == 1095 { // another user's
		err = fmt.Errorf("%w: %w", engine.ErrDenied, err)
	} else if n == 1094 { // it has ended by itself
		err = nil
	}
	if err != nil {
		return fmt.Errorf("%w; that process is gone, but end its session: %w", locked, err)
	}
	if got, err := l.try(ctx, endPatience); err != nil || !got {
		return errors.Join(locked, err)
	}
	return nil
}

// describe says whose a connection is, where the caller may see it.
func (s *Server) describe(ctx context.Context, id int64) string {
	session := fmt.Sprintf("session %d", id)
	list, err := named(ctx, s.admin, "SHOW PROCESSLIST")
	if err != nil {
		return session
	}
	for _, row := range list {
		if row["Id"] == fmt.Sprint(id) {
			return fmt.Sprintf("%s of %s from %s", session, row["User"], row["Host"])
		}
	}
	return session
}

// Held implements [engine.Lock].
func (l *held) Held(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	var has sql.NullBool
	err := l.conn.QueryRowContext(ctx, "SELECT IS_USED_LOCK(?) = CONNECTION_ID()", l.key).Scan(&has)
	if err == nil && !has.Bool {
		err = errors.New("the server has let it go")
	}
	if err != nil {
		return fmt.Errorf("the lock on database %s was lost: %w", l.name, mapped(err))
	}
	return nil
}

// Unlock implements [engine.Lock]. It says so where the connection, and with it the lock, was lost meanwhile.
func (l *held) Unlock() error { return l.free() }

func (l *held) unlock() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var released sql.NullInt64
	err := l.conn.QueryRowContext(ctx, "SELECT RELEASE_LOCK(?)", l.key).Scan(&released)
	if err == nil && released.Int64 != 1 {
		err = errors.New("it was not held any more")
	}
	if err = errors.Join(err, discard(l.conn)); err != nil {
		return fmt.Errorf("unlock database %s: %w", l.name, err)
	}
	return nil
}
