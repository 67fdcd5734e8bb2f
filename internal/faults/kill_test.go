package faults

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sync/errgroup"
)

// shares are how many of a thousand kills are each engine's: what a trial costs differs.
func shares() map[string]int {
	return map[string]int{"sqlite": 640, "postgres": 110, "mariadb": 130, "mysql": 120}
}

// TestKilled kills mulligan with SIGKILL at each line of its journal, some instants after it, at random instants, and while
// databases change their names; and lets another process end what it left.
func TestKilled(t *testing.T) {
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			trials := shares()[engine] * made.settings.trials / 1000
			if !made.settings.whole() {
				trials = map[string]int{"mysql": 2, "mariadb": 3, "postgres": 2, "sqlite": 6}[engine]
			}
			benchOf(t, engine).kills(t, trials)
		})
	}
}

// kills makes trials, some at once: a trial waits more than it works.
func (b *bench) kills(t *testing.T, trials int) {
	var group errgroup.Group
	group.SetLimit(2)
	for k := range trials {
		if !made.settings.wants(fmt.Sprintf("%s/%d", b.engine, k)) {
			continue
		}
		group.Go(func() error {
			if made.settings.limit == 0 || time.Since(made.table.began) < made.settings.limit {
				b.kill(t, k)
			}
			return nil
		})
	}
	_ = group.Wait() // none returns an error
}

// instants are how long after a line of the journal mulligan is killed.
func instants() []time.Duration {
	return []time.Duration{0, 100 * time.Microsecond, 300 * time.Microsecond, time.Millisecond, 3 * time.Millisecond, 8 * time.Millisecond, 25 * time.Millisecond}
}

// The kinds of kills, in turn.
const (
	atAppend  = "kill -9 at a journal append"
	atInstant = "kill -9 at any instant"
	atRename  = "kill -9 while databases change names"
)

// kill makes one trial.
func (b *bench) kill(t *testing.T, k int) {
	fault, strategy := []string{atAppend, atInstant, atAppend, atRename}[k%4], strategies()[k/4%2]
	x := b.begin(t, fault, k)
	c := x.site.start(t, "rebuild", "--yes", "--strategy", strategy)
	stop := x.aim(fault, strategy, c.kill)
	x.site.wait(c)
	stop()
	x.stage = x.site.stage()
	if c.code != -1 {
		x.finish(x.ended(c))
		return
	}
	made.table.killed()
	x.stopped(strategy)
	x.finish(x.recover(strategy))
}

// aim lets a fault happen at the instant that is its kind's. The returned function ends the watch for it.
func (x *trial) aim(fault, strategy string, do func()) (stop func()) {
	took := int64(x.bench.took)
	switch fault {
	case atInstant:
		timer := time.AfterFunc(time.Duration(x.random.Int64N(took*3/2)), do)
		return func() { timer.Stop() }
	case atRename:
		stage := map[string]string{"in-place": "create", "beside": "swap"}[strategy] // where the old database is set aside
		return x.site.at(x.t, starts(stage), time.Duration(x.random.Int64N(took/4)), do)
	}
	// A small set takes its lines at random, a large one has each in turn.
	n := x.number / 2
	if !made.settings.whole() {
		n = x.random.IntN(x.bench.lines)
	}
	return x.site.at(x.t, lines(1+n%x.bench.lines), instants()[x.random.IntN(len(instants()))], do)
}

// moment tells whether a journal has come so far.
type moment func(journal []byte) bool

// lines is the moment when a journal has n lines.
func lines(n int) moment {
	return func(journal []byte) bool { return bytes.Count(journal, []byte("\n")) >= n }
}

// starts is the moment when a stage starts.
func starts(stage string) moment {
	return func(journal []byte) bool {
		return bytes.Contains(journal, []byte(`"kind":"start","stage":"`+stage+`"`))
	}
}

// at calls do once, some time after the moment of the site's first journal. The returned function ends the watch.
func (s *site) at(t testing.TB, when moment, after time.Duration, do func()) (stop func()) {
	t.Helper()
	w, err := fsnotify.NewWatcher()
	if err == nil {
		err = w.Add(s.runs())
	}
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() { s.watch(w, when, after, do) })
	return func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		done.Wait()
	}
}

// watch waits for the moment. The run's folder and its journal come into being while it watches.
func (s *site) watch(w *fsnotify.Watcher, when moment, after time.Duration, do func()) {
	for event := range w.Events {
		folder := event.Name
		if strings.HasSuffix(folder, "journal.jsonl") {
			folder = filepath.Dir(folder)
		} else if event.Has(fsnotify.Create) && filepath.Dir(folder) == s.runs() {
			if err := w.Add(folder); err != nil {
				return // it is gone, or the watch has ended
			}
		}
		text, err := os.ReadFile(filepath.Join(folder, "journal.jsonl"))
		if errors.Is(err, os.ErrNotExist) || !when(text) {
			continue
		}
		timer := time.NewTimer(after)
		<-timer.C
		do()
		return
	}
}
