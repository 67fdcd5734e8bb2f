package schema_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"mulligan/schema"
)

func TestExplain(t *testing.T) {
	long := "CREATE VIEW " + strings.Repeat("first_name, ", 20)
	for _, c := range []struct {
		change schema.Change
		want   string
	}{
		{schema.Change{Kind: "column", Name: "users.email", Old: "varchar(100)", New: "varchar(255) NOT NULL"},
			"column users.email: varchar(100) in the live database, varchar(255) NOT NULL in the replay"},
		{schema.Change{Kind: "index", Name: "users.by_email", New: "INDEX (email)"}, "index users.by_email: only in the replay"},
		{schema.Change{Kind: "table", Name: "old", Old: "table"}, "table old: only in the live database"},
		{schema.Change{Kind: "constraint", Name: "t.a", Old: "t.a", New: "t.b"}, "constraint t.a: t.a in the live database, t.b in the replay"},
		{schema.Change{Kind: "function", Name: "f()", Old: "CREATE FUNCTION f()\nBEGIN\n  RETURN 1;\nEND", New: "CREATE FUNCTION f()\nBEGIN\n  RETURN 2;\nEND"},
			"function f(), line 3: RETURN 1; in the live database, RETURN 2; in the replay"},
		{schema.Change{Kind: "function", Name: "f()", Old: "a\nb", New: "a\nb\nc"}, "function f(), line 3: nothing in the live database, c in the replay"},
		{schema.Change{Kind: "view", Name: "v", Old: long + "x AS a FROM t", New: long + "y AS a FROM t"},
			"view v: …first_name, first_name, first_name, first_name, x AS a FROM t in the live database, …first_name, first_name, first_name, first_name, y AS a FROM t in the replay"},
		{schema.Change{Kind: "function", Name: "f()", Old: "a\nb", New: "a  b"}, "function f(): written in the live database, written with other white space in the replay"},
		{schema.Change{Kind: "table", Name: "odd"}, "table odd: in neither of the live database and the replay"},
	} {
		if got := schema.Explain(c.change, "the live database", "the replay"); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// Whatever the change, the explanation is one line that says what it is about, and is not long.
func TestExplainIsOneLine(t *testing.T) {
	text := rapid.OneOf(rapid.StringMatching(`([a-c(), \n]{0,9}){0,30}`), rapid.String())
	rapid.Check(t, func(r *rapid.T) {
		c := schema.Change{Kind: rapid.StringMatching("[a-z]{1,9}").Draw(r, "kind"), Name: names(r, "name").String(), Old: text.Draw(r, "old"), New: text.Draw(r, "new")}
		got := schema.Explain(c, "here", "there")
		if strings.ContainsAny(got, "\r\n") || !strings.HasPrefix(got, c.Kind+" "+strings.Join(strings.Fields(c.Name), " ")) {
			r.Fatalf("%#v is explained as %q", c, got)
		}
		if n := utf8.RuneCountInString(got) - utf8.RuneCountInString(c.Name); n > 300 {
			r.Fatalf("%#v is explained in %d letters: %s", c, n, got)
		}
	})
}
