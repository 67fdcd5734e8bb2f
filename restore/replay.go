package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"mulligan/migration"
	"mulligan/schema"
)

// replayProof is what replay saw.
type replayProof struct {
	Position    migration.ID `json:"position"`            // last migration that was replayed; empty = none
	Recorded    migration.ID `json:"recorded"`            // what the old ledger said
	How         string       `json:"how"`                 // why this position
	Replayed    int          `json:"replayed"`            // migrations that the new ledger holds
	Pending     int          `json:"pending"`             // migrations that will run when the rows are in place
	Unrecorded  []string     `json:"unrecorded"`          // migrations up to the position that the old ledger does not hold
	Differences int          `json:"differences"`         // objects that differ from the old schema at this position
	Bootstrap   bool         `json:"bootstrap,omitempty"` // base tables were made outside the migrations
}

// candidate is one position that the replay went through.
type candidate struct {
	index   int // into files; -1 = before the first migration
	misfits []Misfit
	changes []schema.Change
}

func (c candidate) fits() bool  { return len(c.misfits) == 0 }
func (c candidate) equal() bool { return c.fits() && len(c.changes) == 0 }

// better tells whether c says more clearly than d that it is where the rows came from.
func (c candidate) better(d candidate) bool {
	if c.fits() != d.fits() {
		return c.fits()
	}
	if !c.fits() && len(c.misfits) != len(d.misfits) {
		return len(c.misfits) < len(d.misfits)
	}
	return len(c.changes) < len(d.changes)
}

// replay runs the bootstrap and the migrations up to the position that the rows belong to.
//
// The ledger says where that is, but the ledger may lie: that is what brought the user here. So where the
// replayed schema is not the old one, the search goes on, one migration at a time, and the position whose
// schema is nearest to the old one is taken; the first of several that are equally near, so that a data
// migration which left no trace in the schema runs with the rows in place.
func (b *Build) replay(ctx context.Context) error {
	files, err := b.migrations(ctx)
	if err != nil {
		return err
	}
	start, fixed, err := b.start(files)
	if err != nil {
		return err
	}
	if err := b.replayTo(ctx, start); err != nil {
		return err
	}
	best, err := b.evaluate(ctx, start)
	if err != nil {
		return err
	}
	how := b.how(fixed)
	if !fixed && !best.equal() {
		if best, err = b.search(ctx, best); err != nil {
			return err
		}
		if best.index != start {
			how = "the schema: the ledger says less than the tables show"
		}
	}
	if !best.fits() {
		return errors.Join(misfitError(b.position(best.index), best.misfits), b.searchEnd)
	}
	b.replayed = replayProof{Position: b.position(best.index), How: how}
	return nil
}

func (b *Build) how(fixed bool) string {
	switch {
	case b.Options.Newest:
		return "load newest"
	case fixed:
		return "given by the user"
	default:
		return "the ledger"
	}
}

// start is the position to begin with; fixed tells that no other may be taken.
func (b *Build) start(files []migration.Migration) (index int, fixed bool, err error) {
	if b.Options.Newest {
		return len(files) - 1, true, nil
	}
	if at := b.Options.At; at != "" {
		i := migration.Index(files, at)
		if i < 0 {
			return 0, false, fmt.Errorf("position %s: no such migration on disk; the last is %s", at, files[len(files)-1].ID)
		}
		return i, true, nil
	}
	return migration.Index(files, b.recorded(files)), false, nil
}

// recorded is the last migration on disk that the snapshot's ledger calls applied.
func (b *Build) recorded(files []migration.Migration) migration.ID {
	l := b.manifest().Ledger
	if l == nil {
		return ""
	}
	return migration.Position(files, manifestRecords(l.Records))
}

// replayTo fills the empty database: bootstrap, then the migrations up to an index.
func (b *Build) replayTo(ctx context.Context, index int) error {
	if boot := b.Tool.Bootstrap; boot != nil {
		target, err := b.migrationTarget(ctx)
		if err != nil {
			return err
		}
		if err := boot.Run(ctx, target, "", b.output()); err != nil {
			return fmt.Errorf("bootstrap: %w", err)
		}
		if err := b.bootstrapped(ctx); err != nil {
			return err
		}
	}
	if index < 0 {
		return nil
	}
	return b.runTo(ctx, index)
}

// bootstrapped makes sure that the bootstrap worked on this database and no other: a command that
// ignores the url it was given leaves it empty.
func (b *Build) bootstrapped(ctx context.Context) error {
	db, err := b.next(ctx)
	if err != nil {
		return err
	}
	s, err := db.Inspect(ctx)
	if err != nil {
		return fmt.Errorf("inspect database %s: %w", b.Next, err)
	}
	if len(s.Tables) == 0 {
		return fmt.Errorf("bootstrap: %w: it ended well, but database %s is still empty; does it read its url from the environment (DATABASE_URL)?", ErrUnmoved, b.Next)
	}
	return nil
}

// runTo applies pending migrations up to an index, and checks in the ledger that exactly that was done.
func (b *Build) runTo(ctx context.Context, index int) error {
	target, err := b.migrationTarget(ctx)
	if err != nil {
		return err
	}
	to := b.files[index].ID
	err = b.Tool.Runner.Run(ctx, target, to, b.output())
	if errors.Is(err, errors.ErrUnsupported) {
		if index == len(b.files)-1 {
			to = ""
			err = b.Tool.Runner.Run(ctx, target, "", b.output())
		} else {
			err = migration.Mask(b.Tool.Runner, b.Tool.Ledger, b.Tool.Source).Run(ctx, target, to, b.output())
		}
	}
	if errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("stop the replay after migration %s: %w: give the command a {to}, or load into the newest schema (--load newest)", b.files[index].ID, err)
	}
	if err != nil {
		return err
	}
	return b.ledgerHolds(ctx, index)
}

// ledgerHolds proves that the new ledger holds the migrations up to an index. A bootstrap may have recorded
// later ones; whatever it recorded stays.
func (b *Build) ledgerHolds(ctx context.Context, index int) error {
	records, err := b.records(ctx)
	if err != nil {
		return err
	}
	for i, s := range migration.Compare(b.files, records) {
		if i <= index && s.Verdict != migration.VerdictApplied {
			return fmt.Errorf("%w: %s ended well, but its ledger in %s calls migration %s %s; does it read its url from the environment (DATABASE_URL)?",
				ErrUnmoved, b.Tool.Name, b.Next, s.Migration.ID, s.Verdict)
		}
	}
	return nil
}

func (b *Build) migrationTarget(ctx context.Context) (migration.Target, error) {
	db, err := b.next(ctx)
	return migration.Target{URL: b.URL.WithDatabase(b.Next), DB: db}, err
}

// evaluate compares the new database, as it is now, with what the snapshot holds.
func (b *Build) evaluate(ctx context.Context, index int) (candidate, error) {
	db, err := b.next(ctx)
	if err != nil {
		return candidate{}, err
	}
	s, err := db.Inspect(ctx)
	if err != nil {
		return candidate{}, fmt.Errorf("inspect database %s: %w", b.Next, err)
	}
	changes, _ := schema.Split(schema.Diff(b.oldSchema().Objects, s.Without(b.isLedger).Objects))
	return candidate{index, Fit(b.carried(), s, b.Options.Mapping), changes}, nil
}

// search replays the migrations after the best candidate one by one, and leaves the database at the best of all.
func (b *Build) search(ctx context.Context, best candidate) (candidate, error) {
	w := &walk{build: b, best: best, at: best.index}
	broken, err := w.forward(ctx)
	if err != nil {
		return best, err
	}
	if w.at == w.best.index && !broken {
		return w.best, nil
	}
	if err := b.discardNext(ctx); err != nil {
		return w.best, err
	}
	if err := b.Server.Create(ctx, b.Next, b.Like); err != nil {
		return w.best, fmt.Errorf("create database %s again: %w", b.Next, err)
	}
	return w.best, b.replayTo(ctx, w.best.index)
}

// walk is one search for the position.
type walk struct {
	build *Build
	best  candidate
	at    int // index of the last migration that was replayed
}

// forward replays migrations until one makes the old schema or none is left. broken tells that one of them failed:
// a later migration may fail on empty tables for reasons of its own. That is no verdict on the
// positions before it; it fails again, and is reported, when its turn comes.
func (w *walk) forward(ctx context.Context) (broken bool, err error) {
	b := w.build
	for !w.best.equal() && w.at+1 < len(b.files) {
		var mine error // what went wrong on our side, and not in a migration
		err := w.run(ctx, func(step migration.Step) (more bool, err error) {
			more, mine = w.look(ctx, step.ID)
			return more, mine
		})
		switch {
		case mine != nil:
			return false, mine
		case ctx.Err() != nil:
			return false, err
		case err != nil:
			b.searchEnd = fmt.Errorf("the search for the position ended before migration %s: %w", b.files[w.at+1].ID, err)
			fmt.Fprintf(b.output(), "mulligan: %v\n", b.searchEnd)
			return true, nil
		}
	}
	return false, nil
}

// run applies the next migration, or all that are left where the runner can be looked over the shoulder, and
// calls after for each.
func (w *walk) run(ctx context.Context, after func(migration.Step) (more bool, err error)) error {
	b := w.build
	stepper, ok := b.Tool.Runner.(migration.Stepper)
	if !ok {
		if err := b.runTo(ctx, w.at+1); err != nil {
			return err
		}
		_, err := after(migration.Step{Migration: b.files[w.at+1]})
		return err
	}
	target, err := b.migrationTarget(ctx)
	if err != nil {
		return err
	}
	before := w.at
	err = stepper.RunSteps(ctx, target, b.files[w.at+1:], b.output(), after)
	if err == nil && w.at == before {
		w.at = len(b.files) - 1 // nothing was pending: the bootstrap has recorded all that is left
	}
	return err
}

// look compares the database after one more migration.
func (w *walk) look(ctx context.Context, id migration.ID) (more bool, err error) {
	b := w.build
	index := migration.Index(b.files, id)
	if err := b.ledgerHolds(ctx, index); err != nil {
		return false, err
	}
	w.at = index
	c, err := b.evaluate(ctx, w.at)
	if err != nil {
		return false, err
	}
	if c.better(w.best) {
		w.best = c
	}
	return !w.best.equal(), nil
}

func (b *Build) position(index int) migration.ID {
	if index < 0 {
		return ""
	}
	return b.files[index].ID
}

func (b *Build) checkReplay(ctx context.Context) (any, error) {
	files, err := b.migrations(ctx)
	if err != nil {
		return nil, err
	}
	if b.replayed.How == "" {
		return nil, errors.New("the replay did not come to its end")
	}
	index := migration.Index(files, b.replayed.Position)
	if err := b.ledgerHolds(ctx, index); err != nil {
		return nil, err
	}
	records, err := b.records(ctx)
	if err != nil {
		return nil, err
	}
	c, err := b.evaluate(ctx, index)
	if err != nil {
		return nil, err
	}
	p := b.replayed
	p.Recorded, p.Differences, p.Bootstrap = b.recorded(files), len(c.changes), b.Tool.Bootstrap != nil
	old := map[migration.ID]bool{}
	for _, s := range migration.Compare(files, b.oldRecords()) {
		old[s.Migration.ID] = s.Verdict == migration.VerdictApplied
	}
	p.Unrecorded, p.Replayed, p.Pending = []string{}, 0, 0
	for i, s := range migration.Compare(files, records)[:len(files)] {
		if s.Verdict == migration.VerdictApplied {
			p.Replayed++
		} else {
			p.Pending++
		}
		if i <= index && !old[s.Migration.ID] {
			p.Unrecorded = append(p.Unrecorded, string(s.Migration.ID))
		}
	}
	b.replayed = p
	return p, nil
}

func (b *Build) keepReplay(data json.RawMessage) error { return json.Unmarshal(data, &b.replayed) }

func (b *Build) oldRecords() []migration.Record {
	if l := b.manifest().Ledger; l != nil {
		return manifestRecords(l.Records)
	}
	return nil
}
