package story

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"mulligan/internal/testdb"
)

const (
	example     = "../../examples/typeorm-security-keys"
	installHint = "not installed; run: sudo scripts/install-test-servers"
	// limit is how long one program may take, an npm install on a slow network included.
	limit = 5 * time.Minute
)

// tools are what a test process makes once and all its tests use.
type tools struct {
	mulligan func() (string, error)                       // path of the program, built from this tree
	packages map[string]func() (folder string, err error) // node_modules, by TypeORM's version
}

// made is filled by TestMain before any test runs, and is only read afterwards.
var made tools

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	folder, err := os.MkdirTemp("", "mulligan-story-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	made.mulligan = sync.OnceValues(func() (string, error) { return build(folder) })
	made.packages = make(map[string]func() (string, error))
	for _, version := range versions() {
		made.packages[version] = sync.OnceValues(func() (string, error) { return install(version) })
	}
	code := testdb.Wrap(m).Run()
	if err := os.RemoveAll(folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// versions are TypeORM's releases that the example is tested with; pinned is the one in its package.json.
func versions() []string { return []string{pinned, "1.1.x"} }

const pinned = "0.3.x"

func build(folder string) (string, error) {
	program := filepath.Join(folder, "mulligan")
	out, err := exec.Command("go", "build", "-o", program, "mulligan/cmd/mulligan").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build mulligan: %w\n%s", err, out)
	}
	return program, nil
}

// install returns the folder node_modules of one TypeORM version. It is installed as the example's README
// tells, unless an earlier run did it; test processes that ask at the same time wait for the first.
func install(version string) (string, error) {
	manifest, err := os.ReadFile(filepath.Join(example, "package.json"))
	if err != nil {
		return "", err
	}
	if _, err := exec.LookPath("npm"); err != nil {
		return "", fmt.Errorf("npm: %s", installHint)
	}
	cache, err := testdb.CacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(append([]byte(version+"\n"), manifest...))
	folder := filepath.Join(cache, "story", fmt.Sprintf("typeorm-%s-%x", strings.TrimSuffix(version, ".x"), sum[:6]))
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return "", err
	}
	lock := flock.New(folder + ".lock")
	if err := lock.Lock(); err != nil {
		return "", fmt.Errorf("lock %s: %w", folder, err)
	}
	defer func() { _ = lock.Unlock() }() // the end of the process unlocks too
	modules := filepath.Join(folder, "node_modules")
	if _, err := os.Stat(modules); err == nil {
		return modules, nil
	}
	return modules, stage(folder, version)
}

// stage installs beside the folder and renames, so that a killed install leaves nothing under its name.
func stage(folder, version string) (err error) {
	work, err := os.MkdirTemp(filepath.Dir(folder), "new")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	for _, name := range []string{"package.json", ".npmrc"} {
		if err := copyFile(filepath.Join(work, name), filepath.Join(example, name)); err != nil {
			return err
		}
	}
	steps := [][]string{{"install"}}
	if version != pinned {
		steps = append(steps, []string{"install", "typeorm@" + version})
	}
	for _, args := range steps {
		if err := npm(work, args); err != nil {
			return err
		}
	}
	return os.Rename(work, folder)
}

func npm(folder string, args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", args...)
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

func copyFile(dst, src string) error {
	data, err := os.ReadFile(src)
	if err != nil {
		return err
	}
	return os.WriteFile(dst, data, 0o644)
}
