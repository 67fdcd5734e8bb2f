package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// A replay is shown on a terminal as it goes, elsewhere by a line every ten seconds, and nothing of it stays on the terminal.
func TestProgressOfSteps(t *testing.T) {
	now := time.Unix(0, 0)
	show := func(terminal bool) string {
		var out bytes.Buffer
		p := &progress{out: &out, terminal: terminal, now: func() time.Time { return now }}
		for n, id := range []string{"one", "two", "three", "four"} {
			p.step("replay", id, n+1)
			now = now.Add(4 * time.Second)
		}
		p.close()
		return out.String()
	}
	if got := show(true); strings.Count(got, "replay") != 4 || !strings.HasSuffix(got, "replay 4: four\r\x1b[K") {
		t.Errorf("on a terminal %q", got)
	}
	if got, want := show(false), "  … replay          4, at four\n"; got != want {
		t.Errorf("elsewhere %q, want %q", got, want)
	}
}
