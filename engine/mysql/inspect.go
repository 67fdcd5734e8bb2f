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

	"mulligan/engine"
	"mulligan/schema"
)

// inspectors is how many connections read the definitions of tables at once, and batch how many they ask for at once.
// MySQL takes most of an inspection's time to write them.
const (
	inspectors = 2
	batch      = 50
)

// objects reads the definition of every object.
func (db *DB) objects(ctx context.Context) ([]schema.Object, error) {
	list := &objectList{}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return db.readCodes(ctx, list) })
	tables, err := db.listTables(ctx)
	if err != nil {
		return nil, errors.Join(err, group.Wait())
	}
	parts := slices.Collect(slices.Chunk(tables, batch))
	for first := range min(inspectors, len(parts)) {
		group.Go(func() error {
			for i := first; i < len(parts); i += inspectors {
				if err := db.readDefinitions(ctx, parts[i], list); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return list.objects, nil
}

// objectList collects objects.
type objectList struct {
	mu      sync.Mutex // guards objects
	objects []schema.Object
}

func (l *objectList) add(found []schema.Object) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.objects = append(l.objects, found...)
}

// tableJob is a table or a sequence whose definition is to be read.
type tableJob struct {
	kind, name string
	collation  string            // what a column has that says nothing else
	defaults   map[string]string // from a character set to its collation; nil on MariaDB, which leaves out by itself what a column need not say
}

func (db *DB) listTables(ctx context.Context) (list []tableJob, err error) {
	var defaults map[string]string
	if db.Family() == engine.MySQL {
		defaults = map[string]string{}
		rows, err := db.QueryContext(ctx, "SELECT CHARACTER_SET_NAME, DEFAULT_COLLATE_NAME FROM information_schema.CHARACTER_SETS")
		if err != nil {
			return nil, fmt.Errorf("list character sets: %w", err)
		}
		err = eachRow(rows, func() error {
			var charset, collation string
			err := rows.Scan(&charset, &collation)
			defaults[charset] = collation
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("list character sets: %w", err)
		}
	}
	rows, err := db.QueryContext(ctx, `SELECT IF(TABLE_TYPE = 'SEQUENCE', 'sequence', 'table'), TABLE_NAME, COALESCE(TABLE_COLLATION, '')
		FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE')`, db.name)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	err = eachRow(rows, func() error {
		j := tableJob{defaults: defaults}
		err := rows.Scan(&j.kind, &j.name, &j.collation)
		list = append(list, j)
		return err
	})
	return list, err
}

// readDefinitions asks for several definitions by one text of several statements.
func (db *DB) readDefinitions(ctx context.Context, jobs []tableJob, list *objectList) (err error) {
	var text strings.Builder
	for _, j := range jobs {
		text.WriteString("SHOW CREATE " + strings.ToUpper(j.kind) + " " + ident(db.name) + "." + ident(j.name) + ";")
	}
	rows, err := db.batches.QueryContext(ctx, text.String())
	if err != nil {
		return fmt.Errorf("definitions from %s %s on: %w", jobs[0].kind, jobs[0].name, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for i, j := range jobs {
		var name, definition string
		if i > 0 && !rows.NextResultSet() || !rows.Next() {
			return fmt.Errorf("definition of %s %s: %w", j.kind, j.name, orElseError(rows.Err(), "the server gave none"))
		}
		if err := rows.Scan(&name, &definition); err != nil {
			return fmt.Errorf("definition of %s %s: %w", j.kind, j.name, err)
		}
		if j.kind == "table" {
			list.add(describeTable(j, definition))
		} else {
			list.add([]schema.Object{{Kind: j.kind, Name: schema.Name{Table: j.name}.String(), Def: definition}})
		}
	}
	return rows.Err()
}

func orElseError(err error, text string) error {
	if err == nil {
		return errors.New(text)
	}
	return err
}

// readCodes reads the definitions of views, triggers, routines and events.
func (db *DB) readCodes(ctx context.Context, list *objectList) error {
	jobs, err := listCodes(ctx, db.DB, db.name)
	if err != nil || len(jobs) == 0 {
		return err
	}
	order := triggerOrder(jobs)
	return db.withConn(ctx, func(conn *sql.Conn) error {
		for _, j := range jobs {
			c, err := readCode(ctx, conn, db.name, j)
			if err != nil {
				return err
			}
			list.add(describe(c, order[c.name]))
		}
		return nil
	})
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

// triggerOrder numbers the triggers in the order in which those of one table and one event fire.
func triggerOrder(list []code) map[string]int {
	order := map[string]int{}
	var last code
	n := 0
	for _, c := range list {
		if c.kind != "trigger" {
			continue
		}
		if c.table != last.table || c.when != last.when {
			n = 0
		}
		n++
		order[c.name], last = n, c
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

// describe writes a definition as an object.
func describe(c code, order int) []schema.Object {
	name := schema.Name{Table: c.name}.String()
	// MySQL keeps the semicolon that parted the statement from the next of its text
	def := strings.TrimRight(c.text, "; \t\r\n")
	switch c.kind {
	case "view":
		return []schema.Object{{Kind: c.kind, Name: name, Def: def}}
	case "trigger":
		// named after its table, so that it goes where the table goes
		name = schema.Name{Table: c.table}.String() + "." + name
		def = fmt.Sprintf("%s\nfires %s as number %d", triggerOn(def, c.table), c.when, order)
	case "event":
		head, body, found := strings.Cut(def, " DO ")
		if found {
			def = eventStart.ReplaceAllString(head, "") + " DO " + body
		}
		def += "\ntime_zone " + c.zone
	}
	def += fmt.Sprintf("\nsql_mode %s\ncharacter_set_client %s, collation_connection %s", c.sqlMode, c.client, c.collation)
	return []schema.Object{{Kind: c.kind, Name: name, Def: def}}
}

// describeTable makes objects of a CREATE TABLE that the server wrote: its columns, indexes and constraints,
// and what stands around them. What holds without being said is left out where the server repeats it.
func describeTable(j tableJob, text string) []schema.Object {
	prefix := schema.Name{Table: j.name}.String()
	clauses, options := tableClauses(text)
	options = strings.TrimSpace(counterOption.ReplaceAllString(options, "$1"))
	list := []schema.Object{{Kind: "table", Name: prefix, Def: options}}
	trees := !strings.HasPrefix(options, "ENGINE=MEMORY") && !strings.HasPrefix(options, "ENGINE=NDB")
	for _, clause := range clauses {
		kind, name := clauseKind(clause)
		switch {
		case strings.Contains(clause, "FOREIGN KEY"):
			clause = defaultAction.ReplaceAllString(clause, "")
		case kind == "index" && trees:
			clause = cutWords(clause, " USING BTREE") // these engines have no other kind
		case kind == "column" && j.defaults != nil:
			clause = cutCollation(clause, j)
		}
		list = append(list, schema.Object{Kind: kind, Name: prefix + "." + schema.Name{Table: name}.String(), Def: clause})
	}
	return list
}

// cutWords takes words out of a clause where they first stand outside of quotes and brackets.
func cutWords(clause, words string) string {
	if i := findWords(clause, words); i >= 0 {
		return clause[:i] + clause[i+len(words):]
	}
	return clause
}

// findWords gives the place of words outside of quotes and brackets; -1 = they are not there.
func findWords(clause, words string) int {
	depth := 0
	for i := 0; i < len(clause); i = skipToken(clause, i) {
		switch {
		case clause[i] == '(':
			depth++
		case clause[i] == ')':
			depth--
		case depth == 0 && strings.HasPrefix(clause[i:], words):
			return i
		}
	}
	return -1
}

var columnCollation = regexp.MustCompile(`^ CHARACTER SET (\w+)(?: COLLATE (\w+))?`)

// cutCollation takes a column's character set and collation out of its clause where they are the table's: MySQL writes
// them if somebody once did.
func cutCollation(clause string, j tableJob) string {
	i := findWords(clause, " CHARACTER SET ")
	if i < 0 {
		return clause
	}
	m := columnCollation.FindStringSubmatch(clause[i:])
	if m == nil || j.collation == "" || orElse(m[2], j.defaults[m[1]]) != j.collation {
		return clause
	}
	return clause[:i] + clause[i+len(m[0]):]
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
