package dir_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"mulligan/store"
	"mulligan/store/dir"
	"mulligan/store/storetest"
)

func open(t *testing.T) *dir.Store {
	t.Helper()
	s, err := dir.Open(filepath.Join(t.TempDir(), "some", "repository"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	storetest.Test(t, func(t *testing.T) store.Store { return open(t) })
}

// TestModes runs itself under two umasks: one that gives others everything, one that takes the owner's rights.
func TestModes(t *testing.T) {
	if path := os.Getenv("DIR_TEST_UMASK_STORE"); path != "" {
		mask := 0
		if os.Getenv("DIR_TEST_UMASK") == "0277" {
			mask = 0o277
		}
		syscall.Umask(mask)
		s, err := dir.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Put(t.Context(), "a/b/c", strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, mask := range []string{"0", "0277"} {
		path := filepath.Join(t.TempDir(), "new", "store")
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestModes$")
		child.Env = append(os.Environ(), "DIR_TEST_UMASK_STORE="+path, "DIR_TEST_UMASK="+mask)
		if out, err := child.CombinedOutput(); err != nil {
			t.Fatalf("umask %s: %v\n%s", mask, err, out)
		}
		for name, want := range map[string]fs.FileMode{"": 0o700, "..": 0o700, "a": 0o700, "a/b": 0o700, "a/b/c": 0o600, ".tmp": 0o700} {
			info, err := os.Stat(filepath.Join(path, name))
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm() != want {
				t.Errorf("umask %s: %q is %v, want %v", mask, name, info.Mode().Perm(), want)
			}
		}
	}
}

func TestPutLeavesNoTemporaryFile(t *testing.T) {
	s := open(t)
	if err := s.Put(t.Context(), "a", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "a", strings.NewReader("x")); !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	if left := temporary(t, s); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}

func TestOpenSweepsWhatTheDeadLeft(t *testing.T) {
	s := open(t)
	old := time.Now().Add(-time.Hour)
	leave := func(name string, at time.Time) string {
		path := filepath.Join(s.Path(), ".tmp", name)
		if err := errors.Join(os.WriteFile(path, []byte("half"), 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	leave("put-dead", old)
	leave("put-young", time.Now())
	lock := flock.New(leave("put-living", old))
	if ok, err := lock.TryLock(); err != nil || !ok {
		t.Fatal(ok, err)
	}
	for info, err := range s.List(t.Context(), "") {
		t.Errorf("List shows %v, %v", info, err)
	}
	if _, err := dir.Open(s.Path()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(temporary(t, s), " "); got != "put-living put-young" {
		t.Errorf("after Open there are %q, want put-living put-young", got)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Open(s.Path()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(temporary(t, s), " "); got != "put-young" {
		t.Errorf("after the owner's end there are %q, want put-young", got)
	}
}

// TestKilledInPut kills a process in the middle of a Put: the blob is absent, and the next Put works.
func TestKilledInPut(t *testing.T) {
	if path := os.Getenv("DIR_TEST_KILL_STORE"); path != "" {
		s, err := dir.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Put(t.Context(), "a/b", suicide{strings.NewReader(strings.Repeat("x", 1<<20))})
		t.Fatal("still alive")
	}
	s := open(t)
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledInPut$")
	child.Env = append(os.Environ(), "DIR_TEST_KILL_STORE="+s.Path())
	if out, err := child.CombinedOutput(); err == nil || child.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended by %v, not by SIGKILL\n%s", err, out)
	}
	if left := temporary(t, s); len(left) != 1 {
		t.Errorf("the child left %q, want one temporary file", left)
	}
	for info, err := range s.List(t.Context(), "") {
		t.Errorf("List shows %v, %v", info, err)
	}
	if err := s.Put(t.Context(), "a/b", strings.NewReader("whole")); err != nil {
		t.Error(err)
	}
}

// TestDiskFull has the file system refuse the rest of a blob: it is absent, and so is its temporary file.
func TestDiskFull(t *testing.T) {
	s := open(t)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 100_000, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	err := s.Put(t.Context(), "a/b", strings.NewReader(strings.Repeat("x", 200_000)))
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, syscall.EFBIG) {
		t.Errorf("Put: %v, want EFBIG", err)
	}
	if left := temporary(t, s); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
	if _, err := s.Get(t.Context(), "a/b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Get: %v, want fs.ErrNotExist", err)
	}
}

// suicide kills its process when about half of it was read.
type suicide struct{ *strings.Reader }

// Read reads until the end comes.
func (s suicide) Read(p []byte) (int, error) {
	if s.Len() < 1<<19 {
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			return 0, err
		}
		select {} // the signal is on its way
	}
	return s.Reader.Read(p)
}

func TestDeleteRemovesEmptyFolders(t *testing.T) {
	s := open(t)
	for _, name := range []string{"a/b/c", "a/d"} {
		if err := s.Put(t.Context(), name, strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Delete(t.Context(), "a/b/c"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(s.Path(), "a/b")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("folder a/b: %v, want it gone", err)
	}
	if err := s.Delete(t.Context(), "a/d"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(s.Path(), "a")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("folder a: %v, want it gone", err)
	}
	if _, err := os.Stat(s.Path()); err != nil {
		t.Errorf("the store itself: %v", err)
	}
}

func TestRefuses(t *testing.T) {
	s := open(t)
	for _, name := range []string{".tmp", ".tmp/x"} {
		if err := s.Put(t.Context(), name, strings.NewReader("x")); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Put %s: %v, want fs.ErrInvalid", name, err)
		}
	}
	if err := s.Put(t.Context(), "a/b", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "a/b/c"} {
		if err := s.Put(t.Context(), name, strings.NewReader("x")); !errors.Is(err, fs.ErrExist) {
			t.Errorf("Put %s beside a/b: %v, want fs.ErrExist", name, err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Open(file); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Open of a file: %v, want fs.ErrExist", err)
	}
}

func temporary(t *testing.T, s *dir.Store) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.Path(), ".tmp"))
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}
