package mysql

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"mulligan/engine"
	"mulligan/schema"
)

// Dump writes the rows of t that lie in r. Rows are held one at a time: a reader takes about 300 KB, and
// for large rows about twice the size of the largest. A failed dump ends its reader's connection;
// where no reader is left the next Dump is an error.
func (v *View) Dump(ctx context.Context, w io.Writer, t *schema.Table, r engine.Range) (rows int64, err error) {
	conn, err := v.acquire(ctx)
	if err == nil {
		rows, err = v.dump(ctx, conn, w, t, r)
		err = errors.Join(err, v.release(conn, err == nil))
	}
	if err != nil {
		return rows, fmt.Errorf("dump table %s: %w", t.Name, mapped(err))
	}
	return rows, nil
}

func (v *View) dump(ctx context.Context, conn *sql.Conn, w io.Writer, t *schema.Table, r engine.Range) (int64, error) {
	query, err := v.selectRows(ctx, t, r)
	if err != nil {
		return 0, err
	}
	out := &rowWriter{w: w, buf: make([]byte, 0, flushSize+flushSize/2)}
	var failure error
	err = conn.Raw(func(raw any) error {
		if failure = copyRows(ctx, raw, query, formsOf(t), out); failure != nil {
			return sqldriver.ErrBadConn // the rest of the rows is in flight: the connection is of no use
		}
		return nil
	})
	if failure == nil {
		failure = err
	}
	if failure != nil && ctx.Err() != nil {
		failure = ctx.Err()
	}
	return out.rows, failure
}

// copyRows goes past database/sql, whose Scan would copy every cell twice.
func copyRows(ctx context.Context, raw any, query string, forms []form, out *rowWriter) error {
	conn, ok := raw.(sqldriver.QueryerContext)
	if !ok {
		return fmt.Errorf("the driver's connection is a %T", raw)
	}
	rows, err := conn.QueryContext(ctx, query, nil)
	if err != nil {
		return err
	}
	cells := make([]sqldriver.Value, len(rows.Columns()))
	if len(cells) != max(len(forms), 1) {
		return fmt.Errorf("%d columns came where %d were asked for", len(cells), len(forms))
	}
	for {
		if err := rows.Next(cells); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if err := out.row(cells[:len(forms)], forms); err != nil {
			return err
		}
		if out.rows%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if err := out.flush(); err != nil {
		return err
	}
	return errors.Join(ctx.Err(), rows.Close())
}

func formsOf(t *schema.Table) []form {
	forms := make([]form, 0, len(t.Columns))
	for _, c := range t.Columns {
		if !c.Generated {
			forms = append(forms, formOf(c))
		}
	}
	return forms
}

// selectRows writes the query for a range. A table without stored columns gives empty lines.
func (v *View) selectRows(ctx context.Context, t *schema.Table, r engine.Range) (string, error) {
	var list []string
	for _, c := range t.Columns {
		if !c.Generated {
			list = append(list, selected(c))
		}
	}
	if len(list) == 0 {
		list = []string{"NULL"}
	}
	var b strings.Builder
	b.WriteString("SELECT " + strings.Join(list, ", ") + " FROM " + ident(t.Name.Table))
	if r.Part != "" {
		b.WriteString(" PARTITION (" + ident(r.Part) + ")")
	}
	var conditions []string
	if r.From != nil || r.To != nil {
		key, err := v.splitColumn(ctx, t)
		if err != nil {
			return "", err
		}
		if key.column == "" {
			return "", errors.New("it has no key that a range could be of")
		}
		b.WriteString(" FORCE INDEX (" + ident(key.index) + ")")
		if r.From != nil {
			conditions = append(conditions, ident(key.column)+" >= "+strconv.FormatInt(*r.From, 10))
		}
		if r.To != nil {
			conditions = append(conditions, ident(key.column)+" < "+strconv.FormatInt(*r.To, 10))
		}
	}
	if r.Where != "" {
		conditions = append(conditions, "("+r.Where+"\n)") // its end could be a comment
	}
	if len(conditions) > 0 {
		b.WriteString(" WHERE " + strings.Join(conditions, " AND "))
	}
	return b.String(), nil
}
