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

// Read reads on and counts.
func (s *source) Read(p []byte) (int, error) {
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if n > 0 {
		s.lines += int64(bytes.Count(p[:n], []byte{'\n'}))
		s.last = p[n-1]
		if s.enums != nil {
			s.countEmptyEnums(p[:n])
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
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
