package dir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestMoveNeverReplaces: what stands in for a link where the file system has none.
func TestMoveNeverReplaces(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "from"), filepath.Join(t.TempDir(), "to")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(from, "new")
	if err := move(from, filepath.Join(filepath.Dir(to), "gone", "to")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("into a folder that is not there: %v, want fs.ErrNotExist", err)
	}
	write(to, "old")
	if err := move(from, to); !errors.Is(err, fs.ErrExist) {
		t.Errorf("onto a blob: %v, want fs.ErrExist", err)
	}
	if b, err := os.ReadFile(to); err != nil || string(b) != "old" {
		t.Errorf("the blob is now %q, %v", b, err)
	}
	if err := os.Remove(to); err != nil {
		t.Fatal(err)
	}
	if err := move(from, to); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(to); err != nil || string(b) != "new" {
		t.Errorf("the blob is %q, %v", b, err)
	}
}
