package snapshot

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// ID names a snapshot: the second in which it began, UTC, and three bytes, as in "20261122T215500Z-9f3a1c".
// The first ten bits of these are the fraction of the second, the others are random, so that the order of
// the texts is the order of the times down to a thousandth of a second.
type ID string

const (
	idLayout = "20060102T150405Z"
	idLength = len(idLayout) + 1 + 6
)

// NewID makes an ID from the time and the last three bytes: those of random as they are; nil = the fraction of
// the second and crypto/rand. Errors: that of random, and a year that four digits cannot write.
func NewID(now time.Time, random io.Reader) (ID, error) {
	ordered := random == nil
	if ordered {
		random = rand.Reader
	}
	var b [3]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("snapshot id: random bytes: %w", err)
	}
	if ordered {
		part := int64(now.Nanosecond()) * 1024 / int64(time.Second) // of the second, 0 to 1023
		b[0], b[1] = byte(part>>2), byte(part<<6)|b[1]&0x3f
	}
	return ParseID(now.UTC().Format(idLayout) + "-" + hex.EncodeToString(b[:]))
}

// ParseID reads a whole ID; [Resolve] reads what people type. Errors: fs.ErrInvalid.
func ParseID(s string) (ID, error) {
	id := ID(s)
	bad := len(s) != idLength || s[len(idLayout)] != '-' || !isHex(s[len(idLayout)+1:])
	if !bad {
		t, err := time.Parse(idLayout, s[:len(idLayout)])
		bad = err != nil || t.Format(idLayout) != s[:len(idLayout)]
	}
	if bad {
		return "", fmt.Errorf("snapshot id %q is not like 20261122T215500Z-9f3a1c: %w", s, fs.ErrInvalid)
	}
	return id, nil
}

// String is the ID as it is written in paths.
func (id ID) String() string { return string(id) }

// Time is the second in which the snapshot began, UTC; the zero time for an ID that [ParseID] refuses.
func (id ID) Time() time.Time {
	if len(id) != idLength {
		return time.Time{}
	}
	t, err := time.Parse(idLayout, string(id[:len(idLayout)]))
	if err != nil {
		return time.Time{}
	}
	return t
}

// Run is the last six hexadecimal digits; empty for an ID that [ParseID] refuses.
func (id ID) Run() string {
	if len(id) != idLength {
		return ""
	}
	return string(id[len(idLayout)+1:])
}

// UnmarshalText is [ParseID].
func (id *ID) UnmarshalText(b []byte) error {
	parsed, err := ParseID(string(b))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// isHex tells whether s is made of lower-case hexadecimal digits.
func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
