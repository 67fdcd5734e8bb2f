package mysql

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"

	"mulligan/schema"
)

// insertSize is about how large an INSERT statement gets, in bytes.
const insertSize = 512 << 10

// insert loads the source by INSERT statements of many rows. IGNORE makes a warning of each fault,
// as LOAD DATA LOCAL does, and any warning is then an error.
func (l *Loader) insert(ctx context.Context, conn *sql.Conn, t *schema.Table, kinds []schema.Column, source *source) (int64, error) {
	names := make([]string, len(kinds))
	for i, c := range kinds {
		names[i] = ident(c.Name)
	}
	head := "INSERT IGNORE INTO " + ident(t.Name.Table) + " (" + strings.Join(names, ", ") + ") VALUES "
	limit := min(insertSize, l.packet/2)
	lines := bufio.NewReaderSize(source, flushSize)
	statement, total := []byte(head), int64(0)
	send := func() error {
		if len(statement) == len(head) {
			return nil
		}
		result, err := conn.ExecContext(ctx, string(statement))
		if err == nil {
			err = checkWarnings(ctx, conn, source)
		}
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		total += n
		statement = statement[:len(head)]
		return err
	}
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			line = append([]byte(nil), line...)
			var rest []byte
			rest, err = lines.ReadBytes('\n')
			line = append(line, rest...)
		}
		if errors.Is(err, io.EOF) {
			return total, send()
		}
		if err != nil {
			return total, err
		}
		if len(statement) > len(head) {
			statement = append(statement, ',')
		}
		if statement, err = appendValues(statement, line[:len(line)-1], kinds); err != nil {
			return total, fmt.Errorf("row %d: %w", total+1, err)
		}
		if len(statement) >= limit {
			if err := send(); err != nil {
				return total, err
			}
		}
	}
}

// appendValues writes a line as a list of SQL values.
func appendValues(b, line []byte, kinds []schema.Column) ([]byte, error) {
	b = append(b, '(')
	rest, more := line, len(kinds) > 0
	for i, c := range kinds {
		if !more {
			return nil, fmt.Errorf("%d cells, want %d", i, len(kinds))
		}
		var cell []byte
		cell, rest, more = cutCell(rest)
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendValue(b, cell, formOf(c)); err != nil {
			return nil, fmt.Errorf("column %s: %w", c.Name, err)
		}
	}
	if more || len(kinds) == 0 && len(line) > 0 {
		return nil, fmt.Errorf("more than %d cells", len(kinds))
	}
	return append(b, ')'), nil
}

func cutCell(line []byte) (cell, rest []byte, more bool) {
	for i, c := range line {
		if c == '\t' {
			return line[:i], line[i+1:], true
		}
	}
	return line, nil, false
}

// appendValue writes a cell as a literal of SQL. The escapes that a [source] lets through mean the
// same in a string literal; only quotes are added.
func appendValue(b, cell []byte, f form) ([]byte, error) {
	if string(cell) == `\N` {
		return append(b, "NULL"...), nil
	}
	if f == formBinary {
		digits, ok := strings.CutPrefix(string(cell), `\\x`)
		if !ok || len(digits)%2 != 0 || strings.Trim(digits, "0123456789abcdefABCDEF") != "" {
			return nil, errors.New("a binary value is not hexadecimal")
		}
		return append(append(append(b, "x'"...), digits...), '\''), nil
	}
	b = append(b, '\'')
	for i := 0; i < len(cell); i++ {
		switch c := cell[i]; c {
		case '\'':
			b = append(b, '\'', '\'')
		case '\\':
			if i++; i == len(cell) {
				return nil, errors.New("a cell ends in a backslash")
			}
			switch cell[i] {
			case '\\', 'b', 'n', 'r', 't':
				b = append(b, '\\', cell[i])
			default:
				return nil, fmt.Errorf("unknown escape \\%c", cell[i])
			}
		default:
			b = append(b, c)
		}
	}
	return append(b, '\''), nil
}
