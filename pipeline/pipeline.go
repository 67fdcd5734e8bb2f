// Package pipeline runs a list of stages with a journal, so that a run which was killed at
// any instant can be taken up again.
//
// Each stage is written down as started, done, checked, and written down again with the proof
// that the check saw. Taking a run up again checks the stage that was only started. Where that does not hold, the stage
// goes on where it can; else it is done again where the proof before it, repeated and compared, holds.
// What a stage does and how it is proved is the caller's; the order of writing is kept here.
package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"mulligan/journal"
)

// Stage is one step of a pipeline.
type Stage struct {
	Name string
	// Do changes the world. It may be run again after it was interrupted at any point. nil = nothing to do.
	Do func(ctx context.Context) error
	// Check proves what Do did, and changes nothing. Its proof goes into the journal as JSON.
	Check func(ctx context.Context) (proof any, err error)
	// Keep takes up a proof of an earlier process, where the stage is not done again. nil = nothing to take up.
	Keep func(proof json.RawMessage) error
	// Bound stages are checked again on every resume, and a proof that differs refuses the resume:
	// the run is tied to what it says.
	Bound bool
	// Back names the stage to go back to when this one was interrupted, or its proof no longer holds.
	// Empty = this stage itself.
	Back string
	// Partial tells, of work that was interrupted, whether Do can go on from where it stopped: it is then called again in place of
	// following Back, and what went before is not checked again, since half-done work may hide what that saw. It changes
	// nothing, and must say yes only of what this run's own Do began and nobody else touched. nil = it never can.
	Partial func(ctx context.Context) (bool, error)
}

// StageError says which stage failed. What was done before it is in the journal.
type StageError struct {
	Stage string
	Err   error
}

// Error is "stage NAME: cause".
func (e *StageError) Error() string { return "stage " + e.Stage + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *StageError) Unwrap() error { return e.Err }

// ErrChanged tells that a run cannot go on, because what it is tied to is not what it was.
var ErrChanged = errors.New("what the run is tied to has changed")

// Outcome is how a stage ended.
type Outcome string

// The outcomes.
const (
	Started Outcome = "started"
	Done    Outcome = "done"
	Kept    Outcome = "kept" // done by an earlier process, and still so
	Broken  Outcome = "failed"
)

// Event tells what happens, as it happens.
type Event struct {
	Stage   string          `json:"stage"`
	Outcome Outcome         `json:"outcome"`
	Took    time.Duration   `json:"took,omitempty"`
	Proof   json.RawMessage `json:"proof,omitempty"`
	Err     error           `json:"-"`
}

// Run does the stages that the journal does not hold a proof for, in their order, and tells each
// event to notify (nil = nobody). An error is a [*StageError]; a cancelled context is one that
// wraps context.Canceled. The journal says the same, also where the process ended without a word.
func Run(ctx context.Context, j *journal.Journal, stages []Stage, notify func(Event)) error {
	if notify == nil {
		notify = func(Event) {}
	}
	r := &runner{journal: j, stages: stages, notify: notify}
	first, err := r.takeUp(ctx)
	if err != nil {
		return err
	}
	for _, s := range stages[first:] {
		if err := r.do(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

type runner struct {
	journal *journal.Journal
	stages  []Stage
	notify  func(Event)
}

// takeUp finds the first stage that is still to do, and hands the proofs of those before it to them.
func (r *runner) takeUp(ctx context.Context) (first int, err error) {
	proofs, started := History(r.journal.Entries())
	k := 0
	for k < len(r.stages) && proofs[r.stages[k].Name] != nil {
		k++
	}
	for i, s := range r.stages[:k] {
		if err := r.keep(ctx, s, proofs[s.Name]); err != nil {
			return 0, err
		}
		if i < k-1 {
			r.notify(Event{Stage: s.Name, Outcome: Kept, Proof: proofs[s.Name]})
		}
	}
	begun := k < len(r.stages) && started[r.stages[k].Name]
	works := begun && r.stages[k].Do != nil
	if works {
		// It is looked at before what went before it: its work may have taken away what that saw.
		finish, err := r.ended(ctx, r.stages[k])
		goesOn := false
		if err == nil && finish == nil {
			goesOn, err = r.partial(ctx, r.stages[k])
		}
		if err != nil {
			return 0, err
		}
		if k > 0 && (finish != nil || goesOn) {
			r.notify(Event{Stage: r.stages[k-1].Name, Outcome: Kept, Proof: proofs[r.stages[k-1].Name]})
		}
		if finish != nil {
			return k + 1, finish()
		}
		if goesOn {
			return k, nil
		}
	}
	if k > 0 {
		last := r.stages[k-1]
		if holds, err := r.holds(ctx, last, proofs[last.Name]); err != nil {
			return 0, err
		} else if !holds {
			return r.back(last), nil
		}
		r.notify(Event{Stage: last.Name, Outcome: Kept, Proof: proofs[last.Name]})
	}
	if begun && !works {
		finish, err := r.ended(ctx, r.stages[k])
		if err != nil {
			return 0, err
		}
		if finish != nil {
			return k + 1, finish()
		}
	}
	if begun {
		return r.back(r.stages[k]), nil
	}
	return k, nil
}

// ended tells whether a stage that was started did its work all the same; finish writes that down. nil = it did not.
func (r *runner) ended(ctx context.Context, s Stage) (finish func() error, err error) {
	begin := time.Now()
	proof, err := s.Check(ctx)
	if ctx.Err() != nil {
		return nil, r.fail(s, errors.Join(ctx.Err(), err))
	}
	if err != nil {
		return nil, nil // it did not: what is missing is no failure yet
	}
	return func() error { return r.checkpoint(s, proof, begin) }, nil
}

// partial tells whether a stage that was started, and did not do its work, can go on with it.
func (r *runner) partial(ctx context.Context, s Stage) (bool, error) {
	if s.Partial == nil {
		return false, nil
	}
	goesOn, err := s.Partial(ctx)
	if err != nil {
		return false, r.fail(s, interrupted(ctx, fmt.Errorf("see how far it came: %w", err)))
	}
	return goesOn, nil
}

// keep takes up one stage's proof, and refuses where a bound one is not what is seen now.
func (r *runner) keep(ctx context.Context, s Stage, proof json.RawMessage) error {
	if s.Keep != nil {
		if err := s.Keep(proof); err != nil {
			return &StageError{s.Name, fmt.Errorf("take up the recorded proof: %w", err)}
		}
	}
	if !s.Bound {
		return nil
	}
	now, err := s.Check(ctx)
	switch {
	case ctx.Err() != nil:
		return r.fail(s, ctx.Err())
	case err != nil:
		return &StageError{s.Name, fmt.Errorf("%w: %w", ErrChanged, err)}
	case !sameProof(proof, now):
		return &StageError{s.Name, fmt.Errorf("%w: the journal's proof is not what is seen now", ErrChanged)}
	}
	return nil
}

// holds repeats a stage's proof. A bound one was repeated by keep.
func (r *runner) holds(ctx context.Context, s Stage, proof json.RawMessage) (bool, error) {
	if s.Bound {
		return true, nil
	}
	now, err := s.Check(ctx)
	if ctx.Err() != nil {
		return false, r.fail(s, ctx.Err())
	}
	return err == nil && sameProof(proof, now), nil
}

func (r *runner) do(ctx context.Context, s Stage) error {
	if err := ctx.Err(); err != nil {
		return r.fail(s, err)
	}
	if err := r.journal.Append(journal.KindStart, s.Name, nil); err != nil {
		return &StageError{s.Name, err}
	}
	r.notify(Event{Stage: s.Name, Outcome: Started})
	begin := time.Now()
	if s.Do != nil {
		if err := s.Do(ctx); err != nil {
			return r.fail(s, interrupted(ctx, err))
		}
	}
	proof, err := s.Check(ctx)
	if err != nil {
		return r.fail(s, interrupted(ctx, err))
	}
	return r.checkpoint(s, proof, begin)
}

func (r *runner) checkpoint(s Stage, proof any, begin time.Time) error {
	data, err := json.Marshal(proof)
	if err == nil {
		err = r.journal.Append(journal.KindCheckpoint, s.Name, json.RawMessage(data))
	}
	if err != nil {
		return &StageError{s.Name, fmt.Errorf("write the checkpoint: %w", err)}
	}
	r.notify(Event{Stage: s.Name, Outcome: Done, Took: time.Since(begin), Proof: data})
	return nil
}

func (r *runner) fail(s Stage, cause error) error {
	err := &StageError{s.Name, cause}
	r.notify(Event{Stage: s.Name, Outcome: Broken, Err: cause})
	note := map[string]string{"error": cause.Error()}
	if jerr := r.journal.Append(journal.KindFailed, s.Name, note); jerr != nil {
		return errors.Join(err, jerr)
	}
	return err
}

func (r *runner) back(s Stage) int {
	name := s.Name
	if s.Back != "" {
		name = s.Back
	}
	return slices.IndexFunc(r.stages, func(o Stage) bool { return o.Name == name })
}

// interrupted makes sure that a cancelled context is seen as such, whatever a driver made of it.
func interrupted(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	return err
}

// History reads a journal's entries: the newest proof of each stage that is still valid, and the
// stages that were started after it. Starting a stage takes back its own proof and those of every
// stage that was done after it.
func History(entries []journal.Entry) (proofs map[string]json.RawMessage, started map[string]bool) {
	proofs, started = map[string]json.RawMessage{}, map[string]bool{}
	var order []string
	for _, e := range entries {
		switch e.Kind {
		case journal.KindStart:
			if i := slices.Index(order, e.Stage); i >= 0 {
				for _, name := range order[i:] {
					delete(proofs, name)
					delete(started, name)
				}
				order = order[:i]
			}
			order = append(order, e.Stage)
			started[e.Stage] = true
		case journal.KindCheckpoint:
			proofs[e.Stage] = e.Data
			delete(started, e.Stage)
		default: // headers, notes and failures change nothing
		}
	}
	return proofs, started
}

func sameProof(recorded json.RawMessage, now any) bool {
	data, err := json.Marshal(now)
	if err != nil {
		return false
	}
	var a, b bytes.Buffer
	if json.Compact(&a, recorded) != nil || json.Compact(&b, data) != nil {
		return false
	}
	return bytes.Equal(a.Bytes(), b.Bytes())
}
