package snapshot

import (
	"context"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Verified is the proof that every blob of a snapshot was read back and matched its manifest. Only
// [Reader.Verify] makes one; the zero value proves nothing, and has an empty ID and no manifest.
type Verified struct{ manifest *Manifest }

// ID is the snapshot that was read.
func (v *Verified) ID() ID {
	if v == nil || v.manifest == nil {
		return ""
	}
	return v.manifest.ID
}

// Manifest is that of the snapshot that was read. It is shared: it must not be changed.
func (v *Verified) Manifest() *Manifest {
	if v == nil {
		return nil
	}
	return v.manifest
}

// Verify reads every chunk and every file of the snapshot, jobs at a time, and checks all sums, counts
// and digests. progress is told after each chunk what was read since the last call, rows and bytes before
// compression; never by two goroutines at once; nil = nobody listens. The first fault ends it.
// Errors: as [Reader.Rows].
func (r *Reader) Verify(ctx context.Context, jobs int, progress func(rows, bytes int64)) (*Verified, error) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(jobs, 1))
	var mu sync.Mutex // orders the calls of progress
	for _, f := range r.manifest.Files {
		group.Go(func() error {
			_, err := r.File(ctx, f.Name)
			return err
		})
	}
	for c := range r.manifest.chunks {
		group.Go(func() error {
			if err := r.verify(ctx, c); err != nil || progress == nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			progress(c.Rows, c.RawBytes)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	return &Verified{manifest: r.manifest}, nil
}

func (r *Reader) verify(ctx context.Context, c Chunk) (err error) {
	if err := ctx.Err(); err != nil {
		return r.blame(c, err)
	}
	rows, err := r.Rows(ctx, c)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(io.Discard, onlyReader{rows}, make([]byte, 128<<10))
	if closed := rows.Close(); err == nil && closed != nil {
		err = r.blame(c, closed)
	}
	return err
}

// onlyReader hides everything but Read.
type onlyReader struct{ io.Reader }
