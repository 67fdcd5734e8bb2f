package enginetest

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/schema"
)

func testOptional(t *testing.T, e *env) {
	db := e.open(t)
	if _, ok := e.server.(engine.Renamer); ok {
		t.Run("Rename", e.rename)
	}
	if _, ok := e.server.(engine.MoveChecker); ok {
		t.Run("CheckMove", e.checkMove)
	}
	if _, ok := e.server.(engine.Evicter); ok {
		t.Run("Evict", e.evict)
	}
	if _, ok := e.server.(engine.Locker); ok {
		t.Run("Lock", func(t *testing.T) { testLock(t, e) })
	}
	if _, ok := db.(engine.Marker); ok {
		t.Run("Marks", e.marks)
	}
	if _, ok := db.(engine.Fencer); ok {
		t.Run("Fence", e.fence)
	}
}

// marked makes a database that can be told from others by its one table.
func (e *env) marked(t *testing.T, mark string) string {
	t.Helper()
	name := e.create(t)
	openAndClose(t, e.server, name, "CREATE TABLE "+mark+" (id {id}){opts}")
	return name
}

// holds checks which database has a name; an empty mark is none.
func (e *env) holds(t *testing.T, name, mark string) {
	t.Helper()
	db, err := e.server.Open(deadline(t), name)
	if mark == "" {
		if !errors.Is(err, engine.ErrNotExist) {
			t.Errorf("open %s: %v, want ErrNotExist", name, err)
		}
		if err == nil {
			closing(t, "database", db.Close)
		}
		return
	}
	if err != nil {
		t.Errorf("open %s: %v", name, err)
		return
	}
	defer closing(t, "database", db.Close)
	if diff := cmp.Diff([]string{mark}, tableNames(inspect(t, db))); diff != "" {
		t.Errorf("tables of %s (-want +got):\n%s", name, diff)
	}
}

func (e *env) rename(t *testing.T) {
	r := e.server.(engine.Renamer)
	t.Run("SwapAndUndo", func(t *testing.T) {
		live, fresh, aside := e.marked(t, "is_old"), e.marked(t, "is_new"), e.cfg.NewName(t)
		e.removeLater(t, aside)
		if err := r.Rename(deadline(t), engine.Move{From: live, To: aside}, engine.Move{From: fresh, To: live}); err != nil {
			t.Fatalf("swap: %v", err)
		}
		e.holds(t, live, "is_new")
		e.holds(t, aside, "is_old")
		e.holds(t, fresh, "")
		if err := r.Rename(deadline(t), engine.Move{From: live, To: fresh}, engine.Move{From: aside, To: live}); err != nil {
			t.Fatalf("undo: %v", err)
		}
		e.holds(t, live, "is_old")
		e.holds(t, fresh, "is_new")
		e.holds(t, aside, "")
	})
	t.Run("Refused", func(t *testing.T) {
		one, two, free := e.marked(t, "is_one"), e.marked(t, "is_two"), e.cfg.NewName(t)
		e.removeLater(t, free)
		for _, c := range []struct {
			moves []engine.Move
			want  error
		}{
			{[]engine.Move{{From: one, To: two}}, engine.ErrExist},
			{[]engine.Move{{From: free, To: e.cfg.NewName(t)}}, engine.ErrNotExist},
			{[]engine.Move{{From: one, To: free}, {From: two, To: free}}, engine.ErrExist},
			{[]engine.Move{{From: one, To: free}, {From: one, To: two}}, engine.ErrNotExist},
		} {
			if err := r.Rename(deadline(t), c.moves...); !errors.Is(err, c.want) {
				t.Errorf("rename %v: %v, want %v", c.moves, err, c.want)
			}
			e.holds(t, one, "is_one")
			e.holds(t, two, "is_two")
			e.holds(t, free, "")
		}
	})
	t.Run("InUse", func(t *testing.T) {
		one, free := e.marked(t, "is_one"), e.cfg.NewName(t)
		e.removeLater(t, free)
		_, release := hold(t, connect(t, e.cfg), one)
		if err := r.Rename(deadline(t), engine.Move{From: one, To: free}); !errors.Is(err, engine.ErrInUse) {
			t.Errorf("rename a database that has a session: %v, want ErrInUse", err)
		}
		release()
		e.holds(t, one, "is_one")
		e.holds(t, free, "")
	})
	t.Run("KeepsEverything", e.renameKeeps)
}

func (e *env) renameKeeps(t *testing.T) {
	name, free := e.create(t), e.cfg.NewName(t)
	e.removeLater(t, free)
	openAndClose(t, e.server, name, slices.Concat(family(), trigger(e.family), ledger(),
		[]string{"INSERT INTO parent VALUES (1, 'p')", "INSERT INTO child VALUES (1, 1, 'c', NULL)"})...)
	look := func(name string) *schema.Schema {
		db, err := e.server.Open(deadline(t), name)
		if err != nil {
			t.Fatalf("open %s: %v", name, err)
		}
		defer closing(t, "database", db.Close)
		if n := number(t, db, "SELECT count(*) FROM both_names"); n != 1 {
			t.Errorf("the view shows %d rows, want 1", n)
		}
		return inspect(t, db)
	}
	before := look(name)
	info, err := e.server.Stat(deadline(t), name)
	if err != nil {
		t.Fatalf("stat: %v", err)
	}
	if err := e.server.(engine.Renamer).Rename(deadline(t), engine.Move{From: name, To: free}); err != nil {
		t.Fatalf("rename: %v", err)
	}
	after := look(free)
	if diff := schema.Diff(before.Objects, after.Objects); diff != nil {
		t.Errorf("objects: %v", diff)
	}
	if diff := cmp.Diff(before.Sequences, after.Sequences); diff != "" {
		t.Errorf("sequences (-before +after):\n%s", diff)
	}
	got, err := e.server.Stat(deadline(t), free)
	if err != nil {
		t.Fatalf("stat: %v", err)
	}
	if diff := cmp.Diff(info.Properties, got.Properties); diff != "" {
		t.Errorf("properties (-before +after):\n%s", diff)
	}
}

// checkMove has nothing to say of what renameKeeps renames, in use as it is, and changes nothing.
func (e *env) checkMove(t *testing.T) {
	checker := e.server.(engine.MoveChecker)
	name, probe := e.create(t), e.create(t)
	openAndClose(t, e.server, name, slices.Concat(family(), trigger(e.family), ledger())...)
	db, err := connect(t, e.cfg).Open(deadline(t), name)
	if err != nil {
		t.Fatalf("open %s: %v", name, err)
	}
	defer closing(t, "database", db.Close)
	before := inspect(t, db)
	for _, probe := range []string{"", probe} {
		if err := checker.CheckMove(deadline(t), name, probe); err != nil {
			t.Errorf("check, with the probe %q: %v", probe, err)
		}
	}
	if diff := schema.Diff(before.Objects, inspect(t, db).Objects); diff != nil {
		t.Errorf("the check changed the database: %v", diff)
	}
	if err := e.server.Drop(deadline(t), probe); err != nil {
		t.Errorf("drop the probe: %v", err)
	}
	if err := checker.CheckMove(deadline(t), probe, ""); !errors.Is(err, engine.ErrNotExist) {
		t.Errorf("check a database that is not there: %v, want ErrNotExist", err)
	}
}

func (e *env) evict(t *testing.T) {
	name, other := e.create(t), e.create(t)
	session, _ := hold(t, connect(t, e.cfg), name)
	bystander, _ := hold(t, connect(t, e.cfg), other)
	info, err := e.server.Stat(deadline(t), name)
	if err != nil || info.Sessions < 1 {
		t.Errorf("stat: %+v, %v, want at least 1 session", info, err)
	}
	if err := e.server.(engine.Evicter).Evict(deadline(t), name); err != nil {
		t.Fatalf("evict: %v", err)
	}
	var n int
	if err := session.QueryRowContext(deadline(t), "SELECT 1").Scan(&n); err == nil {
		t.Error("the session outlived its eviction")
	}
	number(t, bystander, "SELECT 1")
	if err := e.server.Drop(deadline(t), name); err != nil {
		t.Errorf("drop at once after the eviction: %v", err)
	}
}
