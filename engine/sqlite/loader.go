package sqlite

import (
	"bufio"
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"mulligan/engine"
	"mulligan/schema"
)

var _ engine.Loader = (*loader)(nil)

// loader fills tables through one connection: SQLite has one writer at a time.
type loader struct {
	name    string
	tables  []*schema.Table
	options *engine.LoadOptions

	mu    sync.Mutex // guards all below
	conn  *sql.Conn  // nil after Finish or Close
	state loadState
	off   bool // what the state lists is known to be off
}

// loadState is the state of a load that can be taken up again.
type loadState struct {
	Ready   bool    `json:"ready"`             // it was all taken off and the tables were emptied: rows may have come since
	Removed []entry `json:"removed,omitempty"` // what Finish makes again, in the order of sqlite_schema
}

// entry is a line of sqlite_schema.
type entry struct {
	Row   int64           `json:"row"` // its place there
	Kind  string          `json:"kind"`
	Name  engine.Verbatim `json:"name"`
	Table engine.Verbatim `json:"table"`
	Text  engine.Verbatim `json:"text"`
}

func (e entry) String() string { return e.Kind + " " + string(e.Name) }

// Loader empties the tables and takes their triggers and secondary indexes off, in one transaction.
func (d *DB) Loader(ctx context.Context, tables []*schema.Table, o *engine.LoadOptions) (_ engine.Loader, err error) {
	l := &loader{name: d.name, tables: tables, options: o}
	for _, t := range tables {
		if t.Kind != schema.KindTable {
			return nil, fmt.Errorf("load database %s: table %s is %s and holds no rows of its own: %w", d.name, t.Name, t.Kind, errors.ErrUnsupported)
		}
	}
	if l.conn, err = d.Conn(ctx); err == nil {
		err = l.prepare(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("load database %s: %w", d.name, translate(err)), l.Close())
	}
	return l, nil
}

// prepare makes the tables ready, unless an interrupted load came further than that. A killed process has left no session:
// SQLite's locks end with it, and who comes next rolls its transaction back.
func (l *loader) prepare(ctx context.Context) error {
	if _, err := l.conn.ExecContext(ctx, "PRAGMA foreign_keys = OFF"); err != nil {
		return err
	}
	if state := l.options.Interrupted(); state != nil {
		if err := json.Unmarshal(state, &l.state); err != nil {
			return fmt.Errorf("take up the interrupted load: %w", err)
		}
		if l.state.Ready {
			return nil
		}
	}
	err := l.transact(ctx, func() error {
		if l.options.Interrupted() == nil {
			if err := l.readEntries(ctx); err != nil {
				return err
			}
			if err := l.options.Save(l.state); err != nil {
				return err
			}
		}
		if err := l.drop(ctx); err != nil {
			return err
		}
		for _, t := range l.tables {
			if err := l.empty(ctx, t); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	l.state.Ready, l.off = true, true
	return l.options.Save(l.state)
}

// transact does all or nothing. SQLite's commit may fail and leave the transaction open.
func (l *loader) transact(ctx context.Context, do func() error) error {
	if _, err := l.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := do()
	if err == nil {
		_, err = l.conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		return errors.Join(err, l.rollback(ctx))
	}
	return nil
}

func (l *loader) drop(ctx context.Context) error {
	for _, e := range l.state.Removed {
		if _, err := l.conn.ExecContext(ctx, "DROP "+e.Kind+" IF EXISTS main."+engine.SQLite.Ident(string(e.Name))); err != nil {
			return fmt.Errorf("take off %s: %w", e, err)
		}
	}
	return nil
}

// takeOff makes sure that everything is off before rows come or go. Where all rows are in, it is not called, and what an
// interrupted Finish has put back stays.
func (l *loader) takeOff(ctx context.Context) error {
	if l.off {
		return nil
	}
	err := l.transact(ctx, func() error { return l.drop(ctx) })
	l.off = err == nil
	return err
}

// empty removes a table's rows and what it has counted.
func (l *loader) empty(ctx context.Context, t *schema.Table) error {
	if _, err := l.conn.ExecContext(ctx, "DELETE FROM main."+engine.SQLite.Table(t.Name)); err != nil {
		return fmt.Errorf("empty table %s: %w", t.Name, err)
	}
	counted, err := l.counts(ctx)
	if err == nil && counted {
		_, err = l.conn.ExecContext(ctx, "DELETE FROM sqlite_sequence WHERE name = ?", t.Name.Table)
	}
	if err != nil {
		return fmt.Errorf("reset the sequence of table %s: %w", t.Name, err)
	}
	return nil
}

// Empty implements [engine.Loader].
func (l *loader) Empty(ctx context.Context, t *schema.Table) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		return fmt.Errorf("empty table %s: the loader has ended", t.Name)
	}
	err := l.takeOff(ctx)
	if err == nil {
		err = l.transact(ctx, func() error { return l.empty(ctx, t) })
	}
	return translate(err)
}

// counts tells whether any table has AUTOINCREMENT.
func (l *loader) counts(ctx context.Context) (bool, error) {
	var n int
	err := l.conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_sequence'").Scan(&n)
	return n > 0, err
}

func (l *loader) readEntries(ctx context.Context) error {
	const text = `SELECT rowid, type, name, tbl_name, sql FROM sqlite_schema
		WHERE type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY rowid`
	return each(ctx, l.conn, text, nil, func(scan func(...any) error) error {
		var e entry
		if err := scan(&e.Row, &e.Kind, &e.Name, &e.Table, &e.Text); err != nil {
			return err
		}
		if slices.ContainsFunc(l.tables, func(t *schema.Table) bool { return sameName(t.Name.Table, string(e.Table)) }) {
			l.state.Removed = append(l.state.Removed, e)
		}
		return nil
	})
}

// Load is one transaction; a second Load waits until the first has ended.
func (l *loader) Load(ctx context.Context, t *schema.Table, columns []string, rows io.Reader) (n int64, err error) {
	n, err = l.load(ctx, t, columns, rows)
	if err != nil {
		return 0, fmt.Errorf("load table %s: %w", t.Name, err)
	}
	return n, nil
}

func (l *loader) load(ctx context.Context, t *schema.Table, columns []string, rows io.Reader) (n int64, err error) {
	kinds, err := classes(t, columns)
	if err != nil {
		return 0, err
	}
	if len(columns) == 0 {
		return 0, errors.New("no columns are named")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		return 0, errors.New("the loader has ended")
	}
	if err := l.takeOff(ctx); err != nil {
		return 0, err
	}
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(columns)), ", ")
	text := "INSERT INTO main." + engine.SQLite.Table(t.Name) + " (" + engine.SQLite.Idents(columns) + ") VALUES (" + marks + ")"
	in := &inserter{lines: lineReader{r: bufio.NewReaderSize(rows, 64<<10)}, kinds: kinds}
	err = l.transact(ctx, func() error {
		return l.conn.Raw(func(c any) error { return in.run(ctx, c, text) })
	})
	if err != nil {
		return 0, err
	}
	return in.rows, nil
}

// rollback ends a transaction whatever became of ctx. SQLite may have ended it by itself.
func (l *loader) rollback(ctx context.Context) error {
	_, err := l.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	if err != nil && strings.Contains(err.Error(), "no transaction is active") {
		return nil
	}
	return err
}

// inserter puts lines into one prepared statement.
type inserter struct {
	lines lineReader
	kinds []class
	rows  int64
}

func (in *inserter) run(ctx context.Context, conn any, text string) (err error) {
	p, ok := conn.(sqldriver.ConnPrepareContext)
	if !ok {
		return fmt.Errorf("driver: connection of type %T cannot prepare", conn)
	}
	statement, err := p.PrepareContext(ctx, text)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, statement.Close()) }()
	insert, ok := statement.(sqldriver.StmtExecContext)
	if !ok {
		return fmt.Errorf("driver: statement of type %T cannot run", statement)
	}
	args := make([]sqldriver.NamedValue, len(in.kinds))
	for i := range args {
		args[i].Ordinal = i + 1
	}
	// One insert is short: watching the context within each would cost a goroutine a row.
	quiet := context.WithoutCancel(ctx)
	for {
		if in.rows%64 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		line, err := in.lines.next()
		if errors.Is(err, io.EOF) {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("after row %d: %w", in.rows, err)
		}
		if err := in.fill(args, line); err != nil {
			return fmt.Errorf("row %d: %w", in.lines.number, err)
		}
		if _, err := insert.ExecContext(quiet, args); err != nil {
			return fmt.Errorf("row %d: %w", in.lines.number, err)
		}
		in.rows++
	}
}

// fill reads a line's cells into the arguments.
func (in *inserter) fill(args []sqldriver.NamedValue, line []byte) (err error) {
	cells := 0
	for start := 0; start <= len(line); cells++ {
		end := start
		for end < len(line) && line[end] != '\t' {
			end++
		}
		if cells < len(args) {
			if args[cells].Value, err = readCell(line[start:end], in.kinds[cells]); err != nil {
				return fmt.Errorf("cell %d: %w", cells+1, err)
			}
		}
		start = end + 1
	}
	if cells != len(args) {
		return fmt.Errorf("%d cells for %d columns", cells, len(args))
	}
	return nil
}

// Close gives the connection up. Rows that were loaded stay, indexes and triggers that were taken off stay off.
func (l *loader) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end()
}

func (l *loader) end() error {
	if l.conn == nil {
		return nil
	}
	conn := l.conn
	l.conn = nil
	return discard(conn)
}
