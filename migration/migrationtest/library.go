package migrationtest

import (
	"path/filepath"
	"strings"
	"testing"

	"mulligan/engine"
)

// Library makes a folder of another tool's migrations out of the examples' lending library. file names each by its
// version of 14 digits and its title, such as "create_books"; the name may have folders.
func Library(t testing.TB, f engine.Family, file func(version, title string) string) string {
	t.Helper()
	dir := t.TempDir()
	const suffix = ".up.sql"
	files, err := filepath.Glob(filepath.Join(Example(t, "golang-migrate", Folder(f)), "*"+suffix))
	if err != nil || len(files) == 0 {
		t.Fatalf("the examples have no files *%s: %v", suffix, err)
	}
	for _, from := range files {
		version, title, _ := strings.Cut(strings.TrimSuffix(filepath.Base(from), suffix), "_")
		copyFile(t, from, filepath.Join(dir, filepath.FromSlash(file("20240101"+version, title))))
	}
	return dir
}
