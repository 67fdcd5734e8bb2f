package mysql

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"

	driver "github.com/go-sql-driver/mysql"
)

// reader is one connection of a view, below database/sql, whose pool has no place for what it does.
type reader struct {
	conn sqldriver.Conn
	net  net.Conn // what the driver speaks through; nil where that is encrypted
}

// dial connects a reader to a database.
func (s *Server) dial(ctx context.Context, database string) (*reader, error) {
	cfg, err := config(s.url)
	if err != nil {
		return nil, err
	}
	cfg.DBName = database
	cfg.Params = maps.Clone(ownSettings(s.traits.Family))
	r := &reader{}
	if cfg.TLS == nil && (cfg.TLSConfig == "" || cfg.TLSConfig == "false") {
		cfg.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			var err error
			r.net, err = (&net.Dialer{}).DialContext(ctx, network, address)
			return r.net, err
		}
	}
	connector, err := driver.NewConnector(cfg)
	if err == nil {
		r.conn, err = connector.Connect(ctx)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// exec runs a statement.
func (r *reader) exec(ctx context.Context, statement string) error {
	conn, ok := r.conn.(sqldriver.ExecerContext)
	if !ok {
		return fmt.Errorf("the driver's connection is a %T", r.conn)
	}
	_, err := conn.ExecContext(ctx, statement, nil)
	return err
}

// query runs a query and calls each for every row; the cells are good until it returns.
// After an error the connection is of no use.
func (r *reader) query(ctx context.Context, query string, each func(cells []sqldriver.Value) error) error {
	conn, ok := r.conn.(sqldriver.QueryerContext)
	if !ok {
		return fmt.Errorf("the driver's connection is a %T", r.conn)
	}
	rows, err := conn.QueryContext(ctx, query, nil)
	if err != nil {
		return err
	}
	cells := make([]sqldriver.Value, len(rows.Columns()))
	for n := 1; ; n++ {
		if err := rows.Next(cells); errors.Is(err, io.EOF) {
			return rows.Close()
		} else if err != nil {
			return err
		}
		if err := each(cells); err != nil {
			return err
		}
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// close ends the connection, whatever state it is in.
func (r *reader) close() error {
	if r.net != nil {
		// Rows may be in flight: then the driver's goodbye would wait for a server that waits for us.
		if err := r.net.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		_ = r.conn.Close() // it can only say that the connection is closed
		return nil
	}
	err := r.conn.Close()
	if errors.Is(err, sqldriver.ErrBadConn) || errors.Is(err, driver.ErrInvalidConn) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
