package mysql_test

import (
	"errors"
	"strings"
	"testing"

	"mulligan/engine"
	"mulligan/internal/lock"
	"mulligan/internal/testdb"
)

// TestLockGrants: an account without any privilege takes over its own lock from a holder that is gone; that of another
// account it can name, and not end.
func TestLockGrants(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		one, two := connectTo(t, server.URLAs(server.NewUser(t), "")), connectTo(t, server.URLAs(server.NewUser(t), ""))
		t.Cleanup(func() { closed(t, one, two) })
		gone := lock.This("killed", "r1")
		gone.Start = "1" // the number is this process's now
		for range 2 {
			l, err := one.(engine.Locker).Lock(deadline(t), "app", gone)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Unlock() }) // the first one's is lost
		}
		_, err := two.(engine.Locker).Lock(deadline(t), "app", lock.This("next", ""))
		var locked *engine.LockedError
		if !errors.As(err, &locked) || locked.Holder != gone || !strings.HasPrefix(locked.End, "KILL ") {
			t.Errorf("another account's: %v, want one that says who", err)
		}
		if !errors.Is(err, engine.ErrLocked) || !errors.Is(err, engine.ErrDenied) {
			t.Errorf("another account's: %v, want ErrLocked, since ErrDenied", err)
		}
	})
}

func closed(t *testing.T, servers ...engine.Server) {
	for _, s := range servers {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
