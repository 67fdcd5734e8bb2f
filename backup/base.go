package backup

import (
	"context"
	"errors"
	"io"
	"slices"

	"mulligan/engine"
	"mulligan/schema"
	"mulligan/snapshot"
)

// mark takes the marks of the chosen tables for the caller. It comes before the view: a mark that is still the same later then
// speaks for what the view sees.
func (b *job) mark(ctx context.Context) error {
	if b.options.Marked == nil {
		return nil
	}
	marks, err := engine.Marks(ctx, b.src.DB, b.selection.Tables)
	if err != nil {
		return err
	}
	return b.options.Marked(marks)
}

// compare takes the marks that tell what has changed since the base. It comes after the view: a change that the view sees is
// in them, if the database is quiet.
func (b *job) compare(ctx context.Context) error {
	marker, ok := b.src.DB.(engine.Marker)
	if b.options.Base == nil || !ok {
		return nil
	}
	quiet, err := marker.Quiet(ctx)
	if err == nil && quiet {
		b.since, err = engine.Marks(ctx, b.src.DB, b.selection.Tables)
	}
	return err
}

// unchanged finds a table in the base, where its mark says that it still has the rows that the base took; nil = it must be dumped.
func (b *job) unchanged(t *schema.Table) *snapshot.Table {
	base := b.options.Base
	if base == nil {
		return nil
	}
	was, had := base.Marks[t.Name]
	is, has := b.since[t.Name]
	m := base.Reader.Manifest()
	i := slices.IndexFunc(m.Tables, func(o snapshot.Table) bool { return sameTable(o.Table, *t) })
	if !had || !has || is != was || i < 0 || m.Tables[i].Where+b.selection.Where[t.Name] != "" { // a condition may mean something else by now
		return nil
	}
	return &m.Tables[i]
}

// copy writes the rows of one of the base's chunks, which is checked on the way.
func (b *job) copy(ctx context.Context, out io.Writer, c snapshot.Chunk) (rows int64, err error) {
	in, err := b.options.Base.Reader.Rows(ctx, c)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(out, in)
	return c.Rows, errors.Join(err, in.Close())
}
