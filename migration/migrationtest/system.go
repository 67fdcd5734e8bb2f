package migrationtest

import (
	"bytes"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"mulligan/engine"
)

// Installed checks that programs and packages of the system are there, by their paths, and returns the first.
func Installed(t testing.TB, paths ...string) string {
	t.Helper()
	for _, p := range paths {
		if found, err := filepath.Glob(p); err != nil || len(found) == 0 {
			t.Fatalf("%s is not there: run sudo scripts/install-test-servers", p)
		}
	}
	return paths[0]
}

// RunIn runs a program in a folder, with nothing of this process's environment but PATH, and env.
func RunIn(t testing.TB, dir string, env []string, program string, args ...string) (output string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "TZ=UTC", "LANG=C.UTF-8"}, env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	return out.String(), err
}

// Copied is a folder of the test's own testdata, copied to where it may be changed.
func Copied(t testing.TB, parts ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(append([]string{"testdata"}, parts...)...))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// DriverURL is a database's url for libraries that choose their driver by its scheme: postgres, mysql and sqlite are
// the schemes to use.
func DriverURL(u engine.URL, postgres, mysql, sqlite string) string {
	scheme := mysql
	switch u.Family() {
	case engine.Postgres:
		scheme = postgres
	case engine.SQLite:
		return sqlite + u.Database()
	case engine.MySQL, engine.MariaDB:
	}
	password, _ := u.Password()
	return scheme + "://" + url.UserPassword(u.User(), password).String() + "@" + u.Host() + "/" + u.Database()
}
