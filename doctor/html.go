package doctor

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"mulligan/migration"
)

//go:embed report.html
var reportText string

// WriteHTML writes the diagnosis as one page for people. It needs nothing but itself: no script, no image, no font,
// no server. It is made to be read on a telephone and on paper, too.
func (d *Diagnosis) WriteHTML(w io.Writer) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"plural": plural, "raw": rawText, "at": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
		"summary": summary, "place": place,
	}).Parse(reportText)
	if err != nil {
		return fmt.Errorf("read the page's template: %w", err)
	}
	var b strings.Builder
	if err := t.Execute(&b, d.page()); err != nil {
		return err
	}
	_, err = io.WriteString(w, strings.Map(visible, b.String()))
	return err
}

// visible takes out what a page cannot hold, and what would make its text read otherwise than it is: signs of
// control, and those that turn the direction of writing around.
func visible(r rune) rune {
	if r == '\r' {
		return -1
	}
	if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) || r == 0xFFFE || r == 0xFFFF {
		return unicode.ReplacementChar
	}
	return r
}

// page is what the template shows.
type page struct {
	*Diagnosis
	Problems int
	Where    string // the database in few letters
	Advice   []Advice
	Counts   []tally
	Groups   []group
	Drifts   []driftGroup
	Others   []Finding // problems of no migration and no object
}

// tally is how many migrations have a verdict.
type tally struct {
	Verdict Verdict
	Tone    string
	N       int
}

// group is the migrations of one verdict and one reason.
type group struct {
	Verdict Verdict
	Tone    string // the class of its colours
	Why     string
	Open    bool
	Rows    []row
}

// row is one migration with its place in the order of all.
type row struct {
	Examined
	Number int // 0 = it has no file, and so no place
}

// driftGroup is the differences of one kind.
type driftGroup struct {
	Kind  DriftKind
	Open  bool
	Items []Whole
}

// The most that is shown unfolded.
const (
	openRows  = 25
	openDrift = 20
)

func (d *Diagnosis) page() page {
	p := page{Diagnosis: d, Where: d.Target, Advice: d.Advice()}
	if p.Where == "" {
		p.Where = d.Database
	}
	for _, f := range d.Findings {
		if f.Severity == Problem {
			p.Problems++
		}
		if f.Kind == KindLock || f.Kind == KindRow {
			p.Others = append(p.Others, f)
		}
	}
	p.Groups, p.Counts = d.groups()
	p.Drifts = d.driftGroups()
	return p
}

// groups puts migrations together: those with problems first, then those that wait, then those that are well.
func (d *Diagnosis) groups() ([]group, []tally) {
	var groups []group
	var counts []tally
	for i, e := range d.Migrations {
		tone := d.tone(&e)
		r := row{e, i + 1}
		if e.Verdict == FileMissing {
			r.Number = 0
		}
		why := e.Why
		if e.Verdict == Applied {
			why = "" // each row says its own
		}
		at := slices.IndexFunc(groups, func(g group) bool { return g.Verdict == e.Verdict && g.Why == why })
		if at < 0 {
			at, groups = len(groups), append(groups, group{Verdict: e.Verdict, Tone: tone, Why: why})
		}
		groups[at].Rows = append(groups[at].Rows, r)
		if at = slices.IndexFunc(counts, func(t tally) bool { return t.Verdict == e.Verdict }); at < 0 {
			at, counts = len(counts), append(counts, tally{e.Verdict, tone, 0})
		}
		counts[at].N++
	}
	for i, g := range groups {
		groups[i].Open = g.Tone != toneWell && len(g.Rows) <= openRows
	}
	slices.SortStableFunc(groups, func(a, b group) int {
		return cmp.Or(order(a.Tone)-order(b.Tone), len(a.Rows)-len(b.Rows)) // what is rare is not to be searched for
	})
	return groups, counts
}

// The classes of colours. A badge says in words what its colour says.
const (
	toneProblem = "problem"
	toneWarning = "warning"
	toneWaiting = "waiting"
	toneWell    = "well"
)

func order(tone string) int {
	return slices.Index([]string{toneProblem, toneWarning, toneWaiting, toneWell}, tone)
}

// tone is that of the migration's worst finding.
func (d *Diagnosis) tone(e *Examined) string {
	switch e.Verdict {
	case Applied:
		return toneWell
	case Pending:
		return toneWaiting
	}
	warned := func(f Finding) bool {
		return f.Migration == e.ID && f.Kind == string(e.Verdict) && f.Severity == Warning
	}
	if slices.ContainsFunc(d.Findings, warned) {
		return toneWarning
	}
	return toneProblem
}

// Tone is for the strip of all migrations.
func (p page) Tone(e Examined) string { return p.tone(&e) }

func (d *Diagnosis) driftGroups() []driftGroup {
	var groups []driftGroup
	for _, kind := range []DriftKind{DriftByHand, DriftLacking, DriftChanged} {
		g := driftGroup{Kind: kind}
		for _, w := range Outline(d.Drift) {
			if w.Drift() == kind {
				g.Items = append(g.Items, w)
			}
		}
		if g.Open = len(g.Items) <= openDrift; len(g.Items) > 0 {
			groups = append(groups, g)
		}
	}
	return groups
}

// summary is a migration's evidence in few lines.
func summary(r row) []string {
	switch r.Verdict {
	case Applied:
		return []string{r.Why}
	case Pending:
		var keys []string
		for _, d := range r.Missing {
			if d.New == "" {
				keys = append(keys, keyOf(d.Change))
			}
		}
		if len(keys) > 0 {
			return []string{"would make " + strings.Join(few(heads(keys)), ", ")}
		}
		return []string{"leaves no trace in a schema"}
	}
	e := r.Examined
	e.Data, e.Complete = nil, nil
	list := few(e.Evidence())
	if n := len(r.Data); n > 0 {
		list = append(list, "changes rows: "+plural(n, "statement"))
	}
	if n := len(r.Complete); n > 0 {
		list = append(list, "would be complete with "+plural(n, "statement"))
	}
	if len(list) == 0 {
		return []string{"no more is known"}
	}
	return list
}

// stand is a migration with its place among all.
type stand struct {
	ID         migration.ID
	Number, Of int
}

// Stand finds the place of a position.
func (p page) Stand(id migration.ID) stand {
	at := slices.IndexFunc(p.Migrations, func(e Examined) bool { return e.ID == id })
	return stand{id, at + 1, len(p.Migrations)}
}

// place is where a text is: file and line.
func place(path string, line int) string {
	if line > 0 {
		return fmt.Sprintf("%s:%d", path, line)
	}
	return path
}

// plural counts things for people.
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// Known tells whether there is more to say of a migration than its verdict.
func (r row) Known() bool {
	return len(r.There) > 0 || len(r.Missing) > 0 || len(r.Different) > 0 || len(r.Data) > 0 || len(r.Complete) > 0 || len(r.Records) > 0 || r.Hash != ""
}

// Short is the migration's title, where its identity does not say it already.
func (r row) Short() string {
	if strings.Contains(string(r.ID), r.Title) {
		return ""
	}
	return r.Title
}
