// Package rebuild gives a target a clean start: it snapshots the important tables, makes the database anew
// by replaying all migrations, brings the rows back at the position they belong to, proves every step, and
// puts the new database in the old one's place.
//
// A [Run] is one execution. Its stages are one list ([Run.Stages]); its journal makes it possible to take it
// up again after a kill at any instant, with [Run.Execute] once more. A restore is the same list without the
// stage that takes the snapshot.
package rebuild

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"mulligan/backup"
	"mulligan/engine"
	"mulligan/internal/lock"
	"mulligan/journal"
	"mulligan/migration"
	"mulligan/pipeline"
	"mulligan/restore"
	"mulligan/snapshot"
	"mulligan/store"
)

// The commands that a run may be of.
const (
	CommandRebuild = "rebuild"
	CommandRestore = "restore"
)

// Header is what a run is, and what it is tied to. It is the first entry of the run's journal.
// It holds no secret.
type Header struct {
	Command  string           `json:"command"`
	Run      snapshot.ID      `json:"run"`
	Version  string           `json:"version"` // of this program
	Target   string           `json:"target"`
	URL      string           `json:"url"` // without its password
	Family   engine.Family    `json:"engine"`
	Server   string           `json:"server"` // identity
	Database string           `json:"database"`
	Next     string           `json:"next"`
	Aside    string           `json:"aside"`
	Strategy restore.Strategy `json:"strategy"`
	Replace  bool             `json:"replace"` // there was a database under the name
	Snapshot snapshot.ID      `json:"snapshot"`
	Source   string           `json:"source"` // the snapshot's folder in the repository
	Options  restore.Options  `json:"options"`
	Rules    backup.Rules     `json:"rules"`
	KeepOld  Keep             `json:"keep_old,omitempty"` // how long the old database is kept
}

// Run is one execution of a pipeline.
type Run struct {
	Header      Header
	Server      engine.Server
	URL         engine.URL
	Tool        *migration.Tool
	LedgerGiven bool // the configuration names the ledger table, so other ledgers are the application's business
	Store       store.Store
	Dir         string // the run's folder: the report goes there
	TempDir     string // for chunks that do not fit into memory; empty = the system's
	Again       bool   // take the rows again as they are now, and build anew: for a run whose rows were written to
	Output      io.Writer
	Progress    func(stage string, rows, bytes, total int64)
	Replayed    func(id migration.ID, played int) // the doctor has replayed a migration
	Notify      func(pipeline.Event)

	build   *restore.Build
	plan    *Plan
	journal *journal.Journal
	freed   []Freed
}

// State says how the target was left by a run that failed.
type State int

// The states.
const (
	AsItWas State = iota // the database is as it was before the run
	Midway               // the run stopped: resume or undo
)

// Failure is a run that did not come to its end.
type Failure struct {
	State       State
	Interrupted bool // by the user; everything is kept for a resume
	Err         error
}

// Error is the cause.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap gives the cause.
func (f *Failure) Unwrap() error { return f.Err }

// NewHeader begins a run: it names everything that the run will make.
// at is the time for the run's id. Where from is empty the run takes its own snapshot.
func NewHeader(s engine.Server, url engine.URL, target string, from snapshot.ID, strategy restore.Strategy, at time.Time) (Header, error) {
	id, err := snapshot.NewID(at, nil)
	if err != nil {
		return Header{}, err
	}
	traits, name := s.Traits(), url.Database()
	h := Header{
		Command: CommandRebuild, Run: id, Target: target, Source: target, URL: url.String(), Family: traits.Family,
		Server: traits.Identity, Database: name, Strategy: strategy, Replace: true, Snapshot: id,
		Next:  engine.ScratchName(name, id.Run(), traits.NameLimit),
		Aside: engine.AsideName(name, id.Run(), traits.NameLimit),
	}
	if from != "" {
		h.Command, h.Snapshot = CommandRestore, from
	}
	if strategy == restore.InPlace {
		h.Next = name
	}
	return h, nil
}

// Absent says that there is no database to be replaced: the new one is built beside and takes the name.
// limit is [engine.Traits.NameLimit].
func (h *Header) Absent(limit int) {
	h.Replace, h.Strategy = false, restore.Beside
	h.Next = engine.ScratchName(h.Database, h.Run.Run(), limit)
}

// Stages lists the run's stages in order.
func (r *Run) Stages() []pipeline.Stage {
	r.prepare()
	stages := []pipeline.Stage{{Name: "preflight", Do: r.preflight, Check: r.checkBinding, Bound: true}}
	if r.Header.Command == CommandRebuild {
		stages = append(stages, pipeline.Stage{Name: "backup", Do: r.backup, Check: r.checkBackup, Keep: r.keepBackup})
	}
	stages = append(stages, r.build.Stages()...)
	return append(stages, pipeline.Stage{Name: "report", Do: r.writeReport, Check: r.checkReport})
}

func (r *Run) prepare() {
	if r.build != nil {
		return
	}
	h := r.Header
	// The files are listed once in a run: some tools need a child process for it, and what a run is bound to
	// must not change under it.
	tool := *r.Tool
	tool.Source = &migration.Listed{Source: r.Tool.Source}
	r.Tool = &tool
	r.build = &restore.Build{
		Server: r.Server, URL: r.URL, Name: h.Database, Run: h.Run.Run(), Next: h.Next, Aside: h.Aside, Strategy: h.Strategy,
		Replace: h.Replace, SameRows: h.Command == CommandRebuild, Tool: r.Tool, Store: r.Store, Target: h.Source, Snapshot: h.Snapshot,
		Options: h.Options, Output: r.Output, Progress: r.Progress,
	}
}

// Execute runs what is still to do. It holds a lock inside the server, so that no second run works on the
// database. What it makes superfluous it drops when it is proved: [Run.Freed].
// Errors: [*Failure], where an undo was begun one of [ErrUndoing]; [engine.ErrLocked], [*InTheWay] and [ErrUndone] before
// anything was done.
func (r *Run) Execute(ctx context.Context, j *journal.Journal) error {
	own, err := NewReport(j.Entries())
	if err != nil {
		return err
	}
	if own.State == StateUndone {
		return fmt.Errorf("run %s: %w", r.Header.Run, ErrUndone)
	}
	if undoing(j.Entries()) {
		return &Failure{Midway, false, fmt.Errorf("run %s: %w", r.Header.Run, ErrUndoing)}
	}
	held, err := engine.Hold(ctx, r.Server, r.Header.Database, lock.This(r.Header.Command, r.Header.Run.String()))
	if err != nil {
		return err
	}
	defer func() { _ = held.Unlock() }() // the lock ends with the connection in any case
	if err := r.settle(ctx); err != nil {
		return &Failure{Midway, ctx.Err() != nil, err}
	}
	if err := r.unhindered(ctx, own); err != nil {
		return err
	}
	if r.Again {
		if err := r.refresh(ctx, j, time.Now()); err != nil {
			return err
		}
	}
	r.prepare()
	r.build.Held, r.build.Notes = held.Held, j
	unfence, err := r.fence(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = unfence() }() // so does the fence; what was written without it is seen at the swap
	r.journal = j
	stages := r.Stages()
	err = pipeline.Run(ctx, j, stages, r.Notify)
	if err == nil {
		err = j.Append(journal.KindEnd, "", nil)
	}
	if err != nil {
		return r.failed(ctx, j, errors.Join(err, r.build.Close()))
	}
	err = r.build.Close()
	r.tidy(ctx, j)
	return err
}

// settle ends what a killed process has left half renamed, before any name is looked at.
func (r *Run) settle(ctx context.Context) error {
	h := r.Header
	return engine.Settle(ctx, r.Server, h.Database, h.Next, h.Aside)
}

// failed decides what becomes of a run that did not come to its end. An interrupted one is kept as it is,
// for a resume. After any other failure before the swap the target is brought back to what it was; the
// snapshot stays, so that a resume need not take it again.
func (r *Run) failed(ctx context.Context, j *journal.Journal, cause error) error {
	proofs, started := pipeline.History(j.Entries())
	swapped := proofs["swap"] != nil
	if ctx.Err() != nil {
		state := AsItWas
		if swapped || started["swap"] || r.Header.Strategy == restore.InPlace && (started["create"] || proofs["create"] != nil) {
			state = Midway
		}
		return &Failure{state, true, cause}
	}
	if swapped {
		return &Failure{Midway, false, cause}
	}
	if proofs["verify"] == nil {
		return &Failure{AsItWas, false, cause} // nothing was made yet
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Minute)
	defer cancel()
	if err := r.build.Held(after); err != nil {
		return &Failure{Midway, false, errors.Join(cause, err)} // the database may be another run's by now
	}
	if err := r.build.Abandon(after); err != nil {
		return &Failure{Midway, false, errors.Join(cause, fmt.Errorf("bring back what was before: %w", err))}
	}
	return &Failure{AsItWas, false, cause}
}

// backupProof is what backup saw.
type backupProof struct {
	Snapshot snapshot.ID `json:"snapshot"`
	Tables   int         `json:"tables"`
	Rows     int64       `json:"rows"`
	Note     string      `json:"note,omitempty"` // what of the consistent view was weaker than asked for
}

func (r *Run) backup(ctx context.Context) error {
	// An interrupted backup of this run may have left chunks; without a manifest they are no snapshot.
	if err := snapshot.Remove(ctx, r.Store, r.Header.Target, r.Header.Snapshot); err != nil {
		return err
	}
	base, err := r.base(ctx)
	if err != nil {
		return err
	}
	db, err := r.Server.Open(ctx, r.Header.Database)
	if err != nil {
		return err
	}
	src := backup.Source{Server: r.Server, DB: db, Name: r.Header.Database, Target: r.Header.Target, Tool: r.Tool, LedgerGiven: r.LedgerGiven}
	var total int64
	if r.plan != nil {
		total = max(r.plan.RowsCarried(), 0)
	}
	_, err = backup.Run(ctx, src, r.Store, &backup.Options{
		Rules: r.Header.Rules, Jobs: r.Header.Options.Jobs, ID: r.Header.Snapshot, Tool: r.Header.Version, TempDir: r.TempDir,
		Progress: func(rows, bytes int64) {
			if r.Progress != nil {
				r.Progress("backup", rows, bytes, total)
			}
		},
		Marked: r.noteMarks, Base: base,
	})
	return errors.Join(err, db.Close())
}

func (r *Run) checkBackup(ctx context.Context) (any, error) {
	reader, err := snapshot.Open(ctx, r.Store, r.Header.Target, r.Header.Snapshot)
	if err != nil {
		return nil, err
	}
	r.build.Marks = marksOf(r.journal.Entries(), r.Header.Snapshot)
	m := reader.Manifest()
	return backupProof{Snapshot: m.ID, Tables: len(m.Tables), Rows: m.Rows(), Note: m.Point.Note}, nil
}
