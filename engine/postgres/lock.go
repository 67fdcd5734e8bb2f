package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"mulligan/engine"
	"mulligan/internal/lock"
)

const (
	lockPatience = 30 * time.Second // how long the server may take to say that a lock is held still
	endPatience  = 3 * time.Second  // how long the session of a holder that is gone may take to end
)

// watched are the settings of a connection that holds a lock. A client whose host was cut off never says goodbye:
// the server asks for it, and lets go of what does not answer for half a minute. Where the connection is a
// socket of the file system they do nothing (PostgreSQL manual, "TCP Settings").
func watched() []setting {
	return append(canonical(), []setting{
		{"tcp_keepalives_idle", "10"}, {"tcp_keepalives_interval", "5"}, {"tcp_keepalives_count", "4"}, {"tcp_user_timeout", "30s"},
	}...)
}

// held is an advisory lock, with the connection that has it.
type held struct {
	name string
	conn *pgx.Conn
	key  int64
	by   lock.Holder
	free func() error
}

// Lock implements [engine.Locker] by an advisory lock in the database that the server works from, on a
// connection of its own. Its statements begin with who holds it: pg_stat_activity shows others
// of the same role the last one, and those with pg_read_all_stats.
func (s *server) Lock(ctx context.Context, name string, by lock.Holder) (engine.Lock, error) {
	l, err := s.lock(ctx, name, by)
	if err != nil {
		return nil, fmt.Errorf("lock database %s: %w", name, mapped(ctx, err))
	}
	return l, nil
}

func (s *server) lock(ctx context.Context, name string, by lock.Holder) (*held, error) {
	cfg, err := config(s.url, s.maintenance)
	if err != nil {
		return nil, err
	}
	cfg.RuntimeParams["application_name"] = strings.TrimSpace("mulligan " + by.Command + " " + by.Run) // for those who look at the server
	c, err := s.dialWith(ctx, cfg, watched())
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte("mulligan lock " + name))
	l := &held{name: name, conn: c, key: int64(binary.BigEndian.Uint64(sum[:8])), by: by}
	got, err := l.try(ctx)
	if err == nil && !got {
		err = s.succeed(ctx, l)
	}
	if err != nil {
		return nil, errors.Join(err, hangUp(ctx, c))
	}
	l.free = sync.OnceValue(func() error { return l.unlock(ctx) })
	return l, nil
}

// signed puts the holder before a statement.
func (l *held) signed(query string) string { return signature + l.by.Text() + " */ " + query }

const signature = "/* mulligan "

// try takes the lock, unless a session in whatever database has it. An advisory lock belongs to a database, and not
// everyone may work from the same one: so who has taken it looks for others, and of two who meet none has won.
func (l *held) try(ctx context.Context) (got bool, err error) {
	err = l.conn.QueryRow(ctx, l.signed("SELECT pg_catalog.pg_try_advisory_lock($1)"), l.key).Scan(&got)
	if err != nil || !got {
		return false, err
	}
	var alone bool
	err = l.conn.QueryRow(ctx, l.signed("SELECT NOT EXISTS (SELECT "+ofKey+" AND l.pid <> pg_catalog.pg_backend_pid())"), l.key).Scan(&alone)
	if err == nil && !alone {
		_, err = l.conn.Exec(ctx, "SELECT pg_catalog.pg_advisory_unlock($1)", l.key)
	}
	return alone, err
}

// ofKey chooses the sessions that hold the lock of key $1 in any database (PostgreSQL manual, "pg_locks").
const ofKey = `FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
	WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND (l.classid::bigint << 32) | l.objid::bigint = $1`

// succeed takes the lock over from a holder that is proved to be gone, whose connection the server keeps still: a client
// that a proxy or a cut network stands in for. Any other is a [engine.LockedError].
func (s *server) succeed(ctx context.Context, l *held) error {
	var pid int32
	var start, user, from, query string
	err := l.conn.QueryRow(ctx, `SELECT a.pid, coalesce(a.backend_start::text, ''), coalesce(a.usename::text, '?'),
		coalesce(' from ' || pg_catalog.host(a.client_addr), ''), coalesce(a.query, '') `+ofKey, l.key).
		Scan(&pid, &start, &user, &from, &query)
	if errors.Is(err, pgx.ErrNoRows) {
		return &engine.LockedError{} // it has just been let go
	}
	if err != nil {
		return err
	}
	text, _, _ := strings.Cut(strings.TrimPrefix(query, signature), " */")
	by, _ := lock.Parse(text)
	locked := &engine.LockedError{
		Holder: by, Session: fmt.Sprintf("session %d of %s%s", pid, user, from),
		End: fmt.Sprintf("SELECT pg_terminate_backend(%d)", pid),
	}
	if !by.Gone() {
		return locked
	}
	// Looked at once more in the statement that ends it: by now the lock may be another's.
	_, err = l.conn.Exec(ctx, `SELECT pg_catalog.pg_terminate_backend(a.pid, $5) `+ofKey+`
		AND a.pid = $2 AND a.backend_start::text = $3 AND a.query = $4`, l.key, pid, start, query, endPatience.Milliseconds())
	if err != nil {
		return fmt.Errorf("%w; that process is gone, but end its session: %w", locked, mapped(ctx, err))
	}
	if got, err := l.try(ctx); err != nil || !got {
		return errors.Join(locked, err)
	}
	return nil
}

// Held implements [engine.Lock].
func (l *held) Held(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	var has bool
	err := l.conn.QueryRow(ctx, l.signed("SELECT EXISTS (SELECT "+ofKey+" AND l.pid = pg_catalog.pg_backend_pid())"), l.key).Scan(&has)
	if err == nil && !has {
		err = errors.New("the server has let it go")
	}
	if err != nil {
		return fmt.Errorf("the lock on database %s was lost: %w", l.name, mapped(ctx, err))
	}
	return nil
}

// Unlock implements [engine.Lock].
func (l *held) Unlock() error { return l.free() }

// unlock lets the lock go before the connection: the server would do it too, but later.
func (l *held) unlock(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelGrace)
	defer cancel()
	_, err := l.conn.Exec(ctx, "SELECT pg_catalog.pg_advisory_unlock($1)", l.key)
	return errors.Join(mapped(ctx, err), hangUp(ctx, l.conn))
}
