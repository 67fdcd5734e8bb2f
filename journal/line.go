package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
)

// crcLength is the number of hexadecimal digits before the space.
const crcLength = 8

// wire is an entry as it is written. A header also says the format.
type wire struct {
	Format int             `json:"format,omitempty"` // only in the header
	Seq    int             `json:"seq"`
	Time   time.Time       `json:"time"`
	Kind   Kind            `json:"kind"`
	Stage  string          `json:"stage,omitempty"`
	Data   json.RawMessage `json:"data,omitempty"`
}

// line writes the entry as its line: the CRC, a space, the JSON text, LF.
func (e Entry) line() ([]byte, error) {
	w := wire{Seq: e.Seq, Time: e.Time, Kind: e.Kind, Stage: e.Stage, Data: e.Data}
	if e.Kind == KindHeader {
		w.Format = Format
	}
	text, err := json.Marshal(w)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%s %s\n", checksum(text), text), nil
}

// checksum is the CRC-32C of the JSON text in lower-case hexadecimal digits.
func checksum(text []byte) string {
	return fmt.Sprintf("%08x", crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli)))
}

// parse reads a journal's whole text. It gives the entries, and how many bytes they take: what comes
// after is a torn last line. Errors: [ErrCorrupt] with the line's number, [ErrNewer].
func parse(text []byte) (entries []Entry, whole int, err error) {
	for whole < len(text) {
		n := len(entries) + 1
		line, rest, ended := bytes.Cut(text[whole:], []byte{'\n'})
		body, ok := unwrap(line)
		if !ok || !ended {
			if len(rest) == 0 && !holdsEntry(line) {
				return entries, whole, nil
			}
			return nil, 0, fmt.Errorf("line %d: %w: its checksum does not match", n, ErrCorrupt)
		}
		e, err := decode(body, n)
		if err != nil {
			return nil, 0, fmt.Errorf("line %d: %w", n, err)
		}
		entries = append(entries, e)
		whole = len(text) - len(rest)
	}
	return entries, whole, nil
}

// unwrap checks a line's CRC and gives its JSON text.
func unwrap(line []byte) ([]byte, bool) {
	if len(line) < crcLength+1 || line[crcLength] != ' ' {
		return nil, false
	}
	body := line[crcLength+1:]
	return body, string(line[:crcLength]) == checksum(body)
}

// holdsEntry tells whether a whole entry stands at the end of a line that has something else before it:
// then the LF between them was damaged, and the line was not torn.
func holdsEntry(line []byte) bool {
	for i := crcLength + 1; i+1 < len(line); i++ {
		if line[i] != ' ' || line[i+1] != '{' {
			continue
		}
		if _, ok := unwrap(line[i-crcLength:]); ok {
			return true
		}
	}
	return false
}

// decode reads the JSON text of the n-th line.
func decode(body []byte, n int) (Entry, error) {
	var w wire
	if err := json.Unmarshal(body, &w); err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if n == 1 && w.Format > Format {
		return Entry{}, fmt.Errorf("%w: it is %d, this program reads up to %d", ErrNewer, w.Format, Format)
	}
	if w.Seq != n {
		return Entry{}, fmt.Errorf("%w: it holds entry %d", ErrCorrupt, w.Seq)
	}
	if w.Kind == "" || (w.Kind == KindHeader) != (n == 1) || n == 1 && w.Format < 1 {
		return Entry{}, fmt.Errorf("%w: %w", ErrCorrupt, errors.New("the header is the first entry, and no other is"))
	}
	return Entry{Seq: w.Seq, Time: w.Time.UTC(), Kind: w.Kind, Stage: w.Stage, Data: w.Data}, nil
}
