package storetest

import (
	"context"
	"fmt"
	"io"
	"sync"
	"syscall"

	"mulligan/store"
)

// Full is a store on a disk that runs full: it takes room bytes in all, over all blobs, and then
// fails each Put with ENOSPC after reading as much as there was room for. What does not fit is absent.
func Full(s store.Store, room int64) store.Store { return &full{Store: s, room: room} }

type full struct {
	store.Store
	mu   sync.Mutex // guards room
	room int64      // bytes left
}

// Put passes r on where it fits.
func (f *full) Put(ctx context.Context, name string, r io.ReadSeeker) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	size, err := r.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = r.Seek(0, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("put blob %s: %w", name, err)
	}
	if size > f.room {
		_, _ = io.CopyN(io.Discard, r, f.room) // as a disk would have taken it
		f.room = 0
		return fmt.Errorf("put blob %s: %w", name, syscall.ENOSPC)
	}
	if err := f.Store.Put(ctx, name, r); err != nil {
		return err
	}
	f.room -= size
	return nil
}

// Torn is a store whose blobs cannot be read past their first n bytes: the read fails with EIO.
func Torn(s store.Store, n int64) store.Store { return &torn{Store: s, n: n} }

type torn struct {
	store.Store
	n int64
}

// Get opens the blob, to fail later.
func (t *torn) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	blob, err := t.Store.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	return &tornBlob{ReadCloser: blob, left: t.n}, nil
}

type tornBlob struct {
	io.ReadCloser
	left int64
}

// Read gives what is left and then fails, unless the blob ends first.
func (b *tornBlob) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, syscall.EIO
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
