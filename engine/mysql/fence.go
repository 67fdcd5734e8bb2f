package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"mulligan/engine"
	"mulligan/schema"
)

var _ engine.Fencer = (*DB)(nil)

// fence is a connection that holds read locks of tables. It has no database as its own, so that it is none of the sessions
// that a Rename finds in its way.
type fence struct {
	mu     sync.Mutex // guards conn's use
	conn   *sql.Conn
	tables []string
}

// holds asks the server whether the connection is still there: the locks end with it.
func (f *fence) holds(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.conn.ExecContext(ctx, "DO 1"); err != nil {
		return fmt.Errorf("the fence did not hold: %w", err)
	}
	return nil
}

// Fence implements [engine.Fencer] by LOCK TABLES … READ on a connection of its own. A writer waits as long as its
// lock_wait_timeout lets it, by default a day or more. Transactions that have written, and have not committed, are waited for.
// When a Rename lets the fence go, writers that wait at a table come in before that table is renamed; what they write is there to be seen.
//
// A transaction that holds one of the tables, and asks for another in the moment in which Fence waits for the first, makes a
// deadlock; the server then ends that transaction (error 1213), never the fence.
func (db *DB) Fence(ctx context.Context, tables []*schema.Table) (release func() error, err error) {
	f := &fence{}
	for _, t := range tables {
		f.tables = append(f.tables, t.Name.Table)
	}
	if f.conn, err = db.server.admin.Conn(ctx); err != nil {
		return nil, fmt.Errorf("fence database %s: %w", db.name, mapped(err))
	}
	if err := lockTables(ctx, f.conn, db.name, f.tables); err != nil {
		return nil, errors.Join(fmt.Errorf("fence database %s: %w", db.name, mapped(inUse(err))), discard(f.conn))
	}
	return db.server.fences.Add(db.name, f, func() error { return f.release(db.name) }), nil
}

func (f *fence) release(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := f.holds(ctx)
	if err == nil {
		_, err = f.conn.ExecContext(ctx, "UNLOCK TABLES")
	}
	if err = errors.Join(err, discard(f.conn)); err != nil {
		return fmt.Errorf("release database %s: %w", name, err)
	}
	return nil
}
