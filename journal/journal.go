// Package journal keeps the durable record of a run: an append-only file of entries, one a line.
//
// [Create] begins one, [Journal.Append] adds an entry that is on disk before it returns, [Open] takes
// up what a killed process left, and [Read] only looks. Every line carries a CRC-32C and every entry
// its number. A last line that was torn by a crash is no entry and is cut off by Open; damage anywhere
// else is [ErrCorrupt] with the number of the line. One process at a time may append: [ErrLocked].
//
// The normative text of the format is docs/journal.md. Journals of this version are read for ever; a
// newer version is refused with [ErrNewer].
package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// The errors that callers branch on.
var (
	ErrCorrupt = errors.New("journal is damaged")
	ErrNewer   = errors.New("journal has a newer format than this program reads")
	ErrLocked  = errors.New("journal is being written by another process")
)

// Format is the version of the format that this package writes, and the highest it reads.
const Format = 1

// Kind says what an entry stands for.
type Kind string

// The kinds of entry. A reader keeps those that it does not know.
const (
	KindHeader     Kind = "header"     // the first entry and no other: what the run is bound to
	KindStart      Kind = "start"      // a stage begins to do its work
	KindCheckpoint Kind = "checkpoint" // a stage's work was checked; data is the proof
	KindFailed     Kind = "failed"     // a stage failed
	KindNote       Kind = "note"       // anything worth keeping
	KindEnd        Kind = "end"        // the run is over
)

// Entry is one line.
type Entry struct {
	Seq   int             `json:"seq"`  // from 1, without gaps
	Time  time.Time       `json:"time"` // UTC, of the process that wrote it; may go back
	Kind  Kind            `json:"kind"`
	Stage string          `json:"stage,omitempty"`
	Data  json.RawMessage `json:"data,omitempty"` // nil = none
}

// Journal is open for appending. It is safe for concurrent use.
type Journal struct {
	path string
	now  func() time.Time

	mu      sync.Mutex // guards all below
	file    *os.File   // nil = closed
	lock    *flock.Flock
	entries []Entry
	err     error // the first one of Append; it sticks
}

// Create begins a journal with a header entry that holds the given value as JSON. The file is 0600,
// and its folder, made where it is not there, 0700; both are durable when Create returns.
// Errors: fs.ErrExist.
func Create(path string, header any) (*Journal, error) {
	j, err := create(path, header)
	if err != nil {
		return nil, fmt.Errorf("create journal %s: %w", path, err)
	}
	return j, nil
}

func create(path string, header any) (*Journal, error) {
	folder := filepath.Dir(path)
	if err := makeFolders(folder); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	j := &Journal{path: path, now: time.Now, file: file}
	if err := errors.Join(file.Chmod(0o600), j.hold()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if err := j.Append(KindHeader, "", header); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	if err := syncFolder(folder); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}

// Open opens a journal for appending and gives the entries that it holds. A torn last line is cut off
// the file. A journal without any whole entry is one whose Create was interrupted: the run never began.
// Errors: fs.ErrNotExist, [ErrLocked], [ErrCorrupt], [ErrNewer].
func Open(path string) (*Journal, []Entry, error) {
	j, err := open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("open journal %s: %w", path, err)
	}
	return j, j.Entries(), nil
}

func open(path string) (*Journal, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return nil, err
	}
	j := &Journal{path: path, now: time.Now, file: file}
	if err := j.hold(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if err := j.load(); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}

// load reads the entries and cuts off a torn tail. The lock is held, so nobody is writing it.
func (j *Journal) load() error {
	text, err := os.ReadFile(j.path)
	if err != nil {
		return err
	}
	entries, whole, err := parse(text)
	if err != nil {
		return err
	}
	j.entries = entries
	if whole == len(text) {
		return nil
	}
	if err := j.file.Truncate(int64(whole)); err != nil {
		return err
	}
	return j.file.Sync()
}

// Read gives the entries of a journal, which another process may be writing. It changes nothing, and
// leaves out a torn last line. Errors: fs.ErrNotExist, [ErrCorrupt], [ErrNewer].
func Read(path string) ([]Entry, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	entries, _, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("read journal %s: %w", path, err)
	}
	return entries, nil
}

// hold keeps other processes, and other Journals of this one, from appending.
func (j *Journal) hold() error {
	j.lock = flock.New(j.path, flock.SetFlag(os.O_RDWR))
	ok, err := j.lock.TryLock()
	if err == nil && !ok {
		err = ErrLocked
	}
	return err
}

// Append adds an entry with data as JSON; nil = no data. When it returns nil the entry is on disk.
// After an error it is unknown whether the entry is there, and every later Append fails too: close the
// journal, and open it again to see. Only data that is no JSON leaves the journal as it was.
func (j *Journal) Append(kind Kind, stage string, data any) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.append(kind, stage, data); err != nil {
		return fmt.Errorf("write journal entry %s %s: %w", kind, stage, err)
	}
	return nil
}

func (j *Journal) append(kind Kind, stage string, data any) error {
	if j.file == nil {
		return fs.ErrClosed
	}
	if j.err != nil {
		return j.err
	}
	if kind == "" || (kind == KindHeader) != (len(j.entries) == 0) {
		return errors.New("the header is the first entry, and no other is")
	}
	e := Entry{Seq: len(j.entries) + 1, Time: j.now().UTC().Round(0), Kind: kind, Stage: stage}
	if data != nil {
		raw, err := json.Marshal(data)
		if err != nil {
			return err
		}
		e.Data = raw
	}
	text, err := e.line()
	if err != nil {
		return err
	}
	if _, err := j.file.Write(text); err != nil {
		j.err = err
		return err
	}
	if err := j.file.Sync(); err != nil {
		j.err = err
		return err
	}
	j.entries = append(j.entries, e)
	return nil
}

// Entries gives all entries so far, in order.
func (j *Journal) Entries() []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.entries)
}

// Path is the journal's file.
func (j *Journal) Path() string { return j.path }

// Close lets others append. A second one is nil.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	file := j.file
	j.file = nil
	if err := errors.Join(file.Close(), j.lock.Unlock()); err != nil {
		return fmt.Errorf("close journal %s: %w", j.path, err)
	}
	return nil
}

// makeFolders makes a folder and its parents, for their owner only, and each durable in its parent.
func makeFolders(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		return fmt.Errorf("folder %s: a file has that name: %w", path, fs.ErrExist)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(path)
	if err := makeFolders(parent); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(parent)
}

// syncFolder makes the names in a folder durable.
func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
