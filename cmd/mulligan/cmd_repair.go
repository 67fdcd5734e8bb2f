package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"mulligan/internal/lock"
	"mulligan/migration"
	"mulligan/rebuild"
	"mulligan/repair"
	"mulligan/snapshot"
)

// repairOptions are the flags of repair.
type repairOptions struct {
	doctorOptions
	dryRun   bool
	assume   []string
	complete bool
	create   bool
}

func (a *app) repairCommand() *cobra.Command {
	o := &repairOptions{}
	cmd := &cobra.Command{
		Use:   "repair [MIGRATION…]",
		Short: "Prove unrecorded migrations, then record them in the ledger",
		Long: "Record in the ledger the migrations that the live schema has and the ledger does not: each is proved first, as\n" +
			"`mulligan doctor` does it, and what is not proved is refused with the evidence. The rows are exactly those that\n" +
			"the migration tool itself would write, all in one transaction and under the tool's own lock; the ledger as it\n" +
			"was goes into a snapshot before. Without names, everything that needs it is repaired, or nothing." +
			exitHelp(exitDone, exitFindings, exitUsage, exitMidway, exitFailed, exitLocked, exitInterrupted),
		Example: "  mulligan repair --dry-run\n  mulligan repair --yes\n  mulligan repair --assume lowerEmails1690000000000\n  mulligan repair --complete 20240112140000",
		RunE:    func(cmd *cobra.Command, args []string) error { return a.repair(cmd.Context(), o, args) },
	}
	o.add(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.dryRun, "dry-run", false, "print the exact SQL, and write nothing")
	f.StringArrayVar(&o.assume, "assume", nil, "record `MIGRATION` on your own word, where nothing can prove it; may be repeated")
	f.BoolVar(&o.complete, "complete", false, "finish half-applied migrations first, where what is missing only adds and moves no data (MySQL, MariaDB)")
	f.BoolVar(&o.create, "create-ledger", false, "make the ledger's table, as the tool makes it, where there is none")
	return cmd
}

func (a *app) repair(ctx context.Context, o *repairOptions, args []string) error {
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer s.server.Close()
	src, closing, err := a.doctorSource(ctx, s, &o.doctorOptions)
	if err != nil {
		return err
	}
	defer closing()
	show := a.newProgress()
	defer show.close()
	run := &repair.Run{
		Source: src, Doctor: a.doctorRun(show, &o.doctorOptions), Create: o.create, Version: version(),
		Request: repair.Request{Only: ids(args), Assume: ids(o.assume), Complete: o.complete},
	}
	if run.ID, err = snapshot.NewID(time.Now(), nil); err != nil {
		return err
	}
	out, err := run.Plan(ctx)
	show.close()
	if errors.Is(err, repair.ErrRefused) {
		return a.refused(out)
	}
	if err != nil {
		return err
	}
	if o.dryRun || len(out.Steps) == 0 {
		return a.result(out, func(w io.Writer) { describeDryRun(w, out) })
	}
	if !a.config.Settings.Yes && !a.quiet() && !a.json() {
		describeSteps(a.stderr, out)
	}
	what := fmt.Sprintf("the ledger %s of database %s will be changed", out.Ledger, out.Database)
	if err := a.confirm(out.Database, what); err != nil {
		return err
	}
	return a.doRepair(ctx, run, out)
}

func ids(list []string) []migration.ID {
	var out []migration.ID
	for _, id := range list {
		out = append(out, migration.ID(id))
	}
	return out
}

// refused tells what is not proved, and why.
func (a *app) refused(out *repair.Outcome) error {
	if a.json() {
		if err := a.result(out, nil); err != nil {
			return err
		}
		return errSilent{exitFindings}
	}
	describeRefused(a.stderr, out)
	return fmt.Errorf("%w: %s not proved", repair.ErrRefused, isOrAre(len(out.Refused), "migration"))
}

func (a *app) doRepair(ctx context.Context, run *repair.Run, out *repair.Outcome) error {
	unlock, err := a.lockTarget(run.Source.Target, lock.This("repair", run.ID.String()))
	if err != nil {
		return err
	}
	defer unlock()
	if run.Store, _, err = a.repository(); err != nil {
		return err
	}
	run.Journal = filepath.Join(a.config.Settings.StateDir, "repairs", run.ID.String(), rebuild.JournalName)
	if err := a.makeState(filepath.Dir(run.Journal)); err != nil {
		return err
	}
	if err := run.Execute(ctx, out); err != nil {
		return err
	}
	return a.result(out, func(w io.Writer) { describeRepair(w, out) })
}
