package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"mulligan/doctor"
	"mulligan/migration"
)

// describeDiagnosis writes a diagnosis for people: where the database stands, each problem once with what speaks for
// it, and at the end what to do.
func (a *app) describeDiagnosis(w io.Writer, d *doctor.Diagnosis) {
	fmt.Fprintf(w, "database %s on %s %s: %s of %s, ledger %s\n", d.Database, d.Engine, d.Version,
		plural(int64(len(d.Migrations)), "migration"), d.Tool, d.Ledger)
	fmt.Fprintf(w, "  ledger   says %s\n", orNone(string(d.Recorded)))
	fmt.Fprintf(w, "  schema   shows %s%s\n", orNone(string(d.Effective)), matchText(d))
	if d.Shadow.Swept {
		fmt.Fprintf(w, "  swept    scratch database %s, which a run that was killed had left\n", d.Shadow.Database)
	}
	for _, text := range d.Warnings {
		fmt.Fprintf(w, "  warning  %s\n", text)
	}
	for _, n := range a.notes(d) {
		n.write(w, a.config.Settings.Verbose)
	}
	describeEnd(w, d)
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

// note is one thing that was seen, of as many migrations or objects as it was seen of.
type note struct {
	sign  string
	what  string
	lines []noteLine
}

// noteLine is one migration with its evidence, or one object without a label.
type noteLine struct {
	label    string
	evidence []string
}

// notes lists what is worth saying: problems, then what is well, in short.
func (a *app) notes(d *doctor.Diagnosis) []note {
	var list []note
	for _, f := range d.Findings {
		if f.Kind == doctor.KindDrift || f.Severity == doctor.Info && !a.config.Settings.Verbose {
			continue
		}
		line := noteLine{label: label(d, f.Migration), evidence: f.Evidence}
		list = addNote(list, sign(f.Severity), f.Kind+": "+f.Message, line)
	}
	for _, o := range doctor.Outline(d.Drift) {
		what, line := driftLine(o)
		list = addNote(list, sign(doctor.Problem), "drift: "+what, line)
	}
	for _, v := range []doctor.Verdict{doctor.Pending, doctor.Applied} {
		list = append(list, a.well(d, v)...)
	}
	return list
}

func addNote(list []note, sign, what string, line noteLine) []note {
	at := slices.IndexFunc(list, func(n note) bool { return n.what == what })
	if at < 0 {
		at, list = len(list), append(list, note{sign: sign, what: what})
	}
	if line.label != "" || len(line.evidence) > 0 {
		list[at].lines = append(list[at].lines, line)
	}
	return list
}

func sign(s doctor.Severity) string {
	switch s {
	case doctor.Problem:
		return "✗"
	case doctor.Warning:
		return "!"
	default:
		return "·"
	}
}

// label names a migration so that a person knows it.
func label(d *doctor.Diagnosis, id migration.ID) string {
	if e := d.Find(id); e != nil && e.Title != "" && !strings.Contains(string(id), e.Title) {
		return string(id) + " " + e.Title
	}
	return string(id)
}

// driftLine tells a difference, and what it is the same as others in.
func driftLine(w doctor.Whole) (what string, line noteLine) {
	text := w.Kind + " " + w.Name
	switch w.Drift() {
	case doctor.DriftByHand:
		what = "made by hand, by no migration"
	case doctor.DriftLacking:
		what = "not there, though the migrations make it"
	case doctor.DriftChanged:
		what, text = "there otherwise than the migrations make it", w.Text
	}
	if n := len(w.Parts); n > 0 {
		text += fmt.Sprintf(", with %s", plural(int64(n), "part"))
	}
	if w.From != "" {
		text += fmt.Sprintf(" (migration %s)", w.From)
	}
	return what, noteLine{evidence: []string{text}}
}

// well lists the migrations of a verdict that is no problem: by name where they are few or all is wanted.
func (a *app) well(d *doctor.Diagnosis, v doctor.Verdict) []note {
	const few = 5
	n := note{sign: map[doctor.Verdict]string{doctor.Pending: "·", doctor.Applied: "✓"}[v]}
	var names []string
	for _, e := range d.Migrations {
		if e.Verdict != v {
			continue
		}
		names = append(names, label(d, e.ID))
		if a.config.Settings.Verbose {
			n.lines = append(n.lines, noteLine{label(d, e.ID), []string{e.Why}})
		}
	}
	if len(names) == 0 {
		return nil
	}
	n.what = fmt.Sprintf("%s: %s", v, plural(int64(len(names)), "migration"))
	if v == doctor.Pending && len(names) <= few && !a.config.Settings.Verbose {
		n.what = fmt.Sprintf("%s: %s", v, strings.Join(names, ", "))
	}
	return []note{n}
}

// write puts labels and evidence in two columns. A long label has its evidence below it.
func (n note) write(w io.Writer, all bool) {
	const most, widest = 20, 40
	fmt.Fprintf(w, "%s %s\n", n.sign, n.what)
	lines := n.lines
	if !all && len(lines) > most {
		lines = lines[:most]
	}
	width := 0
	for _, l := range lines {
		if c := utf8.RuneCountInString(l.label); c <= widest {
			width = max(width, c)
		}
	}
	for _, l := range lines {
		l.write(w, width)
	}
	if more := len(n.lines) - len(lines); more > 0 {
		fmt.Fprintf(w, "    and %s more; --verbose shows them\n", count(int64(more)))
	}
}

func (l noteLine) write(w io.Writer, width int) {
	indent := "    "
	if width > 0 {
		indent += strings.Repeat(" ", width+2)
	}
	head := "    " + l.label
	lines := l.evidence
	if pad := width - utf8.RuneCountInString(l.label); pad >= 0 && len(lines) > 0 && l.label != "" {
		head += strings.Repeat(" ", pad+2) + nested(lines[0], indent)
		lines = lines[1:]
	}
	if l.label != "" {
		fmt.Fprintln(w, head)
	}
	for _, line := range lines {
		fmt.Fprintf(w, "%s%s\n", indent, nested(line, indent))
	}
}

// nested keeps a text of several lines in its column.
func nested(text, indent string) string { return strings.ReplaceAll(text, "\n", "\n"+indent) }

// describeEnd says what to do.
func describeEnd(w io.Writer, d *doctor.Diagnosis) {
	if d.Healthy {
		fmt.Fprintln(w, "healthy: files, ledger and schema tell one story")
		return
	}
	fmt.Fprintf(w, "%s; nothing was changed\n", plural(int64(problems(d)), "problem"))
	advice := d.Advice()
	for _, x := range advice {
		about := ""
		if x.Command == "" && len(advice) > 1 && len(x.About) <= 3 {
			about = strings.Join(x.About, ", ") + ": "
		}
		fmt.Fprintf(w, "  → %s%s\n", about, x)
	}
}
