package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"mulligan/engine"
	"mulligan/schema"
)

// loader fills the tables that its plan made ready.
type loader struct {
	db      *database
	tables  []*schema.Table
	options *engine.LoadOptions
	plan    *plan

	ready sync.Mutex // guards off
	off   bool       // everything of the plan is known to be off

	mu   sync.Mutex  // guards idle and over
	idle []*pgx.Conn // connections between two loads
	over bool
}

var _ engine.Loader = (*loader)(nil)

var errOver = errors.New("the loader is finished or closed")

// Loader implements [engine.DB]: all that it does to the database is one transaction. Sequences and identities keep their values.
func (d *database) Loader(ctx context.Context, tables []*schema.Table, o *engine.LoadOptions) (engine.Loader, error) {
	l := &loader{db: d, tables: tables, options: o}
	err := l.with(ctx, func(c *pgx.Conn) error {
		if err := l.takeUp(ctx, c); err != nil {
			return err
		}
		return l.makeReady(ctx, c)
	})
	if err != nil {
		return nil, fmt.Errorf("make the tables of database %s ready: %w", d.name, errors.Join(mapped(ctx, err), l.Close()))
	}
	return l, nil
}

// takeUp looks up what the plan of an interrupted load was, after its sessions have ended.
func (l *loader) takeUp(ctx context.Context, c *pgx.Conn) error {
	state := l.options.Interrupted()
	if state == nil {
		return nil
	}
	l.plan = &plan{}
	if err := json.Unmarshal(state, l.plan); err != nil {
		return fmt.Errorf("take up the interrupted load: %w", err)
	}
	return endLoads(ctx, c)
}

// makeReady takes off what the plan lists, and empties the tables. Where an interrupted load came further than that, it does nothing:
// the plan's objects are off, or its Finish has put them back, which [loader.takeOff] and Finish look at.
func (l *loader) makeReady(ctx context.Context, c *pgx.Conn) error {
	if l.plan != nil && l.plan.Ready {
		return nil
	}
	now, err := l.look(ctx, c, l.tables)
	if err != nil {
		return err
	}
	if l.plan == nil {
		l.plan = now
		if err := l.options.Save(l.plan); err != nil {
			return err
		}
	}
	if err := together(ctx, c, slices.Concat(l.plan.takeOff(), now.empty())); err != nil {
		return err
	}
	l.plan.Ready, l.off = true, true
	return l.options.Save(l.plan)
}

func (l *loader) look(ctx context.Context, c *pgx.Conn, tables []*schema.Table) (p *plan, err error) {
	err = quietly(ctx, c, func() (err error) {
		p, err = readPlan(ctx, c, tables)
		return err
	})
	return p, err
}

// takeOff makes sure that everything is off before rows come or go. Where all rows are in, it is not called: a Finish that was
// interrupted has then built indexes that need not be built again.
func (l *loader) takeOff(ctx context.Context) error {
	l.ready.Lock()
	defer l.ready.Unlock()
	if l.off {
		return nil
	}
	err := l.with(ctx, func(c *pgx.Conn) error { return together(ctx, c, l.plan.takeOff()) })
	l.off = err == nil
	return err
}

// Empty implements [engine.Loader].
func (l *loader) Empty(ctx context.Context, t *schema.Table) error {
	err := l.takeOff(ctx)
	if err == nil {
		err = l.with(ctx, func(c *pgx.Conn) error {
			now, err := l.look(ctx, c, []*schema.Table{t})
			if err != nil {
				return err
			}
			return together(ctx, c, now.empty())
		})
	}
	if err != nil {
		return fmt.Errorf("empty table %s: %w", t.Name, mapped(ctx, err))
	}
	return nil
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
	c, err := l.db.server.dial(ctx, l.db.name)
	if err != nil {
		return nil, err
	}
	if err := markLoad(ctx, c); err != nil {
		return nil, errors.Join(err, hangUp(ctx, c))
	}
	return c, nil
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
	if err := l.takeOff(ctx); err != nil {
		return 0, fmt.Errorf("load table %s: %w", t.Name, mapped(ctx, err))
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
