package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"mulligan/engine"
	"mulligan/snapshot"
)

// createProof is what create saw.
type createProof struct {
	Database   string            `json:"database"`
	SetAside   string            `json:"set_aside,omitempty"` // where the old one is; empty = still under its own name
	Properties map[string]string `json:"properties,omitempty"`
	First      []string          `json:"first,omitempty"` // what the migrations need and do not make: extensions
}

// create makes the new empty database, and before it throws away what an interrupted attempt left.
func (b *Build) create(ctx context.Context) error {
	if err := b.held(ctx); err != nil {
		return err
	}
	if b.Strategy == InPlace {
		// The check of an interrupted create has opened what has the name: that is still the old one.
		if err := b.closeNext(); err != nil {
			return err
		}
		if err := b.setAside(ctx, b.verified); err != nil {
			return err
		}
	}
	if err := b.discardNext(ctx); err != nil {
		return err
	}
	if err := b.Server.Create(ctx, b.Next, b.Like); err != nil {
		return fmt.Errorf("create database %s: %w", b.Next, err)
	}
	return b.furnish(ctx)
}

func (b *Build) checkCreate(ctx context.Context) (any, error) {
	info, err := b.Server.Stat(ctx, b.Next)
	if err != nil {
		return nil, err
	}
	db, err := b.next(ctx)
	if err != nil {
		return nil, err
	}
	s, err := db.Inspect(ctx)
	if err != nil {
		return nil, fmt.Errorf("inspect database %s: %w", b.Next, err)
	}
	if len(s.Tables) > 0 {
		return nil, fmt.Errorf("database %s is not empty: it has table %s", b.Next, s.Tables[0].Name)
	}
	if b.Like != nil && !maps.Equal(b.Like.Properties, info.Properties) {
		return nil, fmt.Errorf("database %s is not like the old one: %v, was %v", b.Next, info.Properties, b.Like.Properties)
	}
	if err := b.furnished(ctx, db); err != nil {
		return nil, err
	}
	proof := createProof{Database: b.Next, Properties: info.Properties, First: b.First}
	if b.Strategy == InPlace {
		if _, err := b.Server.Stat(ctx, b.Aside); err != nil {
			return nil, fmt.Errorf("the old database, set aside as %s: %w", b.Aside, err)
		}
		proof.SetAside = b.Aside
	}
	return proof, nil
}

func (b *Build) keepCreate(data json.RawMessage) error {
	var p createProof
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	if p.Database != b.Next {
		return fmt.Errorf("the journal built database %s, this run builds %s", p.Database, b.Next)
	}
	return nil
}

// setAside gives the old database its other name, unless that was done before. The key says that its rows are safe; that
// they have not changed since is proved twice: before, while it still serves, so that the second time, when nobody can reach
// it, there is little left to read.
func (b *Build) setAside(ctx context.Context, key *snapshot.Verified) error {
	if err := b.opens(key); err != nil {
		return err
	}
	renamer, ok := b.Server.(engine.Renamer)
	if !ok {
		return fmt.Errorf("set database %s aside: %w on %s", b.Name, errors.ErrUnsupported, b.Server.Traits().Family)
	}
	aside, err := b.exists(ctx, b.Aside)
	if err != nil {
		return err
	}
	name, err := b.exists(ctx, b.Name)
	if err != nil {
		return err
	}
	if aside && !name {
		return b.unchangedAside(ctx)
	}
	if !aside {
		if err := b.unchangedBefore(ctx); err != nil {
			return err
		}
		if err := b.free(ctx, b.Name); err != nil {
			return err
		}
	}
	err = renamer.Rename(ctx, engine.Move{From: b.Name, To: b.Aside})
	if aside && (errors.Is(err, engine.ErrExist) || errors.Is(err, engine.ErrInUse)) {
		err = nil // it was set aside before, and what has the name now is another; else an unfinished move was ended
	}
	if err != nil {
		return fmt.Errorf("set database %s aside as %s: %w", b.Name, b.Aside, err)
	}
	return b.unchangedAside(ctx)
}

func (b *Build) exists(ctx context.Context, name string) (bool, error) {
	_, err := b.Server.Stat(ctx, name)
	if errors.Is(err, engine.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for database %s: %w", name, err)
	}
	return true, nil
}

// opens tells whether the key was made of the very snapshot that is to replace the old database's rows.
func (b *Build) opens(key *snapshot.Verified) error {
	if key == nil || key.ID() != b.Snapshot || b.Snapshot == "" {
		return errors.New("restore: internal error: the old database is to be moved without a verified snapshot of its own")
	}
	return nil
}

// free makes sure that nobody is connected to a database, ending sessions only where that was asked for.
func (b *Build) free(ctx context.Context, name string) error {
	if evicter, ok := b.Server.(engine.Evicter); ok && b.Options.Evict {
		if err := evicter.Evict(ctx, name); err != nil {
			return fmt.Errorf("end the sessions of database %s: %w", name, err)
		}
	}
	return nil
}

// discardNext throws the half-built database away. In place it stands under the target's own name, and is
// a scratch only because the old one is known to be set aside: it is renamed first, so that only a database
// with a scratch's name is ever dropped.
func (b *Build) discardNext(ctx context.Context) error {
	if err := b.closeNext(); err != nil {
		return err
	}
	if engine.IsScratchName(b.Next) {
		return b.drop(ctx, b.Next)
	}
	if err := b.drop(ctx, b.Moved()); err != nil { // killed after it was moved and before it was dropped
		return err
	}
	if there, err := b.exists(ctx, b.Next); err != nil || !there {
		return err
	}
	if _, err := b.Server.Stat(ctx, b.Aside); err != nil {
		return fmt.Errorf("database %s is not thrown away, since the old one is not set aside as %s: %w", b.Next, b.Aside, err)
	}
	if err := b.Server.(engine.Renamer).Rename(ctx, engine.Move{From: b.Next, To: b.Moved()}); err != nil {
		return fmt.Errorf("move the unfinished database %s out of the way: %w", b.Next, err)
	}
	return b.drop(ctx, b.Moved())
}

// Moved names the database that an unfinished one becomes in place, to be dropped.
func (b *Build) Moved() string {
	return engine.ScratchName(b.Name, b.Run, b.Server.Traits().NameLimit)
}

func (b *Build) drop(ctx context.Context, name string) error {
	scratch, err := engine.AdoptScratch(b.Server, name)
	if err != nil {
		return err
	}
	return scratch.Drop(ctx)
}

// Abandon brings back what was before the run, as far as the run had got: the unfinished database goes,
// and an old one that was set aside gets its name back. It must not be called after the swap.
func (b *Build) Abandon(ctx context.Context) error {
	if !b.Replace {
		return b.discardNext(ctx)
	}
	aside, err := b.exists(ctx, b.Aside)
	if err != nil {
		return err
	}
	if b.Strategy == InPlace && !aside {
		return b.closeNext() // the old one was never set aside: there is nothing of ours
	}
	if err := b.discardNext(ctx); err != nil || !aside {
		return err
	}
	if err := b.Server.(engine.Renamer).Rename(ctx, engine.Move{From: b.Aside, To: b.Name}); err != nil {
		return fmt.Errorf("give database %s its name back (it is called %s): %w", b.Name, b.Aside, err)
	}
	return nil
}
