package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"mulligan/engine"
)

// Script implements [engine.Session]. The text goes to the server in one message, as migration tools send it: it is
// one transaction, unless it holds its own BEGIN and COMMIT. PostgreSQL manual, "Multiple
// Statements in a Simple Query".
//
// What pg_dump writes works too: rows after a line "COPY … FROM stdin;" are copied in, \restrict and \unrestrict
// are left out, and \connect is refused. Such lines cut the text, and each piece is a transaction of its own.
func (s *session) Script(ctx context.Context, text string) error {
	pieces, err := cut(text)
	if err != nil {
		return err
	}
	return s.conn.Raw(func(c any) error {
		for _, p := range pieces {
			if err := p.run(ctx, c.(*stdlib.Conn).Conn().PgConn()); err != nil {
				return err
			}
		}
		return nil
	})
}

// piece is a part of a script: statements, or one COPY with its rows.
type piece struct {
	text   string
	offset int
	rows   string
	copies bool
}

// cut cuts a script at the lines that only psql understands.
func cut(text string) ([]piece, error) {
	var list []piece
	start := 0 // of the statements that are not in the list yet
	for at := 0; at < len(text); {
		line, _, _ := strings.Cut(text[at:], "\n")
		next := min(at+len(line)+1, len(text))
		bare := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, `\connect `):
			return nil, &engine.ScriptError{Offset: at, Err: errors.New(`\connect leads to another database: a script runs in one`)}
		case strings.HasPrefix(line, `\restrict `), strings.HasPrefix(line, `\unrestrict `):
			list = append(list, piece{text: text[start:at], offset: start})
			start = next
		case strings.HasPrefix(line, "COPY ") && strings.HasSuffix(bare, " FROM stdin;"):
			n, after := endOfRows(text[next:])
			if n < 0 {
				return nil, &engine.ScriptError{Offset: at, Err: errors.New(`the rows of the COPY have no line \. at their end`)}
			}
			list = append(list, piece{text: text[start:at], offset: start},
				piece{text: bare, offset: at, rows: text[next : next+n], copies: true})
			next += after
			start = next
		}
		at = next
	}
	return append(list, piece{text: text[start:], offset: start}), nil
}

// endOfRows finds the line \. that ends a COPY's rows: where it begins, -1 = nowhere, and where the next line does.
func endOfRows(text string) (at, next int) {
	for line := range strings.Lines(text) {
		if strings.TrimRight(line, "\r\n") == `\.` {
			return at, at + len(line)
		}
		at += len(line)
	}
	return -1, -1
}

func (p piece) run(ctx context.Context, c *pgconn.PgConn) error {
	err := p.send(ctx, c)
	if err == nil {
		return nil
	}
	var server *pgconn.PgError
	offset := p.offset
	switch {
	case errors.As(err, &server) && server.Position > 0:
		offset += byteOffset(p.text, int(server.Position))
	case !p.copies:
		return mapped(ctx, err) // it may be any of the statements
	}
	return &engine.ScriptError{Offset: offset, Err: mapped(ctx, err)}
}

func (p piece) send(ctx context.Context, c *pgconn.PgConn) error {
	if p.copies {
		if _, err := c.CopyFrom(ctx, strings.NewReader(p.rows), p.text); err != nil {
			return fmt.Errorf("copy rows: %w", err)
		}
		return nil
	}
	if strings.TrimSpace(p.text) == "" {
		return nil
	}
	results := c.Exec(ctx, p.text)
	for results.NextResult() {
		if _, err := results.ResultReader().Close(); err != nil {
			break // Close says it again
		}
	}
	return results.Close()
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
