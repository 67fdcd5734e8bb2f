package migration

import (
	"slices"
	"strings"

	"mulligan/engine"
)

// MovesData gives the statements of a migration that touch rows, or may, and so leave no trace in a schema: all but
// those that are known to define objects or to speak to the session alone. What stands in the body of a function or
// a trigger is not run, and does not count.
func MovesData(f engine.Family, statements []Statement) []Statement {
	var list []Statement
	for _, st := range statements {
		if movesData(tokens(f, st.Text)) {
			list = append(list, st)
		}
	}
	return list
}

func movesData(list []token) bool {
	for len(list) > 0 && (list[0].mark('(') || list[0].mark(';') || list[0].mark('*') || list[0].mark('/')) {
		list = list[1:] // the last two end a comment that the server runs
	}
	if len(list) == 0 {
		return false
	}
	first := list[0]
	switch {
	case first.is("CREATE"):
		return createsRows(list[1:])
	case first.is("ALTER"):
		return partitionMoves(list)
	case first.is("SELECT"):
		return selectWrites(list)
	case first.is("EXPLAIN", "DESCRIBE", "DESC"):
		return slices.ContainsFunc(list, func(t token) bool { return t.is("ANALYZE") })
	case first.is("IMPORT"):
		return len(list) < 2 || !list[1].is("FOREIGN")
	}
	return !first.is(plain()...)
}

// plain are the first words of statements that define something, or speak to the session alone.
func plain() []string {
	return []string{
		"ABORT", "ANALYZE", "ATTACH", "BEGIN", "CHECKPOINT", "CLOSE", "CLUSTER", "COMMENT", "COMMIT", "DEALLOCATE", "DECLARE", "DELIMITER",
		"DETACH", "DISCARD", "DROP", "END", "FLUSH", "GRANT", "INSTALL", "LISTEN", "LOCK", "NOTIFY", "OPTIMIZE", "PRAGMA", "PREPARE",
		"REASSIGN", "REFRESH", "REINDEX", "RELEASE", "RENAME", "RESET", "REVOKE", "ROLLBACK", "SAVEPOINT", "SECURITY", "SET", "SHOW",
		"START", "UNINSTALL", "UNLISTEN", "UNLOCK", "USE", "VACUUM",
	}
}

// createsRows tells a CREATE TABLE that is filled by a query. list follows the CREATE.
func createsRows(list []token) bool {
	i := 0
	for i < len(list) && list[i].is("OR", "REPLACE", "GLOBAL", "LOCAL", "TEMP", "TEMPORARY", "UNLOGGED") {
		i++
	}
	if i == len(list) || !list[i].is("TABLE") {
		return false
	}
	depth, filled := 0, false
	for k, t := range list {
		switch {
		case t.mark('('):
			depth++
		case t.mark(')'):
			depth--
		case t.is("SELECT"):
			filled = true
		case depth == 0 && t.is("AS") && k+1 < len(list) && list[k+1].is("VALUES", "TABLE", "EXECUTE", "WITH"):
			filled = true
		case t.is("WITH") && k+2 < len(list) && list[k+1].is("NO") && list[k+2].is("DATA"):
			return false
		}
	}
	return filled
}

// partitionMoves tells an ALTER TABLE that empties a partition or puts another's rows into it.
func partitionMoves(list []token) bool {
	for i := range len(list) - 1 {
		if list[i].is("TRUNCATE", "EXCHANGE", "DISCARD", "IMPORT") && list[i+1].is("PARTITION", "TABLESPACE") {
			return true
		}
	}
	return false
}

// selectWrites tells a SELECT that makes a table, or calls a function that is not known to only read.
func selectWrites(list []token) bool {
	for i, t := range list {
		if t.is("INTO") {
			return true
		}
		if i+1 == len(list) || !list[i+1].mark('(') {
			continue
		}
		if t.kind == nameToken || t.kind == wordToken && !t.is(reads()...) {
			return true
		}
	}
	return false
}

// reads are the words that may stand before a parenthesis in a query that only reads.
func reads() []string {
	return []string{
		// Of the language itself.
		"ALL", "AND", "ANY", "ARRAY", "AS", "BETWEEN", "BY", "CASE", "CHAR", "CROSS", "DECIMAL", "DISTINCT", "ELSE", "EXCEPT", "EXISTS", "FILTER",
		"FROM", "GROUP", "HAVING", "IN", "INTERSECT", "INTERVAL", "IS", "JOIN", "LATERAL", "LIKE", "LIMIT", "NOT", "NUMERIC", "OFFSET", "ON", "OR",
		"OVER", "PARTITION", "ROW", "SELECT", "SOME", "THEN", "UNION", "USING", "VALUES", "VARCHAR", "WHEN", "WHERE", "WITHIN",
		// Functions.
		"ABS", "AVG", "CAST", "CEIL", "CHAR_LENGTH", "COALESCE", "CONCAT", "CONCAT_WS", "CONNECTION_ID", "CONVERT", "COUNT", "CURRENT_DATABASE",
		"CURRENT_SCHEMA", "CURRENT_SETTING", "CURRENT_TIMESTAMP", "CURRENT_USER", "DATABASE", "DATE", "DATE_TRUNC", "EXTRACT", "FLOOR", "FORMAT",
		"GREATEST", "IF", "IFNULL", "LAST_INSERT_ID", "LEAST", "LEFT", "LENGTH", "LOWER", "MAX", "MIN", "MOD", "NOW", "NULLIF", "POSITION",
		"RIGHT", "ROUND", "ROW_COUNT", "SCHEMA", "SET_CONFIG", "SLEEP", "SUBSTR", "SUBSTRING", "SUM", "TO_CHAR", "TO_REGCLASS", "TRIM", "UPPER",
		"USER", "VERSION", "PG_SLEEP", "SQLITE_VERSION",
		// Locks, which the session holds.
		"GET_LOCK", "RELEASE_LOCK", "IS_FREE_LOCK", "IS_USED_LOCK", "PG_ADVISORY_LOCK", "PG_ADVISORY_UNLOCK", "PG_ADVISORY_XACT_LOCK",
		"PG_TRY_ADVISORY_LOCK", "PG_TRY_ADVISORY_XACT_LOCK", "PG_ADVISORY_UNLOCK_ALL",
	}
}

// DataInCode gives the lines, from 1, on which a migration that is code (JavaScript, TypeScript, PHP, Ruby, Python,
// Elixir) seems to move rows: a call or a word such as insert, updateMany or RunPython, or SQL in a text.
// It is a guess that rather errs to the safe side: a line that is named need not move any, and code that moves rows
// by calling the application is not seen.
func DataInCode(text string) []int {
	c := code{text: text, breaks: breaksOf(text)}
	for c.at < len(text) {
		c.next()
	}
	slices.Sort(c.lines)
	return slices.Compact(c.lines)
}

// code walks over a program without knowing its language.
type code struct {
	text   string
	at     int
	lines  []int
	before string // the word before, lower case; "" = something else stood between
	of     string // the word before a dot or an arrow that stands just before; lower case
	breaks lineBreaks
	open   string // quotes that have no end
}

// found notes the line of an offset.
func (c *code) found(at int) { c.lines = append(c.lines, c.breaks.line(at)) }

func (c *code) next() {
	rest := c.text[c.at:]
	if n := c.comment(rest); n > 0 {
		c.at += n
		return
	}
	switch b := rest[0]; {
	case (b == '\'' || b == '"' || b == '`') && strings.IndexByte(c.open, b) < 0:
		if n := c.quoted(rest); n > 0 {
			c.at += n
			c.before, c.of = "", ""
			return
		}
		c.open += string(b)
		c.at++
	case isWord(b) || b == '$':
		n := 1
		for n < len(rest) && isWord(rest[n]) {
			n++
		}
		if n < len(rest) && (rest[n] == '!' || rest[n] == '?') && !strings.HasPrefix(rest[n+1:], "=") {
			n++ // names in Ruby and Elixir
		}
		c.word(rest[:n])
		c.at += n
	case strings.IndexByte(" \t\r\n", b) >= 0:
		c.at++
	default:
		c.punctuation(rest)
	}
}

// punctuation remembers the receiver of a call.
func (c *code) punctuation(rest string) {
	n := 1
	for _, arrow := range []string{"?->", "?.", "->", "::", "."} {
		if strings.HasPrefix(rest, arrow) {
			n = len(arrow)
			c.of = c.before
			if c.of == "" {
				c.of = "?"
			}
			c.before = ""
			c.at += n
			return
		}
	}
	if rest[0] != '(' && rest[0] != ')' {
		c.of = ""
	}
	c.before = ""
	c.at += n
}

// comment is the length of the comment that s begins with; 0 = it begins with none.
func (c *code) comment(s string) int {
	switch {
	case strings.HasPrefix(s, "/*"):
		return until(s, 2, "*/")
	case strings.HasPrefix(s, "//"), strings.HasPrefix(s, "-- "):
		return until(s, 2, "\n")
	case s[0] != '#':
		return 0
	}
	// A private name of JavaScript, an attribute of PHP and an interpolation of Ruby begin with the same sign.
	if !beginsLine(c.text, c.at) || strings.HasPrefix(s, "#[") {
		if len(s) > 1 && (isWord(s[1]) || s[1] == '{' || s[1] == '[') {
			return 0
		}
	}
	return until(s, 1, "\n")
}

// quoted looks into the text that s begins with, and gives its length; 0 = it has no end.
func (c *code) quoted(s string) int {
	mark := s[:1]
	if triple := strings.Repeat(mark, 3); strings.HasPrefix(s, triple) {
		mark = triple
	}
	end := len(mark)
	for {
		if end >= len(s) {
			return 0
		}
		if s[end] == '\\' {
			end += 2
			continue
		}
		if strings.HasPrefix(s[end:], mark) {
			break
		}
		end++
	}
	inside := s[len(mark):end]
	if mark != "`" && len(mark) == 1 && strings.Contains(inside, "\n") && !makesRoutine(tokens(engine.Postgres, inside)) {
		// A text of many lines, or an apostrophe that begins none: code may stand in it.
		first := c.breaks.line(c.at)
		for _, line := range DataInCode(inside) {
			c.lines = append(c.lines, first+line-1)
		}
	}
	head := strings.TrimRight(c.text[:c.at], "@abcdefghijklmnopqrstuvwxyz_ \t") // the @moduledoc and @doc of Elixir, too
	documentation := len(mark) == 3 && beginsLine(c.text, len(head))
	for _, at := range sqlInText(inside, documentation) {
		c.found(c.at + len(mark) + at)
	}
	return end + len(mark)
}

// sqlInText gives the offsets in a text at which SQL that moves rows begins.
func sqlInText(text string, documentation bool) []int {
	list := tokens(engine.Postgres, text)
	if makesRoutine(list) {
		return nil
	}
	var found []int
	for i, t := range list {
		after := func(n int) token {
			if i+n < len(list) {
				return list[i+n]
			}
			return token{kind: otherToken, text: " "}
		}
		begins := i == 0 && !documentation && len(list) > 1 && after(1).kind != otherToken
		switch {
		case begins && t.is("INSERT", "UPDATE", "DELETE", "REPLACE", "UPSERT", "MERGE", "TRUNCATE"),
			begins && t.is("CALL") && (after(2).mark('(') || after(3).mark('.')),
			begins && t.is("DO") && (after(1).kind == textToken || after(1).is("LANGUAGE")),
			t.is("INSERT") && (after(1).is("INTO", "IGNORE") || after(1).is("OR") && after(3).is("INTO")),
			t.is("REPLACE", "MERGE", "UPSERT") && after(1).is("INTO"),
			t.is("DELETE") && after(1).is("FROM"),
			t.is("UPDATE") && i+2 < len(list) && !before(list, i, "ON", "FOR", "OR", "BEFORE", "AFTER") && slices.ContainsFunc(list[i+1:min(i+8, len(list))], func(t token) bool { return t.is("SET") }),
			t.is("TRUNCATE") && after(1).is("TABLE"),
			t.is("LOAD") && after(1).is("DATA"),
			t.is("COPY") && after(2).is("FROM"),
			t.is("SETVAL") && after(1).mark('('),
			t.is("SELECT") && before(list, i, "AS") && list[0].is("CREATE") && createsRows(list[1:]):
			found = append(found, t.at)
		}
	}
	return found
}

// before tells whether one of some words stands before a token.
func before(list []token, i int, words ...string) bool { return i > 0 && list[i-1].is(words...) }

// makesRoutine tells a text that makes a function, a trigger or the like: what stands in it is not run.
func makesRoutine(list []token) bool {
	return len(list) > 0 && list[0].is("CREATE") && slices.ContainsFunc(list[:min(len(list), 8)], func(t token) bool {
		return t.is("FUNCTION", "PROCEDURE", "TRIGGER", "EVENT", "RULE")
	})
}

// word looks at one name or word of the program.
func (c *code) word(w string) {
	start, end := c.at, c.at+len(w)
	name := strings.ToLower(w)
	plain := strings.TrimRight(strings.ReplaceAll(strings.TrimLeft(name, "$"), "_", ""), "!?")
	previous, of := c.before, c.of
	c.before, c.of = name, ""
	if c.symbol(start) || c.key(end) {
		return
	}
	switch {
	case slices.Contains(movers(), plain):
		// ON DELETE CASCADE, AFTER INSERT OR UPDATE: SQL that stands in a text of many lines.
		if !slices.Contains([]string{"on", "after", "before", "or", "for", "of"}, previous) {
			c.found(start)
		}
	case slices.Contains([]string{"create", "createmany", "add", "addall", "persist"}, plain):
		if of != "" && (plain != "create" || !slices.Contains([]string{"schema", "object", "knex", "table", "pgm"}, of)) && (plain != "add" || of == "session") {
			c.found(start)
		}
	}
}

// symbol tells the :delete_all of Ruby and Elixir, which is a value.
func (c *code) symbol(start int) bool {
	if start == 0 || c.text[start-1] != ':' {
		return false
	}
	return start == 1 || strings.IndexByte(" \t\n([{,", c.text[start-2]) >= 0
}

// key tells a name that a colon follows: the key of an object.
func (c *code) key(end int) bool {
	rest := strings.TrimLeft(c.text[end:], " \t")
	return strings.HasPrefix(rest, ":") && !strings.HasPrefix(rest, "::")
}

// movers are the names of functions and words that move rows, lower case and without underscores.
func movers() []string {
	return []string{
		"insert", "insertall", "insertmany", "insertorignore", "insertgetid", "insertusing", "insertinto", "insertdata", "insertone",
		"update", "updateall", "updatemany", "updateone", "updateorcreate", "updateorinsert", "updatecolumn", "updatecolumns", "updateattribute",
		"updateattributes", "updatedata", "updateeach", "delete", "deleteall", "deletemany", "deleteone", "deletefrom", "deleteby", "deletedata",
		"destroy", "destroyall", "destroyby", "upsert", "upsertall", "upsertmany", "replace", "replaceinto", "truncate", "truncatetable",
		"bulkcreate", "bulkinsert", "bulkupdate", "bulkdelete", "bulkwrite", "bulkinsertmappings", "bulkupdatemappings", "bulksaveobjects",
		"batchinsert", "batchupdate", "runpython", "save", "saveall", "savemany", "savequietly", "copy", "copyfrom", "copydata", "copyexpert",
		"findorcreate", "findorcreateby", "firstorcreate", "getorcreate", "executemany", "executevalues", "loaddata", "increment", "decrement",
		"incrementeach", "touchall", "seed",
	}
}
