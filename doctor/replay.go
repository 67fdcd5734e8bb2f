package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// cleanupTime is how long the shadow's removal may take after the examination itself was ended.
const cleanupTime = 2 * time.Minute

// ErrTimeout tells that a migration did not end in the time that it was given.
var ErrTimeout = errors.New("the migration did not end in time")

// state is a schema as objects by key, without ledgers, owners and grants.
type state map[string]schema.Object

// delta is what one unit changes.
type delta struct {
	unit    int // index into the units
	changes []schema.Change
}

// shadow replays migrations in a scratch database.
type shadow struct {
	c       *Case
	options Options
	report  Shadow

	scratch *engine.Scratch
	db      engine.DB
	booted  []migration.Record // what the bootstrap recorded
	access  []schema.Object    // owners and grants as last inspected
	first   []schema.Keepsake  // what the migrations need and do not make
	played  int                // migrations that were applied in all replays, for progress
}

// open makes the shadow anew and runs the bootstrap.
func (s *shadow) open(ctx context.Context) error {
	if err := s.close(ctx); err != nil {
		return err
	}
	if err := s.make(ctx); err != nil {
		return err
	}
	db, err := s.c.Place.Server.Open(ctx, s.scratch.Name())
	if err != nil {
		return fmt.Errorf("open the scratch database %s: %w", s.scratch.Name(), err)
	}
	s.db = db
	s.report.Replays++
	s.booted = nil
	if err := s.furnish(ctx); err != nil {
		return err
	}
	if s.c.Tool.Bootstrap == nil {
		return nil
	}
	err = s.timed(ctx, func(ctx context.Context, _ func()) error {
		return s.c.Tool.Bootstrap.Run(ctx, s.target(), "", s.options.output())
	})
	if err == nil {
		err = s.bootstrapped(ctx)
	}
	if err != nil {
		return &bootstrapError{err}
	}
	s.booted, err = s.c.Tool.Ledger.Records(ctx, s.db, s.c.Files)
	if err != nil && !errors.Is(err, migration.ErrNoLedger) {
		return fmt.Errorf("read the ledger that the bootstrap left: %w", err)
	}
	return nil
}

// bootstrapped makes sure that the bootstrap worked here: a command that ignores its url leaves the shadow empty.
func (s *shadow) bootstrapped(ctx context.Context) error {
	found, err := s.db.Inspect(ctx)
	if err == nil && len(found.Tables) == 0 {
		err = errors.New("it ended well, but the scratch database is still empty; does it read its url from the environment (DATABASE_URL)?")
	}
	return err
}

// bootstrapError is a bootstrap that failed.
type bootstrapError struct{ err error }

func (e *bootstrapError) Error() string { return "bootstrap: " + e.err.Error() }
func (e *bootstrapError) Unwrap() error { return e.err }

// make creates the scratch, and sweeps away one that a killed run has left.
func (s *shadow) make(ctx context.Context) error {
	p := s.c.Place
	left, err := engine.AdoptScratch(p.Server, p.Name)
	if err != nil {
		return err
	}
	if _, err := p.Server.Stat(ctx, p.Name); err == nil {
		if err := left.Drop(ctx); err != nil {
			return fmt.Errorf("sweep what a killed run has left: %w", err)
		}
		s.report.Swept = true
	}
	s.scratch, err = engine.NewScratch(ctx, p.Server, p.Name, p.Like)
	if err != nil {
		return fmt.Errorf("make the scratch database %s on %s: %w: %w", p.Name, p.URL, ErrShadow, err)
	}
	return nil
}

// close drops the shadow, also when ctx has ended.
func (s *shadow) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	var errs []error
	if s.db != nil {
		errs = append(errs, s.db.Close())
		s.db = nil
	}
	if s.scratch != nil {
		errs = append(errs, s.scratch.Drop(ctx))
		s.scratch = nil
	}
	return errors.Join(errs...)
}

func (s *shadow) target() migration.Target {
	return migration.Target{URL: s.c.Place.URL.WithDatabase(s.scratch.Name()), DB: s.db}
}

// play applies migrations in order, and calls after for each that was applied. A migration that takes longer
// than it may ends it with [ErrTimeout].
func (s *shadow) play(ctx context.Context, list []migration.Migration, after func(migration.Step) error) error {
	if len(list) == 0 {
		return nil
	}
	var at migration.ID
	var mine error // what went wrong here, and not in a migration
	err := s.timed(ctx, func(ctx context.Context, again func()) error {
		at = list[0].ID
		return migration.Steps(ctx, s.c.Tool, s.target(), list, s.options.output(), func(step migration.Step) (bool, error) {
			s.tell(step.ID)
			if mine = after(step); mine != nil {
				return false, mine
			}
			again()
			if i := migration.Index(list, step.ID); i+1 < len(list) {
				at = list[i+1].ID
			}
			return true, nil
		})
	})
	if errors.Is(err, ErrTimeout) {
		return &migration.RunError{ID: at, Path: pathOf(list, at), Err: err}
	}
	if mine != nil {
		return &ownError{mine}
	}
	return err
}

// ownError is a fault of the examination, not of a migration.
type ownError struct{ err error }

func (e *ownError) Error() string { return e.err.Error() }
func (e *ownError) Unwrap() error { return e.err }

func pathOf(list []migration.Migration, id migration.ID) string {
	if i := migration.Index(list, id); i >= 0 {
		return list[i].Path
	}
	return ""
}

// jump applies the first n migrations, which are known to be there, in the cheapest way that the runner has.
func (s *shadow) jump(ctx context.Context, n int) (done bool, err error) {
	if _, ok := s.c.Tool.Runner.(migration.Stepper); ok || n < 2 {
		return false, nil
	}
	to := s.c.Files[n-1].ID
	if n == len(s.c.Files) {
		to = "" // all, which every runner can do
	}
	err = s.timed(ctx, func(ctx context.Context, _ func()) error {
		return s.c.Tool.Runner.Run(ctx, s.target(), to, s.options.output())
	})
	if errors.Is(err, errors.ErrUnsupported) {
		return false, nil
	}
	for _, m := range s.c.Files[:n] {
		s.tell(m.ID)
	}
	if err == nil {
		err = s.holds(ctx, n)
	}
	return true, err
}

// holds proves that the shadow's ledger names the first n migrations: what a runner says is not believed.
func (s *shadow) holds(ctx context.Context, n int) error {
	records, err := s.c.Tool.Ledger.Records(ctx, s.db, s.c.Files)
	if err != nil && !errors.Is(err, migration.ErrNoLedger) {
		return fmt.Errorf("read the scratch database's ledger: %w", err)
	}
	for _, status := range migration.Compare(s.c.Files, records)[:n] {
		if status.Verdict != migration.VerdictApplied {
			return fmt.Errorf("%w: %s ended well and did not record migration %s in %s of the scratch database: does it work in another one?",
				migration.ErrUnmoved, s.c.Tool.Name, status.Migration.ID, s.c.Tool.Ledger.Table())
		}
	}
	return nil
}

// timed runs do with a limit of time that begins anew with each call of again.
func (s *shadow) timed(ctx context.Context, do func(ctx context.Context, again func()) error) error {
	limit := s.options.StepTimeout
	if limit <= 0 {
		return do(ctx, func() {})
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(limit, func() { cancel(ErrTimeout) })
	defer timer.Stop()
	err := do(ctx, func() { timer.Reset(limit) })
	if err != nil && errors.Is(context.Cause(ctx), ErrTimeout) {
		return fmt.Errorf("%w (%s)", ErrTimeout, limit)
	}
	return err
}

func (s *shadow) tell(id migration.ID) {
	s.played++
	if s.options.Progress != nil {
		s.options.Progress(id, s.played)
	}
}

// inspect reads the shadow's schema.
func (s *shadow) inspect(ctx context.Context) (state, error) {
	found, err := s.db.Inspect(ctx)
	if err != nil {
		return nil, fmt.Errorf("inspect the scratch database %s: %w", s.scratch.Name(), err)
	}
	st, access := s.c.split(found)
	s.access = access
	return st, nil
}

// records reads the shadow's ledger.
func (s *shadow) isBooted(id migration.ID) bool {
	return slices.ContainsFunc(s.booted, func(r migration.Record) bool { return r.ID == id && r.State == migration.Applied })
}

// split takes ledgers out of a schema, and puts owners and grants apart.
func (c *Case) split(s *schema.Schema) (st state, access []schema.Object) {
	st = make(state, len(s.Objects))
	for _, o := range s.Without(c.isLedger).Objects {
		switch o.Kind {
		case "owner", "grant", "default grant":
			access = append(access, o)
		default:
			st[o.Key()] = o
		}
	}
	return st, access
}

func (c *Case) isLedger(n schema.Name) bool {
	return migration.SameTable(c.Tool.Ledger.Table(), n) || migration.IsCompanion(n)
}

// objects lists a state.
func (st state) objects() []schema.Object {
	list := make([]schema.Object, 0, len(st))
	for _, o := range st {
		list = append(list, o)
	}
	return list
}

// apply puts a change into a state.
func (st state) apply(c schema.Change) {
	o := schema.Object{Kind: c.Kind, Name: c.Name, Def: c.New}
	if c.New == "" {
		delete(st, o.Key())
		return
	}
	st[o.Key()] = o
}

func (o Options) output() io.Writer {
	if o.Output == nil {
		return io.Discard
	}
	return o.Output
}
