package postgres

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/jackc/pgx/v5"

	"mulligan/engine"
	"mulligan/schema"
)

// heap is a table that has rows of its own: a plain table or one partition.
type heap struct {
	name   schema.Name
	blocks int64 // of its main file; 0 = it is not split
	bytes  int64 // with what lies out of line
}

// heapsQuery lists the tables that hold the rows of $1. Partitions on other servers are left out, as foreign tables are.
// Only the built-in access method has blocks that a tuple's address tells.
const heapsQuery = `WITH RECURSIVE tree AS (
		SELECT c.oid, c.relkind FROM pg_catalog.pg_class c WHERE c.oid = $1::text::pg_catalog.regclass
		UNION ALL
		SELECT c.oid, c.relkind FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid
			JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE tree.relkind = 'p'
	)
	SELECT n.nspname, c.relname,
		CASE WHEN a.amname = 'heap' THEN pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::bigint ELSE 0 END,
		pg_catalog.pg_table_size(c.oid)
	FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam
	WHERE tree.relkind = 'r' ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"`

func (v *view) heaps(ctx context.Context, t *schema.Table) (list []heap, err error) {
	if t.Kind == schema.KindForeign {
		return nil, fmt.Errorf("its rows lie on another server")
	}
	err = v.ask(func(c *pgx.Conn) error {
		rows, err := c.Query(ctx, heapsQuery, table(t.Name))
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (h heap, err error) {
			err = row.Scan(&h.name.Schema, &h.name.Table, &h.blocks, &h.bytes)
			return h, err
		})
		return err
	})
	return list, err
}

// Ranges implements [engine.View]. From and To are blocks; Part is a partition's name as [schema.ParseName] reads it.
func (v *view) Ranges(ctx context.Context, t *schema.Table, size int64) ([]engine.Range, error) {
	heaps, err := v.heaps(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("split table %s: %w", t.Name, mapped(ctx, err))
	}
	var list []engine.Range
	for _, h := range heaps {
		part := ""
		if h.name != t.Name {
			part = h.name.String()
		}
		list = append(list, split(part, h, size)...)
	}
	if len(list) == 0 { // no partitions yet
		list = []engine.Range{{}}
	}
	return list, nil
}

// split cuts a heap into ranges of blocks of about size bytes. The last one is open, for blocks that are added later.
func split(part string, h heap, size int64) []engine.Range {
	pieces := int64(math.Ceil(float64(h.bytes) / float64(max(1, size))))
	if pieces = min(pieces, h.blocks); pieces <= 1 {
		return []engine.Range{{Part: part}}
	}
	var list []engine.Range
	for i := range pieces {
		r := engine.Range{Part: part}
		if i > 0 {
			r.From = new(h.blocks * i / pieces)
		}
		if i < pieces-1 {
			r.To = new(h.blocks * (i + 1) / pieces)
		}
		list = append(list, r)
	}
	return list
}

// queries are the statements that copy a range out. Only the range without bounds of a partitioned table needs
// more than one.
func (v *view) queries(ctx context.Context, t *schema.Table, r engine.Range) ([]string, error) {
	if r.Part != "" {
		part, err := schema.ParseName(r.Part)
		if err != nil {
			return nil, err
		}
		return []string{copyQuery(t, part, r)}, nil
	}
	if t.Kind != schema.KindPartitioned {
		return []string{copyQuery(t, t.Name, r)}, nil
	}
	heaps, err := v.heaps(ctx, t)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, h := range heaps {
		list = append(list, copyQuery(t, h.name, r))
	}
	return list, nil
}

// copyQuery copies one heap out. It has the table's own name there, for conditions that say it.
func copyQuery(t *schema.Table, from schema.Name, r engine.Range) string {
	var b strings.Builder
	b.WriteString("COPY (SELECT " + engine.Postgres.Idents(t.Stored()) + " FROM ONLY " + table(from) + " AS " + ident(t.Name.Table))
	word := " WHERE "
	if r.From != nil {
		fmt.Fprintf(&b, "%sctid >= '(%d,0)'", word, *r.From)
		word = " AND "
	}
	if r.To != nil {
		fmt.Fprintf(&b, "%sctid < '(%d,0)'", word, *r.To)
		word = " AND "
	}
	if r.Where != "" {
		b.WriteString(word + "(\n" + r.Where + "\n)") // on lines of its own: it may end in a comment
	}
	b.WriteString(") TO STDOUT")
	return b.String()
}
