package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"mulligan/rebuild"
)

func (a *app) runsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "List and show runs, with their stages and proofs",
		Long:  "List and show runs, with the times and the proofs of their stages." + exitHelp(exitDone, exitUsage, exitFailed),
		Args:  noArgs,
		RunE:  func(*cobra.Command, []string) error { return a.listRuns() },
	}
	cmd.AddCommand(
		&cobra.Command{Use: "list", Short: "List the runs, oldest first", Args: noArgs, RunE: func(*cobra.Command, []string) error { return a.listRuns() }},
		&cobra.Command{Use: "show [RUN]", Short: "Show a run's stages and proofs (default: the newest)", Args: atMostOneArg,
			RunE: func(_ *cobra.Command, args []string) error { return a.showRun(first(args)) }},
	)
	return cmd
}

func (a *app) listRuns() error {
	reports, err := rebuild.Runs(a.runsDir())
	if err != nil {
		return err
	}
	if reports == nil {
		reports = []*rebuild.Report{}
	}
	return a.result(reports, func(w io.Writer) {
		if len(reports) == 0 {
			fmt.Fprintf(w, "no runs in %s\n", a.runsDir())
			return
		}
		var rows [][]any
		for _, r := range reports {
			last := ""
			if n := len(r.Stages); n > 0 {
				last = r.Stages[n-1].Name
			}
			rows = append(rows, []any{r.Header.Run, r.Header.Command, r.Header.Target, r.State, last, runTook(r)})
		}
		grid(w, []string{"RUN", "COMMAND", "TARGET", "STATE", "LAST STAGE", "TOOK"}, rows, 5)
	})
}

func (a *app) showRun(name string) error {
	r, err := a.findRun(name, func(*rebuild.Report) bool { return true })
	if err != nil {
		return err
	}
	return a.result(r, func(w io.Writer) {
		h := r.Header
		fmt.Fprintf(w, "run %s: %s of %s, %s\n  database  %s on %s\n  snapshot  %s\n", h.Run, h.Command, h.Target, r.State, h.Database, h.Family, h.Snapshot)
		if h.Replace {
			fmt.Fprintf(w, "  set aside %s\n", h.Aside)
		}
		var rows [][]any
		for _, s := range r.Stages {
			rows = append(rows, []any{"  " + s.Name, s.State, stageTook(s), summary(s.Name, s.Proof)})
		}
		grid(w, []string{"  STAGE", "STATE", "TOOK", "PROOF"}, rows, 2)
		if r.Error != "" {
			fmt.Fprintf(w, "  failed: %s\n", r.Error)
		}
	})
}

func stageTook(s rebuild.StageReport) string {
	if s.State == "started" {
		return ""
	}
	return took(time.Duration(s.Seconds * float64(time.Second)))
}

func runTook(r *rebuild.Report) string {
	if r.Finished.IsZero() {
		return ""
	}
	return took(r.Finished.Sub(r.Started))
}
