package command

import (
	"context"
	"errors"
	"fmt"
	"io"

	"mulligan/migration"
)

// SQLFile makes a runner of a file of SQL, as a bootstrap: it is sent to the target as it is.
// It can only do all: a to that is not zero is errors.ErrUnsupported.
func SQLFile(path string) migration.Runner { return sqlFile(path) }

type sqlFile string

// Run is [migration.Runner.Run].
func (f sqlFile) Run(ctx context.Context, target migration.Target, to migration.ID, log io.Writer) (err error) {
	if to != "" {
		return fmt.Errorf("run %s up to migration %s: %w: it is no migration", string(f), to, errors.ErrUnsupported)
	}
	file, err := migration.ReadFile(string(f))
	if err != nil {
		return err
	}
	s, err := target.DB.Session(ctx)
	if err != nil {
		return fmt.Errorf("open a session for %s: %w", string(f), err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := migration.RunScript(ctx, s, file.Text, 1); err != nil {
		migration.Rollback(ctx, s) // the text may have begun a transaction
		fault := &migration.RunError{Path: file.Path, Err: err}
		if errors.As(err, &fault) {
			fault.Path = file.Path
		}
		return fault
	}
	if _, err := fmt.Fprintf(log, "ran %s\n", file.Path); err != nil {
		return fmt.Errorf("write the log of the migrations: %w", err)
	}
	return nil
}
