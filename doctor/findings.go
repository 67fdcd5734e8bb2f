package doctor

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"mulligan/migration"
)

// The kinds of findings that are no verdicts.
const (
	KindDrift  = "drift"      // an object that the migrations make otherwise, or not at all
	KindRow    = "ledger-row" // a row of the ledger that names nothing
	KindLock   = "lock"       // the tool's lock is held
	KindReplay = "replay"     // a migration failed in the shadow
	KindAccess = "access"     // owners and grants that differ
)

// findings lists what is worth saying, and decides whether the database is healthy.
func (d *Diagnosis) findings() {
	d.replayFinding()
	for i := range d.Migrations {
		e := &d.Migrations[i]
		if e.Verdict == Applied || e.Verdict == Pending {
			continue
		}
		late := migration.Late("")
		if e.Verdict == OutOfOrder && strings.HasSuffix(e.Why, "will run it next") {
			late = migration.LateRuns
		}
		d.Findings = append(d.Findings, Finding{
			Kind: string(e.Verdict), Severity: e.Verdict.severity(surroundings{late: late}), Migration: e.ID,
			Message: e.Why, Evidence: e.Evidence(), Fix: e.Fix(d.Engine),
		})
		if e.Verdict != Duplicate && len(e.Records) > 1 && e.Recorded {
			d.Findings = append(d.Findings, Finding{
				Kind: string(Duplicate), Severity: Problem, Migration: e.ID,
				Message: fmt.Sprintf("the ledger has %d records of it", len(e.Records)), Fix: (&Examined{Verdict: Duplicate}).Fix(d.Engine),
			})
		}
	}
	for _, s := range d.orphans {
		for _, r := range s.Records {
			d.Findings = append(d.Findings, Finding{
				Kind: KindRow, Severity: Problem, Message: "a row of the ledger names no migration", Evidence: []string{rawText(r)},
				Fix: "delete the row from the ledger, or mend it by hand",
			})
		}
	}
	for _, w := range Outline(d.Drift) {
		d.Findings = append(d.Findings, w.finding())
	}
	if n := len(d.Access); n > 0 {
		d.Findings = append(d.Findings, Finding{
			Kind: KindAccess, Severity: Info, Message: fmt.Sprintf("%d owners or grants are not what the migrations make", n),
			Evidence: texts(d.Access),
		})
	}
	d.Judge()
}

// Judge decides whether the database is healthy: no finding is a problem.
func (d *Diagnosis) Judge() {
	d.Healthy = !slices.ContainsFunc(d.Findings, func(f Finding) bool { return f.Severity == Problem })
}

func (d *Diagnosis) replayFinding() {
	if d.Replay == nil {
		return
	}
	f := Finding{Kind: KindReplay, Severity: Problem, Migration: d.Replay.Migration, Message: "the replay failed: " + d.Replay.Message}
	if d.Replay.Path != "" {
		where := d.Replay.Path
		if d.Replay.Line > 0 {
			where = fmt.Sprintf("%s:%d", where, d.Replay.Line)
		}
		f.Evidence = append(f.Evidence, where)
	}
	if d.Replay.Statement != "" {
		f.Evidence = append(f.Evidence, d.Replay.Statement)
	}
	f.Fix = "the migrations must run on an empty database; where the application makes base tables, say so with migrations.bootstrap"
	d.Findings = append(d.Findings, f)
}

// finding tells one difference.
func (w Whole) finding() Finding {
	f := Finding{Kind: KindDrift, Severity: Problem, Migration: w.From, Message: w.Text}
	if len(w.Parts) > 0 {
		f.Evidence = []string{"with " + names(w.Parts, func(d Difference) string { return keyOf(d.Change) })}
	}
	switch w.Drift() {
	case DriftByHand:
		f.Message += ": made by hand, by no migration"
		f.Fix = "write a migration that makes it, or take it away"
	case DriftLacking:
		if w.From != "" {
			f.Message += ": migration " + string(w.From) + " makes it"
		}
		f.Fix = "make it by hand as the migration does; a rebuild makes it, too"
	case DriftChanged:
		f.Fix = "change it by hand to what the migrations make, or write a migration for the change"
	}
	return f
}

// Evidence is what speaks for a verdict, line by line. Parts of a table go without saying where the table is told.
func (e *Examined) Evidence() []string {
	itself := func(s string) string { return s }
	var list []string
	if len(e.There) > 0 && e.Trace != TraceAll {
		list = append(list, "there: "+names(heads(e.There), itself))
	} else if len(e.There) > 0 {
		list = append(list, names(heads(e.There), itself))
	}
	var absent, left, lines []string
	for _, d := range e.Missing {
		switch {
		case d.New == "":
			absent = append(absent, keyOf(d.Change))
		case d.Old == "":
			left = append(left, keyOf(d.Change))
		default:
			lines = append(lines, "not yet: "+d.Text)
		}
	}
	if len(absent) > 0 {
		list = append(list, "missing: "+names(heads(absent), itself))
	}
	if len(left) > 0 {
		list = append(list, "still there: "+names(heads(left), itself))
	}
	for _, d := range e.Different {
		lines = append(lines, "different: "+d.Text)
	}
	list = append(list, few(lines)...)
	for _, s := range e.Data {
		where := ""
		if s.Line > 0 {
			where = fmt.Sprintf(" (line %d)", s.Line)
		}
		list = append(list, "changes rows, which no schema shows"+where+": "+s.Text)
	}
	for _, c := range e.Complete {
		list = append(list, "to complete it: "+c.SQL)
	}
	return list
}

func texts(list []Difference) []string {
	lines := make([]string, len(list))
	for i, d := range list {
		lines[i] = d.Text
	}
	return lines
}

// rawText is a row for people.
func rawText(r migration.Record) string {
	var cells []string
	for _, c := range slices.Sorted(maps.Keys(r.Raw)) {
		cells = append(cells, c+"="+r.Raw[c])
	}
	if len(cells) == 0 {
		return "every cell is NULL"
	}
	return strings.Join(cells, ", ")
}
