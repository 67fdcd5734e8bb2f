package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"mulligan/snapshot"
)

func (a *app) snapshotsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "snapshots",
		Short: "List, show and verify snapshots",
		Long:  "List, show and verify the snapshots of a target." + exitHelp(exitDone, exitFindings, exitUsage, exitFailed, exitNoSnapshot),
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.listSnapshots(cmd.Context()) },
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "list", Short: "List the snapshots, oldest first", Args: noArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return a.listSnapshots(cmd.Context()) },
		},
		&cobra.Command{
			Use: "show [SNAPSHOT]", Short: "Show what a snapshot holds (default: latest)", Args: atMostOneArg,
			RunE: func(cmd *cobra.Command, args []string) error { return a.showSnapshot(cmd.Context(), first(args)) },
		},
		&cobra.Command{
			Use: "verify [SNAPSHOT]", Short: "Read every chunk of a snapshot back and check it (default: latest)", Args: atMostOneArg,
			RunE: func(cmd *cobra.Command, args []string) error { return a.verifySnapshot(cmd.Context(), first(args)) },
		},
	)
	return cmd
}

// snapshotDocument is one snapshot for --json.
type snapshotDocument struct {
	ID       snapshot.ID      `json:"id"`
	Target   string           `json:"target"`
	Engine   string           `json:"engine,omitempty"`
	Database string           `json:"database,omitempty"`
	Time     time.Time        `json:"time"`
	Tables   []tableDocument  `json:"tables"`
	Rows     int64            `json:"rows"`
	Stored   int64            `json:"stored_bytes"`
	Ledger   *snapshot.Ledger `json:"ledger,omitempty"`
	Excluded []excludedTable  `json:"excluded,omitempty"`
	Note     string           `json:"note,omitempty"`
	Seconds  float64          `json:"seconds,omitempty"`
	Error    string           `json:"error,omitempty"`
}

type tableDocument struct {
	Name   string          `json:"table"`
	Rows   int64           `json:"rows"`
	Chunks int             `json:"chunks"`
	Digest snapshot.Digest `json:"digest"`
	Where  string          `json:"where,omitempty"`
}

type excludedTable struct {
	Name string `json:"table"`
	Rule string `json:"rule"`
}

func newSnapshotDocument(m *snapshot.Manifest, took time.Duration) snapshotDocument {
	d := snapshotDocument{
		ID: m.ID, Target: m.Target, Engine: m.Engine, Database: m.Database.Name, Time: m.Point.Time, Rows: m.Rows(),
		Stored: m.StoredBytes(), Ledger: m.Ledger, Note: m.Point.Note, Seconds: took.Seconds(), Tables: []tableDocument{},
	}
	for _, t := range m.Tables {
		d.Tables = append(d.Tables, tableDocument{t.Name.String(), t.Rows, len(t.Chunks), t.Digest, t.Where})
	}
	for _, e := range m.Excluded {
		d.Excluded = append(d.Excluded, excludedTable{e.Name.String(), e.Rule})
	}
	return d
}

func (a *app) listSnapshots(ctx context.Context) error {
	target, err := a.config.Target(a.config.Settings.Target)
	if err != nil {
		return err
	}
	repo, path, err := a.repository()
	if err != nil {
		return err
	}
	entries, err := snapshot.List(ctx, repo, target.Name)
	if err != nil {
		return err
	}
	documents := make([]listedSnapshot, 0, len(entries))
	for _, e := range entries {
		documents = append(documents, newListed(e))
	}
	return a.result(documents, func(w io.Writer) {
		if len(documents) == 0 {
			fmt.Fprintf(w, "no snapshots of %s in %s\n", target.Name, path)
			return
		}
		var rows [][]any
		for _, d := range documents {
			if d.Error != "" {
				rows = append(rows, []any{d.ID, "", "", "", "damaged: " + d.Error})
				continue
			}
			rows = append(rows, []any{d.ID, d.Tables, count(d.Rows), size(d.Stored), orNone(d.Position)})
		}
		grid(w, []string{"SNAPSHOT", "TABLES", "ROWS", "STORED", "POSITION"}, rows, 1, 2, 3)
	})
}

// listedSnapshot is a snapshot in a list for --json.
type listedSnapshot struct {
	ID       snapshot.ID `json:"id"`
	Target   string      `json:"target"`
	Engine   string      `json:"engine,omitempty"`
	Database string      `json:"database,omitempty"`
	Started  time.Time   `json:"started,omitzero"`
	Tables   int         `json:"tables"`
	Rows     int64       `json:"rows"`
	Stored   int64       `json:"stored_bytes"`
	Position string      `json:"position,omitempty"` // the migration that its ledger was at
	Error    string      `json:"error,omitempty"`    // why it cannot be read
}

func newListed(e snapshot.Entry) listedSnapshot {
	l := listedSnapshot{ID: e.ID, Target: e.Target, Engine: e.Engine, Database: e.Database, Started: e.Started, Tables: e.Tables, Rows: e.Rows, Stored: e.Stored, Position: e.Position}
	if e.Err != nil {
		l.Error = e.Err.Error()
	}
	return l
}

// openSnapshot finds and opens the snapshot that the user means.
func (a *app) openSnapshot(ctx context.Context, name string) (*snapshot.Reader, error) {
	target, err := a.config.Target(a.config.Settings.Target)
	if err != nil {
		return nil, err
	}
	repo, _, err := a.repository()
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = "latest"
	}
	id, err := a.resolve(ctx, repo, target.Name, name)
	if err != nil {
		return nil, err
	}
	return snapshot.Open(ctx, repo, target.Name, id)
}

func (a *app) showSnapshot(ctx context.Context, name string) error {
	r, err := a.openSnapshot(ctx, name)
	if err != nil {
		return err
	}
	m := r.Manifest()
	return a.result(newSnapshotDocument(m, 0), func(w io.Writer) {
		fmt.Fprintf(w, "snapshot %s of %s\n  database  %s on %s %s, at %s", m.ID, m.Target, m.Database.Name, m.Engine, m.ServerVersion, m.Point.Time.Format(time.RFC3339))
		if m.Point.Position != "" {
			fmt.Fprintf(w, " (%s)", m.Point.Position)
		}
		fmt.Fprintf(w, "\n  format    %s, by %s\n", m.Format, m.Tool)
		if m.Ledger != nil {
			fmt.Fprintf(w, "  ledger    %s (%s): %s, position %s\n", m.Ledger.Table, m.Ledger.Tool, plural(int64(len(m.Ledger.Records)), "record"), orNone(m.Ledger.Recorded))
		}
		var rows [][]any
		for _, t := range m.Tables {
			rows = append(rows, []any{"  " + t.Name.String(), count(t.Rows), len(t.Chunks), t.Digest})
		}
		grid(w, []string{"  TABLE", "ROWS", "CHUNKS", "DIGEST"}, rows, 1, 2)
		for _, e := range m.Excluded {
			fmt.Fprintf(w, "  not carried: %s (%s)\n", e.Name, e.Rule)
		}
	})
}

// verified is the result of verify.
type verified struct {
	ID     snapshot.ID `json:"id"`
	Rows   int64       `json:"rows"`
	Chunks int         `json:"chunks"`
	Bytes  int64       `json:"stored_bytes"`
	Error  string      `json:"error,omitempty"`
}

func (a *app) verifySnapshot(ctx context.Context, name string) error {
	r, err := a.openSnapshot(ctx, name)
	if errors.Is(err, snapshot.ErrCorrupt) {
		return finding{err}
	}
	if err != nil {
		return err
	}
	show := a.newProgress()
	defer show.close()
	m := r.Manifest()
	_, err = r.Verify(ctx, a.config.Settings.Jobs, func(rows, bytes int64) { show.moved("verify", rows, bytes, m.Rows()) })
	if errors.Is(err, snapshot.ErrCorrupt) {
		return finding{err}
	}
	if err != nil {
		return err
	}
	show.close()
	v := verified{ID: m.ID, Rows: m.Rows(), Bytes: m.StoredBytes()}
	for _, t := range m.Tables {
		v.Chunks += len(t.Chunks)
	}
	return a.result(v, func(w io.Writer) {
		fmt.Fprintf(w, "snapshot %s is whole: %s in %s, every size, sum, count and digest is right\n", v.ID, plural(v.Rows, "row"), plural(int64(v.Chunks), "chunk"))
	})
}
