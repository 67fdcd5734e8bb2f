package migration

import (
	"sort"
	"strings"

	"mulligan/engine"
)

// kind is what a token of SQL is.
type kind int

const (
	wordToken  kind = iota // a word, upper case
	nameToken              // a quoted identifier, without its quotes
	textToken              // a quoted text, as it stands, dollar quotes too
	otherToken             // one byte of anything else
)

type token struct {
	kind kind
	text string
	at   int // offset in bytes
}

// is tells whether a token is one of some words, which are in upper case.
func (t token) is(words ...string) bool {
	if t.kind != wordToken {
		return false
	}
	for _, w := range words {
		if t.text == w {
			return true
		}
	}
	return false
}

// mark tells whether a token is one byte.
func (t token) mark(c byte) bool { return t.kind == otherToken && t.text[0] == c }

// tokens reads a script without its comments. What MySQL and MariaDB run of a comment is no comment.
func tokens(f engine.Family, text string) []token {
	l := lexer{family: f, text: text, begun: true}
	var list []token
	add := func(k kind, n int) {
		t := token{kind: k, text: text[l.at : l.at+n], at: l.at}
		switch {
		case k == wordToken:
			t.text = strings.ToUpper(t.text)
		case k == nameToken:
			t.text = unquote(t.text)
		}
		list = append(list, t)
		l.at += n
	}
	for l.at < len(text) {
		rest := text[l.at:]
		if n := executable(f, rest); n > 0 {
			l.at += n
			continue
		}
		if n := l.comment(rest); n > 0 {
			l.at += n
			continue
		}
		switch c := rest[0]; {
		case strings.IndexByte(" \t\n\r\f\v", c) >= 0:
			l.at++
		case c == '"' && (f == engine.Postgres || f == engine.SQLite), c == '`' && f != engine.Postgres:
			add(nameToken, l.quoted(rest, false))
		case c == '[' && f == engine.SQLite:
			add(nameToken, until(rest, 1, "]"))
		case c == '\'' || c == '"':
			add(textToken, l.quoted(rest, l.escapes(c)))
		case c == '$' && f == engine.Postgres && dollarQuoted(rest) > 1:
			add(textToken, dollarQuoted(rest))
		case isWord(c):
			n := 1
			for n < len(rest) && (isWord(rest[n]) || rest[n] == '$') {
				n++
			}
			add(wordToken, n)
		default:
			add(otherToken, 1)
		}
	}
	return list
}

// executable is the length of what begins a comment that the server runs, its version included; 0 = none begins.
func executable(f engine.Family, s string) int {
	if f != engine.MySQL && f != engine.MariaDB {
		return 0
	}
	n := 0
	switch {
	case strings.HasPrefix(s, "/*!"):
		n = len("/*!")
	case strings.HasPrefix(s, "/*M!"):
		n = len("/*M!")
	default:
		return 0
	}
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// unquote takes the quotes of an identifier off.
func unquote(s string) string {
	if len(s) < 2 {
		return ""
	}
	quote := s[:1]
	return strings.ReplaceAll(strings.TrimSuffix(s[1:], s[len(s)-1:]), quote+quote, quote)
}

// lineBreaks are the offsets of a text's line breaks.
type lineBreaks []int

func breaksOf(text string) lineBreaks {
	var list lineBreaks
	for i := range len(text) {
		if text[i] == '\n' {
			list = append(list, i)
		}
	}
	return list
}

// line is that of an offset, from 1.
func (l lineBreaks) line(at int) int { return 1 + sort.SearchInts(l, at) }
