package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"mulligan/engine"
	"mulligan/schema"
)

// view is one exported snapshot. Its holder keeps the snapshot and the tables' locks and answers questions about
// the catalog; the readers have imported it and copy rows.
type view struct {
	db       *database
	snapshot string
	point    engine.Point
	readers  chan *copier  // the free ones; nil = one that failed, to be connected anew when it is needed
	closed   chan struct{} // closed by Close

	mu     sync.Mutex // guards holder and gone
	holder *pgx.Conn
	gone   bool
}

var _ engine.View = (*view)(nil)

var errClosed = errors.New("the view is closed")

// lockTries is how often a view begins again when tables come or go while it locks them.
const lockTries = 5

// View implements [engine.DB]. The tables are locked against TRUNCATE and rewriting before the snapshot is
// taken: neither respects snapshots. PostgreSQL manual, "Caveats" of "Concurrency Control".
func (d *database) View(ctx context.Context, readers int) (engine.View, error) {
	v, err := d.view(ctx, max(1, readers))
	if err != nil {
		return nil, fmt.Errorf("view of database %s: %w", d.name, mapped(ctx, err))
	}
	return v, nil
}

func (d *database) view(ctx context.Context, readers int) (*view, error) {
	holder, err := d.server.dial(ctx, d.name)
	if err != nil {
		return nil, err
	}
	v := &view{db: d, holder: holder, closed: make(chan struct{})}
	if err := v.begin(ctx); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	// All readers connect now: what would keep one out shows before the work begins.
	list, err := v.connectAll(ctx, readers)
	v.readers = make(chan *copier, len(list))
	for _, r := range list {
		v.readers <- r
	}
	v.point.Readers = len(list)
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

// connectAll makes readers, fewer than n where the server has no more connections to give.
func (v *view) connectAll(ctx context.Context, n int) ([]*copier, error) {
	var list []*copier
	for range n {
		r, err := v.connect(ctx)
		if isState(err, "53300") && len(list) > 0 { // too_many_connections
			v.point.Note = fmt.Sprintf("%d readers in place of %d: the server has no more connections", len(list), n)
			return list, nil
		}
		if err != nil {
			return list, fmt.Errorf("reader %d: %w", len(list)+1, err)
		}
		list = append(list, r)
	}
	return list, nil
}

// begin takes the snapshot, again where the set of tables changed meanwhile.
func (v *view) begin(ctx context.Context) error {
	for try := 1; ; try++ {
		ok, err := v.tryBegin(ctx)
		if ok || err != nil && !isState(err, "42P01") {
			return err
		}
		if try == lockTries {
			return errors.Join(errors.New("tables are made and dropped too fast to lock them all"), err)
		}
		if _, err := v.holder.Exec(ctx, "ROLLBACK"); err != nil {
			return err
		}
	}
}

func (v *view) tryBegin(ctx context.Context) (ok bool, err error) {
	before, err := lockable(ctx, v.holder)
	if err != nil {
		return false, err
	}
	// Neither BEGIN nor LOCK takes the snapshot; the first query does. PostgreSQL manual, LOCK, "Description".
	if _, err := v.holder.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"); err != nil {
		return false, err
	}
	if len(before) > 0 {
		if _, err := v.holder.Exec(ctx, "LOCK TABLE "+strings.Join(before, ", ")+" IN ACCESS SHARE MODE"); err != nil {
			return false, err
		}
	}
	err = v.holder.QueryRow(ctx, `SELECT pg_catalog.pg_export_snapshot(), pg_catalog.clock_timestamp(),
		'lsn ' || CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END`).
		Scan(&v.snapshot, &v.point.Time, &v.point.Position)
	if err != nil {
		return false, err
	}
	v.point.Time = v.point.Time.UTC().Truncate(time.Microsecond)
	after, err := lockable(ctx, v.holder)
	if err != nil {
		return false, err
	}
	if !slices.Equal(before, after) {
		return false, nil
	}
	_, err = v.holder.Exec(ctx, "SET LOCAL search_path = ''")
	return true, err
}

// lockable lists the tables that the user may read, quoted. Partitions are locked with their root.
func lockable(ctx context.Context, c *pgx.Conn) ([]string, error) {
	rows, err := c.Query(ctx, `SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) COLLATE "C"
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
			AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
			AND pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
		ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// connect makes a reader of the view.
func (v *view) connect(ctx context.Context) (_ *copier, err error) {
	c, err := v.db.server.dial(ctx, v.db.name)
	if err != nil {
		return nil, err
	}
	_, err = c.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
	if err == nil {
		_, err = c.Exec(ctx, "SET TRANSACTION SNAPSHOT "+engine.Postgres.Literal(v.snapshot))
	}
	if err == nil {
		var r *copier
		if r, err = newCopier(ctx, c); err == nil {
			return r, nil
		}
	}
	return nil, errors.Join(err, hangUp(ctx, c))
}

// Point implements [engine.View].
func (v *view) Point() engine.Point { return v.point }

// ask lends the holder's connection.
func (v *view) ask(do func(*pgx.Conn) error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.gone {
		return errClosed
	}
	return do(v.holder)
}

// Schema implements [engine.View]. The values of sequences are those of now: they know no snapshots, and
// are never behind the rows.
func (v *view) Schema(ctx context.Context) (s *schema.Schema, err error) {
	err = v.ask(func(c *pgx.Conn) (err error) {
		s, err = inspect(ctx, c, false)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("inspect database %s: %w", v.db.name, mapped(ctx, err))
	}
	return s, nil
}

// Dump implements [engine.View].
func (v *view) Dump(ctx context.Context, w io.Writer, t *schema.Table, r engine.Range) (rows int64, err error) {
	queries, err := v.queries(ctx, t, r)
	for _, query := range queries {
		var n int64
		n, err = v.copyOut(ctx, w, query)
		rows += n
		if err != nil {
			break
		}
	}
	if err != nil {
		return 0, fmt.Errorf("dump table %s: %w", t.Name, mapped(ctx, err))
	}
	return rows, nil
}

// copyOut runs one query on a free reader. A reader that failed makes room for a new one.
func (v *view) copyOut(ctx context.Context, w io.Writer, query string) (rows int64, err error) {
	var r *copier
	select {
	case r = <-v.readers:
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-v.closed:
		return 0, errClosed
	}
	defer func() { v.readers <- r }()
	select {
	case <-v.closed:
		return 0, errClosed
	default:
	}
	if r == nil {
		if r, err = v.connect(ctx); err != nil {
			return 0, err
		}
	}
	rows, err = r.copyOut(ctx, w, query)
	if r.broken {
		r.abandon(ctx)
		r = nil
	}
	return rows, err
}

// Close implements [engine.View]. It waits for dumps that are under way.
func (v *view) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.gone {
		return nil
	}
	v.gone = true
	close(v.closed)
	var errs []error
	for range cap(v.readers) {
		if r := <-v.readers; r != nil {
			errs = append(errs, r.close())
		}
	}
	for range cap(v.readers) {
		v.readers <- nil
	}
	return errors.Join(append(errs, hangUp(context.Background(), v.holder))...)
}
