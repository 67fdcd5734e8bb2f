package rebuild

import (
	"context"
	"errors"
	"fmt"

	"mulligan/engine"
	"mulligan/schema"
)

// fence keeps writers waiting from now on, where the user wants that and there still is something to be kept. The fence
// goes with the process; within the swap the server lets it go at the last moment ([engine.Fencer]).
func (r *Run) fence(ctx context.Context) (release func() error, err error) {
	none := func() error { return nil }
	if !r.Header.Options.Fence || r.Header.Command != CommandRebuild {
		return none, nil
	}
	aside, err := r.exists(ctx, r.Header.Aside)
	if err != nil || aside {
		return none, err
	}
	db, err := r.Server.Open(ctx, r.Header.Database)
	if err != nil {
		return none, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	fencer, ok := db.(engine.Fencer)
	if !ok {
		return none, fmt.Errorf("keep writers waiting: %w on %s", errors.ErrUnsupported, r.Header.Family)
	}
	s, err := db.Inspect(ctx)
	if err != nil {
		return none, fmt.Errorf("inspect database %s: %w", r.Header.Database, err)
	}
	var tables []*schema.Table
	for i, t := range s.Tables {
		if t.Kind == schema.KindTable || t.Kind == schema.KindPartitioned {
			tables = append(tables, &s.Tables[i])
		}
	}
	if release, err = fencer.Fence(ctx, tables); err != nil {
		return none, fmt.Errorf("keep writers of database %s waiting: %w", r.Header.Database, err)
	}
	return release, nil
}
