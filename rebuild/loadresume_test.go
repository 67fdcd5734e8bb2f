package rebuild_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"mulligan/backup"
	"mulligan/engine"
	"mulligan/journal"
	"mulligan/migration/dbmate"
	"mulligan/pipeline"
	"mulligan/rebuild"
	"mulligan/restore"
	"mulligan/schema"
	"mulligan/snapshot"
)

// deathVariable says at which call of which name the child of a test kills itself: "load 7 after".
const deathVariable = "MULLIGAN_TEST_DEATH"

// dieAsTold lets the process kill itself.
func dieAsTold(p *process) {
	f := &faults{mode: dieBefore, kill: func() {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until the signal is there
	}}
	var when string
	if n, _ := fmt.Sscanf(os.Getenv(deathVariable), "%s %d %s", &f.only, &f.at, &when); n < 3 {
		return
	}
	if when == "after" {
		f.mode = dieAfter
	}
	f.inject(p)
}

// chunked is a site with a snapshot of its database in many chunks.
type chunked struct {
	*site
	id     snapshot.ID
	chunks map[string]int // of each carried table
	total  int
}

func newChunked(t testing.TB, model *site) *chunked {
	t.Helper()
	return chunk(t, copySite(t, model), 8<<10)
}

// chunk takes a snapshot of a site in chunks of about a size.
func chunk(t testing.TB, s *site, size int64) *chunked {
	t.Helper()
	c := &chunked{site: s, chunks: map[string]int{}}
	db, err := c.real.Open(t.Context(), c.name)
	must(t, err)
	defer func() { must(t, db.Close()) }()
	src := backup.Source{Server: c.real, DB: db, Name: c.name, Target: "app", Tool: dbmate.New([]string{c.files}, schema.Name{})}
	m, err := backup.Run(t.Context(), src, c.store, &backup.Options{Chunk: size})
	must(t, err)
	c.id = m.ID
	for _, tb := range m.Tables {
		if tb.Name != m.Ledger.Table {
			c.chunks[tb.Name.String()] = len(tb.Chunks)
			c.total += len(tb.Chunks)
		}
	}
	if c.total < 20 {
		t.Fatalf("the snapshot has few chunks: %v", c.chunks)
	}
	return c
}

// restore begins a run that brings the snapshot back.
func (c *chunked) restore(t testing.TB, strategy restore.Strategy) *process {
	t.Helper()
	h, err := rebuild.NewHeader(c.real, c.url, "app", c.id, strategy, time.Now())
	must(t, err)
	h.Options.Jobs = 2
	p := c.process(h)
	must(t, openJournal(t, p).Close())
	return p
}

// dies runs a process of the run that kills itself.
func (p *process) dies(t testing.TB, death string, env ...string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), childVariable+"="+p.journal, deathVariable+"="+death), env...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err == nil || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the process that was to die at %q: %v", death, err)
	}
}

// noted lists the chunks that the journal calls loaded.
func (p *process) noted(t testing.TB) (list []string) {
	t.Helper()
	entries, err := journal.Read(p.journal)
	must(t, err)
	for _, e := range entries {
		if e.Kind != journal.KindNote || e.Stage != "load" {
			continue
		}
		var n struct {
			Chunks []struct {
				Table string
				Seq   int
			}
		}
		must(t, json.Unmarshal(e.Data, &n))
		for _, c := range n.Chunks {
			list = append(list, fmt.Sprint(c.Table, " ", c.Seq))
		}
	}
	return list
}

// resume takes the run up to its end. It must go on with the load: what was before is not done again. It says how many chunks it loaded
// and how many tables it emptied.
func (p *process) resume(t testing.TB, s *site) (loads, emptied int) {
	t.Helper()
	next := s.process(p.Header)
	f := &faults{}
	f.inject(next)
	next.Notify = func(e pipeline.Event) {
		if e.Outcome == pipeline.Started && (e.Stage == "create" || e.Stage == "replay") {
			t.Errorf("the resume did %s again", e.Stage)
		}
	}
	must(t, next.execute(t, t.Context()))
	for _, what := range f.calls {
		switch what {
		case "load":
			loads++
		case "empty":
			emptied++
		}
	}
	return loads, emptied
}

// unnoted is how many chunks of a table can be in without a note: those that wait for one, and those under way.
const unnoted = 4 + 2

// A load of many chunks is killed by SIGKILL. Another process goes on with it: neither the migrations nor the chunks that were noted
// are done again, and what comes out is what an undisturbed run makes.
func TestLoadGoesOnAfterKill9(t *testing.T) {
	t.Parallel()
	model := newSite(t, 8000)
	before := model.dump(t, model.name)
	whole := newChunked(t, model)
	must(t, whole.restore(t, restore.Beside).execute(t, t.Context()))
	after := whole.dump(t, whole.name)
	if !strings.Contains(after, "of user7999") {
		t.Fatal("the undisturbed run went wrong")
	}
	for i, death := range []string{
		"load 1 before", "load 1 after", fmt.Sprintf("load %d before", whole.total/2), fmt.Sprintf("load %d after", whole.total-1),
		"finish 1 before", "finish 1 after",
	} {
		for k, strategy := range strategies() {
			if (i+k)%2 == 0 {
				continue // each strategy is killed at every other place, and each place is once
			}
			t.Run(death, func(t *testing.T) {
				c := newChunked(t, model)
				p := c.restore(t, strategy)
				p.dies(t, death)
				noted := p.noted(t)
				loads, emptied := p.resume(t, c.site)
				if emptied > 0 {
					t.Errorf("%d tables were loaded again from their first row", emptied)
				}
				if most := c.total - len(noted); loads > most || loads < most-len(c.chunks)*unnoted {
					t.Errorf("%d chunks of %d were noted, and %d were loaded by the resume", len(noted), c.total, loads)
				}
				all := map[string]bool{}
				for _, n := range p.noted(t) {
					if all[n] {
						t.Errorf("chunk %s was loaded twice", n)
					}
					all[n] = true
				}
				if len(all) != c.total {
					t.Errorf("%d chunks of %d are noted in the end", len(all), c.total)
				}
				c.wantProved(t, p, before, after)
				t.Logf("%s: %d of %d chunks were noted, %d loaded by the resume", strategy, len(noted), c.total, loads)
			})
		}
	}
}

// Where the rows are not those of the chunks that were noted, the table is loaded from its first row, and that one alone. Where a note
// was lost, the chunks are found all the same.
func TestLoadTrustsRowsAndNotNotes(t *testing.T) {
	t.Parallel()
	model := newSite(t, 8000)
	before := model.dump(t, model.name)
	whole := newChunked(t, model)
	must(t, whole.restore(t, restore.Beside).execute(t, t.Context()))
	after := whole.dump(t, whole.name)
	death := fmt.Sprintf("load %d after", whole.total/2)
	for name, disturb := range map[string]func(t *testing.T, c *chunked, p *process) (emptied int){
		"a row was changed": func(t *testing.T, c *chunked, p *process) int {
			c.execOn(t, p.Header.Next, "UPDATE users SET nick = 'somebody' WHERE id = 7")
			return 1
		},
		"a row is gone": func(t *testing.T, c *chunked, p *process) int {
			c.execOn(t, p.Header.Next, "DELETE FROM users WHERE id = 7")
			return 1
		},
		"rows came to a table of which nothing was loaded": func(t *testing.T, c *chunked, p *process) int {
			c.execOn(t, p.Header.Next, "INSERT INTO roles VALUES ('somebody', 1)")
			return 1
		},
		"the last note was lost": func(t *testing.T, _ *chunked, p *process) int {
			text, err := os.ReadFile(p.journal)
			must(t, err)
			text = text[:strings.LastIndexByte(strings.TrimSuffix(string(text), "\n"), '\n')+1]
			must(t, os.WriteFile(p.journal, text, 0o600))
			return -1 // one or none: it depends on how many chunks the note was of
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newChunked(t, model)
			p := c.restore(t, restore.Beside)
			p.dies(t, death)
			want := disturb(t, c, p)
			noted := len(p.noted(t))
			loads, emptied := p.resume(t, c.site)
			if want >= 0 && emptied != want {
				t.Errorf("%d tables were emptied, want %d", emptied, want)
			}
			t.Logf("%d chunks of %d were noted; %d tables emptied, %d chunks loaded", noted, c.total, emptied, loads)
			c.wantProved(t, p, before, after)
		})
	}
}

// execOn runs a statement on a database without firing its triggers, which a load has taken off anyway.
func (s *site) execOn(t testing.TB, name, text string) {
	t.Helper()
	db, err := s.real.Open(t.Context(), name)
	must(t, err)
	defer func() { must(t, db.Close()) }()
	if _, err := db.ExecContext(t.Context(), text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// What cannot be gone on with is not: the database that was being loaded is gone, or is at another migration.
func TestLoadBeginsAgainWhereItCannotGoOn(t *testing.T) {
	t.Parallel()
	model := newSite(t, 8000)
	for name, disturb := range map[string]func(t *testing.T, c *chunked, p *process){
		"the database is gone": func(t *testing.T, c *chunked, p *process) {
			scratch, err := engine.AdoptScratch(c.real, p.Header.Next)
			must(t, err)
			must(t, scratch.Drop(t.Context()))
		},
		"another migration ran": func(t *testing.T, c *chunked, p *process) {
			c.execOn(t, p.Header.Next, "INSERT INTO schema_migrations VALUES ('005')")
		},
		"a migration was taken back": func(t *testing.T, c *chunked, p *process) {
			c.execOn(t, p.Header.Next, "DELETE FROM schema_migrations WHERE version = '003'")
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newChunked(t, model)
			p := c.restore(t, restore.Beside)
			p.dies(t, fmt.Sprintf("load %d after", c.total/2))
			disturb(t, c, p)
			next, again := c.process(p.Header), 0
			next.Notify = on("create", pipeline.Started, func() { again++ })
			must(t, next.execute(t, t.Context()))
			if again != 1 {
				t.Errorf("the database was made anew %d times, want once", again)
			}
			if !strings.Contains(c.dump(t, c.name), "of user7999") {
				t.Error("rows are missing")
			}
		})
	}
}

// Rows that break a constraint are named by their keys, the target is as it was, and a resume says the same until they are mended.
func TestRowsWithoutAParentAreNamed(t *testing.T) {
	t.Parallel()
	for _, strategy := range strategies() {
		s := newSite(t, fewUsers)
		s.exec(t, "INSERT INTO security_keys VALUES (71, 900, 'secret'), (72, 901, 'secret')")
		before := s.dump(t, s.name)
		p := s.begin(t, strategy)
		var said string
		for range 2 {
			failed := failure(t, s.process(p.Header).execute(t, context.Background()))
			if failed.State != rebuild.AsItWas || failed.Interrupted {
				t.Errorf("state %v, interrupted %t", failed.State, failed.Interrupted)
			}
			if said != "" && said != failed.Error() {
				t.Errorf("the resume says\n%s\nand not\n%s", failed, said)
			}
			said = failed.Error()
			s.wantAsItWas(t, before)
			s.wantAlone(t)
		}
		if want := "of table security_keys: 2 rows without a parent in table users: id 71, 72"; !strings.Contains(said, want) || strings.Contains(said, "secret") {
			t.Errorf("the run says %q, want %q", said, want)
		}
		if _, err := snapshot.Open(t.Context(), s.store, "app", p.Header.Snapshot); err != nil {
			t.Errorf("the snapshot of the failed run: %v", err)
		}
		s.exec(t, "DELETE FROM security_keys WHERE id IN (71, 72)")
		if err := s.begin(t, strategy).execute(t, t.Context()); err != nil {
			t.Errorf("when the rows are mended: %v", err)
		}
	}
}

// Rows that the schema does not take any more are named, too: here by a CHECK that the old table does not have.
func TestRowsThatACheckRefusesAreNamed(t *testing.T) {
	t.Parallel()
	s := newSite(t, fewUsers)
	s.migration(t, 2, strings.Replace(migrations()[2], "DEFAULT 1", "DEFAULT 1 CHECK (power >= 0)", 1))
	s.exec(t, "INSERT INTO roles VALUES ('debt', -5), ('loan', -1)")
	before := s.dump(t, s.name)
	p := s.begin(t, restore.Beside)
	p.Header.Options.At, p.Header.Options.AcceptDrift = "004", true
	var said string
	for range 2 {
		failed := failure(t, s.process(p.Header).execute(t, context.Background()))
		if failed.State != rebuild.AsItWas || said != "" && said != failed.Error() {
			t.Errorf("state %v, first %q, then %q", failed.State, said, failed)
		}
		said = failed.Error()
		s.wantAsItWas(t, before)
		s.wantAlone(t)
	}
	for _, want := range []string{"load of table roles: 2 rows that the server refuses: name debt, loan: ", "CHECK constraint failed: power >= 0"} {
		if !strings.Contains(said, want) {
			t.Errorf("the run says %q, want %q", said, want)
		}
	}
}
