package snapshot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"mulligan/schema"
	"mulligan/store"
)

// spoolMemory is how much of a compressed chunk is kept in memory when the options do not say.
const spoolMemory = 8 << 20

// window is the zstd window of what is written. On rows of text 1 MiB packs as well as 4 MiB, in a third
// of the memory (measured: 2.7 MiB for an encoder); WithLowerEncoderMem saves one more and costs a third of the speed.
const window = 1 << 20

// WriterOptions may be nil; each zero field means its default.
type WriterOptions struct {
	TempDir     string // for chunks that outgrow memory; empty = the system's
	SpoolMemory int    // bytes of a compressed chunk that stay in memory; 0 = 8 MiB
}

// Writer writes one snapshot. Chunk and Put are safe for concurrent use; Commit or Abort ends it.
type Writer struct {
	store   store.Store
	target  string
	id      ID
	options WriterOptions
	workers sync.Pool // of *worker

	mu     sync.Mutex       // guards all below
	chunks map[string]Chunk // by blob name; the zero Chunk while it is being written
	files  []File
	put    []string // blobs that may be in the store, in the order they were put
	busy   int      // calls of Chunk and Put that have not returned
	ended  bool
}

// worker holds what one chunk needs while it is written.
type worker struct {
	spool  *spool
	zip    *zstd.Encoder
	digest Digester
}

// Create begins a snapshot. Errors: fs.ErrExist where the store holds any blob of that ID;
// fs.ErrInvalid where target or id cannot be part of a path.
func Create(ctx context.Context, s store.Store, target string, id ID, o *WriterOptions) (*Writer, error) {
	if err := checkPlace(target, id); err != nil {
		return nil, fmt.Errorf("create snapshot: %w", err)
	}
	for info, err := range s.List(ctx, folder(target, id)) {
		if err == nil {
			err = fmt.Errorf("blob %s: %w", info.Name, fs.ErrExist)
		}
		return nil, fmt.Errorf("create snapshot %s: %w", id, err)
	}
	w := &Writer{store: s, target: target, id: id, chunks: make(map[string]Chunk)}
	if o != nil {
		w.options = *o
	}
	if w.options.SpoolMemory <= 0 {
		w.options.SpoolMemory = spoolMemory
	}
	return w, nil
}

// ID is the snapshot's.
func (w *Writer) ID() ID { return w.id }

// Chunk writes one run of rows of table t: fill writes lines, each ended by LF, and returns how many.
// seq numbers the chunks of a table in any order, without repeats. When Chunk returns nil the blob is
// durable, and the result belongs into the manifest. A chunk that failed may be tried again.
// Errors: that of fill, found by errors.Is; fs.ErrExist where the chunk was written before; a count
// that is not the number of lines; the store's.
func (w *Writer) Chunk(ctx context.Context, t schema.Name, seq int, fill func(io.Writer) (rows int64, err error)) (Chunk, error) {
	c := Chunk{Table: t, Seq: seq, Name: ChunkName(t, seq)}
	if err := checkChunkKey(t, seq); err != nil {
		return Chunk{}, fmt.Errorf("write %s: %w", c, err)
	}
	if err := w.begin(c.Name); err != nil {
		return Chunk{}, fmt.Errorf("write %s: %w", c, err)
	}
	done, err := w.write(ctx, c, fill)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy--
	if err != nil {
		delete(w.chunks, c.Name)
		return Chunk{}, fmt.Errorf("write %s: %w", c, err)
	}
	w.chunks[c.Name] = done
	return done, nil
}

// begin reserves a chunk's name.
func (w *Writer) begin(name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return errors.New("the snapshot is ended")
	}
	if _, taken := w.chunks[name]; taken {
		return fs.ErrExist
	}
	w.chunks[name] = Chunk{}
	w.busy++
	return nil
}

func (w *Writer) write(ctx context.Context, c Chunk, fill func(io.Writer) (int64, error)) (done Chunk, err error) {
	k, err := w.worker()
	if err != nil {
		return Chunk{}, err
	}
	defer func() {
		// A worker that failed may hold anything: it is left to the collector.
		if cleanup := k.spool.reset(); err != nil || cleanup != nil {
			err = errors.Join(err, cleanup)
			return
		}
		w.workers.Put(k)
	}()
	rows := &rowsWriter{digest: &k.digest, zip: k.zip, alive: ctx.Err}
	n, err := fill(rows)
	if err == nil {
		err = rows.err // fill may have swallowed it
	}
	if err != nil {
		return Chunk{}, err
	}
	if err := k.zip.Close(); err != nil {
		return Chunk{}, err
	}
	if c.Digest, err = k.digest.Sum(); err != nil {
		return Chunk{}, err
	}
	if n != c.Digest.Rows {
		return Chunk{}, fmt.Errorf("%d rows were announced, %d were written", n, c.Digest.Rows)
	}
	c.Rows, c.RawBytes, c.Stored = n, rows.raw, k.spool.sum()
	return c, w.putBlob(ctx, c.Name, k.spool.reader())
}

// worker takes one from the pool, or makes one.
func (w *Writer) worker() (*worker, error) {
	k, _ := w.workers.Get().(*worker)
	if k == nil {
		k = &worker{spool: newSpool(w.options.TempDir, w.options.SpoolMemory)}
		zip, err := zstd.NewWriter(nil,
			zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithEncoderConcurrency(1), // no goroutines: callers give the overlap
			zstd.WithWindowSize(window),
			zstd.WithAllLitEntropyCompression(true), // blobs are hexadecimal: half of it goes without a single match
			zstd.WithZeroFrames(true))               // no rows are a valid frame too
		if err != nil {
			return nil, err
		}
		k.zip = zip
	}
	k.zip.Reset(k.spool)
	k.digest.Reset()
	return k, nil
}

// putBlob puts one blob and remembers that it may be there.
func (w *Writer) putBlob(ctx context.Context, name string, r io.ReadSeeker) error {
	err := w.store.Put(ctx, folder(w.target, w.id)+name, r)
	if errors.Is(err, fs.ErrExist) {
		return err // somebody else's: never deleted by Abort
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.put = append(w.put, name)
	return err
}

// Put writes a text beside the chunks, "schema.sql" for one. It is in the manifest's Files.
// Errors: fs.ErrInvalid for a name that is not one plain part of a path; fs.ErrExist.
func (w *Writer) Put(ctx context.Context, name string, text []byte) error {
	if err := checkFileName(name); err != nil {
		return err
	}
	if len(text) > maxManifest {
		return fmt.Errorf("write %s: it has %d bytes, more than the %d that a reader takes", name, len(text), maxManifest)
	}
	if err := w.begin(name); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	err := w.putBlob(ctx, name, bytes.NewReader(text))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy--
	delete(w.chunks, name)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	w.files = append(w.files, File{Name: name, Stored: Sum{Size: int64(len(text)), SHA256: sha256.Sum256(text)}})
	return nil
}

// Commit checks m against what was written (every chunk stands in it once, as it was returned), sets
// the fields that are marked so, and writes the manifest. When it returns nil the snapshot exists and
// is durable. After an error it does not, as far as the store tells; [Writer.Abort] makes sure.
func (w *Writer) Commit(ctx context.Context, m *Manifest) error {
	if err := w.commit(ctx, m); err != nil {
		return fmt.Errorf("commit snapshot %s: %w", w.id, err)
	}
	return nil
}

func (w *Writer) commit(ctx context.Context, m *Manifest) error {
	text, err := w.seal(m)
	if err != nil {
		return err
	}
	if err := w.putBlob(ctx, manifestName, bytes.NewReader(text)); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.put = nil // nothing is left for Abort
	return nil
}

// seal completes, checks and encodes the manifest, and ends the writer.
func (w *Writer) seal(m *Manifest) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return nil, errors.New("the snapshot is ended")
	}
	if w.busy > 0 {
		return nil, errors.New("a chunk is still being written")
	}
	if m.ID != "" && m.ID != w.id || m.Target != "" && m.Target != w.target {
		return nil, fmt.Errorf("the manifest is of snapshot %s of %s", m.ID, m.Target)
	}
	m.Format, m.ID, m.Target, m.Files = Format{Major, Minor}, w.id, w.target, w.files
	if m.Finished.IsZero() {
		m.Finished = time.Now().UTC()
	}
	if err := m.validate(); err != nil {
		return nil, err
	}
	if err := w.match(m); err != nil {
		return nil, err
	}
	text, err := m.encode()
	if err != nil {
		return nil, fmt.Errorf("encode the manifest: %w", err)
	}
	// What cannot be read back is no snapshot.
	if _, err := decode(text); err != nil {
		return nil, fmt.Errorf("read the manifest back: %w", err)
	}
	w.ended = true
	return text, nil
}

// match compares the manifest's chunks with those written. validate has refused repeats.
func (w *Writer) match(m *Manifest) error {
	n := 0
	for c := range m.chunks {
		written, ok := w.chunks[c.Name]
		if !ok {
			return fmt.Errorf("%s: it was not written", c)
		}
		if c != written {
			return fmt.Errorf("%s: the manifest does not say what was written", c)
		}
		n++
	}
	if n != len(w.chunks) {
		return fmt.Errorf("%d chunks were written, the manifest holds %d", len(w.chunks), n)
	}
	return nil
}

// Abort deletes what was written, the manifest first. After a Commit that returned nil it does nothing.
// Nothing may be running; ctx should not be the one whose end is the reason.
func (w *Writer) Abort(ctx context.Context) error {
	w.mu.Lock()
	w.ended = true
	names := w.put
	w.put = nil
	w.mu.Unlock()
	var errs []error
	for i := len(names) - 1; i >= 0; i-- { // the manifest was put last
		if err := w.store.Delete(ctx, folder(w.target, w.id)+names[i]); err != nil {
			errs = append(errs, fmt.Errorf("delete %s of unfinished snapshot %s: %w", names[i], w.id, err))
		}
	}
	return errors.Join(errs...)
}

// rowsWriter passes lines on to the digest and the compressor. Its first error sticks.
type rowsWriter struct {
	digest *Digester
	zip    *zstd.Encoder
	alive  func() error
	raw    int64 // bytes
	err    error
}

// Write stops where the context has ended.
func (w *rowsWriter) Write(p []byte) (int, error) {
	if w.err == nil {
		w.err = w.alive()
	}
	if w.err != nil {
		return 0, w.err
	}
	_, _ = w.digest.Write(p) // it never fails
	n, err := w.zip.Write(p)
	w.raw += int64(n)
	w.err = err
	return n, err
}
