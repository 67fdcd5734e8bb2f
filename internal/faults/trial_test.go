package faults

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// bench is one engine's place for trials.
type bench struct {
	*library
	truth truth
	took  time.Duration // a rebuild that nothing happens to
	back  time.Duration // its undo
	lines int           // of its journal
}

// benches are made once for each engine, and used by one test after the other: a test may kill the server of its bench.
type benches struct {
	mu    sync.Mutex // guards one
	one   map[string]*bench
	locks map[string]*sync.Mutex // guards the making of each
}

// benchOf is the engine's bench.
func benchOf(t testing.TB, engine string) *bench {
	t.Helper()
	all := &made.benches
	all.mu.Lock()
	if all.one == nil {
		all.one, all.locks = map[string]*bench{}, map[string]*sync.Mutex{}
	}
	if all.locks[engine] == nil {
		all.locks[engine] = &sync.Mutex{}
	}
	lock := all.locks[engine]
	all.mu.Unlock()
	lock.Lock()
	defer lock.Unlock()
	all.mu.Lock()
	b := all.one[engine]
	all.mu.Unlock()
	if b != nil {
		return b
	}
	b = newBench(t, newLibrary(t, engine, serverOf(t, engine)))
	all.mu.Lock()
	defer all.mu.Unlock()
	all.one[engine] = b
	return b
}

// newBench makes a bench, and proves that a rebuild and its undo do what they should where no fault is.
func newBench(t testing.TB, l *library) *bench {
	t.Helper()
	b := &bench{library: l, truth: l.learn(t)}
	if _, err := made.mulligan(); err != nil { // what is timed below is not its making
		t.Fatal(err)
	}
	for _, strategy := range strategies()[:few(1, 2)] {
		x := b.begin(t, "none", 0)
		began := time.Now()
		x.ended(x.site.run(t, "rebuild", "--yes", "--strategy", strategy))
		b.took = time.Since(began)
		b.lines = len(entries(x.site.journal()))
		began = time.Now()
		if c := x.site.run(t, "undo", "--yes"); c.code != 0 {
			x.violation("undo: exit code %d", c.code)
		}
		b.back = time.Since(began)
		x.undone()
		x.stage = "end"
		x.finish(proved)
		if t.Failed() {
			t.FailNow()
		}
	}
	return b
}

func strategies() []string { return []string{"beside", "in-place"} }

// trial is one site to which one fault happens.
type trial struct {
	t        testing.TB
	bench    *bench
	site     *site
	fault    string
	number   int
	random   *rand.Rand
	stage    string // where the run was when it happened
	problems []string
	rows     int // that are lost
}

// begin makes a trial; all that is random in it comes from the seed, the engine, the fault and its number.
func (b *bench) begin(t testing.TB, fault string, number int) *trial {
	t.Helper()
	random := rand.New(rand.NewPCG(made.settings.seed, seedOf(b.engine, fault, number)))
	return &trial{t: t, bench: b, site: b.newSite(t), fault: fault, number: number, random: random, stage: "begin"}
}

// violation notes what must not be.
func (x *trial) violation(format string, args ...any) {
	x.problems = append(x.problems, fmt.Sprintf(format, args...))
	fmt.Fprintf(&x.site.log, "violation: "+format+"\n", args...)
}

// finish counts the trial, and removes its site unless something is wrong with it.
func (x *trial) finish(o outcome) {
	x.t.Helper()
	made.table.add(line{x.fault, x.bench.engine, x.stage}, o, len(x.problems) > 0, x.rows)
	if len(x.problems) == 0 {
		x.site.remove(x.t)
		return
	}
	text := fmt.Sprintf("%s, %s, trial %d, seed %d: %d rows lost\n%s\n%s\njournal:\n%s",
		x.fault, x.bench.engine, x.number, made.settings.seed, x.rows, strings.Join(x.problems, "\n"), &x.site.log, x.site.journal())
	if err := os.WriteFile(filepath.Join(x.site.folder, "violation.txt"), []byte(text), 0o644); err != nil {
		x.t.Error(err)
	}
	x.t.Errorf("%s\nkept in %s; make it again: MULLIGAN_FAULTS_SEED=%d MULLIGAN_FAULTS_TRIAL=%s/%d go test -count=1 ./internal/faults -run %s -v",
		short(text), x.site.folder, made.settings.seed, x.bench.engine, x.number, x.t.Name())
}

// short cuts the long lines of a journal.
func short(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if len(line) > 300 {
			line = line[:300] + "…\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

// look reads the site; what cannot be read is a violation.
func (x *trial) look() (sight, bool) {
	v, err := x.site.look(x.t.Context())
	if err != nil {
		x.violation("the databases cannot be read: %v", err)
		return v, false
	}
	if n, some := x.bench.truth.lost(v); n > 0 {
		x.rows = max(x.rows, n)
		x.violation("%d old rows are under neither name: %q", n, some)
	}
	return v, true
}

// stopped checks what may be left in the middle of a run: the old rows are whole, under one of two names, and where
// the run had not yet touched the database's name, everything is as it was.
func (x *trial) stopped(strategy string) {
	v, ok := x.look()
	if !ok {
		return
	}
	// Any other stage than these, and one that this laboratory does not know, may have touched it.
	before := []string{"begin", "preflight", "backup", "verify"}
	if strategy == "beside" {
		before = append(before, "create", "replay", "compare-schema", "load", "compare-data", "keep", "advance")
	}
	if diff := x.bench.truth.isOld(v); diff != "" && slices.Contains(before, x.site.stage()) {
		x.violation("the run had not come to the database, and it is not what it was: %s", diff)
	}
}

// ended checks what a rebuild or a resume says by its exit code, and tells the outcome.
func (x *trial) ended(c *command) outcome {
	switch c.code {
	case 0:
		x.proved()
		return proved
	case 2, 4, 10, 11:
		x.asItWas()
		return refused
	}
	x.violation("exit code %d of a command that nothing happened to", c.code)
	return refused
}

// proved checks a run that exits with 0.
func (x *trial) proved() {
	v, ok := x.look()
	if !ok {
		return
	}
	if n, some := x.bench.truth.lostInNew(v); n > 0 {
		x.rows = max(x.rows, n)
		x.violation("%d rows are not in the new database: %q", n, some)
	}
	if diff := x.bench.truth.isNew(v); diff != "" {
		x.violation("exit code 0, and the new database is not right: %s", diff)
	}
	if v.aside == nil {
		x.violation("exit code 0, and the old database is not there as %s", x.site.aside())
	} else if diff := x.bench.truth.old.differs(v.aside); diff != "" {
		x.violation("exit code 0, and the old database that was set aside is not what it was: %s", diff)
	}
	x.clean(v)
}

// undone checks that everything is what it was before the run.
func (x *trial) undone() {
	if v, ok := x.look(); ok {
		if diff := x.bench.truth.isOld(v); diff != "" {
			x.violation("undone, and the database is not what it was: %s", diff)
		}
		if v.aside != nil {
			x.violation("undone, and there is still a database that was set aside")
		}
		x.clean(v)
	}
}

// asItWas checks a command that says that nothing was changed.
func (x *trial) asItWas() {
	if v, ok := x.look(); ok {
		if diff := x.bench.truth.isOld(v); diff != "" {
			x.violation("the command says that the database is as it was, and it is not: %s", diff)
		}
	}
}

// clean checks that nothing is left that was made to be thrown away. The shadow of a doctor that was killed in the
// preflight may be: the next one must find it and throw it away.
func (x *trial) clean(v sight) {
	left := v.scratches()
	if len(left) > 0 && !slices.ContainsFunc(left, func(rest string) bool { return !shadow.MatchString(rest) }) {
		x.site.run(x.t, "doctor")
		again, err := x.site.look(x.t.Context())
		if err != nil {
			x.violation("the databases cannot be read: %v", err)
		}
		left = again.scratches()
	}
	if len(left) > 0 {
		x.violation("left behind: %q", left)
	}
}

// shadow fits the doctor's scratch, and the files that SQLite keeps beside it.
var shadow = regexp.MustCompile(`^( draft \.app\.db)?__mulligan_d[0-9a-f]{6}(-journal|-wal|-shm|\.[A-Z2-7]+\.new)?$`)
