package liquibase

import (
	"fmt"
	"regexp"
	"strings"

	"mulligan/migration"
)

var (
	header     = regexp.MustCompile(`(?i)^\s*--\s*liquibase\s+formatted\s+sql\b(.*)`)
	changeLine = regexp.MustCompile(`(?i)^\s*--\s*changeset\s+(.*)$`)
	authorID   = regexp.MustCompile(`^\s*("[^"]+"|[^:"]+):\s*("[^"]+"|\S+)\s*(.*)$`)
	attribute  = regexp.MustCompile(`([\w-]+):("[^"]*"|\S+)`)
	condition  = regexp.MustCompile(`(?i)^\s*--\s*preconditions?\b`)
	ignore     = regexp.MustCompile(`(?i)^\s*--\s*ignoreLines:\s*(start|end|\d+)\s*$`)
)

// sqlChange is what a change set in SQL sends to the server.
type sqlChange struct {
	text       string            // what follows its line; comments of whole lines are left empty
	line       int               // of the text, from 1
	attributes map[string]string // by names in lower case
	conditions bool              // it has preconditions
}

// parseSQL reads a file of SQL. One without Liquibase's first line is one change set, "raw" by "includeAll".
func parseSQL(content string) (*changelog, error) {
	lines := strings.Split(strings.ReplaceAll(content, "\r\n", "\n"), "\n")
	lines[0] = strings.TrimPrefix(lines[0], "\ufeff")
	head := header.FindStringSubmatch(lines[0])
	if head == nil {
		raw := &sqlChange{text: strings.Join(lines, "\n"), line: 1}
		return &changelog{entries: []entry{{line: 1, change: &changeSet{id: "raw", author: "includeAll", sql: raw}}}}, nil
	}
	c := &changelog{logical: options(head[1])["logicalfilepath"], entries: []entry{}}
	var body *[]string
	var now *sqlChange
	end := func() {
		if now != nil {
			now.text = strings.Join(*body, "\n")
		}
	}
	skip := ignored(lines)
	for i, line := range lines[1:] {
		number := i + 2
		if skip[number] {
			line = ""
		}
		if m := changeLine.FindStringSubmatch(line); m != nil {
			end()
			e, err := change(m[1], number)
			if err != nil {
				return nil, err
			}
			c.entries = append(c.entries, e)
			now, body = e.change.sql, &[]string{}
			continue
		}
		if now == nil {
			continue // before the first change set
		}
		now.conditions = now.conditions || condition.MatchString(line)
		if strings.HasPrefix(strings.TrimSpace(line), "--") {
			line = "" // MySQL would take "--rollback" for SQL
		}
		*body = append(*body, line)
	}
	end()
	return c, nil
}

// change reads the rest of a line "--changeset author:id attributes".
func change(text string, line int) (entry, error) {
	m := authorID.FindStringSubmatch(text)
	if m == nil {
		return entry{}, fmt.Errorf("line %d: a change set is written as --changeset author:id", line)
	}
	plain := func(s string) string { return strings.TrimSpace(strings.Trim(strings.TrimSpace(s), `"`)) }
	s := &sqlChange{line: line + 1, attributes: options(m[3])}
	return entry{line: line, logical: s.attributes["logicalfilepath"], change: &changeSet{id: plain(m[2]), author: plain(m[1]), sql: s}}, nil
}

// options reads attributes of the form name:value or name:"a value".
func options(text string) map[string]string {
	found := map[string]string{}
	for _, m := range attribute.FindAllStringSubmatch(text, -1) {
		found[strings.ToLower(m[1])] = strings.Trim(m[2], `"`)
	}
	return found
}

// ignored tells the lines, from 1, that --ignoreLines takes out.
func ignored(lines []string) map[int]bool {
	skip := map[int]bool{}
	left, until := 0, false
	for i, line := range lines {
		m := ignore.FindStringSubmatch(line)
		switch {
		case m == nil:
			skip[i+1] = left > 0 || until
			left = max(0, left-1)
		case strings.EqualFold(m[1], "start"), strings.EqualFold(m[1], "end"):
			until = strings.EqualFold(m[1], "start")
		default:
			_, _ = fmt.Sscan(m[1], &left) // digits only; too many of them leave nothing to skip
		}
	}
	return skip
}

// script is the SQL of a change set that needs nothing but SQL. Errors: errors.ErrUnsupported for others.
func (s *source) script(m migration.Migration) (migration.Script, error) {
	c, err := s.files.Listed(m)
	if err != nil {
		return migration.Script{}, err
	}
	_, id, author, err := parts(m.ID)
	if err != nil {
		return migration.Script{}, err
	}
	for _, e := range c.entries {
		if e.change != nil && e.line == m.Line && e.change.id == id && e.change.author == author && e.change.sql != nil {
			return e.change.sql.script()
		}
	}
	return migration.Script{}, errNotSQL("")
}

func (s *sqlChange) script() (migration.Script, error) {
	switch {
	case s.conditions:
		return migration.Script{}, errNotSQL("it has preconditions")
	case s.attributes["dbms"] != "":
		return migration.Script{}, errNotSQL("it is for some databases only (dbms)")
	case s.attributes["runwith"] != "":
		return migration.Script{}, errNotSQL("it is run by another program (runWith)")
	case strings.Contains(s.text, "${"):
		return migration.Script{}, errNotSQL("it has parameters")
	}
	transaction := !strings.EqualFold(s.attributes["runintransaction"], "false")
	delimiter := strings.NewReplacer(`\n`, "\n", `\r`, "\r").Replace(s.attributes["enddelimiter"])
	if delimiter == "" || delimiter == ";" || strings.EqualFold(s.attributes["splitstatements"], "false") {
		return migration.Script{Parts: []migration.Statement{{Text: s.text, Line: s.line}}, Transaction: transaction}, nil
	}
	script := migration.Script{Transaction: transaction}
	line := s.line
	for _, part := range strings.Split(s.text, delimiter) {
		if strings.TrimSpace(part) != "" {
			script.Parts = append(script.Parts, migration.Statement{Text: part, Line: line})
		}
		line += strings.Count(part+delimiter, "\n")
	}
	return script, nil
}
