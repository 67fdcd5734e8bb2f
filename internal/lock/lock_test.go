package lock

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestText(t *testing.T) {
	h := This("rebuild", "20261122T215500Z-9f3a1c")
	h.Host = word("host */ DROP TABLE x; ü\n" + strings.Repeat("x", 100))
	got, ok := Parse(h.Text() + "\n")
	if !ok || got != h {
		t.Errorf("%+v, %v, want %+v", got, ok, h)
	}
	if text := h.Text(); strings.ContainsAny(text, "*\n") || len(text) > textLimit {
		t.Errorf("the text cannot stand in a comment: %q", text)
	}
	want := fmt.Sprintf("mulligan rebuild (run 20261122T215500Z-9f3a1c) on host %s, process %d, since %s UTC", h.Host, os.Getpid(), h.Since.Format("2006-01-02 15:04:05"))
	if h.String() != want {
		t.Errorf("%q, want %q", h, want)
	}
	for i := range len(h.Text()) - 1 {
		if got, ok := Parse(h.Text()[:i]); ok {
			t.Errorf("a text cut at %d is %+v", i, got)
		}
	}
}

func TestGone(t *testing.T) {
	here := This("rebuild", "")
	if here.Machine == "" || here.Start == "" {
		t.Fatalf("this process is %+v", here)
	}
	// A killed process that nobody has waited for yet, and then one of which nothing is left.
	child := exec.Command("cat")
	input, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	other := here
	other.PID = child.Process.Pid
	other.Start, _ = look(other.PID)
	if _, err := fmt.Fprintln(input, "alive"); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(output)
	if !lines.Scan() || other.Gone() {
		t.Error("a process that lives is gone")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// Its files are closed a moment before it has ended.
	for end := time.Now().Add(10 * time.Second); lines.Scan() || !other.Gone(); {
		if time.Now().After(end) {
			t.Fatal("a killed process whose files are closed is not gone")
		}
	}
	_ = child.Wait() // killed: that is its error
	if !other.Gone() {
		t.Error("a process that was waited for is not gone")
	}
	for what, change := range map[string]func(*Holder){
		"host": func(h *Holder) { h.Host = "elsewhere" }, "machine": func(h *Holder) { h.Machine = "ffff" },
		"machine not known": func(h *Holder) { h.Machine = "" }, "start not known": func(h *Holder) { h.Start = "" },
		"no process": func(h *Holder) { h.PID = 0 }, "a group": func(h *Holder) { h.PID = -other.PID },
	} {
		h := other
		if change(&h); h.Gone() {
			t.Errorf("other %s: it is proved to be gone", what)
		}
	}
	if here.Gone() {
		t.Error("this process is gone")
	}
	here.Start += "1"
	if !here.Gone() {
		t.Error("a number that was given out again is taken for the process that had it")
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "target.lock")
	h := This("rebuild", "r1")
	first := try(t, path, h)
	if f, by, err := Try(path, h); f != nil || err != nil || by != h {
		t.Errorf("a second one: %v, %+v, %v", f, by, err)
	}
	if err := first.Unlock(); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(path); err != nil || len(text) != 0 {
		t.Errorf("what is left: %q, %v", text, err)
	}
	// What a dead process left is no lock; and where it stands in a locked file, it is not who has it.
	dead := h
	dead.Start += "1"
	for _, text := range []string{dead.Text(), h.Text(), "{", ""} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f := try(t, path, h)
		if err := os.WriteFile(path, []byte(dead.Text()), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, by, err := Try(path, h); err != nil || by != (Holder{}) {
			t.Errorf("%q: locked by %+v, %v", text, by, err)
		}
		if err := f.Unlock(); err != nil {
			t.Error(err)
		}
	}
}

// A file that was taken away, or replaced, is not locked any more, and what has its place is left alone.
func TestFileLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "target.lock")
	for _, free := range []func(*File) error{(*File).Unlock, (*File).Remove} {
		first := try(t, path, This("first", ""))
		if err := first.Held(); err != nil {
			t.Error(err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if first.Held() == nil {
			t.Error("the file is gone, and still held")
		}
		second := try(t, path, This("second", ""))
		if first.Held() == nil {
			t.Error("the file is another's, and still held")
		}
		if err := free(first); err == nil {
			t.Error("letting go of what was lost says nothing")
		}
		if _, by, err := Try(path, This("third", "")); err != nil || by.Command != "second" {
			t.Errorf("locked by %+v, %v", by, err)
		}
		if err := second.Remove(); err != nil {
			t.Error(err)
		}
	}
}

func try(t *testing.T, path string, h Holder) *File {
	t.Helper()
	f, by, err := Try(path, h)
	if err != nil || f == nil {
		t.Fatalf("%v, %+v, %v", f, by, err)
	}
	return f
}
