package rebuild_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mulligan/engine"
	"mulligan/internal/lock"
	"mulligan/pipeline"
	"mulligan/rebuild"
	"mulligan/restore"
)

// Rows that come after the snapshot stop the run, and the database keeps its name with the new rows in it.
func TestErrWritten(t *testing.T) {
	t.Parallel()
	for _, strategy := range strategies() {
		t.Run(string(strategy), func(t *testing.T) {
			s := newSite(t, fewUsers)
			p := s.begin(t, strategy)
			last := map[restore.Strategy]string{restore.Beside: "advance", restore.InPlace: "verify"}[strategy]
			p.Notify = on(last, pipeline.Done, func() { s.exec(t, `INSERT INTO roles VALUES ('late', 1)`) })
			err := p.execute(t, t.Context())
			if f := failure(t, err); f.State != rebuild.AsItWas || !errors.Is(err, restore.ErrWritten) || !strings.Contains(err.Error(), "table roles") {
				t.Errorf("state %d, %v; want ErrWritten that names table roles, and the database as it was", f.State, err)
			}
			s.wantAlone(t)
			if !strings.Contains(s.dump(t, s.name), "late|1") {
				t.Error("the late row is gone")
			}
			if err := s.process(p.Header).execute(t, t.Context()); !errors.Is(err, restore.ErrWritten) {
				t.Errorf("resume: %v, want ErrWritten again", err)
			}
			s.wantAlone(t)
			if !strings.Contains(s.dump(t, s.name), "late|1") {
				t.Error("the late row is gone after the resume")
			}
		})
	}
}

// A run is bound to its server and its migrations.
func TestErrChanged(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(t *testing.T, s *site, p *process){
		"a file's content": func(t *testing.T, s *site, _ *process) { s.migration(t, 5, "UPDATE users SET locale = 'x';") },
		"a new file":       func(t *testing.T, s *site, _ *process) { s.migration(t, 6, "CREATE TABLE late (id int);") },
		"a file less":      func(t *testing.T, s *site, _ *process) { must(t, os.Remove(filepath.Join(s.files, "006_step.sql"))) },
		"another server":   func(_ *testing.T, _ *site, p *process) { p.Server = elsewhere{p.Server} },
	} {
		t.Run(what, func(t *testing.T) {
			s := newSite(t, fewUsers)
			before := s.dump(t, s.name)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			p := s.begin(t, restore.Beside)
			p.Notify = on("load", pipeline.Started, cancel)
			if f := failure(t, p.execute(t, ctx)); !f.Interrupted {
				t.Fatal("not interrupted")
			}
			s.settle(t)
			again := s.process(p.Header)
			change(t, s, again)
			if err := again.execute(t, t.Context()); !errors.Is(err, pipeline.ErrChanged) {
				t.Errorf("%v, want ErrChanged", err)
			}
			s.wantAsItWas(t, before)
		})
	}
}

// elsewhere is a server of another identity.
type elsewhere struct{ engine.Server }

func (s elsewhere) Traits() engine.Traits {
	traits := s.Server.Traits()
	traits.Identity = "elsewhere"
	return traits
}

// A preflight that refused refuses again.
func TestRefusedPreflightIsNotPassedByResume(t *testing.T) {
	t.Parallel()
	s := newSite(t, fewUsers)
	before := s.dump(t, s.name)
	p := s.begin(t, restore.Beside)
	p.Header.Options.At = "007"
	for range 2 {
		err := p.execute(t, t.Context())
		if f := failure(t, err); f.State != rebuild.AsItWas || !strings.Contains(err.Error(), "position 007: no such migration") {
			t.Errorf("state %d: %v", f.State, err)
		}
		s.wantAsItWas(t, before)
		s.wantAlone(t)
		p = s.process(p.Header)
	}
}

// A run in place that failed has given the old database its name back: a resume does not take it for the new one,
// however much it looks like it.
func TestResumeInPlaceKnowsTheOldDatabase(t *testing.T) {
	t.Parallel()
	for _, stage := range []string{"replay", "compare-schema", "load", "advance"} {
		t.Run(stage, func(t *testing.T) {
			s := newSite(t, fewUsers)
			s.exec(t, `INSERT INTO schema_migrations VALUES ('002'), ('003'), ('004')`) // the ledger is right
			before := s.dump(t, s.name)
			f := &faults{mode: dieBefore}
			p := s.begin(t, restore.InPlace)
			f.inject(p)
			p.Notify = on(stage, pipeline.Started, func() { f.mode, f.at = failBefore, len(f.calls)+1 })
			err := p.execute(t, t.Context())
			if state := failure(t, err).State; state != rebuild.AsItWas || !errors.Is(err, errFault) {
				t.Fatalf("state %d: %v", state, err)
			}
			s.wantAsItWas(t, before)
			if err := s.process(p.Header).execute(t, t.Context()); err != nil {
				t.Fatalf("resume: %v", err)
			}
			s.wantProved(t, p, before, s.dump(t, s.name))
		})
	}
}

// A second run at the same time touches nothing.
func TestErrLocked(t *testing.T) {
	t.Parallel()
	s := newSite(t, fewUsers)
	before := s.dump(t, s.name)
	held, err := s.real.(engine.Locker).Lock(t.Context(), s.name, lock.This("test", ""))
	must(t, err)
	p := s.begin(t, restore.Beside)
	if err := p.execute(t, t.Context()); !errors.Is(err, engine.ErrLocked) {
		t.Errorf("execute: %v, want ErrLocked", err)
	}
	if _, err := p.undo(t); !errors.Is(err, engine.ErrLocked) {
		t.Errorf("undo: %v, want ErrLocked", err)
	}
	if r := p.report(t); len(r.Stages) != 0 {
		t.Errorf("the journal holds %v", r.Stages)
	}
	s.wantAsItWas(t, before)
	s.wantAlone(t)
	must(t, held.Unlock())
	must(t, p.execute(t, t.Context()))
}

// Undo after each stage, and twice.
func TestUndo(t *testing.T) {
	t.Parallel()
	for _, strategy := range strategies() {
		for _, stage := range []string{"backup", "create", "load", "swap", "report"} {
			t.Run(string(strategy)+"/"+stage, func(t *testing.T) {
				s := newSite(t, fewUsers)
				before := s.dump(t, s.name)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				p := s.begin(t, strategy)
				p.Notify = on(stage, pipeline.Done, cancel)
				err := p.execute(t, ctx)
				if swapped := stage == "report"; swapped != (err == nil) {
					t.Fatalf("%v", err)
				}
				s.settle(t)
				built := s.dump(t, s.name)
				kept := ""
				for range 2 {
					if kept, err = s.process(p.Header).undo(t); err != nil {
						t.Fatal(err)
					}
					s.wantAsItWas(t, before)
				}
				if stage == "swap" || stage == "report" {
					if got := s.dump(t, kept); got != built || !strings.Contains(kept, "__mulligan_new_") {
						t.Errorf("the new database is not kept: %q", kept)
					}
				} else if strategy == restore.Beside {
					s.wantAlone(t)
				}
				if r := p.report(t); r.State != rebuild.StateUndone {
					t.Errorf("the report says %q", r.State)
				}
				if err := s.process(p.Header).execute(t, t.Context()); !errors.Is(err, rebuild.ErrUndone) {
					t.Errorf("an undone run goes on: %v", err)
				}
			})
		}
	}
}

func TestRuns(t *testing.T) {
	t.Parallel()
	s := newSite(t, fewUsers)
	if list, err := rebuild.Runs(filepath.Join(s.state, "none")); err != nil || list != nil {
		t.Errorf("no folder: %v, %v", list, err)
	}
	good := s.begin(t, restore.Beside)
	must(t, good.execute(t, t.Context()))
	for name, text := range map[string]string{"0-damaged": "00000000 {}\n{}\n", "1-empty": ""} {
		must(t, os.Mkdir(filepath.Join(s.state, name), 0o700))
		must(t, os.WriteFile(filepath.Join(s.state, name, rebuild.JournalName), []byte(text), 0o600))
	}
	must(t, os.Mkdir(filepath.Join(s.state, "2-nothing"), 0o700))
	list, err := rebuild.Runs(s.state)
	must(t, err)
	states := map[string]string{}
	for _, r := range list {
		states[string(r.Header.Run)] = r.State
		if r.State == "damaged" && r.Error == "" {
			t.Errorf("run %s is damaged, and nothing says why", r.Header.Run)
		}
	}
	for run, want := range map[string]string{"0-damaged": "damaged", "1-empty": "damaged", "2-nothing": "damaged", string(good.Header.Run): "proved"} {
		if states[run] != want {
			t.Errorf("run %s is %q, want %q", run, states[run], want)
		}
	}
}

// A chunk that is damaged between the verification and the load is noticed, and nothing has happened.
func TestChunkDamagedAfterVerify(t *testing.T) {
	t.Parallel()
	for _, strategy := range strategies() {
		t.Run(string(strategy), func(t *testing.T) {
			s := newSite(t, fewUsers)
			before := s.dump(t, s.name)
			p := s.begin(t, strategy)
			p.Notify = on("compare-schema", pipeline.Done, func() { s.damage(t, "users") })
			err := p.execute(t, t.Context())
			if f := failure(t, err); f.State != rebuild.AsItWas || !strings.Contains(err.Error(), "users") {
				t.Errorf("state %d: %v", f.State, err)
			}
			s.wantAsItWas(t, before)
			s.wantAlone(t)
			// The swap's key cannot be had anymore.
			if err := s.process(p.Header).execute(t, t.Context()); !errors.Is(err, pipeline.ErrChanged) {
				t.Errorf("resume: %v, want ErrChanged", err)
			}
			s.wantAsItWas(t, before)
		})
	}
}
