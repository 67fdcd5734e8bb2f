package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// fileNames are the names that are searched for.
func fileNames() []string { return []string{"mulligan.yaml", "mulligan.yml"} }

// find searches dir and the folders above it, and gives the file's path, or "" where there is none.
func find(dir string) (string, *Error) {
	for {
		var found []string
		for _, name := range fileNames() {
			path := filepath.Join(dir, name)
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				found = append(found, path)
			}
		}
		switch parent := filepath.Dir(dir); {
		case len(found) > 1:
			return "", &Error{File: found[0], Reason: fmt.Sprintf("%s is beside it: which of the two counts?", filepath.Base(found[1])),
				Hint: "remove one of them, or say which with --config"}
		case len(found) == 1:
			return found[0], nil
		case parent == dir:
			return "", nil
		default:
			dir = parent
		}
	}
}

// absolute joins a path to the folder that it is relative to.
func absolute(base, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(base, path)
}

// workingDir makes dir absolute; empty = the process's own.
func workingDir(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", errors.New("the working folder cannot be found")
	}
	return abs, nil
}
