package postgres

import (
	"context"
	"errors"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"mulligan/engine"
)

// Script implements [engine.Session]. The text goes to the server in one message, as migration tools send it: it is
// one transaction, unless it holds its own BEGIN and COMMIT. PostgreSQL manual, "Multiple
// Statements in a Simple Query".
func (s *session) Script(ctx context.Context, text string) error {
	err := s.conn.Raw(func(c any) error {
		results := c.(*stdlib.Conn).Conn().PgConn().Exec(ctx, text)
		for results.NextResult() {
			if _, err := results.ResultReader().Close(); err != nil {
				break // Close says it again
			}
		}
		return results.Close()
	})
	var server *pgconn.PgError
	if errors.As(err, &server) && server.Position > 0 {
		return &engine.ScriptError{Offset: byteOffset(text, int(server.Position)), Err: mapped(ctx, err)}
	}
	return mapped(ctx, err)
}

// byteOffset turns the server's position, a count of characters from 1, into an offset.
func byteOffset(text string, position int) int {
	at := 0
	for range position - 1 {
		_, n := utf8.DecodeRuneInString(text[at:])
		at += n
	}
	return at
}
