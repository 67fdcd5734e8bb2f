package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/gofrs/flock"

	"mulligan/engine"
)

// Lock locks a file of its own beside the database, ".<name>.lock"; the database need not exist.
// The operating system ends the lock with the process. Errors: engine.ErrLocked, engine.ErrDenied.
func (s *Server) Lock(ctx context.Context, name string) (unlock func() error, err error) {
	path := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".lock")
	for {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("lock database %s: %w", name, err)
		}
		lock, err := tryLock(path)
		if err != nil {
			return nil, fmt.Errorf("lock database %s: %w", name, err)
		}
		if lock == nil {
			continue
		}
		return sync.OnceValue(func() error {
			// Removed while it is held: who waits for it sees that its file is gone, and takes a new one.
			if err := errors.Join(os.Remove(path), lock.Close()); err != nil {
				return fmt.Errorf("unlock database %s: %w", name, err)
			}
			return nil
		}), nil
	}
}

// tryLock takes the lock once; nil = the file was removed by its holder meanwhile.
func tryLock(path string) (*flock.Flock, error) {
	lock := flock.New(path, flock.SetPermissions(0o600))
	ok, err := lock.TryLock()
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%s: %w", path, engine.ErrDenied)
	}
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errors.Join(engine.ErrLocked, lock.Close())
	}
	held, err := lock.Stat()
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if now, err := os.Stat(path); err != nil || !os.SameFile(held, now) {
		return nil, lock.Close()
	}
	return lock, nil
}
