// Package child runs another program and brings its output home line by line.
//
// There is no shell, no standard input unless one is given, and, where the system has them, a process group of its own:
// when the context ends the whole group gets SIGTERM, and SIGKILL after a grace. Whatever the program
// leaves running in its group is ended with it. Should this process itself be killed, Linux ends the
// program, so that it does not work on behind the back of who takes up the work again. Each line of its
// output passes through a scrubber before anyone sees it.
package child

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

const (
	// Grace is how long a program may take to end after SIGTERM.
	Grace = 10 * time.Second
	// lineLimit is where a longer line of output is broken, in bytes.
	lineLimit = 64 << 10
	// tailLines is how many of the last lines an Error keeps.
	tailLines = 12
)

// Command is a program to run. Only Args is required.
type Command struct {
	Args   []string                 // program and arguments
	Dir    string                   // working directory; empty = this process's
	Env    []string                 // the whole environment, "NAME=value"; later ones win
	Input  io.Reader                // its standard input; nil = there is none
	Log    io.Writer                // gets what the program prints, whole lines; nil = nobody
	Scrub  func(text string) string // takes secrets out of a line; nil = as it is
	Answer func(line []byte) error  // gets the lines that the program writes to file descriptor 3; nil = there is none
	Grace  time.Duration            // zero = [Grace]
}

// Error is a program that failed.
type Error struct {
	Program string   // as it was called
	Tail    []string // the last lines that it printed, scrubbed
	Err     error    // *exec.ExitError, the context's error, or why it could not be started
}

// Error says how the program ended and the last things it printed.
func (e *Error) Error() string {
	text := e.Program + ": " + e.Err.Error()
	if len(e.Tail) > 0 {
		text += ": " + strings.Join(e.Tail, "\n\t")
	}
	return text
}

// Unwrap gives how it ended.
func (e *Error) Unwrap() error { return e.Err }

// Run runs the program to its end. It fails with an [*Error] unless the program exits with 0, or
// with the error of Answer or Log, which ends the program. A missing program is exec.ErrNotFound or
// fs.ErrNotExist.
func Run(ctx context.Context, c Command) error {
	if len(c.Args) == 0 || c.Args[0] == "" {
		return errors.New("no program to run is given")
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	grace := c.Grace
	if grace == 0 {
		grace = Grace
	}
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = c.Dir, c.Env, grace
	group(cmd)
	out := &lines{emit: c.print(stop)}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Input, out, out
	answers, err := c.answers(cmd, stop)
	if err != nil {
		return err
	}
	// Linux takes the end of the thread that started a program for the end of its parent (prctl(2)).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = cmd.Start()
	if err != nil {
		answers.abandon()
		return &Error{Program: c.Args[0], Err: startFault(err)}
	}
	answers.begin()
	err = cmd.Wait()
	endGroup(cmd)
	out.flush()
	answers.wait()
	return c.result(ctx, cmd, err, out.tail)
}

// result tells which of the things that went wrong came first.
func (c Command) result(ctx context.Context, cmd *exec.Cmd, err error, tail []string) error {
	var own *ownError
	if errors.As(context.Cause(ctx), &own) {
		return own.err
	}
	switch {
	case ctx.Err() != nil && (err != nil || !cmd.ProcessState.Success()):
		return &Error{Program: c.Args[0], Err: fmt.Errorf("ended: %w", context.Cause(ctx))}
	case err == nil, errors.Is(err, exec.ErrWaitDelay) && cmd.ProcessState.Success():
		return nil // what it left running in the background is ended by now
	default:
		return &Error{Program: c.Args[0], Tail: tail, Err: err}
	}
}

// ownError is a fault of ours that ends the program, not one of its own.
type ownError struct{ err error }

func (e *ownError) Error() string { return e.err.Error() }

// print gives what takes one line of the output.
func (c Command) print(stop context.CancelCauseFunc) func(line string) string {
	return func(line string) string {
		if c.Scrub != nil {
			line = c.Scrub(line)
		}
		if c.Log != nil {
			if _, err := io.WriteString(c.Log, line+"\n"); err != nil {
				stop(&ownError{fmt.Errorf("write the output of %s: %w", c.Args[0], err)})
			}
		}
		return line
	}
}

// lines cuts what is written into lines. exec writes from one goroutine, since stdout and stderr are one.
type lines struct {
	emit func(line string) string
	rest []byte
	tail []string
}

// Write is io.Writer. It takes all of p.
func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		if i < 0 && len(l.rest) < lineLimit {
			return len(p), nil
		}
		if i < 0 || i > lineLimit {
			l.line(l.rest[:lineLimit])
			l.rest = l.rest[lineLimit:]
			continue
		}
		l.line(l.rest[:i])
		l.rest = l.rest[i+1:]
	}
}

func (l *lines) line(text []byte) {
	line := l.emit(strings.ToValidUTF8(strings.TrimSuffix(string(text), "\r"), "\uFFFD"))
	if strings.TrimSpace(line) == "" {
		return
	}
	if len(l.tail) == tailLines {
		l.tail = l.tail[1:]
	}
	l.tail = append(l.tail, line)
}

func (l *lines) flush() {
	if len(l.rest) > 0 {
		l.line(l.rest)
	}
	l.rest = nil
}

// answers is the pipe behind file descriptor 3.
type answers struct {
	read, write *os.File
	take        func(line []byte) error
	stop        context.CancelCauseFunc
	done        sync.WaitGroup
}

func (c Command) answers(cmd *exec.Cmd, stop context.CancelCauseFunc) (*answers, error) {
	if c.Answer == nil {
		return nil, nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe to %s: %w", c.Args[0], err)
	}
	cmd.ExtraFiles = []*os.File{w}
	return &answers{read: r, write: w, take: c.Answer, stop: stop}, nil
}

// begin closes this side's copy of the child's end and reads the other. A close of a pipe's end has
// no error that matters: nothing is buffered in it.
func (a *answers) begin() {
	if a == nil {
		return
	}
	_ = a.write.Close()
	a.done.Go(func() {
		s := bufio.NewScanner(a.read)
		s.Buffer(nil, 64<<20)
		for s.Scan() {
			if err := a.take(s.Bytes()); err != nil {
				a.stop(&ownError{err})
				return
			}
		}
		if err := s.Err(); err != nil && !errors.Is(err, os.ErrClosed) {
			a.stop(&ownError{fmt.Errorf("read the answers: %w", err)})
		}
	})
}

// wait reads what is left and ends. The group is gone by now, so that nobody holds the other end,
// unless a descendant has left the group; it does not get more than a second.
func (a *answers) wait() {
	if a == nil {
		return
	}
	timer := time.AfterFunc(time.Second, func() { _ = a.read.Close() })
	a.done.Wait()
	timer.Stop()
	_ = a.read.Close()
}

func (a *answers) abandon() {
	if a == nil {
		return
	}
	_, _ = a.read.Close(), a.write.Close()
}

// startFault drops the name from an error of exec, where it would be said twice.
func startFault(err error) error {
	var fault *exec.Error
	if errors.As(err, &fault) {
		return fault.Err
	}
	return err
}
