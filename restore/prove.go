package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
	"mulligan/snapshot"
)

// proofBytes is about how much of a table on disk one reader digests at a time.
const proofBytes = 64 << 20

// schemaProof is what compare-schema saw.
type schemaProof struct {
	Equal    bool            `json:"equal"`
	Cosmetic []schema.Change `json:"cosmetic,omitempty"` // names of indexes and constraints, order of columns: the meaning is the same
	New      []schema.Change `json:"new,omitempty"`      // made by migrations, absent in the old database
	Kept     []schema.Change `json:"to_keep,omitempty"`  // made by no migration, and to be given by the stage keep
	Drift    []schema.Change `json:"drift,omitempty"`    // in the old database, and not carried over
	Accepted bool            `json:"accepted,omitempty"`
}

// checkSchema compares the replayed schema with the old one. What the old one has and the migrations
// do not make would be lost: that needs the user's word.
func (b *Build) checkSchema(ctx context.Context) (any, error) {
	db, err := b.next(ctx)
	if err != nil {
		return nil, err
	}
	s, err := db.Inspect(ctx)
	if err != nil {
		return nil, fmt.Errorf("inspect database %s: %w", b.Next, err)
	}
	changes, cosmetic := schema.Split(schema.Diff(b.oldSchema().Objects, s.Without(b.isLedger).Objects))
	p := schemaProof{Equal: len(changes) == 0, Cosmetic: cosmetic, Accepted: b.acceptsDrift()}
	covered := schema.Covers(b.manifest().Keepsakes)
	for _, c := range changes {
		if covered(c) {
			p.Kept = append(p.Kept, c)
		} else if c.Old == "" {
			p.New = append(p.New, c)
		} else {
			p.Drift = append(p.Drift, c)
		}
	}
	if len(p.Drift) > 0 && !p.Accepted {
		return nil, driftError(p.Drift)
	}
	return p, nil
}

func (b *Build) acceptsDrift() bool { return b.Options.AcceptDrift || b.Options.Newest }

func driftError(drift []schema.Change) error {
	var lines []string
	for _, c := range drift {
		lines = append(lines, c.String())
	}
	return fmt.Errorf("%w, and it would not be carried over:\n  %s", ErrDrift, strings.Join(few(lines), "\n  "))
}

// few cuts a long list.
func few(lines []string) []string {
	const most = 12
	if len(lines) <= most {
		return lines
	}
	return append(lines[:most:most], fmt.Sprintf("and %d more", len(lines)-most))
}

// oldSchema is the source's schema as the manifest holds it, without its ledgers.
func (b *Build) oldSchema() *schema.Schema { return Schema(b.manifest()).Without(b.isLedger) }

// Schema is a source's schema as the manifest holds it: its objects, and the names of its tables.
func Schema(m *snapshot.Manifest) *schema.Schema {
	s := &schema.Schema{Objects: m.Objects, Sequences: m.Sequences}
	for _, t := range m.Tables {
		s.Tables = append(s.Tables, t.Table)
	}
	for _, e := range m.Excluded {
		s.Tables = append(s.Tables, schema.Table{Name: e.Name})
	}
	return s
}

// dataProof is what compare-data saw.
type dataProof struct {
	Tables map[string]snapshot.Digest `json:"tables"`
	Rows   int64                      `json:"rows"`
}

// checkData reads every loaded table back, and compares count and digest with what the snapshot holds.
func (b *Build) checkData(ctx context.Context) (any, error) {
	db, err := b.next(ctx)
	if err != nil {
		return nil, err
	}
	if len(b.layout) == 0 {
		s, err := db.Inspect(ctx)
		if err != nil {
			return nil, fmt.Errorf("inspect database %s: %w", b.Next, err)
		}
		if _, err := b.place(s); err != nil {
			return nil, err
		}
	}
	var tables []part
	for _, t := range b.carried() {
		tables = append(tables, part{table: b.layout[t.Name].asTable(), want: b.loaded.Tables[t.Name.String()]})
	}
	wrong, err := b.digests(ctx, db, "compare-data", tables)
	if err != nil {
		return nil, err
	}
	if len(wrong) > 0 {
		return nil, fmt.Errorf("%w: %s", ErrData, strings.Join(wrong, "; "))
	}
	return dataProof{Tables: b.loaded.Tables, Rows: b.loaded.Rows}, nil
}

// part is one table to be digested.
type part struct {
	table *schema.Table
	where string
	want  snapshot.Digest
}

// digests reads tables in one consistent view and says which are not what they should be.
func (b *Build) digests(ctx context.Context, db engine.DB, stage string, tables []part) (wrong []string, err error) {
	sums, err := b.sums(ctx, db, stage, tables)
	if err != nil {
		return nil, err
	}
	for i, t := range tables {
		if sums[i] != t.want {
			wrong = append(wrong, fmt.Sprintf("table %s has %s, the snapshot %s", t.table.Name, sums[i], t.want))
		}
	}
	slices.Sort(wrong)
	return wrong, nil
}

// sums reads tables in one consistent view.
func (b *Build) sums(ctx context.Context, db engine.DB, stage string, tables []part) (whole []snapshot.Digest, err error) {
	view, err := db.View(ctx, b.jobs())
	if err != nil {
		return nil, fmt.Errorf("open a consistent view: %w", err)
	}
	defer func() { err = errors.Join(err, view.Close()) }()
	sums := make([][]snapshot.Digest, len(tables))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(b.jobs())
	for i, t := range tables {
		ranges, err := view.Ranges(ctx, t.table, proofBytes)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("split table %s: %w", t.table.Name, err), group.Wait())
		}
		sums[i] = make([]snapshot.Digest, len(ranges))
		for k, r := range ranges {
			r.Where = t.where
			group.Go(func() error {
				d, err := digest(ctx, view, t.table, r)
				if err != nil {
					return fmt.Errorf("read table %s back: %w", t.table.Name, err)
				}
				sums[i][k] = d
				b.progress(stage, d.Rows, 0, b.rowsCarried())
				return nil
			})
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	whole = make([]snapshot.Digest, len(tables))
	for i := range tables {
		for _, d := range sums[i] {
			whole[i] = whole[i].Add(d)
		}
	}
	return whole, nil
}

func digest(ctx context.Context, view engine.View, t *schema.Table, r engine.Range) (snapshot.Digest, error) {
	d := snapshot.NewDigester()
	n, err := view.Dump(ctx, d, t, r)
	if err != nil {
		return snapshot.Digest{}, err
	}
	sum, err := d.Sum()
	if err == nil && sum.Rows != n {
		err = fmt.Errorf("%w: %d lines, but the server says %d rows", ErrData, sum.Rows, n)
	}
	return sum, err
}

// advanceProof is what advance saw.
type advanceProof struct {
	Ran    []string `json:"ran"`    // migrations that ran with the rows in place
	Ledger int      `json:"ledger"` // migrations that the ledger holds, all of those on disk
}

// advance runs the migrations after the position, with the rows in place.
func (b *Build) advance(ctx context.Context) error {
	files, err := b.migrations(ctx)
	if err != nil {
		return err
	}
	if b.replayed.Pending == 0 {
		return nil
	}
	return b.runTo(ctx, len(files)-1)
}

func (b *Build) checkAdvance(ctx context.Context) (any, error) {
	files, err := b.migrations(ctx)
	if err != nil {
		return nil, err
	}
	if err := b.ledgerHolds(ctx, len(files)-1); err != nil {
		return nil, err
	}
	p := advanceProof{Ran: []string{}, Ledger: len(files)}
	for _, m := range files[migration.Index(files, b.replayed.Position)+1:] {
		p.Ran = append(p.Ran, string(m.ID))
	}
	return p, nil
}
