package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"

	"mulligan/engine"
	"mulligan/internal/lock"
)

// Lock locks a file of its own beside the database, ".<name>.lock"; the database need not exist.
// The operating system ends the lock with the process. Errors: engine.ErrLocked, engine.ErrDenied.
func (s *Server) Lock(ctx context.Context, name string, h lock.Holder) (engine.Lock, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("lock database %s: %w", name, err)
	}
	file, by, err := lock.Try(filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".lock"), h)
	switch {
	case errors.Is(err, fs.ErrPermission):
		err = fmt.Errorf("%w: %w", engine.ErrDenied, err)
	case err == nil && file == nil:
		err = &engine.LockedError{Holder: by}
	}
	if err != nil {
		return nil, fmt.Errorf("lock database %s: %w", name, err)
	}
	return &held{file, name, sync.OnceValue(file.Remove)}, nil
}

// held is the lock of a database.
type held struct {
	file *lock.File
	name string
	free func() error
}

// Held implements [engine.Lock].
func (l *held) Held(context.Context) error {
	if err := l.file.Held(); err != nil {
		return fmt.Errorf("the lock on database %s was lost: %w", l.name, err)
	}
	return nil
}

// Unlock implements [engine.Lock].
func (l *held) Unlock() error {
	if err := l.free(); err != nil {
		return fmt.Errorf("unlock database %s: %w", l.name, err)
	}
	return nil
}
