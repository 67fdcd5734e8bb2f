package main

import (
	"fmt"
	"io"

	"mulligan/doctor"
	"mulligan/repair"
)

// describeDryRun says what a repair would do.
func describeDryRun(w io.Writer, o *repair.Outcome) {
	if len(o.Steps) == 0 {
		fmt.Fprintf(w, "nothing to repair: no migration of database %s needs a record\n", o.Database)
		remaining(w, o.Before)
		return
	}
	describeSteps(w, o)
	if len(o.SQL) == 0 {
		fmt.Fprintf(w, "  the ledger %s is made first; the statements are known when it is there\n", o.Ledger)
	}
	fmt.Fprintln(w, "nothing was written")
}

// describeRepair says what a repair did, and how it is taken back.
func describeRepair(w io.Writer, o *repair.Outcome) {
	describeSteps(w, o)
	fmt.Fprintf(w, "repaired: the ledger %s of database %s says what the schema shows, up to %s\n", o.Ledger, o.Database, orNone(string(o.After.Recorded)))
	fmt.Fprintf(w, "  snapshot  %s, the ledger as it was\n", o.Snapshot)
	fmt.Fprintf(w, "  journal   %s\n", o.Journal)
	for i, sql := range o.Undo {
		fmt.Fprintf(w, "  %-8s  %s;\n", map[bool]string{true: "undo"}[i == 0], sql)
	}
	remaining(w, o.After)
}

// describeSteps says what is done about which migrations, and by which statements.
func describeSteps(w io.Writer, o *repair.Outcome) {
	var list []note
	for _, s := range o.Steps {
		what := done(s.Action)
		if o.DryRun {
			what = "would " + string(s.Action)
		}
		line := noteLine{label: label(o.Before, s.Migration)}
		list = addNote(list, map[bool]string{true: "·", false: "✓"}[o.DryRun], what+", "+s.Why, line)
	}
	for _, n := range list {
		n.write(w, true)
	}
	for _, sql := range o.SQL {
		fmt.Fprintf(w, "  %s;\n", nested(sql, "  "))
	}
}

// done is an action that was taken.
func done(a repair.Action) string {
	switch a {
	case repair.Clear:
		return "cleared"
	case repair.Complete:
		return "completed and recorded"
	default:
		return "recorded"
	}
}

// describeRefused says what is not repaired, each with what speaks against it and what to do.
func describeRefused(w io.Writer, o *repair.Outcome) {
	var list []note
	for _, r := range o.Refused {
		what := "refused: " + r.Reason
		if r.Verdict != "" {
			what = fmt.Sprintf("refused, %s: %s", r.Verdict, r.Reason)
		}
		line := noteLine{label: label(o.Before, r.Migration), evidence: r.Evidence}
		if r.Fix != "" {
			line.evidence = append(line.evidence[:len(line.evidence):len(line.evidence)], "→ "+r.Fix)
		}
		list = addNote(list, "✗", what, line)
	}
	for _, n := range list {
		n.write(w, true)
	}
}

// isOrAre writes "1 migration is", "2 migrations are".
func isOrAre(n int, one string) string {
	if n == 1 {
		return plural(1, one) + " is"
	}
	return plural(int64(n), one) + " are"
}

// remaining says that there is more than a repair can mend.
func remaining(w io.Writer, d *doctor.Diagnosis) {
	if !d.Healthy {
		fmt.Fprintf(w, "%s left: `mulligan doctor` shows them\n", plural(int64(problems(d)), "problem"))
	}
}

func problems(d *doctor.Diagnosis) (n int) {
	for _, f := range d.Findings {
		if f.Severity == doctor.Problem {
			n++
		}
	}
	return n
}
