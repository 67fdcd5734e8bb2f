package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func mapKeys[K comparable, V any](m map[K]V) iter.Seq[K] { return maps.Keys(m) }

// patience is how long one command may take: none takes more than some seconds.
const patience = 2 * time.Minute

// newFolder makes a folder among those of the trials, which everybody may enter: a server may be another user.
func newFolder(t testing.TB, name string) string {
	t.Helper()
	folder, err := os.MkdirTemp(made.root, name+"-")
	if err == nil {
		err = errors.Join(os.Chmod(folder, 0o755), os.Chmod(made.root, 0o755))
	}
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// site is a library of its own with a folder, a configuration and a state, as a user has them.
type site struct {
	*library
	folder  string
	name    string // of the database; for SQLite the path of its file
	address string // its url, with the password
	env     []string
	wrap    []string // what the program is started through; empty = nothing
	log     bytes.Buffer
}

// newSite makes a library and its folder.
func (l *library) newSite(t testing.TB) *site {
	t.Helper()
	s := &site{library: l, folder: newFolder(t, l.engine)}
	if l.server == nil {
		if err := os.Mkdir(filepath.Join(s.folder, "db"), 0o755); err != nil {
			t.Fatal(err)
		}
		s.name = filepath.Join(s.folder, "db", "app.db")
		s.address = "sqlite:" + s.name
	} else {
		s.name = fmt.Sprintf("lib%d_", l.names.Add(1))
		s.address = l.server.URL(s.name)
	}
	if err := l.create(t.Context(), s.name); err != nil {
		t.Fatalf("make a library: %v", err)
	}
	s.configure(t, migrationsOf(t, l.engine), "")
	// What watches the journal watches its folder before there is one.
	if err := os.MkdirAll(s.runs(), 0o700); err != nil {
		t.Fatal(err)
	}
	return s
}

// configure writes the configuration; more = lines of the target.
func (s *site) configure(t testing.TB, migrations, more string) {
	t.Helper()
	text := fmt.Sprintf("targets:\n  - name: library\n    url: ${DATABASE_URL}\n    migrations: {tool: goose, dir: %q}\n%s", migrations, more)
	if err := os.WriteFile(filepath.Join(s.folder, "mulligan.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (s *site) runs() string { return filepath.Join(s.folder, ".mulligan", "runs") }

// remove takes away all that the site is made of.
func (s *site) remove(t testing.TB) {
	t.Helper()
	if s.server != nil {
		s.library.remove(t, s.name)
	}
	if err := os.RemoveAll(s.folder); err != nil {
		t.Error(err)
	}
}

// command is the program as a child process that has been started.
type command struct {
	cmd    *exec.Cmd
	out    bytes.Buffer
	began  time.Time
	code   int // -1 = ended by a signal
	cancel context.CancelFunc
}

// start starts the program in the site's folder.
func (s *site) start(t testing.TB, args ...string) *command {
	t.Helper()
	program, err := made.mulligan()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	words := slices.Concat(s.wrap, []string{program}, args)
	c := &command{cmd: exec.CommandContext(ctx, words[0], words[1:]...), cancel: cancel, began: time.Now()}
	c.cmd.Dir, c.cmd.Stdout, c.cmd.Stderr = s.folder, &c.out, &c.out
	// A grandchild that outlives the program has its output: nobody waits for that.
	c.cmd.WaitDelay = time.Second
	c.cmd.Env = append(environment(), "DATABASE_URL="+s.address, "HOME="+s.folder)
	c.cmd.Env = append(c.cmd.Env, s.env...)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// environment is this process's own, less what the program would take for settings.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "MULLIGAN_") || strings.HasPrefix(e, "DATABASE_URL=")
	})
}

// kill ends the program at once; one that has ended is fine.
func (c *command) kill() { _ = c.cmd.Process.Kill() }

// wait waits for the end, and notes what was said.
func (s *site) wait(c *command) int {
	defer c.cancel()
	_ = c.cmd.Wait() // the state tells
	c.code = c.cmd.ProcessState.ExitCode()
	fmt.Fprintf(&s.log, "$ mulligan %s\n%sexit code %d after %s\n", strings.Join(c.cmd.Args[len(s.wrap)+1:], " "), &c.out, c.code, time.Since(c.began).Round(time.Millisecond))
	return c.code
}

// run runs the program to its end.
func (s *site) run(t testing.TB, args ...string) *command {
	t.Helper()
	c := s.start(t, args...)
	s.wait(c)
	return c
}

// journal is the text of the newest run's journal; empty = there is no run.
func (s *site) journal() string {
	list, _ := filepath.Glob(filepath.Join(s.runs(), "*", "journal.jsonl")) // the pattern is right
	if len(list) == 0 {
		return ""
	}
	text, err := os.ReadFile(slices.Max(list))
	if err != nil {
		return ""
	}
	return string(text)
}

// entry is a line of a journal, as docs/journal.md has it.
type entry struct {
	Kind  string
	Stage string
	Data  json.RawMessage
}

// entries reads a journal's whole lines.
func entries(journal string) (list []entry) {
	for line := range strings.Lines(journal) {
		var e entry
		if len(line) > 9 && strings.HasSuffix(line, "\n") && json.Unmarshal([]byte(line[9:]), &e) == nil {
			list = append(list, e)
		}
	}
	return list
}

// stage is where the newest run is, as its journal tells.
func (s *site) stage() string {
	at := "begin"
	for _, e := range entries(s.journal()) {
		switch {
		case e.Kind == "end":
			at = "end"
		case e.Kind == "start" || e.Kind == "checkpoint":
			at = e.Stage
		}
	}
	return at
}

// aside is the name under which the newest run sets the old database aside; empty = there is no run.
func (s *site) aside() string {
	list := entries(s.journal())
	if len(list) == 0 {
		return ""
	}
	var header struct{ Aside string }
	if json.Unmarshal(list[0].Data, &header) != nil {
		return ""
	}
	return header.Aside
}
