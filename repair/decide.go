package repair

import (
	"slices"

	"mulligan/doctor"
	"mulligan/engine"
	"mulligan/migration"
)

// Request says what is wanted.
type Request struct {
	Only     []migration.ID // nothing but these; empty = everything that needs it
	Assume   []migration.ID // applied by the user's own word, where nothing can prove it
	Complete bool           // finish half-applied migrations, where that only adds
}

// Action is what is done about one migration.
type Action string

// The actions.
const (
	Record   Action = "record"   // the ledger gets the row that the tool would write
	Clear    Action = "clear"    // the failed row goes: nothing of the migration is in the database
	Complete Action = "complete" // what is missing is made, then the migration is recorded
)

// Step is one migration that is repaired.
type Step struct {
	Migration migration.ID `json:"migration"`
	Action    Action       `json:"action"`
	Assumed   bool         `json:"assumed,omitempty"` // nothing proves it but the user's word
	Why       string       `json:"why"`
}

// Refusal is one migration that is not, and why.
type Refusal struct {
	Migration migration.ID   `json:"migration"`
	Verdict   doctor.Verdict `json:"verdict,omitempty"` // empty = there is no such migration
	Reason    string         `json:"reason"`
	Evidence  []string       `json:"evidence,omitempty"`
	Fix       string         `json:"fix,omitempty"`
}

// Decision is what a diagnosis allows of a request.
type Decision struct {
	Steps   []Step    `json:"steps"`
	Refused []Refusal `json:"refused"`
}

// Decide says what of a request a diagnosis proves. It is a pure function: nothing is read or written.
//
// Without names everything that needs a repair must be provable, or nothing is done: a ledger that is mended in part
// would let the tool run a migration that may have run already, below others that have.
func Decide(d *doctor.Diagnosis, r Request) Decision {
	out := Decision{Steps: []Step{}, Refused: []Refusal{}}
	named := slices.Concat(r.Only, r.Assume)
	for _, id := range named {
		if d.Find(id) == nil {
			out.Refused = append(out.Refused, Refusal{Migration: id, Reason: "no such migration is on disk"})
		}
	}
	for i := range d.Migrations {
		e := &d.Migrations[i]
		assumed := slices.Contains(r.Assume, e.ID)
		wanted := len(r.Only) == 0 && needs(e) || slices.Contains(r.Only, e.ID) || assumed
		if !wanted || e.Verdict == doctor.FileMissing {
			continue
		}
		if step, ok := allow(d, e, r, assumed); ok {
			out.Steps = append(out.Steps, step)
			continue
		}
		out.Refused = append(out.Refused, refuse(d, e))
	}
	return out
}

// needs tells the migrations that keep the tool from working, or from the truth, by their record.
func needs(e *doctor.Examined) bool {
	switch e.Verdict {
	case doctor.Unrecorded, doctor.HalfApplied, doctor.Dirty, doctor.Unprovable:
		return true
	default:
		return false
	}
}

// allow gives the step that is proved, or that the user's word stands for.
func allow(d *doctor.Diagnosis, e *doctor.Examined, r Request, assumed bool) (Step, bool) {
	proved := e.Proved && len(e.Data) == 0
	open := e.Verdict == doctor.Unrecorded || e.Verdict == doctor.Dirty
	switch {
	case open && proved && e.Trace != doctor.TraceNothing, e.Verdict == doctor.Unrecorded && proved:
		return Step{Migration: e.ID, Action: Record, Why: "proved: " + e.Why}, true
	case e.Verdict == doctor.Dirty && e.Trace == doctor.TraceNone && !mayHaveMoved(d, e):
		return Step{Migration: e.ID, Action: Clear, Why: "proved: " + e.Why}, true
	case e.Trace == doctor.TraceSome && needs(e) && r.Complete && e.CanComplete():
		return Step{Migration: e.ID, Action: Complete, Why: "what is missing only adds: " + e.Why}, true
	case assumed && (open || e.Verdict == doctor.Unprovable) && e.Trace != doctor.TraceNone && e.Trace != doctor.TraceSome:
		return Step{Migration: e.ID, Action: Record, Assumed: true, Why: "by the user's word: " + e.Why}, true
	default:
		return Step{}, false
	}
}

// mayHaveMoved tells whether a migration that failed may have changed rows all the same: where no transaction takes
// them back.
func mayHaveMoved(d *doctor.Diagnosis, e *doctor.Examined) bool {
	return len(e.Data) > 0 && (d.Engine == engine.MySQL || d.Engine == engine.MariaDB)
}

// refuse says why a migration is not repaired.
func refuse(d *doctor.Diagnosis, e *doctor.Examined) Refusal {
	r := Refusal{Migration: e.ID, Verdict: e.Verdict, Reason: e.Why, Evidence: e.Evidence(), Fix: e.Fix(d.Engine)}
	switch {
	case e.Verdict == doctor.Applied:
		r.Reason, r.Fix = "it is recorded already: "+e.Why, ""
	case e.Verdict == doctor.Pending, e.Verdict == doctor.OutOfOrder:
		r.Reason, r.Fix = e.Why+": it must be run, and not recorded", "run "+d.Tool
	case len(e.Data) > 0 && e.Trace != doctor.TraceSome:
		r.Reason = "it changes rows, and no schema shows whether it did"
	case e.Verdict == doctor.Unrecorded && len(e.Different) > 0:
		r.Reason = "the database has what it makes otherwise than it makes it"
	case e.Verdict == doctor.Unrecorded && e.Trace == doctor.TraceAll:
		r.Reason = "its objects are in the database, but the replay of exactly the migrations that are there could not confirm them"
	}
	return r
}
