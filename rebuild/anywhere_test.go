package rebuild_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"

	"mulligan/rebuild"
	"mulligan/restore"
)

const fewUsers = 5

// calls runs a rebuild and lists what it asks of the world.
func calls(t testing.TB, strategy restore.Strategy) []string {
	t.Helper()
	s, f := newSite(t, fewUsers), &faults{}
	p := s.begin(t, strategy)
	f.inject(p)
	must(t, p.execute(t, t.Context()))
	return f.calls
}

// eachCall runs a test with a fault at calls of a run, of each mode: at those that move databases, and at one in
// MULLIGAN_TEST_STRIDE of the others (1 = all; some minutes).
func eachCall(t *testing.T, modes []mode, test func(t *testing.T, s *site, p *process, f *faults)) {
	stride, err := strconv.Atoi(cmp.Or(os.Getenv("MULLIGAN_TEST_STRIDE"), "97"))
	must(t, err)
	for i, strategy := range strategies() {
		list := calls(t, strategy)
		for k, m := range modes {
			t.Run(fmt.Sprintf("%s/%s", strategy, m), func(t *testing.T) {
				trials := 0
				for at := 1; at <= len(list); at++ {
					what := list[at-1]
					if at%stride != (11*i+5*k)%stride && what != "rename" {
						continue
					}
					s, f := newSite(t, fewUsers), &faults{mode: m, at: at}
					p := s.begin(t, strategy)
					f.inject(p)
					test(t, s, p, f)
					trials++
					if t.Failed() {
						t.Fatalf("at call %d of %d, %s", at, len(list), f.what())
					}
				}
				t.Logf("%d trials over %d calls", trials, len(list))
			})
		}
	}
}

// A call of the run fails. Where the run says that the database is as it was, it is, and nothing is left over.
// When the fault is mended, a resume proves.
func TestFailsAnywhere(t *testing.T) {
	t.Parallel()
	before, after := result(t, fewUsers)
	eachCall(t, []mode{failBefore, failAfter}, func(t *testing.T, s *site, p *process, f *faults) {
		err := p.execute(t, t.Context())
		if err == nil {
			s.wantProved(t, p, before, after) // the call was not needed
			return
		}
		failed := failure(t, err)
		if !errors.Is(err, errFault) || failed.Interrupted {
			t.Errorf("%v (interrupted %t), want the fault of the test", err, failed.Interrupted)
		}
		if failed.State == rebuild.AsItWas {
			s.wantAsItWas(t, before)
			if w := f.what(); w != "drop" && w != "create" {
				s.wantAlone(t)
			}
		}
		if err := s.process(p.Header).execute(t, t.Context()); err != nil {
			t.Fatalf("resume after %v: %v", failed, err)
		}
		s.wantProved(t, p, before, after)
	})
}

// The process dies at a call. Another one goes on, or takes the run back.
func TestDiesAnywhere(t *testing.T) {
	t.Parallel()
	before, after := result(t, fewUsers)
	eachCall(t, []mode{dieBefore, dieAfter}, func(t *testing.T, s *site, p *process, f *faults) {
		err := p.execute(t, t.Context())
		if err == nil {
			t.Fatal("the process died and says that all is well")
		}
		if f.at%2 == 0 {
			if err := s.process(p.Header).execute(t, t.Context()); err != nil {
				t.Fatalf("resume: %v", err)
			}
			s.wantProved(t, p, before, after)
		}
		for range 2 {
			if _, err := s.process(p.Header).undo(t); err != nil {
				t.Fatalf("undo: %v", err)
			}
			s.wantAsItWas(t, before)
		}
	})
}

// The user interrupts the run at a call.
func TestInterruptedAnywhere(t *testing.T) {
	t.Parallel()
	before, after := result(t, fewUsers)
	eachCall(t, []mode{cancelAt}, func(t *testing.T, s *site, p *process, f *faults) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		f.cancel = cancel
		err := p.execute(t, ctx)
		s.settle(t)
		if err != nil {
			failed := failure(t, err)
			if !failed.Interrupted || !errors.Is(err, context.Canceled) {
				t.Errorf("%v (interrupted %t), want an interruption", err, failed.Interrupted)
			}
			if failed.State == rebuild.AsItWas {
				s.wantAsItWas(t, before)
			}
		}
		if err := s.process(p.Header).execute(t, t.Context()); err != nil {
			t.Fatalf("resume: %v", err)
		}
		s.wantProved(t, p, before, after)
		if _, err := s.process(p.Header).undo(t); err != nil {
			t.Fatalf("undo: %v", err)
		}
		s.wantAsItWas(t, before)
	})
}
