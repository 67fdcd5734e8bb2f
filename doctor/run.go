package doctor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// Source is a database to examine.
type Source struct {
	Server      engine.Server
	URL         engine.URL // of the database
	Target      string     // its name in the configuration
	Tool        *migration.Tool
	LedgerGiven bool                    // the configuration names the ledger's table, so that other ledgers are the application's business
	Known       map[migration.ID]string // see [Case.Known]
	Shadow      engine.Server           // where the replay goes; nil = the same server
	ShadowURL   engine.URL              // of that server
}

// Run examines a database, and changes nothing in it. Errors: those of [Examine]; [ErrMoved]; [migration.ErrAmbiguous],
// [migration.ErrForeign], [migration.ErrNone]; those of the engine.
func Run(ctx context.Context, src Source, o *Options) (_ *Diagnosis, err error) {
	db, err := src.Server.Open(ctx, src.URL.Database())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	c, err := src.read(ctx, db)
	if err != nil {
		return nil, err
	}
	d, err := Examine(ctx, c, o)
	if err != nil {
		return nil, err
	}
	d.Target = src.Target
	if src.Tool.Notes != nil {
		d.Warnings = append(d.Warnings, src.Tool.Notes()...)
	}
	if err := src.same(ctx, db, c); err != nil {
		return nil, err
	}
	return d, src.holder(ctx, db, d)
}

// read looks at files, ledger and schema.
func (src *Source) read(ctx context.Context, db engine.DB) (*Case, error) {
	name := src.URL.Database()
	files, err := src.Tool.Source.Migrations(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the migrations of %s: %w", src.Tool.Name, err)
	}
	info, err := src.Server.Stat(ctx, name)
	if err != nil {
		return nil, err
	}
	live, err := db.Inspect(ctx)
	if err != nil {
		return nil, fmt.Errorf("inspect database %s: %w", name, err)
	}
	if err := src.ledger(live); err != nil {
		return nil, fmt.Errorf("database %s: %w", name, err)
	}
	records, err := src.records(ctx, db, files)
	if err != nil {
		return nil, err
	}
	kept, err := Keepsakes(ctx, db)
	if err != nil {
		return nil, err
	}
	return &Case{
		Tool: src.Tool, Files: files, Records: records, Live: live, Keepsakes: kept, Database: name,
		Version: src.Server.Traits().Version, Known: src.Known, Place: src.Place(info),
	}, nil
}

// Keepsakes lists what a database has besides schema and rows; nil = its engine has no such things.
func Keepsakes(ctx context.Context, db engine.DB) ([]schema.Keepsake, error) {
	keeper, ok := db.(engine.Keeper)
	if !ok {
		return nil, nil
	}
	return keeper.Keepsakes(ctx)
}

// ledger makes sure that the tool's ledger is what it seems, and the only one.
func (src *Source) ledger(live *schema.Schema) error {
	want := src.Tool.Ledger.Table()
	if err := migration.CheckColumns(live.Tables, src.Tool.Name, want); err != nil {
		return err
	}
	_, err := migration.FindLedger(migration.Detect(live.Tables), src.Tool.Name, want, src.LedgerGiven)
	return err
}

// records reads the ledger; one that is not there has none.
func (src *Source) records(ctx context.Context, q engine.Querier, files []migration.Migration) ([]migration.Record, error) {
	records, err := src.Tool.Ledger.Records(ctx, q, files)
	if err != nil && !errors.Is(err, migration.ErrNoLedger) {
		return nil, fmt.Errorf("read ledger %s: %w", src.Tool.Ledger.Table(), err)
	}
	return records, nil
}

// Place says where the shadow of a database goes. Its name is the same in every run, so that what a killed one leaves
// is found and swept by the next.
func (src *Source) Place(like *engine.Info) Place {
	name := src.URL.Database()
	sum := sha256.Sum256([]byte(src.Server.Traits().Identity + "\x00" + name))
	p := Place{Server: src.Shadow, URL: src.ShadowURL, Like: like}
	// Whatever its url says, the same server is the live database's own; and an SQLite script reaches any file.
	p.Own = p.Server == nil || p.Server.Traits().Identity == src.Server.Traits().Identity || p.Server.Traits().Family == engine.SQLite
	if p.Server == nil {
		p.Server, p.URL = src.Server, src.URL
	} else {
		p.Like = &engine.Info{Properties: like.Properties} // its owner and the roles of its grants may not exist there
		if p.Server.Traits().Family == engine.SQLite {
			name = filepath.Join(filepath.Dir(src.ShadowURL.Database()), filepath.Base(name))
		}
	}
	p.Name = engine.ScratchName(name, "d"+hex.EncodeToString(sum[:3]), p.Server.Traits().NameLimit)
	return p
}

// same proves that nothing moved while the replay was going on, and so that the replay did not touch the database.
func (src *Source) same(ctx context.Context, db engine.DB, c *Case) error {
	now, err := db.Inspect(ctx)
	if err != nil {
		return fmt.Errorf("inspect database %s again: %w", c.Database, err)
	}
	if changes := schema.Diff(c.Live.Objects, now.Objects); len(changes) > 0 {
		return fmt.Errorf("database %s: %w: %s", c.Database, ErrMoved, changes[0])
	}
	records, err := src.records(ctx, db, c.Files)
	if err != nil {
		return err
	}
	if !migration.SameRecords(c.Records, records) {
		return fmt.Errorf("ledger %s: %w: a migration ran", src.Tool.Ledger.Table(), ErrMoved)
	}
	return nil
}

// holder adds who holds the tool's lock now, and what the tool's own settings make dangerous.
func (src *Source) holder(ctx context.Context, q engine.Querier, d *Diagnosis) error {
	if src.Tool.Lock == nil {
		return nil
	}
	who, err := src.Tool.Lock.Holder(ctx, q)
	if err != nil || who == "" {
		return err
	}
	d.Findings = append(d.Findings, Finding{
		Kind: KindLock, Severity: Problem, Message: "a run of " + src.Tool.Name + " holds the tool's lock: " + who,
		Fix: "wait until it has ended, then look again",
	})
	d.Judge()
	return nil
}
