package engine_test

import (
	"errors"
	"slices"
	"testing"

	"mulligan/engine"
)

// A fence ends once, whether it is released or let go, and an error of its end reaches who ends it.
func TestFences(t *testing.T) {
	var fences engine.Fences[string]
	ended := map[string]int{}
	lost := errors.New("lost")
	add := func(database, own string, err error) func() error {
		return fences.Add(database, own, func() error { ended[own]++; return err })
	}
	first, second, other := add("app", "first", nil), add("app", "second", lost), add("other", "third", nil)
	list, done := fences.Of("app")
	done()
	if !slices.Equal(list, []string{"first", "second"}) || !fences.Any() {
		t.Errorf("the fences are %q, any %t", list, fences.Any())
	}
	if err := first(); err != nil || ended["first"] != 1 {
		t.Errorf("release: %v, ended %d times", err, ended["first"])
	}
	if err := fences.LetGo("app"); !errors.Is(err, lost) || ended["second"] != 1 {
		t.Errorf("let go: %v, ended %d times; want the error of the one that was lost", err, ended["second"])
	}
	if err := errors.Join(first(), fences.LetGo("app")); err != nil || ended["first"] != 1 {
		t.Errorf("once more: %v, ended %d times", err, ended["first"])
	}
	if err := second(); !errors.Is(err, lost) || ended["second"] != 1 {
		t.Errorf("release after it was let go: %v, ended %d times", err, ended["second"])
	}
	if !fences.Any() {
		t.Error("the other database's fence is not known any more")
	}
	if err := other(); err != nil || fences.Any() {
		t.Errorf("release: %v, any %t", err, fences.Any())
	}
}
