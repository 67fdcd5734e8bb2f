package main

import (
	"fmt"
	"io"
	"slices"

	"mulligan/doctor"
)

// describeDiagnosis writes a diagnosis for people: where the database stands, each migration that is not simply
// applied, each finding with its evidence, and what to do.
func (a *app) describeDiagnosis(w io.Writer, d *doctor.Diagnosis) {
	fmt.Fprintf(w, "database %s on %s %s: %s of %s, ledger %s\n", d.Database, d.Engine, d.Version,
		plural(int64(len(d.Migrations)), "migration"), d.Tool, d.Ledger)
	fmt.Fprintf(w, "  ledger    says %s\n", orNone(string(d.Recorded)))
	fmt.Fprintf(w, "  schema    shows %s%s\n", orNone(string(d.Effective)), matchText(d))
	if d.Shadow.Swept {
		fmt.Fprintf(w, "  swept     scratch database %s, which a run that was killed had left\n", d.Shadow.Database)
	}
	for _, text := range d.Warnings {
		fmt.Fprintf(w, "  warning   %s\n", text)
	}
	a.migrationTable(w, d)
	for _, f := range d.Findings {
		if f.Severity == doctor.Info && !a.config.Settings.Verbose {
			continue
		}
		a.describeFinding(w, f)
	}
	a.describeEnd(w, d)
}

// matchText says how live schema and replay compare.
func matchText(d *doctor.Diagnosis) string {
	switch d.Match {
	case doctor.Equal:
		return ", and is exactly what the migrations make"
	case doctor.Near:
		return fmt.Sprintf(", and is what the migrations make, but for %s that mean nothing", plural(int64(len(d.Cosmetic)), "name or order"))
	case doctor.Differs:
		return fmt.Sprintf(", with %s", plural(int64(max(len(d.Drift), 1)), "difference"))
	default:
		return "; the replay failed before all could be told"
	}
}

// migrationTable lists migrations: all with --verbose, else those that are not simply applied.
func (a *app) migrationTable(w io.Writer, d *doctor.Diagnosis) {
	var rows [][]any
	applied := 0
	for _, m := range d.Migrations {
		if m.Verdict == doctor.Applied && !a.config.Settings.Verbose {
			applied++
			continue
		}
		rows = append(rows, []any{"  " + string(m.ID), m.Verdict, m.Why})
	}
	if len(rows) > 0 {
		grid(w, []string{"  MIGRATION", "VERDICT", "WHY"}, rows)
	}
	if applied > 0 {
		fmt.Fprintf(w, "  and %d applied\n", applied)
	}
}

func (a *app) describeFinding(w io.Writer, f doctor.Finding) {
	if f.Migration != "" && len(f.Evidence) == 0 && f.Kind != doctor.KindDrift && f.Kind != doctor.KindReplay {
		return // the table says it
	}
	what := f.Kind
	if f.Migration != "" {
		what += " " + string(f.Migration)
	}
	fmt.Fprintf(w, "%s: %s\n", what, f.Message)
	for _, line := range f.Evidence {
		fmt.Fprintf(w, "    %s\n", line)
	}
}

// describeEnd says what to do, once for each thing.
func (a *app) describeEnd(w io.Writer, d *doctor.Diagnosis) {
	if d.Healthy {
		fmt.Fprintln(w, "healthy: files, ledger and schema tell one story")
		return
	}
	fmt.Fprintf(w, "%s; nothing was changed\n", plural(int64(problems(d)), "problem"))
	var said []string
	for _, f := range d.Findings {
		if f.Fix != "" && f.Severity == doctor.Problem && !slices.Contains(said, f.Fix) {
			said = append(said, f.Fix)
			fmt.Fprintf(w, "  → %s\n", f.Fix)
		}
	}
}
