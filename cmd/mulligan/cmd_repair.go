package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"mulligan/doctor"
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
		return errors.Join(a.refused(out), err)
	}
	if err != nil {
		return err
	}
	if o.dryRun || len(out.Steps) == 0 {
		return a.result(out, func(w io.Writer) { describeRepair(w, out) })
	}
	if !a.config.Settings.Yes && !a.quiet() && !a.json() {
		describeRepair(a.stderr, out)
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

// refused prints what is not proved. The error that follows says the rest.
func (a *app) refused(out *repair.Outcome) error {
	if a.json() {
		return nil // the evidence is doctor's document
	}
	for _, r := range out.Refused {
		fmt.Fprintf(a.stderr, "  ✗ %s: %s\n", r.Migration, r.Reason)
		for _, line := range r.Evidence {
			fmt.Fprintf(a.stderr, "      %s\n", line)
		}
		if r.Fix != "" {
			fmt.Fprintf(a.stderr, "      → %s\n", r.Fix)
		}
	}
	return nil
}

func (a *app) doRepair(ctx context.Context, run *repair.Run, out *repair.Outcome) error {
	unlock, err := a.lockTarget(run.Source.Target)
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

func describeRepair(w io.Writer, o *repair.Outcome) {
	if len(o.Steps) == 0 {
		fmt.Fprintf(w, "nothing to repair: no migration of database %s needs a record\n", o.Database)
		remaining(w, o.Before)
		return
	}
	will := map[bool]string{true: "would ", false: ""}[o.DryRun]
	for _, s := range o.Steps {
		fmt.Fprintf(w, "  %s%s %s (%s)\n", will, s.Action, s.Migration, s.Why)
	}
	for _, sql := range o.SQL {
		fmt.Fprintf(w, "    %s;\n", sql)
	}
	if o.DryRun {
		fmt.Fprintln(w, "nothing was written")
		return
	}
	fmt.Fprintf(w, "repaired: the ledger %s of database %s says what the schema shows, up to %s\n", o.Ledger, o.Database, orNone(string(o.After.Recorded)))
	fmt.Fprintf(w, "the ledger as it was is in snapshot %s; what was done is in %s\n", o.Snapshot, o.Journal)
	for _, sql := range o.Undo {
		fmt.Fprintf(w, "to take it back: %s;\n", sql)
	}
	remaining(w, o.After)
}

// remaining says that there is more than a repair can mend.
func remaining(w io.Writer, d *doctor.Diagnosis) {
	if !d.Healthy {
		fmt.Fprintf(w, "%s left: `mulligan doctor` shows them\n", plural(int64(problems(d)), "problem"))
	}
}

func problems(d *doctor.Diagnosis) (n int) {
	for _, f := range d.Findings {
		if f.Severity == doctor.Problem {
			n++
		}
	}
	return n
}
