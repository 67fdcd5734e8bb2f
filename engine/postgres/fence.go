package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"mulligan/engine"
	"mulligan/schema"
)

var _ engine.Fencer = (*database)(nil)

// fencePatience is how long Fence waits for transactions that have written.
const fencePatience = 10 * time.Second

// Fence implements [engine.Fencer] by LOCK TABLE … IN EXCLUSIVE MODE on a connection of its own. Beside writing,
// SELECT … FOR UPDATE and its kin wait too. Partitions and children are locked with their table.
//
// The locks of many tables are waited for one after the other, with those held that came first, which a transaction that goes the
// other way would make a deadlock. The server ends whoever waited for deadlock_timeout: Fence takes its hands off
// before that, and tries again.
func (d *database) Fence(ctx context.Context, tables []*schema.Table) (release func() error, err error) {
	c, err := d.server.dialFence(ctx, d.name)
	if err != nil {
		return nil, fmt.Errorf("fence database %s: %w", d.name, err)
	}
	if err := fence(ctx, c, tables); err != nil {
		return nil, fmt.Errorf("fence database %s: %w", d.name, errors.Join(mapped(ctx, err), hangUp(ctx, c)))
	}
	return d.server.fences.Add(d.name, c, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), cancelGrace)
		defer cancel()
		_, err := c.Exec(ctx, "COMMIT")
		if err != nil {
			err = fmt.Errorf("the fence of database %s did not hold: %w", d.name, err)
		}
		return errors.Join(err, hangUp(ctx, c))
	}), nil
}

// fenceName is the application_name of a fence's session, by which it is told from those that are in the way.
const fenceName = "mulligan fence"

func (s *server) dialFence(ctx context.Context, name string) (*pgx.Conn, error) {
	cfg, err := config(s.url, name)
	if err != nil {
		return nil, err
	}
	cfg.RuntimeParams["application_name"] = fenceName
	return s.dialWith(ctx, cfg, watched())
}

// letGo ends the fences of a database when a statement of ours has locked it against new sessions and nobody else is left in
// it: then nobody can write any more.
func (s *server) letGo(ctx context.Context, name string) error {
	for {
		var ready bool
		err := s.pool.QueryRowContext(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid = l.objid
				WHERE l.locktype = 'object' AND l.classid = 'pg_catalog.pg_database'::regclass AND l.mode = 'AccessExclusiveLock' AND l.granted AND d.datname = $1)
			AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE `+othersOf+`)`, name).Scan(&ready)
		if err != nil {
			return err
		}
		if ready {
			return s.fences.LetGo(name)
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

func fence(ctx context.Context, c *pgx.Conn, tables []*schema.Table) error {
	var names []string
	for _, t := range tables {
		if t.Kind != schema.KindForeign { // has no rows here
			names = append(names, engine.Postgres.Table(t.Name))
		}
	}
	var tick int64 // milliseconds
	if err := c.QueryRow(ctx, "SELECT setting::bigint FROM pg_catalog.pg_settings WHERE name = 'deadlock_timeout'").Scan(&tick); err != nil {
		return err
	}
	for until := time.Now().Add(fencePatience); ; {
		err := lockAll(ctx, c, names, max(1, tick*3/4))
		if err == nil || ctx.Err() != nil || !isState(err, "55P03", "57014", "40P01") { // lock_not_available, query_canceled, deadlock_detected
			return err
		}
		if time.Now().After(until) {
			return fmt.Errorf("%w: %w", engine.ErrInUse, err)
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// lockAll begins a transaction that holds all locks, or leaves none. The statement's limit ends the wait for all of them together.
func lockAll(ctx context.Context, c *pgx.Conn, names []string, limit int64) error {
	statements := []string{"BEGIN ISOLATION LEVEL READ COMMITTED"}
	if len(names) > 0 {
		statements = append(statements, fmt.Sprintf("SET LOCAL statement_timeout = %d", limit),
			"LOCK TABLE "+strings.Join(names, ", ")+" IN EXCLUSIVE MODE", "SET LOCAL statement_timeout = 0")
	}
	for _, s := range statements {
		if _, err := c.Exec(ctx, s); err != nil {
			_, back := c.Exec(context.WithoutCancel(ctx), "ROLLBACK")
			return errors.Join(err, back)
		}
	}
	return nil
}
