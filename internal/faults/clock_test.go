package faults

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestClock steps the clock between the process that was killed and the one that goes on: by years in both directions.
// A program in Go asks the kernel for the time, so no library can lie to it: the step is made in what the first process
// has written down. The second runs in another time zone.
func TestClock(t *testing.T) {
	for _, engine := range some(engines(), "sqlite") {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			b := benchOf(t, engine)
			each(t, engine, few(1, 4), func(k int) { b.stepClock(t, k) })
		})
	}
}

func (b *bench) stepClock(t *testing.T, k int) {
	strategy, step := strategies()[k/2%2], []time.Duration{10 * 365 * 24 * time.Hour, -10 * 365 * 24 * time.Hour}[k%2]
	x := b.begin(t, map[bool]string{true: "clock steps back", false: "clock steps forward"}[step > 0], k)
	c := x.site.start(t, "rebuild", "--yes", "--strategy", strategy)
	x.hit(x.stageOf(k), c, c.kill)
	x.stage = x.site.stage()
	if c.code != -1 {
		x.finish(x.ended(c))
		return
	}
	made.table.killed()
	x.site.shiftJournal(t, step)
	x.site.env = append(x.site.env, "TZ=Pacific/Kiritimati")
	x.stopped(strategy)
	x.finish(x.recover(strategy))
}

// shiftJournal moves the times of a journal, by the rules of docs/journal.md.
func (s *site) shiftJournal(t testing.TB, by time.Duration) {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(s.runs(), "*", "journal.jsonl"))
	if err != nil || len(list) > 1 {
		t.Fatalf("%d journals: %v", len(list), err)
	}
	if len(list) == 0 {
		return // the run had not begun
	}
	data, err := os.ReadFile(list[0])
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(data)) {
		var fields map[string]json.RawMessage
		var at time.Time
		if len(line) < 10 || json.Unmarshal([]byte(line[9:]), &fields) != nil || json.Unmarshal(fields["time"], &at) != nil {
			t.Fatalf("a line of the journal: %.200s", line)
		}
		old := string(fields["time"])
		text := strings.Replace(strings.TrimSuffix(line[9:], "\n"), old, `"`+at.Add(by).Format(time.RFC3339Nano)+`"`, 1)
		fmt.Fprintf(&out, "%08x %s\n", crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli)), text)
	}
	if err := os.WriteFile(list[0], []byte(out.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}
