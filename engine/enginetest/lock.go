package enginetest

import (
	"errors"
	"os"
	"testing"

	"mulligan/engine"
	"mulligan/internal/lock"
)

func testLock(t *testing.T, e *env) {
	t.Run("OK", e.lock)
	t.Run("Holder", e.lockHolder)
	t.Run("Gone", e.lockGone)
	t.Run("NotGone", e.lockNotGone)
}

func taken(t *testing.T, s engine.Server, name string, h lock.Holder) engine.Lock {
	t.Helper()
	l, err := s.(engine.Locker).Lock(deadline(t), name, h)
	if err != nil {
		t.Fatalf("lock: %v", err)
	}
	t.Cleanup(func() { _ = l.Unlock() }) // whether it was lost is another's question
	return l
}

// refused asks for a lock that is held, and says who is told to hold it.
func refused(t *testing.T, s engine.Server, name string) *engine.LockedError {
	t.Helper()
	l, err := s.(engine.Locker).Lock(deadline(t), name, lock.This("second", ""))
	var locked *engine.LockedError
	if !errors.Is(err, engine.ErrLocked) || !errors.As(err, &locked) {
		t.Fatalf("lock what is locked: %v, %v, want a LockedError", l, err)
	}
	return locked
}

func (e *env) lock(t *testing.T) {
	first, second := e.server, connect(t, e.cfg)
	name := e.cfg.NewName(t) // it need not exist
	for range 2 {
		l := taken(t, first, name, lock.This("first", ""))
		for _, s := range []engine.Server{second, first} {
			refused(t, s, name)
		}
		other := taken(t, second, e.cfg.NewName(t), lock.This("other", ""))
		for _, l := range []engine.Lock{other, l} {
			if err := l.Held(deadline(t)); err != nil {
				t.Errorf("held: %v", err)
			}
			if err := errors.Join(l.Unlock(), l.Unlock()); err != nil {
				t.Errorf("unlock: %v", err)
			}
		}
		first, second = second, first
	}
}

// lockHolder: the one that is refused is told who has it, whole, whatever the host is called.
func (e *env) lockHolder(t *testing.T) {
	name := e.cfg.NewName(t)
	h := lock.This("rebuild", "20261122T215500Z-9f3a1c")
	h.Host = "a-host-with-a-name-as-long-as-any.may-have-it--------------64chr"
	taken(t, e.server, name, h)
	got := refused(t, e.server, name)
	if got.Holder != h {
		t.Errorf("holder %+v, want %+v", got.Holder, h)
	}
	if server := e.family != engine.SQLite; server != (got.Session != "" && got.End != "") {
		t.Errorf("session %q is ended by %q", got.Session, got.End)
	}
}

// gone is a holder whose process has ended.
func gone(t *testing.T) lock.Holder {
	t.Helper()
	child, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	h := lock.This("killed", "")
	h.PID = child.Pid
	return h
}

// lockGone: a session that a holder has left behind, who is proved to be gone, holds up nobody.
// A file's lock ends with the process itself, so what dead processes leave in files says nothing.
func (e *env) lockGone(t *testing.T) {
	reused := lock.This("killed", "")
	reused.Start = "1" // the number is this process's now
	for what, h := range map[string]lock.Holder{"ended": gone(t), "reused": reused} {
		t.Run(what, func(t *testing.T) {
			name := e.cfg.NewName(t)
			first := taken(t, e.server, name, h)
			if e.family == engine.SQLite {
				if got := refused(t, e.server, name); got.Holder != (lock.Holder{}) {
					t.Errorf("a locked file is told to be %s's", got.Holder)
				}
				return
			}
			second := taken(t, e.server, name, lock.This("next", ""))
			if err := second.Held(deadline(t)); err != nil {
				t.Errorf("held: %v", err)
			}
			if err := first.Held(deadline(t)); err == nil {
				t.Error("the lock was taken over, and its first holder does not see it")
			}
			if got := refused(t, e.server, name); got.Holder.Command != "next" {
				t.Errorf("it is told to be held by %s", got.Holder)
			}
		})
	}
}

// lockNotGone: nothing is proved of a process that lives, or is elsewhere, or was there before the machine started again.
func (e *env) lockNotGone(t *testing.T) {
	elsewhere, before, alive, unknown := gone(t), gone(t), lock.This("alive", ""), gone(t)
	elsewhere.Host = "elsewhere"
	before.Machine = "0123456789abcdef"
	unknown.Machine = ""
	for what, h := range map[string]lock.Holder{"elsewhere": elsewhere, "before": before, "alive": alive, "unknown": unknown} {
		t.Run(what, func(t *testing.T) {
			name := e.cfg.NewName(t)
			l := taken(t, e.server, name, h)
			if got := refused(t, e.server, name); got.Holder != h {
				t.Errorf("holder %+v, want %+v", got.Holder, h)
			}
			if err := l.Held(deadline(t)); err != nil {
				t.Errorf("held: %v", err)
			}
		})
	}
}
