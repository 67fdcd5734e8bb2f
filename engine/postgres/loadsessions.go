package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"mulligan/engine"
)

// Every session of a load holds this advisory lock of its database, shared, until it ends: so a load that is taken up finds the
// sessions of the one before, which the server may not have missed yet, and knows when the last of them has ended.
const loadLock = "1836411244, 1819238756" // "mull", "load"

func markLoad(ctx context.Context, c *pgx.Conn) error {
	if _, err := c.Exec(ctx, "SELECT pg_catalog.pg_advisory_lock_shared("+loadLock+")"); err != nil {
		return fmt.Errorf("mark the session as one of a load: %w", mapped(ctx, err))
	}
	return nil
}

// endLoads ends all sessions of loads but its own, and waits until what they did is done or gone.
func endLoads(ctx context.Context, c *pgx.Conn) error {
	_, err := c.Exec(ctx, `SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_locks
		WHERE locktype = 'advisory' AND (classid, objid) = (`+loadLock+`) AND objsubid = 2 AND pid <> pg_catalog.pg_backend_pid()
			AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())`)
	if err != nil && !isState(err, "42501") { // another role's is waited for
		return fmt.Errorf("end the sessions of the interrupted load: %w", err)
	}
	err = together(ctx, c, []string{"SET LOCAL lock_timeout = '30s'", "SELECT pg_catalog.pg_advisory_xact_lock(" + loadLock + ")"})
	if isState(err, "55P03") {
		err = fmt.Errorf("%w: %w", engine.ErrInUse, err)
	}
	if err != nil {
		return fmt.Errorf("wait for the sessions of the interrupted load: %w", err)
	}
	return nil
}
