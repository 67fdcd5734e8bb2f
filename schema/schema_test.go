package schema_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"mulligan/schema"
)

func TestNameString(t *testing.T) {
	for want, n := range map[string]schema.Name{
		`users`:                {Table: "users"},
		`public.users`:         {Schema: "public", Table: "users"},
		`"Order.Items"`:        {Table: "Order.Items"},
		`"my app"."a""b"`:      {Schema: "my app", Table: `a"b`},
		`größe.日本-2_$`:         {Schema: "größe", Table: "日本-2_$"},
		`UPPER`:                {Table: "UPPER"},
		"\"line\nfeed\".\"`\"": {Schema: "line\nfeed", Table: "`"},
	} {
		if got := n.String(); got != want {
			t.Errorf("String of %+v is %s, want %s", n, got, want)
		}
		if got, err := schema.ParseName(want); err != nil || got != n {
			t.Errorf("ParseName(%q) is %+v, %v, want %+v", want, got, err, n)
		}
	}
}

func TestParseNameRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"": "empty part", ".": "empty part", "a.": "empty part", ".a": "empty part", `""`: "empty part", `a.""`: "empty part",
		"a.b.c": "more than two parts", `"a`: "not closed", `"a""`: "not closed", `"a"b`: "after a closing quote", `a"b`: "inside an unquoted part", `a."b`: "not closed",
	} {
		if n, err := schema.ParseName(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseName(%q) is %+v, %v, want an error that says %q", text, n, err, want)
		}
	}
}

func names(t *rapid.T, label string) schema.Name {
	part := rapid.OneOf(rapid.StringN(1, 8, -1), rapid.StringMatching(`[a-z."]{1,6}`))
	n := schema.Name{Table: part.Draw(t, label+" table")}
	if rapid.Bool().Draw(t, label+" has a schema") {
		n.Schema = part.Draw(t, label+" schema")
	}
	return n
}

// A name comes back from its text, two names never share one, and JSON keeps them, as values and as keys.
func TestNameRoundTrip(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n, m := names(r, "first"), names(r, "second")
		if got, err := schema.ParseName(n.String()); err != nil || got != n {
			r.Fatalf("%#v was written %s and read %#v, %v", n, n, got, err)
		}
		if (n == m) != (n.String() == m.String()) {
			r.Fatalf("%#v and %#v are written %s and %s", n, m, n, m)
		}
		if n.Compare(m) != -m.Compare(n) || (n.Compare(m) == 0) != (n == m) {
			r.Fatalf("Compare of %s and %s is %d and %d", n, m, n.Compare(m), m.Compare(n))
		}
		type holder struct {
			Name schema.Name
			Map  map[schema.Name]int
		}
		want := holder{n, map[schema.Name]int{m: 1}}
		text, err := json.Marshal(want)
		if err != nil {
			r.Fatal(err)
		}
		var got holder
		if err := json.Unmarshal(text, &got); err != nil {
			r.Fatalf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			r.Fatalf("%s (-want +got):\n%s", text, diff)
		}
	})
}

func FuzzParseName(f *testing.F) {
	for _, text := range []string{"a.b", `"a""b".c`, `"`, `a"`, "..", `"a"."b"."c"`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := schema.ParseName(text)
		if err != nil {
			return
		}
		if again, err := schema.ParseName(n.String()); err != nil || again != n {
			t.Errorf("%q is %#v, written %s, read %#v, %v", text, n, n, again, err)
		}
	})
}

func TestDiff(t *testing.T) {
	before := []schema.Object{{"table", "a", "x"}, {"table", "b", "x"}, {"index", "b.i", "x"}}
	after := []schema.Object{{"view", "c", "x"}, {"table", "b", "y\n  z"}, {"index", "b.i", "x"}}
	got := schema.Diff(before, after)
	want := []schema.Change{
		{Kind: "table", Name: "a", Old: "x"},
		{Kind: "table", Name: "b", Old: "x", New: "y\n  z"},
		{Kind: "view", Name: "c", New: "x"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	var text []string
	for _, c := range got {
		text = append(text, c.String())
	}
	if diff := cmp.Diff([]string{"table a: only in the old schema", "table b: was x, is y z", "view c: only in the new schema"}, text); diff != "" {
		t.Errorf("texts (-want +got):\n%s", diff)
	}
}

// The changes that Diff lists, made to the old objects, give the new ones; nothing differs from itself, in whatever order.
func TestDiffIsExact(t *testing.T) {
	objects := rapid.Custom(func(r *rapid.T) []schema.Object {
		set := rapid.MapOfN(rapid.StringMatching("[ab]{1,3}"), rapid.StringMatching("[xy]"), 0, 8).Draw(r, "set")
		var list []schema.Object
		for name, def := range set {
			list = append(list, schema.Object{Kind: "k", Name: name, Def: def})
		}
		return list
	})
	rapid.Check(t, func(r *rapid.T) {
		before, after := objects.Draw(r, "before"), objects.Draw(r, "after")
		if diff := schema.Diff(before, rapid.Permutation(before).Draw(r, "shuffled")); diff != nil {
			r.Fatalf("a list differs from itself: %v", diff)
		}
		made := map[string]string{}
		for _, o := range before {
			made[o.Name] = o.Def
		}
		changes := schema.Diff(before, after)
		for _, c := range changes {
			if made[c.Name] != c.Old {
				r.Fatalf("%v: the old is %q", c, made[c.Name])
			}
			if delete(made, c.Name); c.New != "" {
				made[c.Name] = c.New
			}
		}
		want := map[string]string{}
		for _, o := range after {
			want[o.Name] = o.Def
		}
		if diff := cmp.Diff(want, made); diff != "" {
			r.Fatalf("changes %v (-want +got):\n%s", changes, diff)
		}
		if !slices.IsSortedFunc(changes, func(a, b schema.Change) int { return strings.Compare(a.Name, b.Name) }) {
			r.Fatalf("changes are not sorted: %v", changes)
		}
	})
}

func TestWithout(t *testing.T) {
	ledger, like, other := schema.Name{Table: "migrations"}, schema.Name{Table: "migrations_lock"}, schema.Name{Table: "a.b"}
	s := &schema.Schema{
		Tables:    []schema.Table{{Name: other}, {Name: ledger}, {Name: like}},
		Sequences: []schema.Sequence{{Name: schema.Name{Table: "free"}}, {Name: schema.Name{Table: "migrations_id_seq"}, Table: &ledger}, {Name: like, Table: &like}},
		Objects: []schema.Object{
			{"column", `"a.b".migrations`, ""}, {"column", "migrations.id", ""}, {"column", "migrations_lock.id", ""}, {"index", "migrations.pk", ""},
			{"sequence", "free", ""}, {"sequence", "migrations_id_seq", ""}, {"table", `"a.b"`, ""}, {"table", "migrations", ""}, {"table", "migrations_lock", ""},
		},
	}
	rest := s.Without(func(n schema.Name) bool { return n == ledger })
	want := &schema.Schema{
		Tables:    []schema.Table{{Name: other}, {Name: like}},
		Sequences: []schema.Sequence{{Name: schema.Name{Table: "free"}}, {Name: like, Table: &like}},
		Objects: []schema.Object{
			{"column", `"a.b".migrations`, ""}, {"column", "migrations_lock.id", ""}, {"sequence", "free", ""}, {"table", `"a.b"`, ""}, {"table", "migrations_lock", ""},
		},
	}
	if diff := cmp.Diff(want, rest); diff != "" {
		t.Errorf("the rest (-want +got):\n%s", diff)
	}
	if len(s.Tables) != 3 || len(s.Objects) != 9 {
		t.Errorf("Without changed what it was asked of: %+v", s)
	}
	if diff := cmp.Diff(s, s.Without(func(schema.Name) bool { return false })); diff != "" {
		t.Errorf("nothing was to be left out (-want +got):\n%s", diff)
	}
}

func TestTable(t *testing.T) {
	tb := schema.Table{Name: schema.Name{Table: "t"}, Columns: []schema.Column{
		{Name: "id", Identity: schema.IdentityAlways}, {Name: "g", Generated: true}, {Name: "a", Nullable: true}, {Name: "b", Default: "1"}, {Name: "c"},
	}}
	if diff := cmp.Diff([]string{"id", "a", "b", "c"}, tb.Stored()); diff != "" {
		t.Errorf("Stored (-want +got):\n%s", diff)
	}
	for _, c := range tb.Columns {
		if got, want := c.Filled(), c.Name != "c"; got != want {
			t.Errorf("column %s: Filled is %v", c.Name, got)
		}
	}
	if c, ok := tb.Column("B"); ok {
		t.Errorf("column B was found as %+v", c)
	}
	if c, ok := tb.Column("b"); !ok || c.Default != "1" {
		t.Errorf("column b is %+v, %v", c, ok)
	}
	s := schema.Schema{Tables: []schema.Table{tb}}
	if s.Table(tb.Name) != &s.Tables[0] || s.Table(schema.Name{Schema: "x", Table: "t"}) != nil {
		t.Error("Table found the wrong one")
	}
}

// Names of indexes and constraints are set apart, and nothing else is: not a column of the same name in the definition.
func TestSplit(t *testing.T) {
	change := func(kind, name, old, new string) schema.Change {
		return schema.Change{Kind: kind, Name: name, Old: old, New: new}
	}
	named := func(kind, old, new string) schema.Change { return change(kind, old, old, new) }
	for _, c := range []struct {
		name           string
		changes        []schema.Change
		real, cosmetic []schema.Change
	}{
		{"nothing", nil, nil, nil},
		{"a name", []schema.Change{change("index", "t.a", "CREATE INDEX a ON t (a)", ""), change("index", `t."b c"`, "", `CREATE INDEX "b c" ON t (a)`)},
			nil, []schema.Change{named("index", "t.a", `t."b c"`)}},
		{"names in backticks", []schema.Change{change("index", "t.a", "UNIQUE KEY `a` (`a`)", ""), change("index", `t."b`+"`"+`"`, "", "UNIQUE KEY `b``` (`a`)")},
			nil, []schema.Change{named("index", "t.a", `t."b`+"`"+`"`)}},
		{"another table", []schema.Change{change("index", "t.a", "KEY `a` (`x`)", ""), change("index", "u.b", "", "KEY `b` (`x`)")},
			[]schema.Change{change("index", "t.a", "KEY `a` (`x`)", ""), change("index", "u.b", "", "KEY `b` (`x`)")}, nil},
		{"columns that are named as the constraints", []schema.Change{change("constraint", "t.a", "CHECK ((z > a AND z > 0))", ""), change("constraint", "t.c", "", "CHECK ((z > c AND z > 0))")},
			[]schema.Change{change("constraint", "t.a", "CHECK ((z > a AND z > 0))", ""), change("constraint", "t.c", "", "CHECK ((z > c AND z > 0))")}, nil},
		{"one of two", []schema.Change{change("index", "t.a", "KEY `a` (`x`)", ""), change("index", "t.b", "KEY `b` (`x`)", ""), change("index", "t.c", "", "KEY `c` (`x`)")},
			[]schema.Change{change("index", "t.b", "KEY `b` (`x`)", "")}, []schema.Change{named("index", "t.a", "t.c")}},
		{"an exchange", []schema.Change{change("index", "t.a", "KEY `a` (`x`)", "KEY `a` (`y`)"), change("index", "t.b", "KEY `b` (`y`)", "KEY `b` (`x`)")},
			nil, []schema.Change{named("index", "t.a", "t.b"), named("index", "t.b", "t.a")}},
		{"half an exchange", []schema.Change{change("index", "t.a", "KEY `a` (`x`)", "KEY `a` (`y`)"), change("index", "t.b", "KEY `b` (`y`)", "KEY `b` (`z`)")},
			[]schema.Change{change("index", "t.a", "KEY `a` (`x`)", "KEY `a` (`y`)"), change("index", "t.b", "KEY `b` (`y`)", "KEY `b` (`z`)")}, nil},
		{"what is said of it", []schema.Change{change("comment", "t.a (index)", "x", ""), change("comment", "t.b (index)", "", "x"), change("index", "t.a", "CREATE INDEX a ON t (a)", ""), change("index", "t.b", "", "CREATE INDEX b ON t (a)")},
			nil, []schema.Change{named("comment", "t.a (index)", "t.b (index)"), named("index", "t.a", "t.b")}},
		{"something else is said", []schema.Change{change("comment", "t.a (index)", "x", ""), change("comment", "t.b (index)", "", "y"), change("index", "t.a", "CREATE INDEX a ON t (a)", ""), change("index", "t.b", "", "CREATE INDEX b ON t (a)")},
			[]schema.Change{change("comment", "t.a (index)", "x", ""), change("comment", "t.b (index)", "", "y")}, []schema.Change{named("index", "t.a", "t.b")}},
		{"columns", []schema.Change{change("column", "t.a", "int", ""), change("column", "t.b", "", "int"), change("column order", "t", "a, c", "b, c"), change("column order", "u", "", "a")},
			[]schema.Change{change("column", "t.a", "int", ""), change("column", "t.b", "", "int"), change("column order", "u", "", "a")}, []schema.Change{change("column order", "t", "a, c", "b, c")}},
	} {
		real, cosmetic := schema.Split(c.changes)
		if diff := cmp.Diff(c.real, real); diff != "" {
			t.Errorf("%s: real (-want +got):\n%s", c.name, diff)
		}
		if diff := cmp.Diff(c.cosmetic, cosmetic); diff != "" {
			t.Errorf("%s: cosmetic (-want +got):\n%s", c.name, diff)
		}
	}
}
