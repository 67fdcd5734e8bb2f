package migration

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"mulligan/engine"
	"mulligan/schema"
)

// Cell is one value of a row to be written. A value that needs it is cast by the server.
type Cell struct {
	Column string
	Value  any
}

// Marking is a migration that is about to be recorded, with what its row may depend on.
type Marking struct {
	Migration
	Family engine.Family
	Nth    int                 // how many are recorded before it by the same call
	Rows   []map[string]string // what the ledger holds, without those
	Files  []Migration         // all of them
	Now    time.Time           // the same for the whole call, UTC
}

// RowLedger is a [Ledger] that has one row for each migration, named by one column or several. Adapters of
// tools of that kind fill it in. It is safe for concurrent use.
type RowLedger struct {
	Name schema.Name // the table; without a schema it is where the session's search path finds it
	Keys []string    // the columns that hold the ID
	Sort string      // ORDER BY of Records, in every engine's SQL
	// Make are the statements that create the table and the rows that the tool puts into a new one.
	Make func(f engine.Family, table string) []string
	// Row gives the row that the tool would write.
	Row func(m Marking) ([]Cell, error)
	// ID names the migration of a row; nil = the text of the only key.
	ID func(row map[string]string) ID
	// Read makes records of the rows, which are texts by column; nil = each is [Applied].
	Read func(rows []map[string]string, files []Migration) ([]Record, error)
	// First gives what must be written before rows can be, once for a call; nil = nothing.
	First func(f engine.Family, table string, rows []map[string]string) []Write
	// Again gives what is written for a migration that has a failed record, before its row is. done says that
	// this takes the place of the row. nil = its rows are deleted.
	Again func(m Marking, table string) (writes []Write, done bool, err error)
	// Undo gives what takes a migration's record away; nil = its rows are deleted.
	Undo func(m Marking, table string) ([]Write, error)
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

// Records is [Ledger.Records]. A row whose key is NULL or empty is [Unreadable].
func (l *RowLedger) Records(ctx context.Context, q engine.Querier, files []Migration) ([]Record, error) {
	rows, err := TableRows(ctx, q, l.Name, l.Sort)
	if err != nil {
		return nil, err
	}
	return l.records(rows, files)
}

func (l *RowLedger) records(rows []map[string]string, files []Migration) ([]Record, error) {
	var list []Record
	whole := make([]map[string]string, 0, len(rows))
	for _, row := range rows {
		if l.readable(row) {
			whole = append(whole, row)
			continue
		}
		list = append(list, Record{State: Unreadable, Raw: row})
	}
	if l.Read != nil {
		records, err := l.Read(whole, files)
		if err != nil {
			return nil, fmt.Errorf("read ledger %s: %w", l.Name, err)
		}
		return append(list, records...), nil
	}
	for _, row := range whole {
		list = append(list, Record{ID: l.IDOf(row), State: Applied, Raw: row})
	}
	return list, nil
}

func (l *RowLedger) readable(row map[string]string) bool {
	for _, k := range l.Keys {
		if row[k] == "" {
			return false
		}
	}
	return true
}

// IDOf names the migration of a row.
func (l *RowLedger) IDOf(row map[string]string) ID {
	if l.ID != nil {
		return l.ID(row)
	}
	return ID(row[l.Keys[0]])
}

// Mark is [Ledger.Mark].
func (l *RowLedger) Mark(ctx context.Context, q engine.Querier, marks, files []Migration) ([]Write, error) {
	rows, records, err := l.read(ctx, q, files)
	if err != nil {
		return nil, fmt.Errorf("record migrations: %w", err)
	}
	f := q.Family()
	table := f.Table(l.Name)
	var list []Write
	if l.First != nil {
		list = l.First(f, table, rows)
	}
	now := time.Now().UTC()
	for i, m := range marks {
		mk := Marking{Migration: m, Family: f, Nth: i, Rows: rows, Files: files, Now: now}
		writes, err := l.mark(mk, table, records)
		if err != nil {
			return nil, fmt.Errorf("record migration %s in %s: %w", m.ID, l.Name, err)
		}
		list = append(list, writes...)
	}
	return list, nil
}

func (l *RowLedger) read(ctx context.Context, q engine.Querier, files []Migration) ([]map[string]string, []Record, error) {
	rows, err := TableRows(ctx, q, l.Name, l.Sort)
	if err != nil {
		return nil, nil, err
	}
	records, err := l.records(rows, files)
	return rows, records, err
}

func (l *RowLedger) mark(m Marking, table string, records []Record) ([]Write, error) {
	failed := false
	for _, r := range records {
		if r.ID == m.ID && r.State == Applied {
			return nil, ErrRecorded
		}
		failed = failed || r.ID == m.ID && r.State == Failed
	}
	var list []Write
	if failed {
		again := l.Again
		if again == nil {
			again = func(m Marking, table string) ([]Write, bool, error) {
				writes, err := l.undo(m, table)
				return writes, false, err
			}
		}
		writes, done, err := again(m, table)
		if err != nil || done {
			return writes, err
		}
		list = writes
	}
	cells, err := l.Row(m)
	if err != nil {
		return nil, err
	}
	return append(list, Insertion(m.Family, table, cells)), nil
}

// Insertion is the statement that inserts one row.
func Insertion(f engine.Family, table string, cells []Cell) Write {
	columns, places := make([]string, len(cells)), make([]string, len(cells))
	var args []any
	for i, c := range cells {
		columns[i] = c.Column
		if e, ok := c.Value.(Expr); ok {
			places[i] = string(e)
			continue
		}
		args = append(args, c.Value)
		places[i] = f.Placeholder(len(args))
	}
	return Write{SQL: "INSERT INTO " + table + " (" + f.Idents(columns) + ") VALUES (" + strings.Join(places, ", ") + ")", Args: args, Rows: 1}
}

// Unmark is [Ledger.Unmark]. All rows that name a migration are taken away.
func (l *RowLedger) Unmark(ctx context.Context, q engine.Querier, marks, files []Migration) ([]Write, error) {
	rows, records, err := l.read(ctx, q, files)
	if err != nil {
		return nil, fmt.Errorf("take records away: %w", err)
	}
	f := q.Family()
	var list []Write
	for i, m := range marks {
		there := func(r Record) bool { return r.ID == m.ID && r.State != RolledBack }
		if !slices.ContainsFunc(records, there) {
			continue
		}
		mk := Marking{Migration: m, Family: f, Nth: i, Rows: rows, Files: files, Now: time.Now().UTC()}
		undo := l.Undo
		if undo == nil {
			undo = l.undo
		}
		writes, err := undo(mk, f.Table(l.Name))
		if err != nil {
			return nil, fmt.Errorf("take the record of migration %s away: %w", m.ID, err)
		}
		list = append(list, writes...)
	}
	return list, nil
}

// undo deletes all rows of a migration.
func (l *RowLedger) undo(m Marking, table string) ([]Write, error) {
	cells, err := l.Row(m)
	if err != nil {
		return nil, err
	}
	var conditions []string
	var args []any
	for _, k := range l.Keys {
		i := slices.IndexFunc(cells, func(c Cell) bool { return c.Column == k })
		if i < 0 {
			return nil, fmt.Errorf("ledger %s has no column %s", l.Name, k)
		}
		args = append(args, cells[i].Value)
		conditions = append(conditions, m.Family.Ident(k)+" = "+m.Family.Placeholder(len(args)))
	}
	return []Write{{SQL: "DELETE FROM " + table + " WHERE " + strings.Join(conditions, " AND "), Args: args, Rows: AnyRows}}, nil
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

// TableRows reads a small table whole, every cell as text by its column, bytes in hexadecimal digits; a NULL is left out.
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
	types, err := rows.ColumnTypes()
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
			if !c.Valid {
				continue
			}
			row[columns[i]] = c.String
			if t := types[i].DatabaseTypeName(); t == "BYTEA" || strings.HasSuffix(t, "BLOB") || strings.HasSuffix(t, "BINARY") {
				row[columns[i]] = hex.EncodeToString([]byte(c.String))
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
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999", "2006-01-02 15:04:05.999999999-07", "2006-01-02 15:04:05.999999999-07:00", "2006-01-02 15:04:05.999999999 -07:00"} {
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
