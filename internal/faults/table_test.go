package faults

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// outcome is how a trial ended.
type outcome string

// The outcomes. In all of them the rows are proved by plain SQL to be what they must be.
const (
	proved  outcome = "proved"  // the run came to its end by itself, and the new database is right
	refused outcome = "refused" // mulligan said no, and the database is as it was
	resumed outcome = "resumed" // a resume brought it to its end, and the new database is right
	undone  outcome = "undone"  // an undo brought back what was before, to the letter
)

func outcomes() []outcome { return []outcome{proved, refused, resumed, undone} }

// stages are the stages of a rebuild, in their order, between what comes before the first and after the last.
func stages() []string {
	return []string{"begin", "preflight", "backup", "verify", "create", "replay", "compare-schema", "load", "compare-data", "keep", "advance", "swap", "report", "end"}
}

// line is one line of the table, but for its figures.
type line struct{ fault, engine, stage string }

// figures are what is counted.
type figures struct {
	trials, violations, lost int
	by                       map[outcome]int
}

// table is what is printed at the end.
type table struct {
	began time.Time
	mu    sync.Mutex // guards the others
	lines map[line]*figures
	kills int      // SIGKILLs of mulligan
	soak  []string // what a soak has to say, by engine
}

// add counts a trial; lost = rows that should be there and are not.
func (t *table) add(l line, o outcome, violated bool, lost int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines == nil {
		t.lines = map[line]*figures{}
	}
	f := t.lines[l]
	if f == nil {
		f = &figures{by: map[outcome]int{}}
		t.lines[l] = f
	}
	f.trials++
	f.lost += lost
	if violated {
		f.violations++
		return
	}
	f.by[o]++
}

func (t *table) killed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kills++
}

func (t *table) soaked(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.soak = append(t.soak, text)
}

// print writes the table, if there was any trial, and what a soak has to say.
func (t *table) print(w io.Writer, seed uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.soak) > 0 {
		fmt.Fprintf(w, "\nsoak for %s, seed %d\n%s", time.Since(t.began).Round(time.Second), seed, strings.Join(t.soak, ""))
	}
	if len(t.lines) == 0 {
		return
	}
	var keys []line
	for k := range t.lines {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b line) int {
		if d := strings.Compare(a.fault, b.fault); d != 0 {
			return d
		}
		if d := strings.Compare(a.engine, b.engine); d != 0 {
			return d
		}
		return slices.Index(stages(), a.stage) - slices.Index(stages(), b.stage)
	})
	sum, engines := figures{by: map[outcome]int{}}, map[string]int{}
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\n")
	fmt.Fprintln(out, "fault\tengine\tstage\ttrials\tproved\trefused\tresumed\tundone\tviolations\trows lost")
	row := func(fault, engine, stage string, f *figures) {
		fmt.Fprintf(out, "%s\t%s\t%s\t%d", fault, engine, stage, f.trials)
		for _, o := range outcomes() {
			fmt.Fprintf(out, "\t%d", f.by[o])
		}
		fmt.Fprintf(out, "\t%d\t%d\n", f.violations, f.lost)
	}
	for _, k := range keys {
		f := t.lines[k]
		row(k.fault, k.engine, k.stage, f)
		sum.trials, sum.violations, sum.lost = sum.trials+f.trials, sum.violations+f.violations, sum.lost+f.lost
		engines[k.engine] += f.trials
		for o, n := range f.by {
			sum.by[o] += n
		}
	}
	row("all", "", "", &sum)
	_ = out.Flush() // the terminal's affair
	fmt.Fprintf(w, "\n%d trials in %s, seed %d (", sum.trials, time.Since(t.began).Round(time.Second), seed)
	for i, e := range slices.Sorted(mapKeys(engines)) {
		if i > 0 {
			fmt.Fprint(w, ", ")
		}
		fmt.Fprintf(w, "%s %d", e, engines[e])
	}
	fmt.Fprintf(w, "); mulligan was killed %d times; %d violations, %d rows lost\n", t.kills, sum.violations, sum.lost)
}
