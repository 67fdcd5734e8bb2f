package migration

import (
	"slices"
	"strings"

	"mulligan/engine"
)

// NamesDatabase gives the lines, from 1, on which an SQL script reaches outside of the database that it runs in:
// where it goes to another, changes databases, roles or the server, or, on MySQL and MariaDB, qualifies a name by the
// given database's own. A replay of such a script in a shadow would change the live database or its server.
func NamesDatabase(f engine.Family, text, database string) []int {
	var lines []int
	breaks := breaksOf(text)
	for _, at := range reaches(f, text, database) {
		lines = append(lines, breaks.line(at))
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// reaches gives the offsets of what NamesDatabase names.
func reaches(f engine.Family, text, database string) []int {
	list := tokens(f, text)
	var found []int
	for i, t := range list {
		starts := i == 0 || begins(f, text, list[i-1], t)
		rest := list[i:]
		switch {
		case f == engine.Postgres && t.is("DO") && starts:
			found = append(found, insideDo(text, rest, database)...)
		case f == engine.Postgres && t.mark('\\') && len(rest) > 1 && rest[1].is("CONNECT", "C") && rest[1].at == t.at+1 && beginsLine(text, t.at),
			starts && reachesAt(f, rest),
			(f == engine.MySQL || f == engine.MariaDB) && qualifies(list, i, database):
			found = append(found, t.at)
		}
	}
	return found
}

// begins tells whether a statement begins with a token. MySQL's client lets a script end its statements in other marks
// than a semicolon, so there the first word of a line may begin one.
func begins(f engine.Family, text string, before, t token) bool {
	if before.mark(';') || before.is("BEGIN", "THEN", "ELSE", "LOOP") {
		return true
	}
	return (f == engine.MySQL || f == engine.MariaDB) && before.kind == otherToken && beginsLine(text, t.at)
}

// reachesAt tells whether a statement, whose tokens come first in list, goes outside.
func reachesAt(f engine.Family, list []token) bool {
	if len(list) < 2 {
		return false
	}
	first, second := list[0], list[1]
	switch f {
	case engine.SQLite:
		return first.is("ATTACH")
	case engine.Postgres:
		mapping := len(list) > 2 && second.is("USER") && list[2].is("MAPPING")
		return first.is("CREATE", "DROP", "ALTER") && second.is("DATABASE", "ROLE", "USER", "GROUP", "TABLESPACE") && !mapping ||
			first.is("ALTER") && second.is("SYSTEM")
	default:
		if first.is("CREATE") && second.is("OR") && len(list) > 3 {
			second = list[3]
		}
		return first.is("USE") && !second.is("INDEX", "KEY") || first.is("CREATE", "DROP", "ALTER") && second.is("DATABASE", "SCHEMA")
	}
}

// qualifies tells a name that the database's own begins: `app`.`t`, app.t, app.*.
func qualifies(list []token, i int, database string) bool {
	t := list[i]
	if database == "" || t.kind != wordToken && t.kind != nameToken || !strings.EqualFold(t.text, database) {
		return false
	}
	if i+2 >= len(list) || !list[i+1].mark('.') || i > 0 && (list[i-1].mark('.') || list[i-1].mark('@')) {
		return false
	}
	after := list[i+2]
	return after.kind == wordToken || after.kind == nameToken || after.mark('*')
}

// insideDo looks into the body of a DO, which runs at once.
func insideDo(text string, list []token, database string) []int {
	for _, t := range list[:min(len(list), 4)] { // DO LANGUAGE name $$ … $$
		if t.mark(';') {
			return nil
		}
		if t.kind != textToken || t.text[0] != '$' {
			continue
		}
		tag := strings.IndexByte(t.text[1:], '$') + 2
		end := max(len(t.text)-tag, tag)
		var found []int
		for _, at := range reaches(engine.Postgres, t.text[tag:min(end, len(t.text))], database) {
			found = append(found, t.at+tag+at)
		}
		return found
	}
	return nil
}

// beginsLine tells whether nothing but white space stands before an offset on its line.
func beginsLine(text string, at int) bool {
	before := strings.TrimRight(text[:at], " \t\r\f\v")
	return before == "" || strings.HasSuffix(before, "\n")
}
