package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mulligan/journal"
	"mulligan/pipeline"
)

// world is what the stages of these tests change: a small copy of what a rebuild does. "create" makes an
// empty draft, "fill" and "advance" write into it, "swap" moves it into its place, where it is no draft anymore.
// It outlives the process; what a process knows is in its stages.
type world struct {
	bound  string
	goesOn bool     // a fill that was interrupted goes on from where it stopped
	draft  []string // nil = there is none
	place  []string

	count int // points passed by this process
	kill  int // point at which the process dies; 0 = never
	calls []string
}

// killed is what a process dies of in these tests.
type killed struct{}

// point is a place where a process may die.
func (w *world) point(format string, args ...any) {
	w.count++
	w.calls = append(w.calls, fmt.Sprintf(format, args...))
	if w.count == w.kill {
		panic(killed{})
	}
}

// stages makes the stages of a new process.
func (w *world) stages() []pipeline.Stage {
	filled := "" // known to this process only, and kept by the journal
	list := []pipeline.Stage{
		{Name: "bind", Bound: true, Check: func(context.Context) (any, error) { return w.bound, nil }},
		{Name: "create", Do: func(context.Context) error { w.draft = []string{}; return nil }, Check: w.holds("draft ")},
		{Name: "fill", Back: "create",
			Do: func(context.Context) error {
				for _, row := range []string{"rows", "more"} {
					if !w.goesOn || !slices.Contains(w.draft, row) {
						w.point("fill in %s", row)
						w.draft = append(w.draft, row)
					}
				}
				w.point("end of fill")
				filled = "rows more"
				return nil
			},
			Check: func(context.Context) (any, error) {
				if filled == "" || strings.Join(w.draft, " ") != filled {
					return nil, errors.New("the fill did not come to its end")
				}
				return filled, nil
			},
			Keep: func(proof json.RawMessage) error { return json.Unmarshal(proof, &filled) }},
		{Name: "advance", Back: "create",
			Do:    func(context.Context) error { w.draft = append(w.draft, "new"); return nil },
			Check: w.holds("draft rows more new")},
		{Name: "swap",
			Do: func(context.Context) error {
				if w.draft != nil {
					w.place, w.draft = w.draft, nil
				}
				return nil
			},
			Check: func(context.Context) (any, error) {
				if w.draft != nil || w.place == nil {
					return nil, errors.New("the draft is not in its place")
				}
				return w.place, nil
			}},
	}
	if w.goesOn {
		list[2].Partial = func(context.Context) (bool, error) {
			w.point("how far is fill")
			return len(w.draft) > 0 && len(w.draft) <= 2, nil
		}
	}
	for i := range list {
		w.watch(&list[i])
	}
	return list
}

// watch lets the process die before, inside and after each of a stage's functions.
func (w *world) watch(s *pipeline.Stage) {
	if do := s.Do; do != nil {
		s.Do = func(ctx context.Context) error {
			w.point("before %s", s.Name)
			err := do(ctx)
			w.point("after %s", s.Name)
			return err
		}
	}
	check := s.Check
	s.Check = func(ctx context.Context) (any, error) {
		w.point("check %s", s.Name)
		return check(ctx)
	}
}

func (w *world) holds(want string) func(context.Context) (any, error) {
	return func(context.Context) (any, error) {
		if got := "draft " + strings.Join(w.draft, " "); w.draft == nil || got != want {
			return nil, fmt.Errorf("the draft holds %q, not %q", got, want)
		}
		return want, nil
	}
}

// process runs the stages in a new process that dies at a point (0 = never); dead tells that it did.
func (w *world) process(t testing.TB, path string, kill int) (dead bool, err error) {
	t.Helper()
	w.count, w.kill, w.calls = 0, kill, nil
	j := openJournal(t, path)
	defer func() {
		if cerr := j.Close(); cerr != nil {
			t.Errorf("close the journal: %v", cerr)
		}
		if r := recover(); r != nil {
			if _, ok := r.(killed); !ok {
				panic(r)
			}
			dead = true
		}
	}()
	notify := func(e pipeline.Event) { w.point("event %s %s", e.Outcome, e.Stage) }
	return false, pipeline.Run(context.Background(), j, w.stages(), notify)
}

func openJournal(t testing.TB, path string) *journal.Journal {
	t.Helper()
	if _, err := journal.Read(path); err != nil {
		j, err := journal.Create(path, "header")
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	j, _, err := journal.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func proofs(t testing.TB, path string) string {
	t.Helper()
	entries, err := journal.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	found, started := pipeline.History(entries)
	var lines []string
	for name, proof := range found {
		lines = append(lines, name+"="+string(proof))
	}
	for name := range started {
		lines = append(lines, name+" is started")
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

const (
	wantPlace  = "rows more new"
	wantProofs = `advance="draft rows more new"
bind="server 1"
create="draft "
fill="rows more"
swap=["rows","more","new"]`
)

func journalPath(t testing.TB) string { return filepath.Join(t.TempDir(), "run", "journal.jsonl") }

func (w *world) wantDone(t testing.TB, path string) {
	t.Helper()
	if got := strings.Join(w.place, " "); got != wantPlace || w.draft != nil {
		t.Errorf("in place is %q, the draft holds %q; want %q and none", got, w.draft, wantPlace)
	}
	if got := proofs(t, path); got != wantProofs {
		t.Errorf("the journal proves\n%s\nwant\n%s", got, wantProofs)
	}
}
