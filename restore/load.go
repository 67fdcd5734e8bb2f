package restore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"mulligan/engine"
	"mulligan/schema"
	"mulligan/snapshot"
)

// loadProof is what load saw.
type loadProof struct {
	Tables map[string]snapshot.Digest `json:"tables"` // of the rows as they were loaded, under the mapping
	Rows   int64                      `json:"rows"`
	Schema string                     `json:"schema"`          // fingerprint of the schema, equal before and after the load
	Notes  []string                   `json:"notes,omitempty"` // what the engine did in a weaker or a slower way than it could
}

// load puts the snapshot's rows into the replayed tables, in place of whatever migrations seeded there. Where an earlier process
// was killed at it, it goes on from there.
func (b *Build) load(ctx context.Context) error {
	b.loaded = nil
	db, err := b.next(ctx)
	if err != nil {
		return err
	}
	s, err := db.Inspect(ctx)
	if err != nil {
		return fmt.Errorf("inspect database %s: %w", b.Next, err)
	}
	tables, err := b.place(s)
	if err != nil {
		return err
	}
	log, err := b.openLog(ctx, s)
	if err != nil {
		return err
	}
	loader, err := db.Loader(ctx, tables, log.options())
	if err != nil {
		return fmt.Errorf("make the tables of %s ready: %w", b.Next, err)
	}
	digests, err := b.fillFrom(ctx, db, loader, log)
	if err == nil {
		err = loader.Finish(ctx, b.sequences(s))
	}
	if err = errors.Join(err, loader.Close()); err != nil {
		return err
	}
	var notes []string
	if n, ok := loader.(engine.Noter); ok {
		notes = n.Notes()
	}
	proof := &loadProof{Notes: notes, Tables: map[string]snapshot.Digest{}, Schema: log.schema}
	for name, d := range digests {
		proof.Tables[name.String()] = d
		proof.Rows += d.Rows
	}
	b.loaded = proof
	return nil
}

// place finds the new table for each carried one.
func (b *Build) place(s *schema.Schema) ([]*schema.Table, error) {
	b.layout = layout{}
	var tables []*schema.Table
	for _, t := range b.carried() {
		p, misfits := arrange(t, s, b.Options.Mapping)
		if len(misfits) > 0 {
			return nil, misfitError(b.replayed.Position, misfits)
		}
		b.layout[t.Name] = p
		tables = append(tables, p.to)
	}
	return tables, nil
}

// rowLoader is the part of [engine.Loader] that fill needs.
type rowLoader interface {
	Load(ctx context.Context, t *schema.Table, columns []string, rows io.Reader) (int64, error)
}

// fillFrom loads what an interrupted load has not.
func (b *Build) fillFrom(ctx context.Context, db engine.DB, loader engine.Loader, log *loadLog) (map[schema.Name]snapshot.Digest, error) {
	if log.interrupted {
		if err := b.lookWhatIsIn(ctx, db, loader, log); err != nil {
			return nil, err
		}
	}
	digests, err := b.fill(ctx, loader, log)
	return digests, errors.Join(err, log.flush())
}

// fill loads all chunks that are not in, several at once, those of the largest tables first.
func (b *Build) fill(ctx context.Context, loader rowLoader, log *loadLog) (map[schema.Name]snapshot.Digest, error) {
	var mu sync.Mutex // guards digests
	digests := map[schema.Name]snapshot.Digest{}
	total := b.rowsCarried()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(b.jobs())
	for _, t := range b.bySize() {
		p, in := b.layout[t.Name], log.in(t.Name)
		added := log.constants(t.Name)
		var sum snapshot.Digest
		for _, d := range in {
			sum = sum.Add(d)
		}
		mu.Lock() // chunks of the tables before are under way
		digests[t.Name] = sum
		mu.Unlock()
		for _, c := range t.Chunks {
			if _, ok := in[c.Seq]; ok {
				continue
			}
			group.Go(func() error {
				d, err := b.loadChunk(ctx, loader, p, c, added)
				if err == nil {
					err = log.loaded(t.Name, c.Seq, d)
				}
				if err != nil {
					return fmt.Errorf("load table %s, chunk %d: %w", p.to.Name, c.Seq, err)
				}
				b.progress("load", c.Rows, c.RawBytes, total)
				mu.Lock()
				defer mu.Unlock()
				digests[t.Name] = digests[t.Name].Add(d)
				return nil
			})
		}
	}
	return digests, group.Wait()
}

func (b *Build) loadChunk(ctx context.Context, loader rowLoader, p placement, c snapshot.Chunk, added []string) (snapshot.Digest, error) {
	var refused error
	d, err := b.chunk(ctx, p, c, added, func(rows io.Reader) error {
		n, err := loader.Load(ctx, p.to, p.columns, rows)
		refused = err
		if err == nil && n != c.Rows {
			err = fmt.Errorf("%w: the chunk has %d rows, the server took %d", ErrData, c.Rows, n)
		}
		return err
	})
	if refused != nil {
		err = b.nameRefused(ctx, loader, p, c, added, err)
	}
	return d, err
}

// chunk gives a chunk's rows, as they are loaded, to use, and their digest back.
func (b *Build) chunk(ctx context.Context, p placement, c snapshot.Chunk, added []string, use func(io.Reader) error) (snapshot.Digest, error) {
	rows, err := b.reader.Rows(ctx, c)
	if err != nil {
		return snapshot.Digest{}, err
	}
	defer rows.Close()
	var in io.Reader = rows
	digester := snapshot.NewDigester()
	if !p.plain() {
		in = io.TeeReader(project(rows, len(p.from.Stored()), p.keep, added), digester)
	}
	if err := use(in); err != nil {
		return snapshot.Digest{}, err
	}
	if p.plain() {
		return c.Digest, nil
	}
	return digester.Sum()
}

// constants evaluates the mapping's default expressions, once for all rows.
func (b *Build) constants(ctx context.Context, p placement) ([]engine.Verbatim, error) {
	var cells []engine.Verbatim
	for i, expr := range p.defaults {
		var value sql.NullString
		if err := b.db.QueryRowContext(ctx, "SELECT "+expr).Scan(&value); err != nil {
			column := p.columns[len(p.columns)-len(p.defaults)+i]
			return nil, fmt.Errorf("mapping of table %s: default of column %s: %w", p.to.Name, column, err)
		}
		cells = append(cells, engine.Verbatim(cellText(value.String, !value.Valid)))
	}
	return cells, nil
}

// sequences picks the snapshot's sequences that the new schema has too. One that has another name there is
// found by the column that owns it.
func (b *Build) sequences(s *schema.Schema) []schema.Sequence {
	var list []schema.Sequence
	for _, q := range b.manifest().Sequences {
		if q.Table != nil && b.isLedger(*q.Table) {
			continue
		}
		i := slices.IndexFunc(s.Sequences, func(n schema.Sequence) bool { return b.sameSequence(q, n) })
		if i < 0 {
			continue
		}
		n := s.Sequences[i]
		n.Value, n.Called = q.Value, q.Called
		list = append(list, n)
	}
	return list
}

func (b *Build) sameSequence(old, now schema.Sequence) bool {
	if old.Table == nil || now.Table == nil {
		return old.Name == now.Name
	}
	name, column := *old.Table, old.Column
	if p, ok := b.layout[name]; ok {
		name = p.to.Name
		if to, ok := ruleFor(*old.Table, b.Options.Mapping).Rename[column]; ok {
			column = to
		}
	}
	return name == *now.Table && column == now.Column
}

func (b *Build) rowsCarried() (n int64) {
	for _, t := range b.carried() {
		n += t.Rows
	}
	return n
}

func (b *Build) bySize() []*snapshot.Table {
	list := b.carried()
	slices.SortStableFunc(list, func(x, y *snapshot.Table) int { return len(y.Chunks) - len(x.Chunks) })
	return list
}

// checkLoad proves that the load put everything back that it took off. That the rows are right is the
// next stage's proof.
func (b *Build) checkLoad(ctx context.Context) (any, error) {
	if b.loaded == nil {
		return nil, errors.New("the load did not come to its end")
	}
	db, err := b.next(ctx)
	if err != nil {
		return nil, err
	}
	s, err := db.Inspect(ctx)
	if err != nil {
		return nil, fmt.Errorf("inspect database %s: %w", b.Next, err)
	}
	if now := fingerprint(s); now != b.loaded.Schema {
		return nil, fmt.Errorf("the schema of %s after the load is not what it was before: an index, a constraint or a trigger was not put back", b.Next)
	}
	return b.loaded, nil
}

func (b *Build) keepLoad(data json.RawMessage) error {
	b.loaded = &loadProof{}
	return json.Unmarshal(data, b.loaded)
}

// fingerprint is a hash over all objects of a schema.
func fingerprint(s *schema.Schema) string {
	h := sha256.New()
	for _, o := range s.Objects {
		fmt.Fprintf(h, "%d %s\n%d %s\n%d %s\n", len(o.Kind), o.Kind, len(o.Name), o.Name, len(o.Def), o.Def)
	}
	return hex.EncodeToString(h.Sum(nil))
}
