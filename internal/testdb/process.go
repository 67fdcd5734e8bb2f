package testdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a running server program.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the program has ended and was waited for
}

// startProcess starts cmd. One thread starts the program and waits for it, because the kernel
// sends the parent-death signal when the starting thread ends (prctl(2), PR_SET_PDEATHSIG).
func startProcess(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		err := cmd.Start()
		started <- err
		if err == nil {
			// How it ended is in the program's log; here only that it did counts.
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// end signals the program and waits for its end; after the grace period it is killed.
func (p *process) end(signal syscall.Signal, grace time.Duration) error {
	if !p.running() {
		return nil
	}
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal process %d: %w", p.pid(), err)
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(grace):
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill process %d: %w", p.pid(), err)
	}
	<-p.done
	return fmt.Errorf("process %d did not end within %s of signal %d and was killed", p.pid(), grace, signal)
}

// reaper removes a server's folder when the test process ends or closes the pipe, whichever is first.
type reaper struct {
	cmd  *exec.Cmd
	pipe *os.File // its end is the reaper's cue
}

// reaperScript waits for the end of its input, ends the server of the pid file if one is left,
// waits for it, and removes the folder. The kernel has signalled that server already on Linux.
const reaperScript = `trap '' INT TERM HUP
read -r _
if pid=$(cat "$1/pid" 2>/dev/null); then
	kill "-$2" "$pid" 2>/dev/null
	n=0
	while kill -0 "$pid" 2>/dev/null && [ $n -lt 100 ]; do sleep 0.1; n=$((n+1)); done
fi
rm -rf "$1"`

// startReaper starts the reaper of dir in a session of its own, so that a signal to the tests'
// process group leaves it alone.
func startReaper(dir string, kill syscall.Signal) (*reaper, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/bin/sh", "-c", reaperScript, "mulligan-test-reaper", dir, strconv.Itoa(int(kill)))
	cmd.Dir = "/"
	cmd.Stdin = r
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	if closeErr := r.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the reaper of %s: %w", dir, err), w.Close())
	}
	return &reaper{cmd: cmd, pipe: w}, nil
}

// finish removes the folder now.
func (r *reaper) finish() error {
	return errors.Join(r.pipe.Close(), r.cmd.Wait())
}

// runTool runs a program to its end as the server's user and returns its output in the error.
func runTool(ctx context.Context, dir string, account *syscall.Credential, path string, args ...string) error {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = dir
	cmd.Env = serverEnv()
	cmd.SysProcAttr = attributes(account, syscall.SIGKILL)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(path), err, out)
	}
	return nil
}

// serverEnv is this process's environment without what would change a server's or a tool's ways.
func serverEnv() []string {
	env := make([]string, 0, len(os.Environ())+2)
	for _, v := range os.Environ() {
		switch {
		case strings.HasPrefix(v, "PG"), strings.HasPrefix(v, "MYSQL"), strings.HasPrefix(v, "MARIADB"),
			strings.HasPrefix(v, "LC_"), strings.HasPrefix(v, "LANG"), strings.HasPrefix(v, "TZ="):
		default:
			env = append(env, v)
		}
	}
	return append(env, "LC_ALL=C.UTF-8", "TZ=UTC")
}
