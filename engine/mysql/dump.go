package mysql

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"mulligan/engine"
	"mulligan/schema"
)

// Dump writes the rows of t that lie in r. A reader takes about 200 KB, whatever the size of a row; over
// an encrypted connection it holds one row at a time, as the driver does, and takes about twice the
// size of the largest. A failed dump ends its reader's connection; where no reader is left the
// next Dump is an error.
func (v *View) Dump(ctx context.Context, w io.Writer, t *schema.Table, r engine.Range) (rows int64, err error) {
	query, err := v.selectRows(ctx, t, r)
	if err != nil {
		return 0, fmt.Errorf("dump table %s: %w", t.Name, mapped(err))
	}
	in, err := v.acquire(ctx)
	if err == nil {
		out := &rowWriter{w: w, buf: make([]byte, 0, flushSize+flushSize/2)}
		err = in.dump(ctx, query, formsOf(t), out)
		rows, err = out.rows, errors.Join(err, v.release(in, err == nil))
	}
	if err != nil {
		return rows, fmt.Errorf("dump table %s: %w", t.Name, mapped(err))
	}
	return rows, nil
}

// dump runs a query and writes its rows to out.
func (r *reader) dump(ctx context.Context, query string, forms []form, out *rowWriter) error {
	var err error
	if r.net != nil {
		err = copyPackets(ctx, r.net, query, forms, out)
	} else {
		err = r.query(ctx, query, func(cells []sqldriver.Value) error {
			if len(cells) != max(len(forms), 1) {
				return fmt.Errorf("%d columns came where %d were asked for", len(cells), len(forms))
			}
			return out.row(cells[:len(forms)], forms)
		})
		if err == nil {
			err = out.flush()
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
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
