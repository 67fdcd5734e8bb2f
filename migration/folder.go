package migration

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxFile is the longest migration file that is read, in bytes. A dump of a whole database is none.
const maxFile = 256 << 20

// File is one file of a migrations folder.
type File struct {
	Name string // base name
	Path string // folder and name, as the folder was given
	Hash string // lower-case hex SHA-256 over its bytes
	Text string // its content, UTF-8
}

// ReadFolder reads the files of a flat folder whose base names match, in the order of their names.
// Sub-folders are left out; a symbolic link counts as what it points to. A file that is not UTF-8,
// too long or unreadable is an error that names it, as is a link that leads nowhere.
// Errors: fs.ErrNotExist where the folder is absent.
func ReadFolder(dir string, match func(name string) bool) ([]File, error) {
	names, err := List(dir, match)
	if err != nil {
		return nil, err
	}
	files := make([]File, 0, len(names))
	for _, name := range names {
		f, err := ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// List names the files of a flat folder whose base names match, sorted, without reading them.
// Errors: fs.ErrNotExist where the folder is absent.
func List(dir string, match func(name string) bool) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list migrations folder: %w", err)
	}
	var names []string
	for _, e := range entries {
		if !match(e.Name()) || e.IsDir() {
			continue
		}
		info, err := os.Stat(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read migration: %w", err)
		}
		if info.IsDir() {
			continue
		}
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("migration %s is no regular file", filepath.Join(dir, e.Name()))
		}
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names, nil
}

// ReadFile reads one migration file. One that is not UTF-8 or too long is an error that names it.
func ReadFile(path string) (f File, err error) {
	r, err := os.Open(path)
	if err != nil {
		return File{}, fmt.Errorf("read migration: %w", err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return File{}, fmt.Errorf("read migration: %w", err)
	}
	if len(data) > maxFile {
		return File{}, fmt.Errorf("migration %s is longer than %d MiB", path, maxFile>>20)
	}
	if i := invalidUTF8(data); i >= 0 {
		line := 1 + bytes.Count(data[:i], []byte("\n"))
		return File{}, fmt.Errorf("migration %s is not UTF-8 text (line %d): save it as UTF-8", path, line)
	}
	sum := sha256.Sum256(data)
	return File{Name: filepath.Base(path), Path: path, Hash: hex.EncodeToString(sum[:]), Text: string(data)}, nil
}

// Reread reads the file of a migration that a [Source] listed. One that has changed since is an error.
func Reread(m Migration) (string, error) {
	f, err := ReadFile(m.Path)
	if err != nil {
		return "", err
	}
	if m.Hash != "" && f.Hash != m.Hash {
		return "", fmt.Errorf("migration %s has changed since it was listed", m.Path)
	}
	return f.Text, nil
}

// CheckUnique returns an error that names both files where two migrations have one ID, and [ErrNone],
// saying where was looked and for what, where there is not one.
func CheckUnique(list []Migration, where, wanted string) error {
	if len(list) == 0 {
		return fmt.Errorf("%w: %s holds no file like %s", ErrNone, where, wanted)
	}
	seen := make(map[ID]string, len(list))
	for _, m := range list {
		if first, twice := seen[m.ID]; twice {
			return fmt.Errorf("two migrations have the version %s: %s and %s", m.ID, first, m.Path)
		}
		seen[m.ID] = m.Path
	}
	return nil
}

// Title makes the readable part of a file's name: "add_users" is "add users".
func Title(name string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == '_' || r == '-' {
			return ' '
		}
		return r
	}, name))
}

// FileTool tells from the files of a folder whether they are one tool's migrations.
type FileTool struct {
	Tool string
	// Looks gives how many files of the folder are surely that tool's: 0 = none. It reads, and changes nothing.
	Looks func(dir string) (files int, err error)
}

// DetectFolder names the tool whose migrations a folder holds.
// Errors: [ErrNone] where no tool knows its files, [ErrAmbiguous] where two know equally many.
func DetectFolder(dir string, tools ...FileTool) (string, error) {
	best, most := []string(nil), 0
	for _, t := range tools {
		n, err := t.Looks(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("migrations folder %s: %w", dir, err)
		case err != nil:
			return "", fmt.Errorf("look for %s migrations in %s: %w", t.Tool, dir, err)
		case n > most:
			best, most = []string{t.Tool}, n
		case n == most && n > 0:
			best = append(best, t.Tool)
		}
	}
	switch len(best) {
	case 0:
		return "", fmt.Errorf("%w: no known tool's files are in %s", ErrNone, dir)
	case 1:
		return best[0], nil
	default:
		return "", fmt.Errorf("%w: the files in %s could be those of %s", ErrAmbiguous, dir, strings.Join(best, " or "))
	}
}

func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		if data[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}
