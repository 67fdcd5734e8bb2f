package postgres

import (
	"errors"
	"testing"

	"mulligan/engine"
	"mulligan/internal/lock"
	"mulligan/internal/testdb"
)

// TestKeepalive: the server itself looks whether the client that has a lock is still there. It answers with what the socket has.
func TestKeepalive(t *testing.T) {
	u, err := engine.ParseURL(testdb.Postgres(t).URL(""))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Connect(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l, err := s.(engine.Locker).Lock(t.Context(), "app", lock.This("test", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Unlock()
	for name, want := range map[string]string{
		"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "4", "tcp_user_timeout": "30000", "application_name": "mulligan test",
	} {
		var got string
		if err := l.(*held).conn.QueryRow(t.Context(), "SHOW "+name).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q, %v, want %q", name, got, err, want)
		}
	}
}

// TestLockElsewhere: who works from another database of the server meets the lock, too, and may take it over.
func TestLockElsewhere(t *testing.T) {
	shared := testdb.Postgres(t)
	other, _ := shared.NewDatabase(t)
	u, err := engine.ParseURL(shared.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	from := func(maintenance string) *server {
		s, err := connectTo(t.Context(), u, maintenance)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	here, there := from("postgres"), from(other)
	h := lock.This("first", "")
	for range 2 {
		l, err := here.Lock(t.Context(), other, h)
		if err != nil {
			t.Fatal(err)
		}
		var locked *engine.LockedError
		if _, err := there.Lock(t.Context(), other, h); !errors.As(err, &locked) || locked.Holder != h {
			t.Errorf("from another database: %v", err)
		}
		if err := errors.Join(l.Held(t.Context()), l.Unlock()); err != nil {
			t.Error(err)
		}
		here, there = there, here
	}
	h.Start = "1" // the number is this process's now
	for _, s := range []*server{here, there} {
		l, err := s.Lock(t.Context(), other, h)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Unlock() }) // the first one's is lost
	}
}
