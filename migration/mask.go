package migration

import (
	"context"
	"errors"
	"fmt"
	"io"

	"mulligan/engine"
)

// Mask makes a runner that can only apply everything stop midway: it records all migrations after
// to, runs, and takes those records away again, also after a failure or once ctx has ended.
//
// It is for scratch databases only. While it runs the ledger says that migrations are applied that
// are not, and a process that is killed leaves it so.
//
// Ledgers that keep one number cannot be masked: marking a later migration would mark the wanted
// ones too. Errors: errors.ErrUnsupported for those; else those of r.
func Mask(r Runner, l Ledger, s Source) Runner { return &masked{r, l, s} }

type masked struct {
	runner Runner
	ledger Ledger
	source Source
}

func (k *masked) Run(ctx context.Context, target Target, to ID, log io.Writer) error {
	if to == "" {
		return k.runner.Run(ctx, target, "", log)
	}
	files, err := k.source.Migrations(ctx)
	if err != nil {
		return err
	}
	if err := k.ledger.Create(ctx, target.DB); err != nil {
		return err
	}
	records, err := k.ledger.Records(ctx, target.DB, files)
	if err != nil {
		return err
	}
	all := Compare(files, records)
	pending, err := Pending(all, to)
	if err != nil || len(pending) == 0 {
		return err
	}
	later := unrecorded(all[Index(files, to)+1 : len(files)])
	return behind(ctx, target.DB, k.ledger, later, files, func() error {
		return k.runner.Run(ctx, target, "", log)
	})
}

// unrecorded lists the migrations that the ledger knows nothing of.
func unrecorded(all []Status) []Migration {
	var list []Migration
	for _, s := range all {
		if s.Verdict == VerdictPending {
			list = append(list, s.Migration)
		}
	}
	return list
}

// behind runs do while the ledger calls the migrations of hidden applied, and takes those records away again,
// also after a failure or once ctx has ended. Nothing is run where the ledger cannot hide just them:
// errors.ErrUnsupported.
func behind(ctx context.Context, q engine.Querier, l Ledger, hidden, files []Migration, do func() error) (err error) {
	if len(hidden) == 0 {
		return do()
	}
	writes, err := l.Mark(ctx, q, hidden, files)
	if err != nil {
		if errors.Is(err, ErrMarksAll) {
			err = fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
		}
		return fmt.Errorf("hide %d migrations from the tool: %w", len(hidden), err)
	}
	defer func() { err = errors.Join(err, unhide(ctx, q, l, hidden, files)) }()
	if err := Execute(ctx, q, writes); err != nil {
		return fmt.Errorf("hide %d migrations from the tool: %w", len(hidden), err)
	}
	return do()
}

// unhide takes away the records that hid migrations.
func unhide(ctx context.Context, q engine.Querier, l Ledger, hidden, files []Migration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	writes, err := l.Unmark(ctx, q, hidden, files)
	if err == nil {
		err = Execute(ctx, q, writes)
	}
	if err != nil {
		return fmt.Errorf("take the records of %d hidden migrations away again: %w", len(hidden), err)
	}
	return nil
}
