package atlas

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"mulligan/engine"
	"mulligan/migration"
)

var (
	directiveLine = regexp.MustCompile(`^([ -~]*)atlas:(\w+)(?: +(.+))*`)
	delimiterLine = regexp.MustCompile(`(?mi)^[ \t]*delimiter `)
)

// word is one instruction to Atlas in a comment.
type word struct{ before, name, value string }

// directive reads the instruction on the first line of a text.
func directive(text string) (word, bool) {
	line, _, _ := strings.Cut(text, "\n")
	m := directiveLine.FindStringSubmatch(strings.TrimSuffix(line, "\r"))
	if m == nil {
		return word{}, false
	}
	return word{m[1], m[2], m[3]}, true
}

// directives are the instructions to a whole file: in the comments that begin it, which an empty line ends.
func directives(text string) []word {
	var list []word
	rest := text
	for strings.HasPrefix(rest, "#") || strings.HasPrefix(rest, "--") {
		line, after, found := strings.Cut(rest, "\n")
		if d, ok := directive(strings.TrimSpace(line)); ok {
			list = append(list, d)
		}
		if rest = after; !found {
			return list
		}
	}
	if rest != "" && !strings.HasPrefix(strings.TrimLeft(rest, " \t\r"), "\n") {
		return nil // they belong to the first statement
	}
	return list
}

// txMode is "file" or "none".
func txMode(text string) (string, error) {
	mode := ""
	for _, d := range directives(text) {
		switch {
		case d.name != "txmode":
		case mode != "":
			return "", errors.New("it says atlas:txmode twice")
		case d.value != "none" && d.value != "file":
			return "", fmt.Errorf("atlas:txmode %q is not one for a file", d.value)
		default:
			mode = d.value
		}
	}
	if mode == "" {
		mode = "file"
	}
	return mode, nil
}

// custom tells whether a file's statements end in something else than a semicolon.
func custom(text string) bool {
	d, ok := directive(text)
	return ok && d.name == "delimiter" && d.before == "-- " || delimiterLine.MatchString(text)
}

// split gives the statements of a file.
func split(f engine.Family, text string) ([]migration.Statement, error) {
	if !custom(text) {
		return migration.Statements(f, text), nil
	}
	s := &scanner{family: f, text: text, mark: ";"}
	if d, ok := directive(text); ok && d.name == "delimiter" && d.before == "-- " {
		s.mark = strings.NewReplacer(`\n`, "\n", `\r`, "\r", `\t`, "\t").Replace(d.value)
		if s.at = strings.IndexByte(text, '\n') + 1; s.at == 0 {
			return nil, errors.New("nothing follows atlas:delimiter")
		}
	}
	if s.mark == "" {
		return nil, errors.New("the delimiter is empty")
	}
	for s.at < len(text) {
		if err := s.next(); err != nil {
			return nil, err
		}
	}
	s.end(len(text))
	return s.list, nil
}

// scanner finds a mark outside of quotes, comments and parentheses.
type scanner struct {
	family engine.Family
	text   string
	mark   string
	at     int
	start  int  // of the current statement
	begun  bool // it has more than white space and comments
	depth  int  // parentheses that are open
	list   []migration.Statement
}

// end closes the current statement before offset to.
func (s *scanner) end(to int) {
	if s.begun {
		if text := strings.TrimSpace(s.text[s.start:to]); text != "" {
			s.list = append(s.list, migration.Statement{Text: text, Offset: s.start, Line: 1 + strings.Count(s.text[:s.start], "\n")})
		}
	}
	s.begun, s.depth = false, 0
}

// next goes over one token.
func (s *scanner) next() error {
	rest := s.text[s.at:]
	switch {
	case !s.begun && strings.ContainsRune(" \t\r\n\f\v", rune(rest[0])):
		s.at++
		return nil
	case s.begun && s.depth == 0 && strings.HasPrefix(rest, s.mark):
		s.end(s.at)
		s.at += len(s.mark)
		return nil
	case !s.begun && len(rest) > len("delimiter ") && strings.EqualFold(rest[:len("delimiter ")], "delimiter "):
		return s.command(rest)
	}
	if n := s.comment(rest); n > 0 {
		s.at += n
		return nil
	}
	if !s.begun {
		s.begun, s.start = true, s.at
	}
	switch rest[0] {
	case '(':
		s.depth++
	case ')':
		s.depth = max(s.depth-1, 0)
	case '\'', '"', '`':
		s.at += s.quoted(rest)
		return nil
	case '$':
		if tag := dollar.FindString(rest); tag != "" && s.family == engine.Postgres {
			if end := strings.Index(rest[len(tag):], tag); end >= 0 {
				s.at += end + 2*len(tag)
				return nil
			}
		}
	}
	s.at++
	return nil
}

var dollar = regexp.MustCompile(`^\$(?:[A-Za-z_\x{80}-\x{10FFFF}][\w\x{80}-\x{10FFFF}]*)?\$`)

// command follows the DELIMITER of MySQL's client.
func (s *scanner) command(rest string) error {
	line, _, _ := strings.Cut(rest, "\n")
	mark := strings.TrimSpace(line[len("delimiter "):])
	if len(mark) > 1 && mark[0] == '\'' && mark[len(mark)-1] == '\'' {
		mark = strings.ReplaceAll(mark[1:len(mark)-1], "''", "'")
	}
	if mark == "" {
		return errors.New("the delimiter is empty")
	}
	s.mark = mark
	s.at += len(line)
	return nil
}

func (s *scanner) comment(rest string) int {
	mysql := s.family == engine.MySQL || s.family == engine.MariaDB
	end := ""
	switch {
	case strings.HasPrefix(rest, "--"), mysql && rest[0] == '#':
		end = "\n"
	case strings.HasPrefix(rest, "/*"):
		end = "*/"
	default:
		return 0
	}
	if i := strings.Index(rest[1:], end); i >= 0 {
		return 1 + i + len(end)
	}
	return len(rest)
}

func (s *scanner) quoted(rest string) int {
	escapes := rest[0] != '`' && (s.family == engine.MySQL || s.family == engine.MariaDB)
	for i := 1; i < len(rest); i++ {
		switch {
		case rest[i] == '\\' && escapes:
			i++
		case rest[i] == rest[0]:
			return i + 1
		}
	}
	return len(rest)
}
