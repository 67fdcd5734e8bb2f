package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// running is the program as a child process whose stderr is read line by line.
type running struct {
	t         testing.TB
	cmd       *exec.Cmd
	stdout    bytes.Buffer
	code      int  // -1 = ended by a signal
	signalled bool // a line that signalAt waited for came
	read      chan struct{}
	mu        sync.Mutex // guards lines and at
	lines     []string
	at        []func(line string)
}

// startProgram starts the program in a folder.
func startProgram(t testing.TB, dir string, env, args []string) *running {
	t.Helper()
	return startCommand(t, dir, env, program, args)
}

func startCommand(t testing.TB, dir string, env []string, name string, args []string) *running {
	t.Helper()
	r := &running{t: t, cmd: exec.Command(name, args...), read: make(chan struct{})}
	r.cmd.Dir, r.cmd.Env, r.cmd.Stdout = dir, env, &r.stdout
	stderr, err := r.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.read)
		lines := bufio.NewScanner(stderr)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			r.line(lines.Text())
		}
	}()
	return r
}

func (r *running) line(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, text)
	for _, f := range r.at {
		f(text)
	}
}

// on calls do once, for the first line of stderr that fits, those already there included.
func (r *running) on(fits *regexp.Regexp, do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	done := false
	watch := func(line string) {
		if !done && fits.MatchString(line) {
			done = true
			do()
		}
	}
	for _, line := range r.lines {
		watch(line)
	}
	r.at = append(r.at, watch)
}

// each calls do for every line of stderr that fits, those already there included.
func (r *running) each(fits *regexp.Regexp, do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	watch := func(line string) {
		if fits.MatchString(line) {
			do()
		}
	}
	for _, line := range r.lines {
		watch(line)
	}
	r.at = append(r.at, watch)
}

// signalAt sends a signal when a line of stderr fits.
func (r *running) signalAt(fits *regexp.Regexp, s syscall.Signal) {
	r.on(fits, func() {
		r.signalled = true
		if err := r.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
			r.t.Errorf("send %v: %v", s, err)
		}
	})
}

// wait waits for the end.
func (r *running) wait() {
	r.t.Helper()
	<-r.read
	err := r.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	r.code = r.cmd.ProcessState.ExitCode()
	if strings.Contains(r.stderr(), "panic: ") {
		r.t.Fatalf("the program panicked:\n%s", r.stderr())
	}
}

func (r *running) stderr() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.lines, "\n") + "\n"
}

func signalOf(t testing.TB, name string) syscall.Signal {
	t.Helper()
	switch name {
	case "INT":
		return syscall.SIGINT
	case "KILL":
		return syscall.SIGKILL
	}
	t.Fatalf("no signal is called %s", name)
	return 0
}
