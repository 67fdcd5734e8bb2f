package migration

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"mulligan/engine"
)

// Lock is what a migration tool holds while it works, so that two runs do not meet.
type Lock interface {
	// Take takes it at once on a session, as the tool would, and holds it until free or until the session ends.
	// An engine on which the tool takes none has nothing to take: free is then a function that does nothing.
	// Errors: [ErrHeld], with who holds it.
	Take(ctx context.Context, s engine.Session) (free func(context.Context) error, err error)
	// Holder says who holds it now, for people; empty = nobody. It takes nothing and changes nothing.
	Holder(ctx context.Context, q engine.Querier) (string, error)
}

// ServerLock is a lock that the server keeps for a session: PostgreSQL's advisory locks, GET_LOCK of MySQL and MariaDB.
type ServerLock struct {
	Postgres func(database string) []int64  // keys, all of which are taken; nil = none
	MySQL    func(database string) []string // names, all of which are taken; nil = none
}

var _ Lock = ServerLock{}

// Take is [Lock.Take].
func (l ServerLock) Take(ctx context.Context, s engine.Session) (func(context.Context) error, error) {
	keys, err := l.keys(ctx, s)
	if err != nil {
		return nil, err
	}
	take, release := "SELECT pg_try_advisory_lock($1)", "SELECT pg_advisory_unlock($1)"
	if s.Family() != engine.Postgres {
		take, release = "SELECT GET_LOCK(?, 0)", "SELECT RELEASE_LOCK(?)"
	}
	held := 0
	free := func(ctx context.Context) error {
		var errs []error
		for ; held > 0; held-- {
			var done sql.NullBool
			errs = append(errs, s.QueryRowContext(ctx, release, keys[held-1]).Scan(&done))
		}
		return errors.Join(errs...)
	}
	for _, key := range keys {
		var got sql.NullBool
		if err := s.QueryRowContext(ctx, take, key).Scan(&got); err != nil {
			return nil, errors.Join(fmt.Errorf("take the migration tool's lock %v: %w", key, err), free(ctx))
		}
		if !got.Bool {
			who, err := l.holder(ctx, s, key)
			return nil, errors.Join(fmt.Errorf("%w by %s", ErrHeld, who), err, free(ctx))
		}
		held++
	}
	return free, nil
}

// Holder is [Lock.Holder].
func (l ServerLock) Holder(ctx context.Context, q engine.Querier) (string, error) {
	keys, err := l.keys(ctx, q)
	if err != nil {
		return "", err
	}
	for _, key := range keys {
		if who, err := l.holder(ctx, q, key); err != nil || who != "" {
			return who, err
		}
	}
	return "", nil
}

// keys are the lock's keys on the server of a database.
func (l ServerLock) keys(ctx context.Context, q engine.Querier) ([]any, error) {
	var database string
	var list []any
	switch f := q.Family(); {
	case f == engine.Postgres && l.Postgres != nil:
		if err := q.QueryRowContext(ctx, "SELECT current_database()").Scan(&database); err != nil {
			return nil, fmt.Errorf("look for the migration tool's lock: %w", err)
		}
		for _, key := range l.Postgres(database) {
			list = append(list, key)
		}
	case (f == engine.MySQL || f == engine.MariaDB) && l.MySQL != nil:
		if err := q.QueryRowContext(ctx, "SELECT DATABASE()").Scan(&database); err != nil {
			return nil, fmt.Errorf("look for the migration tool's lock: %w", err)
		}
		for _, key := range l.MySQL(database) {
			list = append(list, key)
		}
	}
	return list, nil
}

// holder names the session that holds one key; empty = none.
func (l ServerLock) holder(ctx context.Context, q engine.Querier, key any) (string, error) {
	if q.Family() == engine.Postgres {
		const query = `SELECT 'process ' || l.pid || coalesce(', user ' || a.usename, '') || coalesce(', program ' || nullif(a.application_name, ''), '')
				|| coalesce(' at ' || host(a.client_addr), '') || coalesce(', since ' || date_trunc('second', a.backend_start), '')
			FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
			WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
				AND l.classid::bigint = (($1::bigint >> 32) & 4294967295) AND l.objid::bigint = ($1::bigint & 4294967295) LIMIT 1`
		return oneText(ctx, q, query, key)
	}
	id, err := oneText(ctx, q, "SELECT IS_USED_LOCK(?)", key)
	if err != nil || id == "" {
		return "", err
	}
	// Without the PROCESS privilege other accounts' sessions are not shown.
	who, err := oneText(ctx, q, "SELECT CONCAT(', user ', user, ' at ', host) FROM information_schema.processlist WHERE id = ?", id)
	return "connection " + id + who, err
}

// oneText reads one text; NULL and no row are empty.
func oneText(ctx context.Context, q engine.Querier, query string, args ...any) (string, error) {
	var text sql.NullString
	err := q.QueryRowContext(ctx, query, args...).Scan(&text)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("look for the holder of the migration tool's lock: %w", err)
	}
	return text.String, nil
}
