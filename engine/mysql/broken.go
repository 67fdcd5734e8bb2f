package mysql

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"mulligan/engine"
	"mulligan/schema"
)

// orphans finds the rows of a foreign key that have no parent; nil = there are none.
func orphans(ctx context.Context, q querier, k foreignKey) (*engine.RowsError, error) {
	var given, equal []string
	for i, c := range k.childColumns {
		given = append(given, "c."+ident(c)+" IS NOT NULL")
		equal = append(equal, "p."+ident(k.parentColumns[i])+" = c."+ident(c))
	}
	from := ident(k.childDatabase) + "." + ident(k.child) + " c WHERE " + strings.Join(given, " AND ") +
		" AND NOT EXISTS (SELECT 1 FROM " + ident(k.parentDatabase) + "." + ident(k.parent) + " p WHERE " + strings.Join(equal, " AND ") + ")"
	found := &engine.RowsError{Constraint: "foreign key " + k.name, Table: schema.Name{Table: k.child}, Fault: "without a parent in table " + k.parent, Columns: k.childColumns}
	return nameRows(ctx, q, found, k.childDatabase, from)
}

// sharedValues names the rows that keep a table's unique indexes from coming back; nil = there are none.
func (l *Loader) sharedValues(ctx context.Context, table string, r *removal) error {
	var errs []error
	for _, clause := range r.Adds {
		if !strings.HasPrefix(clause, "UNIQUE") {
			continue
		}
		var exprs, given []string
		for _, part := range indexColumn.FindAllStringSubmatch(plainIndex.FindStringSubmatch(clause)[1], -1) {
			expr := part[1]
			if part[2] != "" {
				expr = "LEFT(" + part[1] + ", " + part[2] + ")"
			}
			exprs, given = append(exprs, expr), append(given, part[1]+" IS NOT NULL")
		}
		_, name := clauseKind(clause)
		from := "(SELECT t.*, COUNT(*) OVER (PARTITION BY " + strings.Join(exprs, ", ") + ") AS `mulligan rows` FROM " +
			ident(l.db.name) + "." + ident(table) + " t WHERE " + strings.Join(given, " AND ") + ") c WHERE c.`mulligan rows` > 1"
		found := &engine.RowsError{Constraint: "unique index " + name, Table: schema.Name{Table: table}, Fault: "with a value that another row has",
			Columns: indexColumns(clause)}
		found, err := nameRows(ctx, l.pool, found, l.db.name, from)
		if err != nil {
			errs = append(errs, fmt.Errorf("find the rows that share a value of %s: %w", name, err))
		} else if found != nil {
			errs = append(errs, found)
		}
	}
	return errors.Join(errs...)
}

// nameRows counts the rows c that from gives, and names some by the primary key, or by the columns that found has where there
// is none. It gives nil where there are no rows.
func nameRows(ctx context.Context, q querier, found *engine.RowsError, database, from string) (*engine.RowsError, error) {
	if err := q.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+from).Scan(&found.Rows); err != nil || found.Rows == 0 {
		return nil, err
	}
	key, err := texts(ctx, q, `SELECT COLUMN_NAME FROM information_schema.STATISTICS
		WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX`, database, found.Table.Table)
	if err != nil {
		return nil, err
	}
	if len(key) > 0 {
		found.Columns = key
	}
	var columns, shown []string
	for _, c := range found.Columns {
		columns, shown = append(columns, "c."+ident(c)), append(shown, "COALESCE(c."+ident(c)+", 'NULL')")
	}
	rows, err := q.QueryContext(ctx, fmt.Sprintf("SELECT %s FROM %s ORDER BY %s LIMIT %d", strings.Join(shown, ", "), from, strings.Join(columns, ", "), engine.MaxKeys))
	if err != nil {
		return nil, err
	}
	err = eachRow(rows, func() error {
		cells := make([]string, len(columns))
		into := make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		err := rows.Scan(into...)
		found.Keys = append(found.Keys, cells)
		return err
	})
	return found, err
}
