package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

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
