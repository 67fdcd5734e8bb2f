package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"mulligan/engine"
)

// server remembers what it was asked to do.
type server struct {
	engine.Server
	calls   []string
	results map[string][]error // by call, one after the other
}

func (s *server) call(what string) error {
	s.calls = append(s.calls, what)
	if list := s.results[what]; len(list) > 0 {
		s.results[what] = list[1:]
		return list[0]
	}
	return nil
}

func (s *server) Create(_ context.Context, name string, _ *engine.Info) error {
	return s.call("create " + name)
}
func (s *server) Drop(_ context.Context, name string) error { return s.call("drop " + name) }

// evicter is a server that can end sessions.
type evicter struct{ *server }

func (e evicter) Evict(_ context.Context, name string) error { return e.call("evict " + name) }

func TestScratch(t *testing.T) {
	const name = "app__mulligan_1"
	broken := errors.New("broken")
	for what, c := range map[string]struct {
		results map[string][]error
		evicts  bool
		want    error
		calls   []string
	}{
		"OK":         {nil, false, nil, []string{"create " + name, "drop " + name}},
		"Gone":       {map[string][]error{"drop " + name: {engine.ErrNotExist}}, false, nil, []string{"create " + name, "drop " + name}},
		"InUse":      {map[string][]error{"drop " + name: {engine.ErrInUse}}, false, engine.ErrInUse, []string{"create " + name, "drop " + name}},
		"Evicts":     {nil, true, nil, []string{"create " + name, "evict " + name, "drop " + name}},
		"EvictFails": {map[string][]error{"drop " + name: {engine.ErrInUse}, "evict " + name: {broken}}, true, broken, []string{"create " + name, "evict " + name, "drop " + name}},
		"NoNeed":     {map[string][]error{"evict " + name: {broken}}, true, nil, []string{"create " + name, "evict " + name, "drop " + name}},
		"Broken":     {map[string][]error{"drop " + name: {broken}}, true, broken, []string{"create " + name, "evict " + name, "drop " + name}},
	} {
		t.Run(what, func(t *testing.T) {
			s := &server{results: c.results}
			var port engine.Server = s
			if c.evicts {
				port = evicter{s}
			}
			scratch, err := engine.NewScratch(t.Context(), port, name, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := scratch.Drop(t.Context()); !errors.Is(err, c.want) {
				t.Errorf("drop: %v, want %v", err, c.want)
			}
			if !slices.Equal(s.calls, c.calls) {
				t.Errorf("calls %q, want %q", s.calls, c.calls)
			}
		})
	}
}

func TestScratchRefuses(t *testing.T) {
	for _, name := range []string{"app", "", "mulligan", "__mulliga", "app__mulligan_old_1", "app__MULLIGAN_1"} {
		s := &server{}
		if _, err := engine.NewScratch(t.Context(), s, name, nil); err == nil {
			t.Errorf("%q became a scratch", name)
		}
		if _, err := engine.AdoptScratch(s, name); err == nil {
			t.Errorf("%q was adopted as a scratch", name)
		}
		if len(s.calls) != 0 {
			t.Errorf("%q: the server was asked %q", name, s.calls)
		}
	}
	if err := (&engine.Scratch{}).Drop(t.Context()); err == nil {
		t.Error("the zero Scratch dropped something")
	}
	s := &server{results: map[string][]error{"create a__mulligan_1": {engine.ErrExist}}}
	if _, err := engine.NewScratch(t.Context(), s, "a__mulligan_1", nil); !errors.Is(err, engine.ErrExist) {
		t.Errorf("a scratch that exists: %v, want ErrExist", err)
	}
}

// Only a name that a run gives to what it takes out of a database's place is taken up as set aside.
func TestSetAsideRefuses(t *testing.T) {
	s := named{&server{}}
	for _, name := range []string{"app__mulligan_old_1", "app__mulligan_new_1"} {
		if _, err := engine.AdoptSetAside(s, "app", "1", name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, c := range [][3]string{ // database, run, name
		{"app", "1", "app"}, {"app", "1", ""}, {"app", "1", "app__mulligan_1"}, {"app", "1", "app__mulligan_old_2"}, {"app", "1", "other__mulligan_old_1"},
		{"app", "", "app__mulligan_old_"}, {"", "1", "__mulligan_old_1"}, {"app__mulligan_old_1", "1", "app__mulligan_old_1"},
	} {
		if _, err := engine.AdoptSetAside(s, c[0], c[1], c[2]); err == nil {
			t.Errorf("%q was taken up as what run %q set aside of %q", c[2], c[1], c[0])
		}
	}
	if err := (&engine.SetAside{}).Drop(t.Context(), func() error { return nil }); err == nil || len(s.calls) > 0 {
		t.Errorf("the zero SetAside: %v; the server was asked %q", err, s.calls)
	}
}

// named is a server whose names have no limit.
type named struct{ *server }

func (named) Traits() engine.Traits { return engine.Traits{} }

// The names that a run makes are told apart, fit the server and keep their run, whatever the database is called.
func TestScratchNames(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		database := rapid.StringN(1, 80, -1).Draw(r, "database")
		run := rapid.StringMatching("[0-9a-f]{6}").Draw(r, "run")
		limit := rapid.SampledFrom([]int{0, 63, 64}).Draw(r, "limit")
		scratch, aside := engine.ScratchName(database, run, limit), engine.AsideName(database, run, limit)
		if !engine.IsScratchName(scratch) || engine.IsScratchName(aside) {
			r.Fatalf("scratch %q and set-aside %q are not told apart", scratch, aside)
		}
		for _, name := range []string{scratch, aside} {
			if !strings.HasSuffix(name, run) || limit > 0 && len(name) > limit {
				r.Fatalf("name %q of %d bytes for run %s, limit %d", name, len(name), run, limit)
			}
			if utf8.ValidString(database) && !utf8.ValidString(name) {
				r.Fatalf("name %q is cut inside a letter", name)
			}
		}
		if limit == 0 && !strings.HasPrefix(scratch, database) {
			r.Fatalf("%q does not begin with %q", scratch, database)
		}
	})
}
