package testdb

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// TestReaperEndsWhatIsLeft holds where no kernel signals the server at its parent's death.
func TestReaperEndsWhatIsLeft(t *testing.T) {
	dir, err := os.MkdirTemp(t.TempDir(), "server")
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command("cat")
	input, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = input.Close() }() // ends the cat should the reaper not
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	pid := []byte(strconv.Itoa(server.Process.Pid))
	if err := os.WriteFile(filepath.Join(dir, "pid"), pid, 0o600); err != nil {
		t.Fatal(err)
	}

	r, err := startReaper(dir, syscall.SIGQUIT)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Fatalf("the folder before the end: %v", err)
	}
	if err := r.finish(); err != nil {
		t.Fatal(err)
	}
	exit, ok := errors.AsType[*exec.ExitError](<-ended)
	if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGQUIT {
		t.Errorf("the server ended by %v, want signal quit", exit)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is left: %v", err)
	}
}
