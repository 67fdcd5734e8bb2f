package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mulligan/backup"
	"mulligan/config"
	"mulligan/internal/lock"
	"mulligan/snapshot"
)

// backupOptions are the flags of backup.
type backupOptions struct {
	onlyLedger bool
	include    []string
	exclude    []string
	where      []string
}

func (a *app) backupCommand() *cobra.Command {
	o := &backupOptions{}
	cmd := &cobra.Command{
		Use:   "backup",
		Short: "Take a snapshot of the important tables, and always of the ledger",
		Long: "Take a consistent snapshot of the target's important tables, and always of the ledger. The database\n" +
			"keeps serving meanwhile. The snapshot is listed only when all of it is durable." +
			exitHelp(exitDone, exitUsage, exitFailed, exitLocked, exitInterrupted),
		Example: "  mulligan backup\n  mulligan backup --table users --table 'message*' --where \"messages: created_at > '2026-01-01'\"\n  mulligan backup --only-ledger",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.backup(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.onlyLedger, "only-ledger", false, "the ledger and nothing else")
	f.StringArrayVar(&o.include, "table", nil, "a `pattern` of tables to carry, in place of the configuration's; may be repeated")
	f.StringArrayVar(&o.exclude, "exclude-table", nil, "a `pattern` of tables to leave out, on top of the configuration's; may be repeated")
	f.StringArrayVar(&o.where, "where", nil, "`TABLE: CONDITION` that a table's rows must meet; may be repeated")
	return cmd
}

func (o *backupOptions) rules(t *config.Target) (backup.Rules, error) {
	r := rules(t)
	if o.onlyLedger && len(o.include)+len(o.exclude)+len(o.where) > 0 {
		return r, usageError{errors.New("--only-ledger and --table, --exclude-table or --where contradict each other"), "give one of them"}
	}
	if o.onlyLedger {
		return backup.Rules{OnlyLedger: true}, nil
	}
	if len(o.include) > 0 {
		r.Include = o.include
	}
	r.Exclude = append(r.Exclude, o.exclude...)
	for _, w := range o.where {
		table, condition, ok := strings.Cut(w, ": ")
		if !ok {
			return r, usageError{fmt.Errorf("--where %q is not TABLE: CONDITION", w), "write --where \"messages: created_at > '2026-01-01'\""}
		}
		r.Where = append(r.Where, backup.Where{Table: table, Condition: condition})
	}
	return r, nil
}

func (a *app) backup(ctx context.Context, o *backupOptions) error {
	target, err := a.config.Target(a.config.Settings.Target)
	if err != nil {
		return err
	}
	r, err := o.rules(target)
	if err != nil {
		return err
	}
	unlock, err := a.lockTarget(target.Name, lock.This("backup", ""))
	if err != nil {
		return err
	}
	defer unlock()
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer s.server.Close()
	repo, path, err := a.repository()
	if err != nil {
		return err
	}
	db, err := s.server.Open(ctx, s.url.Database())
	if err != nil {
		return err
	}
	defer db.Close()
	show := a.newProgress()
	defer show.close()
	begin := time.Now()
	m, err := backup.Run(ctx, backup.Source{
		Server: s.server, DB: db, Name: s.url.Database(), Target: target.Name, Tool: s.tool,
		LedgerGiven: target.Migrations.Table != "",
	}, repo, &backup.Options{
		Rules: r, Jobs: a.config.Settings.Jobs, Tool: "mulligan " + version(),
		Progress: func(rows, bytes int64) { show.moved("backup", rows, bytes, 0) },
	})
	if err != nil {
		return err
	}
	show.close()
	took := time.Since(begin)
	return a.result(newSnapshotDocument(m, took), func(w io.Writer) { describeBackup(w, m, path, took) })
}

func describeBackup(w io.Writer, m *snapshot.Manifest, path string, d time.Duration) {
	fmt.Fprintf(w, "snapshot %s of %s: %d tables, %s, %s stored in %s\n", m.ID, m.Target, len(m.Tables), plural(m.Rows(), "row"), size(m.StoredBytes()), took(d))
	if m.Ledger != nil {
		fmt.Fprintf(w, "ledger %s (%s): %s, position %s\n", m.Ledger.Table, m.Ledger.Tool, plural(int64(len(m.Ledger.Records)), "record"), orNone(m.Ledger.Recorded))
	}
	for _, e := range m.Excluded {
		fmt.Fprintf(w, "not carried: table %s (%s)\n", e.Name, e.Rule)
	}
	if m.Point.Note != "" {
		fmt.Fprintf(w, "note: %s\n", m.Point.Note)
	}
	fmt.Fprintf(w, "in %s\n", path)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
