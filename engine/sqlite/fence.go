package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"mulligan/engine"
	"mulligan/schema"
)

var _ engine.Fencer = (*DB)(nil)

// fencePatience is how long Fence waits for a transaction that has written.
const fencePatience = 10 * time.Second

// Fence implements [engine.Fencer] by BEGIN IMMEDIATE on a connection of its own: SQLite locks the whole file, whatever the tables.
// Readers go on. A writer waits as long as its own busy timeout lets it, and then gets SQLITE_BUSY. Views of the same server go on with
// all their readers.
func (d *DB) Fence(ctx context.Context, _ []*schema.Table) (release func() error, err error) {
	conn, err := d.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("fence database %s: %w", d.name, translate(err))
	}
	cannot, err := readOnly(conn)
	if err == nil && cannot {
		err = fmt.Errorf("the file cannot be written to: %w", engine.ErrDenied)
	}
	if err == nil {
		err = keepOut(ctx, conn, fencePatience)
	}
	if err != nil {
		return nil, fmt.Errorf("fence database %s: %w", d.name, errors.Join(translate(err), discard(conn)))
	}
	return d.fences.Add(d.name, conn, func() error { return d.release(conn) }), nil
}

func (d *DB) release(conn *sql.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), fencePatience)
	defer cancel()
	_, err := conn.ExecContext(ctx, "ROLLBACK") // an error where there is no transaction any more
	if err != nil {
		err = fmt.Errorf("the fence of database %s did not hold: %w", d.name, translate(err))
	}
	return errors.Join(err, discard(conn))
}
