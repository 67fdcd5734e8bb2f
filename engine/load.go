package engine

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"mulligan/schema"
)

// LoadOptions make it possible to take a load up again after its process or its server was killed at any instant.
type LoadOptions struct {
	// Keep is given, as JSON, what puts back all that is taken off, before it is taken off, and again whenever that changes:
	// each state is the whole of it. Its error ends what was to be done. It is never called twice at once. nil = it is not kept.
	Keep func(state []byte) error
	// State is what Keep was given last by a loader of the same tables that did not come to its end. Sessions which that one left
	// are ended or waited for, so that the tables are then at rest; rows that are there stay, unless no Load can have been
	// begun; and Finish puts back what it would have put back then, and leaves alone what it had put back. nil = a new load.
	State []byte
}

// Save gives a state to Keep as JSON.
func (o *LoadOptions) Save(state any) error {
	if o == nil || o.Keep == nil {
		return nil
	}
	data, err := json.Marshal(state)
	if err == nil {
		err = o.Keep(data)
	}
	if err != nil {
		return fmt.Errorf("keep what is taken off: %w", err)
	}
	return nil
}

// Interrupted is the State; nil = a new load.
func (o *LoadOptions) Interrupted() []byte {
	if o == nil {
		return nil
	}
	return o.State
}

// Verbatim is a text of a server's that comes back from JSON as it was, also where it is no UTF-8: as a string where
// it is, so that it can be read, else as an object that holds its bytes.
type Verbatim string

type verbatimBytes struct {
	Bytes []byte `json:"bytes"`
}

// MarshalJSON implements [json.Marshaler].
func (v Verbatim) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(v)) {
		return json.Marshal(string(v))
	}
	return json.Marshal(verbatimBytes{[]byte(v)})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (v *Verbatim) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '{' {
		var b verbatimBytes
		err := json.Unmarshal(data, &b)
		*v = Verbatim(b.Bytes)
		return err
	}
	return json.Unmarshal(data, (*string)(v))
}

// MaxKeys is how many keys of offending rows a [RowsError] names.
const MaxKeys = 20

// RowsError says which rows break a constraint. It holds their keys, and nothing else of them.
type RowsError struct {
	Constraint string // "foreign key child_parent", "unique index one_each"
	Table      schema.Name
	Fault      string     // what is the matter with the rows, "without a parent in table parent"
	Rows       int64      // how many
	Columns    []string   // of the key: the primary key's, or the constraint's own where there is none; nil = the rows cannot be named
	Keys       [][]string // up to [MaxKeys]
}

// Error is "foreign key child_parent of table child: 2 rows without a parent in table parent: id 7, 9".
func (e *RowsError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of table %s: %d row", e.Constraint, e.Table, e.Rows)
	if e.Rows != 1 {
		b.WriteString("s")
	}
	b.WriteString(" " + e.Fault)
	if len(e.Keys) == 0 {
		return b.String()
	}
	b.WriteString(": " + group(e.Columns) + " ")
	for i, key := range e.Keys {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(group(key))
	}
	if more := e.Rows - int64(len(e.Keys)); more > 0 {
		fmt.Fprintf(&b, " and %d more", more)
	}
	return b.String()
}

func group(list []string) string {
	shown := slices.Clone(list)
	for i, s := range shown {
		shown[i] = shownKey(s)
	}
	if len(shown) == 1 {
		return shown[0]
	}
	return "(" + strings.Join(shown, ", ") + ")"
}

// shownKey cuts a value that is long, and writes bytes that are no text in hexadecimal digits.
func shownKey(s string) string {
	const most = 60
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		s = fmt.Sprintf(`\x%x`, s)
	}
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return s
}
