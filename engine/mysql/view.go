package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"mulligan/engine"
	"mulligan/schema"
)

// View is a moment of a database: one transaction with a consistent snapshot on each of its readers.
//
// All of them are started while nothing can be committed: under FLUSH TABLES WITH READ LOCK; where that is
// not allowed, or a long query keeps it waiting for ten seconds, under LOCK TABLES … READ of all the
// database's tables; where that cannot be had either there is one reader. Beside a fence of the same DB, which keeps its
// tables locked, the others are locked. The lock is held for
// some milliseconds, and Point.Note says which one it was not. Tables of storage engines without
// transactions stay read-locked until Close, and are named in the note.
type View struct {
	db      *DB
	point   engine.Point
	schema  *schema.Schema
	readers chan *reader  // those that are free
	done    chan struct{} // closed when no reader is left, or by Close
	fences  []*fence      // of the database, that were held when it was opened
	fenced  bool          // a fence of any database of the server is held
	guard   *sql.Conn     // holds the read locks of tables without transactions; nil = there are none

	mu   sync.Mutex // guards keys, left and closed
	keys map[schema.Name]splitKey
	left int // readers that are not lost
	shut bool
}

var _ engine.View = (*View)(nil)

// View opens a consistent view with as many readers as asked for, or with one; see [View].
func (db *DB) View(ctx context.Context, readers int) (engine.View, error) {
	v := &View{db: db, keys: map[schema.Name]splitKey{}, done: make(chan struct{})}
	fences, done := db.server.fences.Of(db.name)
	defer done()
	v.fences, v.fenced = fences, db.server.fences.Any()
	if err := v.open(ctx, max(readers, 1)); err != nil {
		return nil, errors.Join(fmt.Errorf("open a view of database %s: %w", db.name, mapped(err)), v.Close())
	}
	return v, nil
}

func (v *View) open(ctx context.Context, readers int) error {
	unsafe, err := v.withoutTransactions(ctx)
	if err != nil {
		return err
	}
	stop, err := v.stopCommits(ctx)
	if err != nil {
		return err
	}
	if stop == nil {
		if len(unsafe) > 0 {
			return fmt.Errorf("tables %s have no transactions, and no lock could be had: %s", strings.Join(slices.Sorted(maps.Keys(unsafe)), ", "), v.point.Note)
		}
		readers = 1
	}
	v.readers = make(chan *reader, readers)
	err = v.guardTables(ctx, unsafe)
	for range readers {
		if err == nil {
			err = v.startReader(ctx)
		}
	}
	if err == nil {
		err = v.look(ctx, stop)
	}
	for _, f := range v.fences {
		if err == nil {
			err = f.holds(ctx)
		}
	}
	if stop != nil {
		err = errors.Join(err, discard(stop))
	}
	return err
}

// withoutTransactions finds tables whose storage engine has none, with the engine's name.
func (v *View) withoutTransactions(ctx context.Context) (map[string]string, error) {
	rows, err := v.db.QueryContext(ctx, `SELECT t.TABLE_NAME, t.ENGINE FROM information_schema.TABLES t
		JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE
		WHERE t.TABLE_SCHEMA = ? AND t.TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND COALESCE(e.TRANSACTIONS, 'NO') <> 'YES'`, v.db.name)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	err = eachRow(rows, func() error {
		var table, storage string
		err := rows.Scan(&table, &storage)
		found[table] = storage
		return err
	})
	return found, err
}

// stopCommits returns a connection that keeps every commit waiting, or nil and a note where no lock can be had.
func (v *View) stopCommits(ctx context.Context) (*sql.Conn, error) {
	conn, err := v.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	first := errFenced
	if !v.fenced {
		_, first = conn.ExecContext(ctx, "FLUSH TABLES WITH READ LOCK")
	}
	if first == nil {
		return conn, nil
	}
	if !errors.Is(first, errFenced) && !lockRefused(first) {
		return nil, errors.Join(first, discard(conn))
	}
	tables, err := texts(ctx, conn, `SELECT TABLE_NAME FROM information_schema.TABLES
		WHERE TABLE_SCHEMA = ? AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY TABLE_NAME`, v.db.name)
	if err == nil {
		err = lockTables(ctx, conn, v.db.name, v.unfenced(tables))
	}
	switch {
	case err == nil:
		v.point.Note = fmt.Sprintf("no global read lock (%v): the readers were started under read locks of this database's tables", first)
		return conn, nil
	case !lockRefused(err):
		return nil, errors.Join(err, discard(conn))
	}
	v.point.Note = fmt.Sprintf("one reader: no global read lock (%v), no table locks (%v)", first, err)
	return nil, discard(conn)
}

// errFenced says why a view beside a fence of any database takes no global read lock: on MySQL it would wait for the tables that the
// fence has open, and even when it has given up everybody else who opens one of those waits on, readers included ("Waiting for table
// flush", measured on 9.7); on both it would wait for the writers that wait at the fence.
var errFenced = errors.New("a fence is held")

// unfenced leaves those tables out that a fence keeps read-locked. A second lock would queue behind the writers that wait for the first.
func (v *View) unfenced(tables []string) []string {
	return slices.DeleteFunc(tables, func(t string) bool {
		return slices.ContainsFunc(v.fences, func(f *fence) bool { return slices.Contains(f.tables, t) })
	})
}

func lockTables(ctx context.Context, conn *sql.Conn, database string, tables []string) error {
	if len(tables) == 0 {
		return nil
	}
	locks := make([]string, len(tables))
	for i, t := range tables {
		locks[i] = ident(database) + "." + ident(t) + " READ"
	}
	_, err := conn.ExecContext(ctx, "LOCK TABLES "+strings.Join(locks, ", "))
	return err
}

// lockRefused tells a missing privilege and the end of a wait, after which a weaker lock may do, from the rest.
func lockRefused(err error) bool {
	return errors.Is(inUse(err), engine.ErrInUse) || errors.Is(mapped(err), engine.ErrDenied)
}

// guardTables keeps tables without transactions read-locked on a connection of their own.
func (v *View) guardTables(ctx context.Context, tables map[string]string) error {
	if len(tables) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(tables))
	conn, err := v.db.Conn(ctx)
	if err != nil {
		return err
	}
	v.guard = conn
	if err := lockTables(ctx, conn, v.db.name, names); err != nil {
		return fmt.Errorf("read-lock the tables %s, which have no transactions: %w", strings.Join(names, ", "), err)
	}
	said := make([]string, len(names))
	for i, n := range names {
		said[i] = n + " (" + tables[n] + ")"
	}
	note := "read-locked while the view is open, having no transactions: " + strings.Join(said, ", ")
	v.point.Note = strings.TrimPrefix(v.point.Note+"; "+note, "; ")
	return nil
}

func (v *View) startReader(ctx context.Context) error {
	r, err := v.db.server.dial(ctx, v.db.name)
	if err != nil {
		return fmt.Errorf("start a reader: %w", err)
	}
	v.readers <- r
	v.left++
	for _, statement := range []string{
		"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
		"START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
	} {
		if err := r.exec(ctx, statement); err != nil {
			return fmt.Errorf("start a reader: %w", err)
		}
	}
	return nil
}

// look reads what must belong to the moment while it lasts: time, position, tables and counters.
func (v *View) look(ctx context.Context, stop *sql.Conn) error {
	v.point.Readers = v.left
	var now string
	if err := v.db.QueryRowContext(ctx, "SELECT CAST(UTC_TIMESTAMP(6) AS CHAR)").Scan(&now); err != nil {
		return err
	}
	var err error
	if v.point.Time, err = time.Parse("2006-01-02 15:04:05.999999", now); err != nil {
		return fmt.Errorf("time of the server: %w", err)
	}
	if stop != nil {
		if v.point.Position, err = v.position(ctx); err != nil {
			return err
		}
	}
	v.schema, err = readTables(ctx, v.db.DB, v.db.Family(), v.db.name)
	return err
}

// position reads the place in the binary log; empty where there is none or the user may not see it.
func (v *View) position(ctx context.Context) (string, error) {
	statements := []string{"SHOW BINARY LOG STATUS", "SHOW MASTER STATUS"} // MySQL 8.2 renamed it
	if v.db.Family() == engine.MariaDB {
		gtid, err := texts(ctx, v.db.DB, "SELECT @@gtid_binlog_pos")
		if err == nil && gtid[0] != "" {
			return "gtid " + gtid[0], nil
		}
		slices.Reverse(statements)
	}
	for _, statement := range statements {
		rows, err := named(ctx, v.db.DB, statement)
		switch n := number(err); {
		case n == 1064:
			continue
		case err != nil && errors.Is(mapped(err), engine.ErrDenied):
			return "", nil
		case err != nil:
			return "", err
		}
		if len(rows) == 0 {
			return "", nil
		}
		if set := strings.ReplaceAll(rows[0]["Executed_Gtid_Set"], "\n", ""); set != "" {
			return "gtid " + set, nil
		}
		return "binlog " + rows[0]["File"] + ":" + rows[0]["Position"], nil
	}
	return "", nil
}

// Point says which moment the view sees.
func (v *View) Point() engine.Point { return v.point }

// Schema gives tables and counters as they were at the view's moment, without objects.
func (v *View) Schema(context.Context) (*schema.Schema, error) {
	return &schema.Schema{Tables: slices.Clone(v.schema.Tables), Sequences: slices.Clone(v.schema.Sequences)}, nil
}

var errNoReader = errors.New("the view has no reader left: it was closed, or dumps failed")

// acquire takes a free reader.
func (v *View) acquire(ctx context.Context) (*reader, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-v.done:
		return nil, errNoReader
	default:
	}
	select {
	case r := <-v.readers:
		return r, nil
	case <-v.done:
		return nil, errNoReader
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// release gives a reader back, or ends one that failed.
func (v *View) release(r *reader, good bool) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if good && !v.shut {
		v.readers <- r
		return nil
	}
	v.left--
	if v.left == 0 && !v.shut {
		v.shut = true
		close(v.done)
	}
	return r.close()
}

// Close ends the readers that are free, and lets go of all locks. A reader that is at work ends with its dump.
func (v *View) Close() error {
	v.mu.Lock()
	if !v.shut {
		v.shut = true
		close(v.done)
	}
	v.mu.Unlock()
	var err error
	for v.readers != nil {
		select {
		case r := <-v.readers:
			err = errors.Join(err, r.close())
			continue
		default:
		}
		break
	}
	if v.guard != nil {
		err = errors.Join(err, discard(v.guard))
		v.guard = nil
	}
	if err != nil {
		return fmt.Errorf("close the view of database %s: %w", v.db.name, err)
	}
	return nil
}
