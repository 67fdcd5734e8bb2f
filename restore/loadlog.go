package restore

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"mulligan/engine"
	"mulligan/journal"
	"mulligan/schema"
	"mulligan/snapshot"
)

// Notes is the journal of a run, to a load that writes down how far it came.
type Notes interface {
	Entries() []journal.Entry
	Append(kind journal.Kind, stage string, data any) error
}

// loadStage is the name of the stage that the notes are of.
const loadStage = "load"

// loadNote is an entry of the journal that a load needs to be taken up again.
type loadNote struct {
	Begin   *loadBegin      `json:"begin,omitempty"`   // what the load is of; before all others
	State   json.RawMessage `json:"state,omitempty"`   // what is off and how it comes back, in the engine's words; before it is taken off
	Chunks  []chunkNote     `json:"chunks,omitempty"`  // are in
	Emptied string          `json:"emptied,omitempty"` // a table of which no chunk is in any more
}

type loadBegin struct {
	Snapshot  snapshot.ID                  `json:"snapshot"`
	Schema    string                       `json:"schema"`              // fingerprint before anything was taken off
	Constants map[string][]engine.Verbatim `json:"constants,omitempty"` // the mapping's defaults, by table: all rows get the same, also those that come later
}

type chunkNote struct {
	Table  string          `json:"table"` // the snapshot's name for it
	Seq    int             `json:"seq"`
	Digest snapshot.Digest `json:"digest"` // of the rows as they were loaded
}

// A note of chunks is written when so many of one table wait for it, or the first one has waited so long: the
// journal syncs at each note, and small chunks are quicker than a disk. What was not noted before a kill is found by the digests.
const (
	unnotedChunks = 4
	unnotedTime   = 200 * time.Millisecond
)

// loadLog is what is known of a load: of its earlier processes by their notes, of this one by what it does.
type loadLog struct {
	notes       Notes // nil = nothing is written down
	schema      string
	begin       loadBegin
	interrupted bool
	state       []byte
	now         func() time.Time

	mu      sync.Mutex // guards all below
	chunks  map[string]map[int]snapshot.Digest
	unnoted []chunkNote
	since   time.Time // the first of them
}

// readLog reads what the journal says of the load of the database that stands now: what was noted before
// the last begin of create or replay was of another one. state is nil where nothing can have been taken off.
func (b *Build) readLog() (*loadLog, error) {
	log := &loadLog{notes: b.Notes, now: time.Now}
	log.forget()
	if b.Notes == nil {
		return log, nil
	}
	for _, e := range b.Notes.Entries() {
		switch {
		case e.Kind == journal.KindStart && (e.Stage == "create" || e.Stage == "replay"):
			log.forget()
		case e.Kind == journal.KindNote && e.Stage == loadStage:
			var n loadNote
			if err := json.Unmarshal(e.Data, &n); err != nil {
				return nil, fmt.Errorf("the journal's entry %d: %w", e.Seq, err)
			}
			log.apply(&n)
		}
	}
	if log.begin.Snapshot != b.Snapshot {
		log.forget()
	}
	log.interrupted = log.state != nil
	return log, nil
}

func (l *loadLog) forget() {
	l.begin, l.state, l.chunks = loadBegin{}, nil, map[string]map[int]snapshot.Digest{}
}

func (l *loadLog) apply(n *loadNote) {
	if n.Begin != nil {
		l.forget()
		l.begin = *n.Begin
	}
	if n.State != nil {
		l.state = n.State
	}
	if n.Emptied != "" {
		delete(l.chunks, n.Emptied)
	}
	for _, c := range n.Chunks {
		if l.chunks[c.Table] == nil {
			l.chunks[c.Table] = map[int]snapshot.Digest{}
		}
		l.chunks[c.Table][c.Seq] = c.Digest
	}
}

// openLog takes up the log of an interrupted load, or begins one: s is then the schema before the load.
func (b *Build) openLog(ctx context.Context, s *schema.Schema) (*loadLog, error) {
	log, err := b.readLog()
	if err != nil {
		return nil, err
	}
	if !log.interrupted {
		log.forget()
		log.begin = loadBegin{Snapshot: b.Snapshot, Schema: fingerprint(s), Constants: map[string][]engine.Verbatim{}}
		for name, p := range b.layout {
			cells, err := b.constants(ctx, p)
			if err != nil {
				return nil, err
			}
			if cells != nil {
				log.begin.Constants[name.String()] = cells
			}
		}
		if err := log.note(&loadNote{Begin: &log.begin}); err != nil {
			return nil, err
		}
	}
	log.schema = log.begin.Schema
	return log, nil
}

func (l *loadLog) note(n *loadNote) error {
	if l.notes == nil {
		return nil
	}
	return l.notes.Append(journal.KindNote, loadStage, n)
}

// options let the engine's loader write its state down, and take it up.
func (l *loadLog) options() *engine.LoadOptions {
	o := &engine.LoadOptions{Keep: func(state []byte) error { return l.note(&loadNote{State: state}) }}
	if l.interrupted {
		o.State = l.state
	}
	return o
}

// constants are the cells that are added to each row of a table.
func (l *loadLog) constants(table schema.Name) []string {
	var cells []string
	for _, c := range l.begin.Constants[table.String()] {
		cells = append(cells, string(c))
	}
	return cells
}

// in gives the chunks of a table that were in when the load began.
func (l *loadLog) in(table schema.Name) map[int]snapshot.Digest { return l.chunks[table.String()] }

// loaded notes that a chunk is in, some time.
func (l *loadLog) loaded(table schema.Name, seq int, d snapshot.Digest) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.unnoted) == 0 {
		l.since = l.now()
	}
	l.unnoted = append(l.unnoted, chunkNote{table.String(), seq, d})
	same := 0
	for _, c := range l.unnoted {
		if c.Table == table.String() {
			same++
		}
	}
	if same < unnotedChunks && l.now().Sub(l.since) < unnotedTime {
		return nil
	}
	return l.write()
}

// flush notes the rest.
func (l *loadLog) flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.write()
}

// write is called with mu held, so that no more chunks can come to be unnoted than those that wait for it.
func (l *loadLog) write() error {
	if len(l.unnoted) == 0 {
		return nil
	}
	list := l.unnoted
	l.unnoted = nil
	if err := l.note(&loadNote{Chunks: list}); err != nil {
		return fmt.Errorf("note the chunks that are in: %w", err)
	}
	return nil
}
