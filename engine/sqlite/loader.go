package sqlite

import (
	"bufio"
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
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
	removed []entry // what Finish makes again, in the order of sqlite_schema

	mu   sync.Mutex
	conn *sql.Conn // nil after Finish or Close, guarded by mu
}

// entry is a line of sqlite_schema.
type entry struct {
	row              int64 // its place there
	kind, name, text string
}

// Loader empties the tables and takes their triggers and secondary indexes off, in one transaction.
func (d *DB) Loader(ctx context.Context, tables []*schema.Table) (_ engine.Loader, err error) {
	l := &loader{name: d.name, tables: tables}
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

func (l *loader) prepare(ctx context.Context) error {
	for _, text := range []string{"PRAGMA foreign_keys = OFF", "BEGIN IMMEDIATE"} {
		if _, err := l.conn.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	if err := l.readEntries(ctx); err != nil {
		return err
	}
	for _, e := range l.removed {
		if _, err := l.conn.ExecContext(ctx, "DROP "+e.kind+" main."+engine.SQLite.Ident(e.name)); err != nil {
			return fmt.Errorf("take off %s %s: %w", e.kind, e.name, err)
		}
	}
	counted, err := l.counts(ctx)
	if err != nil {
		return err
	}
	for _, t := range l.tables {
		if _, err := l.conn.ExecContext(ctx, "DELETE FROM main."+engine.SQLite.Table(t.Name)); err != nil {
			return fmt.Errorf("empty table %s: %w", t.Name, err)
		}
		if counted {
			if _, err := l.conn.ExecContext(ctx, "DELETE FROM sqlite_sequence WHERE name = ?", t.Name.Table); err != nil {
				return fmt.Errorf("reset the sequence of table %s: %w", t.Name, err)
			}
		}
	}
	_, err = l.conn.ExecContext(ctx, "COMMIT")
	return err
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
		var table string
		if err := scan(&e.row, &e.kind, &e.name, &table, &e.text); err != nil {
			return err
		}
		if slices.ContainsFunc(l.tables, func(t *schema.Table) bool { return sameName(t.Name.Table, table) }) {
			l.removed = append(l.removed, e)
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
	if _, err := l.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return 0, err
	}
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(columns)), ", ")
	text := "INSERT INTO main." + engine.SQLite.Table(t.Name) + " (" + engine.SQLite.Idents(columns) + ") VALUES (" + marks + ")"
	in := &inserter{lines: lineReader{r: bufio.NewReaderSize(rows, 64<<10)}, kinds: kinds}
	err = l.conn.Raw(func(c any) error { return in.run(ctx, c, text) })
	if err == nil {
		_, err = l.conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		return 0, errors.Join(err, l.rollback(ctx))
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

// Finish makes indexes and triggers again at their old places, checks foreign keys, sets the
// sequences and looks the tables' pages through, in one transaction.
func (l *loader) Finish(ctx context.Context, sequences []schema.Sequence) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		return fmt.Errorf("finish the load of database %s: the loader has ended", l.name)
	}
	err := l.finish(ctx, sequences)
	if err != nil {
		return errors.Join(fmt.Errorf("finish the load of database %s: %w", l.name, translate(err)), l.rollback(ctx))
	}
	return l.end()
}

func (l *loader) finish(ctx context.Context, sequences []schema.Sequence) error {
	if _, err := l.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := l.restore(ctx); err != nil {
		return err
	}
	if err := l.checkKeys(ctx); err != nil {
		return err
	}
	if err := l.setSequences(ctx, sequences); err != nil {
		return err
	}
	if err := l.checkPages(ctx); err != nil {
		return err
	}
	_, err := l.conn.ExecContext(ctx, "COMMIT")
	return err
}

// restore makes what was taken off, then moves each line of sqlite_schema back to its place there: the order of
// a table's indexes and triggers is the order in which SQLite considers them.
func (l *loader) restore(ctx context.Context) error {
	for _, e := range l.removed {
		if _, err := l.conn.ExecContext(ctx, e.text); err != nil {
			return fmt.Errorf("make %s %s again: %w", e.kind, e.name, err)
		}
	}
	if len(l.removed) == 0 {
		return nil
	}
	if _, err := l.conn.ExecContext(ctx, "PRAGMA writable_schema = ON"); err != nil {
		return err
	}
	for _, e := range l.removed {
		// New lines are at the end, or in the place of one that was dropped: that one moves out of the way first.
		for _, text := range []string{
			"UPDATE sqlite_schema SET rowid = (SELECT max(rowid) + 1 FROM sqlite_schema) WHERE rowid = ?1 AND NOT (type = ?2 AND name = ?3)",
			"UPDATE sqlite_schema SET rowid = ?1 WHERE type = ?2 AND name = ?3 AND rowid <> ?1",
		} {
			if _, err := l.conn.ExecContext(ctx, text, e.row, e.kind, e.name); err != nil {
				return fmt.Errorf("put %s %s back in its place: %w", e.kind, e.name, err)
			}
		}
	}
	_, err := l.conn.ExecContext(ctx, "PRAGMA writable_schema = RESET")
	return err
}

// checkKeys looks for orphans in the tables and in those that refer to them.
func (l *loader) checkKeys(ctx context.Context) error {
	c, err := inspect(ctx, l.conn)
	if err != nil {
		return err
	}
	loaded := func(n schema.Name) bool {
		return slices.ContainsFunc(l.tables, func(t *schema.Table) bool { return t.Name == n })
	}
	var errs []error
	for _, t := range c.Tables {
		if t.Kind != schema.KindTable || len(t.Parents) == 0 || !loaded(t.Name) && !slices.ContainsFunc(t.Parents, loaded) {
			continue
		}
		const text = `SELECT o.parent, count(*), (SELECT group_concat(f."from", ', ') FROM pragma_foreign_key_list(?1) f WHERE f.id = o.fkid)
			FROM pragma_foreign_key_check(?1) o GROUP BY o.fkid, o.parent ORDER BY o.fkid`
		err := each(ctx, l.conn, text, []any{t.Name.Table}, func(scan func(...any) error) error {
			var parent, columns string
			var rows int64
			if err := scan(&parent, &rows, &columns); err != nil {
				return err
			}
			errs = append(errs, fmt.Errorf("foreign key of table %s (%s): %d rows refer to no row of table %s", t.Name, columns, rows, schema.Name{Table: parent}))
			return nil
		})
		if err != nil {
			return fmt.Errorf("check the foreign keys of table %s: %w", t.Name, err)
		}
	}
	return errors.Join(errs...)
}

func (l *loader) setSequences(ctx context.Context, sequences []schema.Sequence) error {
	counted, err := l.counts(ctx)
	if err != nil {
		return err
	}
	for _, q := range sequences {
		if !counted {
			return fmt.Errorf("set the sequence of table %s: no table has AUTOINCREMENT", q.Name)
		}
		last := q.Value
		if !q.Called {
			last--
		}
		if _, err := l.conn.ExecContext(ctx, "DELETE FROM sqlite_sequence WHERE name = ?", q.Name.Table); err != nil {
			return fmt.Errorf("set the sequence of table %s: %w", q.Name, err)
		}
		if _, err := l.conn.ExecContext(ctx, "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", q.Name.Table, last); err != nil {
			return fmt.Errorf("set the sequence of table %s: %w", q.Name, err)
		}
	}
	return nil
}

// checkPages asks SQLite whether the tables' trees, NOT NULLs and CHECKs are sound.
func (l *loader) checkPages(ctx context.Context) error {
	for _, t := range l.tables {
		var verdict string
		text := "PRAGMA main.quick_check(" + engine.SQLite.Literal(t.Name.Table) + ")"
		if err := l.conn.QueryRowContext(ctx, text).Scan(&verdict); err != nil {
			return fmt.Errorf("check table %s: %w", t.Name, err)
		}
		if verdict != "ok" {
			return fmt.Errorf("check table %s: %s", t.Name, verdict)
		}
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
