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

func (k *masked) Run(ctx context.Context, target Target, to ID, log io.Writer) (err error) {
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
	var later []Migration
	for _, s := range all[Index(files, to)+1 : len(files)] {
		if s.Verdict == VerdictPending {
			later = append(later, s.Migration)
		}
	}
	var hidden []Migration
	defer func() { err = errors.Join(err, k.unhide(ctx, target.DB, hidden, files)) }()
	for _, m := range later {
		if err := Insert(ctx, target.DB, k.ledger, m, files); err != nil {
			if errors.Is(err, ErrMarksAll) {
				err = fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
			}
			return fmt.Errorf("hide migration %s, to stop at %s: %w", m.ID, to, err)
		}
		hidden = append(hidden, m)
	}
	return k.runner.Run(ctx, target, "", log)
}

// unhide takes away, last first, the records that hid migrations.
func (k *masked) unhide(ctx context.Context, q engine.Querier, hidden, files []Migration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	var errs []error
	for i := len(hidden) - 1; i >= 0; i-- {
		if err := Delete(ctx, q, k.ledger, hidden[i], files); err != nil {
			errs = append(errs, fmt.Errorf("take the record of the hidden migration %s away again: %w", hidden[i].ID, err))
		}
	}
	return errors.Join(errs...)
}
