package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"mulligan/engine"
	"mulligan/internal/lock"
	"mulligan/internal/testdb"
)

// TestLockGrants: a role without any privilege takes over its own lock from a holder that is gone; of another role's it
// is told the session alone, and leaves it.
func TestLockGrants(t *testing.T) {
	server := testdb.Postgres(t)
	user := server.NewUser(t)
	one, two := connect(t, server.URLAs(user, "")), connect(t, server.URLAs(server.NewUser(t), ""))
	t.Cleanup(func() {
		if err := errors.Join(one.Close(), two.Close()); err != nil {
			t.Error(err)
		}
	})
	gone := lock.This("killed", "r1")
	gone.Start = "1" // the number is this process's now
	name := newName(t)
	for range 2 {
		l, err := one.(engine.Locker).Lock(t.Context(), name, gone)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Unlock() }) // the first one's is lost
	}
	_, err := two.(engine.Locker).Lock(t.Context(), name, lock.This("next", ""))
	var locked *engine.LockedError
	if !errors.Is(err, engine.ErrLocked) || !errors.As(err, &locked) || locked.Holder != (lock.Holder{}) || !strings.Contains(locked.Session, user.Name) {
		t.Errorf("another role's: %v, want one that says whose session it is", err)
	}
}
