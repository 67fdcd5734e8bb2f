package mysql

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strconv"
	"time"

	driver "github.com/go-sql-driver/mysql"
)

// The driver makes a value of every cell and holds every row whole. A dump of a plain connection reads the rows of
// its one query from the connection itself: no cell is copied or allocated, and a row of any size takes
// no more memory than a small one. The form of the packets is fixed by the protocol (MySQL
// internals manual, "COM_QUERY Response", "Text Resultset Row"; MariaDB manual, "Result Set Packets").

// maxPacket is the length of a packet that the next one continues.
const maxPacket = 1<<24 - 1

var errPacket = errors.New("the server's answer cannot be understood")

// packets reads the packets of a server's answer as pieces of a fixed buffer.
type packets struct {
	r        io.Reader
	buf      []byte
	pos, end int  // what is read and not yet given out: buf[pos:end]
	left     int  // bytes of the packet that are not yet given out
	length   int  // of the packet's first part
	goesOn   bool // the packet has another part
}

// begin reads the header of the next packet. What is left of the one before must have been read.
func (p *packets) begin() error {
	if err := p.part(); err != nil {
		return err
	}
	p.length = p.left
	return nil
}

func (p *packets) part() error {
	var header [4]byte
	for i := range header {
		if p.pos == p.end {
			if err := p.fill(); err != nil {
				return err
			}
		}
		header[i] = p.buf[p.pos]
		p.pos++
	}
	p.left = int(header[0]) | int(header[1])<<8 | int(header[2])<<16
	p.goesOn = p.left == maxPacket
	return nil
}

func (p *packets) fill() error {
	n, err := p.r.Read(p.buf)
	p.pos, p.end = 0, n
	if n > 0 {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// piece gives out at least one and at most limit bytes of the packet. They are good until the next call.
func (p *packets) piece(limit int) ([]byte, error) {
	for p.left == 0 {
		if !p.goesOn {
			return nil, errPacket
		}
		if err := p.part(); err != nil {
			return nil, err
		}
	}
	if p.pos == p.end {
		if err := p.fill(); err != nil {
			return nil, err
		}
	}
	n := min(limit, p.left, p.end-p.pos)
	b := p.buf[p.pos : p.pos+n]
	p.pos += n
	p.left -= n
	return b, nil
}

// skip reads on to the packet's end. A packet whose length is a multiple of maxPacket ends in an empty part.
func (p *packets) skip() error {
	for p.left > 0 || p.goesOn {
		var err error
		if p.left == 0 {
			err = p.part()
		} else {
			_, err = p.piece(p.left)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// rest gives out what is left of a small packet.
func (p *packets) rest() ([]byte, error) {
	if p.goesOn || p.left > 1<<16 {
		return nil, errPacket
	}
	all := make([]byte, 0, p.left)
	for p.left > 0 {
		b, err := p.piece(p.left)
		if err != nil {
			return nil, err
		}
		all = append(all, b...)
	}
	return all, nil
}

// number reads an integer whose first byte, already read, tells how it is written.
func (p *packets) number(first byte) (int64, error) {
	size := 0
	switch {
	case first < 0xfb:
		return int64(first), nil
	case first == 0xfc:
		size = 2
	case first == 0xfd:
		size = 3
	case first == 0xfe:
		size = 8
	default:
		return 0, errPacket
	}
	var b [8]byte
	for got := 0; got < size; {
		piece, err := p.piece(size - got)
		if err != nil {
			return 0, err
		}
		got += copy(b[got:], piece)
	}
	n := binary.LittleEndian.Uint64(b[:])
	if n > math.MaxInt32*4 { // the longest value is 4 GiB
		return 0, errPacket
	}
	return int64(n), nil
}

// fault reads an error packet behind its first byte.
func (p *packets) fault() error {
	b, err := p.rest()
	if err != nil {
		return err
	}
	if len(b) < 2 {
		return errPacket
	}
	fault := &driver.MySQLError{Number: binary.LittleEndian.Uint16(b), Message: string(b[2:])}
	if len(b) >= 8 && b[2] == '#' {
		fault.SQLState, fault.Message = [5]byte(b[3:8]), string(b[8:])
	}
	return fault
}

// copyPackets sends a query and writes the rows of its answer to out.
func copyPackets(ctx context.Context, conn net.Conn, query string, forms []form, out *rowWriter) error {
	if len(query)+1 >= maxPacket {
		return fmt.Errorf("the query has %d bytes", len(query))
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // ends a read that waits
	defer stop()
	n := len(query) + 1
	command := append([]byte{byte(n), byte(n >> 8), byte(n >> 16), 0, 3}, query...)
	if _, err := conn.Write(command); err != nil {
		return err
	}
	p := &packets{r: conn, buf: make([]byte, 32<<10)}
	if err := p.columns(max(len(forms), 1)); err != nil {
		return err
	}
	for {
		first, end, err := p.rowStart()
		if err != nil {
			return err
		}
		if end {
			return errors.Join(out.flush(), ctx.Err())
		}
		if err := p.row(first, forms, out); err != nil {
			return err
		}
		if len(out.buf) >= flushSize {
			if err := errors.Join(out.flush(), ctx.Err()); err != nil {
				return err
			}
		}
	}
}

// columns reads what comes before the rows: the number of columns and their descriptions.
func (p *packets) columns(want int) error {
	if err := p.begin(); err != nil {
		return err
	}
	b, err := p.piece(1)
	if err != nil {
		return err
	}
	if b[0] == 0xff {
		return p.fault()
	}
	count, err := p.number(b[0])
	if err != nil {
		return err
	}
	if count != int64(want) {
		return fmt.Errorf("%d columns came where %d were asked for", count, want)
	}
	for range count + 1 { // the rest of this packet, then each description
		if err := p.skip(); err != nil {
			return err
		}
		if err := p.begin(); err != nil {
			return err
		}
	}
	// The first row's header is read. Where the two sides agreed on the older form, a packet of five
	// bytes that begins with 0xfe ends the descriptions; the newer form's end of rows has seven at least.
	if p.length != 5 {
		return nil
	}
	if p.pos == p.end {
		if err := p.fill(); err != nil {
			return err
		}
	}
	if p.buf[p.pos] != 0xfe {
		return nil
	}
	if err := p.skip(); err != nil {
		return err
	}
	return p.begin()
}

// rowStart reads the first byte of a row whose header is read, or finds that there are no more rows.
func (p *packets) rowStart() (first byte, end bool, err error) {
	b, err := p.piece(1)
	switch {
	case err != nil:
		return 0, false, err
	case b[0] == 0xff:
		return 0, false, p.fault()
	case b[0] == 0xfe && p.length < maxPacket:
		return 0, true, p.skip()
	}
	return b[0], false, nil
}

// row writes one row, of which the first byte is read, and reads the next packet's header.
func (p *packets) row(first byte, forms []form, out *rowWriter) error {
	for i, f := range forms {
		if i > 0 {
			out.buf = append(out.buf, '\t')
			b, err := p.piece(1)
			if err != nil {
				return err
			}
			first = b[0]
		}
		if first == 0xfb {
			out.buf = append(out.buf, '\\', 'N')
			continue
		}
		length, err := p.number(first)
		if err != nil {
			return err
		}
		if err := p.cell(length, f, out); err != nil {
			return err
		}
	}
	out.buf = append(out.buf, '\n')
	out.rows++
	if err := p.skip(); err != nil {
		return err
	}
	return p.begin()
}

// cell writes a cell piece by piece.
func (p *packets) cell(length int64, f form, out *rowWriter) error {
	if f == formFloat {
		return p.float(length, out)
	}
	if f == formBinary {
		out.buf = append(out.buf, '\\', '\\', 'x')
	}
	for length > 0 {
		b, err := p.piece(int(min(length, math.MaxInt32)))
		if err != nil {
			return err
		}
		length -= int64(len(b))
		if f == formBinary {
			out.buf = hex.AppendEncode(out.buf, b)
		} else {
			out.buf = appendEscaped(out.buf, b)
		}
		if length > 0 && len(out.buf) >= flushSize {
			if err := out.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *packets) float(length int64, out *rowWriter) error {
	if length > 512 {
		return errPacket
	}
	var text [512]byte
	for got := 0; got < int(length); {
		b, err := p.piece(int(length) - got)
		if err != nil {
			return err
		}
		got += copy(text[got:], b)
	}
	v, err := strconv.ParseFloat(string(text[:length]), 64)
	if err != nil {
		return err
	}
	out.buf = appendFloat(out.buf, v)
	return nil
}
