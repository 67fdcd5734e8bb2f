package migrationtest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"mulligan/internal/testdb"
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
	if err := os.Symlink(packages(t, dir, "sample-typeorm-"+typeorm), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// packages installs what the package.json of dir names, once, in a folder of the cache, and returns the node_modules.
func packages(t testing.TB, dir, name string) string {
	t.Helper()
	cache, err := testdb.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(cache, "npm", name)
	if err := os.MkdirAll(home, 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	lock := flock.New(filepath.Join(home, "lock"))
	if ok, err := lock.TryLockContext(ctx, 50*time.Millisecond); !ok {
		t.Fatalf("lock %s: %v", home, err)
	}
	defer func() { _ = lock.Unlock() }()
	modules, wanted := filepath.Join(home, "node_modules"), readFile(t, filepath.Join(dir, "package.json"))
	if done, err := os.ReadFile(filepath.Join(home, "installed")); err == nil && string(done) == wanted {
		return modules
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, name := range []string{"package.json", ".npmrc"} {
		copyFile(t, filepath.Join(dir, name), filepath.Join(home, name))
	}
	npm := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts")
	npm.Dir = home
	if out, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("npm install (Node with npm comes with sudo scripts/install-test-servers): %v\n%s", err, out)
	}
	writeFile(t, filepath.Join(home, "installed"), wanted)
	return modules
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
