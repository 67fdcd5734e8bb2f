package mysql

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"net"

	driver "github.com/go-sql-driver/mysql"

	"mulligan/engine"
)

// mapped puts the port's sentinel before a server's error. Numbers decide, never words: messages
// are in the server's language (MySQL manual, "Server Error Message Reference").
func mapped(err error) error {
	if err == nil {
		return nil
	}
	for _, known := range []error{engine.ErrNotExist, engine.ErrExist, engine.ErrInUse, engine.ErrDenied, engine.ErrNoServer} {
		if errors.Is(err, known) {
			return err
		}
	}
	if dial := (*net.OpError)(nil); errors.As(err, &dial) && dial.Op == "dial" {
		return fmt.Errorf("%w: %w", engine.ErrNoServer, err)
	}
	switch number(err) {
	case 1044, 1045, 1130, 1142, 1143, 1227, 1370, 1410, 1419, 1698, 1820, 1862, 3118, 3879, 4151:
		return fmt.Errorf("%w: %w", engine.ErrDenied, err)
	case 1008, 1049:
		return fmt.Errorf("%w: %w", engine.ErrNotExist, err)
	case 1007:
		return fmt.Errorf("%w: %w", engine.ErrExist, err)
	}
	return err
}

// inUse maps the end of a wait for a metadata lock to ErrInUse.
func inUse(err error) error {
	if n := number(err); n == 1205 || n == 3572 {
		return fmt.Errorf("%w: %w", engine.ErrInUse, err)
	}
	return err
}

// number is the server's number of an error; 0 = it is none of the server's.
func number(err error) uint16 {
	if server := (*driver.MySQLError)(nil); errors.As(err, &server) {
		return server.Number
	}
	return 0
}

// ident quotes an identifier.
func ident(name string) string { return engine.MySQL.Ident(name) }

// literal quotes a text.
func literal(text string) string { return engine.MySQL.Literal(text) }

// discard ends a connection whose session is not as it was: it must not go back to its pool.
func discard(conn *sql.Conn) error {
	err := conn.Raw(func(any) error { return sqldriver.ErrBadConn })
	if errors.Is(err, sqldriver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) {
		err = nil
	}
	if closed := conn.Close(); err == nil && !errors.Is(closed, sql.ErrConnDone) {
		err = closed
	}
	return err
}

// eachRow calls f on every row, and closes rows.
func eachRow(rows *sql.Rows, f func() error) error {
	for rows.Next() {
		if err := f(); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

// querier runs queries: a pool or a connection.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// texts reads the first column of a query.
func texts(ctx context.Context, q querier, query string, args ...any) ([]string, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	var list []string
	err = eachRow(rows, func() error {
		var text string
		err := rows.Scan(&text)
		list = append(list, text)
		return err
	})
	return list, err
}

// named reads every row of a query as a map from column to text; NULL is left out.
// For SHOW statements, whose columns differ between servers.
func named(ctx context.Context, q querier, query string, args ...any) ([]map[string]string, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	columns, err := rows.Columns()
	if err != nil {
		return nil, errors.Join(err, rows.Close())
	}
	cells := make([]sql.NullString, len(columns))
	places := make([]any, len(columns))
	for i := range cells {
		places[i] = &cells[i]
	}
	var list []map[string]string
	err = eachRow(rows, func() error {
		if err := rows.Scan(places...); err != nil {
			return err
		}
		row := make(map[string]string, len(columns))
		for i, c := range cells {
			if c.Valid {
				row[columns[i]] = c.String
			}
		}
		list = append(list, row)
		return nil
	})
	return list, err
}
