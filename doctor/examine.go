package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"mulligan/engine"
	"mulligan/internal/lock"
	"mulligan/migration"
	"mulligan/schema"
)

// Case is what a doctor is asked about: a schema and the records of a ledger, from wherever they come.
type Case struct {
	Tool      *migration.Tool
	Files     []migration.Migration
	Records   []migration.Record
	Live      *schema.Schema          // with its ledgers
	Database  string                  // the live database's name
	Version   string                  // of its server
	Keepsakes []schema.Keepsake       // what the database has besides; nil = not known
	Known     map[migration.ID]string // hashes of files as an earlier snapshot saw them when they were recorded already; nil = none
	Place     Place
}

// Place is where shadows are made.
type Place struct {
	Server engine.Server
	URL    engine.URL   // for child processes; the database in it is not used
	Name   string       // of the scratch database: [engine.ScratchName] made it
	Like   *engine.Info // what it must be like; nil = the server's defaults
	Own    bool         // it is the live database's own server, so a migration that names that database would reach it
}

// Options are what an examination may be told; nil or zero fields are defaults.
type Options struct {
	StepTimeout time.Duration                     // for each migration and the bootstrap; 0 = no limit
	Output      io.Writer                         // what migration tools print; nil = nowhere
	Progress    func(id migration.ID, played int) // a migration was replayed; played of them in all
}

// Examine judges a case. What is wrong with migrations, ledger or schema is in the diagnosis and no error; errors are
// what keeps it from being made: [ErrShadow], [ErrOutside], those of the engine. The scratch database is gone when it returns.
func Examine(ctx context.Context, c *Case, o *Options) (_ *Diagnosis, err error) {
	x := &examiner{c: c, shadow: &shadow{c: c}}
	if o != nil {
		x.shadow.options = *o
	}
	if err := c.outside(); err != nil {
		return nil, err
	}
	held, err := engine.Hold(ctx, c.Place.Server, c.Place.Name, lock.This("doctor", ""))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, held.Unlock()) }()
	begin := time.Now()
	defer func() { err = errors.Join(err, x.shadow.close(ctx)) }()
	if err := x.replay(ctx); err != nil {
		return nil, err
	}
	d := x.diagnose()
	d.Time, d.Shadow = begin.UTC(), x.shadow.report
	d.Shadow.Version, d.Shadow.Database, d.Shadow.Seconds = c.Place.Server.Traits().Version, c.Place.Name, time.Since(begin).Seconds()
	return d, nil
}

// outside refuses migrations whose replay would change the live database.
func (c *Case) outside() error {
	if !c.Place.Own {
		return nil
	}
	var found []string
	for _, m := range c.Files {
		if m.Path == "" {
			continue
		}
		lines, err := c.namesDatabase(m)
		if err != nil {
			return err
		}
		if len(lines) > 0 {
			found = append(found, fmt.Sprintf("%s, line %d", m.Path, lines[0]))
		}
	}
	if len(found) == 0 {
		return nil
	}
	const most = 5
	if len(found) > most {
		found = append(found[:most], fmt.Sprintf("and %d more", len(found)-most))
	}
	return fmt.Errorf("%w: these reach for database %s or for the whole server:\n  %s", ErrOutside, c.Database, strings.Join(found, "\n  "))
}

// namesDatabase finds where a migration reaches outside. Code is searched for the name in quotes only.
func (c *Case) namesDatabase(m migration.Migration) ([]int, error) {
	family := c.Place.Server.Traits().Family
	if c.Tool.Script != nil {
		script, err := c.Tool.Script(m)
		if err != nil {
			return nil, nil // it cannot be run either; the replay says why
		}
		var lines []int
		for _, part := range script.Parts {
			for _, line := range migration.NamesDatabase(family, part.Text, c.Database) {
				lines = append(lines, line+part.Line-1)
			}
		}
		return lines, nil
	}
	if family != engine.MySQL && family != engine.MariaDB {
		return nil, nil
	}
	file, err := migration.ReadFile(m.Path)
	if err != nil {
		return nil, err
	}
	for i, line := range strings.Split(file.Text, "\n") {
		if strings.Contains(line, family.Ident(c.Database)+".") {
			return []int{i + 1}, nil
		}
	}
	return nil, nil
}

// examiner works on one case.
type examiner struct {
	c      *Case
	shadow *shadow

	units     []unit
	evidence  *evidence
	heard     []testimony // by index into units; those that were not inspected are empty
	seen      []bool      // by index into units: it was inspected
	played    []bool      // by index into the files
	sent      [][]migration.Statement
	fault     *ReplayFault
	in        []bool // the migrations that the schema is taken to have
	target    state  // the schema that they make
	proven    bool   // target was replayed, and is no mere composition
	furnished bool   // the shadow was given extensions, or there was none to give
	warnings  []string
}

// replay plays the migrations as often as it takes to explain the live schema: once where the ledger tells the truth.
func (x *examiner) replay(ctx context.Context) error {
	x.units = x.firstUnits()
	for {
		if err := x.pass(ctx); err != nil {
			return err
		}
		if again, err := x.furnish(ctx); err != nil {
			return err
		} else if again {
			continue
		}
		x.choose()
		finer := x.refine()
		if len(finer) == len(x.units) {
			return x.confirm(ctx)
		}
		x.units = finer
	}
}

// pass replays everything in a new shadow, and inspects it before the first unit and after each.
func (x *examiner) pass(ctx context.Context) error {
	files := x.c.Files
	x.fault = nil
	x.played, x.sent = make([]bool, len(files)), make([][]migration.Statement, len(files))
	x.seen, x.heard = make([]bool, len(x.units)), make([]testimony, len(x.units))
	var base, now state
	var deltas []delta
	look := func(u int) error {
		next, err := x.shadow.inspect(ctx)
		if err != nil {
			return &ownError{err}
		}
		deltas = append(deltas, delta{u, schema.Diff(now.objects(), next.objects())})
		x.seen[u], now = true, next
		return nil
	}
	err := x.shadow.open(ctx)
	if err == nil {
		if base, err = x.shadow.inspect(ctx); err != nil {
			return err
		}
		now = base
		err = x.play(ctx, look)
	}
	if err := x.fail(ctx, err); err != nil {
		return err
	}
	live, _ := x.c.split(x.c.Live)
	x.evidence = gather(base, deltas, live)
	for _, d := range deltas {
		x.heard[d.unit] = x.evidence.hear(d)
	}
	x.evidence.clarify(x.heard)
	return nil
}

// play applies all migrations, and calls look after each unit.
func (x *examiner) play(ctx context.Context, look func(unit int) error) error {
	first := 0
	if len(x.units) > 0 {
		done, err := x.shadow.jump(ctx, x.units[0].to)
		if err != nil {
			return err
		}
		if done {
			first = 1
			for i := range x.units[0].to {
				x.played[i] = true
			}
			if err := look(0); err != nil {
				return err
			}
		}
	}
	ends := map[migration.ID]int{} // of the last migration of each unit that is to be played
	var list []migration.Migration
	for u := first; u < len(x.units); u++ {
		part := x.unbooted(x.c.Files[x.units[u].from:x.units[u].to])
		list = append(list, part...)
		if len(part) > 0 {
			ends[part[len(part)-1].ID] = u
		}
	}
	return x.shadow.play(ctx, list, func(step migration.Step) error {
		i := migration.Index(x.c.Files, step.ID)
		x.played[i], x.sent[i] = true, step.Sent
		if u, ok := ends[step.ID]; ok {
			return look(u)
		}
		return nil
	})
}

// unbooted leaves out what the bootstrap has recorded.
func (x *examiner) unbooted(list []migration.Migration) []migration.Migration {
	return slices.DeleteFunc(slices.Clone(list), func(m migration.Migration) bool { return x.shadow.isBooted(m.ID) })
}

// fail takes up a migration that failed: that is a finding. Anything else is an error.
func (x *examiner) fail(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var mine *ownError
	var failed *migration.RunError
	var boot *bootstrapError
	switch {
	case ctx.Err() != nil:
		return errors.Join(ctx.Err(), err)
	case errors.As(err, &mine):
		return mine.err
	case errors.As(err, &boot):
		x.fault = &ReplayFault{Message: boot.Error()}
		if errors.As(err, &failed) {
			x.fault.Path, x.fault.Line, x.fault.Statement = failed.Path, failed.Line, failed.Statement
		}
	case errors.As(err, &failed):
		x.fault = &ReplayFault{Migration: failed.ID, Path: failed.Path, Line: failed.Line, Statement: failed.Statement, Message: failed.Err.Error()}
	case errors.Is(err, errors.ErrUnsupported):
		x.fault = &ReplayFault{Message: "the migrations cannot be replayed one at a time: " + err.Error()}
	default:
		return err
	}
	x.fault.err = err
	return nil
}

// choose decides which migrations the schema has, and composes the schema that they make.
func (x *examiner) choose() {
	for {
		traces := make([]Trace, len(x.c.Files))
		for i := range traces {
			traces[i] = x.trace(i)
		}
		x.in = choose(traces, x.standings())
		if !x.settle() {
			break
		}
	}
	x.target = x.evidence.predict(x.has)
	x.proven = x.isPrefix() // then what was composed is what was inspected
}

// settle looks for a unit that seems to leave no trace, because it takes away what an earlier one made, and
// without which the chosen ones would make another schema: then it is there. It tells whether it found one.
func (x *examiner) settle() bool {
	for _, d := range x.evidence.deltas {
		if x.heard[d.unit].trace() != TraceNothing || x.has(d.unit) {
			continue
		}
		before := x.evidence.predict(func(u int) bool { return u < d.unit && x.has(u) })
		for _, c := range d.changes {
			live := x.evidence.live[keyOf(c)].Def
			if c.Kind != schema.KindColumnOrder && c.New == live && before[keyOf(c)].Def != live {
				x.heard[d.unit].there = append(x.heard[d.unit].there, c)
			}
		}
		if len(x.heard[d.unit].there) > 0 {
			return true
		}
	}
	return false
}

// trace says what the schema shows of a migration.
func (x *examiner) trace(i int) Trace {
	u := x.unitOf(i)
	switch {
	case x.shadow.isBooted(x.c.Files[i].ID):
		return TraceBootstrap
	case !x.played[i] || !x.seen[u]:
		return TraceUnknown
	case x.units[u].size() > 1 && x.onlyMovesData(i):
		return TraceNothing // of several that were inspected together its statements tell
	default:
		return x.heard[u].trace()
	}
}

// isPrefix tells whether the chosen units are all up to one of them, but for those that change nothing.
func (x *examiner) isPrefix() bool {
	gap := false
	for _, d := range x.evidence.deltas {
		if len(d.changes) == 0 {
			continue
		}
		if x.has(d.unit) && gap {
			return false
		}
		gap = gap || !x.has(d.unit)
	}
	return true
}

// compare lays the target and the live schema side by side: Old is the replay's.
func (x *examiner) compare() (real, cosmetic []schema.Change) {
	real, cosmetic = schema.Split(schema.Diff(x.byHand(x.target), x.evidence.live.objects()))
	// An order that is on one side only is that of a table that is on one side only, which is told by itself.
	return slices.DeleteFunc(real, func(c schema.Change) bool { return c.Kind == schema.KindColumnOrder }), cosmetic
}

// confirm replays exactly the chosen migrations, where they are no prefix of all: what was composed may be wrong.
func (x *examiner) confirm(ctx context.Context) error {
	if x.isPrefix() || x.fault != nil {
		return nil
	}
	var chosen []migration.Migration
	for i, m := range x.c.Files {
		if x.in[i] {
			chosen = append(chosen, m)
		}
	}
	err := x.shadow.open(ctx)
	if err == nil {
		err = x.shadow.play(ctx, x.unbooted(chosen), func(migration.Step) error { return nil })
	}
	var failed *migration.RunError
	if errors.Is(err, errors.ErrUnsupported) || errors.As(err, &failed) && ctx.Err() == nil {
		return nil // they cannot be played without the others: nothing is proved
	}
	if err != nil {
		return x.fail(ctx, err)
	}
	st, err := x.shadow.inspect(ctx)
	if err != nil {
		return err
	}
	x.target, x.proven = st, true
	return nil
}
