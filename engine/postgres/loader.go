package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"mulligan/engine"
	"mulligan/schema"
)

// loader fills the tables that its plan made ready.
type loader struct {
	db     *database
	tables []*schema.Table
	plan   *plan

	mu   sync.Mutex  // guards idle and over
	idle []*pgx.Conn // connections between two loads
	over bool
}

var _ engine.Loader = (*loader)(nil)

var errOver = errors.New("the loader is finished or closed")

// Loader implements [engine.DB]: all that it does is one transaction. Sequences and identities keep their values.
func (d *database) Loader(ctx context.Context, tables []*schema.Table) (engine.Loader, error) {
	l := &loader{db: d, tables: tables}
	err := l.with(ctx, func(c *pgx.Conn) (err error) {
		err = quietly(ctx, c, func() (err error) {
			l.plan, err = readPlan(ctx, c, tables)
			return err
		})
		if err != nil {
			return err
		}
		return together(ctx, c, l.plan.takeOff())
	})
	if err != nil {
		return nil, fmt.Errorf("make the tables of database %s ready: %w", d.name, errors.Join(mapped(ctx, err), l.Close()))
	}
	return l, nil
}

// together runs statements in one transaction, in one message.
func together(ctx context.Context, c *pgx.Conn, list []string) error {
	if len(list) == 0 {
		return nil
	}
	return c.PgConn().Exec(ctx, strings.Join(list, ";\n")).Close()
}

// with lends a connection. One that came out of it broken is not used again.
func (l *loader) with(ctx context.Context, do func(*pgx.Conn) error) (err error) {
	c, err := l.take(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.give(ctx, c)) }()
	return do(c)
}

func (l *loader) take(ctx context.Context) (*pgx.Conn, error) {
	l.mu.Lock()
	if l.over {
		l.mu.Unlock()
		return nil, errOver
	}
	if n := len(l.idle); n > 0 {
		c := l.idle[n-1]
		l.idle = l.idle[:n-1]
		l.mu.Unlock()
		return c, nil
	}
	l.mu.Unlock()
	return l.db.server.dial(ctx, l.db.name)
}

func (l *loader) give(ctx context.Context, c *pgx.Conn) error {
	if c.IsClosed() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over || c.PgConn().TxStatus() != 'I' {
		return hangUp(ctx, c)
	}
	l.idle = append(l.idle, c)
	return nil
}

// source is a reader that remembers its error: COPY gives it back as a text of the server (57014).
type source struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		s.err = err
		return 0, err
	}
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
		return 0, err
	}
	return n, err
}

// Load implements [engine.Loader]. A COPY is a transaction of its own.
func (l *loader) Load(ctx context.Context, t *schema.Table, columns []string, rows io.Reader) (n int64, err error) {
	query := "COPY " + table(t.Name)
	if len(columns) > 0 { // a table without stored columns has rows too, and no list can name its columns
		query += " (" + engine.Postgres.Idents(columns) + ")"
	}
	from := &source{ctx: ctx, r: rows}
	err = l.with(ctx, func(c *pgx.Conn) error {
		tag, err := c.PgConn().CopyFrom(ctx, from, query+" FROM STDIN")
		n = tag.RowsAffected()
		return err
	})
	switch {
	case err == nil:
		return n, nil
	case from.err != nil:
		err = from.err
	default:
		err = mapped(ctx, err)
	}
	return 0, fmt.Errorf("load table %s: %w", t.Name, err)
}

// builders is how many indexes are built at once; the server may use parallel workers for each.
const builders = 2

// Finish implements [engine.Loader]: indexes first, then statistics, which the check of the foreign keys needs, then,
// as one transaction, foreign keys, triggers and sequences.
func (l *loader) Finish(ctx context.Context, sequences []schema.Sequence) error {
	if err := l.finish(ctx, sequences); err != nil {
		return fmt.Errorf("finish the load of database %s: %w", l.db.name, mapped(ctx, err))
	}
	return l.Close()
}

func (l *loader) finish(ctx context.Context, sequences []schema.Sequence) error {
	if err := l.buildIndexes(ctx); err != nil {
		return err
	}
	return l.with(ctx, func(c *pgx.Conn) error {
		for part := range slices.Chunk(l.tables, 100) {
			names := make([]string, len(part))
			for i, t := range part {
				names[i] = table(t.Name)
			}
			if err := together(ctx, c, []string{"ANALYZE " + strings.Join(names, ", ")}); err != nil {
				return fmt.Errorf("gather statistics: %w", err)
			}
		}
		return l.putBack(ctx, c, sequences)
	})
}

func (l *loader) buildIndexes(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(builders)
	for part := range slices.Chunk(l.plan.indexes, max(1, len(l.plan.indexes)/(8*builders))) {
		group.Go(func() error {
			return l.with(ctx, func(c *pgx.Conn) error { return build(ctx, c, part) })
		})
	}
	return group.Wait()
}

// build makes indexes, each in a transaction of its own.
func build(ctx context.Context, c *pgx.Conn, list []index) error {
	err := together(ctx, c, []string{`SELECT pg_catalog.set_config('maintenance_work_mem', '256MB', false)
		WHERE (SELECT setting::bigint FROM pg_catalog.pg_settings WHERE name = 'maintenance_work_mem') < 262144`})
	if err != nil {
		return err
	}
	for _, x := range list {
		if err := together(ctx, c, x.create()); err != nil {
			return fmt.Errorf("build index %s: %w", x.name, mapped(ctx, err))
		}
	}
	return nil
}

func (l *loader) putBack(ctx context.Context, c *pgx.Conn, sequences []schema.Sequence) error {
	tx, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	err = l.putBackIn(ctx, c, sequences)
	if err == nil {
		return tx.Commit(ctx)
	}
	err = errors.Join(err, tx.Rollback(context.WithoutCancel(ctx)))
	if isState(err, "23503") {
		err = errors.Join(err, l.countOrphans(ctx, c))
	}
	return err
}

func (l *loader) putBackIn(ctx context.Context, c *pgx.Conn, sequences []schema.Sequence) error {
	for _, k := range l.plan.keys {
		if err := together(ctx, c, k.add()); err != nil {
			return fmt.Errorf("foreign key %s of table %s: %w", k.name, k.table, mapped(ctx, err))
		}
	}
	if err := together(ctx, c, l.plan.wake()); err != nil {
		return fmt.Errorf("enable triggers: %w", err)
	}
	for _, s := range sequences {
		_, err := c.Exec(ctx, "SELECT pg_catalog.setval($1::text::pg_catalog.regclass, $2, $3)", table(s.Name), s.Value, s.Called)
		if err != nil {
			return fmt.Errorf("set sequence %s to %d: %w", s.Name, s.Value, mapped(ctx, err))
		}
	}
	return nil
}

// countOrphans names every foreign key that has rows without a parent, with their number.
func (l *loader) countOrphans(ctx context.Context, c *pgx.Conn) error {
	var errs []error
	for _, k := range l.plan.keys {
		if k.orphans == "" {
			continue
		}
		var n int64
		if err := c.QueryRow(ctx, k.orphans).Scan(&n); err != nil {
			errs = append(errs, fmt.Errorf("count the orphans of foreign key %s: %w", k.name, mapped(ctx, err)))
		} else if n > 0 {
			errs = append(errs, fmt.Errorf("foreign key %s: %d rows of table %s have no parent", k.name, n, k.table))
		}
	}
	return errors.Join(errs...)
}

// Close implements [engine.Loader].
func (l *loader) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	var errs []error
	for _, c := range l.idle {
		errs = append(errs, hangUp(context.Background(), c))
	}
	l.idle = nil
	return errors.Join(errs...)
}
