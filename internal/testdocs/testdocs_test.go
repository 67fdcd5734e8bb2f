package testdocs

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type inner struct {
	Name  string `json:"name"`
	Twice int    `json:"twice"`
	Not   string `json:"-"`
}

type outermost struct {
	inner
	Twice string            `json:"twice"`
	At    time.Time         `json:"at,omitzero"`
	Parts []part            `json:"parts"`
	Raw   map[string]string `json:"raw,omitempty"`
	Known *known            `json:"known"`
}

type part struct {
	OK    bool   `json:"ok"`
	Parts []part `json:"parts,omitempty"`
}

type known struct {
	Secret string `json:"secret"`
}

func TestObjects(t *testing.T) {
	got := Objects(reflect.TypeFor[outermost](), reflect.TypeFor[known]())
	want := map[string][]Field{
		"outermost": {
			{"name", "text", false}, {"twice", "text", false}, {"at", "time", true}, {"parts", "list of part", false},
			{"raw", "object of text", true}, {"known", "known", false},
		},
		"part": {{"ok", "true or false", false}, {"parts", "list of part", true}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

const manual = `# Manual

## Other

### part

| field | type | meaning |
|---|---|---|
| ` + "`gone`" + ` | text | of another document |

## Document

### part

| field | type | meaning |
|---|---|---|
| ` + "`ok`" + ` | true or false, may be absent | it is |
| ` + "`parts`" + ` | list of part, may be absent | |
| ` + "`more`" + ` | text | it is not |

### nothing

## After

### later
`

// What is missing in the manual, and what is missing in the document, is told.
func TestCompare(t *testing.T) {
	described, err := read(manual, "## Document")
	if err != nil {
		t.Fatal(err)
	}
	got := compare(Objects(reflect.TypeFor[part]()), described)
	want := []string{
		"nothing is described, and there is no such object",
		"part has the row | `more` | text |, and there is no such field",
		"part has the row | `ok` | true or false, may be absent |, and there is no such field",
		"part lacks the row | `ok` | true or false |",
		"part lacks the row | `parts` | list of part, may be absent |", // it says nothing
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if _, err := read(manual, "## Nowhere"); err == nil {
		t.Error("a part that is not there was read")
	}
}
