package rebuild

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mulligan/backup"
	"mulligan/doctor"
	"mulligan/engine"
	"mulligan/journal"
	"mulligan/migration"
	"mulligan/restore"
	"mulligan/schema"
	"mulligan/snapshot"
)

// The errors that callers branch on.
var (
	ErrStrategy = errors.New("the strategy cannot be taken here")
	ErrNoRows   = errors.New("the snapshot carries nothing but a ledger")
	ErrUndone   = errors.New("the run was undone: begin a new one")
	ErrGone     = errors.New("the old database is gone")
	ErrUndoing  = errors.New("an undo of the run was begun: nothing but an undo goes on from there")
)

// Plan is what a run would do. Making one changes nothing.
type Plan struct {
	Command    string             `json:"command"`
	Target     string             `json:"target"`
	Engine     engine.Family      `json:"engine"`
	Version    string             `json:"server_version"`
	Database   string             `json:"database"`
	Sessions   int                `json:"sessions"`
	Strategy   restore.Strategy   `json:"strategy"`
	Next       string             `json:"next"`
	Aside      string             `json:"aside"`
	Tool       string             `json:"tool"`
	Bootstrap  bool               `json:"bootstrap"`
	Ledger     string             `json:"ledger"`
	Records    int                `json:"records"`
	Recorded   migration.ID       `json:"recorded"`           // position that the ledger tells
	Examined   *Examination       `json:"examined,omitempty"` // what the doctor found; nil = it was not asked
	Migrations []migration.Status `json:"migrations"`
	Carried    []PlannedTable     `json:"carried"`
	Pulled     []schema.Name      `json:"pulled,omitempty"` // carried only because a carried table needs them
	Left       []PlannedTable     `json:"left_behind"`      // made empty by the migrations, if they make them
	KeepOld    Keep               `json:"keep_old,omitempty"`
	Frees      []Kept             `json:"frees,omitempty"`    // set aside by earlier runs, and dropped when this one is proved
	Unkept     []engine.Unkept    `json:"left_out,omitempty"` // what belongs to the database besides tables, and the new one cannot be given
	Warnings   []string           `json:"warnings,omitempty"`
}

// PlannedTable is one table of a plan.
type PlannedTable struct {
	Name schema.Name `json:"table"`
	Rows int64       `json:"rows"` // the server's estimate; -1 = unknown
	Rule string      `json:"rule,omitempty"`
}

// RowsCarried is the server's estimate of all rows that the run takes along; -1 = unknown.
func (p *Plan) RowsCarried() (n int64) {
	for _, t := range p.Carried {
		if t.Rows < 0 {
			return -1
		}
		n += t.Rows
	}
	return n
}

// Pending lists the migrations on disk that the ledger does not call applied.
func (p *Plan) Pending() []migration.Status {
	var list []migration.Status
	for _, s := range p.Migrations {
		if s.Verdict == migration.VerdictPending || s.Verdict == migration.VerdictDirty {
			list = append(list, s)
		}
	}
	return list
}

// MakePlan looks at everything that a run needs, and changes nothing.
// Errors: whatever would stop the run later and can be known now.
func (r *Run) MakePlan(ctx context.Context) (*Plan, error) {
	h, traits := r.Header, r.Server.Traits()
	p := &Plan{
		Command: h.Command, Target: h.Target, Engine: traits.Family, Version: traits.Version, Database: h.Database,
		Strategy: h.Strategy, Next: h.Next, Aside: h.Aside, Tool: r.Tool.Name, Bootstrap: r.Tool.Bootstrap != nil,
		Ledger: r.Tool.Ledger.Table().String(),
	}
	if _, ok := r.Server.(engine.Renamer); !ok {
		return nil, fmt.Errorf("strategy %s on %s: %w: databases cannot be renamed", h.Strategy, traits.Family, ErrStrategy)
	}
	if err := r.planKept(ctx, p); err != nil {
		return nil, err
	}
	files, err := r.Tool.Source.Migrations(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the migrations of %s: %w", r.Tool.Name, err)
	}
	if at := h.Options.At; at != "" && migration.Index(files, at) < 0 {
		return nil, fmt.Errorf("position %s: no such migration on disk; the last is %s", at, files[len(files)-1].ID)
	}
	p.Migrations = migration.Compare(files, nil)
	if h.Command == CommandRestore {
		err = r.planRestore(ctx, p, files)
	} else {
		err = r.planDatabase(ctx, p, files)
	}
	if err == nil && h.Replace {
		err = engine.CheckMove(ctx, r.Server, h.Database, "") // both strategies set it aside
	}
	return p, err
}

func (r *Run) planDatabase(ctx context.Context, p *Plan, files []migration.Migration) error {
	info, err := r.Server.Stat(ctx, p.Database)
	if err != nil {
		return err
	}
	p.Sessions = info.Sessions
	db, err := r.Server.Open(ctx, p.Database)
	if err != nil {
		return err
	}
	defer db.Close()
	s, err := db.Inspect(ctx)
	if err != nil {
		return fmt.Errorf("inspect database %s: %w", p.Database, err)
	}
	sel, err := backup.Select(s, r.Header.Rules)
	if err != nil {
		return err
	}
	found, err := migration.FindLedger(sel.Ledgers, r.Tool.Name, r.Tool.Ledger.Table(), r.LedgerGiven)
	if err != nil {
		return fmt.Errorf("database %s: %w", p.Database, err)
	}
	var records []migration.Record
	if found != nil {
		p.Ledger = found.Table.String()
		if records, err = r.Tool.Ledger.Records(ctx, db, files); err != nil && !errors.Is(err, migration.ErrNoLedger) {
			return fmt.Errorf("read ledger %s: %w", found.Table, err)
		}
	} else {
		p.Warnings = append(p.Warnings, "there is no ledger: the position is found from the schema alone")
	}
	p.Records, p.Recorded, p.Migrations = len(records), migration.Position(files, records), migration.Compare(files, records)
	p.tables(s, sel)
	keepsakes, err := doctor.Keepsakes(ctx, db)
	if err != nil {
		return err
	}
	return r.leave(ctx, p, keepsakes)
}

func (p *Plan) tables(s *schema.Schema, sel *backup.Selection) {
	p.Pulled = sel.Pulled
	for _, t := range sel.Tables {
		if t.Name.String() != p.Ledger {
			p.Carried = append(p.Carried, PlannedTable{Name: t.Name, Rows: t.Rows})
		}
	}
	for _, e := range sel.Excluded {
		rows := int64(-1)
		if t := s.Table(e.Name); t != nil {
			rows = t.Rows
		}
		p.Left = append(p.Left, PlannedTable{Name: e.Name, Rows: rows, Rule: e.Rule})
	}
}

func (r *Run) planRestore(ctx context.Context, p *Plan, files []migration.Migration) error {
	reader, err := snapshot.Open(ctx, r.Store, r.Header.Source, r.Header.Snapshot)
	if err != nil {
		return err
	}
	m := reader.Manifest()
	if m.Engine != string(p.Engine) {
		return fmt.Errorf("snapshot %s is of %s, the server is %s: restore it into a server of its own kind: %w",
			m.ID, engine.Family(m.Engine), p.Engine, errors.ErrUnsupported)
	}
	var records []migration.Record
	if m.Ledger != nil {
		for _, rec := range m.Ledger.Records {
			records = append(records, migration.Record{ID: migration.ID(rec.ID), State: migration.State(rec.State)})
		}
	}
	p.Records, p.Recorded, p.Migrations = len(records), migration.Position(files, records), migration.Compare(files, records)
	for _, t := range m.Tables {
		if m.Ledger == nil || t.Name != m.Ledger.Table {
			p.Carried = append(p.Carried, PlannedTable{Name: t.Name, Rows: t.Rows})
		}
	}
	if len(p.Carried) == 0 && len(m.Excluded) > 0 {
		return fmt.Errorf("snapshot %s: %w", m.ID, ErrNoRows)
	}
	for _, e := range m.Excluded {
		p.Left = append(p.Left, PlannedTable{Name: e.Name, Rows: -1, Rule: e.Rule})
	}
	if err := r.leave(ctx, p, m.Keepsakes); err != nil {
		return err
	}
	if !r.Header.Replace {
		return nil
	}
	info, err := r.Server.Stat(ctx, p.Database)
	if err == nil {
		p.Sessions = info.Sessions
	}
	return err
}

// Examination is what the doctor found, as far as it matters to a run.
type Examination struct {
	Position migration.ID        `json:"position"` // where the rows belong
	Match    doctor.Match        `json:"match"`
	Findings []doctor.Finding    `json:"findings"`
	Lost     []doctor.Difference `json:"lost"`            // what no migration makes, and the new database will lack
	Kept     []doctor.Difference `json:"kept,omitempty"`  // what no migration makes, and the new database gets all the same
	First    []string            `json:"first,omitempty"` // what the migrations need and none of them makes: extensions, by kind and name
}

// Examine asks the doctor where the rows belong, and what the migrations do not make. It changes nothing but for a
// scratch database that comes and goes. Where the user has named the position there is nothing to ask.
func (r *Run) Examine(ctx context.Context, p *Plan) error {
	if r.Header.Options.At != "" || r.Header.Options.Newest {
		return nil
	}
	c, err := r.asCase(ctx)
	if err != nil {
		return err
	}
	d, err := doctor.Examine(ctx, c, &doctor.Options{Output: r.Output, Progress: r.Replayed})
	if errors.Is(err, doctor.ErrOutside) && r.Header.Strategy == restore.InPlace {
		p.Warnings = append(p.Warnings, "migrations name their own database, so they cannot be replayed beside it: the position is the ledger's")
		return nil
	}
	if err != nil {
		return err
	}
	x := &Examination{Position: d.Effective, Match: d.Match, Findings: d.Findings, Lost: []doctor.Difference{}}
	if err := r.sort(ctx, x, c, d); err != nil {
		return err
	}
	if d.Match == doctor.Unknown {
		if !errors.Is(d.Replay, errors.ErrUnsupported) {
			return d.Replay // it would fail again when the new database is built
		}
		x.Position = p.Recorded // nothing better is known; whether the rows fit there is seen when they are to be loaded
	}
	if err := x.half(d, c.Files); err != nil {
		return err
	}
	p.Examined = x
	return nil
}

// half moves the position on to a half-applied migration, where the tables have columns of it: the rows that fill them
// have no place before it. It never moves it back: what comes after would run a second time on the rows.
func (x *Examination) half(d *doctor.Diagnosis, files []migration.Migration) error {
	for _, e := range d.Migrations {
		beyond := migration.Index(files, e.ID) > migration.Index(files, x.Position)
		if e.Verdict != doctor.HalfApplied || !beyond || !slices.ContainsFunc(e.There, isPlace) {
			continue
		}
		if len(e.Data) > 0 {
			return fmt.Errorf("migration %s is applied in part, and changes rows: %w: whether it changed them cannot be told; mend it by hand (`mulligan doctor` shows what is there), or name the position with --at",
				e.ID, restore.ErrMisfit)
		}
		x.Position = e.ID
	}
	return nil
}

// isPlace tells the objects that rows live in, by their keys.
func isPlace(key string) bool {
	return strings.HasPrefix(key, "column ") || strings.HasPrefix(key, "table ")
}

// asCase is what the doctor is asked about: the database that is to be rebuilt, or the one that a snapshot was taken of.
func (r *Run) asCase(ctx context.Context) (*doctor.Case, error) {
	files, err := r.Tool.Source.Migrations(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the migrations of %s: %w", r.Tool.Name, err)
	}
	src := doctor.Source{Server: r.Server, URL: r.URL.WithDatabase(r.Header.Database), Tool: r.Tool}
	c := &doctor.Case{Tool: r.Tool, Files: files, Database: r.Header.Database}
	if r.Header.Command == CommandRebuild {
		return c, r.liveCase(ctx, c, &src)
	}
	reader, err := snapshot.Open(ctx, r.Store, r.Header.Source, r.Header.Snapshot)
	if err != nil {
		return nil, err
	}
	m := reader.Manifest()
	like := engine.Info(m.Database)
	c.Live, c.Keepsakes, c.Version, c.Place = restore.Schema(m), m.Keepsakes, m.ServerVersion, src.Place(&like)
	if m.Ledger != nil {
		c.Records = restore.Records(m.Ledger.Records)
	}
	return c, nil
}

func (r *Run) liveCase(ctx context.Context, c *doctor.Case, src *doctor.Source) (err error) {
	info, err := r.Server.Stat(ctx, c.Database)
	if err != nil {
		return err
	}
	db, err := r.Server.Open(ctx, c.Database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if c.Live, err = db.Inspect(ctx); err != nil {
		return fmt.Errorf("inspect database %s: %w", c.Database, err)
	}
	if c.Keepsakes, err = doctor.Keepsakes(ctx, db); err != nil {
		return err
	}
	c.Records, err = r.Tool.Ledger.Records(ctx, db, c.Files)
	if err != nil && !errors.Is(err, migration.ErrNoLedger) {
		return fmt.Errorf("read ledger %s: %w", r.Tool.Ledger.Table(), err)
	}
	c.Version, c.Place = r.Server.Traits().Version, src.Place(info)
	return nil
}

// preflight makes the plan, asks the doctor, and proves what neither can know: that a database like the old one may be
// made, and the old one set aside.
func (r *Run) preflight(ctx context.Context) error {
	plan, err := r.MakePlan(ctx)
	if err != nil {
		return err
	}
	if err := r.tryCreate(ctx); err != nil {
		return err
	}
	if err := r.Examine(ctx, plan); err != nil {
		return err
	}
	if err := r.accepts(plan); err != nil {
		return err
	}
	r.usePlan(plan)
	return r.journal.Append(journal.KindNote, planNote, plan) // says that the preflight came to its end
}

// usePlan tells the build where the rows belong.
func (r *Run) usePlan(p *Plan) {
	r.plan = p
	if p.Examined != nil {
		r.build.Position, r.build.First = &p.Examined.Position, p.Examined.First
	}
}

// takePlan takes up the plan that the journal holds.
func (r *Run) takePlan() error {
	for _, e := range slices.Backward(r.journal.Entries()) {
		if e.Kind == journal.KindNote && e.Stage == refreshNote {
			break // what was planned before is not so any more
		}
		if e.Kind != journal.KindNote || e.Stage != planNote {
			continue
		}
		p := &Plan{}
		if err := json.Unmarshal(e.Data, p); err != nil {
			return fmt.Errorf("take up the plan: %w", err)
		}
		r.usePlan(p)
		return nil
	}
	return errors.New("the preflight did not come to its end")
}

// accepts refuses a run that would lose what no migration makes, unless the user has accepted that.
func (r *Run) accepts(p *Plan) error {
	if p.Examined == nil || len(p.Examined.Lost) == 0 || r.Header.Options.AcceptDrift {
		return nil
	}
	const most = 12
	var lines []string
	for i, diff := range p.Examined.Lost {
		if i == most {
			lines = append(lines, fmt.Sprintf("and %d more", len(p.Examined.Lost)-most))
			break
		}
		lines = append(lines, diff.Text)
	}
	return fmt.Errorf("%w, and it would not be carried over:\n  %s", restore.ErrDrift, strings.Join(lines, "\n  "))
}

// tryCreate makes a database like the old one, tries in it what setting the old one aside takes, and drops it.
func (r *Run) tryCreate(ctx context.Context) error {
	var like *engine.Info
	var err error
	if r.Header.Replace {
		if like, err = r.Server.Stat(ctx, r.Header.Database); err != nil {
			return err
		}
	}
	// A preflight that was killed may have left its probe.
	probe, err := engine.AdoptScratch(r.Server, r.probe())
	if err == nil {
		err = probe.Drop(ctx)
	}
	if err != nil {
		return err
	}
	err = r.Server.Create(ctx, probe.Name(), like)
	if err != nil {
		err = fmt.Errorf("make a database beside %s: %w", r.Header.Database, err)
	} else if r.Header.Replace {
		err = engine.CheckMove(ctx, r.Server, r.Header.Database, probe.Name())
	}
	return errors.Join(err, probe.Drop(context.WithoutCancel(ctx)))
}

// probe names the database that the preflight makes for a moment.
func (r *Run) probe() string {
	return engine.ScratchName(r.Header.Database, "p"+r.Header.Run.Run(), r.Server.Traits().NameLimit)
}

// binding is what a run is tied to: a resume on anything else is refused.
type binding struct {
	Server     string           `json:"server"`
	Database   string           `json:"database"`
	Strategy   restore.Strategy `json:"strategy"`
	Tool       string           `json:"tool"`
	Migrations int              `json:"migrations"`
	Files      string           `json:"files"`              // hash over all ids and file hashes, in order
	Position   migration.ID     `json:"position,omitempty"` // where the doctor says that the rows belong
	Recorded   migration.ID     `json:"recorded,omitempty"` // where the ledger says
	Match      doctor.Match     `json:"match,omitempty"`    // what the doctor says of the schema; empty = it was not asked
	Problems   int              `json:"problems,omitempty"` // that it found
}

func (r *Run) checkBinding(ctx context.Context) (any, error) {
	if err := r.takePlan(); err != nil {
		return nil, err
	}
	files, err := r.Tool.Source.Migrations(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the migrations of %s: %w", r.Tool.Name, err)
	}
	h := sha256.New()
	for _, m := range files {
		fmt.Fprintf(h, "%q %s\n", m.ID, m.Hash)
	}
	if identity := r.Server.Traits().Identity; identity != r.Header.Server {
		return nil, fmt.Errorf("the run began on server %s, this is server %s", r.Header.Server, identity)
	}
	b := binding{
		Server: r.Header.Server, Database: r.Header.Database, Strategy: r.Header.Strategy, Tool: r.Tool.Name,
		Migrations: len(files), Files: hex.EncodeToString(h.Sum(nil)), Recorded: r.plan.Recorded,
	}
	if x := r.plan.Examined; x != nil {
		b.Position, b.Match = x.Position, x.Match
		for _, f := range x.Findings {
			if f.Severity == doctor.Problem {
				b.Problems++
			}
		}
	}
	return b, nil
}
