package rebuild_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mulligan/engine"
	"mulligan/engine/sqlite"
	"mulligan/internal/testdb"
	"mulligan/journal"
	"mulligan/rebuild"
	"mulligan/store/dir"
)

// childVariable names the journal of the run that this process, started by TestKill9, is to execute.
const childVariable = "MULLIGAN_TEST_RUN"

func TestMain(m *testing.M) {
	path := os.Getenv(childVariable)
	if path == "" {
		testdb.Main(m) // which exits
	}
	if err := child(path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child executes a run as a process of its own.
func child(path string) error {
	report, err := rebuild.ReadRun(filepath.Dir(path))
	if err != nil {
		return err
	}
	root := filepath.Dir(filepath.Dir(filepath.Dir(path)))
	s, err := siteOf(root)
	if address := os.Getenv(serverVariable); address != "" {
		s, err = siteOn(root, address)
	}
	if err != nil {
		return err
	}
	j, _, err := journal.Open(path)
	if err != nil {
		return err
	}
	p := s.process(report.Header)
	dieAsTold(p)
	if at := os.Getenv(dropVariable); at != "" {
		p.Server = dying{p.Server, at}
	}
	return errors.Join(p.Execute(context.Background(), j), j.Close())
}

// siteOf takes up a site from its folder.
func siteOf(root string) (*site, error) {
	s := &site{dir: filepath.Join(root, "db"), state: filepath.Join(root, "state"), files: filepath.Join(root, "migrations")}
	s.name = filepath.Join(s.dir, "app.db")
	var err error
	if s.url, err = engine.ParseURL("sqlite:" + s.name); err != nil {
		return nil, err
	}
	if s.real, err = sqlite.Connect(context.Background(), s.url); err != nil {
		return nil, err
	}
	s.store, err = dir.Open(filepath.Join(root, "snapshots"))
	return s, err
}

// copySite makes a site of its own from the files of another.
func copySite(t testing.TB, from *site) *site {
	t.Helper()
	root := memoryDir(t)
	for _, name := range []string{"db", "migrations"} {
		must(t, os.CopyFS(filepath.Join(root, name), os.DirFS(filepath.Join(filepath.Dir(from.dir), name))))
	}
	must(t, os.Mkdir(filepath.Join(root, "state"), 0o700))
	s, err := siteOf(root)
	must(t, err)
	return s
}

// start runs a process of the run; wait gives how it ended.
func (p *process) start(t testing.TB) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+p.journal)
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	return cmd
}

// Real processes are killed at random instants of a rebuild of 20 000 rows. Another one goes on with the run or
// takes it back, and no row is lost.
func TestKill9(t *testing.T) {
	t.Parallel()
	const trials = 40
	model := newSite(t, 20_000)
	before := sum(model.dump(t, model.name))
	random := rand.New(rand.NewPCG(20261123, 1))
	stages, outcomes := map[string]int{}, map[string]int{}
	var after [32]byte
	for i, strategy := range strategies() {
		whole := copySite(t, model)
		p := whole.begin(t, strategy)
		must(t, openJournal(t, p).Close())
		began := time.Now()
		if err := p.start(t).Wait(); err != nil {
			t.Fatalf("a run that is not killed: %v", err)
		}
		took := time.Since(began)
		if after = sum(whole.dump(t, whole.name)); sum(whole.dump(t, p.Header.Aside)) != before {
			t.Fatal("the run itself went wrong")
		}
		for k := range trials / 2 {
			s := copySite(t, model)
			p := s.begin(t, strategy)
			must(t, openJournal(t, p).Close())
			stage, killed := p.kill(t, time.Duration(random.Int64N(int64(took))))
			stages[stage]++
			resume := k%2 == i
			outcome := s.afterKill(t, p, resume, before, after)
			if !killed {
				outcome += ", ended before the kill"
			}
			outcomes[outcome]++
			if t.Failed() {
				t.Fatalf("%s, trial %d, killed in stage %s", strategy, k, stage)
			}
		}
	}
	t.Logf("%d trials, 0 rows lost; killed in %v; %v", trials, stages, outcomes)
}

// kill starts a process of the run, kills it after a time, and says in which stage.
func (p *process) kill(t testing.TB, after time.Duration) (stage string, killed bool) {
	t.Helper()
	cmd := p.start(t)
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // it may have ended
	err := cmd.Wait()
	timer.Stop()
	entries, rerr := journal.Read(p.journal)
	must(t, rerr)
	last := entries[len(entries)-1]
	return fmt.Sprintf("%s %s", last.Kind, last.Stage), err != nil
}

func (s *site) afterKill(t testing.TB, p *process, resume bool, before, after [32]byte) string {
	t.Helper()
	next := s.process(p.Header)
	if resume {
		if err := next.execute(t, t.Context()); err != nil {
			t.Errorf("resume: %v", err)
			return "refused"
		}
		if sum(s.dump(t, s.name)) != after || sum(s.dump(t, p.Header.Aside)) != before {
			t.Error("the resumed run says proved, but rows differ")
		}
		if names := s.databases(t); !slices.Equal(names, []string{"app.db", filepath.Base(p.Header.Aside)}) {
			t.Errorf("there are %q", names)
		}
		return "proved"
	}
	if _, err := next.undo(t); err != nil {
		t.Errorf("undo: %v", err)
	}
	if sum(s.dump(t, s.name)) != before {
		t.Error("after the undo rows differ")
	}
	return "undone"
}

func sum(text string) [32]byte { return sha256.Sum256([]byte(text)) }
