package migration_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/migration"
)

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func sqlFile(name string) bool { return strings.HasSuffix(name, ".sql") }

func TestReadFolder(t *testing.T) {
	dir := folder(t, map[string]string{"b.sql": "hello", "a.sql": "", "note.txt": "\xff", "sub/c.sql": "x", "folder.sql/x": "x"})
	elsewhere := folder(t, map[string]string{"z.sql": "linked", "d/x": ""})
	for name, to := range map[string]string{"link.sql": "z.sql", "dirlink.sql": "d"} {
		if err := os.Symlink(filepath.Join(elsewhere, to), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	files, err := migration.ReadFolder(dir, sqlFile)
	if err != nil {
		t.Fatal(err)
	}
	want := []migration.File{
		{Name: "a.sql", Path: filepath.Join(dir, "a.sql"), Hash: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{Name: "b.sql", Path: filepath.Join(dir, "b.sql"), Hash: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", Text: "hello"},
		{Name: "link.sql", Path: filepath.Join(dir, "link.sql"), Hash: "2272bea616a05ae194c58b63752b39924a7beed67597c20dcb5586d1ee517290", Text: "linked"},
	}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestReadFolderErrors(t *testing.T) {
	latin := folder(t, map[string]string{"a.sql": "fine", "latin.sql": "one\ntwo\ncaf\xe9"})
	if _, err := migration.ReadFolder(latin, sqlFile); err == nil || !strings.Contains(err.Error(), "latin.sql") || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("%v, want an error with the file and the line", err)
	}
	broken := folder(t, nil)
	if err := os.Symlink("nowhere", filepath.Join(broken, "x.sql")); err != nil {
		t.Fatal(err)
	}
	if _, err := migration.ReadFolder(broken, sqlFile); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "x.sql") {
		t.Errorf("%v, want fs.ErrNotExist with the link's name", err)
	}
	if _, err := migration.ReadFolder(filepath.Join(broken, "none"), sqlFile); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want fs.ErrNotExist", err)
	}
}

func TestReread(t *testing.T) {
	dir := folder(t, map[string]string{"a.sql": "one"})
	files, err := migration.ReadFolder(dir, sqlFile)
	if err != nil {
		t.Fatal(err)
	}
	m := migration.Migration{ID: "1", Path: files[0].Path, Hash: files[0].Hash}
	if text, err := migration.Reread(m); err != nil || text != "one" {
		t.Errorf("Reread: %q, %v", text, err)
	}
	if err := os.WriteFile(m.Path, []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := migration.Reread(m); err == nil || !strings.Contains(err.Error(), "has changed") {
		t.Errorf("Reread of a changed file: %v", err)
	}
}

func TestDetectFolder(t *testing.T) {
	count := func(tool string, n int) migration.FileTool {
		return migration.FileTool{Tool: tool, Looks: func(string) (int, error) { return n, nil }}
	}
	if got, err := migration.DetectFolder("d", count("a", 0), count("b", 3), count("c", 2)); err != nil || got != "b" {
		t.Errorf("DetectFolder: %s, %v", got, err)
	}
	if _, err := migration.DetectFolder("d", count("a", 0)); !errors.Is(err, migration.ErrNone) {
		t.Errorf("DetectFolder: %v, want ErrNone", err)
	}
	if _, err := migration.DetectFolder("d", count("a", 2), count("b", 2)); !errors.Is(err, migration.ErrAmbiguous) || !strings.Contains(err.Error(), "a or b") {
		t.Errorf("DetectFolder: %v, want ErrAmbiguous with both names", err)
	}
}

func TestPending(t *testing.T) {
	all := migration.Compare([]migration.Migration{{ID: "1"}, {ID: "2"}, {ID: "3"}}, []migration.Record{{ID: "2", State: migration.Applied}, {ID: "9", State: migration.Applied}})
	for to, want := range map[migration.ID][]migration.ID{"": {"1", "3"}, "1": {"1"}, "2": {"1"}, "3": {"1", "3"}} {
		list, err := migration.Pending(all, to)
		var got []migration.ID
		for _, m := range list {
			got = append(got, m.ID)
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("up to %q: %v (-want +got):\n%s", to, err, diff)
		}
	}
	for _, to := range []migration.ID{"9", "7"} {
		if _, err := migration.Pending(all, to); err == nil {
			t.Errorf("up to %s, which is no file: no error", to)
		}
	}
}

func TestRunErrorText(t *testing.T) {
	cause := errors.New("boom")
	for want, e := range map[string]*migration.RunError{
		"run migrations: boom":                {Err: cause},
		"run migration 7: boom":               {ID: "7", Err: cause},
		"run migration 7 (m/7_x.sql:3): boom": {ID: "7", Path: "m/7_x.sql", Line: 3, Err: cause},
	} {
		if e.Error() != want || !errors.Is(e, cause) {
			t.Errorf("%q, want %q", e.Error(), want)
		}
	}
}

func TestCut(t *testing.T) {
	if got := migration.Cut(" SELECT\n\t1 "); got != "SELECT 1" {
		t.Errorf("Cut: %q", got)
	}
	if got := migration.Cut(strings.Repeat("日", 500)); len([]rune(got)) != 301 {
		t.Errorf("Cut to %d characters", len([]rune(got)))
	}
}
