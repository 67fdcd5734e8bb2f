package rebuild

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"mulligan/backup"
	"mulligan/journal"
	"mulligan/pipeline"
	"mulligan/schema"
	"mulligan/snapshot"
)

// ErrNoRefresh tells that the rows cannot be taken again, and need not be.
var ErrNoRefresh = errors.New("there is nothing to take again")

// The stages under which a run's notes stand in the journal.
const (
	marksNote   = "marks"
	refreshNote = "refresh"
)

// markedNote is what was known of the tables before the view of a snapshot was opened.
type markedNote struct {
	Snapshot snapshot.ID            `json:"snapshot"`
	Marks    map[schema.Name]string `json:"marks"`
}

// refreshed is a run that takes its rows again.
type refreshed struct {
	Snapshot snapshot.ID `json:"snapshot"` // that will be taken
	Base     snapshot.ID `json:"base"`     // the one before it, from which unchanged tables come
}

// noteMarks keeps the marks, so that the process which comes to the swap has them.
func (r *Run) noteMarks(marks map[schema.Name]string) error {
	if len(marks) == 0 {
		return nil
	}
	return r.journal.Append(journal.KindNote, marksNote, markedNote{r.Header.Snapshot, marks})
}

// marksOf finds the newest marks that belong to a snapshot; nil = there are none.
func marksOf(entries []journal.Entry, id snapshot.ID) map[schema.Name]string {
	for _, e := range slices.Backward(entries) {
		var n markedNote
		if e.Kind == journal.KindNote && e.Stage == marksNote && json.Unmarshal(e.Data, &n) == nil && n.Snapshot == id {
			return n.Marks
		}
	}
	return nil
}

func (r *Run) keepBackup(json.RawMessage) error {
	r.build.Marks = marksOf(r.journal.Entries(), r.Header.Snapshot)
	return nil
}

// base is the snapshot that a refresh starts from; nil = this is the run's first.
func (r *Run) base(ctx context.Context) (*backup.Base, error) {
	entries := r.journal.Entries()
	for _, e := range slices.Backward(entries) {
		var n refreshed
		if e.Kind != journal.KindNote || e.Stage != refreshNote || json.Unmarshal(e.Data, &n) != nil {
			continue
		}
		reader, err := snapshot.Open(ctx, r.Store, r.Header.Target, n.Base)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, snapshot.ErrCorrupt) {
			return nil, nil // without it every table is read again
		}
		if err != nil {
			return nil, err
		}
		return &backup.Base{Reader: reader, Marks: marksOf(entries, n.Base)}, nil
	}
	return nil, nil
}

// refresh makes a run that has not swapped begin again with the rows as they are now: in a snapshot of its own, which
// takes from the one before what has not changed. Errors: [ErrNoRefresh].
func (r *Run) refresh(ctx context.Context, j *journal.Journal, at time.Time) error {
	proofs, _ := pipeline.History(j.Entries())
	if r.Header.Command != CommandRebuild || proofs["backup"] == nil {
		return fmt.Errorf("run %s: %w: it has taken no snapshot", r.Header.Run, ErrNoRefresh)
	}
	aside, err := r.exists(ctx, r.Header.Aside)
	if err != nil {
		return err
	}
	if aside {
		return fmt.Errorf("run %s: %w: the old database is set aside as %s, and nobody has written to it since", r.Header.Run, ErrNoRefresh, r.Header.Aside)
	}
	id, err := snapshot.NewID(at, nil)
	if err != nil {
		return err
	}
	// The start takes back every proof: the schema may have changed as well. Killed after it, the run takes its snapshot anew.
	if err := j.Append(journal.KindStart, "preflight", nil); err != nil {
		return err
	}
	if err := j.Append(journal.KindNote, refreshNote, refreshed{id, r.Header.Snapshot}); err != nil {
		return err
	}
	r.Header.Snapshot = id
	return nil
}
