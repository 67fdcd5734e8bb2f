package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"mulligan/rebuild"
)

func (a *app) runsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "List and show runs, with their stages and proofs, and drop what they have set aside",
		Long: "List and show runs, with the times and the proofs of their stages, and the databases that they have set aside.\n" +
			"Where a server cannot be reached these are listed with a question mark." + exitHelp(exitDone, exitUsage, exitFailed),
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.listRuns(cmd.Context()) },
	}
	cmd.AddCommand(
		&cobra.Command{Use: "list", Short: "List the runs, oldest first", Args: noArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return a.listRuns(cmd.Context()) }},
		&cobra.Command{Use: "show [RUN]", Short: "Show a run's stages and proofs (default: the newest)", Args: atMostOneArg,
			RunE: func(cmd *cobra.Command, args []string) error { return a.showRun(cmd.Context(), first(args)) }},
		a.dropCommand(),
	)
	return cmd
}

// listedRun is a run with the databases that it has taken out of their place.
type listedRun struct {
	*rebuild.Report
	SetAside []rebuild.Kept `json:"set_aside"`
}

func (a *app) listRuns(ctx context.Context) error {
	reports, err := rebuild.Runs(a.runsDir())
	if err != nil {
		return err
	}
	list := a.withAsides(ctx, reports)
	return a.result(list, func(w io.Writer) {
		if len(list) == 0 {
			fmt.Fprintf(w, "no runs in %s\n", a.runsDir())
			return
		}
		var rows [][]any
		for _, r := range list {
			last := ""
			if n := len(r.Stages); n > 0 {
				last = r.Stages[n-1].Name
			}
			row := []any{r.Header.Run, r.Header.Command, r.Header.Target, r.State, last, runTook(r.Report)}
			if len(r.SetAside) == 0 {
				rows = append(rows, append(row, "", ""))
			}
			for _, k := range r.SetAside {
				rows = append(rows, append(row, keptSize(k), keptName(k)))
				row = []any{"", "", "", "", "", ""}
			}
		}
		grid(w, []string{"RUN", "COMMAND", "TARGET", "STATE", "LAST STAGE", "TOOK", "SIZE", "SET ASIDE"}, rows, 5, 6)
	})
}

func keptSize(k rebuild.Kept) string {
	switch {
	case k.State == rebuild.KeptUnknown, k.State == rebuild.KeptHalf && k.Bytes == 0:
		return "?"
	case k.State == rebuild.KeptThere, k.State == rebuild.KeptHalf:
		return size(k.Bytes)
	default:
		return ""
	}
}

// keptName is the database's name, and what became of it where it is not simply there.
func keptName(k rebuild.Kept) string {
	switch k.State {
	case rebuild.KeptThere:
		return k.Database
	case rebuild.KeptUnknown:
		return k.Database + " ?"
	default:
		return fmt.Sprintf("%s (%s)", k.Database, k.State)
	}
}

func (a *app) showRun(ctx context.Context, name string) error {
	found, err := a.findRun(name, func(*rebuild.Report) bool { return true })
	if err != nil {
		return err
	}
	r := a.withAsides(ctx, []*rebuild.Report{found})[0]
	return a.result(r, func(w io.Writer) {
		h := r.Header
		fmt.Fprintf(w, "run %s: %s of %s, %s\n  database  %s on %s\n  snapshot  %s\n", h.Run, h.Command, h.Target, r.State, h.Database, h.Family, h.Snapshot)
		for _, k := range r.SetAside {
			fmt.Fprintf(w, "  set aside %s%s\n", keptName(k), inBrackets(keptSize(k)))
			if k.By != "" {
				fmt.Fprintf(w, "            by run %s\n", k.By)
			}
		}
		for _, f := range r.Freed {
			if f.Error == "" {
				fmt.Fprintf(w, "  dropped   %s, which run %s had set aside\n", f.Database, f.Run)
			} else {
				fmt.Fprintf(w, "  warning   %s, which run %s had set aside, was not dropped: %s\n", f.Database, f.Run, f.Error)
			}
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

func inBrackets(text string) string {
	if text == "" {
		return ""
	}
	return ", " + text
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
