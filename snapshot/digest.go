package snapshot

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"github.com/zeebo/xxh3"
)

// Digest is the order-free fingerprint of a set of rows: the sum modulo 2^128 of the XXH3-128 of
// each row's line without its LF, and the number of rows. Equal sets of rows, duplicates counted,
// have equal digests in whatever order they come. Two digests are compared with ==.
// The zero Digest is that of no rows. Exact definition and test vectors: docs/format.md, "Digest".
type Digest struct {
	hi, lo uint64
	Rows   int64
}

// Add gives the digest of both sets of rows together.
func (d Digest) Add(e Digest) Digest {
	lo, carry := bits.Add64(d.lo, e.lo, 0)
	hi, _ := bits.Add64(d.hi, e.hi, carry)
	return Digest{hi: hi, lo: lo, Rows: d.Rows + e.Rows}
}

// String writes the digest as "rows:hex", the sum in 32 digits: "2:f6f8…0c".
func (d Digest) String() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], d.hi)
	binary.BigEndian.PutUint64(b[8:], d.lo)
	return strconv.FormatInt(d.Rows, 10) + ":" + hex.EncodeToString(b[:])
}

// MarshalText is String.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is [ParseDigest].
func (d *Digest) UnmarshalText(b []byte) error {
	parsed, err := ParseDigest(string(b))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// ParseDigest reads exactly what [Digest.String] writes, and nothing else.
func ParseDigest(s string) (Digest, error) {
	count, sum, ok := strings.Cut(s, ":")
	rows, err := strconv.ParseInt(count, 10, 64)
	if !ok || err != nil || rows < 0 || len(sum) != 32 || !isHex(sum) {
		return Digest{}, fmt.Errorf("digest %q is not of the form rows:32 hexadecimal digits", s)
	}
	raw, err := hex.DecodeString(sum)
	if err != nil {
		return Digest{}, fmt.Errorf("digest %q: %w", s, err)
	}
	d := Digest{hi: binary.BigEndian.Uint64(raw), lo: binary.BigEndian.Uint64(raw[8:]), Rows: rows}
	if d.String() != s || rows == 0 && d != (Digest{}) {
		return Digest{}, fmt.Errorf("digest %q is not in its one canonical form", s)
	}
	return d, nil
}

// Digester computes the digest of a stream of lines, each ended by LF, that is written to it in any
// split. Its memory does not depend on the length of a line. The zero Digester is ready for use.
// It is not safe for concurrent use.
type Digester struct {
	sum  Digest
	open bool        // the stream stands inside a line, whose beginning is in rest
	rest xxh3.Hasher // only for lines that lie in more than one Write
}

// NewDigester returns a Digester of no rows yet.
func NewDigester() *Digester { return new(Digester) }

// Write adds lines or parts of them. It takes all of p and never fails.
func (d *Digester) Write(p []byte) (int, error) {
	n := len(p)
	if d.open {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			_, _ = d.rest.Write(p) // a hash never fails
			return n, nil
		}
		_, _ = d.rest.Write(p[:i])
		d.add(d.rest.Sum128())
		d.open = false
		p = p[i+1:]
	}
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		d.add(xxh3.Hash128(p[:i]))
		p = p[i+1:]
	}
	if len(p) > 0 {
		d.rest.Reset()
		_, _ = d.rest.Write(p)
		d.open = true
	}
	return n, nil
}

// Sum gives the digest of the lines so far. A stream that stands inside a line is an error.
func (d *Digester) Sum() (Digest, error) {
	if d.open {
		return Digest{}, errors.New("the last row has no line end")
	}
	return d.sum, nil
}

// Rows is the number of whole lines so far.
func (d *Digester) Rows() int64 { return d.sum.Rows }

// Reset makes the Digester as new.
func (d *Digester) Reset() { d.sum, d.open = Digest{}, false }

func (d *Digester) add(h xxh3.Uint128) {
	d.sum = d.sum.Add(Digest{hi: h.Hi, lo: h.Lo, Rows: 1})
}
