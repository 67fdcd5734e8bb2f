package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"mulligan/schema"
)

// inspectors is how many connections read definitions at once.
const inspectors = 4

// objects reads the definition of every object.
func (db *DB) objects(ctx context.Context, s *schema.Schema) ([]schema.Object, error) {
	jobs, err := listCodes(ctx, db.DB, db.name)
	if err != nil {
		return nil, err
	}
	for _, t := range s.Tables {
		jobs = append(jobs, code{kind: "table", name: t.Name.Table})
	}
	for _, q := range s.Sequences {
		if q.Table == nil {
			jobs = append(jobs, code{kind: "sequence", name: q.Name.Table})
		}
	}
	order := triggerOrder(jobs)
	var mu sync.Mutex // guards list
	var list []schema.Object
	group, ctx := errgroup.WithContext(ctx)
	for first := range min(inspectors, len(jobs)) {
		group.Go(func() error {
			return db.withConn(ctx, func(conn *sql.Conn) error {
				for i := first; i < len(jobs); i += inspectors {
					c, err := readCode(ctx, conn, db.name, jobs[i])
					if err != nil {
						return err
					}
					found := describe(c, order[c.name])
					mu.Lock()
					list = append(list, found...)
					mu.Unlock()
				}
				return nil
			})
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return ordered(schema.WithColumnOrders(list, s.Tables)), nil
}

// withConn lends one connection of the pool.
func (db *DB) withConn(ctx context.Context, f func(*sql.Conn) error) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	return errors.Join(f(conn), conn.Close())
}

// ordered sorts objects by key. MySQL lets a foreign key and a check share a name: the second gets a mark.
func ordered(list []schema.Object) []schema.Object {
	slices.SortFunc(list, func(a, b schema.Object) int {
		if c := strings.Compare(a.Key(), b.Key()); c != 0 {
			return c
		}
		return strings.Compare(a.Def, b.Def)
	})
	marked := false
	for i := 1; i < len(list); i++ {
		if list[i].Key() == list[i-1].Key() {
			list[i].Name += " (2)"
			marked = true
		}
	}
	if marked {
		slices.SortFunc(list, func(a, b schema.Object) int { return strings.Compare(a.Key(), b.Key()) })
	}
	return list
}

// triggerOrder numbers the triggers in the order in which those of one table fire.
func triggerOrder(list []code) map[string]int {
	order := map[string]int{}
	table, n := "", 0
	for _, c := range list {
		if c.kind != "trigger" {
			continue
		}
		if c.table != table {
			table, n = c.table, 0
		}
		n++
		order[c.name] = n
	}
	return order
}

var (
	counterOption = regexp.MustCompile(`^([^']*?) AUTO_INCREMENT=\d+`)
	// InnoDB checks at once, so RESTRICT and NO ACTION are one and the default (MySQL manual, "FOREIGN KEY
	// Constraints"); MariaDB prints what was written.
	defaultAction = regexp.MustCompile(` ON (?:DELETE|UPDATE) (?:RESTRICT|NO ACTION)`)
	eventStart    = regexp.MustCompile(` STARTS '[^']*'`)
)

// describe writes a definition as objects: a table's is split into its parts.
func describe(c code, order int) []schema.Object {
	name := schema.Name{Table: c.name}.String()
	def := c.text
	switch c.kind {
	case "table":
		return describeTable(c.name, c.text)
	case "view":
		return []schema.Object{{Kind: c.kind, Name: name, Def: def}}
	case "trigger":
		// named after its table, so that it goes where the table goes
		name = schema.Name{Table: c.table}.String() + "." + name
		def = fmt.Sprintf("%s\nfires as number %d of its table", def, order)
	case "event":
		head, body, found := strings.Cut(def, " DO ")
		if found {
			def = eventStart.ReplaceAllString(head, "") + " DO " + body
		}
		def += "\ntime_zone " + c.zone
	}
	if c.kind != "sequence" {
		def += fmt.Sprintf("\nsql_mode %s\ncharacter_set_client %s, collation_connection %s", c.sqlMode, c.client, c.collation)
	}
	return []schema.Object{{Kind: c.kind, Name: name, Def: def}}
}

// describeTable makes objects of a CREATE TABLE that the server wrote: its columns, indexes and constraints,
// and what stands around them.
func describeTable(table, text string) []schema.Object {
	prefix := schema.Name{Table: table}.String()
	clauses, options := tableClauses(text)
	list := []schema.Object{{Kind: "table", Name: prefix, Def: strings.TrimSpace(counterOption.ReplaceAllString(options, "$1"))}}
	for _, clause := range clauses {
		kind, name := clauseKind(clause)
		o := schema.Object{Kind: kind, Name: prefix + "." + schema.Name{Table: name}.String(), Def: clause}
		if strings.Contains(clause, "FOREIGN KEY") {
			o.Def = defaultAction.ReplaceAllString(clause, "")
		}
		list = append(list, o)
	}
	return list
}

// tableClauses splits "CREATE TABLE `t` (\n  clause,\n  clause\n) options" at its outermost commas.
func tableClauses(text string) (clauses []string, options string) {
	depth, start := 0, 0
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '(':
			depth++
			if depth == 1 {
				start = i + 1
			}
		case c == ')' && depth == 1, c == ',' && depth == 1:
			clauses = append(clauses, strings.TrimSpace(text[start:i]))
			start = i + 1
			if c == ')' {
				return clauses, text[start:]
			}
		case c == ')':
			depth--
		}
		i = skipToken(text, i)
	}
	return clauses, ""
}

// clauseKind tells what a clause of a table defines, and its name.
func clauseKind(clause string) (kind, name string) {
	if strings.HasPrefix(clause, "`") {
		return "column", firstName(clause)
	}
	head, _, _ := strings.Cut(clause, "`")
	switch {
	case strings.HasPrefix(clause, "PRIMARY KEY"):
		return "index", "PRIMARY"
	case strings.HasPrefix(clause, "CONSTRAINT"):
		return "constraint", firstName(clause)
	case strings.Contains(head, "KEY"), strings.Contains(head, "INDEX"):
		return "index", firstName(clause)
	}
	return "constraint", clause // PERIOD FOR SYSTEM_TIME, a check without a name
}

// firstName is the first name in backticks.
func firstName(clause string) string {
	i := strings.IndexByte(clause, '`')
	if i < 0 {
		return clause
	}
	end := i + quotedLength(clause[i:])
	return strings.ReplaceAll(clause[i+1:end-1], "``", "`")
}
