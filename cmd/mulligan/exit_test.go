package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"mulligan/engine"
	"mulligan/internal/lock"
	"mulligan/migration"
	"mulligan/repair"
)

// TestBegunRepair: a repair that wrote something never ends with the word that nothing was, whatever ended it.
func TestBegunRepair(t *testing.T) {
	for _, c := range []struct {
		cause error
		code  int
	}{
		{context.Canceled, exitInterrupted}, {errors.New("the server went away"), exitMidway},
		{repair.ErrRefused, exitMidway}, {migration.ErrHeld, exitMidway},
	} {
		code, hints := classify(fmt.Errorf("%w: %w", repair.ErrMidway, c.cause))
		said := strings.Join(hints, "; ")
		if code != c.code || !strings.Contains(said, "run it again") || strings.Contains(said, "nothing was changed") || strings.Contains(said, "as it was") {
			t.Errorf("%v: exit code %d, want %d; hints: %s", c.cause, code, c.code, said)
		}
	}
	if code, hints := classify(context.Canceled); code != exitInterrupted || !strings.Contains(strings.Join(hints, ""), "nothing was changed") {
		t.Errorf("interrupted before that: %d, %q", code, hints)
	}
}

// TestLockedHints: whoever is locked out is told where to look, and to end a session only where nothing is lost by it.
func TestLockedHints(t *testing.T) {
	here := lock.This("rebuild", "r1")
	elsewhere, gone, backup := here, here, lock.This("backup", "")
	elsewhere.Host = "alpha"
	gone.Start = "1"
	for want, e := range map[string]engine.LockedError{
		"wait for it; `mulligan runs show r1` shows it":                 {Holder: here, End: "KILL 7"},
		"wait for it; on host alpha `mulligan runs show r1` shows it|7": {Holder: elsewhere, End: "KILL 7"},
		"wait for it; `mulligan runs list` may show it|7":               {End: "KILL 7"},
		"wait for it": {Holder: backup},
		"nobody is behind that lock any more: have its session ended in the server: KILL 7": {Holder: gone, End: "KILL 7"},
	} {
		code, hints := classify(fmt.Errorf("lock database app: %w", &e))
		text, kill, _ := strings.Cut(want, "|")
		if code != exitLocked || !strings.HasSuffix(hints[0], text) || (kill != "") != (len(hints) == 2 && strings.HasSuffix(hints[1], "KILL 7")) {
			t.Errorf("exit code %d, hints %q, want %q", code, hints, want)
		}
	}
}
