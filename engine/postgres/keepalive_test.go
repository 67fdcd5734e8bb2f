package postgres

import (
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
