package restore

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"mulligan/schema"
	"mulligan/snapshot"
)

func column(name string) schema.Column {
	return schema.Column{Name: name, Type: "text", Nullable: true}
}

func table(name string, columns ...schema.Column) schema.Table {
	n, err := schema.ParseName(name)
	if err != nil {
		panic(err)
	}
	return schema.Table{Name: n, Kind: schema.KindTable, Columns: columns}
}

func TestArrange(t *testing.T) {
	old := table("users", column("id"), column("nick"), schema.Column{Name: "calc", Generated: true}, column("note"))
	for _, c := range []struct {
		what    string
		old     schema.Table // zero = old above
		now     schema.Table
		mapping []Mapping
		columns []string
		keep    []int
		added   []string
		misfits []string
	}{
		{what: "the same", now: old, columns: []string{"id", "nick", "note"}},
		{what: "another order", now: table("users", column("note"), column("id"), column("nick")), columns: []string{"id", "nick", "note"}},
		{what: "no table", now: table("people"), misfits: []string{"table users: the schema has no table users"}},
		{
			what: "the table has another name", now: table("people", column("id"), column("nick"), column("note")),
			mapping: []Mapping{{Table: "users", To: "people"}}, columns: []string{"id", "nick", "note"},
		},
		{
			what: "a mapping to nowhere", now: old, mapping: []Mapping{{Table: "users", To: "gone"}},
			misfits: []string{"table users: the schema has no table gone"},
		},
		{
			what: "a mapping that is no name", now: old, mapping: []Mapping{{Table: "users", To: `a"b`}},
			misfits: []string{`table users: mapping: table name "a\"b": a quote inside an unquoted part`},
		},
		{
			what: "a column less", now: table("users", column("id"), column("nick")),
			misfits: []string{"table users, column note: the table has no column note"},
		},
		{
			what: "a column less, and dropped on purpose", now: table("users", column("id"), column("nick")),
			mapping: []Mapping{{Table: "users", Drop: []string{"note"}}}, columns: []string{"id", "nick"}, keep: []int{0, 1},
		},
		{
			what: "a column in the middle is dropped", now: table("users", column("id"), column("note")),
			mapping: []Mapping{{Table: "users", Drop: []string{"nick"}}}, columns: []string{"id", "note"}, keep: []int{0, 2},
		},
		{
			what: "renamed", now: table("users", column("id"), column("Nick.Name"), column("note")),
			mapping: []Mapping{{Table: "users", Rename: map[string]string{"nick": "Nick.Name"}}}, columns: []string{"id", "Nick.Name", "note"},
		},
		{
			what: "two columns change places", now: table("users", column("id"), column("nick"), column("note")),
			mapping: []Mapping{{Table: "users", Rename: map[string]string{"nick": "note", "note": "nick"}}}, columns: []string{"id", "note", "nick"},
		},
		{
			what: "two into one", now: table("users", column("id"), column("note")),
			mapping: []Mapping{{Table: "users", Rename: map[string]string{"nick": "note"}}},
			misfits: []string{"table users, column note: two columns would go into note"},
		},
		{
			what: "computed there", now: table("users", column("id"), column("nick"), schema.Column{Name: "note", Generated: true}),
			misfits: []string{"table users, column note: column note is computed there"},
		},
		{
			what: "new columns that fill themselves", columns: []string{"id", "nick", "note"},
			now: table("users", column("id"), column("nick"), column("note"), column("a"), schema.Column{Name: "b", Default: "1"},
				schema.Column{Name: "c", Generated: true}, schema.Column{Name: "d", Identity: schema.IdentityAuto}),
		},
		{
			what: "a new column that nothing fills", now: table("users", column("id"), column("nick"), column("note"), schema.Column{Name: "locale"}),
			misfits: []string{"table users, column locale: the new column is NOT NULL and has no default"},
		},
		{
			what: "a new column with a default of the mapping", now: table("users", column("id"), column("nick"), column("note"), schema.Column{Name: "locale"}),
			mapping: []Mapping{{Table: "users", Default: map[string]string{"locale": "'en'"}}}, columns: []string{"id", "nick", "note", "locale"}, added: []string{"'en'"},
		},
		{
			what: "a mapping of another table", now: table("users", column("id"), column("nick")),
			mapping: []Mapping{{Table: "guilds", Drop: []string{"note"}}}, misfits: []string{"table users, column note: the table has no column note"},
		},
		{
			what: "names with signs", old: table(`"Order.Items"`, column("a b")), now: table(`"Order.Items"`, column("a\tb")),
			mapping: []Mapping{{Table: "Order.Items", Rename: map[string]string{"a b": "a\tb"}}}, columns: []string{"a\tb"},
		},
		{
			what: "a mapping keeps the schema", old: table("shop.users", column("id")), now: table("shop.people", column("id")),
			mapping: []Mapping{{Table: "shop.users", To: "people"}}, columns: []string{"id"},
		},
	} {
		t.Run(c.what, func(t *testing.T) {
			if c.old.Name == (schema.Name{}) {
				c.old = old
			}
			now := &schema.Schema{Tables: []schema.Table{c.now}}
			p, found := arrange(&snapshot.Table{Table: c.old}, now, c.mapping)
			var misfits []string
			for _, m := range found {
				misfits = append(misfits, m.String())
			}
			if diff := cmp.Diff(c.misfits, misfits); diff != "" {
				t.Fatalf("misfits (-want +got):\n%s", diff)
			}
			if misfits != nil {
				return
			}
			if diff := cmp.Diff([]any{c.columns, c.keep, c.added}, []any{p.columns, p.keep, p.defaults}); diff != "" {
				t.Errorf("columns, keep, defaults (-want +got):\n%s", diff)
			}
			if got := p.asTable().Stored(); !slices.Equal(got, c.columns) {
				t.Errorf("read back as %q", got)
			}
			if p.plain() != (c.keep == nil && c.added == nil) {
				t.Errorf("plain is %t", p.plain())
			}
		})
	}
}

func TestFitListsAllTables(t *testing.T) {
	a, b := table("a", column("x"), column("y")), table("b", column("z"))
	got := Fit([]*snapshot.Table{{Table: a}, {Table: b}}, &schema.Schema{Tables: []schema.Table{table("a", column("x"))}}, nil)
	err := misfitError("007", got)
	for _, want := range []string{"nearest after migration 007", "table a, column y", "table b: the schema has no table b"} {
		if !errors.Is(err, ErrMisfit) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	many := slices.Repeat(got, 10)
	if err := misfitError("", many); !strings.Contains(err.Error(), "and 8 more") || !strings.Contains(err.Error(), "before the first migration") {
		t.Error(err)
	}
}

// project against splitting at tabs and line ends.
func TestProjectAgainstSplitting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cells := rapid.IntRange(1, 6).Draw(t, "cells")
		cell := rapid.StringMatching(`[a-z\\é]{0,5}`)
		rows := rapid.SliceOfN(rapid.SliceOfN(cell, cells, cells), 0, 20).Draw(t, "rows")
		var keep []int
		all := rapid.Bool().Draw(t, "all")
		for i := range cells {
			if !all && rapid.Bool().Draw(t, "keep") {
				keep = append(keep, i)
			}
		}
		if keep == nil && !all {
			keep = []int{}
		}
		added := rapid.SliceOfN(cell, 0, 3).Draw(t, "added")
		var in, want strings.Builder
		for _, row := range rows {
			in.WriteString(strings.Join(row, "\t") + "\n")
			var out []string
			for i, c := range row {
				if all || slices.Contains(keep, i) {
					out = append(out, c)
				}
			}
			want.WriteString(strings.Join(append(out, added...), "\t") + "\n")
		}
		source := io.Reader(strings.NewReader(in.String()))
		switch rapid.IntRange(0, 3).Draw(t, "reader") {
		case 0:
			source = iotest.OneByteReader(source)
		case 1:
			source = iotest.HalfReader(source)
		case 2:
			source = iotest.DataErrReader(source)
		}
		r := project(source, cells, keep, added)
		if rapid.Bool().Draw(t, "small reads") {
			r = iotest.OneByteReader(r)
		}
		got, err := io.ReadAll(r)
		if err != nil || string(got) != want.String() {
			t.Fatalf("%q with %v and %q gives %q, %v; want %q", in.String(), keep, added, got, err, want.String())
		}
	})
}

func TestProjectCellsLongerThanItsBuffer(t *testing.T) {
	long := strings.Repeat("x", 300_000)
	got, err := io.ReadAll(project(strings.NewReader("a\t"+long+"\tc\n"+long+"\tb\t\n"), 3, []int{1, 2}, []string{`\N`}))
	if want := long + "\tc\t\\N\n" + "b\t\t\\N\n"; err != nil || string(got) != want {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestProjectRefuses(t *testing.T) {
	boom := errors.New("boom")
	for what, c := range map[string]struct {
		in   io.Reader
		want string
	}{
		"a cell less":      {strings.NewReader("a\tb\nc\n"), "a row has 1 cells in place of 2"},
		"a cell more":      {strings.NewReader("a\tb\tc\n"), "a row has more than 2 cells"},
		"no line end":      {strings.NewReader("a\tb"), "unexpected EOF"},
		"cut after a tab":  {strings.NewReader("a\tb\nc\t"), "unexpected EOF"},
		"cut in a cell":    {strings.NewReader("a\tb\nc"), "unexpected EOF"},
		"a broken reader":  {io.MultiReader(strings.NewReader("a\tb\nc"), iotest.ErrReader(boom)), "boom"},
		"an error at once": {iotest.ErrReader(boom), "boom"},
	} {
		t.Run(what, func(t *testing.T) {
			if _, err := io.ReadAll(project(c.in, 2, []int{1}, nil)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

func TestCellText(t *testing.T) {
	if got := cellText("x", true); got != `\N` {
		t.Errorf("NULL is %s", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.String().Draw(t, "value") + rapid.SampledFrom([]string{"", "\t", "\n", "\r", `\`, `\N`, "\x00"}).Draw(t, "sign")
		text := cellText(value, false)
		if strings.ContainsAny(text, "\t\n\r") || text == `\N` {
			t.Fatalf("%q is %q", value, text)
		}
		if back := unescape(text); back != value {
			t.Fatalf("%q is %q, and comes back as %q", value, text, back)
		}
	})
}

// unescape reads the escapes that docs/format.md names.
func unescape(s string) string {
	var b bytes.Buffer
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		b.WriteByte(map[byte]byte{'t': '\t', 'n': '\n', 'r': '\r', '\\': '\\'}[s[i]])
	}
	return b.String()
}
