package postgres

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// bufferSize is what a reader holds of the stream at once. Larger gains nothing; measured.
const bufferSize = 256 << 10

// messageLimit is the longest message that is not a row; a longer one means that the stream is not understood.
const messageLimit = 16 << 20

// copier is a connection that only copies rows out. It reads the protocol itself: the driver holds a whole
// message in memory, and a message is a whole row. PostgreSQL manual, "Message Formats".
type copier struct {
	pg     *pgconn.PgConn // hijacked; still able to send a cancel request
	conn   net.Conn
	in     *bufio.Reader
	out    []byte
	broken bool // an error has left it in an unknown state
}

// newCopier takes over a connection that has its session and its transaction set up.
func newCopier(ctx context.Context, c *pgx.Conn) (*copier, error) {
	pg := c.PgConn()
	if err := pg.SyncConn(ctx); err != nil {
		return nil, err
	}
	if n := pg.Frontend().ReadBufferLen(); n != 0 {
		return nil, fmt.Errorf("take over the connection: the driver has read %d bytes ahead", n)
	}
	hijacked, err := pg.Hijack()
	if err != nil {
		return nil, err
	}
	return &copier{pg: pg, conn: hijacked.Conn, in: bufio.NewReaderSize(hijacked.Conn, bufferSize), out: make([]byte, 0, bufferSize)}, nil
}

// close says good-bye to the server where it listens.
func (c *copier) close() error {
	if !c.broken {
		_ = c.conn.SetDeadline(time.Now().Add(cancelGrace)) // a connection without deadlines is only slower to close
		_, _ = c.conn.Write([]byte{'X', 0, 0, 0, 4})        // the server notices the close anyway
	}
	return c.conn.Close()
}

// abandon tells the server to stop, and closes: what is under way would otherwise run on.
func (c *copier) abandon(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelGrace)
	defer cancel()
	_ = c.pg.CancelRequest(ctx) // the close below ends it too, when the server next writes
	_ = c.conn.Close()
}

// copyOut runs a COPY … TO STDOUT and writes its rows to w. After an error the copier is of no more use.
func (c *copier) copyOut(ctx context.Context, w io.Writer, query string) (rows int64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) }) // ends a read that waits
	rows, err = c.run(w, query)
	if !stop() && err == nil {
		c.broken = true // the deadline may be set yet; the rows are whole
	}
	if err == nil {
		return rows, nil
	}
	c.broken = true
	if cause := ctx.Err(); cause != nil {
		err = cause
	}
	return 0, err
}

// run sends the query and reads the answer up to the server's ReadyForQuery.
func (c *copier) run(w io.Writer, query string) (int64, error) {
	if err := c.send(query); err != nil {
		return 0, err
	}
	s := stream{out: c.out[:0], w: w, rows: -1}
	for {
		kind, size, err := c.header()
		if err != nil {
			return 0, err
		}
		if kind == 'd' {
			if err := s.payload(c.in, size); err != nil {
				return 0, err
			}
			continue
		}
		if size > messageLimit {
			return 0, fmt.Errorf("a message of type %q has %d bytes", kind, size)
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(c.in, body); err != nil {
			return 0, noEOF(err)
		}
		done, err := s.message(kind, body)
		if err != nil || done {
			return s.rows, err
		}
	}
}

func (c *copier) send(query string) error {
	if strings.Contains(query, "\x00") {
		return errors.New("the query holds a NUL")
	}
	message := make([]byte, 0, len(query)+6)
	message = append(message, 'Q')
	message = binary.BigEndian.AppendUint32(message, uint32(len(query)+5))
	message = append(message, query...)
	_, err := c.conn.Write(append(message, 0))
	return err
}

// header reads a message's type and the length of its body.
func (c *copier) header() (kind byte, size int, err error) {
	var h [5]byte
	if _, err := io.ReadFull(c.in, h[:]); err != nil {
		return 0, 0, noEOF(err)
	}
	n := binary.BigEndian.Uint32(h[1:])
	if n < 4 || n > 1<<31-1 {
		return 0, 0, fmt.Errorf("a message of type %q says that it has %d bytes", h[0], n)
	}
	return h[0], int(n - 4), nil
}

// noEOF makes an end of the stream inside a message an error that nobody takes for a normal end.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the server closed the connection: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// stream is one COPY's way from the server to w.
type stream struct {
	w     io.Writer
	out   []byte // rows on their way to w
	lines int64
	rows  int64 // as the server counts; -1 = it has not said yet
	done  bool  // CopyDone was seen
}

// payload moves a piece of a row from in to w through the buffer.
func (s *stream) payload(in *bufio.Reader, size int) error {
	for size > 0 {
		if len(s.out) == cap(s.out) {
			if err := s.flush(); err != nil {
				return err
			}
		}
		part := s.out[len(s.out):min(len(s.out)+size, cap(s.out))]
		n, err := in.Read(part)
		s.out = s.out[:len(s.out)+n]
		size -= n
		if err != nil {
			return noEOF(err)
		}
	}
	return nil
}

func (s *stream) flush() error {
	if len(s.out) == 0 {
		return nil
	}
	s.lines += int64(bytes.Count(s.out, []byte{'\n'}))
	n, err := s.w.Write(s.out)
	if err == nil && n < len(s.out) {
		err = io.ErrShortWrite
	}
	s.out = s.out[:0]
	return err
}

// message takes a message that is not a row; done = it was the last one.
func (s *stream) message(kind byte, body []byte) (done bool, err error) {
	switch kind {
	case 'H', 'N', 'S', 'A': // CopyOutResponse, notice, parameter, notification
		return false, nil
	case 'c':
		s.done = true
		return false, s.flush()
	case 'C':
		tag := strings.TrimRight(string(body), "\x00")
		s.rows, err = strconv.ParseInt(strings.TrimPrefix(tag, "COPY "), 10, 64)
		if err != nil {
			return false, fmt.Errorf("the server ended with %q", tag)
		}
		return false, nil
	case 'E':
		var fault pgproto3.ErrorResponse
		if err := fault.Decode(body); err != nil {
			return false, err
		}
		// The transaction is lost with it: there is nothing to wait for.
		return true, pgconn.ErrorResponseToPgError(&fault)
	case 'Z':
		return true, s.check()
	default:
		return false, fmt.Errorf("unexpected message of type %q from the server", kind)
	}
}

// check holds the count of the server against the lines that were written.
func (s *stream) check() error {
	if !s.done || s.rows < 0 {
		return errors.New("the server ended the copy early")
	}
	if s.rows != s.lines {
		return fmt.Errorf("the server counts %d rows, and %d lines came", s.rows, s.lines)
	}
	return nil
}
