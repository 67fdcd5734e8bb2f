package migration

import (
	"strings"

	"mulligan/engine"
)

// Statement is one statement of a script.
type Statement struct {
	Text   string // without the semicolon that ends it and without comments before it
	Offset int    // where it begins in the script, in bytes
	Line   int    // the line on which it begins, from 1
}

// Statements splits a script at the semicolons that stand outside of quotes, comments, dollar
// quotes and the bodies of triggers and routines. It is for messages and for counting: what runs a
// script hands it to the server whole. Whatever the text is, no byte of it is lost but white space,
// comments between statements, and the semicolons.
func Statements(f engine.Family, text string) []Statement {
	l := lexer{family: f, text: text}
	for l.at < len(text) {
		l.next()
	}
	l.end(len(text))
	return l.list
}

// lexer walks over a script. start is where the current statement begins; -1 = before its first token.
type lexer struct {
	family engine.Family
	text   string
	at     int
	list   []Statement
	start  int
	begun  bool
	words  []string // first words of the statement, upper case
	before string   // the word before
	depth  int      // BEGIN and CASE that are open in a body
	body   bool     // the statement makes a trigger or a routine
	line   int      // line breaks before lined
	lined  int
}

// next goes over one token: a comment, a quoted text, a word, or one byte.
func (l *lexer) next() {
	rest := l.text[l.at:]
	if n := l.comment(rest); n > 0 {
		l.at += n
		return
	}
	c := rest[0]
	if c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v' {
		l.at++
		return
	}
	if c == ';' {
		if l.depth == 0 {
			l.end(l.at)
		}
		l.at++
		return
	}
	if !l.begun {
		l.begun, l.start = true, l.at
	}
	switch {
	case c == '\'' || c == '"' || c == '`' && l.family != engine.Postgres:
		l.at += l.quoted(rest, l.escapes(c))
	case c == '[' && l.family == engine.SQLite:
		l.at += until(rest, 1, "]")
	case c == '$' && l.family == engine.Postgres:
		l.at += dollarQuoted(rest)
	case isWord(c):
		n := 1
		for n < len(rest) && (isWord(rest[n]) || rest[n] == '$') {
			n++
		}
		l.word(strings.ToUpper(rest[:n]))
		l.at += n
	default:
		l.at++
	}
}

// end closes the current statement before offset to.
func (l *lexer) end(to int) {
	if l.begun {
		l.line += strings.Count(l.text[l.lined:l.start], "\n")
		l.lined = l.start
		l.list = append(l.list, Statement{Text: strings.TrimRight(l.text[l.start:to], " \t\r\n\f\v"), Offset: l.start, Line: l.line + 1})
	}
	l.begun, l.words, l.before, l.depth, l.body = false, nil, "", 0, false
}

// word follows what decides whether a semicolon ends the statement.
func (l *lexer) word(w string) {
	if len(l.words) < 8 {
		l.words = append(l.words, w)
		if l.words[0] == "CREATE" && (w == "TRIGGER" || l.family != engine.SQLite && (w == "PROCEDURE" || w == "FUNCTION" || w == "EVENT")) {
			l.body = true
		}
	}
	if !l.body {
		return
	}
	defer func() { l.before = w }()
	switch w {
	case "BEGIN":
		l.depth++
	case "CASE":
		if l.before != "END" {
			l.depth++
		}
	case "END":
		if l.depth > 0 && !l.endsBlock() {
			l.depth--
		}
	}
}

// endsBlock tells END IF, END LOOP, END WHILE and END REPEAT from the END of a BEGIN.
func (l *lexer) endsBlock() bool {
	rest := strings.TrimLeft(l.text[l.at+len("END"):], " \t\r\n")
	for _, w := range []string{"IF", "LOOP", "WHILE", "REPEAT", "FOR"} {
		if len(rest) >= len(w) && strings.EqualFold(rest[:len(w)], w) && (len(rest) == len(w) || !isWord(rest[len(w)])) {
			return true
		}
	}
	return false
}

// comment is the length of the comment that s begins with; 0 = it begins with none.
func (l *lexer) comment(s string) int {
	mysql := l.family == engine.MySQL || l.family == engine.MariaDB
	switch {
	case strings.HasPrefix(s, "--") && (!mysql || len(s) == 2 || s[2] <= ' '), mysql && s[0] == '#':
		return until(s, 1, "\n")
	case mysql && (strings.HasPrefix(s, "/*!") || strings.HasPrefix(s, "/*M!")):
		if !l.begun {
			l.begun, l.start = true, l.at // the server runs what stands in it
		}
		return until(s, 2, "*/")
	case strings.HasPrefix(s, "/*") && l.family == engine.Postgres:
		return nested(s)
	case strings.HasPrefix(s, "/*"):
		return until(s, 2, "*/")
	}
	return 0
}

// escapes tells whether a backslash escapes in a text that begins with quote.
func (l *lexer) escapes(quote byte) bool {
	switch l.family {
	case engine.MySQL, engine.MariaDB:
		return quote != '`'
	case engine.Postgres:
		before := l.text[:l.at]
		return quote == '\'' && (strings.HasSuffix(before, "E") || strings.HasSuffix(before, "e")) &&
			(len(before) == 1 || !isWord(before[len(before)-2]))
	default:
		return false
	}
}

// quoted is the length of the quoted text that s begins with; a doubled quote stands for one.
func (l *lexer) quoted(s string, escapes bool) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && escapes:
			i++
		case s[i] != s[0]:
		case i+1 < len(s) && s[i+1] == s[0]:
			i++
		default:
			return i + 1
		}
	}
	return len(s)
}

// dollarQuoted is the length of the $tag$ … $tag$ that s begins with; 1 = it begins with none.
func dollarQuoted(s string) int {
	n := 1
	for n < len(s) && isWord(s[n]) {
		n++
	}
	if n == len(s) || s[n] != '$' || n > 1 && s[1] >= '0' && s[1] <= '9' {
		return 1
	}
	return until(s, n+1, s[:n+1])
}

// nested is the length of a comment that may hold others.
func nested(s string) int {
	depth := 0
	for i := 0; i+1 < len(s); i++ {
		switch s[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// until is the length of s up to and including the first mark at or after from; all of s where there is none.
func until(s string, from int, mark string) int {
	if i := strings.Index(s[min(from, len(s)):], mark); i >= 0 {
		return min(from, len(s)) + i + len(mark)
	}
	return len(s)
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
