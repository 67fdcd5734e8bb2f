package enginetest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
)

func testServer(t *testing.T, e *env) {
	t.Run("Traits", func(t *testing.T) {
		first, second := e.server.Traits(), connect(t, e.cfg).Traits()
		if first.Identity == "" || first.Version == "" || first.Family == "" {
			t.Errorf("traits lack something: %+v", first)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("two connections to one server differ (-first +second):\n%s", diff)
		}
	})
	t.Run("ErrNotExist", e.notExist)
	t.Run("ErrExist", func(t *testing.T) {
		name := e.create(t)
		if err := e.server.Create(deadline(t), name, nil); !errors.Is(err, engine.ErrExist) {
			t.Errorf("create a database that exists: %v, want ErrExist", err)
		}
	})
	t.Run("CreateLike", e.createLike)
	t.Run("OpenProvesName", e.openProvesName)
	t.Run("Drop", func(t *testing.T) {
		name := e.create(t)
		openAndClose(t, e.server, name, "CREATE TABLE thing (id {id}){opts}")
		if err := e.server.Drop(deadline(t), name); err != nil {
			t.Fatalf("drop: %v", err)
		}
		if _, err := e.server.Stat(deadline(t), name); !errors.Is(err, engine.ErrNotExist) {
			t.Errorf("stat after drop: %v, want ErrNotExist", err)
		}
	})
	t.Run("DropInUse", func(t *testing.T) {
		name := e.create(t)
		hold(t, connect(t, e.cfg), name)
		if err := e.server.Drop(deadline(t), name); !errors.Is(err, engine.ErrInUse) {
			t.Errorf("drop a database that has a session: %v, want ErrInUse", err)
		}
		if _, err := e.server.Stat(deadline(t), name); err != nil {
			t.Errorf("stat after a refused drop: %v", err)
		}
	})
	t.Run("Cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := e.server.Stat(ctx, e.create(t)); err == nil {
			t.Error("stat with an ended context gave no error")
		}
	})
}

func (e *env) notExist(t *testing.T) {
	name := e.cfg.NewName(t)
	if _, err := e.server.Stat(deadline(t), name); !errors.Is(err, engine.ErrNotExist) {
		t.Errorf("stat: %v, want ErrNotExist", err)
	} else if !strings.Contains(err.Error(), name) {
		t.Errorf("stat: the error %q does not say which database", err)
	}
	if err := e.server.Drop(deadline(t), name); !errors.Is(err, engine.ErrNotExist) {
		t.Errorf("drop: %v, want ErrNotExist", err)
	}
	db, err := e.server.Open(deadline(t), name)
	if !errors.Is(err, engine.ErrNotExist) {
		t.Errorf("open: %v, want ErrNotExist", err)
	}
	if err == nil {
		closing(t, "database", db.Close)
	}
	if _, err := e.server.Stat(deadline(t), name); !errors.Is(err, engine.ErrNotExist) {
		t.Errorf("stat after a failed open: %v, want ErrNotExist", err)
	}
}

func (e *env) createLike(t *testing.T) {
	source := e.create(t)
	like, err := e.server.Stat(deadline(t), source)
	if err != nil {
		t.Fatalf("stat: %v", err)
	}
	if like.Name != source {
		t.Errorf("stat gave the name %q, want %q", like.Name, source)
	}
	twin := e.cfg.NewName(t)
	if err := e.server.Create(deadline(t), twin, like); err != nil {
		t.Fatalf("create like: %v", err)
	}
	e.removeLater(t, twin)
	got, err := e.server.Stat(deadline(t), twin)
	if err != nil {
		t.Fatalf("stat the twin: %v", err)
	}
	got.Name, got.Bytes, got.Sessions = like.Name, like.Bytes, like.Sessions
	if diff := cmp.Diff(like, got); diff != "" {
		t.Errorf("a database created like another differs (-want +got):\n%s", diff)
	}
	if s := inspect(t, e.reopen(t, twin)); len(s.Tables) != 0 || len(s.Sequences) != 0 {
		t.Errorf("a new database holds tables %v and sequences %v", tableNames(s), s.Sequences)
	}
}

func (e *env) openProvesName(t *testing.T) {
	one, two := e.create(t), e.create(t)
	openAndClose(t, e.server, one, "CREATE TABLE in_one (id {id}){opts}")
	openAndClose(t, e.server, two, "CREATE TABLE in_two (id {id}){opts}")
	if diff := cmp.Diff([]string{"in_one"}, tableNames(inspect(t, e.reopen(t, one)))); diff != "" {
		t.Errorf("tables of the first database (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"in_two"}, tableNames(inspect(t, e.reopen(t, two)))); diff != "" {
		t.Errorf("tables of the second database (-want +got):\n%s", diff)
	}
}

// openAndClose runs statements in a database and leaves no session on it.
func openAndClose(t testing.TB, s engine.Server, name string, statements ...string) {
	t.Helper()
	db, err := s.Open(deadline(t), name)
	if err != nil {
		t.Fatalf("open database %s: %v", name, err)
	}
	defer closing(t, "database", db.Close)
	exec(t, db, statements...)
}

// hold keeps a session on a database until the test ends or the result is called.
func hold(t testing.TB, s engine.Server, name string) (session engine.Session, release func()) {
	t.Helper()
	db, err := s.Open(deadline(t), name)
	if err != nil {
		t.Fatalf("open database %s: %v", name, err)
	}
	session, err = db.Session(deadline(t))
	if err != nil {
		t.Fatalf("session: %v", err)
	}
	if n := number(t, session, "SELECT 1"); n != 1 {
		t.Errorf("select 1 gave %d", n)
	}
	done := false
	release = func() {
		if !done {
			done = true
			// An evicted session cannot be closed in peace: its error says nothing about the adapter.
			_ = session.Close()
			_ = db.Close()
		}
	}
	t.Cleanup(release)
	return session, release
}

func testScratch(t *testing.T, e *env) {
	t.Run("RefusesOthers", func(t *testing.T) {
		name := e.create(t)
		if _, err := engine.AdoptScratch(e.server, name); err == nil {
			t.Fatal("a database that is no scratch was adopted as one")
		}
		if _, err := e.server.Stat(deadline(t), name); err != nil {
			t.Errorf("stat: %v", err)
		}
	})
	scratch := func(t *testing.T) *engine.Scratch {
		t.Helper()
		name := engine.ScratchName(e.cfg.NewName(t), "9f3a1c", e.server.Traits().NameLimit)
		s, err := engine.NewScratch(deadline(t), e.server, name, nil)
		if err != nil {
			t.Fatalf("new scratch: %v", err)
		}
		e.removeLater(t, name)
		return s
	}
	t.Run("DropTwice", func(t *testing.T) {
		s := scratch(t)
		for range 2 {
			if err := s.Drop(deadline(t)); err != nil {
				t.Fatalf("drop scratch: %v", err)
			}
		}
		if _, err := e.server.Stat(deadline(t), s.Name()); !errors.Is(err, engine.ErrNotExist) {
			t.Errorf("stat: %v, want ErrNotExist", err)
		}
	})
	t.Run("ErrExist", func(t *testing.T) {
		if _, err := engine.NewScratch(deadline(t), e.server, scratch(t).Name(), nil); !errors.Is(err, engine.ErrExist) {
			t.Errorf("make a scratch twice: %v, want ErrExist", err)
		}
	})
	t.Run("EndsSessions", func(t *testing.T) {
		s := scratch(t)
		_, release := hold(t, connect(t, e.cfg), s.Name())
		err := s.Drop(deadline(t))
		if _, ok := e.server.(engine.Evicter); ok && err != nil {
			t.Errorf("drop a scratch that has a session: %v", err)
		} else if !ok && !errors.Is(err, engine.ErrInUse) {
			t.Errorf("drop a scratch that has a session, without an evicter: %v, want ErrInUse", err)
		}
		release()
	})
}

func testSession(t *testing.T, e *env) {
	open := func(t *testing.T) engine.Session {
		t.Helper()
		s, err := e.open(t, "CREATE TABLE thing (id {id}, note {key}){opts}").Session(deadline(t))
		if err != nil {
			t.Fatalf("session: %v", err)
		}
		t.Cleanup(func() { closing(t, "session", s.Close) })
		return s
	}
	t.Run("OneConnection", func(t *testing.T) {
		s := open(t)
		exec(t, s, begin(e.family), "INSERT INTO thing VALUES (1, 'a')", "ROLLBACK")
		if n := number(t, s, "SELECT count(*) FROM thing"); n != 0 {
			t.Errorf("%d rows after a rollback, want 0: the statements ran on several connections", n)
		}
	})
	t.Run("Script", func(t *testing.T) {
		s := open(t)
		const text = "-- a comment; with a semicolon\nINSERT INTO thing VALUES (1, 'a;b');\n" +
			"INSERT INTO thing VALUES (2, 'it''s'), (3, '--');\n\n/* another; one */\nUPDATE thing SET note = 'c' WHERE id = 2;\n"
		if err := s.Script(deadline(t), text); err != nil {
			t.Fatalf("script: %v", err)
		}
		if n := number(t, s, "SELECT count(*) FROM thing WHERE note IN ('a;b', 'c', '--')"); n != 3 {
			t.Errorf("the script left %d right rows, want 3", n)
		}
	})
	t.Run("ScriptStops", func(t *testing.T) {
		s := open(t)
		if err := s.Script(deadline(t), "SELECT nothing_has_this_name FROM thing; INSERT INTO thing VALUES (2, 'b');"); err == nil {
			t.Error("a script with a wrong statement gave no error")
		}
		if n := number(t, s, "SELECT count(*) FROM thing"); n != 0 {
			t.Errorf("%d rows came from after the wrong statement", n)
		}
	})
	t.Run("EmptyScript", func(t *testing.T) {
		s := open(t)
		for _, text := range []string{"", "\n", "-- only a comment\n"} {
			if err := s.Script(deadline(t), text); err != nil {
				t.Errorf("script %q: %v", text, err)
			}
		}
	})
}
