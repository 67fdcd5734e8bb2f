package sqlite

import "strings"

// tokenKind tells the few kinds of token that comparison needs.
type tokenKind int

const (
	tokenWord   tokenKind = iota // a keyword, a number, or a name without quotes
	tokenName                    // a name in "", [] or ``
	tokenText                    // a string or a blob
	tokenSign                    // an operator, a bracket, a comma
	tokenBroken                  // what SQLite takes for no token: a quote that is not closed
)

// token is a piece of SQL. Two tokens that mean the same to SQLite have the same text,
// as far as that can be told without knowing where they stand.
type token struct {
	kind  tokenKind
	text  string // as [render] writes it: keywords in capitals, a name in quotes only where it needs them
	value string // a name's or a string's own letters, without quotes
}

// is tells whether the token is this keyword or sign; a name in quotes is neither.
func (t token) is(text string) bool {
	return t.text == text && (t.kind == tokenWord || t.kind == tokenSign)
}

// lex cuts SQL into tokens, without white space and comments. Its last token is broken where the text is
// (SQLite's tokenize.c has the rules).
func lex(text string) []token {
	var list []token
	for i := 0; i < len(text); {
		end := skipBlank(text, i)
		if end > i {
			i = end
			continue
		}
		t, end := nextToken(text, i)
		list = append(list, t)
		if t.kind == tokenBroken {
			break
		}
		i = end
	}
	foldNames(list)
	return list
}

// foldNames writes in one case the names that are no object's own: those of functions and collations, NEW and OLD.
func foldNames(list []token) {
	for i := range list {
		t := &list[i]
		bare := (t.kind == tokenWord || t.kind == tokenName) && plainName(t.text) && !keyword(t.text)
		switch upper := upperASCII(t.text); {
		case !bare:
		case i > 0 && list[i-1].is("COLLATE"):
			t.text = upper
		case i+1 == len(list):
		case list[i+1].is("("):
			t.text = lowerASCII(t.text)
		case list[i+1].is(".") && (upper == "NEW" || upper == "OLD"):
			t.text = upper
		}
	}
}

// skipBlank gives the end of the white space or the comment that begins at i, or i.
func skipBlank(text string, i int) int {
	rest := text[i:]
	switch {
	case strings.IndexByte(" \t\n\f\r", rest[0]) >= 0:
		return i + 1
	case strings.HasPrefix(rest, "--"):
		if n := strings.IndexByte(rest, '\n'); n >= 0 {
			return i + n + 1
		}
		return len(text)
	case strings.HasPrefix(rest, "/*") && len(rest) > 2:
		if n := strings.Index(rest[2:], "*/"); n >= 0 {
			return i + 2 + n + 2
		}
		return len(text)
	}
	return i
}

func nextToken(text string, i int) (t token, end int) {
	rest := text[i:]
	switch c := rest[0]; {
	case c == '\'':
		return quoted(rest, '\'', i)
	case c == '"' || c == '`':
		return quoted(rest, c, i)
	case c == '[':
		n := strings.IndexByte(rest, ']')
		if n < 0 {
			return token{kind: tokenBroken, text: rest}, len(text)
		}
		return named(rest[1:n]), i + n + 1
	case (c == 'x' || c == 'X') && len(rest) > 1 && rest[1] == '\'':
		t, end := quoted(rest[1:], '\'', i+1)
		t.text = "x" + strings.ToLower(t.text)
		return t, end
	case wordByte(c):
		return word(text, i)
	case c == '.' && len(rest) > 1 && '0' <= rest[1] && rest[1] <= '9':
		return word(text, i)
	}
	for _, sign := range []string{"->>", "||", "<<", ">>", "<=", ">=", "->", "<>"} {
		if strings.HasPrefix(rest, sign) {
			return token{kind: tokenSign, text: sign}, i + len(sign)
		}
	}
	switch {
	case strings.HasPrefix(rest, "=="):
		return token{kind: tokenSign, text: "="}, i + 2
	case strings.HasPrefix(rest, "!="):
		return token{kind: tokenSign, text: "<>"}, i + 2
	}
	return token{kind: tokenSign, text: rest[:1]}, i + 1
}

// quoted reads a string, or a name in quotes that are doubled inside.
func quoted(rest string, quote byte, at int) (t token, end int) {
	for i := 1; i < len(rest); i++ {
		if rest[i] != quote {
			continue
		}
		if i+1 < len(rest) && rest[i+1] == quote {
			i++
			continue
		}
		value := strings.ReplaceAll(rest[1:i], rest[:1]+rest[:1], rest[:1])
		if quote == '\'' {
			return token{kind: tokenText, text: rest[:i+1], value: value}, at + i + 1
		}
		return named(value), at + i + 1
	}
	return token{kind: tokenBroken, text: rest}, at + len(rest)
}

// named is a name that stood in quotes. They stay where the bare word would mean something else.
func named(value string) token {
	t := token{kind: tokenName, text: value, value: value}
	upper := upperASCII(value)
	switch {
	case softKeyword(upper):
		t.text = upper
	case !plainName(value) || keyword(upper) || upper == "TRUE" || upper == "FALSE":
		t.text = `"` + strings.ReplaceAll(value, `"`, `""`) + `"`
	}
	return t
}

// word reads a keyword, a name or a number.
func word(text string, i int) (t token, end int) {
	number := text[i] == '.' || '0' <= text[i] && text[i] <= '9'
	for end = i; end < len(text); end++ {
		c := text[end]
		exponent := number && (c == '+' || c == '-') && end > i && (text[end-1] == 'e' || text[end-1] == 'E') && !strings.HasPrefix(strings.ToLower(text[i:end]), "0x")
		if !wordByte(c) && !exponent && !(number && c == '.') {
			break
		}
	}
	t = token{kind: tokenWord, text: text[i:end], value: text[i:end]}
	switch upper := upperASCII(t.text); {
	case number:
		t.text = strings.ToLower(t.text)
	case keyword(upper) || upper == "TRUE" || upper == "FALSE":
		t.text = upper
	}
	return t, end
}

func wordByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// plainName tells whether a name can stand without quotes, keywords apart.
func plainName(s string) bool {
	for i := range len(s) {
		if !wordByte(s[i]) || i == 0 && (s[i] == '$' || '0' <= s[i] && s[i] <= '9') {
			return false
		}
	}
	return s != ""
}

// upperASCII changes the letters that SQLite's names and keywords are equal in, whatever their case.
func upperASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r + 'A' - 'a'
		}
		return r
	}, s)
}

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// render writes tokens in one form, whatever white space they came with. Lexed again they are the same tokens.
func render(list []token) string {
	var b strings.Builder
	for i, t := range list {
		if i > 0 && spaced(list, i) {
			b.WriteByte(' ')
		}
		b.WriteString(t.text)
	}
	return b.String()
}

// spaced tells whether a space stands before the i-th token.
func spaced(list []token, i int) bool {
	before, t := list[i-1], list[i]
	switch {
	case before.is("(") || t.is(")") || t.is(",") || t.is(";"):
		return false
	case t.is(".") || before.is("."):
		// 1 . and . 5 would grow into other numbers
		return numeral(before) || numeral(t)
	case t.is("("):
		return before.kind != tokenWord && before.kind != tokenName || keyword(upperASCII(before.text))
	}
	return true
}

func numeral(t token) bool {
	return t.kind == tokenWord && t.text != "" && (t.text[0] == '.' || '0' <= t.text[0] && t.text[0] <= '9')
}

// normal writes a text in the form of [render].
func normal(text string) string { return render(lex(text)) }

// softKeyword tells the keywords that are ordinary names where no keyword is expected, and mean the same with and
// without quotes there (parse.y, "fallback").
func softKeyword(upper string) bool {
	switch upper {
	case "ACTION", "KEY", "OF", "ROW", "ROWS", "PLAN", "QUERY", "DATABASE", "VIEW", "TRIGGER", "OFFSET", "FIRST", "LAST",
		"DESC", "COLUMN", "TEMP", "EACH", "RANGE", "GROUPS", "PARTITION", "CURRENT":
		return true
	}
	return false
}

// keyword tells SQLite's keywords, written in capitals (SQLite manual, "SQLite Keywords").
func keyword(upper string) bool {
	switch upper {
	case "ABORT", "ACTION", "ADD", "AFTER", "ALL", "ALTER", "ALWAYS", "ANALYZE", "AND", "AS", "ASC", "ATTACH", "AUTOINCREMENT",
		"BEFORE", "BEGIN", "BETWEEN", "BY", "CASCADE", "CASE", "CAST", "CHECK", "COLLATE", "COLUMN", "COMMIT", "CONFLICT",
		"CONSTRAINT", "CREATE", "CROSS", "CURRENT", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "DATABASE", "DEFAULT",
		"DEFERRABLE", "DEFERRED", "DELETE", "DESC", "DETACH", "DISTINCT", "DO", "DROP", "EACH", "ELSE", "END", "ESCAPE", "EXCEPT",
		"EXCLUDE", "EXCLUSIVE", "EXISTS", "EXPLAIN", "FAIL", "FILTER", "FIRST", "FOLLOWING", "FOR", "FOREIGN", "FROM", "FULL",
		"GENERATED", "GLOB", "GROUP", "GROUPS", "HAVING", "IF", "IGNORE", "IMMEDIATE", "IN", "INDEX", "INDEXED", "INITIALLY", "INNER",
		"INSERT", "INSTEAD", "INTERSECT", "INTO", "IS", "ISNULL", "JOIN", "KEY", "LAST", "LEFT", "LIKE", "LIMIT", "MATCH",
		"MATERIALIZED", "NATURAL", "NO", "NOT", "NOTHING", "NOTNULL", "NULL", "NULLS", "OF", "OFFSET", "ON", "OR", "ORDER", "OTHERS",
		"OUTER", "OVER", "PARTITION", "PLAN", "PRAGMA", "PRECEDING", "PRIMARY", "QUERY", "RAISE", "RANGE", "RECURSIVE", "REFERENCES",
		"REGEXP", "REINDEX", "RELEASE", "RENAME", "REPLACE", "RESTRICT", "RETURNING", "RIGHT", "ROLLBACK", "ROW", "ROWS", "SAVEPOINT",
		"SELECT", "SET", "TABLE", "TEMP", "TEMPORARY", "THEN", "TIES", "TO", "TRANSACTION", "TRIGGER", "UNBOUNDED", "UNION", "UNIQUE",
		"UPDATE", "USING", "VACUUM", "VALUES", "VIEW", "VIRTUAL", "WHEN", "WHERE", "WINDOW", "WITH", "WITHIN", "WITHOUT":
		return true
	}
	return false
}
