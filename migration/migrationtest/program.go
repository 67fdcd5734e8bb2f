package migrationtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"mulligan/internal/testdb"
)

// programs are the real tools, as the Go commands that build them in internal/tools.
func programs() map[string][]string {
	return map[string][]string{
		"goose": {"-tags", "no_clickhouse no_libsql no_mssql no_vertica no_ydb no_turso no_azuresql",
			"github.com/pressly/goose/v3/cmd/goose"},
		"golang-migrate":        {"-tags", "postgres mysql sqlite", "github.com/golang-migrate/migrate/v4/cmd/migrate"},
		"atlas":                 {"ariga.io/atlas/cmd/atlas"},
		"dbmate":                {"./dbmate"},
		"sql-migrate":           {"github.com/rubenv/sql-migrate/sql-migrate"},
		"sql-migrate-on-sqlite": {"./sqlmigrate"}, // its own program has a driver that needs a C compiler
		"tern":                  {"github.com/jackc/tern/v2"},
	}
}

// Program builds a real tool, as [programs] names it, and returns its path. The Go module proxy is asked the
// first time only: what is built stays in the cache folder of the test servers, until another version of anything
// in it is wanted.
func Program(t testing.TB, name string) string {
	t.Helper()
	args, ok := programs()[name]
	if !ok {
		t.Fatalf("no program %s", name)
	}
	cache, err := testdb.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(root(t), "internal", "tools")
	if name == "atlas" {
		source = filepath.Join(source, name) // a module of its own
	}
	path := filepath.Join(cache, "programs", name+"-"+sumOf(t, source, args))
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp(filepath.Dir(path), "new-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	built := filepath.Join(folder, name)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	build := exec.CommandContext(ctx, "go", append([]string{"build", "-o", built}, args...)...)
	build.Dir = source
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly -buildvcs=false")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s (it needs the Go module proxy): %v\n%s", name, err, out)
	}
	// Others may run the same program: it is put in its place whole.
	if err := os.Rename(built, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// sumOf is one text for all that a program is built of.
func sumOf(t testing.TB, source string, args []string) string {
	t.Helper()
	files := []string{filepath.Join(source, "go.mod"), filepath.Join(source, "go.sum")}
	own, err := filepath.Glob(filepath.Join(source, args[len(args)-1], "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version(), runtime.GOOS, runtime.GOARCH, args)
	for _, f := range append(files, own...) {
		fmt.Fprintln(sum, readFile(t, f))
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}

// Run runs a real tool without any of this process's own settings for it.
func Run(t testing.TB, program string, args ...string) (output string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"HOME=" + cmd.Dir, "PATH=" + os.Getenv("PATH"), "TZ=UTC"}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	return out.String(), err
}

// Example is a folder of the repository's examples.
func Example(t testing.TB, parts ...string) string {
	t.Helper()
	return filepath.Join(append([]string{root(t), "examples"}, parts...)...)
}

// root finds the main module's folder above the working directory.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, gone := os.Stat(filepath.Join(dir, "go.mod")); gone == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			break
		}
		dir = up
	}
	t.Fatal("the module's folder is not above the working directory")
	return ""
}
