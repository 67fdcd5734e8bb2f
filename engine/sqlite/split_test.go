package sqlite

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseTable(t *testing.T) {
	for text, want := range map[string]tableParts{
		"CREATE TABLE t(a)": {columns: []part{{"a", "no type"}}},
		`CREATE TABLE "t" ( -- the key
			[Id] integer not null primary key asc on conflict abort autoincrement, /* , */
			'name' varchar ( 10 , 2 ) default "x,y" collate nocase CONSTRAINT u UNIQUE) strict , without  rowid`: {
			columns:     []part{{"Id", "INTEGER NOT NULL"}, {"name", "VARCHAR(10, 2) COLLATE NOCASE DEFAULT 'x,y'"}},
			constraints: []part{{"PRIMARY", "PRIMARY KEY (Id AUTOINCREMENT)"}, {"u", "UNIQUE (name)"}},
			options:     []string{"STRICT", "WITHOUT ROWID"},
		},
		"CREATE TABLE t(a INT, b, CHECK (a > 0 AND b IN (1, 2)) CONSTRAINT x UNIQUE (a, b) FOREIGN KEY (b) REFERENCES p)": {
			columns:     []part{{"a", "INT"}, {"b", "no type"}},
			constraints: []part{{"", "CHECK (a > 0 AND b IN (1, 2))"}, {"x", "UNIQUE (a, b)"}, {"", "FOREIGN KEY (b) REFERENCES p"}},
		},
		"CREATE TABLE t(a INT, b INT AS (a || ')') stored, c AS (a), d TEXT GENERATED ALWAYS AS (a) VIRTUAL)": {
			columns: []part{{"a", "INT"}, {"b", "INT GENERATED ALWAYS AS (a || ')') STORED"},
				{"c", "no type GENERATED ALWAYS AS (a) VIRTUAL"}, {"d", "TEXT GENERATED ALWAYS AS (a) VIRTUAL"}},
		},
		"CREATE TABLE t(a INT REFERENCES p (x) MATCH full ON UPDATE SET NULL ON DELETE NO ACTION NOT DEFERRABLE INITIALLY DEFERRED NOT NULL)": {
			columns:     []part{{"a", "INT NOT NULL"}},
			constraints: []part{{"", "FOREIGN KEY (a) REFERENCES p (x) ON UPDATE SET NULL"}},
		},
		"CREATE TABLE t(a INTEGER PRIMARY KEY DESC)": {
			columns: []part{{"a", "INTEGER"}}, constraints: []part{{"PRIMARY", "PRIMARY KEY (a DESC) beside its column"}},
		},
	} {
		got, ok := parseTable(lex(text))
		if !ok {
			t.Errorf("%s was not understood", text)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(tableParts{}, part{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

// What is not understood must be said, never be taken for a part of something else.
func TestParseTableRefuses(t *testing.T) {
	for _, text := range []string{
		"", "CREATE TABLE t", "CREATE TABLE t(", "CREATE TABLE t(a, )", "CREATE TABLE t(a INT 'x", "CREATE TABLE t(a INT NEW WORD (1) (2))",
		"CREATE TABLE t(a INT SOMETIMES NULLABLE NOT)", "CREATE TABLE t(a, CHECK (a) b INT)", "CREATE TABLE t(a, PRIMARY KEY)", "CREATE TABLE t(a DEFAULT)", "CREATE TABLE t(a DEFAULT ,b)",
		"CREATE TABLE t(a REFERENCES)", "CREATE TABLE t(a REFERENCES p ON DELETE SET)", "CREATE TABLE t(a, UNIQUE (a) CONSTRAINT)",
	} {
		if got, ok := parseTable(lex(text)); ok {
			t.Errorf("%q gives %+v", text, got)
		}
	}
}

// Whatever the text, its parts put together are the text in its normal form, and the normal form is its own.
func FuzzSplit(f *testing.F) {
	for _, text := range []string{
		"CREATE TABLE t(a INT, b TEXT DEFAULT 'x,)', CHECK (a IN (1,2))) STRICT", "create table [a b](`c``d` int /* ( */, \"e\"\"f\") -- end",
		"CREATE TABLE t(a x'AB', 1.5e+3, .5, 0xE+1, a.b, a . 5)", "CREATE TABLE t(a == b != c <> d ->> e || f << 1 >= 2)", "(,)", "('", "-- x", "/*", "- -1", "[", "a$b ?1 :c @d",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tokens := lex(text)
		whole := render(tokens)
		if again := normal(whole); again != whole {
			t.Fatalf("%q: the normal form %q has the normal form %q", text, whole, again)
		}
		if describeIndex(text) == "" && len(tokens) > 0 || describeTrigger(text) == "" && len(tokens) > 0 {
			t.Fatalf("%q has an empty definition", text)
		}
		split, ok := splitTable(tokens)
		if !ok {
			return
		}
		var clauses []string
		for _, c := range split.clauses {
			clauses = append(clauses, render(c))
		}
		joined := render(split.head) + "(" + strings.Join(clauses, ", ") + ")" + render(split.options)
		if got := normal(joined); got != whole {
			t.Fatalf("%q\n   whole: %s\ntogether: %s", text, whole, got)
		}
		parts, ok := parseTable(tokens)
		if ok && len(parts.columns)+len(parts.constraints) < len(split.clauses) {
			t.Fatalf("%q: %d clauses became %+v", text, len(split.clauses), parts)
		}
	})
}
