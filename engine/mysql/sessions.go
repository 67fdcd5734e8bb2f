package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"
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
//
// Clients with a pool come back at once, and may never leave a gap. They can be nowhere in the midst of a statement when tables are
// renamed: a Rename within the next ten seconds suffers them.
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
		err = s.awaitThose(ctx, name, ids)
	}
	if err != nil {
		return fmt.Errorf("end the sessions of database %s: %w", name, mapped(err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.evicted[name] = time.Now()
	return nil
}

// awaitThose waits until none of the sessions is left; numbers of sessions are not given out again.
func (s *Server) awaitThose(ctx context.Context, name string, those []string) error {
	for until := time.Now().Add(10 * time.Second); ; {
		now, err := s.sessions(ctx, name)
		if err != nil {
			return err
		}
		left := slices.DeleteFunc(now, func(id string) bool { return !slices.Contains(those, id) })
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(until) {
			return fmt.Errorf("%w: %d sessions have not ended", engine.ErrInUse, len(left))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// evictHolds is how long after Evict clients that come back are suffered.
const evictHolds = 10 * time.Second

func (s *Server) wasEvicted(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.evicted[name]) < evictHolds
}
