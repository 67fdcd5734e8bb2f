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

// replay runs the bootstrap and the migrations up to the position that the rows belong to. That is what the user
// says, else what the doctor found, since the ledger may lie: that is what brought the user here.
func (b *Build) replay(ctx context.Context) error {
	files, err := b.migrations(ctx)
	if err != nil {
		return err
	}
	position, how, err := b.start(files)
	if err != nil {
		return err
	}
	if err := b.replayTo(ctx, migration.Index(files, position)); err != nil {
		return err
	}
	s, err := b.inspect(ctx)
	if err != nil {
		return err
	}
	if misfits := Fit(b.carried(), s, b.Options.Mapping); len(misfits) > 0 {
		return misfitError(position, misfits)
	}
	b.replayed = replayProof{Position: position, How: how}
	return nil
}

// start is the position to load at, and why that.
func (b *Build) start(files []migration.Migration) (position migration.ID, how string, err error) {
	switch recorded := b.recorded(files); {
	case b.Options.Newest:
		return files[len(files)-1].ID, "load newest", nil
	case b.Options.At != "":
		if migration.Index(files, b.Options.At) < 0 {
			return "", "", fmt.Errorf("position %s: no such migration on disk; the last is %s", b.Options.At, files[len(files)-1].ID)
		}
		return b.Options.At, "given by the user", nil
	case b.Position == nil || *b.Position == recorded:
		return recorded, "the ledger", nil
	case migration.Index(files, *b.Position) < migration.Index(files, recorded):
		return *b.Position, "the schema: the ledger says more than the tables show", nil
	default:
		return *b.Position, "the schema: the ledger says less than the tables show", nil
	}
}

// recorded is the last migration on disk that the snapshot's ledger calls applied.
func (b *Build) recorded(files []migration.Migration) migration.ID {
	l := b.manifest().Ledger
	if l == nil {
		return ""
	}
	return migration.Position(files, Records(l.Records))
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
	s, err := b.inspect(ctx)
	if err != nil {
		return err
	}
	if len(s.Tables) == 0 {
		return fmt.Errorf("bootstrap: %w: it ended well, but database %s is still empty; does it read its url from the environment (DATABASE_URL)?", migration.ErrUnmoved, b.Next)
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
				migration.ErrUnmoved, b.Tool.Name, b.Next, s.Migration.ID, s.Verdict)
		}
	}
	return nil
}

// inspect reads the schema of the new database as it is now.
func (b *Build) inspect(ctx context.Context) (*schema.Schema, error) {
	db, err := b.next(ctx)
	if err != nil {
		return nil, err
	}
	s, err := db.Inspect(ctx)
	if err != nil {
		return nil, fmt.Errorf("inspect database %s: %w", b.Next, err)
	}
	return s, nil
}

func (b *Build) migrationTarget(ctx context.Context) (migration.Target, error) {
	db, err := b.next(ctx)
	return migration.Target{URL: b.URL.WithDatabase(b.Next), DB: db}, err
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
	s, err := b.inspect(ctx)
	if err != nil {
		return nil, err
	}
	changes, _ := schema.Split(schema.Diff(b.oldSchema().Objects, s.Without(b.isLedger).Objects))
	p := b.replayed
	p.Recorded, p.Differences, p.Bootstrap = b.recorded(files), len(changes), b.Tool.Bootstrap != nil
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
		return Records(l.Records)
	}
	return nil
}
