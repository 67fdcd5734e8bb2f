package restore

import (
	"context"
	"errors"
	"fmt"

	"mulligan/engine"
	"mulligan/snapshot"
)

// swapProof is what swap saw.
type swapProof struct {
	Database string `json:"database"`            // answers under its own name, with the new content
	SetAside string `json:"set_aside,omitempty"` // where the old one is; empty = there was none
	Ledger   int    `json:"ledger"`
}

// swap puts the new database in the old one's place. Each of its steps may have been done by an earlier
// process: which, is seen from the names that exist.
//
// The old database is renamed first, so that no application can write to it under its name, then compared
// with the snapshot once more, and only then the new one takes the name. Where rows were written in between,
// the old one gets its name back and nothing has happened.
func (b *Build) swap(ctx context.Context) error {
	if err := errors.Join(b.held(ctx), b.closeNext()); err != nil {
		return err
	}
	if b.Strategy == InPlace {
		return nil
	}
	return b.putInPlace(ctx, b.verified)
}

// putInPlace needs the key that says that the old database's rows are safe.
func (b *Build) putInPlace(ctx context.Context, key *snapshot.Verified) error {
	if err := b.opens(key); err != nil {
		return err
	}
	switch _, err := b.Server.Stat(ctx, b.Next); {
	case errors.Is(err, engine.ErrNotExist):
		return nil // the last step was done; the check says whether it was done right
	case err != nil:
		return err
	}
	if b.Replace {
		if err := b.setAside(ctx, key); err != nil {
			return err
		}
	}
	if err := b.free(ctx, b.Next); err != nil {
		return err
	}
	renamer, ok := b.Server.(engine.Renamer)
	if !ok {
		return fmt.Errorf("rename database %s: %w on %s", b.Next, errors.ErrUnsupported, b.Server.Traits().Family)
	}
	if err := renamer.Rename(ctx, engine.Move{From: b.Next, To: b.Name}); err != nil {
		err = fmt.Errorf("give database %s its place as %s: %w", b.Next, b.Name, err)
		if !b.Replace {
			return err
		}
		after, cancel := cleanup(ctx)
		defer cancel()
		return errors.Join(err, renamer.Rename(after, engine.Move{From: b.Aside, To: b.Name}))
	}
	return nil
}

func (b *Build) checkSwap(ctx context.Context) (any, error) {
	p := swapProof{Database: b.Name}
	if b.Replace {
		if _, err := b.Server.Stat(ctx, b.Aside); err != nil {
			return nil, fmt.Errorf("the old database, set aside as %s: %w", b.Aside, err)
		}
		p.SetAside = b.Aside
	}
	if b.Strategy == Beside {
		if _, err := b.Server.Stat(ctx, b.Next); !errors.Is(err, engine.ErrNotExist) {
			return nil, errors.Join(fmt.Errorf("the new database is still called %s", b.Next), err)
		}
	}
	db, err := b.Server.Open(ctx, b.Name)
	if err != nil {
		return nil, fmt.Errorf("open the new database under its own name: %w", err)
	}
	defer db.Close()
	files, err := b.migrations(ctx)
	if err != nil {
		return nil, err
	}
	records, err := b.Tool.Ledger.Records(ctx, db, files)
	if err != nil {
		return nil, fmt.Errorf("read ledger %s of %s: %w", b.Tool.Ledger.Table(), b.Name, err)
	}
	p.Ledger = len(records)
	return p, nil
}
