package story

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// row is one row as the server's own dump program wrote it: the text of each value by its column.
type row map[string]string

// content is the rows of each table.
type content map[string][]row

// rows reads tables with the server's own dump program.
func (a *app) rows(t *testing.T, database string, tables ...string) content {
	t.Helper()
	c := make(content)
	for _, table := range tables {
		c[table] = []row{}
	}
	if a.engine == "postgres" {
		args := []string{"--dbname=" + database, "--data-only"}
		for _, table := range tables {
			args = append(args, "--table="+table)
		}
		c.copied(t, a.client(t, "pg_dump", args...))
		return c
	}
	args := append(a.dumpArgs(), "--no-create-info", "--skip-triggers", "--complete-insert", "--skip-extended-insert", "--hex-blob", database)
	c.inserted(t, a.client(t, a.dumpTool(), append(args, tables...)...))
	return c
}

// everything is the dump of a whole database: its objects in the order of the dump program, and its rows, sorted.
func (a *app) everything(t *testing.T, database string) string {
	t.Helper()
	var text string
	if a.engine == "postgres" {
		text = a.client(t, "pg_dump", "--dbname="+database, "--column-inserts")
	} else {
		text = a.client(t, a.dumpTool(), append(a.dumpArgs(), "--routines", "--events", "--complete-insert",
			"--skip-extended-insert", "--order-by-primary", "--hex-blob", database)...)
	}
	var objects, rows []string
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, `\restrict`), strings.HasPrefix(line, `\unrestrict`):
			// PostgreSQL's client puts a new random word into each dump.
		case strings.HasPrefix(line, "INSERT INTO"):
			rows = append(rows, line)
		default:
			objects = append(objects, line)
		}
	}
	slices.Sort(rows)
	return strings.Join(append(objects, rows...), "")
}

func (a *app) dumpTool() string {
	if a.engine == "mysql" {
		return "mysqldump"
	}
	return "mariadb-dump"
}

func (a *app) dumpArgs() []string {
	args := append(a.server.ClientArgs(), "--skip-comments", "--skip-dump-date", "--no-tablespaces", "--single-transaction")
	if a.engine == "mysql" {
		args = append(args, "--set-gtid-purged=OFF")
	}
	return args
}

func (a *app) client(t *testing.T, tool string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), a.server.Tool(t, tool), args...)
	cmd.Env = a.server.Env()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v", filepath.Base(tool), args, err)
	}
	return string(out)
}

var (
	copyBegins = regexp.MustCompile(`^COPY (?:\w+\.)?"?(\w+)"? \((.*)\) FROM stdin;$`)
	insertLine = regexp.MustCompile("^INSERT INTO `(\\w+)` \\((.*?)\\) VALUES\\s*\\((.*)\\);$")
)

// copied reads COPY blocks.
func (c content) copied(t *testing.T, text string) {
	t.Helper()
	table, columns := "", []string(nil)
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		m := copyBegins.FindStringSubmatch(line)
		switch {
		case m != nil:
			table, columns = m[1], strings.Split(m[2], ", ")
		case line == `\.`:
			table = ""
		case table != "":
			c.add(t, table, columns, strings.Split(line, "\t"))
		}
	}
}

// inserted reads INSERT statements of one row and one line each.
func (c content) inserted(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "INSERT INTO") {
			continue
		}
		m := insertLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			t.Fatalf("no INSERT statement of one row: %.200s", line)
		}
		c.add(t, m[1], strings.Split(m[2], ", "), literals(m[3]))
	}
}

func (c content) add(t *testing.T, table string, columns, values []string) {
	t.Helper()
	if len(columns) != len(values) {
		t.Fatalf("table %s: %d columns and %d values: %.200q", table, len(columns), len(values), values)
	}
	r := make(row)
	for i, column := range columns {
		if r[strings.Trim(column, "`\"")] = values[i]; values[i] == "NULL" {
			r[strings.Trim(column, "`\"")] = null
		}
	}
	c[table] = append(c[table], r)
}

// null is how NULL is written in a row, on every engine.
const null = `\N`

// literals splits the values of an INSERT statement at the commas outside quotes.
func literals(text string) (values []string) {
	from, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch {
		case quoted && text[i] == '\\':
			i++
		case text[i] == '\'':
			quoted = !quoted // a doubled quote closes and opens again
		case text[i] == ',' && !quoted:
			values, from = append(values, text[from:i]), i+1
		}
	}
	return append(values, text[from:])
}

// lines writes the rows of a table without some columns, so that neither the order of rows nor that of columns
// matters.
func (c content) lines(table string, without ...string) []string {
	list := make([]string, 0, len(c[table]))
	for _, r := range c[table] {
		var cells []string
		for column, value := range r {
			if !slices.Contains(without, column) {
				cells = append(cells, column+"="+value)
			}
		}
		slices.Sort(cells)
		list = append(list, strings.Join(cells, " "))
	}
	slices.Sort(list)
	return list
}

// column gives one column's values by another's.
func (c content) column(table, key, value string) map[string]string {
	m := make(map[string]string)
	for _, r := range c[table] {
		m[strings.Trim(r[key], "'")] = strings.Trim(r[value], "'")
	}
	return m
}

// difference names the first line in which two texts differ, with both sides; empty = none.
func difference(before, after string) string {
	a, b := strings.Split(before, "\n"), strings.Split(after, "\n")
	for i := range max(len(a), len(b)) {
		left, right := "(end)", "(end)"
		if i < len(a) {
			left = a[i]
		}
		if i < len(b) {
			right = b[i]
		}
		if left != right {
			return fmt.Sprintf("line %d\n  was %.300s\n  is  %.300s", i+1, left, right)
		}
	}
	return ""
}
