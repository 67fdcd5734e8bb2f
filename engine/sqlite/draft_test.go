package sqlite_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
)

// A Create that was killed leaves a draft beside the name. Whoever makes, moves or drops a database of that name removes
// it, and no file that only looks like it.
func TestDraftsOfAKilledCreate(t *testing.T) {
	for what, do := range map[string]func(s engine.Server, name string) error{
		"create": func(s engine.Server, name string) error { return s.Create(t.Context(), name, nil) },
		"drop": func(s engine.Server, name string) error {
			if err := s.Drop(t.Context(), name); !errors.Is(err, engine.ErrNotExist) {
				return fmt.Errorf("drop what is not there: %w", err)
			}
			return nil
		},
		"rename": func(s engine.Server, name string) error {
			if err := s.Create(t.Context(), name+"2", nil); err != nil {
				return err
			}
			return s.(engine.Renamer).Rename(t.Context(), engine.Move{From: name + "2", To: name})
		},
	} {
		t.Run(what, func(t *testing.T) {
			folder := t.TempDir()
			name, draft := filepath.Join(folder, "a.db"), ".a.db."+rand.Text()+".new"
			kept := []string{".a.db.mine.new", ".other.db." + rand.Text() + ".new"}
			for _, file := range append([]string{draft, draft + "-journal"}, kept...) {
				if err := os.WriteFile(filepath.Join(folder, file), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := do(connect(t, name), name); err != nil {
				t.Fatal(err)
			}
			left, err := filepath.Glob(filepath.Join(folder, ".*.new*"))
			if err != nil {
				t.Fatal(err)
			}
			for i := range left {
				left[i] = filepath.Base(left[i])
			}
			if diff := cmp.Diff(kept, left); diff != "" {
				t.Errorf("hidden files left (-want +got):\n%s", diff)
			}
		})
	}
}
