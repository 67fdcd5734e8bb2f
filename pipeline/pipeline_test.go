package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"mulligan/journal"
	"mulligan/pipeline"
)

func TestRunInOneGo(t *testing.T) {
	w, path := &world{bound: "server 1"}, journalPath(t)
	if dead, err := w.process(t, path, 0); dead || err != nil {
		t.Fatalf("dead %t, error %v", dead, err)
	}
	w.wantDone(t, path)
	var events []string
	for _, c := range w.calls {
		if name, ok := strings.CutPrefix(c, "event "); ok {
			events = append(events, name)
		}
	}
	want := []string{
		"started bind", "done bind", "started create", "done create", "started fill", "done fill",
		"started advance", "done advance", "started swap", "done swap",
	}
	if diff := cmp.Diff(want, events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// The process dies at every point of a run, and at some points of the run that takes it up again.
func TestKilledAnywhereAndTakenUpAgain(t *testing.T) {
	for _, goesOn := range []bool{false, true} {
		t.Run(fmt.Sprintf("goes on %t", goesOn), func(t *testing.T) {
			t.Parallel()
			killedAnywhere(t, goesOn)
		})
	}
}

func killedAnywhere(t *testing.T, goesOn bool) {
	whole := &world{bound: "server 1", goesOn: goesOn}
	if _, err := whole.process(t, journalPath(t), 0); err != nil {
		t.Fatal(err)
	}
	trials := 0
	for first := 1; first <= whole.count; first++ {
		for second := 0; ; second += 1 + first%5 + second%7 {
			w, path := &world{bound: "server 1", goesOn: goesOn}, journalPath(t)
			if dead, err := w.process(t, path, first); !dead || err != nil {
				t.Fatalf("point %d: dead %t, error %v", first, dead, err)
			}
			at := w.calls[len(w.calls)-1]
			dead := false
			if second > 0 {
				var err error
				if dead, err = w.process(t, path, second); err != nil {
					t.Fatalf("killed at %q, then resumed: %v", at, err)
				}
			}
			if dead || second == 0 {
				if dead, err := w.process(t, path, 0); dead || err != nil {
					t.Fatalf("killed at %q, then at point %d, then resumed: dead %t, error %v", at, second, dead, err)
				}
			}
			w.wantDone(t, path)
			if t.Failed() {
				t.Fatalf("killed at %q, then at point %d (%v)", at, second, w.calls)
			}
			trials++
			if second > 0 && !dead {
				break
			}
		}
	}
	t.Logf("%d trials over %d points", trials, whole.count)
}

// The journal of a whole run is cut at each byte, and the run taken up from what is left: wherever the cut
// leaves other entries than the one before, and at some cuts in the middle of each line.
func TestJournalCutAtEachByte(t *testing.T) {
	w, path := &world{bound: "server 1"}, journalPath(t)
	if _, err := w.process(t, path, 0); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	header := strings.IndexByte(string(text), '\n') + 1
	dir, known := t.TempDir(), 0
	for n := header; n <= len(text); n++ {
		cut := filepath.Join(dir, fmt.Sprintf("%d.jsonl", n))
		if err := os.WriteFile(cut, text[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		entries, err := journal.Read(cut)
		if err != nil {
			t.Fatalf("journal cut to %d bytes: %v", n, err)
		}
		if len(entries) == known && n%29 != 0 {
			continue
		}
		known = len(entries)
		again := &world{bound: "server 1", place: slices.Clone(w.place)}
		if _, err := again.process(t, cut, 0); err != nil {
			t.Fatalf("journal cut to %d bytes: %v", n, err)
		}
		again.wantDone(t, cut)
		if t.Failed() {
			t.Fatalf("journal cut to %d of %d bytes", n, len(text))
		}
	}
}

// A stage that says that it can go on is called again at once: what was before it is neither done nor checked again, not
// even where its half-done work hides what that saw.
func TestPartialGoesOnFromWhereItStopped(t *testing.T) {
	whole := &world{bound: "server 1", goesOn: true}
	if _, err := whole.process(t, journalPath(t), 0); err != nil {
		t.Fatal(err)
	}
	for _, point := range []string{"fill in more", "end of fill", "after fill", "check fill"} {
		w, path := &world{bound: "server 1", goesOn: true}, journalPath(t)
		if dead, err := w.process(t, path, slices.Index(whole.calls, point)+1); !dead || err != nil {
			t.Fatalf("%s: dead %t, error %v", point, dead, err)
		}
		if dead, err := w.process(t, path, 0); dead || err != nil {
			t.Fatalf("killed at %q, then resumed: dead %t, error %v", point, dead, err)
		}
		w.wantDone(t, path)
		for _, c := range []string{"before create", "check create", "fill in rows"} {
			if slices.Contains(w.calls, c) {
				t.Errorf("killed at %q, the resume came by %q: %v", point, c, w.calls)
			}
		}
		if slices.Contains(w.calls, "fill in more") != (point == "fill in more") {
			t.Errorf("killed at %q: %v", point, w.calls)
		}
	}
}

// Where a stage cannot say how far it came, nothing is done; where it was the user who ended that, it is said.
func TestPartialThatFailsStopsTheRun(t *testing.T) {
	for _, interrupt := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		path, cause, works := journalPath(t), errors.New("no answer"), 0
		stages := []pipeline.Stage{{
			Name: "work", Do: func(context.Context) error { works++; return errors.New("no room") },
			Check: func(context.Context) (any, error) { return nil, errors.New("not done") },
			Partial: func(context.Context) (bool, error) {
				if interrupt {
					cancel()
				}
				return false, cause
			},
		}}
		var err error
		for range 2 {
			j := openJournal(t, path)
			err = pipeline.Run(ctx, j, stages, nil)
			if cerr := j.Close(); cerr != nil {
				t.Fatal(cerr)
			}
		}
		if !errors.Is(err, cause) || errors.Is(err, context.Canceled) != interrupt || works != 1 {
			t.Errorf("interrupted %t: %v after the work was begun %d times", interrupt, err, works)
		}
	}
}

func TestErrChangedWhereABoundProofDiffers(t *testing.T) {
	whole := &world{bound: "server 1"}
	if _, err := whole.process(t, journalPath(t), 0); err != nil {
		t.Fatal(err)
	}
	for kill := 1; kill <= whole.count; kill++ {
		w, path := &world{bound: "server 1"}, journalPath(t)
		if _, err := w.process(t, path, kill); err != nil {
			t.Fatal(err)
		}
		was, known := fmt.Sprint(w.draft, w.place), strings.Contains(proofs(t, path), "bind=")
		w.bound = "server 2"
		_, err := w.process(t, path, 0)
		if !known {
			if err != nil {
				t.Errorf("killed before anything was bound: %v", err)
			}
			continue
		}
		var stage *pipeline.StageError
		if !errors.Is(err, pipeline.ErrChanged) || !errors.As(err, &stage) || stage.Stage != "bind" {
			t.Errorf("killed at point %d: %v, want ErrChanged of stage bind", kill, err)
		}
		if now := fmt.Sprint(w.draft, w.place); now != was {
			t.Errorf("killed at point %d: the refused run changed %s to %s", kill, was, now)
		}
	}
}

func TestErrChangedWhereABoundCheckFails(t *testing.T) {
	path, cause := journalPath(t), errors.New("the server is gone")
	fail := false
	run := func() error {
		j := openJournal(t, path)
		defer j.Close()
		return pipeline.Run(t.Context(), j, []pipeline.Stage{
			{Name: "bind", Bound: true, Check: func(context.Context) (any, error) {
				if fail {
					return nil, cause
				}
				return 1, nil
			}},
			{Name: "next", Check: func(context.Context) (any, error) { return 2, nil }},
		}, nil)
	}
	if err := run(); err != nil {
		t.Fatal(err)
	}
	fail = true
	if err := run(); !errors.Is(err, pipeline.ErrChanged) || !errors.Is(err, cause) {
		t.Errorf("%v, want ErrChanged and the cause", err)
	}
}

// Work that is no longer so is done again, from the stage that Back names; later proofs are void.
func TestBackWhereTheLastProofNoLongerHolds(t *testing.T) {
	w, path := &world{bound: "server 1"}, journalPath(t)
	whole := &world{bound: "server 1"}
	if _, err := whole.process(t, journalPath(t), 0); err != nil {
		t.Fatal(err)
	}
	at := slices.Index(whole.calls, "event started swap") + 1
	if dead, _ := w.process(t, path, at); !dead {
		t.Fatal("not killed")
	}
	w.draft = []string{"somebody", "else's"}
	if _, err := w.process(t, path, 0); err != nil {
		t.Fatal(err)
	}
	w.wantDone(t, path)
	if !slices.Contains(w.calls, "before create") || !slices.Contains(w.calls, "before fill") {
		t.Errorf("create and fill were not done again: %v", w.calls)
	}
}

func TestGoingBackVoidsLaterProofs(t *testing.T) {
	w, path := &world{bound: "server 1"}, journalPath(t)
	if _, err := w.process(t, path, 0); err != nil {
		t.Fatal(err)
	}
	j := openJournal(t, path)
	if err := j.Append(journal.KindStart, "create", nil); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := proofs(t, path), "bind=\"server 1\"\ncreate is started"; got != want {
		t.Errorf("proofs are\n%s\nwant\n%s", got, want)
	}
}

// A stage whose work takes away what the stage before it saw is not done again when it was done.
func TestDoneWorkIsProvedBeforeWhatWentBefore(t *testing.T) {
	w, path := &world{bound: "server 1"}, journalPath(t)
	whole := &world{bound: "server 1"}
	if _, err := whole.process(t, journalPath(t), 0); err != nil {
		t.Fatal(err)
	}
	at := slices.Index(whole.calls, "after swap") + 1
	if dead, _ := w.process(t, path, at); !dead {
		t.Fatal("not killed")
	}
	if _, err := w.process(t, path, 0); err != nil {
		t.Fatal(err)
	}
	w.wantDone(t, path)
	for _, c := range w.calls {
		if strings.HasPrefix(c, "before ") {
			t.Errorf("a swap that was done led to %q: %v", c, w.calls)
		}
	}
}

func TestCancelledIsSaidAsSuch(t *testing.T) {
	driver := errors.New("the driver's own words")
	for _, where := range []string{"before", "do", "check", "resume check", "bound check"} {
		t.Run(where, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			path, resumed := journalPath(t), false
			end := func(here bool) error {
				if here {
					cancel()
					return driver
				}
				return nil
			}
			stages := []pipeline.Stage{
				{Name: "bind", Bound: true, Check: func(context.Context) (any, error) { return 1, end(resumed && where == "bound check") }},
				{Name: "work", Do: func(context.Context) error { return end(where == "do") }, Check: func(context.Context) (any, error) {
					return 1, end(where == "check" || resumed && where == "resume check")
				}},
			}
			var events []pipeline.Event
			run := func() error {
				j := openJournal(t, path)
				defer j.Close()
				return pipeline.Run(ctx, j, stages, func(e pipeline.Event) { events = append(events, e) })
			}
			if where == "before" {
				cancel()
			}
			if strings.HasPrefix(where, "resume") || strings.HasPrefix(where, "bound") {
				if err := run(); err != nil {
					t.Fatal(err)
				}
				resumed = true
			}
			err := run()
			var stage *pipeline.StageError
			if !errors.Is(err, context.Canceled) || !errors.As(err, &stage) {
				t.Fatalf("%v, want a StageError that wraps context.Canceled", err)
			}
			if errors.Is(err, pipeline.ErrChanged) {
				t.Errorf("%v: an interruption is no change", err)
			}
			last := events[len(events)-1]
			if last.Outcome != pipeline.Broken || !errors.Is(last.Err, context.Canceled) {
				t.Errorf("the last event is %+v", last)
			}
			entries, err := journal.Read(path)
			if err != nil {
				t.Fatal(err)
			}
			if e := entries[len(entries)-1]; e.Kind != journal.KindFailed || e.Stage != stage.Stage {
				t.Errorf("the journal ends with %s %s", e.Kind, e.Stage)
			}
		})
	}
}

func TestFailureKeepsItsCauseAndStage(t *testing.T) {
	cause := errors.New("no room")
	j := openJournal(t, journalPath(t))
	defer j.Close()
	err := pipeline.Run(t.Context(), j, []pipeline.Stage{
		{Name: "work", Do: func(context.Context) error { return cause }, Check: func(context.Context) (any, error) { return 1, nil }},
	}, nil)
	if !errors.Is(err, cause) || err.Error() != "stage work: no room" {
		t.Errorf("%v", err)
	}
}

func TestProofThatIsNoJSONIsNoCheckpoint(t *testing.T) {
	path := journalPath(t)
	j := openJournal(t, path)
	defer j.Close()
	err := pipeline.Run(t.Context(), j, []pipeline.Stage{
		{Name: "work", Check: func(context.Context) (any, error) { return make(chan int), nil }},
	}, nil)
	if err == nil {
		t.Fatal("a proof that cannot be written was taken")
	}
	if got := proofs(t, path); got != "work is started" {
		t.Errorf("proofs are %q", got)
	}
}

func TestKeepThatFailsStopsTheRun(t *testing.T) {
	path, cause := journalPath(t), errors.New("not mine")
	done := 0
	stages := []pipeline.Stage{{
		Name: "work", Do: func(context.Context) error { done++; return nil },
		Check: func(context.Context) (any, error) { return 1, nil },
		Keep:  func(json.RawMessage) error { return cause },
	}}
	for i := range 2 {
		j := openJournal(t, path)
		err := pipeline.Run(t.Context(), j, stages, nil)
		if cerr := j.Close(); cerr != nil {
			t.Fatal(cerr)
		}
		if i == 0 && err != nil || i == 1 && !errors.Is(err, cause) {
			t.Fatalf("run %d: %v", i, err)
		}
	}
	if done != 1 {
		t.Errorf("done %d times", done)
	}
}

// History against its definition, told in the naive way: a proof is valid where it was written after the last
// start of its stage, and no stage whose valid start is older was started again since.
func TestHistoryByItsDefinition(t *testing.T) {
	names := []string{"a", "b", "c", "d"}
	rapid.Check(t, func(t *rapid.T) {
		var entries []journal.Entry
		running := ""
		for range rapid.IntRange(0, 30).Draw(t, "length") {
			kind := rapid.SampledFrom([]journal.Kind{journal.KindStart, journal.KindCheckpoint, journal.KindFailed, journal.KindNote}).Draw(t, "kind")
			stage := rapid.SampledFrom(names).Draw(t, "stage")
			if kind == journal.KindStart {
				running = stage
			}
			if kind == journal.KindCheckpoint {
				if running == "" {
					continue
				}
				stage = running // only what was started is checked
			}
			entries = append(entries, journal.Entry{Seq: len(entries) + 1, Kind: kind, Stage: stage, Data: json.RawMessage(fmt.Sprint(len(entries)))})
		}
		wantProofs, wantStarted := naiveHistory(entries)
		gotProofs, gotStarted := pipeline.History(entries)
		got := map[string]string{}
		for name, proof := range gotProofs {
			got[name] = string(proof)
		}
		if !maps.Equal(got, wantProofs) || !maps.Equal(gotStarted, wantStarted) {
			t.Fatalf("proofs %v started %v, want %v and %v", got, gotStarted, wantProofs, wantStarted)
		}
	})
}

// naiveHistory plays the entries on a list of stages with their proofs.
func naiveHistory(entries []journal.Entry) (map[string]string, map[string]bool) {
	type step struct {
		stage string
		proof string
	}
	var steps []step
	for _, e := range entries {
		at := slices.IndexFunc(steps, func(s step) bool { return s.stage == e.Stage })
		switch e.Kind {
		case journal.KindStart:
			if at >= 0 {
				steps = steps[:at]
			}
			steps = append(steps, step{stage: e.Stage})
		case journal.KindCheckpoint:
			steps[at].proof = string(e.Data)
		default:
		}
	}
	proofs, started := map[string]string{}, map[string]bool{}
	for _, s := range steps {
		if s.proof == "" {
			started[s.stage] = true
		} else {
			proofs[s.stage] = s.proof
		}
	}
	return proofs, started
}
