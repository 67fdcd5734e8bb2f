package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/joho/godotenv"
)

// environment is the process's variables over those of a .env file.
type environment struct {
	real   map[string]string
	dotenv map[string]string
	dir    string // what paths in real are relative to
	beside string // the folder of the .env file
}

func newEnvironment(pairs []string, dir string) *environment {
	if pairs == nil {
		pairs = os.Environ()
	}
	e := &environment{real: map[string]string{}, dir: dir, beside: dir}
	for _, pair := range pairs {
		// Windows has variables whose name begins with "=".
		if name, value, ok := strings.Cut(pair, "="); ok && name != "" {
			e.real[name] = value
		}
	}
	return e
}

// lookup gives a variable's value.
func (e *environment) lookup(name string) (string, bool) {
	if value, ok := e.real[name]; ok {
		return value, true
	}
	value, ok := e.dotenv[name]
	return value, ok
}

// value gives a variable that is set and not empty, and the folder that a path in it is relative to.
func (e *environment) value(name string) (value, base string, ok bool) {
	if value, ok := e.real[name]; ok {
		return value, e.dir, value != ""
	}
	value = e.dotenv[name]
	return value, e.beside, value != ""
}

// list is the whole as NAME=value, sorted, for a child process.
func (e *environment) list() []string {
	var pairs []string
	for name, value := range e.real {
		pairs = append(pairs, name+"="+value)
	}
	for name, value := range e.dotenv {
		if _, ok := e.real[name]; !ok {
			pairs = append(pairs, name+"="+value)
		}
	}
	sort.Strings(pairs)
	return pairs
}

// readDotenv reads the .env file of a folder. One that is absent, or a folder (as Python makes them), is none.
func (e *environment) readDotenv(dir string) *Error {
	e.beside = dir
	path := filepath.Join(dir, ".env")
	if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
		return nil
	}
	data, err := readLimited(path)
	if err != nil {
		return &Error{File: e.show(path), Reason: err.Error()}
	}
	values, line := parseDotenv(string(data))
	if line > 0 {
		return &Error{File: e.show(path), Line: line, Reason: "cannot be read: each line must be NAME=value, # comment, or empty",
			Hint: "put a value with special characters in 'single quotes'"}
	}
	e.dotenv = values
	return nil
}

// parseDotenv gives the variables, or the line at which the text cannot be read. The parser's own errors hold
// the text, so secrets, and no line: the line is the one after the longest beginning that can be read.
func parseDotenv(text string) (values map[string]string, line int) {
	text = strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n")
	if values, ok := dotenv(text); ok {
		return values, 0
	}
	lines := strings.SplitAfter(text, "\n")
	good := 0
	for n := range min(len(lines), 1000) {
		if _, ok := dotenv(strings.Join(lines[:n], "")); ok {
			good = n
		}
	}
	return nil, good + 1
}

func dotenv(text string) (map[string]string, bool) {
	values, err := godotenv.Unmarshal(text)
	for name := range values {
		// The parser takes a line without "=" for the value of the name "", and lets names hold spaces.
		if name == "" || strings.ContainsAny(name, " \t\r\n") {
			return nil, false
		}
	}
	return values, err == nil
}

// show is a path as an error names it: relative where it lies in or below the working folder.
func (e *environment) show(path string) string {
	if rel, err := filepath.Rel(e.dir, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// maxFile is the size in bytes up to which a file of ours is read.
const maxFile = 256 << 10

// readLimited reads a small file. Its errors say what is wrong, without the path.
func readLimited(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errors.New("there is no such file")
	case err == nil && !info.Mode().IsRegular() && info.IsDir():
		return nil, errors.New("is a folder, not a file")
	case err == nil && info.Size() > maxFile:
		return nil, fmt.Errorf("is larger than %d bytes", maxFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		if fault := (*fs.PathError)(nil); errors.As(err, &fault) {
			err = fault.Err
		}
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	return data, nil
}
