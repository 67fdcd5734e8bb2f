package restore

import (
	"context"
	"fmt"
	"io"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
	"mulligan/snapshot"
)

// canGoOn tells whether a load that was interrupted can go on: the database that it was filling is there, is the one that
// was replayed for it, and the journal has what was taken off it.
func (b *Build) canGoOn(ctx context.Context) (bool, error) {
	log, err := b.readLog()
	if err != nil || !log.interrupted {
		return false, err
	}
	names := []string{b.Next}
	if b.Strategy == InPlace {
		names = append(names, b.Aside) // else what has the name is the old database
	}
	for _, name := range names {
		if there, err := b.exists(ctx, name); err != nil || !there {
			return false, err
		}
	}
	return b.ledgerAsReplayed(ctx)
}

// ledgerAsReplayed tells whether the new ledger holds what it held after the replay, and no more.
func (b *Build) ledgerAsReplayed(ctx context.Context) (bool, error) {
	files, err := b.migrations(ctx)
	if err != nil {
		return false, err
	}
	records, err := b.records(ctx)
	if err != nil {
		return false, err
	}
	applied, index := 0, migration.Index(files, b.replayed.Position)
	for i, s := range migration.Compare(files, records)[:len(files)] {
		if s.Verdict == migration.VerdictApplied {
			applied++
		} else if i <= index {
			return false, nil
		}
	}
	return applied == b.replayed.Replayed, nil
}

// lookWhatIsIn finds the chunks that the database holds, by reading it: what the notes say is believed of a table only where
// the digest of its rows agrees. A table that cannot be explained is emptied.
func (b *Build) lookWhatIsIn(ctx context.Context, db engine.DB, loader engine.Loader, log *loadLog) error {
	carried := b.carried()
	tables := make([]part, len(carried))
	for i, t := range carried {
		tables[i] = part{table: b.layout[t.Name].asTable()}
	}
	sums, err := b.sums(ctx, db, loadStage, tables)
	if err != nil {
		return err
	}
	for i, t := range carried {
		more, ok, err := b.explainTable(ctx, t, sums[i], log)
		if err != nil {
			return err
		}
		if !ok {
			if err := b.emptyTable(ctx, t.Name, loader, log); err != nil {
				return err
			}
			continue
		}
		if len(more) > 0 {
			n := &loadNote{Chunks: more}
			log.apply(n)
			if err := log.note(n); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *Build) emptyTable(ctx context.Context, table schema.Name, loader engine.Loader, log *loadLog) error {
	n := &loadNote{Emptied: table.String()}
	log.apply(n)
	if err := log.note(n); err != nil {
		return err
	}
	return loader.Empty(ctx, b.layout[table].to)
}

// explainTable finds which chunks a table has besides those that were noted: they were committed when the process was killed, and
// not noted yet. The chunks of a table are begun in their order, so that it can be some of the first only.
func (b *Build) explainTable(ctx context.Context, t *snapshot.Table, have snapshot.Digest, log *loadLog) (more []chunkNote, ok bool, err error) {
	var noted snapshot.Digest
	in := log.in(t.Name)
	for _, d := range in {
		noted = noted.Add(d)
	}
	if have == noted {
		return nil, true, nil
	}
	p, added := b.layout[t.Name], log.constants(t.Name)
	var candidates []chunkNote
	var digests []snapshot.Digest
	for _, c := range t.Chunks {
		if _, ok := in[c.Seq]; ok {
			continue
		}
		if len(candidates) == min(unnotedChunks+b.jobs(), mostCandidates) {
			break
		}
		d := c.Digest
		if !p.plain() {
			d, err = b.chunk(ctx, p, c, added, func(rows io.Reader) error { _, err := io.Copy(io.Discard, rows); return err })
			if err != nil {
				return nil, false, fmt.Errorf("read table %s, chunk %d: %w", t.Name, c.Seq, err)
			}
		}
		candidates, digests = append(candidates, chunkNote{t.Name.String(), c.Seq, d}), append(digests, d)
	}
	for _, i := range explain(have, noted, digests) {
		more = append(more, candidates[i])
	}
	return more, len(more) > 0, nil
}

// mostCandidates bounds the search: it looks at each set of them.
const mostCandidates = 20

// explain finds a set of digests that together with known make have; nil = there is none. A sum of 128 bits that is
// equal is no accident.
func explain(have, known snapshot.Digest, digests []snapshot.Digest) []int {
	if have == known {
		return []int{}
	}
	for i, d := range digests {
		sum := known.Add(d)
		if sum.Rows > have.Rows || d.Rows == 0 {
			continue
		}
		if rest := explain(have, sum, digests[i+1:]); rest != nil {
			set := []int{i}
			for _, k := range rest {
				set = append(set, i+1+k)
			}
			return set
		}
	}
	return nil
}
