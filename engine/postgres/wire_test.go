package postgres

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// message is one message of the server.
func message(kind byte, body string) []byte {
	m := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4))
	return append(m, body...)
}

// answer is a server's whole answer to a COPY of rows.
func answer(tag string, rows ...string) []byte {
	list := [][]byte{message('N', "SNOTICE\x00\x00"), message('H', "\x00\x00\x01\x00\x00")}
	for _, r := range rows {
		list = append(list, message('d', r))
	}
	return bytes.Join(append(list, message('c', ""), message('S', "a\x00b\x00"), message('C', tag+"\x00"), message('Z', "T")), nil)
}

// canned is a connection whose other end says one thing, whatever it is told.
type canned struct {
	io.Reader
	net.Conn // nil: nothing else is called
}

func (c canned) Read(p []byte) (int, error)  { return c.Reader.Read(p) }
func (c canned) Write(p []byte) (int, error) { return len(p), nil }
func (c canned) SetDeadline(time.Time) error { return nil }

// copied runs a copy against an answer, through a buffer of size bytes.
func copied(t testing.TB, said []byte, size int) (text string, rows int64, err error) {
	t.Helper()
	conn := canned{Reader: bytes.NewReader(said)}
	c := &copier{conn: conn, in: bufio.NewReaderSize(conn, size), out: make([]byte, 0, size)}
	var b strings.Builder
	rows, err = c.copyOut(t.Context(), &b, "COPY a TO STDOUT")
	return b.String(), rows, err
}

func TestCopyOut(t *testing.T) {
	rows := []string{"1\ta\n", "\n", strings.Repeat("long", 1000) + "\n", ""}
	for _, size := range []int{16, 17, 100, 4096, bufferSize} {
		text, n, err := copied(t, answer("COPY 3", rows...), size)
		if err != nil || n != 3 || text != strings.Join(rows, "") {
			t.Errorf("buffer of %d: %d rows, %d bytes, %v", size, n, len(text), err)
		}
	}
	if text, n, err := copied(t, answer("COPY 0"), 16); err != nil || n != 0 || text != "" {
		t.Errorf("no rows: %q, %d, %v", text, n, err)
	}
}

func TestCopyOutErrors(t *testing.T) {
	for name, said := range map[string][]byte{
		"CountTooHigh":   answer("COPY 2", "1\n"),
		"CountTooLow":    answer("COPY 1", "1\n", "2\n"),
		"OtherTag":       answer("SELECT 1", "1\n"),
		"NoTag":          bytes.Join([][]byte{message('d', "1\n"), message('c', ""), message('Z', "T")}, nil),
		"NoCopyDone":     bytes.Join([][]byte{message('d', "1\n"), message('C', "COPY 1\x00"), message('Z', "T")}, nil),
		"UnknownMessage": message('?', "x"),
		"NegativeLength": {'d', 0xff, 0xff, 0xff, 0xff},
		"ShortLength":    {'Z', 0, 0, 0, 3},
		"HugeNotice":     {'N', 0x7f, 0xff, 0xff, 0xff, 'x'},
	} {
		if text, n, err := copied(t, said, 64); err == nil {
			t.Errorf("%s: no error, %d rows %q", name, n, text)
		}
	}
	_, _, err := copied(t, append(message('d', "1\n"), message('E', "SERROR\x00C22012\x00Mdivision by zero\x00\x00")...), 64)
	var server *pgconn.PgError
	if !errors.As(err, &server) || server.Code != "22012" {
		t.Errorf("the server's error: %v", err)
	}
}

// TestCopyOutCut: a stream that ends anywhere is an error. TestCopyOutFlipped: no bit makes it panic or hang.
func TestCopyOutCut(t *testing.T) {
	said := answer("COPY 2", "1\ta\n", "2\tb\n")
	for n := range said {
		if _, _, err := copied(t, said[:n], 16); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut after %d of %d bytes: %v", n, len(said), err)
		}
	}
}

func TestCopyOutFlipped(t *testing.T) {
	said := answer("COPY 2", "1\ta\n", "2\tb\n")
	for i := range len(said) * 8 {
		flipped := bytes.Clone(said)
		flipped[i/8] ^= 1 << (i % 8)
		if text, n, err := copied(t, flipped, 16); err == nil && n != int64(strings.Count(text, "\n")) {
			t.Errorf("bit %d: %d rows in %q", i, n, text)
		}
	}
}
