// Package backup takes a snapshot: the important tables of a database, and always its ledger, as they
// were at one moment.
//
// [Run] opens a consistent view, dumps ranges of tables through several readers at once, and commits
// the manifest last: until then there is no snapshot. Which tables, is decided by [Select], a pure
// function of the schema and the rules.
package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
	"mulligan/snapshot"
	"mulligan/store"
)

// ErrMoved tells that a migration ran, or the schema changed, while the snapshot was begun.
var ErrMoved = errors.New("the schema changed while the snapshot was begun")

// chunkBytes is the size of a chunk: small enough to be held in memory when compressed, large enough for good compression.
const chunkBytes = 16 << 20

// Options are what a backup may be told; nil or zero fields are defaults.
type Options struct {
	Rules    Rules
	Jobs     int                     // tables and ranges dumped at once; 0 = 2
	ID       snapshot.ID             // zero = a new one
	Tool     string                  // version of this program, for the manifest
	TempDir  string                  // for chunks that do not fit into memory; empty = the system's
	Chunk    int64                   // about how many bytes of a table on the server's disk go into one chunk; 0 = 16 MiB
	Progress func(rows, bytes int64) // told what was written since the last call; called from several goroutines

	Marked func(marks map[schema.Name]string) error // told the marks ([engine.Marker]) of the tables, taken before the view; nil = none are taken
	Base   *Base                                    // an older snapshot to take unchanged tables from; nil = none
}

// Base is an older snapshot of the same database, with the marks that were taken before its view. A table whose mark is
// still the same is not read again: its rows are taken from there.
type Base struct {
	Reader *snapshot.Reader
	Marks  map[schema.Name]string
}

// Source is the database to copy.
type Source struct {
	Server engine.Server
	DB     engine.DB
	Name   string          // the database
	Target string          // the name of the target in the configuration; the snapshot's folder
	Tool   *migration.Tool // the migrations that made it; nil = unknown: the manifest then has no positions

	LedgerGiven bool // the user named the tool's ledger table, so that other ledgers are the application's business
}

// Run copies a database into the store and returns the manifest, which is durable.
// On any error nothing is listed, and what was written is deleted again.
// Errors: [ErrNoTable], [ErrMoved], [migration.ErrAmbiguous], those of the engine and the store.
func Run(ctx context.Context, src Source, s store.Store, o *Options) (*snapshot.Manifest, error) {
	b, err := prepare(ctx, src, o)
	if err != nil {
		return nil, err
	}
	if err := b.mark(ctx); err != nil {
		return nil, err
	}
	view, err := src.DB.View(ctx, b.options.Jobs)
	if err != nil {
		return nil, fmt.Errorf("open a consistent view of %s: %w", src.Name, err)
	}
	defer view.Close()
	if err := b.compare(ctx); err != nil {
		return nil, err
	}
	if err := b.describe(ctx, view); err != nil {
		return nil, err
	}
	w, err := snapshot.Create(ctx, s, src.Target, b.manifest.ID, &snapshot.WriterOptions{TempDir: b.options.TempDir})
	if err != nil {
		return nil, err
	}
	if err := b.write(ctx, w, view); err != nil {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		return nil, errors.Join(err, w.Abort(cleanup))
	}
	return b.manifest, nil
}

type job struct {
	src       Source
	options   Options
	table     schema.Name // of the ledger, with its schema where it is there
	ledger    []migration.Record
	files     []migration.Migration
	objects   []schema.Object
	keepsakes []schema.Keepsake
	before    *schema.Schema
	selection *Selection
	since     map[schema.Name]string // marks to compare with the base's
	manifest  *snapshot.Manifest
}

// prepare reads what must be known before the view is opened.
func prepare(ctx context.Context, src Source, o *Options) (*job, error) {
	b := &job{src: src}
	if o != nil {
		b.options = *o
	}
	if b.options.Jobs <= 0 {
		b.options.Jobs = 2
	}
	if b.options.Chunk <= 0 {
		b.options.Chunk = chunkBytes
	}
	if b.options.ID == "" {
		id, err := snapshot.NewID(time.Now(), nil)
		if err != nil {
			return nil, err
		}
		b.options.ID = id
	}
	var err error
	if b.before, err = src.DB.Inspect(ctx); err != nil {
		return nil, fmt.Errorf("inspect database %s: %w", src.Name, err)
	}
	b.objects = b.before.Objects
	if keeper, ok := src.DB.(engine.Keeper); ok {
		if b.keepsakes, err = keeper.Keepsakes(ctx); err != nil {
			return nil, err
		}
	}
	if b.selection, err = Select(b.before, b.options.Rules); err != nil {
		return nil, err
	}
	if src.Tool != nil {
		found, err := migration.FindLedger(b.selection.Ledgers, src.Tool.Name, src.Tool.Ledger.Table(), src.LedgerGiven)
		if err != nil {
			return nil, fmt.Errorf("database %s: %w", src.Name, err)
		}
		b.table = ledgerTable(b.before.Tables, src.Tool.Ledger.Table())
		if found != nil {
			b.table = found.Table
		}
		if b.files, err = src.Tool.Source.Migrations(ctx); err != nil && !errors.Is(err, migration.ErrNone) {
			return nil, fmt.Errorf("list the migrations of %s: %w", src.Tool.Name, err)
		}
		if b.ledger, err = b.records(ctx); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// ledgerTable gives the ledger's name its schema, where a table of that name is there. A home-grown ledger is
// known by nothing else.
func ledgerTable(tables []schema.Table, want schema.Name) schema.Name {
	for _, t := range tables {
		if t.Name.Table == want.Table && (want.Schema == "" || want.Schema == t.Name.Schema) {
			return t.Name
		}
	}
	return want
}

func (b *job) records(ctx context.Context) ([]migration.Record, error) {
	records, err := b.src.Tool.Ledger.Records(ctx, b.src.DB, b.files)
	if errors.Is(err, migration.ErrNoLedger) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read ledger %s: %w", b.src.Tool.Ledger.Table(), err)
	}
	return records, nil
}

// describe makes the manifest's head, and proves that nothing moved between the reading of the
// catalog and the view.
func (b *job) describe(ctx context.Context, view engine.View) error {
	seen, err := view.Schema(ctx)
	if err != nil {
		return fmt.Errorf("read the schema in the view: %w", err)
	}
	if !slices.EqualFunc(b.before.Tables, seen.Tables, sameTable) {
		return fmt.Errorf("database %s: %w; run it again", b.src.Name, ErrMoved)
	}
	info, err := b.src.Server.Stat(ctx, b.src.Name)
	if err != nil {
		return fmt.Errorf("describe database %s: %w", b.src.Name, err)
	}
	traits, point := b.src.Server.Traits(), view.Point()
	b.manifest = &snapshot.Manifest{
		ID: b.options.ID, Tool: b.options.Tool, Target: b.src.Target,
		Engine: string(traits.Family), ServerVersion: traits.Version, ServerIdentity: traits.Identity,
		Database: snapshot.Database(*info),
		Started:  time.Now().UTC(),
		Point:    snapshot.Point(point),
		Excluded: b.selection.Excluded, Objects: b.objects, Keepsakes: b.keepsakes,
	}
	for _, q := range seen.Sequences {
		if q.Table == nil || b.chosen(*q.Table) {
			b.manifest.Sequences = append(b.manifest.Sequences, q)
		}
	}
	return b.describeLedger(ctx)
}

func (b *job) describeLedger(ctx context.Context) error {
	tool := b.src.Tool
	if tool == nil {
		return nil
	}
	again, err := b.records(ctx)
	if err != nil {
		return err
	}
	if !migration.SameRecords(b.ledger, again) {
		return fmt.Errorf("ledger %s: a migration ran: %w; run it again", tool.Ledger.Table(), ErrMoved)
	}
	l := &snapshot.Ledger{Tool: tool.Name, Table: b.table, Recorded: string(migration.Position(b.files, b.ledger))}
	for _, r := range b.ledger {
		l.Records = append(l.Records, snapshot.Record{ID: string(r.ID), State: string(r.State), At: r.At, Raw: r.Raw})
	}
	for _, m := range b.files {
		l.Files = append(l.Files, snapshot.MigrationFile{ID: string(m.ID), Title: m.Title, SHA256: m.Hash})
	}
	b.manifest.Ledger = l
	return nil
}

func (b *job) chosen(n schema.Name) bool {
	return slices.ContainsFunc(b.selection.Tables, func(t *schema.Table) bool { return t.Name == n })
}

// task is one chunk to be written.
type task struct {
	table *schema.Table
	seq   int
	part  engine.Range
	old   *snapshot.Chunk // the base's chunk with the same rows; nil = it is dumped
}

// write dumps all tables and commits.
func (b *job) write(ctx context.Context, w *snapshot.Writer, view engine.View) error {
	tasks, err := b.plan(ctx, view)
	if err != nil {
		return err
	}
	var mu sync.Mutex // guards chunks
	chunks := make(map[schema.Name][]snapshot.Chunk, len(b.selection.Tables))
	group, ctx2 := errgroup.WithContext(ctx)
	group.SetLimit(b.options.Jobs)
	for _, t := range tasks {
		group.Go(func() error {
			chunk, err := w.Chunk(ctx2, t.table.Name, t.seq, func(out io.Writer) (int64, error) {
				if t.old != nil {
					return b.copy(ctx2, out, *t.old)
				}
				return view.Dump(ctx2, out, t.table, t.part)
			})
			if err != nil {
				return fmt.Errorf("dump table %s, chunk %d: %w", t.table.Name, t.seq, err)
			}
			if b.options.Progress != nil {
				b.options.Progress(chunk.Rows, chunk.RawBytes)
			}
			mu.Lock()
			defer mu.Unlock()
			chunks[t.table.Name] = append(chunks[t.table.Name], chunk)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	b.tables(chunks)
	text, err := b.schemaText(ctx)
	if err != nil {
		return err
	}
	if err := w.Put(ctx, "schema.sql", text); err != nil {
		return err
	}
	b.manifest.Finished = time.Now().UTC()
	return w.Commit(ctx, b.manifest)
}

// plan lists the chunks, those of the largest tables first, so that the last worker to end is not late.
func (b *job) plan(ctx context.Context, view engine.View) ([]task, error) {
	tables := slices.Clone(b.selection.Tables)
	slices.SortStableFunc(tables, func(x, y *schema.Table) int { return int(min(max(y.Bytes-x.Bytes, -1), 1)) })
	var tasks []task
	for _, t := range tables {
		if old := b.unchanged(t); old != nil {
			for i := range old.Chunks {
				tasks = append(tasks, task{table: t, seq: old.Chunks[i].Seq, old: &old.Chunks[i]})
			}
			continue
		}
		ranges, err := view.Ranges(ctx, t, b.options.Chunk)
		if err != nil {
			return nil, fmt.Errorf("split table %s: %w", t.Name, err)
		}
		for seq, r := range ranges {
			r.Where = b.selection.Where[t.Name]
			tasks = append(tasks, task{table: t, seq: seq, part: r})
		}
	}
	return tasks, nil
}

func (b *job) tables(chunks map[schema.Name][]snapshot.Chunk) {
	for _, t := range b.selection.Tables {
		list := chunks[t.Name]
		slices.SortFunc(list, func(x, y snapshot.Chunk) int { return x.Seq - y.Seq })
		entry := snapshot.Table{Table: *t, Where: b.selection.Where[t.Name], Chunks: list}
		for _, c := range list {
			entry.Rows += c.Rows
			entry.Digest = entry.Digest.Add(c.Digest)
		}
		b.manifest.Tables = append(b.manifest.Tables, entry)
	}
}

// sameTable compares what a dump depends on; the server's estimates may differ.
func sameTable(x, y schema.Table) bool {
	return x.Name == y.Name && x.Kind == y.Kind && slices.Equal(x.Columns, y.Columns)
}

// schemaText writes the source's schema for people. Where the database keeps the statements that made it they can be
// run; else it is the server's own wording of each object, in no order that a client could run.
func (b *job) schemaText(ctx context.Context) ([]byte, error) {
	m := b.manifest
	var out strings.Builder
	fmt.Fprintf(&out, "-- Schema of database %s (%s %s), as the server describes it.\n-- For reading and comparing; a rebuild makes the schema from the migrations.\n", m.Database.Name, m.Engine, m.ServerVersion)
	definer, ok := b.src.DB.(engine.Definer)
	if !ok {
		for _, o := range m.Objects {
			fmt.Fprintf(&out, "\n-- %s %s\n%s\n", o.Kind, o.Name, strings.TrimRight(o.Def, "\n"))
		}
		return []byte(out.String()), nil
	}
	list, err := definer.Definitions(ctx)
	for _, statement := range list {
		fmt.Fprintf(&out, "\n%s;\n", statement)
	}
	return []byte(out.String()), err
}
