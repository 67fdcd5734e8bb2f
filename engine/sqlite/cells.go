package sqlite

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	sqldriver "database/sql/driver"
)

// class is a storage class that a column's affinity gives an unmarked cell.
type class byte

const (
	classText class = 't'
	classInt  class = 'i'
	classReal class = 'r'
)

// affinity is the class that a column of the declared type gives unmarked cells:
// SQLite's "Datatypes", section 3.1, with NUMERIC read as integer and BLOB as text.
func affinity(declared string) class {
	d := strings.ToUpper(declared)
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(d, p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("INT"):
		return classInt
	case has("CHAR", "CLOB", "TEXT"):
		return classText
	case has("BLOB") || d == "" || d == "ANY":
		return classText
	case has("REAL", "FLOA", "DOUB"):
		return classReal
	default:
		return classInt
	}
}

// writeCell writes one value as a cell of a COPY text line. Before escaping, a cell that begins with a backslash
// is marked: \x and hexadecimal digits is a blob, \i an integer, \r a real, \t a text. An unmarked cell
// has the class of its column. A text is marked where it could be misread, and one that is not UTF-8, which a
// line must be, is written as \u and the digits of its bytes.
func writeCell(w *bufio.Writer, v sqldriver.Value, c class) error {
	switch v := v.(type) {
	case nil:
		w.WriteString(`\N`)
	case int64:
		if c != classInt {
			w.WriteString(`\\i`)
		}
		var b [20]byte
		w.Write(strconv.AppendInt(b[:0], v, 10))
	case float64:
		if c != classReal {
			w.WriteString(`\\r`)
		}
		w.WriteString(formatReal(v))
	case []byte:
		w.WriteString(`\\x`)
		return writeHex(w, v)
	case string:
		if !utf8.ValidString(v) {
			w.WriteString(`\\u`)
			return writeHex(w, []byte(v))
		}
		if c != classText || strings.HasPrefix(v, `\`) {
			w.WriteString(`\\t`)
		}
		writeEscaped(w, v)
	default:
		return fmt.Errorf("value of type %T", v)
	}
	return nil // the writer keeps its first error and gives it with Flush
}

func writeHex(w *bufio.Writer, b []byte) error {
	_, err := hex.NewEncoder(w).Write(b)
	return err
}

// formatReal is the shortest text that gives the same number back.
func formatReal(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	default:
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
}

// writeEscaped escapes what PostgreSQL's COPY escapes on its way out.
func writeEscaped(w *bufio.Writer, s string) {
	start := 0
	for i := range len(s) {
		var letter byte
		switch s[i] {
		case '\\':
			letter = '\\'
		case '\b':
			letter = 'b'
		case '\f':
			letter = 'f'
		case '\n':
			letter = 'n'
		case '\r':
			letter = 'r'
		case '\t':
			letter = 't'
		case '\v':
			letter = 'v'
		default:
			continue
		}
		w.WriteString(s[start:i])
		w.WriteByte('\\')
		w.WriteByte(letter)
		start = i + 1
	}
	w.WriteString(s[start:])
}

// readCell is the value of one raw cell, as writeCell wrote it. A blob is decoded in place: it lies in
// raw, and holds until that changes.
func readCell(raw []byte, c class) (sqldriver.Value, error) {
	if string(raw) == `\N` {
		return nil, nil
	}
	cell, err := unescape(raw)
	if err != nil {
		return nil, err
	}
	if len(cell) == 0 || cell[0] != '\\' {
		return unmarked(cell, c)
	}
	if len(cell) < 2 {
		return nil, errors.New("a cell is a mark without its letter")
	}
	body := cell[2:]
	switch mark := cell[1]; mark {
	case 'x', 'u':
		if _, err := hex.Decode(body, body); err != nil { // it writes behind where it reads
			return nil, fmt.Errorf("a blob is not hexadecimal: %w", err)
		}
		b := body[:len(body)/2]
		if mark == 'u' {
			return string(b), nil
		}
		return b, nil
	case byte(classInt), byte(classReal), byte(classText):
		return unmarked(body, class(mark))
	default:
		return nil, fmt.Errorf("a cell has the unknown mark %q", cell[:2])
	}
}

func unmarked(cell []byte, c class) (sqldriver.Value, error) {
	switch c {
	case classInt:
		n, err := strconv.ParseInt(string(cell), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("integer %.40q cannot be read", cell)
		}
		return n, nil
	case classReal:
		f, err := strconv.ParseFloat(string(cell), 64)
		if err != nil || math.IsNaN(f) {
			return nil, fmt.Errorf("real %.40q cannot be read", cell)
		}
		return f, nil
	case classText:
	}
	if !utf8.Valid(cell) {
		return nil, fmt.Errorf("text %.40q is not UTF-8", cell)
	}
	return string(cell), nil
}

// unescape undoes writeEscaped in place.
func unescape(raw []byte) ([]byte, error) {
	out := raw[:0]
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			continue
		}
		i++
		if i == len(raw) {
			return nil, errors.New("a cell ends in a lone backslash")
		}
		letter := letterFor(raw[i])
		if letter == 0 {
			return nil, fmt.Errorf("a cell has the unknown escape %q", raw[i-1:i+1])
		}
		out = append(out, letter)
	}
	return out, nil
}

// letterFor is what a letter after a backslash stands for; 0 = PostgreSQL's COPY never writes it.
func letterFor(letter byte) byte {
	switch letter {
	case '\\':
		return '\\'
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'v':
		return '\v'
	default:
		return 0
	}
}

// lineReader reads lines of any length into one buffer.
type lineReader struct {
	r      *bufio.Reader
	line   []byte
	number int64
}

// next gives a line without its line feed, valid until the next call. A last line without one is
// io.ErrUnexpectedEOF: it may have been cut.
func (l *lineReader) next() ([]byte, error) {
	l.line = l.line[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		if need := len(l.line) + len(part); need > cap(l.line) {
			// Doubling leaves less behind than append, whose steps are smaller: it counts where a row has megabytes.
			l.line = append(make([]byte, 0, max(need, 2*cap(l.line))), l.line...)
		}
		l.line = append(l.line, part...)
		switch {
		case err == nil:
			l.number++
			return l.line[:len(l.line)-1], nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(l.line) > 0:
			return nil, fmt.Errorf("the last line has no line feed: %w", io.ErrUnexpectedEOF)
		default:
			return nil, err
		}
	}
}
