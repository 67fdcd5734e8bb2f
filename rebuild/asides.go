package rebuild

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"mulligan/engine"
	"mulligan/snapshot"
)

// Keep says how long a database is kept that a run has set aside.
type Keep string

// The ways to keep. A header without one is of a run that was begun before there was a choice, and means KeepAlways.
const (
	KeepNext   Keep = "next"   // until a later run of the same database is proved
	KeepAlways Keep = "always" // for ever; a run of this kind drops those of earlier runs neither
	KeepNever  Keep = "never"  // until its own run is proved, which then cannot be taken back
)

// Keeps are all ways to keep, the usual one first.
func Keeps() []Keep { return []Keep{KeepNext, KeepAlways, KeepNever} }

// KeptState says what became of a database that a run has taken out of its place.
type KeptState string

// The states.
const (
	KeptThere   KeptState = "there"
	KeptHalf    KeptState = "half dropped" // its drop was begun: a part may be gone
	KeptDropped KeptState = "dropped"
	KeptGone    KeptState = "gone"    // and not by us
	KeptUnknown KeptState = "unknown" // its server was not asked
)

// Kept is a database that a run has taken out of its place: set aside, or taken out by an undo.
type Kept struct {
	Run      snapshot.ID `json:"run"`
	Database string      `json:"database"`
	State    KeptState   `json:"state"`
	Bytes    int64       `json:"bytes"`        // on disk, as the server says it; 0 = unknown
	By       snapshot.ID `json:"by,omitempty"` // the run that dropped it, or began to; empty = the user's own word
}

// Drop is what a run's journal says of the end of a database that the run had taken out of its place.
type Drop struct {
	Database string      `json:"database"`
	By       snapshot.ID `json:"by,omitempty"` // the run that did it; empty = the user's own word
	State    string      `json:"state"`        // "begun", "done", or "kept" where nothing of it was dropped after all
	Time     time.Time   `json:"time,omitzero"`
}

const (
	dropBegun = "begun"
	dropDone  = "done"
	dropKept  = "kept"
)

// The stages under which drops are noted: dropNote in the journal of the run whose database it was, before and after
// the drop; freedNote in that of the run that did it.
const (
	dropNote  = "drop"
	freedNote = "freed"
)

// Freed is a database that a run, being proved, dropped or meant to drop.
type Freed struct {
	Run      snapshot.ID `json:"run"` // whose it was
	Database string      `json:"database"`
	Bytes    int64       `json:"bytes"`
	Error    string      `json:"error,omitempty"` // why it was left; empty = it is gone
}

// InTheWay is another run of the same database that must come to its end, or be taken back, first.
type InTheWay struct {
	Run    snapshot.ID
	Midway bool        // it can go on; else it is proved
	Undo   snapshot.ID // the run to take back first
	what   string
}

// Error says which run it is, and what it did.
func (w *InTheWay) Error() string { return fmt.Sprintf("run %s %s", w.Run, w.what) }

// Asides are the databases that the runs of one folder have taken out of their place on one server.
type Asides struct {
	Server engine.Server // nil = cannot be asked
	Dir    string        // holds a folder for each run; empty = there is none
}

// runs lists the reports of the other runs of a database.
func (a Asides) runs(h *Header) (list []*Report, err error) {
	if a.Dir == "" {
		return nil, nil
	}
	all, err := Runs(a.Dir)
	for _, r := range all {
		if r.Header.Run != h.Run && r.Header.Server == h.Server && r.Header.Database == h.Database {
			list = append(list, r)
		}
	}
	return list, err
}

// names are those that the run may have given to databases that it took out of their place.
func (r *Report) names(limit int) (list []string) {
	if r.Header.Replace && !r.moved.IsZero() {
		list = append(list, r.Header.Aside)
	}
	switch {
	case r.Kept != "":
		list = append(list, r.Kept)
	case r.undoing:
		list = append(list, engine.UndoneName(r.Header.Database, r.Header.Run.Run(), limit))
	}
	return list
}

// drop finds what the journal says of the end of a database; nil = nothing.
func (r *Report) drop(name string) *Drop {
	for i := range r.Drops {
		if r.Drops[i].Database == name {
			return &r.Drops[i]
		}
	}
	return nil
}

// setDrop takes up a word about the end of a database.
func (r *Report) setDrop(d Drop) {
	r.Drops = slices.DeleteFunc(r.Drops, func(o Drop) bool { return o.Database == d.Database })
	if d.State != dropKept {
		r.Drops = append(r.Drops, d)
	}
}

// Look says what became of the databases that a run has taken out of their place. It changes nothing.
func (a Asides) Look(ctx context.Context, r *Report) (list []Kept, err error) {
	limit, known := 0, a.Server != nil && a.Server.Traits().Identity == r.Header.Server
	if known {
		limit = a.Server.Traits().NameLimit
	}
	for _, name := range r.names(limit) {
		k := Kept{Run: r.Header.Run, Database: name, State: KeptUnknown}
		d := r.drop(name)
		if d != nil {
			k.By, k.State = d.By, KeptHalf
		}
		switch {
		case d != nil && d.State == dropDone:
			k.State = KeptDropped
		case known:
			if err := a.look(ctx, r, &k); err != nil {
				return nil, err
			}
		}
		if k.State != "" {
			list = append(list, k)
		}
	}
	return list, nil
}

// look asks the server for one database. One that never came to be has no state.
func (a Asides) look(ctx context.Context, r *Report, k *Kept) error {
	info, err := a.Server.Stat(ctx, k.Database)
	switch {
	case err == nil:
		k.Bytes = info.Bytes
		if k.State != KeptHalf {
			k.State = KeptThere
		}
	case !errors.Is(err, engine.ErrNotExist):
		return err
	case k.State == KeptHalf:
		k.State = KeptDropped
	case r.State == StateProved && k.Database == r.Header.Aside || r.State == StateUndone && k.Database == r.Kept:
		k.State = KeptGone
	default:
		k.State = ""
	}
	return nil
}

// midway tells whether a run has stopped with the old database set aside.
func (a Asides) midway(ctx context.Context, r *Report) (bool, error) {
	if r.State != StateUnfinished && r.State != StateFailed || r.moved.IsZero() || !r.Header.Replace {
		return false, nil
	}
	_, err := a.Server.Stat(ctx, r.Header.Aside)
	if errors.Is(err, engine.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// swapped tells whether the run has proved that its database is in its place.
func (r *Report) swapped() bool {
	var p struct{ Database string }
	return r.Proof("swap", &p) && p.Database == r.Header.Database
}

// inTheWay says that the run has stopped midway.
func (r *Report) inTheWay() error {
	return &InTheWay{r.Header.Run, true, r.Header.Run, "stopped midway: the old database is set aside as " + r.Header.Aside}
}

func (r *Run) asides() Asides {
	if r.Dir == "" {
		return Asides{Server: r.Server}
	}
	return Asides{Server: r.Server, Dir: filepath.Dir(r.Dir)}
}

// unhindered refuses to work on a database that another run has left half built under its name, or to go on with one's
// own half-built one where another run has taken the name since: that one's rows would be thrown away with it.
// own is nil for a run that is about to begin. Errors: [*InTheWay].
func (r *Run) unhindered(ctx context.Context, own *Report) error {
	a := r.asides()
	others, err := a.runs(&r.Header)
	if err != nil {
		return err
	}
	half := func(o *Report) (bool, error) {
		if o == nil || o.swapped() {
			return false, nil
		}
		return a.midway(ctx, o)
	}
	ours, err := half(own)
	if err != nil {
		return err
	}
	for _, o := range others {
		if ours && o.State == StateProved && o.moved.After(own.moved) {
			return &InTheWay{o.Header.Run, false, own.Header.Run, "was proved since, and has put its database where this run's would be thrown away"}
		}
		theirs, err := half(o)
		if err != nil {
			return err
		}
		if theirs && (!ours || o.moved.After(own.moved)) {
			return o.inTheWay()
		}
	}
	return nil
}

// planKept finds what the run will drop once it is proved: what earlier runs have set aside, as far as they are
// proved now. What is not in the plan is not dropped. A run that replaces nothing drops nothing: where the database
// itself is lost, nobody is asked, and what is left beside is worth more than its room.
func (r *Run) planKept(ctx context.Context, p *Plan) error {
	if err := r.unhindered(ctx, nil); err != nil {
		return err
	}
	p.KeepOld = r.Header.KeepOld
	if !r.Header.Replace || p.KeepOld != KeepNext && p.KeepOld != KeepNever {
		return nil
	}
	a := r.asides()
	others, err := a.runs(&r.Header)
	if err != nil {
		return err
	}
	for _, o := range others {
		if _, err := a.judge(o, o.Header.Aside, others); err != nil || o.outlives(&r.Header) != nil {
			continue
		}
		list, err := a.Look(ctx, o)
		if err != nil {
			return err
		}
		for _, k := range list {
			if k.Database == o.Header.Aside && (k.State == KeptThere || k.State == KeptHalf) {
				p.Frees = append(p.Frees, k)
			}
		}
	}
	return nil
}
