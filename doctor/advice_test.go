package doctor_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/doctor"
	"mulligan/migration"
	"mulligan/schema"
)

// examined is a made-up migration with the finding that goes with it.
func examined(d *doctor.Diagnosis, e doctor.Examined) {
	d.Migrations = append(d.Migrations, e)
	if e.Verdict != doctor.Applied && e.Verdict != doctor.Pending {
		d.Findings = append(d.Findings, doctor.Finding{
			Kind: string(e.Verdict), Severity: doctor.Problem, Migration: e.ID, Message: e.Why, Evidence: e.Evidence(), Fix: e.Fix(d.Engine),
		})
	}
}

func file(id migration.ID) migration.Migration { return migration.Migration{ID: id} }

func advice(d *doctor.Diagnosis) []string {
	var lines []string
	for _, a := range d.Advice() {
		lines = append(lines, strings.Join(a.About, " ")+" → "+a.String())
	}
	return lines
}

// All that a repair can mend is one command, which comes after what would make it be refused.
func TestAdviceIsOneRepair(t *testing.T) {
	d := &doctor.Diagnosis{}
	examined(d, doctor.Examined{Migration: file("1"), Verdict: doctor.Applied, Trace: doctor.TraceAll, Recorded: true})
	examined(d, doctor.Examined{Migration: file("2"), Verdict: doctor.RecordedMissing, Trace: doctor.TraceNone, Recorded: true})
	examined(d, doctor.Examined{Migration: file("3"), Verdict: doctor.Unrecorded, Trace: doctor.TraceAll, Proved: true})
	rows := []doctor.DataStatement{{Line: 3, Text: "UPDATE users SET email = lower(email)"}}
	examined(d, doctor.Examined{Migration: file("4 'x'"), Verdict: doctor.Unprovable, Trace: doctor.TraceNothing, Data: rows})
	examined(d, doctor.Examined{Migration: file("5"), Verdict: doctor.Unrecorded, Trace: doctor.TraceDifferent})
	examined(d, doctor.Examined{Migration: file("6"), Verdict: doctor.HalfApplied, Trace: doctor.TraceSome})
	examined(d, doctor.Examined{
		Migration: file("7"), Verdict: doctor.HalfApplied, Trace: doctor.TraceSome, Complete: []doctor.Completion{{SQL: "CREATE INDEX a ON b (c)", Adds: true}},
	})
	examined(d, doctor.Examined{Migration: file("8"), Verdict: doctor.RecordedMissing, Trace: doctor.TraceSome, Recorded: true})
	want := []string{
		"6 → make what is missing by hand, or take away what is there, then look again",
		"3 4 'x' 5 7 → look whether what 4 'x' does to rows was done, make sure that the differences of 5 do not matter, then: " +
			`mulligan repair --complete --assume '4 '\''x'\''' --assume 5`,
		"2 8 → mulligan rebuild; or make by hand what is missing",
	}
	if diff := cmp.Diff(want, advice(d)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// What differs because its table does is told with the table.
func TestOutline(t *testing.T) {
	diff := func(kind, name, old, new string) doctor.Difference {
		return doctor.Difference{Change: schema.Change{Kind: kind, Name: name, Old: old, New: new}}
	}
	list := []doctor.Difference{
		diff("column", "public.notes.id", "", "integer"),
		diff("column", "public.users.nick", "", "text"),
		diff("column order", "public.notes", "", "id"),
		diff("index", `public."odd. name".i`, "", "x"),
		diff("table", "public.notes", "", "notes"),
		diff("table", "public.users", "a", "b"),
		diff("table", `public."odd. name"`, "", "odd"),
		diff("view", "public.notes_view", "", "v"),
	}
	var got []string
	for _, w := range doctor.Outline(list) {
		line := w.Kind + " " + w.Name + ":"
		for _, p := range w.Parts {
			line += " " + p.Kind
		}
		got = append(got, line)
	}
	want := []string{
		"column public.users.nick:", "table public.notes: column column order", "table public.users:", `table public."odd. name": index`,
		"view public.notes_view:",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Evidence is about tables where their parts say no more, and tells what a migration takes away from what it makes.
func TestEvidence(t *testing.T) {
	gone := doctor.Difference{Change: schema.Change{Kind: "column", Name: "users.old", New: "text"}}
	lacks := doctor.Difference{Change: schema.Change{Kind: "index", Name: "users.by_name", Old: "(name)"}}
	e := doctor.Examined{
		Trace: doctor.TraceSome, There: []string{"column posts.id", "foreign key posts.fk", "table posts", "no column posts2.id"},
		Missing: []doctor.Difference{gone, lacks}, Data: []doctor.DataStatement{{Line: 4, Text: "DELETE FROM users"}},
	}
	want := []string{
		"there: table posts, no column posts2.id", "missing: index users.by_name", "still there: column users.old",
		"changes rows, which no schema shows (line 4): DELETE FROM users",
	}
	if diff := cmp.Diff(want, e.Evidence()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
