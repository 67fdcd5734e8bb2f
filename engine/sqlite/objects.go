package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"mulligan/engine"
	"mulligan/schema"
)

// addObjects reads the objects that comparison works with: of a table its options, its columns and its constraints,
// of the rest the whole text. A text is compared without white space, comments, the way in which names are
// quoted, and the case of keywords; what strings hold counts.
func (c *catalog) addObjects(ctx context.Context, q querier) error {
	const text = `SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`
	err := each(ctx, q, text, nil, func(scan func(...any) error) error {
		var kind, name, owner, def string
		if err := scan(&kind, &name, &owner, &def); err != nil {
			return err
		}
		if c.hidden[strings.ToLower(owner)] {
			return nil
		}
		key := schema.Name{Table: name}
		switch kind {
		case "table":
			t := c.Table(key)
			if t == nil {
				return fmt.Errorf("table %s: it came while the schema was read", key)
			}
			c.Objects = append(c.Objects, describeTable(t, def)...)
			return nil
		case "index":
			key.Schema, def = owner, describeIndex(def)
		case "trigger":
			key.Schema, def = owner, describeTrigger(def)
		default:
			def = normal(def)
		}
		c.Objects = append(c.Objects, schema.Object{Kind: kind, Name: key.String(), Def: def})
		return nil
	})
	c.Objects = schema.WithColumnOrders(unique(c.Objects), c.Tables)
	return err
}

// unique gives objects that share a key a number each. SQLite lets two constraints of a table have one name or none.
func unique(list []schema.Object) []schema.Object {
	slices.SortFunc(list, func(a, b schema.Object) int { return cmp.Or(cmp.Compare(a.Key(), b.Key()), cmp.Compare(a.Def, b.Def)) })
	key, n := "", 0
	for i := range list {
		if list[i].Key() != key {
			key, n = list[i].Key(), 1
			continue
		}
		n++
		list[i].Name += fmt.Sprintf(" (%d)", n)
	}
	return list
}

// describeTable makes objects of a table's text. Should the text hold what is not known here, it is one
// object, and the columns are as PRAGMA table_xinfo tells them.
func describeTable(t *schema.Table, text string) []schema.Object {
	tokens := lex(text)
	parts, ok := parseTable(tokens)
	ok = ok && t.Kind == schema.KindTable && slices.EqualFunc(parts.columns, t.Columns, func(p part, c schema.Column) bool { return sameName(p.name, c.Name) })
	if !ok {
		return describeWhole(t, tokens, text)
	}
	def := strings.Join(append([]string{"table"}, parts.options...), " ")
	list := []schema.Object{{Kind: "table", Name: t.Name.String(), Def: def}}
	for i, c := range t.Columns {
		list = append(list, schema.Object{Kind: "column", Name: inTable(t, c.Name), Def: parts.columns[i].def})
	}
	for _, p := range parts.constraints {
		list = append(list, schema.Object{Kind: "constraint", Name: inTable(t, cmp.Or(p.name, p.def)), Def: p.def})
	}
	return list
}

func inTable(t *schema.Table, name string) string {
	return schema.Name{Schema: t.Name.Table, Table: name}.String()
}

// describeWhole keeps a table's text together. A virtual table's arguments are the module's own language: they are
// compared as they are.
func describeWhole(t *schema.Table, tokens []token, text string) []schema.Object {
	def := render(tokens)
	if t.Kind == schema.KindVirtual {
		def = virtualText(text)
	}
	list := []schema.Object{{Kind: "table", Name: t.Name.String(), Def: def}}
	for _, c := range t.Columns {
		list = append(list, schema.Object{Kind: "column", Name: inTable(t, c.Name), Def: define(c)})
	}
	return list
}

// virtualText is the text of a virtual table from USING on, without its name.
func virtualText(text string) string {
	for i := 0; i < len(text); {
		if end := skipBlank(text, i); end > i {
			i = end
			continue
		}
		t, end := nextToken(text, i)
		if t.is("USING") {
			return "virtual table USING " + strings.TrimSpace(text[end:])
		}
		i = end
	}
	return strings.TrimSpace(text)
}

// define is a column in one line, as the pragma tells it.
func define(c schema.Column) string {
	text := cmp.Or(c.Type, "no type")
	if !c.Nullable {
		text += " NOT NULL"
	}
	if c.Default != "" {
		text += " DEFAULT " + c.Default
	}
	if c.Generated {
		text += " GENERATED"
	}
	return text
}

// describeIndex is an index without its name and its table's, which its key has.
func describeIndex(text string) string {
	tokens := lex(text)
	start := slices.IndexFunc(tokens, func(t token) bool { return t.is("(") })
	if start < 3 {
		return render(tokens)
	}
	n := groupLength(tokens[start:])
	kind := "INDEX "
	if tokens[1].is("UNIQUE") {
		kind = "UNIQUE INDEX "
	}
	return strings.TrimSpace(kind + render(keyColumns(tokens[start:start+n])) + " " + render(tokens[start+n:]))
}

// describeTrigger is a trigger without its name. That it fires for each row, and before, need not be written.
func describeTrigger(text string) string {
	tokens := lex(text)
	if len(tokens) < 5 || !tokens[1].is("TRIGGER") {
		return render(tokens)
	}
	tokens = slices.Delete(slices.Clone(tokens), 2, 3)
	if !slices.ContainsFunc([]string{"BEFORE", "AFTER", "INSTEAD"}, tokens[2].is) {
		tokens = slices.Insert(tokens, 2, token{kind: tokenWord, text: "BEFORE"})
	}
	body := slices.IndexFunc(tokens, func(t token) bool { return t.is("BEGIN") })
	each := slices.IndexFunc(tokens, func(t token) bool { return t.is("EACH") })
	if 1 < each && each < body && tokens[each-1].is("FOR") && tokens[each+1].is("ROW") {
		tokens = slices.Delete(tokens, each-1, each+2)
	}
	return render(tokens)
}

var _ engine.Definer = (*DB)(nil)

// Definitions is [engine.Definer.Definitions]. Triggers come last, since they may name any table.
func (d *DB) Definitions(ctx context.Context) ([]string, error) {
	const text = `SELECT trim(sql, char(9, 10, 13, 32)) FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
			AND name NOT IN (SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow')
		ORDER BY type = 'trigger', rowid`
	var list []string
	err := each(ctx, d.DB, text, nil, func(scan func(...any) error) error {
		var statement string
		err := scan(&statement)
		list = append(list, statement)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the definitions of database %s: %w", d.name, translate(err))
	}
	return list, nil
}
