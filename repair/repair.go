// Package repair mends the ledger of a database whose schema has what the ledger does not say.
//
// What is recorded must be proved by a [doctor.Diagnosis], or stand on the user's own word, which is kept in the journal.
// Then the ledger is copied into a snapshot, the tool's own lock is taken, and the exact rows that the tool would write are
// written in one transaction, after the ledger was found to be what was examined. At the end the doctor looks again.
//
// Nothing is ever dropped or changed but rows of the ledger; with [Request.Complete] objects are added that a half-applied
// migration has not got to. A repair that is killed at any instant has written all of its rows or none.
package repair

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mulligan/backup"
	"mulligan/doctor"
	"mulligan/engine"
	"mulligan/internal/lock"
	"mulligan/journal"
	"mulligan/migration"
	"mulligan/snapshot"
	"mulligan/store"
)

// The errors that callers branch on.
var (
	// ErrRefused tells that something of what was asked for is not proved. Nothing was written.
	ErrRefused = errors.New("the repair is refused")
	// ErrUnmended tells that the repair wrote what it was to, and the doctor does not find it so, or could not look.
	ErrUnmended = errors.New("the ledger is not mended")
	// ErrMidway tells that what half-applied migrations lacked was made, all of it or a part, and nothing was recorded.
	ErrMidway = errors.New("the repair stopped midway")
)

// Run is one repair.
type Run struct {
	Source  doctor.Source
	Doctor  *doctor.Options // nil = defaults
	Request Request
	Create  bool        // make the ledger where there is none
	ID      snapshot.ID // of the run and its snapshot
	Version string      // of this program
	Store   store.Store // where the copy of the ledger goes
	Journal string      // path of the journal that is to be made
	Stage   func(name string)
}

// Outcome is what a repair would do, or did.
type Outcome struct {
	Format   int               `json:"format"`
	Run      snapshot.ID       `json:"run"`
	Target   string            `json:"target,omitempty"`
	Database string            `json:"database"`
	Ledger   string            `json:"ledger"`
	DryRun   bool              `json:"dry_run"`
	Decision                   // what is done about which migration
	SQL      []string          `json:"sql"`                // the statements, in their order
	Undo     []string          `json:"undo,omitempty"`     // what takes the new rows away again
	Snapshot snapshot.ID       `json:"snapshot,omitempty"` // the ledger as it was
	Journal  string            `json:"journal,omitempty"`
	Before   *doctor.Diagnosis `json:"before"`
	After    *doctor.Diagnosis `json:"after,omitempty"`
}

// Plan examines the database and says what the repair would do. It changes nothing. Where something is refused the
// outcome says why, and the error is [ErrRefused].
func (r *Run) Plan(ctx context.Context) (*Outcome, error) {
	d, err := doctor.Run(ctx, r.Source, r.Doctor)
	if err != nil {
		return nil, err
	}
	return r.plan(ctx, d)
}

func (r *Run) plan(ctx context.Context, d *doctor.Diagnosis) (*Outcome, error) {
	o := &Outcome{
		Format: 1, Run: r.ID, Target: r.Source.Target, Database: d.Database, Ledger: d.Ledger, DryRun: true,
		Decision: Decide(d, r.Request), SQL: []string{}, Before: d,
	}
	if len(o.Refused) > 0 {
		return o, fmt.Errorf("%w: %s", ErrRefused, o.Refused[0].text())
	}
	if held(d) != "" {
		return o, fmt.Errorf("%w: %s", migration.ErrHeld, held(d))
	}
	err := r.inDatabase(ctx, func(s engine.Session) error {
		writes, err := r.writes(ctx, s, o)
		for _, w := range slices.Concat(o.completions(), writes) {
			o.SQL = append(o.SQL, w.Text(s.Family()))
		}
		return err
	})
	if errors.Is(err, migration.ErrNoLedger) && r.Create {
		return o, nil // its rows are planned when it is there
	}
	return o, err
}

// held is who holds the tool's lock, as the doctor saw it.
func held(d *doctor.Diagnosis) string {
	for _, f := range d.Findings {
		if f.Kind == doctor.KindLock {
			return f.Message
		}
	}
	return ""
}

func (f Refusal) text() string { return "migration " + string(f.Migration) + ": " + f.Reason }

// completions are the statements that finish half-applied migrations.
func (o *Outcome) completions() []migration.Write {
	var list []migration.Write
	for _, s := range o.Steps {
		if s.Action != Complete {
			continue
		}
		for _, c := range o.Before.Find(s.Migration).Complete {
			list = append(list, migration.Write{SQL: c.SQL, Rows: migration.AnyRows})
		}
	}
	return list
}

// writes plans the statements on the ledger, over a session.
func (r *Run) writes(ctx context.Context, s engine.Session, o *Outcome) ([]migration.Write, error) {
	files, err := r.Source.Tool.Source.Migrations(ctx)
	if err != nil {
		return nil, err
	}
	ledger := r.Source.Tool.Ledger
	cleared, err := ledger.Unmark(ctx, s, pick(files, o.Steps, Clear), files)
	if err != nil && (!errors.Is(err, migration.ErrNoLedger) || len(pick(files, o.Steps, Clear)) > 0) {
		return nil, err
	}
	marks, err := ledger.Mark(ctx, s, pick(files, o.Steps, Record, Complete), files)
	return slices.Concat(cleared, marks), err
}

// pick lists the migrations of some actions, in the order of the files.
func pick(files []migration.Migration, steps []Step, actions ...Action) []migration.Migration {
	var list []migration.Migration
	for _, m := range files {
		if slices.ContainsFunc(steps, func(s Step) bool { return s.Migration == m.ID && slices.Contains(actions, s.Action) }) {
			list = append(list, m)
		}
	}
	return list
}

// inDatabase lends one connection to the database.
func (r *Run) inDatabase(ctx context.Context, do func(engine.Session) error) (err error) {
	db, err := r.Source.Server.Open(ctx, r.Source.URL.Database())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	s, err := db.Session(ctx)
	if err != nil {
		return fmt.Errorf("open a session for the ledger: %w", err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return do(s)
}

// Execute does what an outcome of [Run.Plan] says, and completes it with what came of it. An outcome without steps is left as it is.
// Errors: [doctor.ErrMoved], [migration.ErrHeld] and [engine.ErrLocked], where nothing was written; [ErrMidway]; [ErrUnmended].
func (r *Run) Execute(ctx context.Context, o *Outcome) (err error) {
	o.DryRun = false
	if len(o.Steps) == 0 {
		return nil
	}
	held, err := engine.Hold(ctx, r.Source.Server, o.Database, lock.This("repair", r.ID.String()))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, held.Unlock()) }()
	j, err := journal.Create(r.Journal, r.header(o))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	o.Journal = r.Journal
	if err := r.work(ctx, held, j, o); err != nil {
		note := map[string]string{"error": err.Error()}
		return errors.Join(err, j.Append(journal.KindFailed, "repair", note))
	}
	return j.Append(journal.KindEnd, "repair", nil)
}

func (r *Run) work(ctx context.Context, held engine.Lock, j *journal.Journal, o *Outcome) error {
	r.stage("snapshot")
	if err := r.copy(ctx, o); err != nil {
		return err
	}
	if err := j.Append(journal.KindNote, "plan", o.Decision); err != nil {
		return err
	}
	if err := held.Held(ctx); err != nil {
		return err
	}
	added, err := r.complete(ctx, j, o)
	if err == nil {
		r.stage("record")
		err = r.record(ctx, j, o)
	}
	if err != nil && added {
		return fmt.Errorf("%w: %w", ErrMidway, err)
	}
	if err != nil {
		return err
	}
	r.stage("examine")
	if o.After, err = doctor.Run(ctx, r.Source, r.Doctor); err != nil {
		return fmt.Errorf("%w, as far as is known: examine the database again: %w", ErrUnmended, err)
	}
	return o.mended()
}

func (r *Run) stage(name string) {
	if r.Stage != nil {
		r.Stage(name)
	}
}

// header is the first entry of the journal.
func (r *Run) header(o *Outcome) any {
	return map[string]any{
		"command": "repair", "run": r.ID, "version": r.Version, "target": o.Target, "url": r.Source.URL.String(),
		"server": r.Source.Server.Traits().Identity, "database": o.Database, "ledger": o.Ledger, "request": r.Request,
	}
}

// copy takes a snapshot of the ledger as it is.
func (r *Run) copy(ctx context.Context, o *Outcome) (err error) {
	db, err := r.Source.Server.Open(ctx, o.Database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	src := backup.Source{
		Server: r.Source.Server, DB: db, Name: o.Database, Target: r.Source.Target, Tool: r.Source.Tool, LedgerGiven: r.Source.LedgerGiven,
	}
	m, err := backup.Run(ctx, src, r.Store, &backup.Options{Rules: backup.Rules{OnlyLedger: true}, ID: r.ID, Tool: r.Version})
	if err != nil {
		return fmt.Errorf("copy the ledger: %w", err)
	}
	o.Snapshot = m.ID
	return nil
}

// complete makes what half-applied migrations lack, and proves that they are whole then. It tells whether it made anything.
func (r *Run) complete(ctx context.Context, j *journal.Journal, o *Outcome) (added bool, err error) {
	todo := o.completions()
	if len(todo) == 0 {
		return false, nil
	}
	r.stage("complete")
	err = r.underLock(ctx, func(s engine.Session) error {
		for _, w := range todo {
			if err := j.Append(journal.KindNote, "complete", map[string]string{"sql": w.SQL}); err != nil {
				return err
			}
			added = true // an answer that is lost tells nothing
			if err := migration.Execute(ctx, s, []migration.Write{w}); err != nil {
				return fmt.Errorf("complete a migration: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return added, err
	}
	d, err := doctor.Run(ctx, r.Source, r.Doctor)
	if err != nil {
		return true, fmt.Errorf("examine the database again: %w", err)
	}
	again := Decide(d, Request{Only: r.Request.Only, Assume: r.Request.Assume})
	if len(again.Refused) > 0 {
		return true, fmt.Errorf("after its completion %w: %s", ErrRefused, again.Refused[0].text())
	}
	return true, nil
}

// record writes the rows, in one transaction, under the tool's lock.
func (r *Run) record(ctx context.Context, j *journal.Journal, o *Outcome) error {
	return r.underLock(ctx, func(s engine.Session) error {
		return migration.InTransaction(ctx, s, func() error { return r.transact(ctx, s, j, o) })
	})
}

// underLock lends one connection to the database, which holds the tool's lock.
func (r *Run) underLock(ctx context.Context, do func(engine.Session) error) error {
	return r.inDatabase(ctx, func(s engine.Session) (err error) {
		free, err := r.take(ctx, s)
		if err != nil {
			return err
		}
		defer func() {
			after, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
			defer cancel()
			err = errors.Join(err, free(after))
		}()
		return do(s)
	})
}

func (r *Run) take(ctx context.Context, s engine.Session) (func(context.Context) error, error) {
	if r.Source.Tool.Lock == nil {
		return func(context.Context) error { return nil }, nil
	}
	return r.Source.Tool.Lock.Take(ctx, s)
}

// transact is what happens inside of the transaction.
func (r *Run) transact(ctx context.Context, s engine.Session, j *journal.Journal, o *Outcome) error {
	ledger := r.Source.Tool.Ledger
	if r.Create {
		if err := ledger.Create(ctx, s); err != nil {
			return err
		}
	}
	files, err := r.Source.Tool.Source.Migrations(ctx)
	if err != nil {
		return err
	}
	now, err := ledger.Records(ctx, s, files)
	if err != nil {
		return err
	}
	if !migration.SameRecords(o.Before.Records(), now) {
		return fmt.Errorf("ledger %s: %w: a migration ran", o.Ledger, doctor.ErrMoved)
	}
	writes, err := r.writes(ctx, s, o)
	if err != nil {
		return err
	}
	o.SQL = []string{}
	for _, w := range slices.Concat(o.completions(), writes) {
		o.SQL = append(o.SQL, w.Text(s.Family()))
	}
	if err := j.Append(journal.KindStart, "record", map[string][]string{"sql": o.SQL}); err != nil {
		return err
	}
	if err := migration.Execute(ctx, s, writes); err != nil {
		return err
	}
	return r.undo(ctx, s, files, o)
}

// undo finds out, while the rows are there, what would take them away again.
func (r *Run) undo(ctx context.Context, s engine.Session, files []migration.Migration, o *Outcome) error {
	undo, err := r.Source.Tool.Ledger.Unmark(ctx, s, pick(files, o.Steps, Record, Complete), files)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, migration.ErrMarksAll) {
		return nil
	}
	for _, w := range undo {
		o.Undo = append(o.Undo, w.Text(s.Family()))
	}
	return err
}

// mended proves that the doctor finds what was written.
func (o *Outcome) mended() error {
	for _, s := range o.Steps {
		e := o.After.Find(s.Migration)
		want := e != nil && e.Recorded
		if s.Action == Clear {
			want = e != nil && !e.Recorded && e.Verdict != doctor.Dirty
		}
		if !want {
			return fmt.Errorf("%w: migration %s is still %s", ErrUnmended, s.Migration, verdictOf(e))
		}
	}
	return nil
}

func verdictOf(e *doctor.Examined) doctor.Verdict {
	if e == nil {
		return "unknown"
	}
	return e.Verdict
}
