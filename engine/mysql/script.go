package mysql

import (
	"context"
	"regexp"
	"strings"

	"mulligan/engine"
)

// Script sends the text as it is, and the server finds its statements; so the body of a trigger or
// a routine needs no other delimiter. A text with DELIMITER lines, which are the command-line
// client's and mean nothing to the server, is cut as that client would cut it.
// Where the server stops inside a text of several statements it does not say at which: then the error
// is no [engine.ScriptError].
func (s *Session) Script(ctx context.Context, text string) error {
	parts := []statement{{text: text, only: false}}
	if delimiterLine.MatchString(text) {
		parts = splitScript(text)
	}
	for _, p := range parts {
		if blank(p.text) {
			continue
		}
		if _, err := s.ExecContext(ctx, p.text); err != nil {
			if p.only {
				return &engine.ScriptError{Offset: p.offset, Err: mapped(err)}
			}
			return mapped(err)
		}
	}
	return nil
}

var delimiterLine = regexp.MustCompile(`(?im)^[ \t]*delimiter[ \t]`)

// statement is a part of a script that is sent at once.
type statement struct {
	text   string
	offset int  // in the script, in bytes
	only   bool // it is a single statement
}

// blank tells a text that holds white space, comments and semicolons only. The server calls it
// an error (1065). A comment with an exclamation mark is a statement.
func blank(text string) bool {
	for i := 0; i < len(text); {
		switch end := skipToken(text, i); {
		case strings.HasPrefix(text[i:], "/*!") || strings.HasPrefix(text[i:], "/*M!"):
			return false
		case end > i+1 && (strings.HasPrefix(text[i:], "/*") || text[i] == '#' || text[i] == '-'):
			i = end
		case strings.IndexByte(" \t\r\n\f\v;", text[i]) >= 0:
			i++
		default:
			return false
		}
	}
	return true
}

// splitScript cuts a script with DELIMITER lines. What stands under the usual delimiter is left in one part.
func splitScript(text string) []statement {
	var parts []statement
	delimiter, start := ";", 0
	add := func(end int) {
		lead := len(text[start:end]) - len(strings.TrimLeft(text[start:end], " \t\r\n"))
		parts = append(parts, statement{text: text[start+lead : end], offset: start + lead, only: delimiter != ";"})
	}
	lineStart := true
	for i := 0; i < len(text); {
		switch {
		case lineStart && delimiterLine.MatchString(line(text[i:])):
			add(i)
			whole := line(text[i:])
			delimiter = strings.Fields(whole)[1]
			i += len(whole)
			start = i
		case delimiter != ";" && strings.HasPrefix(text[i:], delimiter):
			add(i)
			i += len(delimiter)
			start, lineStart = i, false
		default:
			end := skipToken(text, i)
			lineStart = text[end-1] == '\n'
			i = end
		}
	}
	add(len(text))
	return parts
}

// line is the text's first line with its end. A DELIMITER line without a word after it is none.
func line(text string) string {
	first, _, found := strings.Cut(text, "\n")
	if len(strings.Fields(first)) < 2 {
		return ""
	}
	if found {
		return first + "\n"
	}
	return first
}

// skipToken gives the end of the string, quoted name, comment or single byte that begins at i.
// Backslashes escape in strings, as in the default sql_mode. A comment of one line ends behind its line feed.
func skipToken(text string, i int) int {
	rest := text[i:]
	switch c := rest[0]; {
	case c == '\'' || c == '"' || c == '`':
		return i + quotedLength(rest)
	case strings.HasPrefix(rest, "/*"):
		if end := strings.Index(rest[2:], "*/"); end >= 0 {
			return i + 2 + end + 2
		}
		return len(text)
	case c == '#' || strings.HasPrefix(rest, "--") && (len(rest) == 2 || strings.IndexByte(" \t\r\n", rest[2]) >= 0):
		if end := strings.IndexByte(rest, '\n'); end >= 0 {
			return i + end + 1
		}
		return len(text)
	}
	return i + 1
}

// quotedLength is the length of the quoted text that s begins with, its quotes included; a quote
// inside it is doubled or, but for names, behind a backslash. All of s where the end is missing.
func quotedLength(s string) int {
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quote != '`':
			i++
		case s[i] == quote && i+1 < len(s) && s[i+1] == quote:
			i++
		case s[i] == quote:
			return i + 1
		}
	}
	return len(s)
}
