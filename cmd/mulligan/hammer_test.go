package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mulligan/internal/testdb"
)

// hammer is a number of writers that insert rows for as long as they are let, coming back whenever they are thrown out.
type hammer struct {
	stop    context.CancelFunc
	writers sync.WaitGroup

	mu    sync.Mutex // guards acked
	acked []string   // names of rows whose insert was acknowledged
}

// hammer starts eight writers.
func (s *site) hammer() *hammer {
	s.t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(s.t.Context()))
	h := &hammer{stop: stop}
	for w := range 8 {
		db := s.open(s.t, "")
		db.SetMaxOpenConns(1)
		h.writers.Go(func() {
			defer db.Close()
			for n := 0; ctx.Err() == nil; n++ {
				name := fmt.Sprintf("writer %d row %d", w, n)
				_, err := db.ExecContext(ctx, "INSERT INTO settings (name, content) VALUES ('"+name+"', 'x')")
				if err == nil {
					h.mu.Lock()
					h.acked = append(h.acked, name)
					h.mu.Unlock()
				}
				select {
				case <-ctx.Done():
				case <-time.After(5 * time.Millisecond):
				}
			}
		})
	}
	s.t.Cleanup(h.end)
	return h
}

func (h *hammer) end() {
	h.stop()
	h.writers.Wait()
}

// lost lists the acknowledged rows that the database does not have.
func (h *hammer) lost(s *site) (lost []string) {
	rows, err := s.query(s.t, "", "SELECT name FROM settings WHERE name LIKE 'writer %'")
	if err != nil {
		s.t.Fatal(err)
	}
	var names []string
	for _, r := range rows {
		names = append(names, r[0])
	}
	slices.Sort(names)
	for _, name := range h.acked {
		if _, there := slices.BinarySearch(names, name); !there {
			lost = append(lost, name)
		}
	}
	return lost
}

// TestHammered rebuilds a database that eight writers never leave alone: no row that they were told is safe is lost, and a
// swap that does not come about says which table was written to. With a fence it comes about where the server can keep them out
// up to the last moment.
func TestHammered(t *testing.T) {
	for _, engine := range engines() {
		for _, flags := range [][]string{{"--evict"}, {"--evict", "--fence"}} {
			t.Run(engine+"/"+strings.Join(flags, ""), func(t *testing.T) {
				t.Parallel()
				testHammered(t, engine, flags)
			})
		}
	}
}

func testHammered(t *testing.T, engine string, flags []string) {
	fenced := len(flags) > 1
	var own *testdb.Server
	if fenced && engine == "mysql" {
		own = testdb.NewMySQL(t) // a fence and the global read lock of anybody's backup hold each other up there
	}
	s := newSiteOn(t, engine, own)
	h := s.hammer()
	run := s.run(append([]string{"rebuild", "--yes"}, flags...)...)
	h.end()
	if len(h.acked) < 8 {
		t.Errorf("only %d rows were written", len(h.acked))
	}
	if lost := h.lost(s); len(lost) > 0 {
		t.Fatalf("exit code %d: %d of %d acknowledged rows are lost: %v\n%s", run.code, len(lost), len(h.acked), lost[:min(len(lost), 10)], run.stderr())
	}
	t.Logf("exit code %d; %d rows were written while it ran", run.code, len(h.acked))
	if fenced && engine == "postgres" && run.code != 0 {
		t.Errorf("exit code %d, though nobody could write:\n%s", run.code, run.stderr())
	}
	if run.code == 0 && fenced {
		return
	}
	busy := engine == "sqlite" && strings.Contains(run.stderr(), "in use") // nobody can end another process's use of a file
	if named := strings.Contains(run.stderr(), "table settings") || strings.Contains(run.stderr(), "table public.settings"); run.code != exitFailed || !named && !busy {
		t.Errorf("exit code %d, and it does not say which table was written to:\n%s", run.code, run.stderr())
	}
	if left := s.beside(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	// Now that they rest, it goes on with all that they have written.
	s.must(0, "resume", "--refresh")
	if lost := h.lost(s); len(lost) > 0 {
		t.Errorf("after the refresh %d acknowledged rows are lost", len(lost))
	}
}
