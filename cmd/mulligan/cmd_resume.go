package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"mulligan/internal/lock"
	"mulligan/rebuild"
)

func (a *app) resumeCommand() *cobra.Command {
	var refresh bool
	cmd := &cobra.Command{
		Use:   "resume [RUN]",
		Short: "Go on with a run that was interrupted or failed",
		Long: "Go on with a run, the newest unfinished one if none is named. What was proved is proved again where\n" +
			"that can be, and not done again. A run is bound to its server, its snapshot and its migrations: where one\n" +
			"of them has changed, resume refuses." +
			exitHelp(exitDone, exitUsage, exitMidway, exitFailed, exitLocked, exitInterrupted),
		Example: "  mulligan resume\n  mulligan resume 20261122T215500Z-9f3a1c\n  mulligan resume --refresh",
		Args:    atMostOneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.resume(cmd.Context(), first(args), refresh)
		},
	}
	cmd.Flags().BoolVar(&refresh, "refresh", false, "take the rows again as they are now, of the tables that have changed, and build anew")
	return cmd
}

func (a *app) resume(ctx context.Context, name string, refresh bool) error {
	report, s, err := a.takeUp(ctx, name, func(r *rebuild.Report) bool {
		return r.State == rebuild.StateUnfinished || r.State == rebuild.StateFailed
	})
	if err != nil {
		return err
	}
	defer s.server.Close()
	switch report.State {
	case rebuild.StateProved:
		return usageError{fmt.Errorf("run %s came to its end", report.Header.Run), "`mulligan runs show` shows it"}
	case rebuild.StateUndone:
		return usageError{fmt.Errorf("run %s was undone", report.Header.Run), "begin a new one"}
	}
	report.Header.Options.Jobs = a.config.Settings.Jobs
	run, err := a.newRun(s, report.Header)
	if err != nil {
		return err
	}
	run.Again = refresh
	return a.execute(ctx, run, report)
}

func (a *app) undoCommand() *cobra.Command {
	var protectedName string
	cmd := &cobra.Command{
		Use:   "undo [RUN]",
		Short: "Take a run back: the old database gets its name back",
		Long: "Take a run back, the newest if none is named: the old database gets its name back. What had the name\n" +
			"meanwhile is kept under another one; a database that was still being built beside goes." +
			exitHelp(exitDone, exitUsage, exitMidway, exitFailed, exitLocked, exitInterrupted),
		Example: "  mulligan undo\n  mulligan undo 20261122T215500Z-9f3a1c --yes",
		Args:    atMostOneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.undo(cmd.Context(), first(args), protectedName)
		},
	}
	cmd.Flags().StringVar(&protectedName, "protected-name", "", "`name` of a protected target, to say that it is meant")
	return cmd
}

// undone is the result of undo.
type undone struct {
	Run      string `json:"run"`
	Database string `json:"database"`
	Kept     string `json:"kept,omitempty"` // where the new database is; empty = there was none to keep
}

func (a *app) undo(ctx context.Context, name, protectedName string) error {
	report, s, err := a.takeUp(ctx, name, func(r *rebuild.Report) bool { return r.State != rebuild.StateUndone })
	if err != nil {
		return err
	}
	defer s.server.Close()
	h := report.Header
	if report.State == rebuild.StateUndone {
		return usageError{fmt.Errorf("run %s is undone already", h.Run), ""}
	}
	run, err := a.newRun(s, h)
	if err != nil {
		return err
	}
	if err := run.CanUndo(ctx, report); err != nil {
		return err
	}
	what := fmt.Sprintf("%s %s will be again what it was before run %s", h.Family, h.Database, h.Run)
	if err := a.guard(s.target, h.Database, protectedName, what); err != nil {
		return err
	}
	unlock, err := a.lockTarget(h.Target, lock.This("undo", h.Run.String()))
	if err != nil {
		return err
	}
	defer unlock()
	j, err := a.openJournal(report)
	if err != nil {
		return err
	}
	defer j.Close()
	kept, err := run.Undo(ctx, j)
	if err != nil {
		return err
	}
	return a.result(undone{h.Run.String(), h.Database, kept}, func(w io.Writer) {
		fmt.Fprintf(w, "database %s is as it was before run %s\n", h.Database, h.Run)
		if kept != "" {
			fmt.Fprintf(w, "the rebuilt one is kept as %s\n", kept)
		}
	})
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
