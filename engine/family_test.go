package engine_test

import (
	"testing"

	"mulligan/engine"
	"mulligan/schema"
)

func TestFamilyQuotes(t *testing.T) {
	for _, c := range []struct {
		family         engine.Family
		ident, literal string // of: a"b`c'd
		placeholder    string // the second
		name           string
	}{
		{engine.Postgres, "\"a\"\"b`c'd\"", "'a\"b`c''d'", "$2", "PostgreSQL"},
		{engine.SQLite, "\"a\"\"b`c'd\"", "'a\"b`c''d'", "?", "SQLite"},
		{engine.MySQL, "`a\"b``c'd`", "'a\"b`c''d'", "?", "MySQL"},
		{engine.MariaDB, "`a\"b``c'd`", "'a\"b`c''d'", "?", "MariaDB"},
	} {
		const text = "a\"b`c'd"
		if got := c.family.Ident(text); got != c.ident {
			t.Errorf("%s: Ident %s, want %s", c.family, got, c.ident)
		}
		if got := c.family.Literal(text); got != c.literal {
			t.Errorf("%s: Literal %s, want %s", c.family, got, c.literal)
		}
		if got := c.family.Placeholder(2); got != c.placeholder {
			t.Errorf("%s: Placeholder %s, want %s", c.family, got, c.placeholder)
		}
		if got := c.family.String(); got != c.name {
			t.Errorf("String %s, want %s", got, c.name)
		}
		one, two := c.family.Table(schema.Name{Table: text}), c.family.Table(schema.Name{Schema: "s", Table: text})
		if one != c.ident || two != c.family.Ident("s")+"."+c.ident {
			t.Errorf("%s: Table %s and %s", c.family, one, two)
		}
		if got, want := c.family.Idents([]string{"x", "y"}), c.family.Ident("x")+", "+c.family.Ident("y"); got != want {
			t.Errorf("%s: Idents %s, want %s", c.family, got, want)
		}
	}
}

// A backslash means one thing in one sql_mode and another in the next: no literal may depend on it.
func TestFamilyLiteralBackslash(t *testing.T) {
	for family, want := range map[engine.Family]string{
		engine.Postgres: `E'a\\''b'`,
		engine.SQLite:   `'a\''b'`,
		engine.MySQL:    `CONVERT(x'615c2762' USING utf8mb4)`,
		engine.MariaDB:  `CONVERT(x'615c2762' USING utf8mb4)`,
	} {
		if got := family.Literal(`a\'b`); got != want {
			t.Errorf("%s: %s, want %s", family, got, want)
		}
	}
}
