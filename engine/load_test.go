package engine_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"mulligan/engine"
	"mulligan/schema"
)

func TestVerbatimComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := engine.Verbatim(rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "text"))
		data, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got engine.Verbatim
		if err := json.Unmarshal(data, &got); err != nil || got != want {
			t.Fatalf("%q came back from %s as %q, %v", want, data, got, err)
		}
	})
	if data, err := json.Marshal(engine.Verbatim("größe")); err != nil || string(data) != `"größe"` {
		t.Errorf("a text cannot be read in %s, %v", data, err)
	}
}

func TestSaveSaysWhatCouldNotBeKept(t *testing.T) {
	cause := errors.New("no room")
	o := &engine.LoadOptions{Keep: func([]byte) error { return cause }}
	if err := o.Save(1); !errors.Is(err, cause) {
		t.Errorf("%v, want the cause", err)
	}
	if err := (*engine.LoadOptions)(nil).Save(1); err != nil {
		t.Error(err)
	}
}

func TestRowsError(t *testing.T) {
	e := &engine.RowsError{Constraint: "foreign key f", Table: schema.Name{Schema: "s", Table: "t"}, Fault: "without a parent in table p", Rows: 1}
	for _, c := range []struct {
		columns []string
		keys    [][]string
		rows    int64
		want    string
	}{
		{nil, nil, 1, "foreign key f of table s.t: 1 row without a parent in table p"},
		{[]string{"id"}, [][]string{{"7"}, {"9"}}, 2, "foreign key f of table s.t: 2 rows without a parent in table p: id 7, 9"},
		{[]string{"a", "b"}, [][]string{{"7", "x"}}, 3, "foreign key f of table s.t: 3 rows without a parent in table p: (a, b) (7, x) and 2 more"},
		{[]string{"id"}, [][]string{{"\x00\xff"}}, 1, `foreign key f of table s.t: 1 row without a parent in table p: id \x00ff`},
	} {
		e.Columns, e.Keys, e.Rows = c.columns, c.keys, c.rows
		if got := e.Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	e.Keys = [][]string{{strings.Repeat("ö", 5000)}}
	if n := len(e.Error()); n > 300 {
		t.Errorf("a long key makes an error of %d bytes", n)
	}
}
