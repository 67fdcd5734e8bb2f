package migration

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"mulligan/engine"
	"mulligan/schema"
)

// RowLedger is a [Ledger] that has one row for each migration, named by one column. Adapters of
// tools of that kind fill it in. It is safe for concurrent use.
type RowLedger struct {
	Name schema.Name // the table; without a schema it is where the session's search path finds it
	Key  string      // the column that holds the ID
	Sort string      // ORDER BY of Records, in every engine's SQL
	// Make are the statements that create the table and the rows that the tool puts into a new one.
	Make func(f engine.Family, table string) []string
	// Row gives the columns and values of the row that the tool would write. A value that needs it is cast by the server.
	Row func(m Migration) (columns []string, values []any, err error)
	// Read makes records of the rows, which are texts by column; nil = each is [Applied].
	Read func(rows []map[string]string) []Record
	// Ready is called before a row is inserted, for rows that must be there first; nil = nothing.
	Ready func(ctx context.Context, q engine.Querier, table string) error
}

var _ Ledger = (*RowLedger)(nil)

// Table is [Ledger.Table].
func (l *RowLedger) Table() schema.Name { return l.Name }

// Create is [Ledger.Create].
func (l *RowLedger) Create(ctx context.Context, q engine.Querier) error {
	exists, err := TableExists(ctx, q, l.Name)
	if err != nil || exists {
		return err
	}
	statements := l.Make(q.Family(), q.Family().Table(l.Name))
	for _, statement := range statements {
		if _, err := q.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("create ledger %s: %w", l.Name, err)
		}
	}
	return nil
}

// Records is [Ledger.Records]. files is not used.
func (l *RowLedger) Records(ctx context.Context, q engine.Querier, _ []Migration) ([]Record, error) {
	rows, err := TableRows(ctx, q, l.Name, l.Sort)
	if err != nil {
		return nil, err
	}
	if l.Read != nil {
		return l.Read(rows), nil
	}
	records := make([]Record, 0, len(rows))
	for _, row := range rows {
		records = append(records, Record{ID: ID(row[l.Key]), State: Applied, Raw: row})
	}
	return records, nil
}

// Insert is [Ledger.Insert].
func (l *RowLedger) Insert(ctx context.Context, q engine.Querier, m Migration, files []Migration) error {
	records, err := l.Records(ctx, q, files)
	if err != nil {
		return fmt.Errorf("record migration %s: %w", m.ID, err)
	}
	for _, r := range records {
		if r.ID == m.ID && r.State == Applied {
			return fmt.Errorf("record migration %s in %s: %w", m.ID, l.Name, ErrRecorded)
		}
	}
	columns, values, err := l.Row(m)
	if err != nil {
		return fmt.Errorf("record migration %s: %w", m.ID, err)
	}
	f := q.Family()
	if l.Ready != nil {
		if err := l.Ready(ctx, q, f.Table(l.Name)); err != nil {
			return fmt.Errorf("record migration %s in %s: %w", m.ID, l.Name, err)
		}
	}
	places := make([]string, len(values))
	for i := range values {
		places[i] = f.Placeholder(i + 1)
	}
	statement := fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", f.Table(l.Name), f.Idents(columns), strings.Join(places, ", "))
	if _, err := q.ExecContext(ctx, statement, values...); err != nil {
		return fmt.Errorf("record migration %s in %s: %w", m.ID, l.Name, err)
	}
	return nil
}

// Delete is [Ledger.Delete]. All rows that name m are taken away.
func (l *RowLedger) Delete(ctx context.Context, q engine.Querier, m Migration, _ []Migration) error {
	exists, err := TableExists(ctx, q, l.Name)
	if err != nil {
		return err
	}
	if !exists {
		return fmt.Errorf("delete the record of migration %s: %w: %s", m.ID, ErrNoLedger, l.Name)
	}
	_, values, err := l.keyOf(m)
	if err != nil {
		return fmt.Errorf("delete the record of migration %s: %w", m.ID, err)
	}
	f := q.Family()
	statement := fmt.Sprintf("DELETE FROM %s WHERE %s = %s", f.Table(l.Name), f.Ident(l.Key), f.Placeholder(1))
	if _, err := q.ExecContext(ctx, statement, values...); err != nil {
		return fmt.Errorf("delete the record of migration %s from %s: %w", m.ID, l.Name, err)
	}
	return nil
}

// keyOf is the value that names m in the key column, in its own type.
func (l *RowLedger) keyOf(m Migration) (columns []string, values []any, err error) {
	columns, values, err = l.Row(m)
	if err != nil {
		return nil, nil, err
	}
	for i, c := range columns {
		if c == l.Key {
			return columns[i : i+1], values[i : i+1], nil
		}
	}
	return nil, nil, fmt.Errorf("ledger %s has no column %s", l.Name, l.Key)
}

// TableExists tells whether a table is there. One without a schema is looked for where the session's
// search path leads on PostgreSQL, and in the session's database on MySQL and MariaDB.
func TableExists(ctx context.Context, q engine.Querier, n schema.Name) (bool, error) {
	var found int
	query, args := "", []any(nil)
	switch f := q.Family(); f {
	case engine.Postgres:
		query, args = "SELECT count(to_regclass($1))", []any{f.Table(n)}
	case engine.MySQL, engine.MariaDB:
		query = "SELECT count(*) FROM information_schema.tables WHERE table_schema = coalesce(nullif(?, ''), database()) AND table_name = ?"
		args = []any{n.Schema, n.Table}
	default:
		query = "SELECT count(*) FROM sqlite_master WHERE type IN ('table', 'view') AND name = ? COLLATE NOCASE"
		args = []any{n.Table}
	}
	if err := q.QueryRowContext(ctx, query, args...).Scan(&found); err != nil {
		return false, fmt.Errorf("look for table %s: %w", n, err)
	}
	return found > 0, nil
}

// TableRows reads a small table whole, every cell as text by its column; a NULL is left out.
// Errors: [ErrNoLedger] where the table is absent.
func TableRows(ctx context.Context, q engine.Querier, n schema.Name, sort string) (list []map[string]string, err error) {
	exists, err := TableExists(ctx, q, n)
	if err != nil {
		return nil, err
	}
	if !exists {
		return nil, fmt.Errorf("read ledger %s: %w", n, ErrNoLedger)
	}
	query := "SELECT * FROM " + q.Family().Table(n)
	if sort != "" {
		query += " ORDER BY " + sort
	}
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("read ledger %s: %w", n, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, fmt.Errorf("read ledger %s: %w", n, err)
	}
	for rows.Next() {
		cells := make([]sql.NullString, len(columns))
		places := make([]any, len(columns))
		for i := range cells {
			places[i] = &cells[i]
		}
		if err := rows.Scan(places...); err != nil {
			return nil, fmt.Errorf("read a row of ledger %s: %w", n, err)
		}
		row := make(map[string]string, len(columns))
		for i, c := range cells {
			if c.Valid {
				row[columns[i]] = c.String
			}
		}
		list = append(list, row)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read ledger %s: %w", n, err)
	}
	return list, nil
}

// SameTable tells whether a ledger's name and a name from an inspected schema mean one table. A
// ledger's name without a schema means the default one.
func SameTable(ledger, n schema.Name) bool {
	return ledger.Table == n.Table && (ledger.Schema == n.Schema || ledger.Schema == "" && n.Schema == "public")
}

// Time reads a timestamp as the engines' drivers write it; the zero time where it is none.
func Time(text string) time.Time {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999", "2006-01-02 15:04:05.999999999-07", "2006-01-02 15:04:05.999999999-07:00"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// True reads a boolean as the engines' drivers write it.
func True(text string) bool {
	v, err := strconv.ParseBool(strings.ToLower(text))
	return err == nil && v
}
