package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"mulligan/engine"
	"mulligan/schema"
)

var _ engine.Fencer = (*DB)(nil)

// fence is a connection that holds read locks of tables.
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
//
// A transaction that holds one of the tables, and asks for another in the moment in which Fence waits for the first, makes a
// deadlock; the server then ends that transaction (error 1213), never the fence.
func (db *DB) Fence(ctx context.Context, tables []*schema.Table) (release func() error, err error) {
	f := &fence{}
	for _, t := range tables {
		f.tables = append(f.tables, t.Name.Table)
	}
	if f.conn, err = db.Conn(ctx); err != nil {
		return nil, fmt.Errorf("fence database %s: %w", db.name, mapped(err))
	}
	if err := lockTables(ctx, f.conn, f.tables); err != nil {
		return nil, errors.Join(fmt.Errorf("fence database %s: %w", db.name, mapped(inUse(err))), discard(f.conn))
	}
	db.mu.Lock()
	db.fences = append(db.fences, f)
	db.mu.Unlock()
	return sync.OnceValue(func() error { return db.release(f) }), nil
}

func (db *DB) release(f *fence) error {
	db.mu.Lock() // no view is being opened that relies on it
	defer db.mu.Unlock()
	db.fences = slices.DeleteFunc(db.fences, func(other *fence) bool { return other == f })
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := f.holds(ctx)
	if err == nil {
		_, err = f.conn.ExecContext(ctx, "UNLOCK TABLES")
	}
	if err = errors.Join(err, discard(f.conn)); err != nil {
		return fmt.Errorf("release database %s: %w", db.name, err)
	}
	return nil
}
