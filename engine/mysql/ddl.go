package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// code is an object that is made of statements: a view, a trigger, a routine or an event, or a
// sequence, with the session settings that it was made under.
type code struct {
	kind      string // "view", "trigger", "function", "procedure", "event", "sequence", "package", "package body"
	name      string
	table     string // a trigger's
	when      string // a trigger's time and event, "AFTER INSERT"
	sqlMode   string
	client    string // character_set_client
	collation string // collation_connection
	zone      string // an event's time_zone
	created   string // when an event was made, in seconds since 1970
	text      string // its CREATE statement, without the database's name
}

// drop is the statement that removes the object, if it is there.
func (c code) drop() string { return "DROP " + strings.ToUpper(c.kind) + " IF EXISTS " + ident(c.name) }

// listCodes lists the code objects of a database in an order in which they can be made: routines before
// views, triggers of one table in the order in which they fire. Texts are read by [readCode].
func listCodes(ctx context.Context, q querier, database string) ([]code, error) {
	var list []code
	for _, part := range []struct{ kind, query string }{
		{"", "SELECT LOWER(ROUTINE_TYPE), ROUTINE_NAME, '', '', '' FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ? ORDER BY ROUTINE_TYPE = 'PACKAGE BODY', 1, 2"},
		{"view", "SELECT 'view', TABLE_NAME, '', '', '' FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_TYPE = 'VIEW' ORDER BY 2"},
		{"trigger", `SELECT 'trigger', TRIGGER_NAME, EVENT_OBJECT_TABLE, CONCAT(ACTION_TIMING, ' ', EVENT_MANIPULATION), '' FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = ?
			ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER, TRIGGER_NAME`},
		{"event", "SELECT 'event', EVENT_NAME, '', '', UNIX_TIMESTAMP(CREATED) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ? ORDER BY 2"},
	} {
		rows, err := q.QueryContext(ctx, part.query, database)
		if err != nil {
			return nil, fmt.Errorf("list code: %w", err)
		}
		err = eachRow(rows, func() error {
			var c code
			err := rows.Scan(&c.kind, &c.name, &c.table, &c.when, &c.created)
			list = append(list, c)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("list code: %w", err)
		}
	}
	return list, nil
}

// readCode reads an object's definition as the server writes it. The connection's current database must be
// the object's: then the server leaves the database's name out of most texts, and the rest is left out here.
func readCode(ctx context.Context, q querier, database string, c code) (code, error) {
	rows, err := named(ctx, q, "SHOW CREATE "+strings.ToUpper(c.kind)+" "+ident(database)+"."+ident(c.name))
	if err != nil {
		return c, fmt.Errorf("definition of %s %s: %w", c.kind, c.name, err)
	}
	if len(rows) != 1 {
		return c, fmt.Errorf("definition of %s %s: the server gave none", c.kind, c.name)
	}
	for column, value := range rows[0] {
		switch strings.ToLower(column) {
		case "sql_mode":
			c.sqlMode = value
		case "character_set_client":
			c.client = value
		case "collation_connection":
			c.collation = value
		case "time_zone":
			c.zone = value
		case "sql original statement", "create view", "create procedure", "create function", "create event",
			"create table", "create sequence", "create package", "create package body":
			c.text = value
		}
	}
	if c.text == "" {
		return c, fmt.Errorf("definition of %s %s: the server hides it: the user lacks the privilege to read it", c.kind, c.name)
	}
	switch c.kind {
	case "view":
		c.text = requalify(c.text, database, "")
	case "trigger":
		c.text = triggerOn(c.text, "")
	}
	return c, nil
}

// requalify puts another database's name, or none, where a server-written text names a database in
// backticks before a dot. Strings and comments are left alone.
func requalify(text, from, to string) string {
	old, replacement := ident(from)+".", ""
	if to != "" {
		replacement = ident(to) + "."
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		if strings.HasPrefix(text[i:], old) && (i == 0 || text[i-1] != '.') {
			b.WriteString(replacement)
			i += len(old)
			continue
		}
		end := skipToken(text, i)
		b.WriteString(text[i:end])
		i = end
	}
	return b.String()
}

// triggerOn takes the database's name out of a trigger's head and puts a table's name into it; without one
// it is left as it is there. MariaDB keeps the head as its author wrote it, CREATE … TRIGGER [db.]name timing event
// ON [db.]table FOR EACH ROW …, until the table is renamed: then it writes the table's name anew, in quotes, as MySQL always does.
func triggerOn(text, table string) string {
	tokens := tokenize(text)
	trigger, on := slices.IndexFunc(tokens, isWord("TRIGGER")), slices.IndexFunc(tokens, isWord("ON"))
	each := len(tokens) - 2 // FOR, before EACH
	if trigger < 0 || on < trigger || each < on+2 {
		return text
	}
	if table == "" {
		table = tokens[each-1].text
	} else {
		table = ident(table)
	}
	text = text[:tokens[on].offset] + "ON " + table + " " + text[tokens[each].offset:]
	name := tokens[trigger+1 : on]
	if len(name) > 3 && isWord("IF")(name[0]) && isWord("EXISTS")(name[2]) {
		name = name[3:]
	}
	if len(name) > 2 && name[1].text == "." {
		text = text[:name[0].offset] + text[name[2].offset:]
	}
	return text
}

func isWord(word string) func(token) bool {
	return func(t token) bool { return strings.EqualFold(t.text, word) }
}

type token struct {
	text   string
	offset int
}

// tokenize cuts the head of a statement into words, quoted names, strings and single signs, without
// white space and comments. It stops behind FOR EACH, where a trigger's body is near.
func tokenize(text string) []token {
	var tokens []token
	for i := 0; i < len(text); {
		end := skipToken(text, i)
		for end == i+1 && wordByte(text[i]) && end < len(text) && wordByte(text[end]) {
			for end < len(text) && wordByte(text[end]) {
				end++
			}
		}
		piece := text[i:end]
		comment := strings.HasPrefix(piece, "/*") || piece[0] == '#' || strings.HasPrefix(piece, "--")
		if strings.TrimSpace(piece) != "" && !comment {
			tokens = append(tokens, token{piece, i})
		}
		if strings.EqualFold(piece, "EACH") {
			break
		}
		i = end
	}
	return tokens
}

func wordByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
