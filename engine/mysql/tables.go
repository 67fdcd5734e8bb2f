package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"

	"mulligan/engine"
	"mulligan/schema"
)

// readTables reads the tables and counters of a database from information_schema.
func readTables(ctx context.Context, q querier, f engine.Family, database string) (*schema.Schema, error) {
	s := &schema.Schema{}
	counters, err := tableList(ctx, q, database, s)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	byName := make(map[string]*schema.Table, len(s.Tables))
	for i := range s.Tables {
		byName[s.Tables[i].Name.Table] = &s.Tables[i]
	}
	if err := columnList(ctx, q, f, database, byName); err != nil {
		return nil, fmt.Errorf("list columns: %w", err)
	}
	if err := keyList(ctx, q, database, byName); err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	for _, t := range s.Tables {
		for _, c := range t.Columns {
			if c.Identity == schema.IdentityAuto {
				name := t.Name
				// MySQL gives no counter for a table that was never used: its first value is 1
				value := max(counters[name.Table], 1)
				s.Sequences = append(s.Sequences, schema.Sequence{Name: name, Table: &name, Column: c.Name, Value: value})
			}
		}
	}
	if f == engine.MariaDB {
		if err := sequenceList(ctx, q, database, s); err != nil {
			return nil, fmt.Errorf("list sequences: %w", err)
		}
	}
	slices.SortFunc(s.Tables, func(a, b schema.Table) int { return a.Name.Compare(b.Name) })
	slices.SortFunc(s.Sequences, func(a, b schema.Sequence) int { return a.Name.Compare(b.Name) })
	return s, nil
}

// tableList adds the tables to s and returns their auto-increment counters, by name.
func tableList(ctx context.Context, q querier, database string, s *schema.Schema) (map[string]int64, error) {
	rows, err := q.QueryContext(ctx, `SELECT TABLE_NAME, COALESCE(ENGINE, ''), COALESCE(TABLE_ROWS, -1),
			COALESCE(DATA_LENGTH, 0), AUTO_INCREMENT
		FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')`, database)
	if err != nil {
		return nil, err
	}
	counters := map[string]int64{}
	err = eachRow(rows, func() error {
		t := schema.Table{Kind: schema.KindTable}
		var counter sql.Null[uint64]
		if err := rows.Scan(&t.Name.Table, &t.Storage, &t.Rows, &t.Bytes, &counter); err != nil {
			return err
		}
		if counter.Valid {
			counters[t.Name.Table] = int64(min(counter.V, math.MaxInt64))
		}
		s.Tables = append(s.Tables, t)
		return nil
	})
	return counters, err
}

func columnList(ctx context.Context, q querier, f engine.Family, database string, byName map[string]*schema.Table) error {
	rows, err := q.QueryContext(ctx, `SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE = 'YES', COLUMN_DEFAULT,
			EXTRA, COALESCE(GENERATION_EXPRESSION, '') <> ''
		FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? ORDER BY TABLE_NAME, ORDINAL_POSITION`, database)
	if err != nil {
		return err
	}
	return eachRow(rows, func() error {
		var c schema.Column
		var table, extra string
		var fallback sql.NullString
		if err := rows.Scan(&table, &c.Name, &c.Type, &c.Nullable, &fallback, &extra, &c.Generated); err != nil {
			return err
		}
		t := byName[table]
		if t == nil {
			return nil // a view's
		}
		if fallback.Valid && !c.Generated {
			c.Default = defaultExpression(f, c.Type, fallback.String, extra)
		}
		if strings.Contains(strings.ToLower(extra), "auto_increment") {
			c.Identity = schema.IdentityAuto
		}
		t.Columns = append(t.Columns, c)
		return nil
	})
}

// defaultExpression writes a default as SQL. MariaDB gives an expression, MySQL the bare value of a constant.
func defaultExpression(f engine.Family, columnType, text, extra string) string {
	if f == engine.MariaDB {
		if text == "NULL" {
			return ""
		}
		return text
	}
	switch {
	case strings.HasPrefix(strings.ToUpper(text), "CURRENT_TIMESTAMP") && strings.Contains(extra, "DEFAULT_GENERATED"):
		return text
	case strings.Contains(extra, "DEFAULT_GENERATED"):
		return "(" + text + ")"
	case strings.HasPrefix(columnType, "bit"), strings.HasPrefix(columnType, "binary"), strings.HasPrefix(columnType, "varbinary"):
		if strings.HasPrefix(text, "b'") || strings.HasPrefix(text, "0x") {
			return text
		}
	}
	return literal(text)
}

// keyList reads primary keys and the parents of foreign keys. A parent in another database is left
// out: no snapshot of this one could hold it.
func keyList(ctx context.Context, q querier, database string, byName map[string]*schema.Table) error {
	rows, err := q.QueryContext(ctx, `SELECT TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME,
			COALESCE(REFERENCED_TABLE_SCHEMA, ''), COALESCE(REFERENCED_TABLE_NAME, '')
		FROM information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA = ?
		ORDER BY TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION`, database)
	if err != nil {
		return err
	}
	err = eachRow(rows, func() error {
		var table, constraint, column, otherDatabase, parent string
		if err := rows.Scan(&table, &constraint, &column, &otherDatabase, &parent); err != nil {
			return err
		}
		t := byName[table]
		switch {
		case t == nil:
		case parent == "" && constraint == "PRIMARY":
			t.Key = append(t.Key, column)
		case parent != "" && otherDatabase == database:
			t.Parents = append(t.Parents, schema.Name{Table: parent})
		}
		return nil
	})
	for _, t := range byName {
		slices.SortFunc(t.Parents, schema.Name.Compare)
		t.Parents = slices.Compact(t.Parents)
	}
	return err
}

// sequenceList adds MariaDB's sequences. Their value is the first that is not in any session's cache.
func sequenceList(ctx context.Context, q querier, database string, s *schema.Schema) error {
	names, err := texts(ctx, q, `SELECT TABLE_NAME FROM information_schema.TABLES
		WHERE TABLE_SCHEMA = ? AND TABLE_TYPE = 'SEQUENCE'`, database)
	if err != nil {
		return err
	}
	for _, name := range names {
		sequence := schema.Sequence{Name: schema.Name{Table: name}}
		err := q.QueryRowContext(ctx, "SELECT next_not_cached_value FROM "+ident(database)+"."+ident(name)).Scan(&sequence.Value)
		if err != nil {
			return fmt.Errorf("sequence %s: %w", name, err)
		}
		s.Sequences = append(s.Sequences, sequence)
	}
	return nil
}
