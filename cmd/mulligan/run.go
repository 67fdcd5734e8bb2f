package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mulligan/engine"
	"mulligan/internal/lock"
	"mulligan/journal"
	"mulligan/migration"
	"mulligan/rebuild"
	"mulligan/snapshot"
)

// newRun wires a run to its server, repository and folder.
func (a *app) newRun(s *session, h rebuild.Header) (*rebuild.Run, error) {
	repo, _, err := a.repository()
	if err != nil {
		return nil, err
	}
	run := a.plannedRun(s, h)
	run.Store = repo
	return run, nil
}

// plannedRun is a run without a repository: opening one makes its folder, and a plan changes nothing.
func (a *app) plannedRun(s *session, h rebuild.Header) *rebuild.Run {
	return &rebuild.Run{
		Header: h, Server: s.server, URL: s.url, Tool: s.tool, LedgerGiven: s.target.Migrations.Table != "",
		Dir: filepath.Join(a.runsDir(), h.Run.String()), Output: io.Discard,
	}
}

// execute runs what is still to do and prints the report. begun is nil for a new run.
func (a *app) execute(ctx context.Context, run *rebuild.Run, begun *rebuild.Report) (err error) {
	unlock, err := a.lockTarget(run.Header.Target, lock.This(run.Header.Command, run.Header.Run.String()))
	if err != nil {
		return err
	}
	defer unlock()
	if err := a.makeState(run.Dir); err != nil {
		return err
	}
	var j *journal.Journal
	if begun == nil {
		j, err = journal.Create(filepath.Join(run.Dir, rebuild.JournalName), run.Header)
	} else {
		j, err = a.openJournal(begun)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	log, err := os.OpenFile(filepath.Join(run.Dir, "output.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the run's output log: %w", err)
	}
	defer log.Close()
	run.Output = log
	if a.config.Settings.Verbose {
		run.Output = io.MultiWriter(log, a.stderr)
	}
	show := a.newProgress()
	run.Notify, run.Progress = show.event, show.moved
	run.Replayed = func(id migration.ID, played int) { show.step("preflight", string(id), played) }
	a.say("run %s", run.Header.Run)
	err = run.Execute(ctx, j)
	show.close()
	var failure *rebuild.Failure
	if errors.As(err, &failure) {
		proofs := len(j.Entries()) > 2
		return &runError{run: run.Header.Run.String(), resumes: proofs, failure: failure}
	}
	if err != nil {
		return err
	}
	report, err := rebuild.NewReport(j.Entries())
	if err != nil {
		return err
	}
	report.Freed = run.Freed()
	for _, f := range report.Freed {
		if f.Error != "" {
			fmt.Fprintf(a.stderr, "warning: database %s, which run %s set aside, is not dropped: %s\n", f.Database, f.Run, f.Error)
		}
	}
	return a.result(report, func(w io.Writer) { a.describeOutcome(w, run, report) })
}

func (a *app) describeOutcome(w io.Writer, run *rebuild.Run, r *rebuild.Report) {
	var data struct{ Rows int64 }
	r.Proof("compare-data", &data)
	fmt.Fprintf(w, "proved: database %s holds all %s of the snapshot, and every migration is applied (%s)\n",
		r.Header.Database, plural(data.Rows, "row"), took(r.Finished.Sub(r.Started)))
	var keep struct{ Left []engine.Unkept }
	r.Proof("keep", &keep)
	for _, u := range keep.Left {
		fmt.Fprintf(w, "left out: %s\n", u)
	}
	own := func(f rebuild.Freed) bool { return f.Error == "" && f.Run == r.Header.Run }
	if r.Header.Replace && !slices.ContainsFunc(r.Freed, own) {
		fmt.Fprintf(w, "the old database is kept as %s; `mulligan undo %s` puts it back\n", r.Header.Aside, r.Header.Run)
	}
	for _, f := range r.Freed {
		if f.Error == "" {
			fmt.Fprintf(w, "dropped %s (%s), which run %s had set aside\n", f.Database, size(f.Bytes), f.Run)
		}
	}
	fmt.Fprintf(w, "snapshot %s, journal and report in %s\n", r.Header.Snapshot, run.Dir)
}

// takeUp opens a run that was begun: the named one, or the newest that suits.
func (a *app) takeUp(ctx context.Context, name string, suits func(*rebuild.Report) bool) (*rebuild.Report, *session, error) {
	report, err := a.findRun(name, suits)
	if err != nil {
		return nil, nil, err
	}
	target, err := a.config.Target(report.Header.Target)
	if err != nil {
		return nil, nil, err
	}
	text, err := target.ResolveURL(ctx)
	if err != nil {
		return nil, nil, err
	}
	s, err := a.openURL(ctx, target, text)
	if err != nil {
		return nil, nil, err
	}
	// A restore into another url is not in the configuration: its database is the journal's.
	s.url = s.url.WithDatabase(report.Header.Database)
	return report, s, nil
}

func (a *app) findRun(name string, suits func(*rebuild.Report) bool) (*rebuild.Report, error) {
	reports, err := rebuild.Runs(a.runsDir())
	if err != nil {
		return nil, err
	}
	if name != "" && name != "latest" {
		fits := slices.DeleteFunc(reports, func(r *rebuild.Report) bool {
			return r.Header.Run != snapshot.ID(name) && !strings.HasPrefix(r.Header.Run.String(), name) && !strings.HasSuffix(r.Header.Run.String(), "-"+name)
		})
		if len(fits) != 1 {
			return nil, usageError{fmt.Errorf("run %s: %d runs have that name in %s", name, len(fits), a.runsDir()), "`mulligan runs list` shows the names"}
		}
		return fits[0], nil
	}
	for _, r := range slices.Backward(reports) {
		if suits(r) {
			return r, nil
		}
	}
	return nil, usageError{fmt.Errorf("no run in %s is there to go on with", a.runsDir()), "`mulligan runs list` shows all"}
}

// openJournal opens a run's journal for going on.
func (a *app) openJournal(r *rebuild.Report) (*journal.Journal, error) {
	j, _, err := journal.Open(filepath.Join(a.runsDir(), r.Header.Run.String(), rebuild.JournalName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usageError{fmt.Errorf("run %s has no journal", r.Header.Run), ""}
	}
	return j, err
}
