package restore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"mulligan/engine"
	"mulligan/schema"
	"mulligan/snapshot"
)

// refusedBytes is how large a chunk may be that is held in memory to look for the rows that the server refuses.
const refusedBytes = 64 << 20

// refusedTime is how long is looked for them.
const refusedTime = time.Minute

// nameRefused names the rows of a chunk for which the server refused it, by loading smaller and smaller parts. What it loads on
// the way is of no harm: the load has failed, and its database is thrown away or, where that was interrupted, read before it is used.
func (b *Build) nameRefused(ctx context.Context, loader rowLoader, p placement, c snapshot.Chunk, added []string, cause error) error {
	if ctx.Err() != nil || errors.Is(cause, engine.ErrNoServer) || errors.Is(cause, snapshot.ErrCorrupt) || c.RawBytes > refusedBytes {
		return cause
	}
	var text bytes.Buffer
	if _, err := b.chunk(ctx, p, c, added, func(rows io.Reader) error { _, err := text.ReadFrom(rows); return err }); err != nil {
		return cause
	}
	ctx, cancel := context.WithTimeout(ctx, refusedTime)
	defer cancel()
	s := &sieve{ctx: ctx, loader: loader, p: p, lines: bytes.SplitAfter(bytes.TrimSuffix(text.Bytes(), []byte("\n")), []byte("\n"))}
	if last := len(s.lines) - 1; last >= 0 {
		s.lines[last] = append(s.lines[last], '\n')
	}
	if !s.takes(nil) {
		return cause // it is nothing about rows: the server takes not even none
	}
	s.sift(0, len(s.lines))
	if len(s.refused) == 0 || !s.takes(nil) {
		return cause
	}
	return fmt.Errorf("%w: %w", s.fault(), cause)
}

// sieve finds the lines that a loader refuses.
type sieve struct {
	ctx     context.Context
	loader  rowLoader
	p       placement
	lines   [][]byte
	refused []int
	more    bool // not all were looked at
}

func (s *sieve) takes(lines [][]byte) bool {
	_, err := s.loader.Load(s.ctx, s.p.to, s.p.columns, bytes.NewReader(bytes.Join(lines, nil)))
	return err == nil
}

// sift loads the lines from and before two numbers, in parts where that does not go.
func (s *sieve) sift(from, to int) {
	if from == to {
		return
	}
	if len(s.refused) == engine.MaxKeys {
		s.more = true
		return
	}
	if s.takes(s.lines[from:to]) || s.ctx.Err() != nil {
		return
	}
	if to-from == 1 {
		s.refused = append(s.refused, from)
		return
	}
	middle := (from + to) / 2
	s.sift(from, middle)
	s.sift(middle, to)
}

func (s *sieve) fault() *engine.RowsError {
	e := &engine.RowsError{Constraint: "load", Table: s.p.to.Name, Fault: "that the server refuses", Rows: int64(len(s.refused)), Columns: s.p.to.Key}
	if s.more {
		e.Fault += " (and perhaps more)"
	}
	places := keyPlaces(s.p.to, s.p.columns)
	if places == nil {
		e.Columns = []string{"line of the chunk"}
	}
	for _, i := range s.refused {
		if places == nil {
			e.Keys = append(e.Keys, []string{strconv.Itoa(i + 1)})
			continue
		}
		cells := bytes.Split(bytes.TrimSuffix(s.lines[i], []byte("\n")), []byte("\t"))
		var key []string
		for _, k := range places {
			key = append(key, shownCell(cells[k]))
		}
		e.Keys = append(e.Keys, key)
	}
	return e
}

// keyPlaces says which of the columns are the table's key; nil = it has none, or not all of it is among them.
func keyPlaces(t *schema.Table, columns []string) []int {
	var places []int
	for _, name := range t.Key {
		for i, c := range columns {
			if c == name {
				places = append(places, i)
			}
		}
	}
	if len(places) != len(t.Key) {
		return nil
	}
	return places
}

// shownCell is a cell without its escapes (docs/format.md, "Rows").
func shownCell(cell []byte) string {
	if string(cell) == `\N` {
		return "NULL"
	}
	var b bytes.Buffer
	for i := 0; i < len(cell); i++ {
		c := cell[i]
		if c == '\\' && i+1 < len(cell) {
			i++
			switch c = cell[i]; c {
			case 't':
				c = '\t'
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			}
		}
		b.WriteByte(c)
	}
	return b.String()
}
