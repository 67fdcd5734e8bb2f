//go:build unix

package child_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mulligan/internal/child"
)

func shell(script string) child.Command {
	return child.Command{Args: []string{"sh", "-c", script}, Env: os.Environ(), Grace: 300 * time.Millisecond}
}

func TestOutput(t *testing.T) {
	var log strings.Builder
	c := shell(`echo one; echo two >&2; printf 'pass=secret\r\nlast'`)
	c.Log, c.Scrub = &log, func(s string) string { return strings.ReplaceAll(s, "secret", "***") }
	if err := child.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("one\ntwo\npass=***\nlast\n", log.String()); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

func TestLongLines(t *testing.T) {
	var log strings.Builder
	c := shell(`head -c 200000 /dev/zero | tr '\0' x`)
	c.Log = &log
	if err := child.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(log.String(), "x"); got != 200000 {
		t.Errorf("%d characters came through, want 200000", got)
	}
}

func TestNoInput(t *testing.T) {
	var log strings.Builder
	c := shell(`read answer || echo none`)
	c.Log = &log
	if err := child.Run(t.Context(), c); err != nil || log.String() != "none\n" {
		t.Errorf("Run: %v, output %q", err, log.String())
	}
}

func TestFailure(t *testing.T) {
	err := child.Run(t.Context(), shell(`for i in $(seq 30); do echo line $i; done; exit 7`))
	var fault *child.Error
	var exit *exec.ExitError
	if !errors.As(err, &fault) || !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Fatalf("Run: %v, want exit status 7", err)
	}
	if fault.Tail[len(fault.Tail)-1] != "line 30" || strings.Contains(err.Error(), "line 2\n") {
		t.Errorf("the error does not hold the last lines: %v", err)
	}
}

func TestMissing(t *testing.T) {
	if err := child.Run(t.Context(), child.Command{Args: []string{"no-such-program-here"}}); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("Run: %v, want exec.ErrNotFound", err)
	}
	if err := child.Run(t.Context(), child.Command{Args: []string{"./no-such-program"}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Run: %v, want fs.ErrNotExist", err)
	}
	if err := child.Run(t.Context(), child.Command{}); err == nil {
		t.Error("a command without a program ran")
	}
}

// TestCancel: the whole group ends, also what ignores SIGTERM.
func TestCancel(t *testing.T) {
	for name, script := range map[string]string{
		"polite":      `echo $$; sleep 60`,
		"stubborn":    `trap '' TERM; echo $$; while :; do sleep 60; done`,
		"grandchild":  `(trap '' TERM; sleep 60; sleep 60) & echo $$; wait`,
		"has a group": `echo $$; sleep 60 & sleep 60`,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			group := 0
			c := shell(script)
			c.Log = writer(func(p []byte) (int, error) {
				if _, err := fmt.Sscan(string(p), &group); err == nil {
					cancel()
				}
				return len(p), nil
			})
			start := time.Now()
			if err := child.Run(ctx, c); !errors.Is(err, context.Canceled) {
				t.Errorf("Run: %v, want context.Canceled", err)
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("it took %s to end", took)
			}
			wantGone(t, group)
		})
	}
}

// TestLeftBehind: what a program leaves in the background is ended, and is no failure.
func TestLeftBehind(t *testing.T) {
	group := 0
	c := shell(`sleep 60 & echo $$`)
	c.Log = writer(func(p []byte) (int, error) {
		_, err := fmt.Sscan(string(p), &group)
		return len(p), err
	})
	if err := child.Run(t.Context(), c); err != nil {
		t.Errorf("Run: %v", err)
	}
	wantGone(t, group)
}

// wantGone checks that a process group has no living member: the kernel reaps what nobody waits for.
func wantGone(t *testing.T, group int) {
	t.Helper()
	if group == 0 {
		t.Fatal("the program did not say its group")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		if !alive(t, group) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("process group %d is still there", group)
		case <-tick.C:
		}
	}
}

// alive tells whether the group has a member that is no zombie.
func alive(t *testing.T, group int) bool {
	t.Helper()
	if errors.Is(syscall.Kill(-group, 0), syscall.ESRCH) {
		return false
	}
	out, err := exec.CommandContext(t.Context(), "ps", "-A", "-o", "pgid=,stat=").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(out), "\n") {
		if f := strings.Fields(line); len(f) == 2 && f[0] == fmt.Sprint(group) && f[1][0] != 'Z' {
			return true
		}
	}
	return false
}

func TestAnswers(t *testing.T) {
	var got []string
	c := shell(`echo noise; echo one >&3; echo two >&3`)
	c.Answer = func(line []byte) error {
		got = append(got, string(line))
		return nil
	}
	if err := child.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one", "two"}, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	wrong := errors.New("wrong answer")
	c = shell(`echo one >&3; sleep 60`)
	c.Answer = func([]byte) error { return wrong }
	if err := child.Run(t.Context(), c); !errors.Is(err, wrong) {
		t.Errorf("Run: %v, want the error of Answer", err)
	}
}

// TestLogFails: where nobody can take the output, the program is ended.
func TestLogFails(t *testing.T) {
	c := shell(`echo x; sleep 60`)
	c.Log = writer(func([]byte) (int, error) { return 0, io.ErrClosedPipe })
	if err := child.Run(t.Context(), c); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Run: %v, want the error of Log", err)
	}
}

type writer func(p []byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
