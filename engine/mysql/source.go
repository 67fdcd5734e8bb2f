package mysql

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"mulligan/schema"
)

// source is a reader of rows that keeps its own first error and counts what went through it.
type source struct {
	ctx   context.Context // ends the reading; a source lives no longer than one Load
	r     io.Reader
	err   error // the reader's own; nil where it ended well
	lines int64
	last  byte // the last byte that went through
	held  bool // a backslash was read whose second byte is yet to come

	enums  []bool // which cells are of an ENUM that has no empty member; nil = none
	empty  int64  // how many of those were empty since takeEmptyEnums
	column int    // the cell that the next byte belongs to
	start  bool   // the next byte begins a cell
}

func newSource(ctx context.Context, r io.Reader, kinds []schema.Column) *source {
	s := &source{ctx: ctx, r: r, last: '\n', start: true}
	for i, c := range kinds {
		if formOf(c) == formEnum && !hasEmptyMember(c.Type) {
			if s.enums == nil {
				s.enums = make([]bool, len(kinds))
			}
			s.enums[i] = true
		}
	}
	return s
}

// hasEmptyMember tells whether an ENUM's type, as enum('a','it”s'), lists the empty text.
func hasEmptyMember(columnType string) bool {
	rest := columnType
	for {
		i := strings.IndexByte(rest, '\'')
		if i < 0 {
			return false
		}
		n := quotedLength(rest[i:])
		if n == 2 {
			return true
		}
		rest = rest[i+n:]
	}
}

// Read reads on, counts, and puts the two escapes that LOAD DATA does not know, \v and \f, as the bytes they mean.
func (s *source) Read(p []byte) (int, error) {
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	if s.err != nil {
		return 0, s.err
	}
	lead := 0
	if s.held {
		p[0], lead = '\\', 1
	}
	n, err := s.r.Read(p[lead:])
	if n > 0 {
		s.held = false
		var fault error
		if n, fault = s.plain(p[:lead+n]); fault != nil {
			s.err = fault
			return 0, fault
		}
		s.count(p[:n])
	}
	if errors.Is(err, io.EOF) && s.held {
		err = errors.New("the last row is cut: it ends in a backslash")
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// plain checks the escapes in p, writes those that LOAD DATA lacks as plain bytes, and returns what is left of p's
// length. A backslash at the end is held back.
func (s *source) plain(p []byte) (int, error) {
	out, rest := p[:0], p
	for {
		i := bytes.IndexByte(rest, '\\')
		if i < 0 {
			return len(out) + copy(p[len(out):], rest), nil
		}
		if i+1 == len(rest) {
			s.held = true
			return len(out) + copy(p[len(out):], rest[:i]), nil
		}
		switch rest[i+1] {
		case '\\', 'b', 'n', 'r', 't', 'N':
			out = append(out, rest[:i+2]...)
		case 'f':
			out = append(append(out, rest[:i]...), '\f')
		case 'v':
			out = append(append(out, rest[:i]...), '\v')
		default:
			return 0, fmt.Errorf("row %d: unknown escape \\%c", s.lines+1, rest[i+1])
		}
		rest = rest[i+2:]
	}
}

// count looks at what goes through.
func (s *source) count(p []byte) {
	if len(p) == 0 {
		return
	}
	s.lines += int64(bytes.Count(p, []byte{'\n'}))
	s.last = p[len(p)-1]
	if s.enums != nil {
		s.countEmptyEnums(p)
	}
}

// countEmptyEnums looks for cells that end where they begin. Tabs and line feeds inside values are escaped.
func (s *source) countEmptyEnums(p []byte) {
	for _, c := range p {
		if c != '\t' && c != '\n' {
			s.start = false
			continue
		}
		if s.start && s.column < len(s.enums) && s.enums[s.column] {
			s.empty++
		}
		s.start = true
		s.column++
		if c == '\n' {
			s.column = 0
		}
	}
}

// takeEmptyEnums gives the count of empty ENUM cells since it was last called.
func (s *source) takeEmptyEnums() int64 {
	n := s.empty
	s.empty = 0
	return n
}

// complete checks that the server took every line, and the last one was whole.
func (s *source) complete(n int64) error {
	if s.last != '\n' {
		return errors.New("the last row is cut: it has no line feed")
	}
	if n != s.lines {
		return fmt.Errorf("the server took %d of %d rows", n, s.lines)
	}
	return nil
}
