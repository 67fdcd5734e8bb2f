package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// site is where mulligan works on one database.
type site struct {
	program    string
	url        string
	migrations string
	state      string // holds the snapshots
}

func newSite(b *testing.B, url, migrations string) *site {
	b.Helper()
	return &site{program: mulligan(b), url: url, migrations: migrations, state: filepath.Join(b.TempDir(), "state")}
}

// env leads mulligan to the database without a password on its command line.
func (s *site) env(more ...string) []string {
	var env []string
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); name == "DATABASE_URL" || strings.HasPrefix(name, "MULLIGAN_") {
			continue
		}
		env = append(env, v)
	}
	return append(env, append([]string{"MULLIGAN_URL=" + s.url, "MULLIGAN_STATE_DIR=" + s.state, "MULLIGAN_MIGRATIONS=" + s.migrations, "MULLIGAN_TARGET=bench"}, more...)...)
}

// backup writes a snapshot in place of the last one.
func (s *site) backup() program {
	return program{
		name: "mulligan -j 2 backup", args: []string{s.program, "-q", "-j", "2", "backup"}, env: s.env(),
		before: func(b *testing.B) { remove(b, s.state) },
		after:  func(b *testing.B) int64 { return sizeOf(b, s.state) },
	}
}

// restore makes a database, which drop removes again, from the last backup's snapshot.
func (s *site) restore(into string, drop func(b *testing.B)) program {
	return program{
		name: "mulligan -j 2 restore latest --into …", args: []string{s.program, "-q", "-y", "-j", "2", "restore", "latest"},
		env:    s.env("MULLIGAN_INTO=" + into),
		before: func(b *testing.B) { drop(b) },
		after:  func(b *testing.B) int64 { drop(b); return 0 },
	}
}

// must runs a program that has to work, unmeasured.
func must(b *testing.B, env []string, args ...string) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), args[0], args[1:]...)
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%s: %v\n%.2000s", args[0], err, out)
	}
}

// shell runs a pipeline of which each program has to work. "$@" in it stands for args.
func shell(text string, args ...string) []string {
	return append([]string{"bash", "-o", "pipefail", "-c", text, "bash"}, args...)
}

// packer is the quickest compression that the machine has as a program.
func packer() string {
	if _, err := exec.LookPath("zstd"); err == nil {
		return "zstd -q -1"
	}
	return "gzip -1"
}

// lookFor gives a peer's path, or why it is not there.
func lookFor(name string) (path, missing string) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", "not installed"
	}
	return path, ""
}

func title(what, version string, rows int) string {
	return fmt.Sprintf("%s: %s, a wide table of %d rows and %d small ones", version, what, rows, smallTables)
}
