// Package restore builds a database from a snapshot and a set of migrations, proves it, and puts it
// in its place.
//
// The order is what makes it right: migrations are replayed up to the snapshot's position, the rows are
// loaded into exactly the schema they came from, and only then the later migrations run, so that data
// migrations transform the rows. [Build.Stages] is that order as a list of pipeline stages; a rebuild
// puts its own stages before and after.
//
// Nothing that held rows is ever dropped here. The old database is set aside under another name, and only
// after a [snapshot.Verified] was made of the snapshot that replaces it. What is dropped are scratch databases.
package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/pipeline"
	"mulligan/schema"
	"mulligan/snapshot"
	"mulligan/store"
)

// The errors that callers branch on.
var (
	ErrMisfit  = errors.New("the rows do not fit the replayed schema")
	ErrDrift   = errors.New("the old schema has what the migrations do not make")
	ErrData    = errors.New("the loaded rows are not the snapshot's")
	ErrWritten = errors.New("rows were written to the old database after the snapshot")
	ErrAltered = errors.New("the schema of the old database was changed after the snapshot")
)

// Strategy says where the new database is built.
type Strategy string

// The strategies.
const (
	Beside  Strategy = "beside"   // under another name, while the old one still serves; a swap at the end
	InPlace Strategy = "in-place" // under its own name; the old one is set aside before
)

// Options are choices of the user.
type Options struct {
	At          migration.ID // position to load at; zero = found from the ledger and the schema
	Newest      bool         // load into the newest schema instead, under the mapping
	Mapping     []Mapping
	AcceptDrift bool // go on though the old schema has things that no migration makes
	Evict       bool // end other sessions when the database must be free of them
	Fence       bool // keep writers waiting from the start until the swap
	Jobs        int  // tables and chunks loaded and proved at once; 0 = 2
}

// Build is one new database on its way. The exported fields are set before, and not changed after, Stages.
type Build struct {
	Server   engine.Server
	URL      engine.URL // of the target; the database in it is not used
	Name     string     // what the database will be called in the end
	Run      string     // short name of the run, for the names of what it makes
	Next     string     // what it is called until then; for InPlace the same as Name
	Aside    string     // what the old one will be called
	Strategy Strategy
	Replace  bool         // there is an old database under Name; always true for InPlace
	SameRows bool         // the snapshot was taken of the old database: it must still hold the same rows when it is set aside
	Like     *engine.Info // what the new one must be like; nil = as the manifest says
	Tool     *migration.Tool
	Store    store.Store
	Target   string      // the snapshot's folder in the store
	Snapshot snapshot.ID // may be set later, by a stage before verify
	Options  Options
	Marks    map[schema.Name]string                       // of the old database ([engine.Marker]), taken before the snapshot's view; changed as later ones vouch for the same rows
	Position *migration.ID                                // where the doctor says that the rows belong; nil = where the ledger says
	First    []string                                     // keys of keepsakes that the doctor says the migrations need and do not make
	Output   io.Writer                                    // what migration tools print; nil = nowhere
	Progress func(stage string, rows, bytes, total int64) // what was done since the last call; total rows of the stage, 0 = unknown
	Held     func(context.Context) error                  // proves that the lock on Name was not lost, before a database is moved; nil = there is none
	Notes    Notes                                        // the run's journal; nil = a load that is interrupted begins again with an empty database

	reader   *snapshot.Reader
	verified *snapshot.Verified
	db       engine.DB // of Next; nil = not open
	files    []migration.Migration
	replayed replayProof
	loaded   *loadProof // nil = not known to be complete
	kept     *keepProof // nil = not known to be complete
	layout   layout
}

// Stages lists what turns a snapshot into the target's database, in order.
// A build that was interrupted before the swap begins again with a new empty database, since until then nothing of
// value is in it; but a load goes on from where it stopped.
func (b *Build) Stages() []pipeline.Stage {
	return []pipeline.Stage{
		{Name: "verify", Check: b.checkVerify, Bound: true},
		{Name: "create", Do: b.create, Check: b.checkCreate, Keep: b.keepCreate},
		{Name: "replay", Do: b.replay, Check: b.checkReplay, Keep: b.keepReplay, Back: "create"},
		{Name: "compare-schema", Check: b.checkSchema, Back: "create"},
		{Name: loadStage, Do: b.load, Check: b.checkLoad, Keep: b.keepLoad, Back: "create", Partial: b.canGoOn},
		{Name: "compare-data", Check: b.checkData, Back: "create"},
		{Name: "keep", Do: b.keep, Check: b.checkKeep, Keep: b.keepKeep, Back: "create"},
		{Name: "advance", Do: b.advance, Check: b.checkAdvance, Back: "create"},
		{Name: "swap", Do: b.swap, Check: b.checkSwap},
	}
}

// held stops what would move a database that may be another run's by now.
func (b *Build) held(ctx context.Context) error {
	if b.Held == nil {
		return nil
	}
	return b.Held(ctx)
}

// Close ends the connections that the stages have opened.
func (b *Build) Close() error {
	return b.closeNext()
}

// verifyProof is what verify saw.
type verifyProof struct {
	Snapshot snapshot.ID `json:"snapshot"`
	Tables   int         `json:"tables"`
	Rows     int64       `json:"rows"`
	Chunks   int         `json:"chunks"`
}

// checkVerify reads every chunk back from the repository. Its result is the only key to the swap,
// so a run that is taken up again reads them again.
func (b *Build) checkVerify(ctx context.Context) (any, error) {
	reader, err := snapshot.Open(ctx, b.Store, b.Target, b.Snapshot)
	if err != nil {
		return nil, err
	}
	m := reader.Manifest()
	if family := b.Server.Traits().Family; m.Engine != string(family) {
		return nil, fmt.Errorf("snapshot %s is of %s, the target is %s: restore it into a server of its own kind: %w",
			b.Snapshot, engine.Family(m.Engine), family, errors.ErrUnsupported)
	}
	verified, err := reader.Verify(ctx, b.jobs(), func(rows, bytes int64) { b.progress("verify", rows, bytes, m.Rows()) })
	if err != nil {
		return nil, err
	}
	b.reader, b.verified = reader, verified
	if b.Like == nil {
		like := engine.Info(m.Database)
		b.Like = &like
	}
	proof := verifyProof{Snapshot: b.Snapshot, Tables: len(m.Tables), Rows: m.Rows()}
	for _, t := range m.Tables {
		proof.Chunks += len(t.Chunks)
	}
	return proof, nil
}

func (b *Build) manifest() *snapshot.Manifest { return b.reader.Manifest() }

// carried lists the tables whose rows are loaded: all of the manifest but the ledger.
func (b *Build) carried() []*snapshot.Table {
	m := b.manifest()
	var list []*snapshot.Table
	for i := range m.Tables {
		if m.Ledger == nil || m.Tables[i].Name != m.Ledger.Table {
			list = append(list, &m.Tables[i])
		}
	}
	return list
}

// isLedger tells the tables that belong to migration tools, which are compared and loaded by nobody.
func (b *Build) isLedger(n schema.Name) bool {
	if l := b.manifest().Ledger; l != nil && l.Table == n {
		return true
	}
	t := b.Tool.Ledger.Table()
	return t.Table == n.Table && (t.Schema == "" || t.Schema == n.Schema) || migration.IsCompanion(n)
}

func (b *Build) jobs() int { return max(b.Options.Jobs, 1) }

func (b *Build) progress(stage string, rows, bytes, total int64) {
	if b.Progress != nil {
		b.Progress(stage, rows, bytes, total)
	}
}

func (b *Build) output() io.Writer {
	if b.Output == nil {
		return io.Discard
	}
	return b.Output
}

// next opens the database that is being built.
func (b *Build) next(ctx context.Context) (engine.DB, error) {
	if b.db != nil {
		return b.db, nil
	}
	if b.Strategy == InPlace {
		// A run that failed has given the old database its name back. It must not be taken for the new one.
		if _, err := b.Server.Stat(ctx, b.Aside); err != nil {
			return nil, fmt.Errorf("database %s is the old one still, since none is set aside as %s: %w", b.Next, b.Aside, err)
		}
	}
	db, err := b.Server.Open(ctx, b.Next)
	if err != nil {
		return nil, fmt.Errorf("open the new database %s: %w", b.Next, err)
	}
	b.db = db
	return db, nil
}

func (b *Build) closeNext() error {
	if b.db == nil {
		return nil
	}
	err := b.db.Close()
	b.db = nil
	return err
}

// migrations lists the files once.
func (b *Build) migrations(ctx context.Context) ([]migration.Migration, error) {
	if b.files == nil {
		files, err := b.Tool.Source.Migrations(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the migrations of %s: %w", b.Tool.Name, err)
		}
		b.files = files
	}
	return b.files, nil
}

// records reads the new database's ledger; one that is not there has none.
func (b *Build) records(ctx context.Context) ([]migration.Record, error) {
	db, err := b.next(ctx)
	if err != nil {
		return nil, err
	}
	records, err := b.Tool.Ledger.Records(ctx, db, b.files)
	if err != nil && !errors.Is(err, migration.ErrNoLedger) {
		return nil, fmt.Errorf("read ledger %s of %s: %w", b.Tool.Ledger.Table(), b.Next, err)
	}
	return records, nil
}

// cleanup gives a context for what must happen although the run was cancelled.
func cleanup(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
}
