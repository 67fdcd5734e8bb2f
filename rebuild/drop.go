package rebuild

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"mulligan/engine"
	"mulligan/internal/lock"
	"mulligan/journal"
	"mulligan/snapshot"
)

// spare is a database that nobody needs, as far as the journals know: the run that took it out of its place has come to
// its end, and said so. Only [Asides.judge] makes one.
type spare struct{ aside *engine.SetAside }

// judge decides by the journals alone whether a database that a run has taken out of its place may be dropped.
// Until its run is proved, or undone, it may be the only copy of its rows.
func (a Asides) judge(owner *Report, name string, others []*Report) (*spare, error) {
	h := owner.Header
	if id := a.Server.Traits().Identity; h.Server != id {
		return nil, fmt.Errorf("run %s worked on server %s, this is server %s", h.Run, h.Server, id)
	}
	switch owner.State {
	case StateProved:
		var p struct {
			SetAside string `json:"set_aside"`
		}
		if !h.Replace || name != h.Aside || !owner.swapped() || !owner.Proof("swap", &p) || p.SetAside != name {
			return nil, fmt.Errorf("run %s has not proved that it set %s aside", h.Run, name)
		}
	case StateUndone:
		if name == "" || name != owner.Kept {
			return nil, fmt.Errorf("the undo of run %s did not take out %s", h.Run, name)
		}
	default:
		return nil, fmt.Errorf("run %s is %s: what it set aside may be the only copy", h.Run, owner.State)
	}
	for _, o := range others {
		if o.Header.Run != h.Run && o.Header.Run.Run() == h.Run.Run() {
			return nil, fmt.Errorf("database %s: runs %s and %s give the same names", name, h.Run, o.Header.Run)
		}
	}
	aside, err := engine.AdoptSetAside(a.Server, h.Database, h.Run.Run(), name)
	if err != nil {
		return nil, err
	}
	return &spare{aside}, nil
}

// outlives says why what a run has set aside is not dropped by a later one; nil = it is. That the later run is later,
// and proved, is known elsewhere: its plan lists what had come to its end before it began.
func (r *Report) outlives(later *Header) error {
	h := r.Header
	switch {
	case r.State != StateProved:
		return fmt.Errorf("run %s is %s", h.Run, r.State)
	case h.Run == later.Run && h.KeepOld == KeepNever:
		return nil
	case h.Run == later.Run || h.KeepOld != KeepNext && h.KeepOld != KeepNever:
		return fmt.Errorf("run %s keeps what it set aside", h.Run)
	case h.Target != later.Target || h.Family != later.Family || h.Server != later.Server || h.Database != later.Database:
		return fmt.Errorf("run %s is of another database", h.Run)
	}
	return nil
}

// tidy drops what the run makes superfluous, now that it is proved: what its plan lists, and with [KeepNever] the old
// database itself. What cannot be dropped is left, and said; it is no failure of the run.
func (r *Run) tidy(ctx context.Context, j *journal.Journal) {
	for _, k := range r.superfluous() {
		f := Freed{Run: k.Run, Database: k.Database}
		bytes, err := r.free(ctx, j, k)
		if f.Bytes = bytes; err != nil {
			f.Error = err.Error()
		}
		if err := j.Append(journal.KindNote, freedNote, f); err != nil && f.Error == "" {
			f.Error = err.Error()
		}
		r.freed = append(r.freed, f)
	}
	if len(r.freed) > 0 {
		_ = r.writeReport(ctx) // the report is there; the journals have all that this one adds
	}
}

// Freed lists what the run has dropped after it was proved, and what it would have.
func (r *Run) Freed() []Freed { return r.freed }

func (r *Run) superfluous() []Kept {
	h := r.Header
	if r.plan == nil || !h.Replace || h.KeepOld != KeepNext && h.KeepOld != KeepNever {
		return nil
	}
	list := slices.Clone(r.plan.Frees)
	if h.KeepOld == KeepNever {
		list = append(list, Kept{Run: h.Run, Database: h.Aside})
	}
	return list
}

// free drops one database for this run, whose journal j has come to its end.
func (r *Run) free(ctx context.Context, j *journal.Journal, k Kept) (bytes int64, err error) {
	mine, err := NewReport(j.Entries())
	if err != nil {
		return 0, err
	}
	if mine.State != StateProved || !mine.swapped() {
		return 0, fmt.Errorf("run %s is %s", r.Header.Run, mine.State)
	}
	a, owners := r.asides(), j
	if k.Run != r.Header.Run {
		if owners, err = a.open(k.Run); err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, owners.Close()) }()
	}
	owner, err := NewReport(owners.Entries())
	if err != nil {
		return 0, err
	}
	if err := owner.outlives(&r.Header); err != nil {
		return 0, err
	}
	return a.drop(ctx, owners, owner, k.Database, r.Header.Run)
}

// Drop drops for good, on the user's word, what a run that is proved or undone has taken out of its place.
// Errors: [*InTheWay] where another run of the database has stopped midway; [engine.ErrInUse]; [engine.ErrLocked].
func (a Asides) Drop(ctx context.Context, run snapshot.ID) (freed []Freed, err error) {
	j, err := a.open(run)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	owner, err := NewReport(j.Entries())
	if err != nil {
		return nil, err
	}
	held, err := engine.Hold(ctx, a.Server, owner.Header.Database, lock.This("runs drop", run.String()))
	if err != nil {
		return nil, err
	}
	defer func() { _ = held.Unlock() }() // the lock ends with the connection in any case
	others, err := a.runs(&owner.Header)
	if err != nil {
		return nil, err
	}
	for _, o := range others {
		if midway, err := a.midway(ctx, o); err != nil {
			return nil, err
		} else if midway {
			return nil, o.inTheWay()
		}
	}
	list, err := a.Look(ctx, owner)
	if err != nil {
		return nil, err
	}
	for _, k := range list {
		if k.State != KeptThere && k.State != KeptHalf {
			continue
		}
		bytes, err := a.drop(ctx, j, owner, k.Database, "")
		if err != nil {
			return freed, err
		}
		freed = append(freed, Freed{Run: run, Database: k.Database, Bytes: bytes})
	}
	return freed, nil
}

// drop drops a database of the run that the journal is of. The journal says so before and after: what was begun is
// never a database to go back to, and is dropped whole by the next who comes. The caller holds the lock of the database.
func (a Asides) drop(ctx context.Context, j *journal.Journal, owner *Report, name string, by snapshot.ID) (bytes int64, err error) {
	others, err := a.runs(&owner.Header)
	if err != nil {
		return 0, err
	}
	spare, err := a.judge(owner, name, others)
	if err != nil {
		return 0, err
	}
	word := Drop{Database: name, By: by, State: dropDone}
	info, err := a.Server.Stat(ctx, name)
	if errors.Is(err, engine.ErrNotExist) && owner.drop(name) != nil {
		return 0, j.Append(journal.KindNote, dropNote, word) // an earlier drop came to its end, and was killed before its word
	}
	if err != nil {
		return 0, err
	}
	begun := false
	err = spare.aside.Drop(ctx, func() error {
		begun, word.State = true, dropBegun
		return j.Append(journal.KindNote, dropNote, word)
	})
	switch {
	case err == nil:
		word.State = dropDone
	case begun && errors.Is(err, engine.ErrInUse) && a.Server.Traits().TransactionalDDL:
		word.State = dropKept // a drop is whole or not at all here
	default:
		return 0, err
	}
	return info.Bytes, errors.Join(err, j.Append(journal.KindNote, dropNote, word))
}

func (a Asides) open(run snapshot.ID) (*journal.Journal, error) {
	j, _, err := journal.Open(filepath.Join(a.Dir, run.String(), JournalName))
	return j, err
}
