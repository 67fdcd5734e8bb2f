package dir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// graceful is the age from which a temporary file that nobody has locked is taken for left over.
// It covers the moment between making a file and locking it.
const graceful = time.Minute

// temporary is a file that is being written. Its lock tells the living from the dead.
type temporary struct {
	file *os.File
	lock *flock.Flock
}

// temporary makes one, for its owner only.
func (s *Store) temporary() (*temporary, error) {
	folder := filepath.Join(s.root, tmp)
	f, err := os.CreateTemp(folder, "put-*")
	if errors.Is(err, fs.ErrNotExist) { // somebody has tidied up
		if err := makeFolders(folder); err != nil {
			return nil, err
		}
		f, err = os.CreateTemp(folder, "put-*")
	}
	if err != nil {
		return nil, err
	}
	t := &temporary{file: f, lock: newLock(f.Name())}
	ok, err := t.lock.TryLock()
	if err == nil && !ok {
		err = fmt.Errorf("temporary file %s is locked by somebody else", f.Name())
	}
	if err == nil {
		err = f.Chmod(0o600) // a umask may have taken the owner's rights too
	}
	if err != nil {
		return nil, errors.Join(err, t.remove())
	}
	return t, nil
}

// remove takes the file's temporary name away and closes it.
func (t *temporary) remove() error {
	err := os.Remove(t.file.Name())
	if errors.Is(err, fs.ErrNotExist) { // it was renamed
		err = nil
	}
	return errors.Join(err, t.lock.Unlock(), t.file.Close())
}

func newLock(path string) *flock.Flock { return flock.New(path, flock.SetFlag(os.O_RDWR)) }

// sweep removes temporary files that no living process holds.
func (s *Store) sweep() error {
	folder := filepath.Join(s.root, tmp)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || time.Since(info.ModTime()) < graceful {
			continue // gone already, or too young to tell
		}
		path := filepath.Join(folder, e.Name())
		lock := newLock(path)
		if ok, err := lock.TryLock(); err != nil || !ok {
			continue // in use, or gone
		}
		err = os.Remove(path)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		if err := errors.Join(err, lock.Unlock()); err != nil {
			return fmt.Errorf("remove a left temporary file: %w", err)
		}
	}
	return nil
}

// makeFolders makes a folder and its parents, for their owner only, and each durable in its parent.
func makeFolders(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		return fmt.Errorf("folder %s: a file has that name: %w", path, fs.ErrExist)
	}
	if err == nil {
		return nil
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := makeFolders(parent); err != nil {
			return err
		}
	}
	err = os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil // another process was faster; one that is a file shows at its use
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the parent was deleted as empty meanwhile: its use shows that, and is tried again
	}
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o700); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := syncFolder(parent); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncFolder makes the names in a folder durable.
func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
