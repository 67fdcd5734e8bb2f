package rebuild

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mulligan/engine"
	"mulligan/internal/lock"
	"mulligan/journal"
)

// Undo takes a run back: an old database that was set aside gets its name back. What had the name meanwhile,
// the new database after a swap or an unfinished one in place, is kept under the name that Undo returns, since
// rows may have been written to it. One that was being built beside goes. Undo may be called again after it
// was interrupted. Errors: as [Run.CanUndo], and nothing was done.
func (r *Run) Undo(ctx context.Context, j *journal.Journal) (kept string, err error) {
	r.prepare()
	held, err := engine.Hold(ctx, r.Server, r.Header.Database, lock.This("undo", r.Header.Run.String()))
	if err != nil {
		return "", err
	}
	defer func() { _ = held.Unlock() }() // the lock ends with the connection in any case
	r.build.Held = held.Held
	own, err := NewReport(j.Entries())
	if err == nil {
		err = r.settle(ctx) // before any name is looked at
	}
	if err == nil {
		err = r.CanUndo(ctx, own)
	}
	if err != nil {
		return "", err
	}
	if err := j.Append(journal.KindStart, undoneStage, nil); err != nil {
		return "", err
	}
	if kept, err = r.takeBack(ctx); err != nil {
		return "", errors.Join(err, j.Append(journal.KindFailed, undoneStage, map[string]string{"error": err.Error()}))
	}
	return kept, j.Append(journal.KindEnd, undoneStage, map[string]string{"kept": kept})
}

// CanUndo says why the run cannot be taken back. own is its report; nothing is changed.
// Errors: [ErrGone]; [*InTheWay] where a later run has put its database in the place of this one's, or is about to.
func (r *Run) CanUndo(ctx context.Context, own *Report) error {
	h := r.Header
	if d := own.drop(h.Aside); d != nil {
		return r.gone(d)
	}
	aside, err := r.exists(ctx, h.Aside)
	if err != nil {
		return err
	}
	if !aside {
		// An undo that was interrupted has given it its name back.
		if h.Replace && own.swapped() && !own.undoing {
			return fmt.Errorf("run %s: %w: there is no database %s, and no run has dropped it; the rows are in snapshot %s", h.Run, ErrGone, h.Aside, h.Snapshot)
		}
		return nil
	}
	if !own.swapped() {
		return nil // what has the name is kept, whose ever it is
	}
	a := r.asides()
	others, err := a.runs(&h)
	if err != nil {
		return err
	}
	for _, o := range others {
		midway, err := a.midway(ctx, o)
		if err != nil {
			return err
		}
		if midway && !o.swapped() {
			return o.inTheWay()
		}
		if (midway || o.State == StateProved) && o.moved.After(own.moved) {
			return &InTheWay{o.Header.Run, midway, o.Header.Run, "has put its database in the place of this run's since"}
		}
	}
	return nil
}

// gone says what became of the old database.
func (r *Run) gone(d *Drop) error {
	by := "it was dropped on the user's word"
	if d.By == r.Header.Run {
		by = "the run itself dropped it when it was proved (keep_old: never)"
	} else if d.By != "" {
		by = fmt.Sprintf("run %s dropped it", d.By)
	}
	if d.State == dropBegun {
		by += ", or began to, and a part of it may be gone"
	}
	return fmt.Errorf("run %s: %w: %s: %s (%s); the rows are in snapshot %s",
		r.Header.Run, ErrGone, d.Database, by, d.Time.Format(time.RFC3339), r.Header.Snapshot)
}

// undoing tells a run whose undo was begun. What its stages have proved may be gone since.
func undoing(entries []journal.Entry) bool {
	return slices.ContainsFunc(entries, func(e journal.Entry) bool { return e.Kind == journal.KindStart && e.Stage == undoneStage })
}

// takeBack decides by the names that exist, so that it does not matter where an earlier attempt ended.
func (r *Run) takeBack(ctx context.Context) (kept string, err error) {
	h := r.Header
	kept = engine.UndoneName(h.Database, h.Run.Run(), r.Server.Traits().NameLimit)
	name, err := r.exists(ctx, h.Database)
	if err != nil {
		return "", err
	}
	aside, err := r.exists(ctx, h.Aside)
	if err != nil {
		return "", err
	}
	if err := r.build.Held(ctx); err != nil {
		return "", err
	}
	renamer, ok := r.Server.(engine.Renamer)
	if !ok {
		return "", fmt.Errorf("undo: %w on %s", errors.ErrUnsupported, h.Family)
	}
	if h.Replace && aside {
		if err := r.evict(ctx); err != nil {
			return "", err
		}
		moves := []engine.Move{{From: h.Database, To: kept}, {From: h.Aside, To: h.Database}}
		if !name {
			moves = moves[1:]
		}
		if err := renamer.Rename(ctx, moves...); err != nil {
			return "", fmt.Errorf("give database %s its name back (it is called %s): %w", h.Database, h.Aside, err)
		}
	}
	for _, name := range r.scratches() {
		scratch, err := engine.AdoptScratch(r.Server, name)
		if err != nil {
			return "", err
		}
		if err := scratch.Drop(ctx); err != nil {
			return "", err
		}
	}
	if there, err := r.exists(ctx, kept); err != nil || !there {
		return "", err
	}
	return kept, nil
}

// scratches names the databases that a killed process of the run may have left.
func (r *Run) scratches() []string {
	list := []string{r.probe()}
	if engine.IsScratchName(r.Header.Next) {
		return append(list, r.Header.Next)
	}
	return append(list, r.build.Moved())
}

func (r *Run) exists(ctx context.Context, name string) (bool, error) {
	_, err := r.Server.Stat(ctx, name)
	if errors.Is(err, engine.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (r *Run) evict(ctx context.Context) error {
	evicter, ok := r.Server.(engine.Evicter)
	if !ok || !r.Header.Options.Evict {
		return nil
	}
	if there, err := r.exists(ctx, r.Header.Database); err != nil || !there {
		return err
	}
	return evicter.Evict(ctx, r.Header.Database)
}
