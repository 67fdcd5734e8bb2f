package rebuild_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mulligan/engine"
	"mulligan/journal"
	"mulligan/rebuild"
	"mulligan/restore"
)

// again begins a run that keeps the old database as it is told.
func (s *site) again(t testing.TB, strategy restore.Strategy, keep rebuild.Keep) *process {
	t.Helper()
	p := s.begin(t, strategy)
	p.Header.KeepOld = keep
	return p
}

// proved executes a run that must come to its end, and gives what it dropped.
func (p *process) proved(t testing.TB) []rebuild.Freed {
	t.Helper()
	must(t, p.execute(t, t.Context()))
	return p.Freed()
}

func (s *site) asides() rebuild.Asides { return rebuild.Asides{Server: s.real, Dir: s.state} }

// wantBeside says which databases there are beside the application's.
func (s *site) wantBeside(t testing.TB, names ...string) {
	t.Helper()
	want := []string{"app.db"}
	for _, name := range names {
		want = append(want, filepath.Base(name))
	}
	slices.Sort(want)
	if got := s.databases(t); !slices.Equal(got, want) {
		t.Errorf("there are %q, want %q", got, want)
	}
}

// What a run has set aside goes when the next one is proved, and not before; that one's own stays.
func TestKeepNext(t *testing.T) {
	t.Parallel()
	for _, strategy := range strategies() {
		t.Run(string(strategy), func(t *testing.T) {
			s := newSite(t, fewUsers)
			before := s.dump(t, s.name)
			a, b := s.again(t, strategy, rebuild.KeepNext), s.again(t, strategy, rebuild.KeepNext)
			if freed := a.proved(t); len(freed) != 0 {
				t.Errorf("the first run dropped %v", freed)
			}
			between := s.dump(t, s.name)
			if freed := b.proved(t); len(freed) != 1 || freed[0].Run != a.Header.Run || freed[0].Database != a.Header.Aside || freed[0].Bytes == 0 || freed[0].Error != "" {
				t.Errorf("the second run dropped %+v", freed)
			}
			s.wantProved(t, b, between, between)
			if r := b.report(t); len(r.Freed) != 1 || len(r.Plan.Frees) != 1 {
				t.Errorf("the report says %+v, the plan %+v", r.Freed, r.Plan.Frees)
			}
			_, err := s.process(a.Header).undo(t)
			wantGone(t, err, a, string(b.Header.Run))
			s.wantProved(t, b, between, between)

			kept, err := s.process(b.Header).undo(t)
			must(t, err)
			s.wantAsItWas(t, between)
			s.wantBeside(t, kept)
			_, err = s.process(a.Header).undo(t)
			wantGone(t, err, a, string(b.Header.Run))
			s.wantAsItWas(t, between)
			if before == between {
				t.Error("the test sees no difference")
			}
		})
	}
}

// wantGone wants the refusal of an undo that left no trace, with all that a person must know.
func wantGone(t testing.TB, err error, p *process, says string) {
	t.Helper()
	if !errors.Is(err, rebuild.ErrGone) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), string(p.Header.Snapshot)) {
		t.Errorf("undo: %v, want ErrGone with %q and the snapshot", err, says)
	}
	if state := p.report(t).State; state != rebuild.StateProved {
		t.Errorf("the run is now %s", state)
	}
}

// Who keeps always loses nothing, whatever the later run says, and so does a run of a time before there was a choice.
func TestKeepAlways(t *testing.T) {
	t.Parallel()
	s := newSite(t, fewUsers)
	before := s.dump(t, s.name)
	var runs []*process
	var names []string
	for _, keep := range []rebuild.Keep{"", rebuild.KeepAlways, rebuild.KeepNext, rebuild.KeepAlways} {
		p := s.again(t, restore.Beside, keep)
		if freed := p.proved(t); len(freed) != 0 {
			t.Errorf("a run that keeps %q dropped %v", keep, freed)
		}
		runs, names = append(runs, p), append(names, p.Header.Aside)
	}
	s.wantBeside(t, names...)

	// Taken back out of order, an older state would be laid over a newer one.
	var way *rebuild.InTheWay
	if _, err := s.process(runs[1].Header).undo(t); !errors.As(err, &way) || way.Midway || way.Run != runs[2].Header.Run {
		t.Errorf("undo of a run that others came after: %v, want InTheWay", err)
	}
	s.wantBeside(t, names...)
	for _, p := range slices.Backward(runs) {
		_, err := s.process(p.Header).undo(t)
		must(t, err)
	}
	s.wantAsItWas(t, before)
}

func TestKeepNever(t *testing.T) {
	t.Parallel()
	for _, strategy := range strategies() {
		s := newSite(t, fewUsers)
		a, b := s.again(t, strategy, rebuild.KeepNext), s.again(t, strategy, rebuild.KeepNever)
		a.proved(t)
		after := s.dump(t, s.name)
		if freed := b.proved(t); len(freed) != 2 || freed[0].Run != a.Header.Run || freed[1].Run != b.Header.Run || freed[0].Error+freed[1].Error != "" {
			t.Errorf("it dropped %+v", freed)
		}
		s.wantAsItWas(t, after)
		s.wantAlone(t)
		_, err := s.process(b.Header).undo(t)
		wantGone(t, err, b, "keep_old: never")
		s.wantAsItWas(t, after)
	}
}

// A run that has not come to its end keeps what it set aside, whatever is proved after it.
func TestUnfinishedKeeps(t *testing.T) {
	t.Parallel()
	s := newSite(t, fewUsers)
	before := s.dump(t, s.name)
	a := s.again(t, restore.Beside, rebuild.KeepNext)
	must(t, os.MkdirAll(filepath.Join(a.Dir, "report.json.tmp"), 0o700)) // its report cannot be written
	if f := failure(t, a.execute(t, t.Context())); f.State != rebuild.Midway {
		t.Fatalf("state %v, want midway", f.State)
	}
	b := s.again(t, restore.Beside, rebuild.KeepNever)
	if freed := b.proved(t); len(freed) != 1 || freed[0].Run != b.Header.Run {
		t.Errorf("it dropped %+v", freed)
	}
	s.wantBeside(t, a.Header.Aside)
	if s.dump(t, a.Header.Aside) != before {
		t.Error("the only copy of the first database differs")
	}
	if _, err := s.asides().Drop(t.Context(), a.Header.Run); err == nil {
		t.Error("it was dropped on the user's word")
	}
	if freed, err := s.asides().Drop(t.Context(), b.Header.Run); err == nil && len(freed) > 0 {
		t.Errorf("beside a run that stopped midway %v was dropped", freed)
	}
	s.wantBeside(t, a.Header.Aside)
}

// While the old database is set aside and the new one half built under its name, no other run begins there. One that
// was proved there all the same, by a program that did not ask, is not thrown away by going on.
func TestMidwayIsInTheWay(t *testing.T) {
	t.Parallel()
	s := newSite(t, fewUsers)
	before := s.dump(t, s.name)
	a := s.again(t, restore.InPlace, rebuild.KeepNext)
	ctx, cancel := context.WithCancel(t.Context())
	a.Notify = on("load", "done", cancel)
	if f := failure(t, a.execute(t, ctx)); f.State != rebuild.Midway || !f.Interrupted {
		t.Fatalf("state %v, want midway", f.State)
	}
	s.settle(t)
	half := s.dump(t, s.name)
	var way *rebuild.InTheWay
	b := s.again(t, restore.Beside, rebuild.KeepNext)
	if _, err := b.MakePlan(t.Context()); !errors.As(err, &way) || !way.Midway || way.Run != a.Header.Run {
		t.Errorf("plan: %v, want InTheWay", err)
	}
	if err := b.execute(t, t.Context()); !errors.As(err, &way) {
		t.Errorf("run: %v, want InTheWay", err)
	}
	s.wantAsItWas(t, half)
	s.wantBeside(t, a.Header.Aside)

	b = s.again(t, restore.Beside, rebuild.KeepNext)
	elsewhere := b.Dir
	b.Dir, b.journal = filepath.Join(s.dir, "..", "b"), filepath.Join(s.dir, "..", "b", rebuild.JournalName)
	b.proved(t)
	must(t, os.Rename(b.Dir, elsewhere))
	newer := s.dump(t, s.name)
	if err := s.process(a.Header).execute(t, t.Context()); !errors.As(err, &way) || way.Midway || way.Run != b.Header.Run {
		t.Errorf("resume: %v, want InTheWay", err)
	}
	s.wantAsItWas(t, newer)
	kept, err := s.process(a.Header).undo(t)
	must(t, err)
	s.wantAsItWas(t, before)
	if s.dump(t, kept) != newer {
		t.Error("the undo did not keep what had the name")
	}
}

// The old database of a run that is proved is not put over what a later one has half built.
func TestUndoBesideMidway(t *testing.T) {
	t.Parallel()
	s := newSite(t, fewUsers)
	a, b := s.again(t, restore.Beside, rebuild.KeepNext), s.again(t, restore.InPlace, rebuild.KeepNext)
	a.proved(t)
	between := s.dump(t, s.name)
	ctx, cancel := context.WithCancel(t.Context())
	b.Notify = on("create", "done", cancel)
	if f := failure(t, b.execute(t, ctx)); f.State != rebuild.Midway {
		t.Fatalf("state %v, want midway", f.State)
	}
	s.settle(t)
	var way *rebuild.InTheWay
	if _, err := s.process(a.Header).undo(t); !errors.As(err, &way) || !way.Midway || way.Run != b.Header.Run {
		t.Errorf("undo: %v, want InTheWay", err)
	}
	if _, err := s.asides().Drop(t.Context(), a.Header.Run); !errors.As(err, &way) {
		t.Errorf("drop: %v, want InTheWay", err)
	}
	if freed := s.process(b.Header).proved(t); len(freed) != 1 || freed[0].Run != a.Header.Run || freed[0].Error != "" {
		t.Errorf("the resumed run dropped %+v", freed)
	}
	s.wantProved(t, b, between, between)
}

// Somebody is connected to the old database: it stays whole, and the next run drops it.
func TestConnectedKeeps(t *testing.T) {
	t.Parallel()
	s := newSite(t, fewUsers)
	before := s.dump(t, s.name)
	a, b, c := s.again(t, restore.Beside, rebuild.KeepNext), s.again(t, restore.Beside, rebuild.KeepNext), s.again(t, restore.Beside, rebuild.KeepNext)
	a.proved(t)
	db, err := s.real.Open(t.Context(), a.Header.Aside)
	must(t, err)
	session, err := db.Session(t.Context())
	must(t, err)
	if freed := b.proved(t); len(freed) != 1 || !strings.Contains(freed[0].Error, engine.ErrInUse.Error()) {
		t.Errorf("it says %+v, want that the database is in use", freed)
	}
	if _, err := s.asides().Drop(t.Context(), a.Header.Run); !errors.Is(err, engine.ErrInUse) {
		t.Errorf("dropped on the user's word: %v, want ErrInUse", err)
	}
	must(t, errors.Join(session.Close(), db.Close()))
	if r := b.report(t); r.State != rebuild.StateProved || len(r.Freed) != 1 || r.Freed[0].Error == "" {
		t.Errorf("the report says %s, %+v", r.State, r.Freed)
	}
	if len(a.report(t).Drops) != 0 || s.dump(t, a.Header.Aside) != before {
		t.Error("a database that is in use was touched")
	}
	if freed := c.proved(t); len(freed) != 2 || freed[0].Error+freed[1].Error != "" {
		t.Errorf("the next run says %+v", freed)
	}
	s.wantBeside(t, c.Header.Aside)
}

// By a link, both names lead to one file: it is not dropped.
func TestLinkKeeps(t *testing.T) {
	t.Parallel()
	s := newSite(t, fewUsers)
	aside := engine.AsideName(s.name, "9f3a1c", 0)
	must(t, os.Rename(s.name, aside))
	must(t, os.Symlink(aside, s.name))
	before := s.dump(t, aside)
	a, err := engine.AdoptSetAside(s.real, s.name, "9f3a1c", aside)
	must(t, err)
	if err := a.Drop(t.Context(), func() error { t.Error("it was begun"); return nil }); !errors.Is(err, engine.ErrInUse) {
		t.Errorf("drop: %v, want ErrInUse", err)
	}
	s.wantAsItWas(t, before)
}

// The user drops what is there, of runs that have come to their end.
func TestDropByHand(t *testing.T) {
	t.Parallel()
	s := newSite(t, fewUsers)
	a, b := s.again(t, restore.Beside, rebuild.KeepAlways), s.again(t, restore.Beside, rebuild.KeepAlways)
	a.proved(t)
	between := s.dump(t, s.name)
	b.proved(t)
	kept, err := s.process(b.Header).undo(t)
	must(t, err)
	s.wantBeside(t, a.Header.Aside, kept)
	for _, p := range []*process{b, a} {
		list, err := s.asides().Look(t.Context(), p.report(t))
		must(t, err)
		if len(list) != 1 || list[0].State != rebuild.KeptThere || list[0].Bytes == 0 {
			t.Errorf("of run %s there is %+v", p.Header.Run, list)
		}
		freed, err := s.asides().Drop(t.Context(), p.Header.Run)
		if err != nil || len(freed) != 1 || freed[0].Database != list[0].Database {
			t.Errorf("dropped %+v, %v", freed, err)
		}
		if list, err = s.asides().Look(t.Context(), p.report(t)); err != nil || len(list) != 1 || list[0].State != rebuild.KeptDropped {
			t.Errorf("of run %s there is %+v, %v", p.Header.Run, list, err)
		}
	}
	s.wantAlone(t)
	s.wantAsItWas(t, between)
	_, err = s.process(a.Header).undo(t)
	wantGone(t, err, a, "the user's word")
	if err := s.process(b.Header).execute(t, t.Context()); !errors.Is(err, rebuild.ErrUndone) {
		t.Errorf("execute a run that was undone: %v, want ErrUndone", err)
	}
}

// Somebody else dropped the old database: an undo does not say that it put it back.
func TestUndoMissesIt(t *testing.T) {
	t.Parallel()
	s := newSite(t, fewUsers)
	a := s.again(t, restore.Beside, rebuild.KeepNext)
	a.proved(t)
	after := s.dump(t, s.name)
	must(t, os.Remove(a.Header.Aside))
	_, err := s.process(a.Header).undo(t)
	wantGone(t, err, a, "no run has dropped it")
	s.wantAsItWas(t, after)
	if list, err := s.asides().Look(t.Context(), a.report(t)); err != nil || len(list) != 1 || list[0].State != rebuild.KeptGone {
		t.Errorf("there is %+v, %v, want that it is gone", list, err)
	}
}

// A log that a killed application left beside the old database goes with it.
func TestDropTakesTheLog(t *testing.T) {
	t.Parallel()
	s := newSite(t, fewUsers)
	a, b := s.again(t, restore.Beside, rebuild.KeepNext), s.again(t, restore.Beside, rebuild.KeepNext)
	a.proved(t)
	db, err := s.real.Open(t.Context(), a.Header.Aside)
	must(t, err)
	for _, text := range []string{"PRAGMA journal_mode = wal", "CREATE TABLE late (id INTEGER)"} {
		_, err := db.ExecContext(t.Context(), text)
		must(t, err)
	}
	saved := map[string][]byte{}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		saved[suffix], err = os.ReadFile(a.Header.Aside + suffix)
		must(t, err)
	}
	must(t, db.Close())
	for suffix, data := range saved {
		must(t, os.WriteFile(a.Header.Aside+suffix, data, 0o600))
	}
	b.proved(t)
	s.wantBeside(t, b.Header.Aside)
}

// note writes a word about a drop into a run's journal, as a process does that is killed afterwards.
func (p *process) note(t testing.TB, d rebuild.Drop) {
	t.Helper()
	j := openJournal(t, p)
	must(t, errors.Join(j.Append(journal.KindNote, "drop", d), j.Close()))
}

// A server drops a database piece by piece, and the process that asked for it dies. What is left is nothing to go back to,
// and goes with the next run.
func TestHalfDropped(t *testing.T) {
	t.Parallel()
	s := newSite(t, fewUsers)
	a, b := s.again(t, restore.Beside, rebuild.KeepNext), s.again(t, restore.Beside, rebuild.KeepNext)
	a.proved(t)
	after := s.dump(t, s.name)
	a.note(t, rebuild.Drop{Database: a.Header.Aside, By: "20260101T000000Z-abcdef", State: "begun"})
	_, err := s.process(a.Header).undo(t)
	wantGone(t, err, a, "20260101T000000Z-abcdef dropped it, or began to, and a part of it may be gone")
	s.wantAsItWas(t, after)
	if list, err := s.asides().Look(t.Context(), a.report(t)); err != nil || len(list) != 1 || list[0].State != rebuild.KeptHalf {
		t.Errorf("there is %+v, %v, want it half dropped", list, err)
	}
	if freed := b.proved(t); len(freed) != 1 || freed[0].Error != "" {
		t.Errorf("the next run says %+v", freed)
	}
	s.wantBeside(t, b.Header.Aside)
	if d := a.report(t).Drops; len(d) != 1 || d[0].State != "done" || d[0].By != b.Header.Run {
		t.Errorf("the journal says %+v", d)
	}
}
