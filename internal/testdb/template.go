package testdb

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/gofrs/flock"
)

// CacheDir is the folder that outlives the tests: templates, the MySQL of the install script, and what other
// packages of tests do not want to fetch again.
func CacheDir() (string, error) {
	if dir := os.Getenv("MULLIGAN_TEST_CACHE"); dir != "" {
		return dir, nil
	}
	// The install script looks here too, also where the system's own habit is another folder.
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "mulligan-test"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w", err)
	}
	return filepath.Join(home, ".cache", "mulligan-test"), nil
}

// template returns the folder with the freshly initialised data of a server, which init makes in the
// folder that it is given when this version of the server has none yet. Test processes that
// ask at the same time wait for the first; what is killed midway leaves no template.
func template(ctx context.Context, family Family, version string, init func(context.Context, string) error) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	root := filepath.Join(cache, "templates")
	sum := sha256.Sum256([]byte(version))
	dir := filepath.Join(root, fmt.Sprintf("%s-%x", family, sum[:6]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", err
	}
	lock := flock.New(dir + ".lock")
	if err := lock.Lock(); err != nil {
		return "", fmt.Errorf("lock %s: %w", dir, err)
	}
	defer func() { _ = lock.Unlock() }() // the end of the process unlocks too
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	return dir, makeTemplate(ctx, dir, init)
}

// makeTemplate initialises in a folder that the server's user may enter, which the cache need
// not be, then copies the result and renames it, so that a template is whole or absent.
func makeTemplate(ctx context.Context, dir string, init func(context.Context, string) error) (err error) {
	work, err := os.MkdirTemp(tempRoot(), "mtinit")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	if err := init(ctx, work); err != nil {
		return fmt.Errorf("initialise data: %w", err)
	}
	staged, err := os.MkdirTemp(filepath.Dir(dir), "new")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(staged)) }()
	data := filepath.Join(staged, "data")
	if err := copyTree(data, filepath.Join(work, "data"), nil); err != nil {
		return err
	}
	return os.Rename(data, dir)
}

// copyTree copies the folder src to dst, which must not exist, with all modes, for account to own.
// Files that a server must make itself are left out: its identity and its crash buffer.
func copyTree(dst, src string, account *syscall.Credential) error {
	err := filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Name() == "auto.cnf" || strings.HasSuffix(d.Name(), ".dblwr") {
			return nil
		}
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		return copyEntry(filepath.Join(dst, rel), path, d, account)
	})
	if err != nil {
		return fmt.Errorf("copy %s: %w", src, err)
	}
	return nil
}

func copyEntry(dst, src string, d fs.DirEntry, account *syscall.Credential) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	if d.IsDir() {
		err = os.Mkdir(dst, info.Mode().Perm()|0o700)
	} else {
		err = copyFile(dst, src, info.Mode().Perm())
	}
	if err == nil && account != nil {
		err = os.Lchown(dst, int(account.Uid), int(account.Gid))
	}
	return err
}

func copyFile(dst, src string, mode fs.FileMode) (err error) {
	r, err := os.Open(src)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	w, err := os.OpenFile(dst, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Close())
}

// tempRoot is the folder of the servers' own folders. A socket's path has a limit of about 100 bytes
// (unix(7)), and root's temporary folder may be closed to the user that PostgreSQL runs as.
func tempRoot() string {
	if dir := os.Getenv("MULLIGAN_TEST_DIR"); dir != "" {
		return dir
	}
	if dir := memoryRoot(); dir != "" {
		return dir
	}
	if dir := os.TempDir(); len(dir) <= 60 && os.Geteuid() != 0 {
		return dir
	}
	return "/tmp"
}
