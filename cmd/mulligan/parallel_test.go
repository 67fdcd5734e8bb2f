package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// held starts the program and stops it, as it is, when it is within a stage.
func (s *site) held(stage string, args ...string) *running {
	s.t.Helper()
	return s.heldAt(within(stage), args...)
}

// heldAt starts the program and stops it, as it is, when a line of stderr fits.
func (s *site) heldAt(fits *regexp.Regexp, args ...string) *running {
	s.t.Helper()
	r := s.start(args...)
	stopped := make(chan struct{})
	r.on(fits, func() {
		if err := r.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			s.t.Errorf("stop it: %v", err)
		}
		close(stopped)
	})
	select {
	case <-stopped:
	case <-r.read:
		s.ended(r)
		s.t.Fatalf("it ended before %s: exit code %d\n%s", fits, r.code, r.stderr())
	case <-time.After(2 * time.Minute):
		s.t.Fatalf("it did not come to %s:\n%s", fits, r.stderr())
	}
	s.t.Cleanup(func() {
		if r.cmd.ProcessState == nil { // the test failed while it was stopped
			_ = r.cmd.Process.Kill()
			_ = r.cmd.Wait()
		}
	})
	return r
}

// goOn lets a held program go on to its end.
func (s *site) goOn(r *running) {
	s.t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		s.t.Fatal(err)
	}
	s.ended(r)
}

// TestSecondRun starts a run while another one works on the same database.
func TestSecondRun(t *testing.T) {
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, engine)
			first := s.held("load", "rebuild", "--yes")
			for _, args := range [][]string{{"rebuild", "--yes"}, {"backup"}, {"resume"}, {"undo", "--yes"}} {
				s.names(s.must(exitLocked, args...), first, hostname(t))
			}
			s.goOn(first)
			if first.code != 0 {
				t.Fatalf("the first run: exit code %d\n%s", first.code, first.stderr())
			}
			if left := s.scratches(); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			s.must(0, "undo", "--yes") // the locks ended with the run
		})
	}
}

// TestWrittenMeanwhile writes to the old database after its snapshot was taken: the row is not lost, and the run goes on with
// it when it is told to take it again.
func TestWrittenMeanwhile(t *testing.T) {
	for _, engine := range engines() {
		for _, strategy := range []string{"beside", "in-place"} {
			t.Run(engine+"/"+strategy, func(t *testing.T) {
				t.Parallel()
				s := newSite(t, engine)
				stage := "replay" // far from the swap
				if strategy == "in-place" {
					stage = "verify" // the last in which it has its name
				}
				run := s.held(stage, "rebuild", "--yes", "--strategy", strategy)
				s.exec(t, "INSERT INTO settings (name, content) VALUES ('late', 'do not lose me')")
				before := s.dump(t, "")
				s.goOn(run)
				if run.code != exitFailed || !strings.Contains(run.stderr(), "rows were written to the old database after the snapshot: table") {
					t.Fatalf("exit code %d, want %d\n%s", run.code, exitFailed, run.stderr())
				}
				if !strings.Contains(run.stderr(), "settings") || !strings.Contains(run.stderr(), " --refresh` takes again what has changed") {
					t.Errorf("it does not say which table, or how to go on:\n%s", run.stderr())
				}
				if s.dump(t, "") != before {
					t.Error("the database is not what it was")
				}
				if left := s.beside(t); len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
				s.must(0, "resume", "--refresh")
				if got := s.value(t, "SELECT content FROM settings WHERE name = 'late'"); got != "do not lose me" {
					t.Errorf("the row that came late is %q", got)
				}
				s.must(exitUsage, "resume", "--refresh")
			})
		}
	}
}

// TestAlteredMeanwhile changes the old database's schema after its snapshot was taken: what is in the new table is not lost.
func TestAlteredMeanwhile(t *testing.T) {
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, engine)
			run := s.held("replay", "rebuild", "--yes")
			s.exec(t, "CREATE TABLE latecomers (id int PRIMARY KEY)", "INSERT INTO latecomers VALUES (1)")
			before := s.dump(t, "")
			s.goOn(run)
			if run.code != exitFailed || !strings.Contains(run.stderr(), "the schema of the old database was changed after the snapshot") || !strings.Contains(run.stderr(), "latecomers") {
				t.Fatalf("exit code %d, want %d\n%s", run.code, exitFailed, run.stderr())
			}
			if s.dump(t, "") != before {
				t.Error("the database is not what it was")
			}
			// The table is drift, and a refresh finds that out before it builds.
			if r := s.must(exitFailed, "resume", "--refresh"); !strings.Contains(r.stderr(), "hint: write a migration that makes it") {
				t.Errorf("after the refresh:\n%s", r.stderr())
			}
		})
	}
}

// TestOpenSession keeps a connection open, as an application does, where the database must be free of them.
func TestOpenSession(t *testing.T) {
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, engine)
			before := s.dump(t, "")
			db := s.open(t, "")
			defer db.Close()
			conn, err := db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.ExecContext(t.Context(), "SELECT count(*) FROM books"); err != nil {
				t.Fatal(err)
			}
			r := s.must(exitFailed, "rebuild", "--yes")
			if !strings.Contains(r.stderr(), "hint: stop the application, or pass --evict") {
				t.Errorf("no hint:\n%s", r.stderr())
			}
			if s.dump(t, "") != before {
				t.Error("the database is not what it was")
			}
			if left := s.beside(t); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if engine == "sqlite" {
				return // nobody can end another process's use of a file
			}
			s.must(0, "rebuild", "--yes", "--evict")
		})
	}
}

// TestDiskFull takes a snapshot into a repository without room for it.
func TestDiskFull(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, engine)
			// Rows that cannot be compressed.
			numbers := "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO settings (name, content) SELECT 'k' || i, "
			if engine == "sqlite" {
				s.exec(t, numbers+"hex(randomblob(500)) FROM n")
			} else {
				s.exec(t, "ALTER TABLE settings ALTER content TYPE text",
					numbers+"(SELECT string_agg(md5(random()::text || g), '') FROM generate_series(1, 30) g WHERE i > 0) FROM n")
			}
			before := s.dump(t, "")
			folder := filepath.Join(s.dir, "small")
			s.smallDisk(folder)
			s.write("mulligan.yaml", "targets:\n  - name: library\n    url: ${DATABASE_URL}\n    migrations: {tool: goose, dir: '"+s.folder()+"'}\nrepository: {url: ./small/snapshots}\n")
			for _, args := range [][]string{{"backup"}, {"rebuild", "--yes", "--accept-drift"}} {
				r := s.must(exitFailed, args...)
				said := strings.Contains(r.stderr(), "no space left on device") || s.limit != "" && strings.Contains(r.stderr(), "file too large")
				if !said || !strings.Contains(r.stderr(), "hint: make room") {
					t.Errorf("mulligan %s:\n%s", args[0], r.stderr())
				}
			}
			if r := s.must(0, "snapshots", "list", "--json"); strings.TrimSpace(r.stdout.String()) != "[]" {
				t.Errorf("half a snapshot is listed: %s", &r.stdout)
			}
			if s.dump(t, "") != before {
				t.Error("the database is not what it was")
			}
			if left := s.beside(t); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// smallDisk makes a folder with a file system of one megabyte of its own. Only root may; for others no file that
// the program writes can be larger than half of that.
func (s *site) smallDisk(folder string) {
	s.t.Helper()
	if err := os.Mkdir(folder, 0o755); err != nil {
		s.t.Fatal(err)
	}
	if os.Getuid() != 0 {
		s.limit = "1000" // blocks of 512 bytes
		return
	}
	if out, err := mount("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder); err != nil {
		s.t.Fatalf("mount a small disk: %v\n%s", err, out)
	}
	s.t.Cleanup(func() {
		if out, err := mount("umount", folder); err != nil {
			s.t.Errorf("umount %s: %v\n%s", folder, err, out)
		}
	})
}

func mount(name string, args ...string) (string, error) {
	var out bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}
