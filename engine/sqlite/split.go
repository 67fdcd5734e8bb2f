package sqlite

import (
	"slices"
	"strings"
)

// tableText is a CREATE TABLE cut at its outermost commas. In order its parts hold every token of the text.
type tableText struct {
	head    []token   // before the bracket that opens
	clauses [][]token // columns, then constraints
	options []token   // behind the bracket that closes
}

// splitTable cuts a CREATE TABLE; ok is false where the brackets do not match or something is empty.
func splitTable(list []token) (t tableText, ok bool) {
	start := slices.IndexFunc(list, func(t token) bool { return t.is("(") })
	if start < 0 || list[len(list)-1].kind == tokenBroken {
		return t, false
	}
	end := start + groupLength(list[start:])
	if end == start {
		return t, false
	}
	t.head, t.options = list[:start], list[end:]
	t.clauses = splitList(list[start+1 : end-1])
	return t, !slices.ContainsFunc(t.clauses, func(c []token) bool { return len(c) == 0 })
}

// groupLength is the length of the bracketed group that the list begins with; 0 = there is none.
func groupLength(list []token) int {
	depth := 0
	for i, t := range list {
		switch {
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		}
		if depth <= 0 {
			if i == 0 {
				return 0
			}
			return i + 1
		}
	}
	return 0
}

// splitList cuts at the commas outside brackets.
func splitList(list []token) (parts [][]token) {
	depth, start := 0, 0
	for i, t := range list {
		switch {
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		case t.is(",") && depth == 0:
			parts = append(parts, list[start:i])
			start = i + 1
		}
	}
	return append(parts, list[start:])
}

// tableParts are what a table is made of, each in one form however it was written.
type tableParts struct {
	columns     []part
	constraints []part
	options     []string // in capitals, sorted
}

// part is a column or a constraint.
type part struct {
	name string // a constraint's is empty where it has none
	def  string
}

// parseTable reads a CREATE TABLE; ok is false where it holds anything that is not known here.
// A key, a check or a foreign key that stands beside a column is the same as one that stands for itself.
func parseTable(list []token) (t tableParts, ok bool) {
	text, ok := splitTable(list)
	if !ok {
		return t, false
	}
	for i, clause := range text.clauses {
		p := &clauseParser{rest: clause}
		if i > 0 && startsConstraint(clause[0]) {
			p.tableConstraints()
		} else {
			t.columns = append(t.columns, p.column())
		}
		if p.failed || len(p.rest) > 0 {
			return t, false
		}
		t.constraints = append(t.constraints, p.found...)
	}
	if len(text.options) > 0 {
		for _, o := range splitList(text.options) {
			t.options = append(t.options, upperASCII(render(o)))
		}
	}
	slices.Sort(t.options)
	return t, true
}

// startsConstraint tells a constraint from a column. These keywords are no names without quotes.
func startsConstraint(t token) bool {
	return t.kind == tokenWord && slices.Contains([]string{"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"}, t.text)
}

// clauseParser reads one clause from left to right. Once it has failed, it reads nothing.
type clauseParser struct {
	rest   []token
	found  []part // the constraints so far
	name   string // what CONSTRAINT has named, for the next one
	failed bool
}

// next takes a token; at the end it fails.
func (p *clauseParser) next() token {
	if len(p.rest) == 0 {
		p.failed = true
		return token{}
	}
	t := p.rest[0]
	p.rest = p.rest[1:]
	return t
}

// skip takes the words if they come next.
func (p *clauseParser) skip(words ...string) bool {
	if len(p.rest) < len(words) {
		return false
	}
	for i, w := range words {
		if !p.rest[i].is(w) {
			return false
		}
	}
	p.rest = p.rest[len(words):]
	return true
}

// group takes an expression or a list in brackets.
func (p *clauseParser) group() []token {
	n := groupLength(p.rest)
	if n == 0 {
		p.failed = true
		return nil
	}
	g := p.rest[:n]
	p.rest = p.rest[n:]
	return g
}

func (p *clauseParser) add(def string) {
	p.found = append(p.found, part{p.name, def})
	p.name = ""
}

// conflict reads ON CONFLICT; ABORT is what holds without it.
func (p *clauseParser) conflict() string {
	if !p.skip("ON", "CONFLICT") {
		return ""
	}
	if word := p.next().text; word != "ABORT" {
		return " ON CONFLICT " + word
	}
	return ""
}

// columnDef is what becomes of a column's clause, apart from its constraints.
type columnDef struct {
	kind, notNull, fallback, collation, generated string
}

func (d columnDef) String() string {
	parts := slices.DeleteFunc([]string{d.kind, d.collation, d.notNull, d.fallback, d.generated}, func(s string) bool { return s == "" })
	return strings.Join(parts, " ")
}

func (p *clauseParser) column() part {
	name := p.next()
	column := asName(name)
	d := columnDef{kind: p.columnType()}
	for len(p.rest) > 0 && !p.failed {
		p.columnConstraint(column, &d)
	}
	return part{column.value, d.String()}
}

// columnType reads a type: any words up to the first constraint, with a length or two.
func (p *clauseParser) columnType() string {
	var words []token
	for len(p.rest) > 0 && (p.rest[0].kind != tokenSign && !p.startsColumnConstraint()) {
		t := p.next()
		words = append(words, token{kind: tokenWord, text: upperASCII(t.value)})
	}
	if len(words) > 0 && len(p.rest) > 0 && p.rest[0].is("(") {
		words = append(words, p.group()...)
	}
	if len(words) == 0 {
		return "no type"
	}
	return render(words)
}

func (p *clauseParser) startsColumnConstraint() bool {
	t := p.rest[0]
	if t.kind != tokenWord {
		return false
	}
	switch t.text {
	case "CONSTRAINT", "PRIMARY", "NOT", "NULL", "UNIQUE", "CHECK", "DEFAULT", "COLLATE", "REFERENCES", "AS":
		return true
	case "GENERATED":
		return len(p.rest) > 1 && p.rest[1].is("ALWAYS")
	}
	return false
}

func (p *clauseParser) columnConstraint(column token, d *columnDef) {
	switch {
	case p.skip("CONSTRAINT"):
		p.name = asName(p.next()).value
		return // it names what comes next
	case p.skip("PRIMARY", "KEY"):
		p.columnKey(column)
	case p.skip("NOT", "NULL"):
		d.notNull = "NOT NULL" + p.conflict()
	case p.skip("NULL"):
		p.conflict()
	case p.skip("UNIQUE"):
		p.add("UNIQUE (" + column.text + ")" + p.conflict())
	case p.skip("CHECK"):
		p.add("CHECK " + render(p.group()))
	case p.skip("DEFAULT"):
		d.fallback = p.fallback()
	case p.skip("COLLATE"):
		d.collation = "COLLATE " + upperASCII(p.next().value)
		if d.collation == "COLLATE BINARY" {
			d.collation = ""
		}
	case p.skip("REFERENCES"):
		p.references("(" + column.text + ")")
	case p.skip("GENERATED", "ALWAYS", "AS"), p.skip("AS"):
		d.generated = "GENERATED ALWAYS AS " + render(p.group()) + " VIRTUAL"
		if p.skip("STORED") || len(p.rest) > 0 && upperASCII(p.rest[0].text) == "STORED" {
			d.generated = strings.TrimSuffix(d.generated, "VIRTUAL") + "STORED"
		}
		if len(p.rest) > 0 && (upperASCII(p.rest[0].text) == "STORED" || p.rest[0].is("VIRTUAL")) {
			p.next()
		}
	default:
		p.failed = true
	}
	p.name = ""
}

// columnKey reads what follows PRIMARY KEY beside a column. With DESC there, and only there, the column is not
// the row's number (SQLite manual, "ROWIDs and the INTEGER PRIMARY KEY").
func (p *clauseParser) columnKey(column token) {
	def, end := "PRIMARY KEY ("+column.text, ")"
	p.skip("ASC")
	if p.skip("DESC") {
		def, end = def+" DESC", ") beside its column"
	}
	conflict := p.conflict()
	if p.skip("AUTOINCREMENT") {
		def += " AUTOINCREMENT"
	}
	p.name = primary
	p.add(def + end + conflict)
}

// primary is what a primary key is called: SQLite keeps no name for it.
const primary = "PRIMARY"

// fallback reads a column's default. A bare word is a string, but for the few that are values.
func (p *clauseParser) fallback() string {
	var value []token
	switch {
	case len(p.rest) == 0:
		p.failed = true
		return ""
	case p.rest[0].is("("):
		value = p.group()
		if len(value) == 3 && literalToken(value[1]) {
			value = value[1:2]
		}
	case p.rest[0].is("+") || p.rest[0].is("-"):
		value = []token{p.next(), p.next()}
		if value[0].is("+") {
			value = value[1:]
		}
		return "DEFAULT " + strings.Join(strings.Fields(render(value)), "")
	default:
		t := p.next()
		if t.kind == tokenSign || t.kind == tokenBroken {
			p.failed = true
		}
		if !literalToken(t) {
			t = token{kind: tokenText, text: "'" + strings.ReplaceAll(t.value, "'", "''") + "'"}
		}
		value = []token{t}
	}
	if len(value) == 1 && value[0].is("NULL") {
		return ""
	}
	return "DEFAULT " + render(value)
}

// literalToken tells a token that is a value by itself.
func literalToken(t token) bool {
	switch t.kind {
	case tokenText:
		return true
	case tokenWord:
		return numeral(t) || slices.Contains([]string{"NULL", "TRUE", "FALSE", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP"}, t.text)
	}
	return false
}

// references reads what follows REFERENCES. What SQLite does without being told is left out: MATCH, which
// it ignores, NO ACTION, and to check at once.
func (p *clauseParser) references(columns string) {
	def := "FOREIGN KEY " + columns + " REFERENCES " + asName(p.next()).text
	if len(p.rest) > 0 && p.rest[0].is("(") {
		def += " " + render(asNames(p.group()))
	}
	actions := map[string]string{}
	for {
		if p.skip("MATCH") {
			p.next()
			continue
		}
		if !p.skip("ON") {
			break
		}
		event, action := p.next().text, p.next().text
		if action == "SET" || action == "NO" {
			action += " " + p.next().text
		}
		actions[event] = action
	}
	for _, event := range []string{"DELETE", "UPDATE"} {
		if actions[event] != "" && actions[event] != "NO ACTION" {
			def += " ON " + event + " " + actions[event]
		}
	}
	not := p.skip("NOT", "DEFERRABLE")
	if deferrable := not || p.skip("DEFERRABLE"); deferrable && p.skip("INITIALLY") {
		if p.next().is("DEFERRED") && !not {
			def += " DEFERRABLE INITIALLY DEFERRED"
		}
	}
	p.add(def)
}

// tableConstraints reads constraints that stand for themselves. SQLite wants no comma between two of them.
func (p *clauseParser) tableConstraints() {
	for len(p.rest) > 0 && !p.failed {
		switch {
		case p.skip("CONSTRAINT"):
			p.name = asName(p.next()).value
		case p.skip("PRIMARY", "KEY"):
			p.name = primary
			p.add("PRIMARY KEY " + render(keyColumns(p.group())) + p.conflict())
		case p.skip("UNIQUE"):
			p.add("UNIQUE " + render(keyColumns(p.group())) + p.conflict())
		case p.skip("CHECK"):
			def := "CHECK " + render(p.group())
			p.conflict() // SQLite reads it here and ignores it
			p.add(def)
		case p.skip("FOREIGN", "KEY"):
			columns := render(asNames(p.group()))
			if !p.skip("REFERENCES") {
				p.failed = true
			}
			p.references(columns)
		default:
			p.failed = true
		}
	}
}

// asName makes a name of a string that stands where a name is expected; SQLite reads it so.
func asName(t token) token {
	if t.kind == tokenText {
		return named(t.value)
	}
	return t
}

func asNames(list []token) []token {
	names := make([]token, len(list))
	for i, t := range list {
		names[i] = asName(t)
	}
	return names
}

// keyColumns is a list of columns of a key or an index, without ASC, which holds anyway. Strings are names here only where they stand alone.
func keyColumns(list []token) []token {
	var kept []token
	depth := 0
	for i, t := range list {
		switch {
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		case t.is("ASC") && depth == 1 && (i+1 == len(list) || list[i+1].is(",") || list[i+1].is(")")):
			continue
		case t.kind == tokenText && depth == 1 && (list[i-1].is("(") || list[i-1].is(",")) && i+1 < len(list) &&
			(list[i+1].is(",") || list[i+1].is(")") || list[i+1].is("ASC") || list[i+1].is("DESC") || list[i+1].is("COLLATE")):
			t = named(t.value)
		}
		kept = append(kept, t)
	}
	return kept
}
