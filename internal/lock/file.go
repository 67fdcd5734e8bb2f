package lock

import (
	"errors"
	"fmt"
	"os"

	"github.com/gofrs/flock"
)

// File is a file that this process has locked. The lock ends with the process at the latest.
type File struct {
	path string
	lock *flock.Flock
}

// Try locks a file, which it makes where there is none, and writes the holder into it. Where another process, or
// another File of this one, has it, the File is nil and by says whose it is, as far as is known.
func Try(path string, h Holder) (f *File, by Holder, err error) {
	for {
		f = &File{path, flock.New(path, flock.SetPermissions(0o600))}
		got, err := f.lock.TryLock()
		if err != nil {
			return nil, Holder{}, err
		}
		if !got {
			return nil, holderIn(path), f.lock.Close()
		}
		if f.Held() == nil {
			break
		}
		if err := f.lock.Close(); err != nil { // its holder removed it meanwhile
			return nil, Holder{}, err
		}
	}
	// The text is for people. A disk without room for it must not keep an undo from its lock.
	_ = os.WriteFile(path, []byte(h.Text()+"\n"), 0o600)
	return f, Holder{}, nil
}

// holderIn reads who has a file. What a dead process left in it says nothing of the one that has it now.
func holderIn(path string) Holder {
	text, err := os.ReadFile(path)
	if err != nil {
		return Holder{}
	}
	h, ok := Parse(string(text))
	if !ok || h.Gone() {
		return Holder{}
	}
	return h
}

// Held proves that the file is locked still: whoever asks for it by its path meets this lock.
func (f *File) Held() error {
	held, err := f.lock.Stat()
	if err != nil {
		return fmt.Errorf("lock file %s: %w", f.path, err)
	}
	now, err := os.Stat(f.path)
	if err == nil && !os.SameFile(held, now) {
		err = errors.New("another file has its place")
	}
	if err != nil {
		return fmt.Errorf("lock file %s: %w", f.path, err)
	}
	return nil
}

// Unlock lets the file go, and leaves it, empty. An error says that it was not this process's any more.
func (f *File) Unlock() error {
	return f.free(func() error { return os.Truncate(f.path, 0) })
}

// Remove lets the file go by removing it while it is held: who waits for it sees that it is gone, and makes a new one.
// An error says that it was not this process's any more.
func (f *File) Remove() error {
	return f.free(func() error { return os.Remove(f.path) })
}

func (f *File) free(last func() error) error {
	err := f.Held()
	if err == nil {
		err = last()
	}
	return errors.Join(err, f.lock.Close())
}
