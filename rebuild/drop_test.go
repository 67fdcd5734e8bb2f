package rebuild_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"mulligan/engine"
	"mulligan/journal"
	"mulligan/rebuild"
	"mulligan/restore"
	"mulligan/snapshot"
)

// dropVariable says where a process of TestDropKilled dies.
const dropVariable = "MULLIGAN_TEST_DROP"

// dying is a server whose process is killed at the first drop of a set-aside database.
type dying struct {
	engine.Server
	at string // before, inside or after
}

func (d dying) Drop(ctx context.Context, name string) error {
	if engine.IsScratchName(name) {
		return d.Server.Drop(ctx, name)
	}
	err := error(nil)
	switch d.at {
	case "inside":
		var db engine.DB
		if db, err = d.Server.Open(ctx, name); err == nil {
			_, err = db.ExecContext(ctx, "DROP TABLE security_keys")
		}
	case "after":
		err = d.Server.Drop(ctx, name)
	}
	if err != nil {
		return err
	}
	return errors.Join(syscall.Kill(os.Getpid(), syscall.SIGKILL), errors.New("the process goes on after SIGKILL"))
}

func (d dying) Rename(ctx context.Context, moves ...engine.Move) error {
	return d.Server.(engine.Renamer).Rename(ctx, moves...)
}

// A process is killed between its word and the drop, inside the drop, and between the drop and the word. Its run is
// proved; the old database is nothing to go back to; and the next run ends what was begun.
func TestDropKilled(t *testing.T) {
	t.Parallel()
	model := newSite(t, fewUsers)
	for _, at := range []string{"before", "inside", "after"} {
		t.Run(at, func(t *testing.T) {
			s := copySite(t, model)
			a, b, c := s.again(t, restore.Beside, rebuild.KeepNext), s.again(t, restore.Beside, rebuild.KeepNext), s.again(t, restore.Beside, rebuild.KeepNext)
			a.proved(t)
			after := s.dump(t, s.name)
			must(t, openJournal(t, b).Close())
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), childVariable+"="+b.journal, dropVariable+"="+at)
			cmd.Stderr = os.Stderr
			var killed *exec.ExitError
			if err := cmd.Run(); !errors.As(err, &killed) || killed.ExitCode() != -1 {
				t.Fatalf("the process ended with %v, want a kill", err)
			}
			if state := b.report(t).State; state != rebuild.StateProved {
				t.Errorf("the run that was killed is %s", state)
			}
			s.wantAsItWas(t, after)
			if s.dump(t, b.Header.Aside) != after {
				t.Error("what the killed run set aside differs")
			}
			_, err := s.process(a.Header).undo(t)
			wantGone(t, err, a, "or began to")

			if freed := c.proved(t); (len(freed) == 2) != (at != "after") || freed[0].Error != "" {
				t.Errorf("the next run says %+v", freed)
			}
			s.wantAsItWas(t, after)
			s.wantBeside(t, c.Header.Aside)
			list, err := s.asides().Look(t.Context(), a.report(t))
			if err != nil || len(list) != 1 || list[0].State != rebuild.KeptDropped {
				t.Errorf("there is %+v, %v, want that it is dropped", list, err)
			}
		})
	}
}

// dropFails runs a rebuild with a fault at one of the calls that it does once it is proved, and says how many these were.
func (s *site) dropFails(t *testing.T, f *faults, offset int) (p *process, calls int) {
	t.Helper()
	p = s.again(t, restore.Beside, rebuild.KeepNext)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f.cancel = cancel
	f.inject(p)
	before := 0
	p.Notify = on("report", "done", func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		before = len(f.calls)
		f.at = before + offset
	})
	must(t, p.execute(t, ctx))
	s.settle(t)
	return p, len(f.calls) - before
}

// Something fails at each call that a proved run does for a drop. The run is proved all the same, the database in place
// is whole, and the old one is whole, or its run's journal says that it is not.
func TestDropFailsAnywhere(t *testing.T) {
	t.Parallel()
	s := newSite(t, fewUsers)
	s.again(t, restore.Beside, rebuild.KeepNext).proved(t)
	after := s.dump(t, s.name)
	_, calls := s.dropFails(t, &faults{}, 1000)
	if calls < 4 {
		t.Errorf("a drop takes %d calls, and some are not seen", calls)
	}
	for _, m := range []mode{failAfter, cancelAt} {
		for offset := 1; offset <= calls; offset++ {
			f := &faults{mode: m}
			p, _ := s.dropFails(t, f, offset)
			freed := p.Freed()
			if len(freed) == 0 || p.report(t).State != rebuild.StateProved {
				t.Fatalf("%s %s: it says %+v", m, f.what(), freed)
			}
			if s.dump(t, s.name) != after || s.dump(t, p.Header.Aside) != after {
				t.Errorf("%s %s: the new database or the old one is not what it was", m, f.what())
			}
			first := freed[0] // it met the fault
			report, err := rebuild.ReadRun(filepath.Join(s.state, string(first.Run)))
			must(t, err)
			switch kept := s.dump(t, first.Database); {
			case kept == after && first.Error == "":
				t.Errorf("%s %s: it says that the database is dropped", m, f.what())
			case kept != after && len(report.Drops) != 1:
				t.Errorf("%s %s: the old database is gone, and its journal does not know", m, f.what())
			}
		}
	}
}

// made is a journal that was made up: of a run that says that it has set a database aside.
type made struct {
	header  func(h *rebuild.Header)
	swapped bool // a swap is proved
	ends    func(t *testing.T, j *journal.Journal)
}

func ended(stage string, data any) func(*testing.T, *journal.Journal) {
	return func(t *testing.T, j *journal.Journal) { must(t, j.Append(journal.KindEnd, stage, data)) }
}

// unproved are runs whose set-aside database may be the only copy, each for a reason of its own.
func unproved() map[string]made {
	same := func(*rebuild.Header) {}
	return map[string]made{
		"not ended":             {same, true, func(*testing.T, *journal.Journal) {}},
		"failed after the swap": {same, true, func(t *testing.T, j *journal.Journal) { must(t, j.Append(journal.KindFailed, "report", nil)) }},
		"undo begun": {same, true, func(t *testing.T, j *journal.Journal) {
			must(t, errors.Join(j.Append(journal.KindEnd, "", nil), j.Append(journal.KindStart, "undo", nil)))
		}},
		"undo failed": {same, true, func(t *testing.T, j *journal.Journal) {
			must(t, errors.Join(j.Append(journal.KindEnd, "", nil), j.Append(journal.KindStart, "undo", nil), j.Append(journal.KindFailed, "undo", nil)))
		}},
		"undone, and there all the same": {same, true, ended("undo", map[string]string{"kept": "another"})},
		"no proof of the swap":           {same, false, ended("", nil)},
		"another server":                 {func(h *rebuild.Header) { h.Server = "another" }, true, ended("", nil)},
		"another database":               {func(h *rebuild.Header) { h.Database += "x" }, true, ended("", nil)},
		"another run's name":             {func(h *rebuild.Header) { h.Run = h.Run[:len(h.Run)-6] + "abcdef" }, true, ended("", nil)},
		"nothing replaced":               {func(h *rebuild.Header) { h.Replace = false }, true, ended("", nil)},
	}
}

// What the journals do not prove to be spare is not dropped: not by a run that is proved later, not on the user's word.
func TestOnlyProvedIsDropped(t *testing.T) {
	t.Parallel()
	s := newSite(t, fewUsers)
	var asides []string
	for what, m := range unproved() {
		h, err := rebuild.NewHeader(s.real, s.url, "app", "", restore.Beside, time.Now())
		must(t, err)
		h.KeepOld = rebuild.KeepNext
		must(t, s.real.Create(t.Context(), h.Aside, nil))
		asides = append(asides, h.Aside)
		m.header(&h)
		write := func(folder string, id snapshot.ID) {
			j, err := journal.Create(filepath.Join(folder, string(id), rebuild.JournalName), h)
			must(t, err)
			must(t, j.Append(journal.KindStart, "swap", nil))
			if m.swapped {
				must(t, j.Append(journal.KindCheckpoint, "swap", map[string]string{"database": h.Database, "set_aside": h.Aside}))
			}
			m.ends(t, j)
			must(t, j.Close())
		}
		alone := filepath.Join(s.dir, "..", "alone "+what)
		write(alone, h.Run)
		write(s.state, h.Run)
		freed, err := rebuild.Asides{Server: s.real, Dir: alone}.Drop(t.Context(), h.Run)
		if len(freed) > 0 {
			t.Errorf("%s: dropped on the user's word: %+v, %v", what, freed, err)
		}
	}
	b := s.again(t, restore.Beside, rebuild.KeepNever)
	if freed := b.proved(t); len(freed) != 1 || freed[0].Run != b.Header.Run {
		t.Errorf("a run that was proved later dropped %+v", freed)
	}
	s.wantBeside(t, asides...)
}

// Two runs whose names end alike name one database: nobody knows whose it is.
func TestTwinsKeep(t *testing.T) {
	t.Parallel()
	s := newSite(t, fewUsers)
	a := s.again(t, restore.Beside, rebuild.KeepNext)
	a.proved(t)
	twin := a.Header
	twin.Run = snapshot.ID("20200101T000000Z-" + a.Header.Run.Run())
	must(t, openJournal(t, s.process(twin)).Close())
	if freed, err := s.asides().Drop(t.Context(), a.Header.Run); err == nil || len(freed) > 0 {
		t.Errorf("dropped %+v, %v", freed, err)
	}
	b := s.again(t, restore.Beside, rebuild.KeepNext)
	if freed := b.proved(t); len(freed) != 0 {
		t.Errorf("dropped %+v", freed)
	}
	s.wantBeside(t, a.Header.Aside, b.Header.Aside)
}
