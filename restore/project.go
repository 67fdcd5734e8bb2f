package restore

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// projector rewrites lines in COPY text form: it keeps some cells, in order, and adds others at the end.
// It is a reader, so that rows stream through; one line at a time is held, in pieces.
type projector struct {
	in    *bufio.Reader
	keep  []bool // by cell of the input
	added []byte // what follows the last kept cell: cells with their leading tabs
	cell  int    // of the input, that the next byte belongs to
	open  bool   // a piece of this cell was read
	wrote bool   // a cell of this line was written
	out   bytes.Buffer
	err   error
}

// project makes a projector. cells is how many cells each line has, keep lists those that stay
// (nil = all), added are whole cells in their escaped form.
func project(r io.Reader, cells int, keep []int, added []string) io.Reader {
	p := &projector{in: bufio.NewReaderSize(r, 64<<10), keep: make([]bool, cells)}
	for i := range cells {
		p.keep[i] = keep == nil
	}
	for _, i := range keep {
		p.keep[i] = true
	}
	for _, a := range added {
		p.added = append(append(p.added, '\t'), a...)
	}
	return p
}

// Read gives rewritten bytes.
func (p *projector) Read(b []byte) (int, error) {
	for p.out.Len() == 0 && p.err == nil {
		p.fill()
	}
	if p.out.Len() > 0 {
		return p.out.Read(b)
	}
	return 0, p.err
}

// fill takes one piece of input: up to a tab, the end of a line, or the end of the buffer.
// A tab or a line feed inside a cell is escaped, so a bare one always ends a cell.
func (p *projector) fill() {
	if _, err := p.in.Peek(1); err != nil {
		p.end(err)
		return
	}
	piece, _ := p.in.Peek(p.in.Buffered()) // what is buffered can be had without a read, so without an error
	i := bytes.IndexAny(piece, "\t\n")
	body := piece
	if i >= 0 {
		body = piece[:i]
	}
	if p.cell >= len(p.keep) {
		p.err = fmt.Errorf("a row has more than %d cells", len(p.keep))
		return
	}
	if p.keep[p.cell] {
		p.begin()
		p.out.Write(body)
	}
	p.open = i < 0
	if p.open {
		p.discard(len(piece))
		return
	}
	if p.keep[p.cell] {
		p.wrote = true
	}
	p.cell++
	if piece[i] == '\n' {
		p.line()
	}
	p.discard(i + 1)
}

// begin writes the tab before a cell's first piece.
func (p *projector) begin() {
	if p.wrote {
		p.out.WriteByte('\t')
		p.wrote = false
	}
}

func (p *projector) line() {
	if p.cell != len(p.keep) {
		p.err = fmt.Errorf("a row has %d cells in place of %d", p.cell, len(p.keep))
		return
	}
	added := p.added
	if !p.wrote && len(added) > 0 {
		added = added[1:]
	}
	p.out.Write(added)
	p.out.WriteByte('\n')
	p.cell, p.wrote = 0, false
}

func (p *projector) discard(n int) {
	if _, err := p.in.Discard(n); err != nil && p.err == nil {
		p.err = err
	}
}

func (p *projector) end(err error) {
	p.err = err
	if errors.Is(err, io.EOF) && (p.cell != 0 || p.open) {
		p.err = io.ErrUnexpectedEOF
	}
}

// cellText is the escaped form of one value.
func cellText(value string, null bool) string {
	if null {
		return `\N`
	}
	var b bytes.Buffer
	for i := range len(value) {
		switch c := value[i]; c {
		case '\\':
			b.WriteString(`\\`)
		case '\t':
			b.WriteString(`\t`)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
