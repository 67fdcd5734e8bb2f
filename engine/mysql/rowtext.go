package mysql

import (
	sqldriver "database/sql/driver"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"strconv"
)

// flushSize is how much text is gathered before it is written on.
const flushSize = 64 << 10

// rowWriter writes rows in COPY text form, with the escapes that PostgreSQL writes.
type rowWriter struct {
	w    io.Writer
	buf  []byte
	rows int64
}

// flush writes on what was gathered.
func (r *rowWriter) flush() error {
	if len(r.buf) == 0 {
		return nil
	}
	_, err := r.w.Write(r.buf)
	r.buf = r.buf[:0]
	return err
}

// row adds one row. Only a cell larger than flushSize is held beside the driver's own copy of the row,
// and of it only a piece at a time.
func (r *rowWriter) row(cells []sqldriver.Value, forms []form) error {
	for i, cell := range cells {
		if i > 0 {
			r.buf = append(r.buf, '\t')
		}
		if err := r.cell(cell, forms[i]); err != nil {
			return err
		}
	}
	r.buf = append(r.buf, '\n')
	r.rows++
	if len(r.buf) >= flushSize {
		return r.flush()
	}
	return nil
}

func (r *rowWriter) cell(cell sqldriver.Value, f form) error {
	switch v := cell.(type) {
	case nil:
		r.buf = append(r.buf, '\\', 'N')
	case []byte:
		if f == formBinary {
			return r.binary(v)
		}
		return r.text(v)
	case int64:
		r.buf = strconv.AppendInt(r.buf, v, 10)
	case uint64:
		r.buf = strconv.AppendUint(r.buf, v, 10)
	case float64:
		r.buf = appendFloat(r.buf, v)
	default:
		return fmt.Errorf("the driver gave a %T", cell)
	}
	return nil
}

// appendFloat writes the shortest text that reads back as v.
func appendFloat(buf []byte, v float64) []byte {
	if v == 0 && math.Signbit(v) {
		return append(buf, '-', '0')
	}
	return strconv.AppendFloat(buf, v, 'g', -1, 64)
}

func (r *rowWriter) binary(v []byte) error {
	r.buf = append(r.buf, '\\', '\\', 'x')
	for len(v) > flushSize/2 {
		r.buf = hex.AppendEncode(r.buf, v[:flushSize/2])
		v = v[flushSize/2:]
		if err := r.flush(); err != nil {
			return err
		}
	}
	r.buf = hex.AppendEncode(r.buf, v)
	return nil
}

func (r *rowWriter) text(v []byte) error {
	for len(v) > flushSize {
		r.buf = appendEscaped(r.buf, v[:flushSize])
		v = v[flushSize:]
		if err := r.flush(); err != nil {
			return err
		}
	}
	r.buf = appendEscaped(r.buf, v)
	return nil
}

// appendEscaped copies runs of plain bytes at once. UTF-8 has none of these inside a longer character.
func appendEscaped(buf, v []byte) []byte {
	start := 0
	for i, c := range v {
		if c > '\r' && c != '\\' {
			continue
		}
		var letter byte
		switch c {
		case '\\':
			letter = '\\'
		case '\t':
			letter = 't'
		case '\n':
			letter = 'n'
		case '\b':
			letter = 'b'
		case '\v':
			letter = 'v'
		case '\f':
			letter = 'f'
		case '\r':
			letter = 'r'
		default:
			continue
		}
		buf = append(buf, v[start:i]...)
		buf = append(buf, '\\', letter)
		start = i + 1
	}
	return append(buf, v[start:]...)
}
