package migration

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"mulligan/engine"
)

// AnyRows is a [Write] that may touch any number of rows.
const AnyRows = -1

// Write is one statement on a ledger that is still to be run.
type Write struct {
	SQL  string // with the family's placeholders
	Args []any
	Rows int64 // how many rows it must touch; [AnyRows] = any number
}

// Expr is a [Cell]'s value that is an expression of SQL, such as CURRENT_TIMESTAMP. It must not come from outside.
type Expr string

// Text is the statement with its arguments in place, for people and for a client of the server's own.
func (w Write) Text(f engine.Family) string {
	var b strings.Builder
	rest := w.SQL
	for i, arg := range w.Args {
		place := f.Placeholder(i + 1)
		at := unquoted(rest, place)
		if at < 0 {
			break
		}
		b.WriteString(rest[:at])
		b.WriteString(literal(f, arg))
		rest = rest[at+len(place):]
	}
	return b.String() + rest
}

// unquoted finds the first place that is in no quotes; -1 = there is none.
func unquoted(text, place string) int {
	var quote byte
	for i := range len(text) {
		switch c := text[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"' || c == '`':
			quote = c
		case strings.HasPrefix(text[i:], place):
			return i
		}
	}
	return -1
}

func literal(f engine.Family, arg any) string {
	switch v := arg.(type) {
	case nil:
		return "NULL"
	case bool:
		if f == engine.SQLite {
			return map[bool]string{true: "1", false: "0"}[v]
		}
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case time.Time:
		return f.Literal(v.Format("2006-01-02 15:04:05.999999"))
	case []byte:
		if f == engine.Postgres {
			return `'\x` + hex.EncodeToString(v) + `'`
		}
		return "x'" + hex.EncodeToString(v) + "'"
	default:
		return f.Literal(fmt.Sprint(v))
	}
}

// Execute runs writes in their order. One that touches another number of rows than it must is an error.
func Execute(ctx context.Context, q engine.Querier, writes []Write) error {
	for _, w := range writes {
		result, err := q.ExecContext(ctx, w.SQL, w.Args...)
		if err != nil {
			return fmt.Errorf("write the ledger (%s): %w", w.Text(q.Family()), err)
		}
		if w.Rows == AnyRows {
			continue
		}
		if n, err := result.RowsAffected(); err == nil && n != w.Rows {
			return fmt.Errorf("write the ledger (%s): it touched %d rows, not %d", w.Text(q.Family()), n, w.Rows)
		}
	}
	return nil
}

// Insert records one migration: [Ledger.Mark], done. Errors: [ErrRecorded], [ErrMarksAll], [ErrNoLedger].
func Insert(ctx context.Context, q engine.Querier, l Ledger, m Migration, files []Migration) error {
	writes, err := l.Mark(ctx, q, []Migration{m}, files)
	if err != nil {
		return err
	}
	return Execute(ctx, q, writes)
}

// Delete takes the record of one migration away: [Ledger.Unmark], done. Errors: [ErrMarksAll], [ErrNoLedger].
func Delete(ctx context.Context, q engine.Querier, l Ledger, m Migration, files []Migration) error {
	writes, err := l.Unmark(ctx, q, []Migration{m}, files)
	if err != nil {
		return err
	}
	return Execute(ctx, q, writes)
}
