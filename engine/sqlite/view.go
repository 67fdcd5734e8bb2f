package sqlite

import (
	"bufio"
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	lib "modernc.org/sqlite/lib"

	"mulligan/engine"
	"mulligan/schema"
)

var _ engine.View = (*view)(nil)

// view is a set of connections, each in a read transaction of the same moment.
type view struct {
	name  string
	point engine.Point
	free  chan *sql.Conn

	mu   sync.Mutex
	left int           // readers that are free or at work, guarded by mu
	gone chan struct{} // closed when left has come to 0
}

// View starts a read transaction on each reader while a write transaction of its own keeps writers
// out, so that all see the same commit; then it lets the writers in again. Under a rollback
// journal writers can prepare but not commit while the view is open; under a WAL they go on freely.
// A file that cannot be written to gets one reader, which needs nobody kept out; so does one that somebody else
// keeps for writing. Beside a fence of the same server writers are out already.
func (d *DB) View(ctx context.Context, readers int) (engine.View, error) {
	v, err := d.view(ctx, max(1, readers))
	if err != nil {
		return nil, fmt.Errorf("view of database %s: %w", d.name, translate(err))
	}
	return v, nil
}

func (d *DB) view(ctx context.Context, readers int) (_ *view, err error) {
	v := &view{name: d.name, free: make(chan *sql.Conn, readers), gone: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, v.Close())
		}
	}()
	fences, done := d.fences.Of(d.name)
	defer done()
	letIn, why, err := d.shut(ctx, len(fences) > 0)
	if err != nil {
		return nil, fmt.Errorf("keep writers out: %w", err)
	}
	defer func() { err = errors.Join(err, letIn()) }()
	if why != "" && readers > 1 {
		v.point.Note = fmt.Sprintf("one reader in place of %d: %s, so that writers cannot be kept out for a moment", readers, why)
		readers = 1
	}
	for range readers {
		conn, err := d.Conn(ctx)
		if err != nil {
			return nil, err
		}
		v.left++
		v.free <- conn
		if err := startReading(ctx, conn, &v.point.Position); err != nil {
			return nil, err
		}
	}
	v.point.Readers, v.point.Time = readers, time.Now().UTC()
	return v, nil
}

// readOnly asks SQLite, which begins a mere read transaction on BEGIN IMMEDIATE where it cannot write.
func readOnly(conn *sql.Conn) (yes bool, err error) {
	err = conn.Raw(func(c any) error {
		asker, ok := c.(interface{ IsReadOnly(string) (bool, error) })
		if !ok {
			return fmt.Errorf("driver: connection of type %T does not tell whether it can write", c)
		}
		yes, err = asker.IsReadOnly("main")
		return err
	})
	return yes, err
}

// shut keeps writers out until letIn is called, or says why it cannot.
func (d *DB) shut(ctx context.Context, fenced bool) (letIn func() error, why string, err error) {
	if fenced {
		return func() error { return nil }, "", nil
	}
	gate, err := d.Conn(ctx)
	if err != nil {
		return nil, "", err
	}
	letIn = func() error { return discard(gate) }
	alone, err := readOnly(gate)
	if err == nil && alone {
		return letIn, "the file cannot be written to", nil
	}
	if err == nil {
		err = keepOut(ctx, gate, d.busy)
	}
	if code(err) == lib.SQLITE_BUSY {
		return letIn, "another session keeps it for writing", nil
	}
	if err != nil {
		return nil, "", errors.Join(err, letIn())
	}
	return letIn, "", nil
}

// keepOut begins a write transaction. SQLite's own wait sleeps up to 100 ms between two looks at the lock, and
// beside writers that hardly pause it would starve: this one looks every millisecond, for as long.
func keepOut(ctx context.Context, gate *sql.Conn, patience time.Duration) error {
	if _, err := gate.ExecContext(ctx, "PRAGMA busy_timeout = 1"); err != nil {
		return err
	}
	until := time.Now().Add(patience)
	for {
		_, err := gate.ExecContext(ctx, "BEGIN IMMEDIATE")
		if code(err) != lib.SQLITE_BUSY || time.Now().After(until) {
			return err
		}
	}
}

// startReading begins a transaction and reads: until then it has no moment.
func startReading(ctx context.Context, conn *sql.Conn, position *string) error {
	for _, text := range []string{"PRAGMA query_only = ON", "BEGIN"} {
		if _, err := conn.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	var n, version int64
	if err := conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&n); err != nil {
		return err
	}
	if *position != "" {
		return nil
	}
	if err := conn.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version); err != nil {
		return err
	}
	*position = fmt.Sprintf("data_version %d", version)
	return nil
}

// Point says when the view was made. The position tells changes only within one connection: SQLite has no better.
func (v *view) Point() engine.Point { return v.point }

// Schema reads through one of the readers.
func (v *view) Schema(ctx context.Context) (*schema.Schema, error) {
	conn, err := v.take(ctx)
	if err != nil {
		return nil, fmt.Errorf("schema of database %s: %w", v.name, err)
	}
	c, err := inspect(ctx, conn)
	v.give(conn, err == nil)
	if err != nil {
		return nil, fmt.Errorf("schema of database %s: %w", v.name, translate(err))
	}
	return &c.Schema, nil
}

// take waits for a free reader.
func (v *view) take(ctx context.Context) (*sql.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case conn := <-v.free:
		return conn, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-v.gone:
		return nil, errors.New("the view is closed or its readers are spent")
	}
}

// give returns a reader, or closes one that is not to be used again.
func (v *view) give(conn *sql.Conn, whole bool) {
	if whole {
		v.free <- conn
		return
	}
	_ = discard(conn) // its error would say nothing that the caller's does not
	v.spend()
}

func (v *view) spend() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.left--; v.left == 0 {
		close(v.gone)
	}
}

// Close ends the read transactions. It waits for dumps that are under way.
func (v *view) Close() error {
	var errs []error
	for {
		v.mu.Lock()
		left := v.left
		v.mu.Unlock()
		if left == 0 {
			return errors.Join(errs...)
		}
		select {
		case conn := <-v.free:
			errs = append(errs, discard(conn))
			v.spend()
		case <-v.gone:
		}
	}
}

// Dump reads through the driver's own rows: database/sql would convert values by a column's declared type.
func (v *view) Dump(ctx context.Context, w io.Writer, t *schema.Table, r engine.Range) (rows int64, err error) {
	fail := func(err error) (int64, error) {
		return rows, fmt.Errorf("dump table %s: %w", t.Name, translate(err))
	}
	text, args := selectRange(t, r)
	kinds, err := classes(t, t.Stored())
	if err != nil {
		return fail(err)
	}
	conn, err := v.take(ctx)
	if err != nil {
		return fail(err)
	}
	out := &dumper{w: bufio.NewWriterSize(w, 64<<10), kinds: kinds}
	err = conn.Raw(func(c any) error { return out.run(ctx, c, text, args) })
	rows = out.rows
	// A statement that SQLite refused has left the reader as it was.
	v.give(conn, err == nil || rows == 0 && ctx.Err() == nil && code(err) == lib.SQLITE_ERROR)
	if ended := ctx.Err(); err != nil && ended != nil && !errors.Is(err, ended) {
		err = fmt.Errorf("%w: %w", ended, err)
	}
	if err != nil {
		return fail(err)
	}
	return rows, nil
}

// selectRange writes the query of a range. The plus keeps the driver from seeing the column's declared type.
func selectRange(t *schema.Table, r engine.Range) (text string, args []sqldriver.NamedValue) {
	f := engine.SQLite
	var cells, conditions []string
	for _, name := range t.Stored() {
		cells = append(cells, "+"+f.Ident(name))
	}
	if len(cells) == 0 {
		cells = []string{"1"}
	}
	bound := func(operator string, value *int64) {
		if value != nil {
			args = append(args, sqldriver.NamedValue{Ordinal: len(args) + 1, Value: *value})
			conditions = append(conditions, fmt.Sprintf("%s %s ?%d", rowKey(t), operator, len(args)))
		}
	}
	bound(">=", r.From)
	bound("<", r.To)
	if r.Where != "" {
		conditions = append(conditions, "("+r.Where+"\n)") // a comment at its end must not reach further
	}
	text = "SELECT " + strings.Join(cells, ", ") + " FROM main." + f.Table(t.Name)
	if len(conditions) > 0 {
		text += " WHERE " + strings.Join(conditions, " AND ")
	}
	return text, args
}

// dumper writes the rows of one statement.
type dumper struct {
	w     *bufio.Writer
	kinds []class
	rows  int64
}

func (d *dumper) run(ctx context.Context, conn any, text string, args []sqldriver.NamedValue) (err error) {
	q, ok := conn.(sqldriver.QueryerContext)
	if !ok {
		return fmt.Errorf("driver: connection of type %T cannot query", conn)
	}
	rows, err := q.QueryContext(ctx, text, args)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	values := make([]sqldriver.Value, max(1, len(d.kinds)))
	for {
		if d.rows%64 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		switch err := rows.Next(values); {
		case errors.Is(err, io.EOF):
			return d.w.Flush()
		case err != nil:
			return err
		}
		for i, kind := range d.kinds {
			if i > 0 {
				d.w.WriteByte('\t')
			}
			if err := writeCell(d.w, values[i], kind); err != nil {
				return err
			}
		}
		if err := d.w.WriteByte('\n'); err != nil {
			return err
		}
		d.rows++
	}
}
