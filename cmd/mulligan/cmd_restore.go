package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"mulligan/engine"
	"mulligan/rebuild"
	"mulligan/restore"
	"mulligan/snapshot"
	"mulligan/store"
)

func (a *app) restoreCommand() *cobra.Command {
	o := &buildOptions{}
	var into string
	cmd := &cobra.Command{
		Use:   "restore SNAPSHOT",
		Short: "Make the database from a snapshot and the migrations",
		Long: "Make a database from a snapshot: replay the migrations to the snapshot's position, load the rows,\n" +
			"prove them, and run the later migrations. A database that is not there is created; one that is there is\n" +
			"set aside, and `mulligan undo` puts it back. The server that the snapshot came from is not needed.\n" +
			"SNAPSHOT is an id, the beginning of one, or latest." +
			exitHelp(exitDone, exitUsage, exitMidway, exitFailed, exitNoSnapshot, exitLocked, exitInterrupted),
		Example: "  mulligan restore latest\n  mulligan restore latest --into postgres://app@127.0.0.1/app_copy",
		Args:    oneArg,
		RunE:    func(cmd *cobra.Command, args []string) error { return a.restore(cmd.Context(), args[0], into, o) },
	}
	o.flags(cmd.Flags())
	cmd.Flags().StringVar(&into, "into", "", "`url` of the database to make, in place of the target's")
	return cmd
}

func (a *app) restore(ctx context.Context, name, into string, o *buildOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	s, err := a.openInto(ctx, into)
	if err != nil {
		return err
	}
	defer s.server.Close()
	repo, _, err := a.repository()
	if err != nil {
		return err
	}
	id, err := a.resolveRows(ctx, repo, s.target.Name, name)
	if err != nil {
		return err
	}
	h, err := rebuild.NewHeader(s.server, s.url, s.target.Name, id, restore.Strategy(o.strategy), time.Now())
	if err != nil {
		return err
	}
	if _, err := s.server.Stat(ctx, h.Database); errors.Is(err, engine.ErrNotExist) {
		h.Absent(s.server.Traits().NameLimit)
	} else if err != nil {
		return fmt.Errorf("look at database %s: %w", h.Database, err)
	}
	h.Options = o.options(a, mappings(s.target))
	return a.build(ctx, s, h, o)
}

// resolveRows is resolve, but for the word latest: that is the newest snapshot which carries rows, and not
// one of the ledger alone.
func (a *app) resolveRows(ctx context.Context, repo store.Store, target, name string) (snapshot.ID, error) {
	if name != "latest" {
		return a.resolve(ctx, repo, target, name)
	}
	entries, err := snapshot.List(ctx, repo, target)
	if err != nil {
		return "", err
	}
	for _, e := range slices.Backward(entries) {
		if e.Err != nil {
			return "", fmt.Errorf("the newest snapshot cannot be read; name another: %w", e.Err)
		}
		if e.Tables > 1 || e.Rows == 0 || e.Position == "" {
			return e.ID, nil
		}
	}
	return "", fmt.Errorf("%w of %s that carries rows", errNoSnapshot, target)
}

// openInto is open for another url where one is given. A url on the command line may show its password to
// other users of the machine, which the help says; MULLIGAN_INTO does not.
func (a *app) openInto(ctx context.Context, into string) (*session, error) {
	if into == "" {
		return a.open(ctx)
	}
	target, err := a.config.Target(a.config.Settings.Target)
	if err != nil {
		return nil, err
	}
	return a.openURL(ctx, target, into)
}
