package python

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// kind is a kind of token.
type kind int

const (
	word kind = iota
	number
	quote
	operator
	newline // the end of a logical line
)

// token is one word, number, text or operator.
type token struct {
	kind   kind
	text   string // of a text: its value
	prefix string // of a text: the letters before its quote, lower case
	line   int    // from 1
	indent int    // of the logical line, in bytes
	depth  int    // brackets that are open around it
}

// maxDepth is how many brackets may be open at once: Python's own limit.
const maxDepth = 200

// scanner walks over a file.
type scanner struct {
	text   string
	at     int
	line   int
	indent int
	fresh  bool // at the beginning of a logical line
	open   []byte
	list   []token
}

// scan splits a file into tokens.
func scan(text string) ([]token, error) {
	s := scanner{text: strings.TrimPrefix(text, "\ufeff"), line: 1, fresh: true}
	for s.at < len(s.text) {
		if err := s.next(); err != nil {
			return nil, fmt.Errorf("line %d: %w", s.line, err)
		}
	}
	if len(s.open) > 0 {
		return nil, fmt.Errorf("line %d: the file ends inside of %q", s.line, s.open)
	}
	return s.list, nil
}

// next goes over white space, a comment or one token.
func (s *scanner) next() error {
	rest := s.text[s.at:]
	if s.fresh {
		n := len(rest) - len(strings.TrimLeft(rest, " \t\f"))
		s.indent, s.fresh = n, false
		s.at += n
		return nil
	}
	switch c := rest[0]; {
	case c == '\n':
		s.endLine()
	case c == ' ' || c == '\t' || c == '\r' || c == '\f':
		s.at++
	case c == '#':
		s.at += until(rest, "\n")
	case c == '\\':
		return s.joined(rest)
	case c == '\'' || c == '"':
		return s.quoted("")
	case isLetter(c):
		return s.word(rest)
	case c >= '0' && c <= '9':
		n := 1
		for n < len(rest) && (isLetter(rest[n]) || rest[n] == '.' || rest[n] >= '0' && rest[n] <= '9') {
			n++
		}
		s.add(number, rest[:n])
	default:
		return s.operator(rest)
	}
	return nil
}

func (s *scanner) endLine() {
	s.at++
	if len(s.open) == 0 {
		s.list = append(s.list, token{kind: newline, line: s.line})
		s.fresh = true
	}
	s.line++
}

// joined goes over the backslash that joins two lines.
func (s *scanner) joined(rest string) error {
	switch {
	case strings.HasPrefix(rest, "\\\n"):
		s.at += 2
	case strings.HasPrefix(rest, "\\\r\n"):
		s.at += 3
	default:
		return fmt.Errorf("a backslash inside of a line")
	}
	s.line++
	return nil
}

// add appends a token of as many bytes as its text.
func (s *scanner) add(k kind, text string) {
	s.list = append(s.list, token{kind: k, text: text, line: s.line, indent: s.indent, depth: len(s.open)})
	s.at += len(text)
}

// word goes over a name, or over a text with letters before its quote.
func (s *scanner) word(rest string) error {
	n := 1
	for n < len(rest) && (isLetter(rest[n]) || rest[n] >= '0' && rest[n] <= '9') {
		n++
	}
	if n <= 2 && n < len(rest) && (rest[n] == '\'' || rest[n] == '"') && strings.Trim(strings.ToLower(rest[:n]), "rbuft") == "" {
		s.at += n
		return s.quoted(strings.ToLower(rest[:n]))
	}
	s.add(word, rest[:n])
	return nil
}

// operator goes over brackets and signs. Brackets must pair.
func (s *scanner) operator(rest string) error {
	const opening, closing = "([{", ")]}"
	c := rest[0]
	if i := strings.IndexByte(closing, c); i >= 0 {
		if n := len(s.open); n == 0 || s.open[n-1] != opening[i] {
			return fmt.Errorf("%q closes nothing", c)
		}
		s.open = s.open[:len(s.open)-1]
	}
	n := 1
	for _, sign := range []string{"**=", "//=", ">>=", "<<=", "==", "!=", "<=", ">=", ":=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "@=", "->"} {
		if strings.HasPrefix(rest, sign) {
			n = len(sign)
			break
		}
	}
	s.add(operator, rest[:n])
	if strings.IndexByte(opening, c) >= 0 {
		if len(s.open) == maxDepth {
			return fmt.Errorf("more than %d brackets are open", maxDepth)
		}
		s.open = append(s.open, c)
	}
	return nil
}

// quoted goes over a text in single, double or triple quotes.
func (s *scanner) quoted(prefix string) error {
	rest := s.text[s.at:]
	mark, first := rest[:1], s.line
	if strings.HasPrefix(rest, strings.Repeat(mark, 3)) {
		mark = rest[:3]
	}
	n := len(mark)
	for !strings.HasPrefix(rest[n:], mark) {
		if n >= len(rest) || len(mark) == 1 && rest[n] == '\n' {
			return fmt.Errorf("a text that begins here does not end")
		}
		if rest[n] == '\\' && n+1 < len(rest) {
			if rest[n+1] == '\n' {
				s.line++
			}
			n++
		} else if rest[n] == '\n' {
			s.line++
		}
		n++
	}
	value := strings.ReplaceAll(rest[len(mark):n], "\r\n", "\n")
	if !strings.ContainsAny(prefix, "r") {
		v, err := unescape(value)
		if err != nil {
			return err
		}
		value = v
	}
	s.list = append(s.list, token{kind: quote, text: value, prefix: prefix, line: first, indent: s.indent, depth: len(s.open)})
	s.at += n + len(mark)
	return nil
}

// unescape replaces the escapes of a text. Names of characters are not known.
func unescape(text string) (string, error) {
	if !strings.Contains(text, `\`) {
		return text, nil
	}
	const plain, meant = "\\'\"abfnrtv", "\\'\"\a\b\f\n\r\t\v"
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		i++
		c := text[i]
		digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
		switch at := strings.IndexByte(plain, c); {
		case at >= 0:
			b.WriteByte(meant[at])
		case c == '\n':
		case digits > 0:
			if i+digits >= len(text) {
				return "", fmt.Errorf("the escape \\%c is cut", c)
			}
			n, err := strconv.ParseUint(text[i+1:i+1+digits], 16, 32)
			if err != nil || !utf8.ValidRune(rune(n)) {
				return "", fmt.Errorf("the escape \\%s is none", text[i:i+1+digits])
			}
			b.WriteRune(rune(n))
			i += digits
		case c == 'N' || c >= '0' && c <= '7':
			return "", fmt.Errorf("the escape \\%c cannot be read", c)
		default: // Python keeps it as it is
			b.WriteByte('\\')
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}

// until is the length of text before a mark; all of it where there is none.
func until(text, mark string) int {
	if i := strings.Index(text, mark); i >= 0 {
		return i
	}
	return len(text)
}

func isLetter(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf
}
