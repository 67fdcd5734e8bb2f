package migration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Steps applies exactly the given migrations, one by one in this order, with whatever the tool's runner can, and calls
// after when one is applied and recorded. Those that are recorded already are left out. Where after does not want
// more, Steps ends well; its error ends Steps with that error. It is for scratch databases.
//
// A [Stepper] does it by itself. Any other runner is told where to stop, where it can be and the migration is the next
// one; else all other pending migrations are hidden from it, as [Mask] does.
//
// After each step the ledger must name that migration, and have no row of another that it did not name before: a tool that
// worked in another database, or did more than it was asked, is [ErrUnmoved]. Errors: errors.ErrUnsupported for a migration
// that is not the next one where the ledger keeps one number; those of the runner; [*RunError] where a migration failed.
func Steps(ctx context.Context, t *Tool, target Target, list []Migration, log io.Writer, after func(Step) (more bool, err error)) error {
	files, err := t.Source.Migrations(ctx)
	if err != nil {
		return err
	}
	// A ledger that is only read is made by the tool itself, at its first step.
	if err := t.Ledger.Create(ctx, target.DB); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	s := &stepping{tool: t, runner: t.Runner, target: target, files: files, log: log}
	if k, ok := t.Runner.(*masked); ok {
		s.runner = k.runner
	}
	if _, err := s.look(ctx); err != nil {
		return err
	}
	stepper, ok := s.runner.(Stepper)
	if !ok {
		return s.each(ctx, list, after)
	}
	return stepper.RunSteps(ctx, target, list, log, func(step Step) (bool, error) {
		if err := s.check(ctx, step.ID); err != nil {
			return false, err
		}
		return after(step)
	})
}

// stepping is a scratch database in which migrations are applied one by one.
type stepping struct {
	tool   *Tool
	runner Runner
	target Target
	files  []Migration
	log    io.Writer
	known  []ID // what the ledger called applied when it was last looked at
	rows   []ID // those of them that it has a row of, and does not merely stand above
}

// look reads the ledger.
func (s *stepping) look(ctx context.Context) ([]Status, error) {
	records, err := s.tool.Ledger.Records(ctx, s.target.DB, s.files)
	if err != nil && !errors.Is(err, ErrNoLedger) {
		return nil, err
	}
	s.known, s.rows = nil, nil
	for _, r := range records {
		if r.State != Applied {
			continue
		}
		s.known = append(s.known, r.ID)
		if r.Raw != nil {
			s.rows = append(s.rows, r.ID)
		}
	}
	return Compare(s.files, records), nil
}

// check compares the ledger after the step to a migration with what it was before.
func (s *stepping) check(ctx context.Context, id ID) error {
	before := s.known
	if _, err := s.look(ctx); err != nil {
		return err
	}
	if !slices.Contains(s.known, id) {
		return fmt.Errorf("migration %s: %w: %s ended well and did not record it in %s of this database: does it work in another one?",
			id, ErrUnmoved, s.tool.Name, s.tool.Ledger.Table())
	}
	for _, other := range s.rows {
		if other != id && !slices.Contains(before, other) {
			return fmt.Errorf("migration %s: %w: %s recorded %s, too, which it was not to apply", id, ErrUnmoved, s.tool.Name, other)
		}
	}
	return nil
}

// each applies the migrations of list with a runner that has no steps.
func (s *stepping) each(ctx context.Context, list []Migration, after func(Step) (bool, error)) error {
	for _, m := range list {
		all, err := s.look(ctx)
		if err != nil {
			return err
		}
		if slices.Contains(s.known, m.ID) {
			continue
		}
		if Index(s.files, m.ID) < 0 {
			return fmt.Errorf("migration %s is not among the files", m.ID)
		}
		if err := s.run(ctx, m, all); err != nil {
			return blame(m, err)
		}
		if err := s.check(ctx, m.ID); err != nil {
			return err
		}
		step := Step{Migration: m}
		if s.tool.Script != nil {
			script, err := s.tool.Script(m)
			if err != nil {
				return err
			}
			step.Sent = script.Statements(s.target.DB.Family())
		}
		if more, err := after(step); err != nil || !more {
			return err
		}
	}
	return nil
}

// run applies one migration of those that are pending.
func (s *stepping) run(ctx context.Context, m Migration, all []Status) error {
	upTo := func() error { return s.runner.Run(ctx, s.target, m.ID, s.log) }
	pending, err := Pending(all, m.ID)
	if err != nil {
		return err
	}
	if len(pending) == 1 {
		if err := upTo(); !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	} else if _, err := s.tool.Ledger.Mark(ctx, s.target.DB, []Migration{m}, s.files); errors.Is(err, ErrMarksAll) {
		return fmt.Errorf("apply migration %s alone: %w: %w", m.ID, errors.ErrUnsupported, err)
	}
	hidden := slices.DeleteFunc(unrecorded(all), func(o Migration) bool { return o.ID == m.ID })
	return behind(ctx, s.target.DB, s.tool.Ledger, hidden, s.files, func() error {
		if err := upTo(); !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		return s.runner.Run(ctx, s.target, "", s.log)
	})
}

// blame gives the failure of a run that applied one migration that migration's name.
func blame(m Migration, err error) error {
	var fault *RunError
	if errors.As(err, &fault) {
		return asRunError(m, err)
	}
	return err
}
