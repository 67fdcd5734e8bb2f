package schema_test

import (
	"testing"

	"mulligan/schema"
)

func TestLacking(t *testing.T) {
	keep := func(name, data string) schema.Keepsake {
		return schema.Keepsake{Kind: "grant", Name: name, Data: []byte(data)}
	}
	want := []schema.Keepsake{keep("a", "1"), keep("b", "1"), keep("c", "1"), {Kind: "grant", Name: "d"}}
	have := []schema.Keepsake{keep("c", "1"), keep("b", "2"), {Kind: "owner", Name: "a", Data: []byte("1")}}
	var got string
	for _, k := range schema.Lacking(want, have) {
		got += k.Name
	}
	if got != "abd" {
		t.Errorf("lacking are %q, want a (another kind has it), b (otherwise) and d (not there)", got)
	}
}

// A keepsake takes the difference of its object away, but for an extension that is on both sides.
func TestCovers(t *testing.T) {
	covers := schema.Covers([]schema.Keepsake{{Kind: "grant", Name: "t"}, {Kind: "extension", Name: "x"}})
	for _, c := range []struct {
		change schema.Change
		want   bool
	}{
		{schema.Change{Kind: "grant", Name: "t", Old: "a"}, true},
		{schema.Change{Kind: "grant", Name: "t", Old: "a", New: "b"}, true},
		{schema.Change{Kind: "grant", Name: "u", Old: "a"}, false},
		{schema.Change{Kind: "table", Name: "t", Old: "a"}, false},
		{schema.Change{Kind: "extension", Name: "x", Old: "1.0 in public"}, true},
		{schema.Change{Kind: "extension", Name: "x", New: "1.0 in public"}, true},
		{schema.Change{Kind: "extension", Name: "x", Old: "1.0 in public", New: "1.1 in public"}, false},
	} {
		if got := covers(c.change); got != c.want {
			t.Errorf("%v: %t, want %t", c.change, got, c.want)
		}
	}
}
