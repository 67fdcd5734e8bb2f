package schema

import (
	"cmp"
	"fmt"
	"strings"
	"unicode"
)

// Name is a table's or a sequence's name. Schema is empty on engines without schemas
// inside a database (MySQL, MariaDB, SQLite).
type Name struct {
	Schema string
	Table  string
}

// String writes the name as people read it: parts joined by a dot, a part in double quotes
// (doubled inside) where it holds anything but letters, digits, '_', '$' or '-'. [ParseName] reads it back.
// It is for messages and files, never for SQL: there the engine quotes.
func (n Name) String() string {
	if n.Schema == "" {
		return quotePart(n.Table)
	}
	return quotePart(n.Schema) + "." + quotePart(n.Table)
}

// Compare orders names by schema, then table.
func (n Name) Compare(m Name) int {
	return cmp.Or(cmp.Compare(n.Schema, m.Schema), cmp.Compare(n.Table, m.Table))
}

// MarshalText is String.
func (n Name) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText is [ParseName].
func (n *Name) UnmarshalText(b []byte) error {
	m, err := ParseName(string(b))
	if err != nil {
		return err
	}
	*n = m
	return nil
}

// ParseName reads "table", "schema.table", and the same with parts in double quotes.
func ParseName(s string) (Name, error) {
	first, rest, err := cutPart(s)
	if err != nil {
		return Name{}, fmt.Errorf("table name %q: %w", s, err)
	}
	if rest == "" {
		return Name{Table: first}, nil
	}
	second, rest, err := cutPart(rest[1:])
	if err == nil && rest != "" {
		err = fmt.Errorf("more than two parts")
	}
	if err != nil {
		return Name{}, fmt.Errorf("table name %q: %w", s, err)
	}
	return Name{Schema: first, Table: second}, nil
}

// cutPart takes one part off the front of s; what is left is empty or begins with a dot.
func cutPart(s string) (part, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		i := strings.IndexByte(s, '.')
		if i < 0 {
			i = len(s)
		}
		if i == 0 {
			return "", "", fmt.Errorf("empty part")
		}
		if strings.Contains(s[:i], `"`) {
			return "", "", fmt.Errorf("a quote inside an unquoted part")
		}
		return s[:i], s[i:], nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '"' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '"' {
			b.WriteByte('"')
			i++
			continue
		}
		rest = s[i+1:]
		if b.Len() == 0 {
			return "", "", fmt.Errorf("empty part")
		}
		if rest != "" && rest[0] != '.' {
			return "", "", fmt.Errorf("text after a closing quote")
		}
		return b.String(), rest, nil
	}
	return "", "", fmt.Errorf("a quote is not closed")
}

func quotePart(s string) string {
	plain := func(r rune) bool {
		return r == '_' || r == '$' || r == '-' || unicode.IsLetter(r) || unicode.IsDigit(r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}
