package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"mulligan/engine"
)

const (
	evictPause     = 20 * time.Millisecond // between two looks at the sessions that were told to end
	evictPatience  = 15 * time.Second      // how long clients that come back at once may keep Evict busy
	evictHolds     = 10 * time.Second      // how long after Evict clients that come back are still ended
	settlePatience = time.Second           // how long a session that was closed a moment ago may take to be gone
)

// Evict implements [engine.Evicter]: it ends every other session that the database has now, and returns when
// they are gone. Clients with a pool come back at once, and may never leave a gap: a Rename or Drop within the
// next ten seconds ends those as well. [engine.ErrInUse] where a session does not end.
func (s *server) Evict(ctx context.Context, name string) error {
	if err := s.endThose(ctx, name); err != nil {
		return fmt.Errorf("end the sessions of database %s: %w", name, mapped(ctx, err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.evicted[name] = time.Now()
	return nil
}

// endThose ends the sessions of one moment. A session is known by its process and its start, since the
// system gives the numbers of processes out again.
func (s *server) endThose(ctx context.Context, name string) error {
	var those []string
	err := s.pool.QueryRowContext(ctx, `SELECT pg_catalog.array_agg(pid || ' ' || backend_start) FROM pg_catalog.pg_stat_activity WHERE `+othersOf, name).Scan(pgtype.NewMap().SQLScanner(&those))
	if err != nil || len(those) == 0 {
		return err
	}
	return s.untilNone(ctx, "SELECT "+terminate+` FROM pg_catalog.pg_stat_activity
		WHERE `+othersOf+` AND pid || ' ' || backend_start = ANY ($2)`, evictPatience, name, those)
}

func (s *server) wasEvicted(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.evicted[name]) < evictHolds
}

// alone runs a statement that needs a database without sessions. The statement locks the database first, which keeps
// new sessions out, and then waits up to five seconds for the old ones (PostgreSQL's CountOtherDBBackends).
func (s *server) alone(ctx context.Context, name string, do func() error) error {
	evicted := s.wasEvicted(name)
	if !evicted {
		if err := s.untilGone(ctx, name, count, settlePatience); err != nil {
			return err
		}
	}
	beside, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	if evicted {
		work.Go(func() {
			for s.untilGone(beside, name, terminate, evictPatience) == nil && pause(beside) == nil {
			} // what it cannot end, the statement reports
		})
	}
	var lost error
	fences, done := s.fences.Of(name)
	done()
	if len(fences) > 0 {
		work.Go(func() {
			if err := s.letGo(beside, name); beside.Err() == nil {
				lost = err
			}
		})
	}
	err := do()
	cancel()
	work.Wait()
	return errors.Join(err, lost)
}

// The aggregates over a database's sessions that untilGone knows.
const (
	count     = "pg_catalog.count(*)"
	terminate = "pg_catalog.count(pg_catalog.pg_terminate_backend(pid))"
)

// othersOf chooses the sessions of database $1 but our own, and but fences: those are let go when all others are gone.
const othersOf = `datname = $1 AND pid <> pg_catalog.pg_backend_pid() AND backend_type NOT IN ('autovacuum worker', 'parallel worker')
	AND application_name IS DISTINCT FROM '` + fenceName + `'`

// untilGone runs an aggregate over the database's sessions until it counts none.
func (s *server) untilGone(ctx context.Context, name, aggregate string, patience time.Duration) error {
	return s.untilNone(ctx, "SELECT "+aggregate+" FROM pg_catalog.pg_stat_activity WHERE "+othersOf, patience, name)
}

// untilNone runs a query that counts sessions until it counts none.
func (s *server) untilNone(ctx context.Context, query string, patience time.Duration, args ...any) error {
	end := time.Now().Add(patience)
	for {
		var left int
		if err := s.pool.QueryRowContext(ctx, query, args...).Scan(&left); err != nil {
			return err
		}
		if left == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%w: %d sessions", engine.ErrInUse, left)
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context) error {
	timer := time.NewTimer(evictPause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
