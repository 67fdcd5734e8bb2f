package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mulligan/engine"
	"mulligan/schema"
)

// unchangedBefore proves, while the old database still serves, that it is what the snapshot was taken of. What is found out
// here costs no downtime. What is written after it is seen by unchangedAside.
//
// A restore brings back an older state on purpose: there is nothing to compare.
func (b *Build) unchangedBefore(ctx context.Context) (err error) {
	if !b.SameRows {
		return nil
	}
	db, err := b.Server.Open(ctx, b.Name)
	if err != nil {
		return fmt.Errorf("open database %s: %w", b.Name, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	s, err := db.Inspect(ctx)
	if err != nil {
		return fmt.Errorf("inspect database %s: %w", b.Name, err)
	}
	var lines []string
	for _, c := range schema.Diff(b.manifest().Objects, s.Objects) {
		lines = append(lines, c.String())
	}
	if len(lines) > 0 {
		return alteredError(lines)
	}
	return b.sameRows(ctx, db, engine.HasMarks(db))
}

// unchangedAside proves that the set-aside database still holds the snapshot's rows. Under its other name
// no application writes to it, so what is equal now stays equal. Where it is not, it gets its name back.
func (b *Build) unchangedAside(ctx context.Context) error {
	if !b.SameRows {
		return nil
	}
	err := engine.AwaitUnused(ctx, b.Server, b.Aside, leavePatience)
	if err == nil {
		err = b.unchanged(ctx, b.Aside)
	}
	if err == nil {
		return nil
	}
	after, cancel := cleanup(ctx)
	defer cancel()
	if _, serr := b.Server.Stat(after, b.Name); serr == nil {
		return err // in place, taken up again: something stands under the name already
	}
	if rerr := b.Server.(engine.Renamer).Rename(after, engine.Move{From: b.Aside, To: b.Name}); rerr != nil {
		return errors.Join(err, fmt.Errorf("give database %s its name back (it is called %s): %w", b.Name, b.Aside, rerr))
	}
	return err
}

// leavePatience is how long those may take to go who came to the old database just before it lost its name: a SQLite file can be
// opened by its old name in the last moment and written to later. Nobody can come by that name any more.
const leavePatience = 2 * time.Second

// unchanged proves that a database, whatever it is called now, has the snapshot's tables with their columns and rows.
func (b *Build) unchanged(ctx context.Context, name string) (err error) {
	db, err := b.Server.Open(ctx, name)
	if err != nil {
		return fmt.Errorf("open database %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := b.sameTables(ctx, db); err != nil {
		return err
	}
	return b.sameRows(ctx, db, true)
}

// sameTables proves that no table and no column came or went.
func (b *Build) sameTables(ctx context.Context, db engine.DB) (err error) {
	view, err := db.View(ctx, 1)
	if err != nil {
		return fmt.Errorf("open a consistent view: %w", err)
	}
	defer func() { err = errors.Join(err, view.Close()) }()
	now, err := view.Schema(ctx)
	if err != nil {
		return fmt.Errorf("read the schema of the old database: %w", err)
	}
	m := b.manifest()
	var lines []string
	for i := range m.Tables {
		was := &m.Tables[i].Table
		if t := now.Table(was.Name); t == nil {
			lines = append(lines, fmt.Sprintf("table %s is gone", was.Name))
		} else if !slices.Equal(t.Columns, was.Columns) {
			lines = append(lines, fmt.Sprintf("table %s has other columns", was.Name))
		}
	}
	known := Schema(m)
	for _, t := range now.Tables {
		if known.Table(t.Name) == nil {
			lines = append(lines, fmt.Sprintf("table %s is new", t.Name))
		}
	}
	if len(lines) > 0 {
		return alteredError(lines)
	}
	return nil
}

// sameRows proves that the tables hold what the snapshot took from them. A table whose mark is still what it was is not
// read; the others are, if read allows that.
func (b *Build) sameRows(ctx context.Context, db engine.DB, read bool) error {
	m := b.manifest()
	var tables []*schema.Table
	for i := range m.Tables {
		tables = append(tables, &m.Tables[i].Table)
	}
	now, err := engine.Marks(ctx, db, tables) // before the view: see engine.Marker
	if err != nil {
		return err
	}
	var doubtful []part
	for i := range m.Tables {
		t := &m.Tables[i]
		was, had := b.Marks[t.Name]
		if is, has := now[t.Name]; had && has && is == was {
			continue
		}
		doubtful = append(doubtful, part{table: &t.Table, want: t.Digest, where: t.Where})
	}
	if len(doubtful) == 0 || !read {
		return nil
	}
	wrong, err := b.digests(ctx, db, "swap", doubtful)
	if err != nil {
		return err
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%w: %s", ErrWritten, strings.Join(wrong, "; "))
	}
	b.Marks = now
	return nil
}

func alteredError(lines []string) error {
	return fmt.Errorf("%w:\n  %s", ErrAltered, strings.Join(few(lines), "\n  "))
}
