package faults

import (
	"database/sql"
	"syscall"
	"testing"
)

// warden is an account that takes the rights of the server's own user away, who mulligan is, and gives them back.
type warden struct {
	t           testing.TB
	pool        *sql.DB
	give, takes string
}

func (b *bench) newWarden(t testing.TB) *warden {
	t.Helper()
	u := b.server.NewUser(t)
	name, user := b.server.SQL(u), b.server.SQL(b.server.User)
	w := &warden{t: t, give: "GRANT ALL ON *.* TO " + user + " WITH GRANT OPTION", takes: "REVOKE ALL PRIVILEGES, GRANT OPTION FROM " + user}
	if b.engine == "postgres" {
		b.server.Exec(t, "", "ALTER ROLE "+name+" SUPERUSER")
		w.give, w.takes = "ALTER ROLE "+user+" SUPERUSER", "ALTER ROLE "+user+" NOSUPERUSER NOCREATEDB"
	} else {
		b.server.Exec(t, "", "GRANT ALL ON *.* TO "+name+" WITH GRANT OPTION")
	}
	w.pool = b.server.OpenAs(t, u, "")
	return w
}

func (w *warden) exec(statement string) {
	w.t.Helper()
	if _, err := w.pool.ExecContext(w.t.Context(), statement); err != nil {
		w.t.Errorf("%s: %v", statement, err)
	}
}

// TestPrivilegesRevoked takes the account's privileges away in the middle of a run, and gives them back after it.
func TestPrivilegesRevoked(t *testing.T) {
	for _, engine := range some(servers(), "mariadb") {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			b := benchOf(t, engine)
			w := b.newWarden(t)
			each(t, engine, few(1, 12), func(k int) { b.revoke(t, w, k) })
		})
	}
}

func (b *bench) revoke(t *testing.T, w *warden, k int) {
	strategy := strategies()[k%2]
	x := b.begin(t, "privileges revoked", k)
	c := x.site.start(t, "rebuild", "--yes", "--strategy", strategy)
	takes := func() {
		// It must go on: stopped while it holds the global read lock, it would keep the statement waiting for ever.
		_ = c.cmd.Process.Signal(syscall.SIGCONT) // it may have ended
		w.exec(w.takes)
	}
	if x.hit(x.stageOf(k), c, takes) {
		w.exec(w.give)
	}
	x.stage = x.site.stage()
	x.finish(x.after(c, strategy))
}
