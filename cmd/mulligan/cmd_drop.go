package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mulligan/engine"
	"mulligan/internal/lock"
	"mulligan/rebuild"
)

// errKept tells that a database that somebody uses was not dropped.
var errKept = errors.New("not dropped")

// lookPatience is how long a list of runs waits for each server.
const lookPatience = 5 * time.Second

func (a *app) dropCommand() *cobra.Command {
	var protectedName string
	cmd := &cobra.Command{
		Use:   "drop RUN…",
		Short: "Drop for good the databases that runs have set aside, or that an undo has taken out",
		Long: "Drop for good the old database that a proved run has set aside, which then cannot be undone, or the rebuilt one that\n" +
			"an undo has taken out, with all that was written to it. What an unfinished or failed run has set aside is never\n" +
			"dropped, nor what somebody is connected to." +
			exitHelp(exitDone, exitUsage, exitFailed, exitLocked, exitInterrupted),
		Example: "  mulligan runs list\n  mulligan runs drop 20261122T215500Z-9f3a1c",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.dropAsides(cmd.Context(), args, protectedName)
		},
	}
	cmd.Flags().StringVar(&protectedName, "protected-name", "", "`name` of a protected target, to say that it is meant")
	return cmd
}

// dropAsides asks for each database before it is dropped. All runs are looked at before the first one goes.
func (a *app) dropAsides(ctx context.Context, names []string, protectedName string) error {
	if len(names) == 0 {
		return usageError{errors.New("runs drop takes one run at least"), "`mulligan runs list` shows the runs, and what they have set aside"}
	}
	var reports []*rebuild.Report
	for _, name := range names {
		r, err := a.findRun(name, func(*rebuild.Report) bool { return false })
		if err != nil {
			return err
		}
		if r.State != rebuild.StateProved && r.State != rebuild.StateUndone {
			return usageError{fmt.Errorf("run %s is %s: what it set aside may be the only copy of the database", r.Header.Run, r.State),
				"only those of runs that are proved or undone are dropped"}
		}
		if !slices.ContainsFunc(reports, func(o *rebuild.Report) bool { return o.Header.Run == r.Header.Run }) {
			reports = append(reports, r)
		}
	}
	freed := []rebuild.Freed{}
	for _, r := range reports {
		list, err := a.dropAside(ctx, r, protectedName)
		freed = append(freed, list...)
		if err != nil {
			return err
		}
	}
	return a.result(freed, func(w io.Writer) {
		for _, f := range freed {
			fmt.Fprintf(w, "dropped %s (%s), of run %s\n", f.Database, size(f.Bytes), f.Run)
		}
	})
}

func (a *app) dropAside(ctx context.Context, r *rebuild.Report, protectedName string) ([]rebuild.Freed, error) {
	h := r.Header
	target, err := a.config.Target(h.Target)
	if err != nil {
		return nil, err
	}
	server, err := a.serverOf(ctx, h.Target)
	if err != nil {
		return nil, err
	}
	defer server.Close()
	asides := rebuild.Asides{Server: server, Dir: a.runsDir()}
	list, err := asides.Look(ctx, r)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(k rebuild.Kept) bool { return k.State != rebuild.KeptThere && k.State != rebuild.KeptHalf })
	if len(list) == 0 {
		return nil, usageError{fmt.Errorf("run %s has nothing set aside on this server", h.Run), "`mulligan runs list` shows what is there"}
	}
	for _, k := range list {
		what := fmt.Sprintf("%s %s (%s) will be dropped for good", h.Family, k.Database, size(k.Bytes))
		if r.State == rebuild.StateProved {
			what += fmt.Sprintf(", and run %s cannot be undone any more", h.Run)
		} else {
			what += ", with all that was written to it"
		}
		if err := a.guard(target, k.Database, protectedName, what); err != nil {
			return nil, err
		}
	}
	unlock, err := a.lockTarget(h.Target, lock.This("runs drop", h.Run.String()))
	if err != nil {
		return nil, err
	}
	defer unlock()
	freed, err := asides.Drop(ctx, h.Run)
	if errors.Is(err, engine.ErrInUse) {
		err = fmt.Errorf("%w: %w", errKept, err)
	}
	return freed, err
}

// serverOf connects to a target's server, and to nothing else of it.
func (a *app) serverOf(ctx context.Context, name string) (engine.Server, error) {
	target, err := a.config.Target(name)
	if err != nil {
		return nil, err
	}
	text, err := target.ResolveURL(ctx)
	if err != nil {
		return nil, err
	}
	url, err := engine.ParseURL(text)
	if err != nil {
		return nil, usageError{fmt.Errorf("target %s: %w", target.Name, err), "docs/configuration.md shows a url for each engine"}
	}
	server, err := connect(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", url, err)
	}
	return server, nil
}

// withAsides adds to runs what they have set aside. Each target's server is asked for a few seconds at most; where it
// cannot be, that is a warning, and the runs are listed all the same.
func (a *app) withAsides(ctx context.Context, reports []*rebuild.Report) []listedRun {
	list := make([]listedRun, len(reports))
	targets := map[string][]int{}
	var order []string
	for i, r := range reports {
		kept, _ := rebuild.Asides{}.Look(ctx, r) // nobody is asked, so nothing fails
		list[i] = listedRun{r, append([]rebuild.Kept{}, kept...)}
		if slices.ContainsFunc(kept, func(k rebuild.Kept) bool { return k.State != rebuild.KeptDropped }) {
			if targets[r.Header.Target] == nil {
				order = append(order, r.Header.Target)
			}
			targets[r.Header.Target] = append(targets[r.Header.Target], i)
		}
	}
	for _, name := range order {
		if err := a.askAsides(ctx, name, list, targets[name]); err != nil {
			a.say("warning: what the runs of %s have set aside is not known: %s", name, oneLine(err))
		}
	}
	return list
}

func (a *app) askAsides(ctx context.Context, target string, list []listedRun, at []int) error {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	server, err := a.serverOf(ctx, target)
	if err != nil {
		return err
	}
	defer server.Close()
	for _, i := range at {
		kept, err := rebuild.Asides{Server: server}.Look(ctx, list[i].Report)
		if err != nil {
			return err
		}
		list[i].SetAside = append([]rebuild.Kept{}, kept...)
	}
	return nil
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
