package enginetest

import (
	"errors"
	"testing"

	"mulligan/engine"
)

// testSetAside drops databases that hold rows: only with another in their place, and only where nobody uses them.
func testSetAside(t *testing.T, e *env) {
	const run = "9f3a1c"
	limit := e.server.Traits().NameLimit
	began := errors.New("begun")
	pair := func(t *testing.T, suffix string) (aside *engine.SetAside, database string) {
		t.Helper()
		database = e.cfg.NewName(t) + suffix
		name := engine.AsideName(database, run, limit)
		for _, n := range []string{database, name} {
			if err := e.server.Create(deadline(t), n, nil); err != nil {
				t.Fatalf("create database %s: %v", n, err)
			}
			e.removeLater(t, n)
		}
		openAndClose(t, e.server, name, "CREATE TABLE thing (id {id}){opts}")
		a, err := engine.AdoptSetAside(e.server, database, run, name)
		if err != nil {
			t.Fatal(err)
		}
		return a, database
	}
	for what, suffix := range map[string]string{"Drop": "", "DropHostile": "a'; b\"c`%s--\\ä", "DropLong": "-and-a-name-that-is-cut-to-what-the-server-takes-as-one"} {
		t.Run(what, func(t *testing.T) {
			if limit > 0 && len(e.cfg.NewName(t)+suffix) > limit {
				suffix = suffix[:limit-len(e.cfg.NewName(t))]
			}
			a, database := pair(t, suffix)
			begun := 0
			if err := a.Drop(deadline(t), func() error { begun++; return nil }); err != nil || begun != 1 {
				t.Fatalf("drop: %v, begun %d times", err, begun)
			}
			if _, err := e.server.Stat(deadline(t), a.Name()); !errors.Is(err, engine.ErrNotExist) {
				t.Errorf("stat after drop: %v, want ErrNotExist", err)
			}
			if _, err := e.server.Stat(deadline(t), database); err != nil {
				t.Errorf("the database in its place: %v", err)
			}
		})
	}
	refused := func(t *testing.T, a *engine.SetAside, want error) {
		t.Helper()
		err := a.Drop(deadline(t), func() error { t.Error("it was begun"); return began })
		if !errors.Is(err, want) {
			t.Errorf("drop: %v, want %v", err, want)
		}
		if _, err := e.server.Stat(deadline(t), a.Name()); err != nil {
			t.Errorf("after a refused drop: %v", err)
		}
	}
	t.Run("InUse", func(t *testing.T) {
		a, _ := pair(t, "")
		hold(t, connect(t, e.cfg), a.Name())
		refused(t, a, engine.ErrInUse)
	})
	t.Run("NothingInPlace", func(t *testing.T) {
		a, database := pair(t, "")
		if err := e.server.Drop(deadline(t), database); err != nil {
			t.Fatal(err)
		}
		refused(t, a, engine.ErrNotExist)
	})
	t.Run("NotBegun", func(t *testing.T) {
		a, _ := pair(t, "")
		if err := a.Drop(deadline(t), func() error { return began }); !errors.Is(err, began) {
			t.Errorf("drop: %v, want what the caller says", err)
		}
		if _, err := e.server.Stat(deadline(t), a.Name()); err != nil {
			t.Errorf("after a drop that was not begun: %v", err)
		}
	})
}
