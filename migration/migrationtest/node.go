package migrationtest

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"mulligan/internal/testdb"
)

// Modules makes a folder of an application's that has packages of npm's, each with its exact version, and copies files
// into it. npm's registry is asked the first time only: the packages stay in the cache folder of the test servers, under
// name. Their install scripts are not run.
func Modules(t testing.TB, name string, packages map[string]string, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	wanted, err := json.Marshal(map[string]any{"private": true, "dependencies": packages})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "package.json"), string(wanted))
	linkModules(t, name, dir)
	for _, f := range files {
		copyFile(t, f, filepath.Join(dir, filepath.Base(f)))
	}
	return dir
}

// linkModules gives a folder the packages that its package.json names, installed once in a folder of the cache.
func linkModules(t testing.TB, name, dir string) {
	t.Helper()
	cache, err := testdb.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(cache, "npm", name)
	installModules(t, home, readFile(t, filepath.Join(dir, "package.json")))
	if err := os.Symlink(filepath.Join(home, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
}

// installModules installs what a package.json names, once.
func installModules(t testing.TB, home, wanted string) {
	t.Helper()
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
	if done, err := os.ReadFile(filepath.Join(home, "installed")); err == nil && string(done) == wanted {
		return
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(home, "package.json"), wanted)
	npm := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts")
	npm.Dir = home
	if out, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("npm install (Node with npm comes with sudo scripts/install-test-servers): %v\n%s", err, out)
	}
	writeFile(t, filepath.Join(home, "installed"), wanted)
}

// Node runs a script in a folder, with entries "NAME=value" in its environment, and returns what it printed.
func Node(t testing.TB, dir string, env []string, args ...string) (output string, err error) {
	t.Helper()
	return RunIn(t, dir, env, "node", args...)
}
