package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"mulligan/engine"
	"mulligan/schema"
)

// Finish puts the indexes back, checks the foreign keys by query, sets the counters, puts the triggers back, and ends the loader.
func (l *Loader) Finish(ctx context.Context, sequences []schema.Sequence) error {
	l.mu.Lock()
	closed := l.closed
	var broken []string
	for name, bad := range l.broken {
		if bad {
			broken = append(broken, name)
		}
	}
	l.mu.Unlock()
	if closed {
		return errors.New("finish the load: the loader is closed")
	}
	if len(broken) > 0 {
		slices.Sort(broken)
		return fmt.Errorf("finish the load: tables %s hold a part of a load that failed, and have no transactions", strings.Join(broken, ", "))
	}
	err := l.putIndexes(ctx)
	if err == nil {
		err = l.checkForeignKeys(ctx)
	}
	if err == nil {
		err = l.setSequences(ctx, sequences)
	}
	if err == nil {
		err = l.dropTriggers(ctx) // of a Finish that failed
	}
	if err == nil {
		err = makeCodes(ctx, l.pool, l.state.codes())
	}
	if err != nil {
		return fmt.Errorf("finish the load of database %s: %w", l.db.name, mapped(err))
	}
	return l.Close()
}

// foreignKey is one foreign key. Databases are named, since either side can be in another.
type foreignKey struct {
	name                        string
	childDatabase, child        string
	parentDatabase, parent      string
	childColumns, parentColumns []string
}

// foreignKeys lists the foreign keys that go out of or into a database.
func foreignKeys(ctx context.Context, q querier, database string) ([]foreignKey, error) {
	rows, err := q.QueryContext(ctx, `SELECT CONSTRAINT_NAME, TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME,
			REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME
		FROM information_schema.KEY_COLUMN_USAGE
		WHERE REFERENCED_TABLE_NAME IS NOT NULL AND (TABLE_SCHEMA = ? OR REFERENCED_TABLE_SCHEMA = ?)
		ORDER BY TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION`, database, database)
	if err != nil {
		return nil, fmt.Errorf("list foreign keys: %w", err)
	}
	var list []foreignKey
	err = eachRow(rows, func() error {
		var k foreignKey
		var childColumn, parentColumn string
		if err := rows.Scan(&k.name, &k.childDatabase, &k.child, &childColumn, &k.parentDatabase, &k.parent, &parentColumn); err != nil {
			return err
		}
		if n := len(list); n == 0 || list[n-1].name != k.name || list[n-1].child != k.child || list[n-1].childDatabase != k.childDatabase {
			list = append(list, k)
		}
		last := &list[len(list)-1]
		last.childColumns = append(last.childColumns, childColumn)
		last.parentColumns = append(last.parentColumns, parentColumn)
		return nil
	})
	return list, err
}

// checkForeignKeys finds, for each foreign key that touches the tables, the children without a
// parent. A child with a NULL among its columns needs none (MATCH SIMPLE, the only kind there is).
func (l *Loader) checkForeignKeys(ctx context.Context) error {
	keys, err := foreignKeys(ctx, l.pool, l.db.name)
	if err != nil {
		return err
	}
	touched := func(database, table string) bool {
		return database == l.db.name && slices.ContainsFunc(l.tables, func(t *schema.Table) bool { return t.Name.Table == table })
	}
	var faults []error
	for _, k := range keys {
		if !touched(k.childDatabase, k.child) && !touched(k.parentDatabase, k.parent) {
			continue
		}
		found, err := orphans(ctx, l.pool, k)
		if err != nil {
			return fmt.Errorf("check foreign key %s of table %s: %w", k.name, k.child, err)
		}
		if found != nil {
			faults = append(faults, found)
		}
	}
	return errors.Join(faults...)
}

// setSequences sets auto-increment counters and MariaDB's sequences to the next value to give out.
// A counter that is right already is left alone: ALTER TABLE costs some milliseconds each.
func (l *Loader) setSequences(ctx context.Context, sequences []schema.Sequence) error {
	now, err := readTables(ctx, l.pool, l.db.Family(), l.db.name)
	if err != nil {
		return err
	}
	for _, q := range sequences {
		next := q.Value
		if q.Called && next < math.MaxInt64 {
			next++
		}
		if slices.ContainsFunc(now.Sequences, func(have schema.Sequence) bool { return have.Name == q.Name && have.Value == next }) {
			continue
		}
		statement := "ALTER SEQUENCE " + ident(q.Name.Table) + " RESTART WITH "
		if q.Table != nil {
			statement = "ALTER TABLE " + ident(q.Table.Table) + " AUTO_INCREMENT = "
		}
		if _, err := l.pool.ExecContext(ctx, statement+strconv.FormatInt(next, 10)); err != nil {
			return fmt.Errorf("set sequence %s: %w", q.Name, err)
		}
	}
	return nil
}

// captureCodes reads definitions as bytes in the character set that each was written in: a session that has
// it as its character_set_client can send them back.
func captureCodes(ctx context.Context, pool *sql.DB, database string, list []code) ([]code, error) {
	if len(list) == 0 {
		return nil, nil
	}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	captured := make([]code, 0, len(list))
	_, err = conn.ExecContext(ctx, "USE "+ident(database))
	if err == nil {
		_, err = conn.ExecContext(ctx, "SET character_set_results = binary")
	}
	for _, c := range list {
		if err != nil {
			break
		}
		c, err = readCode(ctx, conn, database, c)
		captured = append(captured, c)
	}
	return captured, errors.Join(err, discard(conn))
}

// makeCodes makes captured objects again, in the current database of the pool's connections.
func makeCodes(ctx context.Context, pool *sql.DB, list []code) error {
	if len(list) == 0 {
		return nil
	}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	for _, c := range list {
		if err = makeCode(ctx, conn, c); err != nil {
			break
		}
	}
	return errors.Join(err, discard(conn))
}

// makeCode runs an object's definition under the settings that it was first made with.
func makeCode(ctx context.Context, q querier, c code) error {
	settings := "SET character_set_client = " + orElse(c.client, "utf8mb4") + ", collation_connection = " + orElse(c.collation, "utf8mb4_general_ci") +
		", sql_mode = " + engine.MySQL.Literal(c.sqlMode)
	if c.kind == "view" || c.kind == "sequence" {
		settings = strings.Replace(settings, "sql_mode = ''", "sql_mode = '"+loadMode+"'", 1)
	}
	if c.zone != "" {
		settings += ", time_zone = " + engine.MySQL.Literal(c.zone)
	}
	if c.created != "" {
		// The server drops an event at once whose time is in the past when it is made (note 1588).
		settings += ", timestamp = " + c.created
	}
	for _, statement := range []string{settings, c.text} {
		if _, err := q.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("make %s %s: %w", c.kind, c.name, err)
		}
	}
	return nil
}
