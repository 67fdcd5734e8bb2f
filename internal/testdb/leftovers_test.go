package testdb_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mulligan/internal/testdb"
)

// childFamily is set in a test process that this package's tests start, and names the server that
// it has to start.
const childFamily = "MULLIGAN_TESTDB_CHILD"

// TestChild is the body of such a process: it starts a server, says where it is, and stays until
// its input ends.
func TestChild(t *testing.T) {
	name := testdb.Family(os.Getenv(childFamily))
	for _, f := range families() {
		if f.name == name {
			s := f.shared(t)
			fmt.Printf("child %d %s\n", s.PID(), s.Dir)
			if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// child is a running test process and its server.
type child struct {
	cmd   *exec.Cmd
	input io.Closer // its end lets the child end
	pid   int       // of the server
	dir   string
}

func startChild(t *testing.T, name testdb.Family, env ...string) *child {
	t.Helper()
	c := &child{cmd: exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.count=1")}
	c.cmd.Env = append(os.Environ(), append(env, childFamily+"="+string(name))...)
	input, err := c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.input = input
	output, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = input.Close() })
	var said []string
	for lines := bufio.NewScanner(output); lines.Scan(); {
		if _, err := fmt.Sscanf(lines.Text(), "child %d %s", &c.pid, &c.dir); err == nil {
			return c
		}
		said = append(said, lines.Text())
	}
	t.Fatalf("the test process started no server:\n%s", strings.Join(said, "\n"))
	return nil
}

// awaitGone waits until nothing of the child's server is left.
func (c *child) awaitGone(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		_, dirErr := os.Stat(c.dir)
		if os.IsNotExist(dirErr) && ended(c.pid) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("left behind: server %d ended: %t; folder %s: %v", c.pid, ended(c.pid), c.dir, dirErr)
		}
	}
}

// ended tells whether a process has ended, waited for or not: a container's first process may
// never wait for the orphans that it gets.
func ended(pid int) bool {
	if err := syscall.Kill(pid, 0); err == syscall.ESRCH {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return os.IsNotExist(err) && syscall.Kill(pid, 0) == syscall.ESRCH
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(state, "Z")
}

func TestNothingIsLeftBehind(t *testing.T) {
	for _, f := range families() {
		t.Run(string(f.name)+"/ended", func(t *testing.T) {
			c := startChild(t, f.name)
			if ended(c.pid) {
				t.Fatal("the server does not run")
			}
			if err := c.input.Close(); err != nil {
				t.Fatal(err)
			}
			if err := c.cmd.Wait(); err != nil {
				t.Errorf("the test process: %v", err)
			}
			if _, err := os.Stat(c.dir); !os.IsNotExist(err) || !ended(c.pid) {
				t.Errorf("after the test process: server %d ended: %t; folder: %v", c.pid, ended(c.pid), err)
			}
		})
		t.Run(string(f.name)+"/killed", func(t *testing.T) {
			c := startChild(t, f.name)
			if err := c.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = c.cmd.Wait() // killed: that is its error
			c.awaitGone(t)
		})
	}
}

// TestTemplateIsMadeOnce starts test processes together on an empty cache.
func TestTemplateIsMadeOnce(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "cache")
	t.Run("start", func(t *testing.T) {
		for i := range 3 {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				c := startChild(t, testdb.FamilyMariaDB, "MULLIGAN_TEST_CACHE="+cache)
				if err := c.input.Close(); err != nil {
					t.Fatal(err)
				}
				if err := c.cmd.Wait(); err != nil {
					t.Error(err)
				}
			})
		}
	})
	entries, err := os.ReadDir(filepath.Join(cache, "templates"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Log(e.Name())
	}
	if len(entries) != 2 { // the template and its lock
		t.Errorf("%d files in the cache, want 2", len(entries))
	}
}

func TestMissingServerNamesTheInstaller(t *testing.T) {
	variables := map[testdb.Family]string{
		testdb.FamilyPostgres: "MULLIGAN_TEST_POSTGRES",
		testdb.FamilyMariaDB:  "MULLIGAN_TEST_MARIADB",
		testdb.FamilyMySQL:    "MULLIGAN_TEST_MYSQL",
	}
	for _, f := range families() {
		t.Run(string(f.name), func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.count=1")
			cmd.Env = append(os.Environ(), childFamily+"="+string(f.name), variables[f.name]+"="+t.TempDir())
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Errorf("the test passed without a server")
			}
			if !strings.Contains(string(out), "sudo scripts/install-test-servers") {
				t.Errorf("the failure does not name the installer:\n%s", out)
			}
		})
	}
}
