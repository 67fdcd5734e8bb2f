package doctor_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"mulligan/doctor"
	"mulligan/migration"
	"mulligan/schema"
)

// hostile is a text that would break out of a page that does not escape it.
const hostile = `</pre></details><script>alert("x")</script>'"><img src=http://evil.example/x onerror=y>&amp;{{.}}` + "`é€😀\u202e\x01"

// show is a text as a reader sees it: signs that cannot be seen, or turn the writing around, are replaced.
func show(s string) string {
	return strings.Join(strings.Fields(strings.NewReplacer("\x01", "\ufffd", "\u202e", "\ufffd").Replace(s)), " ")
}

// difference is made up.
func difference(kind, name, old, new string, from migration.ID) doctor.Difference {
	c := schema.Change{Kind: kind, Name: name, Old: old, New: new}
	return doctor.Difference{Change: c, Text: schema.Explain(c, "the replay", "the live database"), From: from}
}

// sick is a diagnosis with everything in it.
func sick() *doctor.Diagnosis {
	at := time.Date(2026, 11, 23, 5, 43, 51, 0, time.UTC)
	d := &doctor.Diagnosis{
		Format: doctor.Format, Target: "shop", Time: at, Engine: "mysql", Version: "9.1.0", Database: "shop_db", Tool: "flyway",
		Ledger: "flyway_schema_history", Match: doctor.Differs, Recorded: "1", Effective: "3",
		Shadow:   doctor.Shadow{Version: "9.1.0", Database: "shop__mulligan_d12ab34", Replays: 2, Seconds: 14.25, Swept: true},
		Warnings: []string{"the shadow server is older"},
		Replay:   &doctor.ReplayFault{Migration: "5", Path: "db/5_rates.sql", Line: 7, Statement: "ALTER TABLE invoices ADD total int", Message: "no such table"},
	}
	record := migration.Record{ID: "1", State: migration.Applied, At: at, Sum: migration.SumMatches, Raw: map[string]string{"version": "1"}}
	examined(d, doctor.Examined{
		Migration: migration.Migration{ID: "1", Title: "users", Path: "db/1_users.sql", Hash: strings.Repeat("ab", 32)},
		Verdict:   doctor.Applied, Why: "recorded, and the schema has it", Trace: doctor.TraceAll, Records: []migration.Record{record},
	})
	examined(d, doctor.Examined{
		Migration: migration.Migration{ID: "2", Title: "posts"}, Verdict: doctor.Unrecorded, Why: "the ledger has no record of it",
		Trace: doctor.TraceAll, Proved: true, There: []string{"table posts", "column posts.id"},
	})
	examined(d, doctor.Examined{
		Migration: migration.Migration{ID: "3", Title: hostile}, Verdict: doctor.HalfApplied, Why: "some are and some are not", Trace: doctor.TraceSome,
		There:     []string{"table tags"},
		Missing:   []doctor.Difference{difference("index", "tags.by_name", "KEY by_name (name)", "", "3")},
		Different: []doctor.Difference{difference("column", "tags."+hostile, "int NOT NULL", "text "+hostile, "3")},
		Data:      []doctor.DataStatement{{Line: 12, Text: "UPDATE tags SET name = ''" + hostile}},
		Complete:  []doctor.Completion{{SQL: "CREATE INDEX by_name ON tags (name)", Adds: true}, {SQL: "ALTER TABLE tags MODIFY x int"}},
	})
	examined(d, doctor.Examined{Migration: file("4"), Verdict: doctor.Pending, Why: "nothing of it is in the database", Missing: []doctor.Difference{
		difference("table", "likes", "x", "", "4"), difference("column", "likes.id", "x", "", "4"),
	}})
	examined(d, doctor.Examined{Migration: file("9" + hostile), Verdict: doctor.FileMissing, Why: "no file of that name is on disk", Recorded: true})
	d.Drift = []doctor.Difference{
		difference("column", "notes.body", "", "body text", ""),
		difference("table", "notes", "", "ENGINE=InnoDB", ""),
		difference("column", "users.email", "varchar(100)", "varchar(20)", "1"),
	}
	d.Cosmetic = []doctor.Difference{difference("index", "users.a", "a", "b", "")}
	d.Access = []doctor.Difference{difference("grant", "users", "", "SELECT TO reader", "")}
	d.Findings = append(d.Findings, doctor.Finding{Kind: doctor.KindLock, Severity: doctor.Problem, Message: "connection 41 holds it", Fix: "wait"})
	return d
}

// written is a diagnosis as a page.
func written(t *testing.T, d *doctor.Diagnosis) string {
	t.Helper()
	var b bytes.Buffer
	if err := d.WriteHTML(&b); err != nil {
		t.Fatalf("WriteHTML: %v", err)
	}
	return b.String()
}

// element is one start tag of a page.
type element struct {
	name  string
	attrs map[string]string
}

// read takes a page apart. It must be well-formed, every tag closed and every attribute quoted, as for XML: then no
// text of a database has become markup.
func read(t *testing.T, html string) (elements []element, text string) {
	t.Helper()
	var b strings.Builder
	dec := xml.NewDecoder(strings.NewReader(html))
	style := false
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return elements, show(b.String())
		}
		if err != nil {
			t.Fatalf("the page is not well-formed: %v", err)
		}
		switch x := token.(type) {
		case xml.StartElement:
			e := element{x.Name.Local, map[string]string{}}
			for _, a := range x.Attr {
				e.attrs[a.Name.Local] = a.Value
			}
			elements = append(elements, e)
			style = x.Name.Local == "style"
			b.WriteByte(' ')
		case xml.EndElement:
			style = false
			b.WriteByte(' ')
		case xml.CharData:
			if !style {
				b.Write(x)
			}
		}
	}
}

// A page says what a person needs, hostile texts among it, and none of them becomes markup.
func TestWriteHTML(t *testing.T) {
	html := written(t, sick())
	elements, text := read(t, html)
	for _, want := range []string{
		"4 problems in shop", "2026-11-23 05:43:51 UTC", "shop_db", "MySQL 9.1.0", "flyway", "flyway_schema_history",
		"1 1 of 5", "3 3 of 5", "differs", "the shadow server is older",
		"mulligan repair", "bring the file back",
		"half-applied", "some are and some are not", "unrecorded", "pending", "file-missing", "1 applied",
		"table posts", "missing: index tags.by_name", "KEY by_name (name)", "line 12: UPDATE tags", "CREATE INDEX by_name ON tags (name);",
		"would make table likes", "applied, 2026-11-23 05:43:51 UTC, checksum matches", "version=1", strings.Repeat("ab", 32), "db/1_users.sql",
		"made by hand", "table notes with 1 part", "body text", "changed", "made by migration 1", "varchar(20)",
		"names and orders", "owners and grants", "SELECT TO reader", "connection 41 holds it",
		"no such table", "ALTER TABLE invoices ADD total int", "db/5_rates.sql:7",
		"replayed 2 times in 14.2 s", "shop__mulligan_d12ab34", "swept away", show(hostile),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	known := []string{"class", "id", "lang", "charset", "name", "content", "http-equiv", "title", "open", "scope", "aria-hidden", "aria-labelledby"}
	for _, e := range elements {
		if slices.Contains([]string{"script", "img", "link", "iframe", "object", "embed", "base", "form", "a"}, e.name) {
			t.Errorf("the page has an element %s", e.name)
		}
		for name := range e.attrs {
			if !slices.Contains(known, name) {
				t.Errorf("element %s has an attribute %s", e.name, name)
			}
		}
	}
	for _, bad := range []string{"url(", "@import", "@font-face"} {
		if strings.Contains(html, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
}

// A page without texts of others has nothing in it that would fetch anything, in whatever way it is read.
func TestWriteHTMLFetchesNothing(t *testing.T) {
	html := written(t, &doctor.Diagnosis{Healthy: true, Target: "app", Match: doctor.Equal})
	for _, bad := range []string{"http://", "https://", "//", "src=", "href", "@import", "url("} {
		if strings.Contains(html, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if _, text := read(t, html); !strings.Contains(text, "Healthy: app") || strings.Contains(text, "What to do") {
		t.Errorf("a healthy database reads as %s", text)
	}
}

// A page of a large history folds what is well and what is much, and stays in the order of the files.
func TestWriteHTMLOfMuch(t *testing.T) {
	const migrations, drift = 150, 300
	d := &doctor.Diagnosis{Target: "app", Match: doctor.Differs}
	for i := range migrations {
		e := doctor.Examined{Migration: file(migration.ID(fmt.Sprintf("m%03d", i))), Verdict: doctor.Applied, Why: "recorded, and the schema has it"}
		if i == 149 {
			e.Verdict, e.Why = doctor.RecordedMissing, "nothing of it is there"
		}
		examined(d, e)
	}
	for i := range drift {
		d.Drift = append(d.Drift, difference("column", fmt.Sprintf("orders.c%03d", i), "", strings.Repeat("very_long_", 100), ""))
	}
	html := written(t, d)
	elements, text := read(t, html)
	open := map[string]bool{}
	for _, e := range elements {
		if class, is := strings.CutPrefix(e.attrs["class"], "fold card"); e.name == "details" && is {
			_, open[strings.TrimSpace(class)] = e.attrs["open"]
		}
	}
	if open["applied"] || open[""] || !open["recorded-missing"] {
		t.Errorf("open is %v, want recorded-missing alone", open)
	}
	if strings.Index(text, "m149") > strings.Index(text, "m000") || strings.Index(text, "m000") > strings.Index(text, "m001") {
		t.Error("the problem does not come first, or the others are not in order")
	}
	if strings.Count(text, "column orders.c") != drift || !strings.Contains(text, "149 applied") {
		t.Error("migrations or differences are lost")
	}
}
