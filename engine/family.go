package engine

import (
	"strconv"
	"strings"

	"mulligan/schema"
)

// Family is a kind of database server.
type Family string

// The families. MySQL and MariaDB share an adapter, and differ in facts.
const (
	Postgres Family = "postgres"
	MySQL    Family = "mysql"
	MariaDB  Family = "mariadb"
	SQLite   Family = "sqlite"
)

// String is the name as people write it.
func (f Family) String() string {
	switch f {
	case Postgres:
		return "PostgreSQL"
	case MySQL:
		return "MySQL"
	case MariaDB:
		return "MariaDB"
	case SQLite:
		return "SQLite"
	default:
		return string(f)
	}
}

// Ident quotes an identifier for SQL.
func (f Family) Ident(name string) string {
	if f == MySQL || f == MariaDB {
		return "`" + strings.ReplaceAll(name, "`", "``") + "`"
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// Idents quotes identifiers and joins them by commas.
func (f Family) Idents(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = f.Ident(n)
	}
	return strings.Join(quoted, ", ")
}

// Table quotes a table's name for SQL, with its schema where it has one.
func (f Family) Table(n schema.Name) string {
	if n.Schema == "" {
		return f.Ident(n.Table)
	}
	return f.Ident(n.Schema) + "." + f.Ident(n.Table)
}

// Literal quotes a text for SQL. On MySQL and MariaDB it holds in every sql_mode: a text with
// a backslash is written as hexadecimal digits, since NO_BACKSLASH_ESCAPES changes what one means.
func (f Family) Literal(text string) string {
	switch f {
	case MySQL, MariaDB:
		if strings.Contains(text, `\`) {
			const digits = "0123456789abcdef"
			var b strings.Builder
			b.WriteString("CONVERT(x'")
			for i := range len(text) {
				b.WriteByte(digits[text[i]>>4])
				b.WriteByte(digits[text[i]&15])
			}
			b.WriteString("' USING utf8mb4)")
			return b.String()
		}
	case Postgres:
		if strings.Contains(text, `\`) {
			return `E'` + strings.ReplaceAll(strings.ReplaceAll(text, `\`, `\\`), `'`, `''`) + `'`
		}
	case SQLite:
	}
	return `'` + strings.ReplaceAll(text, `'`, `''`) + `'`
}

// Placeholder is the n-th argument of a statement, from 1.
func (f Family) Placeholder(n int) string {
	if f == Postgres {
		return "$" + strconv.Itoa(n)
	}
	return "?"
}
