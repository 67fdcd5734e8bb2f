package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"mulligan/engine"
	"mulligan/migration/golangmigrate"
	"mulligan/schema"
)

// replaying fits the line that a doctor writes with --verbose in the middle of its replay of the library.
func replaying() *regexp.Regexp { return regexp.MustCompile(`^applied .*20240304120000_add_copies`) }

// TestDoctorKilled ends doctors in the middle of their replay: a killed one's scratch database is swept by the next,
// which says so, and an interrupted one leaves none.
func TestDoctorKilled(t *testing.T) {
	for _, name := range engines() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, name)
			before := s.dump(t, "")
			s.killDoctor(syscall.SIGINT)
			s.wantAlone("an interrupted doctor")
			s.killDoctor(syscall.SIGKILL)
			if left := s.beside(t); len(left) == 0 || !strings.HasPrefix(left[0], "__mulligan_d") {
				t.Errorf("a killed doctor left %v, want its scratch database", left)
			}
			r := s.afterKill(exitFindings, "doctor")
			if !regexp.MustCompile(`(?m)^  swept    scratch database .*__mulligan_d.*, which a run that was killed had left$`).MatchString(r.stdout.String()) {
				t.Errorf("it does not say that it swept:\n%s", &r.stdout)
			}
			s.wantAlone("the doctor after a killed one")
			s.killDoctor(syscall.SIGKILL)
			if r := s.afterKill(exitFindings, "doctor", "--json"); !strings.Contains(r.stdout.String(), `"swept": true`) {
				t.Errorf("the document does not say that it swept:\n%s", &r.stdout)
			}
			s.wantAlone("the doctor after a killed one")
			if s.dump(t, "") != before {
				t.Error("the database is not what it was")
			}
		})
	}
}

// killDoctor sends a signal to a doctor in the middle of its replay.
func (s *site) killDoctor(sig syscall.Signal) {
	s.t.Helper()
	r := s.start("doctor", "--verbose")
	r.signalAt(replaying(), sig)
	s.ended(r)
	want := exitInterrupted
	if sig == syscall.SIGKILL {
		want = -1
	}
	if !r.signalled || r.code != want {
		s.t.Fatalf("%v: exit code %d, want %d\n%s%s", sig, r.code, want, r.stderr(), &r.stdout)
	}
	if want == exitInterrupted && !strings.Contains(r.stderr(), "hint: interrupted; nothing was changed") {
		s.t.Errorf("no hint:\n%s", r.stderr())
	}
}

// afterKill runs the program after another was killed. A server may take a moment to see that the other's sessions,
// and so its locks, are gone.
func (s *site) afterKill(code int, args ...string) *running {
	s.t.Helper()
	r := s.run(args...)
	for tries := 0; r.code == exitLocked && tries < 100; tries++ {
		r = s.run(args...)
	}
	if r.code != code {
		s.t.Fatalf("mulligan %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), r.code, code, r.stderr(), &r.stdout)
	}
	return r
}

// wantAlone checks that no database is left beside the site's own.
func (s *site) wantAlone(who string) {
	s.t.Helper()
	if left := s.beside(s.t); len(left) > 0 {
		s.t.Errorf("%s left %v", who, left)
	}
}

// TestSecondDoctor examines a database while another doctor does.
func TestSecondDoctor(t *testing.T) {
	for _, name := range engines() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, name)
			first := s.heldAt(replaying(), "doctor", "--verbose")
			// From another folder, as from another machine, the lock is the server's.
			r := s.must(exitLocked, "--state-dir", filepath.Join(s.dir, "elsewhere"), "doctor")
			if !strings.Contains(r.stderr(), "hint: another run works on this database") {
				t.Errorf("no hint:\n%s", r.stderr())
			}
			s.goOn(first)
			if first.code != exitFindings || !strings.Contains(first.stdout.String(), "8 problems") {
				t.Errorf("the first doctor: exit code %d\n%s%s", first.code, first.stderr(), &first.stdout)
			}
			s.wantAlone("two doctors")
		})
	}
}

// shelves are as many migrations as a repair has to record in the tests below.
const shelves = 8

// newShelves is a database with a few tables, of which the ledger knows nothing.
func newShelves(t testing.TB, engine string) *site {
	t.Helper()
	s := emptySite(t, engine)
	for i := range shelves {
		s.write(fmt.Sprintf("migrations/%d_shelf.sql", i+1), fmt.Sprintf("-- migrate:up\nCREATE TABLE shelf%d (id integer NOT NULL PRIMARY KEY);\n-- migrate:down\n", i+1))
	}
	if err := apply(s.url, "dbmate", filepath.Join(s.dir, "migrations"), ""); err != nil {
		t.Fatal(err)
	}
	s.exec(t, "DELETE FROM schema_migrations")
	s.write("mulligan.yaml", "targets:\n  - name: shelves\n    url: ${DATABASE_URL}\n    migrations: {tool: dbmate, dir: migrations}\n")
	return s
}

// TestRepairKilled kills repairs at many instants between their plan and the last look at what they did: the ledger
// holds all of their records or none, and the next repair ends the work.
func TestRepairKilled(t *testing.T) {
	for _, name := range engines() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trials := 5
			if name == "sqlite" {
				trials = 20
			}
			s := newShelves(t, name)
			whole := s.timeRepair()
			s.exec(t, "DELETE FROM schema_migrations")
			seen := map[string]int{}
			for i := range trials {
				after := whole * time.Duration(i+1) / time.Duration(trials)
				s.killRepair(after)
				got := s.value(t, "SELECT count(*) FROM schema_migrations")
				if seen[got]++; got != "0" && got != fmt.Sprint(shelves) {
					t.Fatalf("killed %v after its plan, it left %s of %d records", after, got, shelves)
				}
				if (i+1)%(trials/2) == 0 {
					s.afterKill(exitDone, "repair", "--yes")
					s.afterKill(exitDone, "doctor")
					s.wantAlone("the repair after a killed one")
				}
				s.exec(t, "DELETE FROM schema_migrations")
			}
			t.Logf("ledgers by the number of their records, within %v: %v", whole, seen)
			s.must(exitDone, "snapshots", "list")
		})
	}
}

// TestRepairInterrupted interrupts repairs before and after they have written the ledger. Each says which.
func TestRepairInterrupted(t *testing.T) {
	for _, name := range engines() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelves(t, name)
			for replay, want := range map[int]struct{ records, says string }{
				1: {"0", "hint: interrupted; nothing was changed"},
				2: {fmt.Sprint(shelves), "hint: the ledger was written"},
			} {
				r := s.start("repair", "--yes", "--verbose")
				seen := 0
				r.each(regexp.MustCompile(`^applied .*/1_shelf`), func() {
					if seen++; seen == replay {
						if err := r.cmd.Process.Signal(syscall.SIGINT); err != nil {
							t.Errorf("interrupt it: %v", err)
						}
					}
				})
				s.ended(r)
				if r.code != exitInterrupted || strings.Contains(r.stderr(), "nothing was changed") != (replay == 1) || !strings.Contains(r.stderr(), want.says) {
					t.Errorf("in replay %d: exit code %d, want %q\n%s", replay, r.code, want.says, r.stderr())
				}
				if got := s.value(t, "SELECT count(*) FROM schema_migrations"); got != want.records {
					t.Errorf("in replay %d: %s records, want %s", replay, got, want.records)
				}
				s.wantAlone("an interrupted repair")
				s.exec(t, "DELETE FROM schema_migrations")
			}
		})
	}
}

// lastShelf fits the line at the end of each replay with --verbose.
func lastShelf() *regexp.Regexp {
	return regexp.MustCompile(fmt.Sprintf(`^applied .*%d_shelf`, shelves))
}

// timeRepair lets a repair come to its end, and says how long it takes from the end of its first replay to that of the
// last.
func (s *site) timeRepair() time.Duration {
	s.t.Helper()
	var first, last time.Time
	r := s.start("repair", "--yes", "--verbose")
	r.on(lastShelf(), func() { first = time.Now() })
	r.each(lastShelf(), func() { last = time.Now() })
	s.ended(r)
	if r.code != exitDone || !last.After(first) {
		s.t.Fatalf("exit code %d\n%s%s", r.code, r.stderr(), &r.stdout)
	}
	return last.Sub(first)
}

// killRepair kills a repair when a time has gone by since the end of its first replay.
func (s *site) killRepair(after time.Duration) {
	s.t.Helper()
	for tries := 0; ; tries++ {
		r := s.start("repair", "--yes", "--verbose")
		r.on(lastShelf(), func() {
			time.AfterFunc(after, func() {
				if err := r.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
					s.t.Errorf("kill it: %v", err)
				}
			})
		})
		s.ended(r)
		if r.code == exitLocked && tries < 100 {
			continue // the last one's locks are not gone yet
		}
		if r.code != -1 && r.code != exitDone {
			s.t.Fatalf("exit code %d\n%s%s", r.code, r.stderr(), &r.stdout)
		}
		return
	}
}

// TestToolAtWork examines and repairs a database while a run of golang-migrate holds its lock.
func TestToolAtWork(t *testing.T) {
	for _, name := range engines()[1:] { // on SQLite it takes none that another process could see
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := emptySite(t, name)
			s.write("migrations/1_shelf.up.sql", "CREATE TABLE shelf1 (id integer NOT NULL PRIMARY KEY);\n")
			s.write("migrations/2_shelf.up.sql", "CREATE TABLE shelf2 (id integer NOT NULL PRIMARY KEY);\n")
			folder := filepath.Join(s.dir, "migrations")
			if err := apply(s.url, "golang-migrate", folder, ""); err != nil {
				t.Fatal(err)
			}
			s.exec(t, "UPDATE schema_migrations SET version = 1")
			s.write("mulligan.yaml", "targets:\n  - name: shelves\n    url: ${DATABASE_URL}\n    migrations: {tool: golang-migrate, dir: migrations}\n")
			free := s.takeToolLock(folder)
			r := s.must(exitFindings, "doctor")
			if !regexp.MustCompile(`(?m)^✗ lock: a run of golang-migrate holds the tool's lock: (process|connection) \d+, user `).MatchString(r.stdout.String()) {
				t.Errorf("it does not say who holds the lock:\n%s", &r.stdout)
			}
			if !strings.Contains(r.stdout.String(), "wait until it has ended, then look again") {
				t.Errorf("it does not say what to do:\n%s", &r.stdout)
			}
			r = s.must(exitLocked, "repair", "--yes")
			if !regexp.MustCompile(`holds the tool's lock: (process|connection) \d+`).MatchString(r.stderr()) || !strings.Contains(r.stderr(), "hint: a run of the migration tool is going on") {
				t.Errorf("the repair:\n%s", r.stderr())
			}
			if got := s.value(t, "SELECT version FROM schema_migrations"); got != "1" {
				t.Errorf("the ledger says %s", got)
			}
			free()
			s.must(exitDone, "repair", "--yes")
			s.must(exitDone, "doctor")
		})
	}
}

// takeToolLock holds golang-migrate's lock in a session of its own until free is called.
func (s *site) takeToolLock(folder string) (free func()) {
	s.t.Helper()
	ctx := context.WithoutCancel(s.t.Context())
	u, err := engine.ParseURL(s.url)
	if err != nil {
		s.t.Fatal(err)
	}
	server, err := connect(ctx, u)
	if err != nil {
		s.t.Fatal(err)
	}
	db, err := server.Open(ctx, u.Database())
	if err != nil {
		s.t.Fatal(err)
	}
	session, err := db.Session(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := golangmigrate.New(folder, schema.Name{}).Lock.Take(ctx, session); err != nil {
		s.t.Fatal(err)
	}
	done := false
	free = func() {
		if done {
			return
		}
		done = true
		if err := errors.Join(session.Close(), db.Close(), server.Close()); err != nil {
			s.t.Error(err)
		}
	}
	s.t.Cleanup(free)
	return free
}
