package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"mulligan/config"
	"mulligan/doctor"
	"mulligan/migration"
	"mulligan/rebuild"
	"mulligan/restore"
)

// buildOptions are the flags that rebuild and restore share.
type buildOptions struct {
	plan          bool
	strategy      string
	at            string
	load          string
	acceptDrift   bool
	evict         bool
	fence         bool
	keepOld       string
	protectedName string
}

func (o *buildOptions) flags(f *pflag.FlagSet) {
	f.BoolVar(&o.plan, "plan", false, "print what would happen and change nothing")
	f.StringVar(&o.strategy, "strategy", "beside", "`where` to build: beside (another name, swap at the end) or in-place (the old one is set aside first)")
	f.StringVar(&o.at, "at", "", "load the rows after this `migration`, in place of the position that ledger and schema tell")
	f.StringVar(&o.load, "load", "position", "`schema` to load into: position (then run the later migrations) or newest (under the configuration's mapping)")
	f.BoolVar(&o.acceptDrift, "accept-drift", false, "go on though the old schema has things that no migration makes")
	f.BoolVar(&o.evict, "evict", false, "end other sessions when the database must be free of them")
	f.StringVar(&o.keepOld, "keep-old", "", "how `long` the old database is kept: next (proved run), always or never (no undo); default: the target's keep_old")
	f.StringVar(&o.protectedName, "protected-name", "", "`name` of a protected target, to say that it is meant")
}

func (o *buildOptions) validate() error {
	if o.strategy != string(restore.Beside) && o.strategy != string(restore.InPlace) {
		return usageError{fmt.Errorf("--strategy %q is neither beside nor in-place", o.strategy), ""}
	}
	if o.load != "position" && o.load != "newest" {
		return usageError{fmt.Errorf("--load %q is neither position nor newest", o.load), ""}
	}
	if o.at != "" && o.load == "newest" {
		return usageError{fmt.Errorf("--at and --load newest contradict each other"), "give one of them"}
	}
	if o.keepOld != "" && !slices.Contains(rebuild.Keeps(), rebuild.Keep(o.keepOld)) {
		return usageError{fmt.Errorf("--keep-old %q is neither next, always nor never", o.keepOld), ""}
	}
	return nil
}

// keep says how long the old database is kept: as the flag says, else the target.
func (o *buildOptions) keep(t *config.Target) rebuild.Keep {
	return rebuild.Keep(cmp.Or(o.keepOld, t.KeepOld))
}

func (o *buildOptions) options(a *app, mapping []restore.Mapping) restore.Options {
	return restore.Options{
		At: migration.ID(o.at), Newest: o.load == "newest", Mapping: mapping,
		AcceptDrift: o.acceptDrift, Evict: o.evict, Fence: o.fence, Jobs: a.config.Settings.Jobs,
	}
}

func (a *app) rebuildCommand() *cobra.Command {
	o := &buildOptions{}
	cmd := &cobra.Command{
		Use:   "rebuild",
		Short: "Give the database a clean start from its migrations, with all its rows",
		Long: "Snapshot the important tables, build a new database by replaying all migrations, bring the rows back at\n" +
			"the position they belong to, run the later migrations on them, prove every step, and swap.\n" +
			"The old database is kept under another name until a later run is proved (keep_old); `mulligan undo` puts it back." +
			exitHelp(exitDone, exitUsage, exitMidway, exitFailed, exitLocked, exitInterrupted),
		Example: "  mulligan rebuild --plan\n  mulligan rebuild\n  mulligan --url sqlite:app.db --migrations db/migrations rebuild --yes",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.rebuild(cmd.Context(), o) },
	}
	o.flags(cmd.Flags())
	cmd.Flags().BoolVar(&o.fence, "fence", false, "keep writers waiting from the start until the swap; readers go on")
	return cmd
}

func (a *app) rebuild(ctx context.Context, o *buildOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer s.server.Close()
	h, err := rebuild.NewHeader(s.server, s.url, s.target.Name, "", restore.Strategy(o.strategy), time.Now())
	if err != nil {
		return err
	}
	h.Options, h.Rules = o.options(a, mappings(s.target)), rules(s.target)
	return a.build(ctx, s, h, o)
}

// build plans, asks, and runs.
func (a *app) build(ctx context.Context, s *session, h rebuild.Header, o *buildOptions) error {
	h.Version, h.KeepOld = version(), o.keep(s.target)
	run := a.plannedRun(s, h)
	if !o.plan || h.Command == rebuild.CommandRestore {
		var err error
		if run, err = a.newRun(s, h); err != nil {
			return err
		}
	}
	plan, err := run.MakePlan(ctx)
	if err != nil {
		return err
	}
	asks := h.Replace && !a.config.Settings.Yes && !a.quiet() && !a.json()
	if o.plan || asks && o.acceptDrift { // who accepts a loss sees what it is before the question
		show := a.newProgress()
		run.Replayed = func(id migration.ID, played int) { show.step("replay", string(id), played) }
		err := run.Examine(ctx, plan)
		show.close()
		if err != nil {
			return err
		}
	}
	if o.plan {
		return a.result(plan, func(w io.Writer) { describePlan(w, plan) })
	}
	if asks {
		describePlan(a.stderr, plan)
	}
	if err := a.guardRun(s, h, o.protectedName, replaces(plan)); err != nil {
		return err
	}
	return a.execute(ctx, run, nil)
}

// replaces says in one line what a run does to databases that hold rows.
func replaces(p *rebuild.Plan) string {
	what := fmt.Sprintf("%s %s will be replaced by a new one; ", p.Engine, p.Database)
	if p.KeepOld == rebuild.KeepNever {
		what += "it is dropped when that one is proved, and cannot be brought back by `mulligan undo`"
	} else {
		what += "it is kept as " + p.Aside
	}
	for _, k := range p.Frees {
		what += fmt.Sprintf("; %s (%s), which run %s set aside, is dropped then", k.Database, size(k.Bytes), k.Run)
	}
	return what
}

// guardRun asks only where there is something to be replaced.
func (a *app) guardRun(s *session, h rebuild.Header, protectedName, what string) error {
	if !h.Replace {
		return nil
	}
	return a.guard(s.target, h.Database, protectedName, what)
}

func describePlan(w io.Writer, p *rebuild.Plan) {
	fmt.Fprintf(w, "%s of %s: database %s on %s %s\n", p.Command, p.Target, p.Database, p.Engine, p.Version)
	fmt.Fprintf(w, "  ledger      %s (%s): %s, recorded position %s\n", p.Ledger, p.Tool, plural(int64(p.Records), "record"), orNone(string(p.Recorded)))
	fmt.Fprintf(w, "  migrations  %d on disk, %d of them not recorded", onDisk(p), len(p.Pending()))
	if p.Bootstrap {
		fmt.Fprint(w, "; a bootstrap makes the base tables")
	}
	fmt.Fprintln(w)
	for i, s := range p.Pending() {
		if i == 10 {
			fmt.Fprintf(w, "              … and %d more\n", len(p.Pending())-10)
			break
		}
		fmt.Fprintf(w, "              %s  %s\n", s.Verdict, s.Migration.ID)
	}
	for _, s := range p.Migrations {
		if s.Verdict == migration.VerdictOrphan {
			fmt.Fprintf(w, "              recorded, but no file: %s\n", s.Migration.ID)
		}
	}
	fmt.Fprintf(w, "  rows        %s carried over%s\n", plural(int64(len(p.Carried)), "table"), aboutRows(p.RowsCarried()))
	for _, t := range p.Left {
		fmt.Fprintf(w, "              left behind: table %s%s (%s)\n", t.Name, aboutRows(t.Rows), t.Rule)
	}
	for _, u := range p.Unkept {
		fmt.Fprintf(w, "              left behind: %s\n", u)
	}
	fmt.Fprintf(w, "  strategy    %s: built as %s, the old one is kept as %s\n", p.Strategy, p.Next, p.Aside)
	describeFrees(w, p)
	if p.Sessions > 0 {
		fmt.Fprintf(w, "  sessions    %d are connected now; the database must be free of them at the swap (--evict ends them)\n", p.Sessions)
	}
	for _, text := range p.Warnings {
		fmt.Fprintf(w, "  warning     %s\n", text)
	}
	describeExamination(w, p)
}

// describeFrees says which databases that hold rows are dropped, and when.
func describeFrees(w io.Writer, p *rebuild.Plan) {
	if p.KeepOld == rebuild.KeepNever {
		fmt.Fprintf(w, "  dropped     %s, the old one, as soon as the new one is proved (keep_old: never): no undo\n", p.Aside)
	}
	for _, k := range p.Frees {
		fmt.Fprintf(w, "  dropped     %s (%s), set aside by run %s, when the new one is proved (keep_old: %s)\n", k.Database, size(k.Bytes), k.Run, p.KeepOld)
	}
}

// describeExamination says what the doctor found.
func describeExamination(w io.Writer, p *rebuild.Plan) {
	x := p.Examined
	if x == nil {
		return
	}
	fmt.Fprintf(w, "  doctor      the rows belong to %s\n", orNone(string(x.Position)))
	for _, f := range x.Findings {
		if f.Kind == string(doctor.Unrecorded) || f.Kind == doctor.KindDrift || f.Severity == doctor.Info {
			continue // the position accounts for the first, and drift is told below
		}
		fmt.Fprintf(w, "              %s %s: %s\n", f.Kind, f.Migration, f.Message)
	}
	for _, diff := range x.Lost {
		fmt.Fprintf(w, "              would be lost (--accept-drift): %s\n", diff.Text)
	}
	for _, diff := range x.Kept {
		fmt.Fprintf(w, "              kept, though no migration makes it: %s %s\n", diff.Kind, diff.Name)
	}
}

// aboutRows says the server's estimate; where it has none, nothing.
func aboutRows(n int64) string {
	if n < 0 {
		return ""
	}
	return ", about " + plural(n, "row")
}

func onDisk(p *rebuild.Plan) (n int) {
	for _, s := range p.Migrations {
		if s.Verdict != migration.VerdictOrphan {
			n++
		}
	}
	return n
}
