package storetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"mulligan/store"
)

// Mem is a store in memory. It passes [Test], and lets a test look at its blobs and damage them.
type Mem struct {
	mu    sync.Mutex // guards blobs
	blobs map[string]blob
}

type blob struct {
	data     []byte // never changed in place
	modified time.Time
}

var _ store.Store = (*Mem)(nil)

// Memory returns an empty store.
func Memory() *Mem { return &Mem{blobs: make(map[string]blob)} }

// Put keeps a copy of all of r.
func (m *Mem) Put(ctx context.Context, name string, r io.ReadSeeker) error {
	if err := store.CheckName(name); err != nil {
		return err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("put blob %s: %w", name, err)
	}
	data, err := io.ReadAll(r)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("put blob %s: %w", name, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.taken(name) {
		return fmt.Errorf("put blob %s: %w", name, fs.ErrExist)
	}
	m.blobs[name] = blob{data: data, modified: time.Now()}
	return nil
}

// taken tells whether name is a blob's, or would make a blob a folder or a folder a blob, as on a disk.
func (m *Mem) taken(name string) bool {
	for other := range m.blobs {
		if other == name || strings.HasPrefix(other, name+"/") || strings.HasPrefix(name, other+"/") {
			return true
		}
	}
	return false
}

// Get opens a blob.
func (m *Mem) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("get blob %s: %w", name, err)
	}
	data := m.Bytes(name)
	if data == nil {
		return nil, fmt.Errorf("get blob %s: %w", name, fs.ErrNotExist)
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// List yields the blobs that were there when it began.
func (m *Mem) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		m.mu.Lock()
		all := maps.Clone(m.blobs)
		m.mu.Unlock()
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if err := ctx.Err(); err != nil {
				yield(store.Info{}, fmt.Errorf("list blobs: %w", err))
				return
			}
			if !strings.HasPrefix(name, prefix) {
				continue
			}
			if !yield(store.Info{Name: name, Size: int64(len(all[name].data)), Modified: all[name].modified}, nil) {
				return
			}
		}
	}
}

// Delete removes a blob.
func (m *Mem) Delete(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete blob %s: %w", name, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.blobs, name)
	return nil
}

// Names lists all blobs in order.
func (m *Mem) Names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.blobs))
}

// Bytes is a blob's content, which must not be changed; nil = there is no such blob.
func (m *Mem) Bytes(name string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.blobs[name]
	if ok && b.data == nil {
		return []byte{}
	}
	return b.data
}

// Replace puts other content under a name, whether it is taken or not: damage, for tests.
func (m *Mem) Replace(name string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.blobs[name] = blob{data: data, modified: time.Now()}
}

// Clone is a store with the same blobs, independent of this one from now on.
func (m *Mem) Clone() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Mem{blobs: maps.Clone(m.blobs)}
}
