package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mulligan/doctor"
	"mulligan/engine"
	"mulligan/migration"
	"mulligan/snapshot"
)

// doctorOptions are the flags of doctor, some of which repair shares.
type doctorOptions struct {
	report  string
	shadow  string
	timeout time.Duration
}

func (o *doctorOptions) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.shadow, "shadow", "", "`url` of the server for the scratch database, in place of the configuration's (default: the database's own server)")
	f.DurationVar(&o.timeout, "step-timeout", 10*time.Minute, "how long one migration may take in the replay")
}

func (a *app) doctorCommand() *cobra.Command {
	o := &doctorOptions{}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find out which migrations the database really has",
		Long: "Lay the migrations on disk, the ledger and the live schema side by side. The migrations are replayed one at\n" +
			"a time in a scratch database, to measure what each of them makes; what the live database has of that is the\n" +
			"verdict on each. Nothing is changed, and the scratch database is gone afterwards." +
			exitHelp(exitDone, exitFindings, exitUsage, exitFailed, exitLocked, exitInterrupted),
		Example: "  mulligan doctor\n  mulligan doctor --json\n  mulligan doctor --report doctor.html",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context(), o) },
	}
	o.add(cmd)
	cmd.Flags().StringVar(&o.report, "report", "", "write a page for people, complete in itself, to `file`.html")
	return cmd
}

func (a *app) doctor(ctx context.Context, o *doctorOptions) error {
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer s.server.Close()
	src, closing, err := a.doctorSource(ctx, s, o)
	if err != nil {
		return err
	}
	defer closing()
	show := a.newProgress()
	defer show.close()
	d, err := doctor.Run(ctx, src, a.doctorRun(show, o))
	if err != nil {
		return err
	}
	show.close()
	if o.report != "" {
		if err := writeReport(o.report, d); err != nil {
			return err
		}
	}
	if err := a.result(d, func(w io.Writer) { a.describeDiagnosis(w, d) }); err != nil || d.Healthy {
		return err
	}
	return errSilent{exitFindings}
}

// doctorRun are the doctor's options with progress shown.
func (a *app) doctorRun(show *progress, o *doctorOptions) *doctor.Options {
	options := &doctor.Options{
		StepTimeout: o.timeout,
		Progress:    func(id migration.ID, played int) { show.step("replay", string(id), played) },
	}
	if a.config.Settings.Verbose {
		options.Output = a.stderr
	}
	return options
}

// doctorSource wires a database to the doctor, with the server for its shadow.
func (a *app) doctorSource(ctx context.Context, s *session, o *doctorOptions) (src doctor.Source, closing func(), err error) {
	tool := *s.tool
	tool.Source = &migration.Listed{Source: s.tool.Source}
	src = doctor.Source{
		Server: s.server, URL: s.url, Target: s.target.Name, Tool: &tool,
		LedgerGiven: s.target.Migrations.Table != "", Known: a.knownFiles(ctx, s.target.Name),
	}
	text := o.shadow
	if text == "" {
		text = s.target.Shadow.Reveal()
	}
	if text == "" {
		return src, func() {}, nil
	}
	url, err := engine.ParseURL(text)
	if err != nil {
		return src, nil, usageError{fmt.Errorf("shadow: %w", err), "docs/configuration.md shows a url for each engine"}
	}
	if url.Family() != s.url.Family() {
		return src, nil, usageError{fmt.Errorf("shadow %s is of %s, the target of %s", url, url.Family(), s.url.Family()), "a shadow must be on a server of the same kind"}
	}
	if src.Shadow, err = connectServer(ctx, url); err != nil {
		return src, nil, fmt.Errorf("connect to the shadow server %s: %w", url, err)
	}
	src.ShadowURL = url
	return src, func() { _ = src.Shadow.Close() }, nil
}

// knownFiles are the hashes of the migrations' files as the snapshots of the target saw them first, of those that
// were recorded then. A snapshot that cannot be read tells nothing.
func (a *app) knownFiles(ctx context.Context, target string) map[migration.ID]string {
	if _, err := os.Stat(strings.TrimPrefix(a.config.Repository.URL, "file://")); err != nil {
		return nil // opening a repository makes its folder, and a look changes nothing
	}
	repo, _, err := a.repository()
	if err != nil {
		return nil
	}
	entries, err := snapshot.List(ctx, repo, target)
	if err != nil {
		return nil
	}
	known := map[migration.ID]string{}
	for _, e := range entries {
		r, err := snapshot.Open(ctx, repo, target, e.ID)
		if err != nil || r.Manifest().Ledger == nil {
			continue
		}
		for _, f := range r.Manifest().Ledger.Files {
			recorded := func(rec snapshot.Record) bool { return rec.ID == f.ID && rec.State == string(migration.Applied) }
			if _, ok := known[migration.ID(f.ID)]; !ok && slices.ContainsFunc(r.Manifest().Ledger.Records, recorded) {
				known[migration.ID(f.ID)] = f.SHA256
			}
		}
	}
	return known
}

func writeReport(path string, d *doctor.Diagnosis) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := d.WriteHTML(f); err != nil {
		return fmt.Errorf("write the report %s: %w", path, err)
	}
	return nil
}
