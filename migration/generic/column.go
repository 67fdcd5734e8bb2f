package generic

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// column is one of a table's.
type column struct {
	name     string
	kind     string // its type in the server's words, lower case
	required bool   // a row must give it a value
}

// columns lists the columns of a table in their order.
func columns(ctx context.Context, q engine.Querier, n schema.Name) (list []column, err error) {
	query, arg := "", []any{n.Table}
	switch f := q.Family(); f {
	case engine.Postgres:
		query = `SELECT attname, format_type(atttypid, atttypmod), attnotnull AND NOT atthasdef AND attidentity = '' FROM pg_attribute
			WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum`
		arg = []any{f.Table(n)}
	case engine.MySQL, engine.MariaDB:
		query = `SELECT column_name, data_type, is_nullable = 'NO' AND column_default IS NULL AND extra NOT LIKE '%auto_increment%'
				AND extra NOT LIKE '%GENERATED%' FROM information_schema.columns
			WHERE table_schema = coalesce(nullif(?, ''), database()) AND table_name = ? ORDER BY ordinal_position`
		arg = []any{n.Schema, n.Table}
	default: // an INTEGER PRIMARY KEY is counted up
		query = `SELECT name, type, "notnull" AND dflt_value IS NULL AND NOT (pk AND type = 'INTEGER' COLLATE NOCASE) FROM pragma_table_info(?)`
	}
	rows, err := q.QueryContext(ctx, query, arg...)
	if err != nil {
		return nil, fmt.Errorf("read the columns of %s: %w", n, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var c column
		if err := rows.Scan(&c.name, &c.kind, &c.required); err != nil {
			return nil, fmt.Errorf("read the columns of %s: %w", n, err)
		}
		c.kind = strings.ToLower(c.kind)
		list = append(list, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the columns of %s: %w", n, err)
	}
	return list, nil
}

// list names columns for a message.
func list(has []column) string {
	names := make([]string, len(has))
	for i, c := range has {
		names[i] = c.name
	}
	return strings.Join(names, ", ")
}

// now is the current time as the column holds one.
func (c column) now(m migration.Marking) (any, error) {
	is := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(c.kind, w) {
				return true
			}
		}
		return false
	}
	switch {
	case is("date", "time") && m.Family != engine.SQLite:
		return migration.Expr("CURRENT_TIMESTAMP"), nil
	case is("date", "time"):
		return m.Now.Format("2006-01-02 15:04:05"), nil
	case is("char", "text"):
		return m.Now.Format("2006-01-02T15:04:05.000Z"), nil
	default:
		return nil, fmt.Errorf("column %s is of type %s, in which a time can be many things: it can only be given a fixed value", c.name, c.kind)
	}
}
