package doctor

import (
	"fmt"
	"slices"
	"strings"

	"mulligan/migration"
)

// standing is what files and ledger say of one migration.
type standing struct {
	recorded bool // a good record
	implied  bool // only because the ledger stands above it
	failed   bool // a failed record, and no good one
	copies   int  // good rows
	edited   bool
	records  []migration.Record
}

// standings reads the ledger's side.
func (x *examiner) standings() []standing {
	list := make([]standing, len(x.c.Files))
	for i, s := range migration.Compare(x.c.Files, x.c.Records)[:len(x.c.Files)] {
		st := &list[i]
		st.recorded, st.failed, st.records = s.Verdict == migration.VerdictApplied, s.Verdict == migration.VerdictDirty, s.Records
		for _, r := range s.Records {
			if r.State == migration.Applied {
				st.copies++
				st.implied = r.Raw == nil
				st.edited = st.edited || r.Sum == migration.SumDiffers
			}
		}
		known := x.c.Known[s.Migration.ID]
		st.edited = st.edited || st.recorded && known != "" && s.Migration.Hash != "" && known != s.Migration.Hash
	}
	return list
}

// choose decides which migrations the schema has. What leaves no trace is taken to be there where the ledger says so,
// or where a later one is there: then it makes no difference to the schema, and the replay of later ones may need it.
func choose(traces []Trace, ledger []standing) []bool {
	in := make([]bool, len(traces))
	later := false
	for i := len(traces) - 1; i >= 0; i-- {
		switch traces[i] {
		case TraceAll, TraceBootstrap, TraceDifferent:
			in[i] = true
		case TraceNothing:
			in[i] = ledger[i].recorded || later
		case TraceSome:
			in[i] = ledger[i].recorded
		case TraceNone, TraceUnknown:
		}
		later = later || in[i] && traces[i] != TraceNothing
	}
	return in
}

// surroundings are what a verdict depends on beside the migration itself.
type surroundings struct {
	later      bool           // a later migration is in the schema
	beyond     bool           // one before it has still to be run, or to be ended, and none between the two is in the schema
	unrecorded bool           // some migration is in the schema and not in the ledger
	exact      bool           // the live schema is exactly what was replayed up to that end
	late       migration.Late // what the tool does with late migrations
	tool       string
}

// judge gives the verdict on one migration, and its reason.
func judge(t Trace, s standing, data bool, around surroundings) (Verdict, string) {
	if s.failed {
		return Dirty, "the ledger says that it was begun and did not end; " + dirtyTrace(t)
	}
	if s.recorded {
		return judgeRecorded(t, s, around)
	}
	switch t {
	case TraceAll:
		return Unrecorded, "every object that it makes is in the database, and the ledger has no record of it"
	case TraceDifferent:
		return Unrecorded, "its objects are in the database, some of them otherwise than it makes them, and the ledger has no record of it"
	case TraceSome:
		return HalfApplied, "some of the objects that it makes are in the database and some are not"
	case TraceBootstrap:
		return Unrecorded, "the bootstrap does and records it, and the ledger has no record of it"
	case TraceUnknown:
		if around.exact {
			return Pending, "the database has nothing of it; the replay ended before it"
		}
		return Unprovable, "the replay ended before it, so nothing is known"
	case TraceNone:
		if around.later {
			return OutOfOrder, "a later migration is in the database, and this one is not; " + lateText(around)
		}
		return Pending, "nothing of it is in the database"
	}
	if !around.later && !around.unrecorded {
		return Pending, "it leaves no trace in a schema, and nothing says that it ran"
	}
	if around.beyond && !around.later {
		return Pending, "it leaves no trace in a schema, and the schema ends before a migration that must run before it"
	}
	if around.later && !data {
		return Unrecorded, "it changes no rows and leaves nothing in a schema, and the schema is what it is with all migrations up to a later one"
	}
	return Unprovable, "it leaves no trace in a schema, so nothing there tells whether it ran"
}

func judgeRecorded(t Trace, s standing, around surroundings) (Verdict, string) {
	missing := t == TraceNone || t == TraceSome
	switch {
	case s.edited && missing:
		return Edited, "the file is not the one that was applied: what it makes now is not in the database"
	case s.edited:
		return Edited, "the file is not the one that was applied"
	case t == TraceNone && around.later && (s.implied || around.late == migration.LateSkipped):
		return OutOfOrder, "the ledger stands above it, and nothing of it is in the database: " + lateText(around)
	case t == TraceNone:
		return RecordedMissing, "the ledger calls it applied, and nothing of it is in the database"
	case t == TraceSome:
		return RecordedMissing, "the ledger calls it applied, and a part of it is not in the database"
	case s.copies > 1:
		return Duplicate, fmt.Sprintf("the ledger has %d records of it", s.copies)
	case t == TraceNothing:
		return Applied, "recorded; it leaves no trace in a schema"
	case t == TraceUnknown:
		return Applied, "recorded; the replay ended before it, so the schema was not asked"
	case t == TraceDifferent:
		return Applied, "recorded; some of its objects were changed since by hand"
	default:
		return Applied, "recorded, and the schema has it"
	}
}

func dirtyTrace(t Trace) string {
	switch t {
	case TraceAll:
		return "all of it is in the database"
	case TraceNone:
		return "nothing of it is in the database"
	case TraceSome, TraceDifferent:
		return "a part of it is in the database"
	default:
		return "the schema does not tell how far it got"
	}
}

func lateText(around surroundings) string {
	switch around.late {
	case migration.LateRuns:
		return around.tool + " will run it next"
	case migration.LateRefused:
		return around.tool + " refuses to run it below what is applied"
	case migration.LateSkipped:
		return "a fresh replay would run it, but " + around.tool + " has silently skipped it here, and always will"
	default:
		return "a fresh replay would run it in its place"
	}
}

// CanComplete tells whether what is missing can be added without touching anything that is there.
func (e *Examined) CanComplete() bool {
	return len(e.Complete) > 0 && len(e.Data) == 0 && len(e.Different) == 0 &&
		!slices.ContainsFunc(e.Complete, func(c Completion) bool { return !c.Adds })
}

// severity says how much a verdict matters.
func (v Verdict) severity(around surroundings) Severity {
	switch v {
	case Applied, Pending:
		return Info
	case OutOfOrder:
		if around.late == migration.LateRuns {
			return Warning
		}
		return Problem
	default:
		return Problem
	}
}

// names lists things for people.
func names[T any](list []T, name func(T) string) string {
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = name(v)
	}
	return strings.Join(few(texts), ", ")
}

// few cuts a list that is too long to read.
func few(list []string) []string {
	const most = 6
	if len(list) <= most {
		return list
	}
	return append(slices.Clone(list[:most]), fmt.Sprintf("and %d more", len(list)-most))
}
