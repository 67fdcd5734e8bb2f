// Package store is the port to the place where snapshots are kept: named, immutable blobs.
//
// A blob is whole or absent: a reader never sees half of one, whatever was killed when.
// Names are slash-separated relative paths of printable parts; "..", empty parts and a
// leading slash are refused. Implementations stand in sub-folders and pass store/storetest.
package store

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"
	"time"
)

// Store keeps blobs. Implementations must be safe for concurrent use.
type Store interface {
	// Put stores all of r under name. When it returns nil the blob is durable and whole.
	// Errors: fs.ErrExist where the name is taken: a blob is never replaced.
	Put(ctx context.Context, name string, r io.ReadSeeker) error
	// Get opens a blob from its start. The caller closes it. Errors: fs.ErrNotExist.
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	// List yields every blob whose name begins with prefix, in the order of names.
	// An error ends it.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]
	// Delete removes a blob; one that is absent is nil.
	Delete(ctx context.Context, name string) error
}

// Info describes a blob.
type Info struct {
	Name     string
	Size     int64 // bytes
	Modified time.Time
}

// CheckName returns an error that wraps fs.ErrInvalid unless name may name a blob.
func CheckName(name string) error {
	if !fs.ValidPath(name) || name == "." || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == '\\' || r == 0x7f }) {
		return fmt.Errorf("blob name %q: %w", name, fs.ErrInvalid)
	}
	return nil
}
