package snapshot

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"sync"

	"github.com/klauspost/compress/zstd"

	"mulligan/store"
)

// maxWindow is the largest zstd window that a reader takes, in bytes. It bounds a decoder's memory.
const maxWindow = 8 << 20

// Reader reads one snapshot. It is safe for concurrent use, and needs no close.
type Reader struct {
	store    store.Store
	manifest *Manifest
	chunks   map[string]Chunk // by blob name
	decoders sync.Pool        // of *zstd.Decoder; they run no goroutines
}

// Open reads and checks the manifest. Errors: fs.ErrNotExist where there is no such snapshot,
// [ErrNewer], [ErrCorrupt], fs.ErrInvalid where target or id cannot be part of a path; else the store's.
func Open(ctx context.Context, s store.Store, target string, id ID) (*Reader, error) {
	m, err := open(ctx, s, target, id)
	if err != nil {
		return nil, fmt.Errorf("open snapshot %s of %s: %w", id, target, err)
	}
	r := &Reader{store: s, manifest: m, chunks: make(map[string]Chunk)}
	for c := range m.chunks {
		r.chunks[c.Name] = c
	}
	return r, nil
}

func open(ctx context.Context, s store.Store, target string, id ID) (*Manifest, error) {
	if err := checkPlace(target, id); err != nil {
		return nil, err
	}
	text, err := readBlob(ctx, s, folder(target, id)+manifestName, maxManifest)
	if err != nil {
		return nil, err
	}
	m, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", manifestName, err)
	}
	if m.ID != id || m.Target != target {
		return nil, fmt.Errorf("%s: %w: it is of snapshot %s of %s", manifestName, ErrCorrupt, m.ID, m.Target)
	}
	return m, nil
}

// readBlob reads a blob of limit bytes at most; of a longer one it gives limit+1 bytes.
func readBlob(ctx context.Context, s store.Store, name string, limit int64) ([]byte, error) {
	blob, err := s.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(blob, limit+1))
	if err := errors.Join(err, blob.Close()); err != nil {
		return nil, err
	}
	return b, ctx.Err()
}

// Manifest is what the snapshot says of itself. It is shared: it must not be changed.
func (r *Reader) Manifest() *Manifest { return r.manifest }

// File reads one of the texts in the manifest's Files. Errors: fs.ErrNotExist where the manifest does
// not name it; [ErrCorrupt].
func (r *Reader) File(ctx context.Context, name string) ([]byte, error) {
	for _, f := range r.manifest.Files {
		if f.Name != name {
			continue
		}
		b, err := readBlob(ctx, r.store, r.path(name), f.Stored.Size)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		if err == nil && (Sum{Size: int64(len(b)), SHA256: sha256.Sum256(b)} != f.Stored) {
			err = fmt.Errorf("%w: its size or sha256 does not match", ErrCorrupt)
		}
		if err != nil {
			return nil, fmt.Errorf("read file %s of snapshot %s: %w", name, r.manifest.ID, err)
		}
		return b, nil
	}
	return nil, fmt.Errorf("read file %s of snapshot %s: %w", name, r.manifest.ID, fs.ErrNotExist)
}

func (r *Reader) path(name string) string { return folder(r.manifest.Target, r.manifest.ID) + name }

// Rows opens a chunk of the manifest and streams its lines. The stream ends in io.EOF only where the
// stored size and sum, the numbers of rows and bytes, and the digest are all right; otherwise in an
// error that wraps [ErrCorrupt] and names the chunk. What was read before that error is worthless.
// A failure of the store is not ErrCorrupt, but a blob that is not there is. The stream stops where
// ctx ends, is not safe for concurrent use, and must be closed; closing it early is fine.
func (r *Reader) Rows(ctx context.Context, c Chunk) (io.ReadCloser, error) {
	known, ok := r.chunks[c.Name]
	if !ok || known != c {
		return nil, fmt.Errorf("read %s of snapshot %s: the manifest has no such chunk", c, r.manifest.ID)
	}
	blob, err := r.store.Get(ctx, r.path(c.Name))
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if err != nil {
		return nil, r.blame(c, err)
	}
	rows := &rowsReader{
		blame:  func(err error) error { return r.blame(c, err) },
		chunk:  c,
		blob:   blob,
		stored: &summedReader{r: blob, alive: ctx.Err, hash: sha256.New(), limit: c.Stored.Size},
	}
	if rows.zip, err = r.decoder(rows.stored); err != nil {
		return nil, errors.Join(r.blame(c, err), blob.Close())
	}
	rows.release = func() {
		if rows.zip.Reset(nil) == nil {
			r.decoders.Put(rows.zip)
		}
	}
	return rows, nil
}

func (r *Reader) blame(c Chunk, err error) error {
	return fmt.Errorf("read %s of snapshot %s: %w", c, r.manifest.ID, err)
}

// decoder takes one from the pool, or makes one.
func (r *Reader) decoder(from io.Reader) (*zstd.Decoder, error) {
	if d, ok := r.decoders.Get().(*zstd.Decoder); ok {
		return d, d.Reset(from)
	}
	return zstd.NewReader(from,
		zstd.WithDecoderConcurrency(1), // no goroutines: callers give the overlap
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow),
		zstd.WithDecoderMaxMemory(maxWindow)) // of a stream this limits the window too
}

// rowsReader is the stream that Rows gives. Its first error sticks.
type rowsReader struct {
	blame   func(error) error
	chunk   Chunk
	blob    io.Closer
	stored  *summedReader
	zip     *zstd.Decoder
	release func() // gives the decoder back
	digest  Digester
	raw     int64 // bytes given out
	err     error
	closed  bool
}

// Read gives the next bytes, which end anywhere in a line.
func (r *rowsReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.zip.Read(p)
	if int64(n) > r.chunk.RawBytes-r.raw {
		r.err = r.blame(fmt.Errorf("%w: it has more than %d bytes", ErrCorrupt, r.chunk.RawBytes))
		return 0, r.err
	}
	r.raw += int64(n)
	_, _ = r.digest.Write(p[:n]) // it never fails
	switch {
	case err == nil:
		return n, nil
	case r.stored.err != nil:
		r.err = r.blame(r.stored.err) // the store's or the context's, not the format's
	case errors.Is(err, io.EOF):
		r.err = io.EOF
		if err := r.check(); err != nil {
			r.err = r.blame(fmt.Errorf("%w: %w", ErrCorrupt, err))
		}
	default:
		r.err = r.blame(fmt.Errorf("%w: %w", ErrCorrupt, err))
	}
	return n, r.err
}

// check compares what went through with what the manifest says.
func (r *rowsReader) check() error {
	if sum := r.stored.sum(); sum.Size != r.chunk.Stored.Size {
		return fmt.Errorf("%d bytes are stored, not %d", sum.Size, r.chunk.Stored.Size)
	} else if sum != r.chunk.Stored {
		return errors.New("the sha256 of what is stored does not match")
	}
	if r.raw != r.chunk.RawBytes {
		return fmt.Errorf("it has %d bytes, not %d", r.raw, r.chunk.RawBytes)
	}
	digest, err := r.digest.Sum()
	if err != nil {
		return err
	}
	if digest != r.chunk.Digest {
		return fmt.Errorf("its digest is %s, not %s", digest, r.chunk.Digest)
	}
	return nil
}

// Close gives everything back. A second one is nil.
func (r *rowsReader) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	if r.err == nil {
		r.err = fs.ErrClosed
	}
	r.release()
	return r.blob.Close()
}

// summedReader sums up what is read through it, and refuses to read on past a limit.
type summedReader struct {
	r     io.Reader
	alive func() error
	hash  hash.Hash
	size  int64
	limit int64 // bytes that there should be
	err   error // of the store or the context; never io.EOF
}

// Read passes the store's bytes on.
func (s *summedReader) Read(p []byte) (int, error) {
	if s.err == nil {
		s.err = s.alive()
	}
	if s.err != nil {
		return 0, s.err
	}
	if s.size > s.limit {
		return 0, io.EOF // too long already: the size gives it away
	}
	n, err := s.r.Read(p)
	s.size += int64(n)
	_, _ = s.hash.Write(p[:n]) // a hash never fails
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

func (s *summedReader) sum() Sum {
	sum := Sum{Size: s.size}
	s.hash.Sum(sum.SHA256[:0])
	return sum
}
