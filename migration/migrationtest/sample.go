package migrationtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Sample makes a copy of the TypeORM sample application with its packages installed, with the given
// version of TypeORM, and returns its folder. npm's registry is asked the first time only: the
// packages stay in the cache folder of the test servers.
func Sample(t testing.TB, typeorm string) string {
	t.Helper()
	from, dir := Example(t, "typeorm-security-keys"), t.TempDir()
	for _, name := range []string{"package.json", ".npmrc"} {
		copyFile(t, filepath.Join(from, name), filepath.Join(dir, name))
	}
	for _, pattern := range []string{"*.js", filepath.Join("migrations", "*.js")} {
		files, err := filepath.Glob(filepath.Join(from, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("the sample has no %s: %v", pattern, err)
		}
		for _, f := range files {
			name := strings.TrimPrefix(f, from)
			copyFile(t, f, filepath.Join(dir, name))
		}
	}
	text := readFile(t, filepath.Join(dir, "package.json"))
	text = strings.Replace(text, `"typeorm": "0.3.31"`, `"typeorm": "`+typeorm+`"`, 1)
	if !strings.Contains(text, `"typeorm": "`+typeorm+`"`) {
		t.Fatalf("package.json of the sample does not name its TypeORM as expected:\n%s", text)
	}
	writeFile(t, filepath.Join(dir, "package.json"), text)
	linkModules(t, "sample-typeorm-"+typeorm, dir)
	return dir
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	writeFile(t, to, readFile(t, from))
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
