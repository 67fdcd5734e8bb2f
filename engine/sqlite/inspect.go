package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	lib "modernc.org/sqlite/lib"

	"mulligan/engine"
	"mulligan/schema"
)

// querier is what *sql.DB, *sql.Conn and *sql.Tx can do.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Inspect reads the schema in one read transaction. Objects come from the texts in sqlite_schema, which SQLite keeps as
// they were written: see [catalog.addObjects]. Indexes that SQLite makes for a constraint
// belong to that. The tables behind a virtual table are its own business and left out.
func (d *DB) Inspect(ctx context.Context) (_ *schema.Schema, err error) {
	tx, err := d.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("inspect database %s: %w", d.name, translate(err))
	}
	defer func() { err = errors.Join(err, done(tx.Rollback())) }()
	s, err := inspect(ctx, tx)
	if err != nil {
		return nil, fmt.Errorf("inspect database %s: %w", d.name, translate(err))
	}
	if err := s.addObjects(ctx, tx); err != nil {
		return nil, fmt.Errorf("inspect database %s: %w", d.name, translate(err))
	}
	return &s.Schema, nil
}

// done takes the edge off a rollback of what has ended already.
func done(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// catalog is a schema with what only its reading needs.
type catalog struct {
	schema.Schema
	hidden map[string]bool // tables that are not listed: SQLite's own and shadows, by lower-case name
}

// inspect reads tables and sequences.
func inspect(ctx context.Context, q querier) (*catalog, error) {
	c := &catalog{hidden: map[string]bool{}}
	if err := c.readTables(ctx, q); err != nil {
		return nil, err
	}
	if err := c.readColumns(ctx, q); err != nil {
		return nil, err
	}
	if err := c.readParents(ctx, q); err != nil {
		return nil, err
	}
	if err := c.readEstimates(ctx, q); err != nil {
		return nil, err
	}
	return c, c.readSequences(ctx, q)
}

func (c *catalog) readTables(ctx context.Context, q querier) error {
	const text = `SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main' AND type <> 'view'`
	err := each(ctx, q, text, nil, func(scan func(...any) error) error {
		var name, kind string
		var withoutRowid, strict bool
		if err := scan(&name, &kind, &withoutRowid, &strict); err != nil {
			return err
		}
		if kind == "shadow" || strings.HasPrefix(name, "sqlite_") {
			c.hidden[strings.ToLower(name)] = true
			return nil
		}
		t := schema.Table{Name: schema.Name{Table: name}, Kind: schema.KindTable, Rows: -1}
		if kind == "virtual" {
			t.Kind = schema.KindVirtual
		}
		var storage []string
		if withoutRowid {
			storage = append(storage, withoutRowidMark)
		}
		if strict {
			storage = append(storage, "strict")
		}
		t.Storage = strings.Join(storage, ", ")
		c.Tables = append(c.Tables, t)
		return nil
	})
	slices.SortFunc(c.Tables, func(a, b schema.Table) int { return a.Name.Compare(b.Name) })
	return err
}

const withoutRowidMark = "without rowid"

// readColumns asks for all ordinary tables at once, and for virtual ones by themselves: a module that is
// not built in fails the whole query. Its table then has no columns here, and its text is still compared.
func (c *catalog) readColumns(ctx context.Context, q querier) error {
	const text = `SELECT t.name, x.name, x.type, x."notnull", coalesce(x.dflt_value, ''), x.pk, x.hidden,
			EXISTS (SELECT 1 FROM pragma_index_list(t.name) i WHERE i.origin = 'pk') AS pk_index
		FROM pragma_table_list t, pragma_table_xinfo(t.name) x WHERE t.schema = 'main' AND `
	err := each(ctx, q, text+"t.type = 'table' ORDER BY t.name, x.cid", nil, c.addColumn)
	if err != nil {
		return err
	}
	for _, t := range c.Tables {
		if t.Kind != schema.KindVirtual {
			continue
		}
		err := each(ctx, q, text+"t.name = ? ORDER BY x.cid", []any{t.Name.Table}, c.addColumn)
		if err != nil && code(err) != lib.SQLITE_ERROR {
			return err
		}
	}
	return nil
}

// addColumn reads a line of readColumns. A key without an index of its own is the row's number itself.
func (c *catalog) addColumn(scan func(...any) error) error {
	var table string
	var col schema.Column
	var notNull, keyIndex bool
	var place, hidden int // place in the key from 1; hidden: 1 in a virtual table, 2 and 3 generated
	if err := scan(&table, &col.Name, &col.Type, &notNull, &col.Default, &place, &hidden, &keyIndex); err != nil {
		return err
	}
	t := c.Table(schema.Name{Table: table})
	if t == nil || hidden == 1 { // a virtual table's hidden column takes commands and holds nothing
		return nil
	}
	col.Nullable, col.Generated = !notNull, hidden >= 2
	if place > 0 {
		for len(t.Key) < place {
			t.Key = append(t.Key, "")
		}
		t.Key[place-1] = col.Name
		col.Nullable = col.Nullable && t.Storage == ""
		if !keyIndex && !strings.HasPrefix(t.Storage, withoutRowidMark) && t.Kind == schema.KindTable {
			col.Nullable, col.Identity = false, schema.IdentityAuto
		}
	}
	t.Columns = append(t.Columns, col)
	return nil
}

func (c *catalog) readParents(ctx context.Context, q querier) error {
	const text = `SELECT DISTINCT t.name, f."table" FROM pragma_table_list t, pragma_foreign_key_list(t.name) f
		WHERE t.schema = 'main' AND t.type = 'table'`
	err := each(ctx, q, text, nil, func(scan func(...any) error) error {
		var child, parent string
		if err := scan(&child, &parent); err != nil {
			return err
		}
		t := c.Table(schema.Name{Table: child})
		if t == nil {
			return nil
		}
		// A foreign key may write its parent in other letters: names are equal whatever their case.
		for _, p := range c.Tables {
			if sameName(p.Name.Table, parent) {
				parent = p.Name.Table
			}
		}
		t.Parents = append(t.Parents, schema.Name{Table: parent})
		return nil
	})
	for i := range c.Tables {
		slices.SortFunc(c.Tables[i].Parents, schema.Name.Compare)
		c.Tables[i].Parents = slices.Compact(c.Tables[i].Parents)
	}
	return err
}

// sameName compares as SQLite does: letters beyond ASCII are equal only to themselves.
func sameName(a, b string) bool { return lowerASCII(a) == lowerASCII(b) }

// readEstimates takes what the last ANALYZE counted, where there was one.
func (c *catalog) readEstimates(ctx context.Context, q querier) error {
	if !c.hidden["sqlite_stat1"] {
		return nil
	}
	const text = `SELECT tbl, max(CAST(stat AS INTEGER)) FROM sqlite_stat1 GROUP BY tbl`
	return each(ctx, q, text, nil, func(scan func(...any) error) error {
		var name string
		var rows int64
		if err := scan(&name, &rows); err != nil {
			return err
		}
		if t := c.Table(schema.Name{Table: name}); t != nil {
			t.Rows = rows
		}
		return nil
	})
}

// readSequences reads the counters of AUTOINCREMENT. A table that never counted has 0, so that a counter whose rows
// are gone can be put back. Which tables count, no pragma tells: the word stands in the table's text, and a
// counter of a table that has the word elsewhere has no effect.
func (c *catalog) readSequences(ctx context.Context, q querier) error {
	if !c.hidden["sqlite_sequence"] {
		return nil
	}
	const text = `SELECT t.name, CAST(coalesce(max(q.seq), 0) AS INTEGER) FROM sqlite_schema t LEFT JOIN sqlite_sequence q ON q.name = t.name
		WHERE t.type = 'table' AND (q.name IS NOT NULL OR t.sql LIKE '%autoincrement%') GROUP BY t.name`
	err := each(ctx, q, text, nil, func(scan func(...any) error) error {
		var name string
		var value int64
		if err := scan(&name, &value); err != nil {
			return err
		}
		t := c.Table(schema.Name{Table: name})
		if t == nil || len(t.Key) != 1 {
			return nil
		}
		owner := t.Name
		c.Sequences = append(c.Sequences, schema.Sequence{Name: owner, Table: &owner, Column: t.Key[0], Value: value, Called: true})
		return nil
	})
	slices.SortFunc(c.Sequences, func(a, b schema.Sequence) int { return a.Name.Compare(b.Name) })
	return err
}

// each runs a query and hands every row to a function.
func each(ctx context.Context, q querier, text string, args []any, row func(scan func(...any) error) error) (err error) {
	rows, err := q.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// classes are the storage classes that unmarked cells of the columns have.
func classes(t *schema.Table, columns []string) ([]class, error) {
	list := make([]class, len(columns))
	for i, name := range columns {
		c, ok := t.Column(name)
		if !ok {
			return nil, fmt.Errorf("it has no column %s", engine.SQLite.Ident(name))
		}
		list[i] = affinity(c.Type)
	}
	return list, nil
}
