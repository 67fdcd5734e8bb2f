package typeorm

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"mulligan/engine"
	"mulligan/internal/child"
	"mulligan/migration"
)

//go:embed runner.cjs
var script []byte

// answerFD is the file descriptor that runner.cjs answers on, so that nothing the application prints
// can be taken for an answer.
const answerFD = 3

// call is what to ask the runner for.
type call struct {
	verb string // list or run
	url  engine.URL
	to   migration.ID
	only []string  // the migrations to apply; nil = all up to to
	log  io.Writer // nil = nobody
	next io.Reader // gives a line for each applied migration that may be followed by another; nil = all are
}

// request is what runner.cjs reads from its environment.
type request struct {
	Verb       string   `json:"verb"`
	DataSource string   `json:"dataSource"`
	URL        string   `json:"url,omitempty"`
	To         string   `json:"to,omitempty"`
	Only       []string `json:"only,omitempty"`
	FD         int      `json:"fd"`
	Steps      bool     `json:"steps,omitempty"` // wait for a line on standard input after each migration; its end is the end
}

// answer is one line from runner.cjs; one of its fields is set.
type answer struct {
	Source    *source `json:"source"`
	Migration *step   `json:"migration"`
	Applied   *step   `json:"applied"`
	Statement *query  `json:"statement"`
	Error     *fault  `json:"error"`
	Done      bool    `json:"done"`
}

// source is what the DataSource says of itself.
type source struct {
	Table         string `json:"table"`
	Schema        string `json:"schema"`
	Synchronize   bool   `json:"synchronize"`
	DropSchema    bool   `json:"dropSchema"`
	MigrationsRun bool   `json:"migrationsRun"`
}

type step struct {
	Name string `json:"name"`
	MS   int64  `json:"ms"`
}

// query is one statement that a migration sent.
type query struct {
	Query string `json:"query"`
}

type fault struct {
	Migration string `json:"migration"`
	Message   string `json:"message"`
	Code      string `json:"code"`
	Query     string `json:"query"`
}

// Run is [migration.Runner.Run]. It can stop midway.
func (a *app) Run(ctx context.Context, target migration.Target, to migration.ID, log io.Writer) error {
	return a.run(ctx, call{verb: "run", url: target.URL, to: to}, log, func(migration.Step) error { return nil })
}

// RunSteps is [migration.Stepper.RunSteps]. One process applies all, and waits after each.
func (a *app) RunSteps(ctx context.Context, target migration.Target, list []migration.Migration, log io.Writer, after func(migration.Step) (bool, error)) error {
	if len(list) == 0 {
		return nil
	}
	next, answers, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe to the TypeORM runner: %w", err)
	}
	c := call{verb: "run", url: target.URL, next: next}
	for _, m := range list {
		c.only = append(c.only, string(m.ID))
	}
	err = a.run(ctx, c, log, func(step migration.Step) error {
		if i := migration.Index(list, step.ID); i >= 0 {
			step.Migration = list[i]
		}
		more, err := after(step)
		if err != nil {
			return err
		}
		if !more {
			return answers.Close()
		}
		_, err = answers.WriteString("next\n")
		return err
	})
	_ = answers.Close() // closed already where after ended it
	return errors.Join(err, next.Close())
}

// run applies migrations and hands each to after, with the statements that it sent.
func (a *app) run(ctx context.Context, c call, log io.Writer, after func(migration.Step) error) error {
	shared := &syncWriter{w: log}
	c.log = shared
	sent := []migration.Statement{}
	err := a.ask(ctx, c, func(got answer) error {
		if got.Statement != nil {
			sent = append(sent, migration.Statement{Text: got.Statement.Query})
		}
		if got.Applied == nil {
			return nil
		}
		if _, err := fmt.Fprintf(shared, "applied %s (%dms)\n", got.Applied.Name, got.Applied.MS); err != nil {
			return err
		}
		step := migration.Step{Migration: migration.Migration{ID: migration.ID(got.Applied.Name)}, Sent: sent}
		sent = []migration.Statement{}
		return after(step)
	})
	if err == nil {
		return nil
	}
	var stopped *migration.RunError
	if !errors.As(err, &stopped) {
		return &migration.RunError{Err: err}
	}
	if one := []migration.Migration{{ID: stopped.ID}}; stopped.ID != "" && a.locate(one) == nil {
		stopped.Path = one[0].Path
	}
	return stopped
}

// ask runs runner.cjs once, in the application's folder, and hands its answers to take.
// A migration that failed is a [*migration.RunError].
func (a *app) ask(ctx context.Context, c call, take func(answer) error) (err error) {
	if err := a.checkFiles(); err != nil {
		return err
	}
	env, err := a.environment(c)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "mulligan-typeorm-")
	if err != nil {
		return fmt.Errorf("make a folder for the TypeORM runner: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	file := filepath.Join(folder, "runner.cjs")
	if err := os.WriteFile(file, script, 0o600); err != nil {
		return fmt.Errorf("write the TypeORM runner: %w", err)
	}
	var failed *fault
	done := false
	err = child.Run(ctx, child.Command{
		Args: []string{a.o.Node, file}, Dir: a.o.Dir, Env: env, Input: c.next, Log: c.log, Scrub: c.url.Scrub,
		Answer: func(line []byte) error {
			var got answer
			if err := json.Unmarshal(bytes.TrimSpace(line), &got); err != nil {
				return fmt.Errorf("the TypeORM runner answered what is no answer: %q", migration.Cut(c.url.Scrub(string(line))))
			}
			if got.Error != nil {
				failed = got.Error
			}
			done = done || got.Done
			return take(got)
		},
	})
	switch {
	case failed != nil:
		return a.explain(failed)
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("program %q is not there: install Node.js, or put it into PATH: %w", a.o.Node, err)
	case err == nil && !done:
		return fmt.Errorf("%s ended the process before the work was done", a.o.DataSource)
	}
	return err
}

func (a *app) environment(c call) ([]string, error) {
	file, err := filepath.Abs(a.path())
	if err != nil {
		return nil, fmt.Errorf("find data source %s: %w", a.o.DataSource, err)
	}
	ask := request{Verb: c.verb, DataSource: file, To: string(c.to), Only: c.only, FD: answerFD, Steps: c.next != nil}
	if c.verb != "list" {
		ask.URL = c.url.Reveal()
	}
	text, err := json.Marshal(ask)
	if err != nil {
		return nil, fmt.Errorf("ask the TypeORM runner: %w", err)
	}
	env, err := migration.Environment(a.o.Env, c.url, c.to)
	if err != nil {
		return nil, fmt.Errorf("environment of %s: %w", a.o.DataSource, err)
	}
	return append(env, "MULLIGAN_TYPEORM="+string(text)), nil
}

// path is the data source as seen from this process.
func (a *app) path() string {
	if filepath.IsAbs(a.o.DataSource) {
		return a.o.DataSource
	}
	return filepath.Join(a.o.Dir, a.o.DataSource)
}

// checkFiles finds the plain mistakes before node is started.
func (a *app) checkFiles() error {
	if a.o.DataSource == "" {
		return errors.New("TypeORM needs the file that exports the application's DataSource: set migrations.data_source")
	}
	if a.o.Dir != "" {
		if info, err := os.Stat(a.o.Dir); err != nil {
			return fmt.Errorf("the application's folder: %w", err)
		} else if !info.IsDir() {
			return fmt.Errorf("the application's folder %s is no folder", a.o.Dir)
		}
	}
	if _, err := os.Stat(a.path()); err != nil {
		return fmt.Errorf("data source file (is the application compiled?): %w", err)
	}
	return nil
}

// explain makes an error of a fault that runner.cjs reported.
func (a *app) explain(f *fault) error {
	message := f.Message
	if f.Code != "" && !strings.Contains(message, f.Code) {
		message += " (" + f.Code + ")"
	}
	err := errors.New(message)
	switch {
	case f.Migration != "":
		return &migration.RunError{ID: migration.ID(f.Migration), Statement: migration.Cut(f.Query), Err: err}
	case strings.HasSuffix(f.Code, "MODULE_NOT_FOUND") && strings.Contains(f.Message, "'typeorm'"):
		return fmt.Errorf("package typeorm is not installed for %s: run npm install in the application's folder", a.path())
	case f.Code == "ERR_UNKNOWN_FILE_EXTENSION":
		return fmt.Errorf("%w: name compiled JavaScript, not TypeScript", err)
	}
	return err
}

// syncWriter lets the application's output and ours share one log.
type syncWriter struct {
	mu sync.Mutex // guards w
	w  io.Writer
}

// Write is io.Writer.
func (s *syncWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}
