package mysql

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mulligan/engine"
	"mulligan/schema"
)

var _ engine.Completer = (*Server)(nil)

// Complete writes statements from the objects themselves: those of a table are the clauses of its CREATE TABLE. Foreign
// keys come when all tables are there, then routines, views, triggers and events.
//
// A routine, trigger or event is made under the settings that it was made with first. Where its text has letters beyond
// ASCII, and the client that made it did not send UTF-8, that cannot be done from here.
func (s *Server) Complete(changes []schema.Change) ([]engine.Completion, error) {
	c := &completer{tables: map[string]*tableChanges{}}
	for _, change := range changes {
		if err := c.take(change); err != nil {
			return nil, fmt.Errorf("complete the schema: %w", err)
		}
	}
	list, err := c.statements()
	if err != nil {
		return nil, fmt.Errorf("complete the schema: %w", err)
	}
	return list, nil
}

// completer is one Complete.
type completer struct {
	tables    map[string]*tableChanges
	sequences []part
	codes     []part // views, routines, triggers, events
	list      []engine.Completion
}

// part is a change with its own name, without the table's.
type part struct {
	schema.Change
	table, name string
}

func (p part) key() string   { return p.Kind + " " + p.Name }
func (p part) missing() bool { return p.Old == "" }
func (p part) extra() bool   { return p.New == "" }

// foreign tells a foreign key from a check.
func (p part) foreign() bool { return strings.Contains(p.Old+p.New, "FOREIGN KEY (") }

// tableChanges are the changes of one table.
type tableChanges struct {
	name                          string
	table, order                  *part // nil = no change
	columns, indexes, constraints []part
}

func (c *completer) take(change schema.Change) error {
	name, err := schema.ParseName(strings.TrimSuffix(change.Name, " (2)"))
	if err != nil {
		return err
	}
	p := part{Change: change, table: name.Schema, name: name.Table}
	switch change.Kind {
	case "table", schema.KindColumnOrder:
		t := c.of(name.Table)
		// MariaDB 10.11 does not double a backtick in the names of a foreign key and its columns: such a text cannot be taken apart.
		if change.Kind == "table" && !p.extra() && !strings.HasPrefix(change.New, "ENGINE=") {
			return fmt.Errorf("table %s: its options are %q: %w", change.Name, change.New, errors.ErrUnsupported)
		}
		if change.Kind == "table" {
			t.table = &p
		} else {
			t.order = &p
		}
	case "column":
		t := c.of(p.table)
		t.columns = append(t.columns, p)
	case "index":
		t := c.of(p.table)
		t.indexes = append(t.indexes, p)
	case "constraint":
		t := c.of(p.table)
		t.constraints = append(t.constraints, p)
	case "sequence":
		c.sequences = append(c.sequences, p)
	case "view", "trigger", "function", "procedure", "event", "package", "package body":
		c.codes = append(c.codes, p)
	default:
		return fmt.Errorf("%s %s: %w", change.Kind, change.Name, errors.ErrUnsupported)
	}
	return nil
}

func (c *completer) of(table string) *tableChanges {
	t := c.tables[table]
	if t == nil {
		t = &tableChanges{name: table}
		c.tables[table] = t
	}
	return t
}

func (c *completer) add(adds bool, sql string, parts ...part) {
	keys := make([]string, len(parts))
	for i, p := range parts {
		keys[i] = p.key()
	}
	c.list = append(c.list, engine.Completion{SQL: sql, Objects: keys, Adds: adds})
}

func (c *completer) statements() ([]engine.Completion, error) {
	var tables []*tableChanges
	for _, t := range c.tables {
		tables = append(tables, t)
	}
	slices.SortFunc(tables, func(a, b *tableChanges) int { return cmp.Compare(a.name, b.name) })
	c.drops(tables)
	for _, p := range c.sequences {
		if !p.extra() {
			c.add(p.missing(), p.New, p)
		}
	}
	for _, t := range tables {
		if t.table != nil && t.table.missing() {
			if err := c.create(t); err != nil {
				return nil, err
			}
		}
	}
	for _, t := range tables {
		if t.table == nil || !t.table.missing() && !t.table.extra() {
			c.alter(t)
		}
	}
	for _, t := range tables {
		for _, p := range t.constraints {
			if p.foreign() && !p.extra() {
				c.add(p.missing(), "ALTER TABLE "+ident(t.name)+" ADD "+p.New, p)
			}
		}
	}
	return c.list, c.makeCodes()
}

// drops takes away what is not wanted or comes back in another form: code first, then foreign keys, since they hold tables.
func (c *completer) drops(tables []*tableChanges) {
	for _, p := range c.codes {
		if !p.missing() {
			c.add(false, "DROP "+strings.ToUpper(p.Kind)+" "+ident(p.name), p)
		}
	}
	for _, t := range tables {
		for _, p := range t.constraints {
			if p.foreign() && !p.missing() {
				c.add(false, "ALTER TABLE "+ident(t.name)+" DROP FOREIGN KEY "+ident(p.name), p)
			}
		}
	}
	for _, t := range tables {
		if t.table != nil && t.table.extra() {
			c.add(false, "DROP TABLE "+ident(t.name), slices.Concat([]part{*t.table}, t.columns, t.indexes, t.constraints)...)
		}
	}
	for _, p := range c.sequences {
		if !p.missing() {
			c.add(false, "DROP SEQUENCE "+ident(p.name), p)
		}
	}
}

// create makes a whole table, but for its foreign keys.
func (c *completer) create(t *tableChanges) error {
	if t.order == nil {
		return fmt.Errorf("table %s: the order of its columns is not among the changes: %w", t.name, errors.ErrUnsupported)
	}
	parts := []part{*t.table, *t.order}
	var clauses []string
	for _, name := range orderOf(t.order.New) {
		i := slices.IndexFunc(t.columns, func(p part) bool { return p.name == name })
		if i < 0 {
			return fmt.Errorf("table %s: its column %s is not among the changes: %w", t.name, name, errors.ErrUnsupported)
		}
		parts, clauses = append(parts, t.columns[i]), append(clauses, t.columns[i].New)
	}
	for _, p := range slices.Concat(t.indexes, t.constraints) {
		if !p.foreign() {
			parts, clauses = append(parts, p), append(clauses, p.New)
		}
	}
	c.add(true, "CREATE TABLE "+ident(t.name)+" (\n  "+strings.Join(clauses, ",\n  ")+"\n) "+t.table.New, parts...)
	return nil
}

// orderOf reads the names of a column order object.
func orderOf(def string) []string {
	var names []string
	for rest := def; rest != ""; {
		end := strings.Index(rest, ", ")
		if rest[0] == '"' {
			end = quotedNameLength(rest)
		}
		if end < 0 {
			end = len(rest)
		}
		name, err := schema.ParseName(rest[:end])
		if err != nil {
			return nil
		}
		names = append(names, name.Table)
		rest = strings.TrimPrefix(rest[end:], ", ")
	}
	return names
}

// quotedNameLength is the length of the name in double quotes, doubled inside, that s begins with.
func quotedNameLength(s string) int {
	for i := 1; i < len(s); i++ {
		if s[i] != '"' {
			continue
		}
		if i+1 == len(s) || s[i+1] != '"' {
			return i + 1
		}
		i++
	}
	return len(s)
}

// alter changes a table that is there. Its options come first: a column's collation is written beside theirs. Then
// additions one by one, so that they can be run without the rest, and the rest at once.
func (c *completer) alter(t *tableChanges) {
	head := "ALTER TABLE " + ident(t.name) + " "
	var options, partitions []string
	if t.table != nil {
		options, partitions = alterOptions(t.table.Old, t.table.New)
	}
	for _, o := range options {
		c.add(false, head+o, *t.table)
	}
	c.addParts(head, t)
	c.changeParts(head, t)
	for _, o := range partitions {
		c.add(false, head+o, *t.table)
	}
}

// addParts adds columns in one statement, since one may be placed behind another, and indexes and checks one by one.
func (c *completer) addParts(head string, t *tableChanges) {
	var clauses []string
	var added []part
	counts := false
	for _, p := range inOrder(t) {
		if p.missing() {
			clauses, added = append(clauses, "ADD COLUMN "+p.New+place(t, p.name)), append(added, p)
			counts = counts || findWords(p.New, " AUTO_INCREMENT") >= 0
		}
	}
	var single []part
	for _, p := range slices.Concat(t.indexes, t.constraints) {
		switch {
		case !p.missing() || p.foreign():
		case counts && p.Kind == "index": // a column that counts must come with its key
			clauses, added = append(clauses, "ADD "+p.New), append(added, p)
		default:
			single = append(single, p)
		}
	}
	if len(clauses) > 0 {
		if t.order != nil {
			added = append(added, *t.order)
		}
		c.add(true, head+strings.Join(clauses, ", "), added...)
	}
	for _, p := range single {
		c.add(true, head+"ADD "+p.New, p)
	}
}

// changeParts changes and takes away.
func (c *completer) changeParts(head string, t *tableChanges) {
	var clauses []string
	var changed, shown []part
	for _, p := range slices.Concat(t.indexes, t.constraints) {
		if p.missing() || p.foreign() {
			continue
		}
		if !p.extra() && visibility(p.Old) != visibility(p.New) {
			shown = append(shown, p)
			if withoutVisibility(p.Old) == withoutVisibility(p.New) {
				continue
			}
		}
		clauses, changed = append(clauses, dropPart(p)), append(changed, p)
		if !p.extra() {
			clauses = append(clauses, "ADD "+p.New)
		}
	}
	for _, p := range t.columns {
		switch {
		case p.missing():
			continue
		case p.extra():
			clauses = append(clauses, "DROP COLUMN "+ident(p.name))
		case stored(p.Old) != stored(p.New) && stored(p.New) != "": // the servers do not change that
			clauses = append(clauses, "DROP COLUMN "+ident(p.name), "ADD COLUMN "+p.New+place(t, p.name))
		default:
			clauses = append(clauses, "MODIFY COLUMN "+p.New+place(t, p.name))
		}
		changed = append(changed, p)
	}
	if len(clauses) > 0 {
		c.add(false, head+strings.Join(clauses, ", "), changed...)
	}
	for _, p := range shown {
		state := visibility(p.New)
		if state == "" {
			state = map[string]string{"INVISIBLE": "VISIBLE", "IGNORED": "NOT IGNORED"}[visibility(p.Old)]
		}
		c.add(false, head+"ALTER INDEX "+ident(p.name)+" "+state, p)
	}
}

// stored says of a generated column whether its values are kept.
func stored(clause string) string {
	switch {
	case findWords(clause, " GENERATED ALWAYS AS ") < 0:
		return ""
	case findWords(clause, " STORED") >= 0 || findWords(clause, " PERSISTENT") >= 0:
		return "STORED"
	}
	return "VIRTUAL"
}

// hidings are what an index that the optimizer must not use has behind its columns, on MySQL and on MariaDB.
func hidings() []string { return []string{" /*!80000 INVISIBLE */", " IGNORED"} }

// visibility says whether the optimizer may use an index, as ALTER INDEX takes it.
func visibility(clause string) string {
	for i, words := range hidings() {
		if findWords(clause, words) >= 0 {
			return []string{"INVISIBLE", "IGNORED"}[i]
		}
	}
	return ""
}

func withoutVisibility(clause string) string {
	for _, words := range hidings() {
		clause = cutWords(clause, words)
	}
	return clause
}

// inOrder are the columns in the order that they shall have, as far as it is known.
func inOrder(t *tableChanges) []part {
	if t.order == nil {
		return t.columns
	}
	order := orderOf(t.order.New)
	columns := slices.Clone(t.columns)
	slices.SortStableFunc(columns, func(a, b part) int { return cmp.Compare(slices.Index(order, a.name), slices.Index(order, b.name)) })
	return columns
}

// place says where a column stands, where that is known.
func place(t *tableChanges, column string) string {
	if t.order == nil {
		return ""
	}
	order := orderOf(t.order.New)
	switch i := slices.Index(order, column); {
	case i == 0:
		return " FIRST"
	case i > 0:
		return " AFTER " + ident(order[i-1])
	}
	return ""
}

func dropPart(p part) string {
	switch {
	case p.Kind == "index" && p.name == "PRIMARY":
		return "DROP PRIMARY KEY"
	case p.Kind == "index":
		return "DROP KEY " + ident(p.name)
	case strings.HasPrefix(p.Old, "PERIOD FOR"):
		head, _, _ := strings.Cut(p.Old, " (")
		return "DROP " + head
	}
	return "DROP CONSTRAINT " + ident(p.name)
}

// alterOptions writes a table's options and its partitions as ALTER TABLE takes them. An option that is not wanted any more
// gets the value that it has where nobody names it.
func alterOptions(old, new string) (options, partitions []string) {
	const versions = " WITH SYSTEM VERSIONING"
	had, has := strings.Contains(old, versions), strings.Contains(new, versions)
	old, oldParts := cutPartitions(strings.Replace(old, versions, "", 1))
	new, newParts := cutPartitions(strings.Replace(new, versions, "", 1))
	switch {
	case had && !has:
		options = append(options, "DROP SYSTEM VERSIONING")
	case has && !had:
		options = append(options, "ADD SYSTEM VERSIONING")
	}
	switch {
	case oldParts != "" && newParts == "":
		options = append(options, "REMOVE PARTITIONING")
	case oldParts != newParts:
		partitions = append(partitions, newParts)
	}
	if old == new {
		return options, partitions
	}
	for _, o := range []struct{ name, value string }{{"COMMENT", "''"}, {"ROW_FORMAT", "DEFAULT"}, {"KEY_BLOCK_SIZE", "0"}, {"PAGE_COMPRESSED", "DEFAULT"},
		{"STATS_PERSISTENT", "DEFAULT"}, {"STATS_AUTO_RECALC", "DEFAULT"}, {"PACK_KEYS", "DEFAULT"}, {"CHECKSUM", "0"}, {"DELAY_KEY_WRITE", "0"}} {
		if hasOption(old, o.name) && !hasOption(new, o.name) {
			new += " " + o.name + "=" + o.value
		}
	}
	return append(options, new), partitions
}

// cutPartitions parts a table's options from its partitions, which stand on lines of their own.
func cutPartitions(text string) (options, partitions string) {
	if i := strings.IndexByte(text, '\n'); i >= 0 && strings.Contains(text[i:], "PARTITION BY") {
		return text[:i], strings.TrimSpace(text[i:])
	}
	return text, ""
}

func hasOption(options, name string) bool {
	return findWords(options, " "+name+"=") >= 0 || findWords(options, " `"+name+"`=") >= 0
}
