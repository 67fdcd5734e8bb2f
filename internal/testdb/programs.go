package testdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const installHint = "not installed; run: sudo scripts/install-test-servers"

var errNotInstalled = errors.New(installHint)

// programs is an installation of a server.
type programs struct {
	server string   // path of the server program
	dirs   []string // where its other programs are; PATH comes last
}

// tool returns the path of a program of the installation.
func (p *programs) tool(name string) (string, error) {
	for _, dir := range p.dirs {
		if path := filepath.Join(dir, name); executable(path) {
			return path, nil
		}
	}
	return exec.LookPath(name)
}

// find looks for the server program name in the folders that the environment variable names, then in
// the others and in PATH, and takes the first that accept likes by its version, which it returns.
func find(ctx context.Context, variable, name string, dirs []string, accept func(version string) bool) (*programs, string, error) {
	if dir := os.Getenv(variable); dir != "" {
		dirs = []string{filepath.Join(dir, "bin"), filepath.Join(dir, "sbin"), dir}
	} else {
		dirs = append(slices.Clip(dirs), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin")
		dirs = append(dirs, filepath.SplitList(os.Getenv("PATH"))...)
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		if !executable(path) {
			continue
		}
		out, err := exec.CommandContext(ctx, path, "--version").Output()
		if err != nil {
			return nil, "", fmt.Errorf("ask %s for its version: %w", path, err)
		}
		if version := strings.TrimSpace(string(out)); accept(version) {
			return &programs{server: path, dirs: []string{dir, filepath.Join(dir, "..", "bin")}}, version, nil
		}
	}
	return nil, "", fmt.Errorf("%s: %w", name, errNotInstalled)
}

// executable tells whether path is a program.
func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// newestFirst sorts the folders of a pattern such as /usr/lib/postgresql/*/bin by the number in it.
func newestFirst(pattern string) []string {
	dirs, err := filepath.Glob(pattern)
	if err != nil {
		return nil
	}
	number := func(dir string) int {
		n, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		if err != nil {
			return -1
		}
		return n
	}
	slices.SortFunc(dirs, func(a, b string) int { return cmp.Compare(number(b), number(a)) })
	return dirs
}
