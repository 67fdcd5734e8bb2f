// Package dir is the store in a folder of a file system: one file for each blob, under its own name.
//
// A blob is written to a temporary file in the folder ".tmp", synced, and given its name by a hard
// link, which never replaces; then the folders are synced. Where the file system has no hard links it
// is renamed instead, after a look whether the name is free. Files are 0600 and folders 0700,
// whatever the umask. Temporary files of processes that are gone are removed by [Open].
//
// Several processes may use one folder. Names whose first part is ".tmp" are refused, and the name of
// a blob cannot be that of a folder of blobs.
package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"mulligan/store"
)

// tmp is the folder of temporary files, beside the blobs and so on the same file system.
const tmp = ".tmp"

// Store is a folder. It is safe for concurrent use and needs no close.
type Store struct {
	root   string
	naming sync.Mutex // held while a blob gets its name

	mu      sync.Mutex      // guards durable
	durable map[string]bool // folders whose names this process has made durable
}

var _ store.Store = (*Store)(nil)

// Open opens the store at path, and makes the folder, readable by its owner only, where it is not there.
func Open(path string) (*Store, error) {
	root, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	s := &Store{root: root, durable: make(map[string]bool)}
	if err := makeFolders(filepath.Join(root, tmp)); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := s.sweep(); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	return s, nil
}

// Path is the folder, absolute.
func (s *Store) Path() string { return s.root }

// Put stores all of r. Errors: fs.ErrExist, fs.ErrInvalid, and those of the file system, ENOSPC for one.
func (s *Store) Put(ctx context.Context, name string, r io.ReadSeeker) error {
	path, err := s.path(name)
	if err != nil {
		return err
	}
	if err := s.put(ctx, path, r); err != nil {
		return fmt.Errorf("put blob %s: %w", name, err)
	}
	return nil
}

func (s *Store) put(ctx context.Context, path string, r io.ReadSeeker) (err error) {
	if _, err := os.Lstat(path); err == nil {
		return fs.ErrExist // the link would say so too, after the work
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return err
	}
	t, err := s.temporary()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.remove()) }()
	if _, err := io.Copy(t.file, &reader{r: r, alive: ctx.Err}); err != nil {
		return err
	}
	if err := t.file.Sync(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.publish(t.file.Name(), path)
}

// publish gives a finished file its name for good.
func (s *Store) publish(from, to string) error {
	// A Delete elsewhere may take the folder away as empty between making and using it.
	for range 100 {
		if err := makeFolders(filepath.Dir(to)); err != nil {
			return err
		}
		s.naming.Lock()
		err := name(from, to)
		s.naming.Unlock()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return plain(err)
		}
		return s.settle(filepath.Dir(to))
	}
	return fmt.Errorf("its folder vanishes again and again: %w", fs.ErrNotExist)
}

// settle makes the names in a folder durable, and once its own name and those of its parents: another
// process may have made them and not have synced them yet.
func (s *Store) settle(folder string) error {
	if err := syncFolder(folder); err != nil {
		return err
	}
	for ; folder != s.root; folder = filepath.Dir(folder) {
		s.mu.Lock()
		done := s.durable[folder]
		s.mu.Unlock()
		if done {
			return nil
		}
		if err := syncFolder(filepath.Dir(folder)); err != nil {
			return err
		}
		s.mu.Lock()
		s.durable[folder] = true
		s.mu.Unlock()
	}
	return nil
}

// name links from to to, or moves it where there are no links. Neither replaces.
func name(from, to string) error {
	err := os.Link(from, to)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EMLINK) {
		return move(from, to)
	}
	return err
}

// move renames from to to where that is free. Between the look and the deed another process could take
// the name; this one cannot, for its Puts of one name are told apart by the mutex of [Store.publish].
func move(from, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return fs.ErrExist
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(from, to)
}

// plain takes the paths off a link's error: the blob's name says where.
func plain(err error) error {
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err
	}
	return err
}

// Get opens a blob.
func (s *Store) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	path, err := s.path(name)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("get blob %s: %w", name, err)
	}
	f, err := os.Open(path)
	if errors.Is(err, syscall.ENOTDIR) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("get blob %s: %w", name, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist // a folder is no blob
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("get blob %s: %w", name, err), f.Close())
	}
	return f, nil
}

// List yields the blobs in the order of their names. What is put or deleted meanwhile may be in it or not.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		_, err := s.walk(ctx, "", prefix, yield)
		if err != nil {
			yield(store.Info{}, fmt.Errorf("list blobs: %w", err))
		}
	}
}

// walk yields what lies in one folder, which is named "" or ends in a slash, and tells whether to go on.
func (s *Store) walk(ctx context.Context, folder, prefix string, yield func(store.Info, error) bool) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	entries, err := os.ReadDir(filepath.Join(s.root, filepath.FromSlash(folder)))
	if errors.Is(err, fs.ErrNotExist) && folder != "" {
		return true, nil // deleted meanwhile
	}
	if err != nil {
		return false, err
	}
	// A folder counts with its slash: "a.b" comes before "a/b".
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		switch {
		case e.IsDir() && folder+e.Name() != tmp:
			names = append(names, folder+e.Name()+"/")
		case e.Type().IsRegular():
			names = append(names, folder+e.Name())
		}
	}
	slices.Sort(names)
	for _, name := range names {
		more, err := s.visit(ctx, name, prefix, yield)
		if err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// visit yields one blob, or all of one folder.
func (s *Store) visit(ctx context.Context, name, prefix string, yield func(store.Info, error) bool) (bool, error) {
	if strings.HasSuffix(name, "/") {
		if !strings.HasPrefix(name, prefix) && !strings.HasPrefix(prefix, name) {
			return true, nil
		}
		return s.walk(ctx, name, prefix, yield)
	}
	if !strings.HasPrefix(name, prefix) || store.CheckName(name) != nil {
		return true, nil
	}
	info, err := os.Lstat(filepath.Join(s.root, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil // deleted meanwhile
	}
	if err != nil {
		return false, err
	}
	return yield(store.Info{Name: name, Size: info.Size(), Modified: info.ModTime()}, nil), nil
}

// Delete removes a blob, and the folders that this leaves empty. When it returns nil the blob stays away.
func (s *Store) Delete(ctx context.Context, name string) error {
	path, err := s.path(name)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete blob %s: %w", name, err)
	}
	if info, err := os.Lstat(path); err == nil && info.IsDir() {
		return nil // a folder is no blob
	}
	err = os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // another Delete took the folder away
	}
	if err != nil {
		return fmt.Errorf("delete blob %s: %w", name, err)
	}
	for parent := filepath.Dir(path); parent != s.root; parent = filepath.Dir(parent) {
		s.mu.Lock()
		delete(s.durable, parent)
		s.mu.Unlock()
		if os.Remove(parent) != nil {
			break // not empty
		}
	}
	return nil
}

// path checks a blob's name and says where it lies.
func (s *Store) path(name string) (string, error) {
	if err := store.CheckName(name); err != nil {
		return "", err
	}
	if first, _, _ := strings.Cut(name, "/"); first == tmp {
		return "", fmt.Errorf("blob name %q: the folder %s is for temporary files: %w", name, tmp, fs.ErrInvalid)
	}
	return filepath.Join(s.root, filepath.FromSlash(name)), nil
}

// reader stops where the context has ended.
type reader struct {
	r     io.Reader
	alive func() error
}

// Read reads on while the context lives.
func (r *reader) Read(p []byte) (int, error) {
	if err := r.alive(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
