package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mulligan/engine"
	"mulligan/engine/sqlite"
	"mulligan/migration"
	"mulligan/migration/command"
	"mulligan/migration/dbmate"
	"mulligan/schema"
)

//go:embed demo
var demoFiles embed.FS

// The demo's position: the ledger knows of the first, the tables of the second.
const (
	demoRecorded  = "1673609465036"
	demoEffective = "1692000000000"
)

func (a *app) demoCommand() *cobra.Command {
	var folder string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Break a database, rebuild it, and prove it, in a temporary folder",
		Long: "Make the database of our story in a new folder (SQLite, nothing to install): the tables are all there,\n" +
			"the ledger knows of one migration. Show the failure, the rebuild with its stages and proofs, and where\n" +
			"everything lies." + exitHelp(exitDone, exitFailed, exitInterrupted),
		Args:        noArgs,
		Annotations: map[string]string{noConfig: "true"},
		RunE:        func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context(), folder) },
	}
	cmd.Flags().StringVar(&folder, "dir", "", "new `folder` to work in (default: a temporary one, which is kept)")
	return cmd
}

// demo is the whole show.
func (a *app) demo(ctx context.Context, folder string) error {
	begin := time.Now()
	d := &demo{app: a, out: a.stdout}
	if err := d.make(ctx, folder); err != nil {
		return fmt.Errorf("make the demo in %s: %w", d.dir, err)
	}
	d.title("A service will not start")
	d.print("$ service start")
	if err := d.start(ctx); err == nil {
		return errors.New("the demo's database is not broken")
	} else {
		d.print("  " + err.Error())
	}
	d.print("\nThe ledger knows of one migration. The tables of the later ones are all there.")
	d.query(ctx, "SELECT version FROM schema_migrations")
	d.query(ctx, "SELECT count(*) AS security_keys FROM security_keys")

	d.title("What the doctor says")
	if code := d.mulligan(ctx, "doctor"); code != exitFindings {
		return errSilent{code}
	}
	d.title("What would happen")
	if code := d.mulligan(ctx, "rebuild", "--plan"); code != exitDone {
		return errSilent{code}
	}
	d.title("The do-over")
	if code := d.mulligan(ctx, "rebuild", "--yes"); code != exitDone {
		return errSilent{code}
	}
	d.title("The service starts, and the data migration has moved the rows")
	d.print("$ service start")
	if err := d.start(ctx); err != nil {
		return err
	}
	d.print("  ready, no migration is pending")
	d.query(ctx, "SELECT count(*) AS users, (SELECT count(*) FROM messages) AS messages, (SELECT count(*) FROM security_keys) AS security_keys FROM users")
	d.query(ctx, "SELECT name, position FROM channels WHERE guild_id = 1 ORDER BY position LIMIT 4")

	d.title("Where everything lies")
	d.print(fmt.Sprintf("  %-58s %s", d.dir+"/", "the demo, kept for you to look at"))
	d.print(fmt.Sprintf("  %-58s %s", "  app.db", "the rebuilt database"))
	for _, name := range d.glob("app.db__mulligan_old_*") {
		d.print(fmt.Sprintf("  %-58s %s", "  "+name, "the old one, set aside; `mulligan undo` puts it back"))
	}
	for _, name := range d.glob(".mulligan/snapshots/app/*") {
		d.print(fmt.Sprintf("  %-58s %s", "  "+name, "the snapshot: manifest, schema, rows as zstd text"))
	}
	for _, name := range d.glob(".mulligan/runs/*") {
		d.print(fmt.Sprintf("  %-58s %s", "  "+name, "journal.jsonl and report.json"))
	}
	d.print(fmt.Sprintf("\nAll of it took %s. Try: cd %s && mulligan runs show", took(time.Since(begin)), d.dir))
	return nil
}

type demo struct {
	app *app
	out io.Writer
	dir string
}

// make writes the application and its broken database into a folder that is not there yet.
func (d *demo) make(ctx context.Context, folder string) (err error) {
	if d.dir = folder; folder == "" {
		if d.dir, err = os.MkdirTemp("", "mulligan-demo-"); err != nil {
			return err
		}
	} else if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	if d.dir, err = filepath.Abs(d.dir); err != nil {
		return err
	}
	files, err := fs.Sub(demoFiles, "demo")
	if err != nil {
		return err
	}
	if err := os.CopyFS(d.dir, files); err != nil {
		return err
	}
	return d.breakDatabase(ctx)
}

// breakDatabase does what happened to the application: everything is made, and all but one record is lost.
func (d *demo) breakDatabase(ctx context.Context) error {
	server, err := sqlite.Connect(ctx, d.url())
	if err != nil {
		return err
	}
	defer server.Close()
	if err := server.Create(ctx, d.url().Database(), nil); err != nil {
		return err
	}
	return d.with(ctx, func(target migration.Target, tool *migration.Tool) error {
		if err := command.SQLFile(filepath.Join(d.dir, "base.sql")).Run(ctx, target, "", io.Discard); err != nil {
			return err
		}
		if err := tool.Runner.Run(ctx, target, demoEffective, io.Discard); err != nil {
			return err
		}
		if err := command.SQLFile(filepath.Join(d.dir, "rows.sql")).Run(ctx, target, "", io.Discard); err != nil {
			return err
		}
		_, err := target.DB.ExecContext(ctx, "DELETE FROM schema_migrations WHERE version <> ?", demoRecorded)
		return err
	})
}

// start does what the service does when it starts: it applies what is pending.
func (d *demo) start(ctx context.Context) error {
	return d.with(ctx, func(target migration.Target, tool *migration.Tool) error {
		return tool.Runner.Run(ctx, target, "", io.Discard)
	})
}

func (d *demo) url() engine.URL {
	u, err := engine.ParseURL("sqlite:" + filepath.ToSlash(filepath.Join(d.dir, "app.db")))
	if err != nil {
		panic("mulligan: internal error: the demo's url: " + err.Error())
	}
	return u
}

func (d *demo) with(ctx context.Context, do func(migration.Target, *migration.Tool) error) error {
	server, err := sqlite.Connect(ctx, d.url())
	if err != nil {
		return err
	}
	defer server.Close()
	db, err := server.Open(ctx, d.url().Database())
	if err != nil {
		return err
	}
	tool := dbmate.New([]string{filepath.Join(d.dir, "migrations")}, schema.Name{})
	return errors.Join(do(migration.Target{URL: d.url(), DB: db}, tool), db.Close())
}

// mulligan runs a command as the user would type it.
func (d *demo) mulligan(ctx context.Context, args ...string) int {
	d.print("$ mulligan " + strings.Join(args, " "))
	args = append([]string{"--config", filepath.Join(d.dir, "mulligan.yaml")}, args...)
	return run(ctx, args, demoEnv(d.app.env), d.app.stdin, d.out, d.out)
}

// demoEnv keeps settings of the user's own databases out of the demo.
func demoEnv(env []string) []string {
	var kept []string
	for _, e := range env {
		if !strings.HasPrefix(e, "MULLIGAN_") && !strings.HasPrefix(e, "DATABASE_URL=") {
			kept = append(kept, e)
		}
	}
	return kept
}

// query shows what a statement finds, indented.
func (d *demo) query(ctx context.Context, statement string) {
	err := d.with(ctx, func(target migration.Target, _ *migration.Tool) error {
		rows, err := target.DB.QueryContext(ctx, statement)
		if err != nil {
			return err
		}
		defer rows.Close()
		names, err := rows.Columns()
		if err != nil {
			return err
		}
		d.print("$ sqlite3 app.db \"" + statement + "\"")
		for rows.Next() {
			cells, refs := make([]any, len(names)), make([]any, len(names))
			for i := range cells {
				refs[i] = &cells[i]
			}
			if err := rows.Scan(refs...); err != nil {
				return err
			}
			var line []string
			for i, c := range cells {
				line = append(line, fmt.Sprintf("%s = %v", names[i], c))
			}
			d.print("  " + strings.Join(line, ", "))
		}
		return rows.Err()
	})
	if err != nil {
		d.print("  " + err.Error())
	}
}

func (d *demo) title(text string) {
	if d.app.color(d.out) {
		text = "\x1b[1m" + text + "\x1b[0m"
	}
	d.print("\n" + text)
}

func (d *demo) print(text string) { fmt.Fprintln(d.out, text) }

// glob lists names in the demo's folder.
func (d *demo) glob(pattern string) []string {
	paths, err := filepath.Glob(filepath.Join(d.dir, pattern))
	if err != nil {
		return nil // the pattern is ours
	}
	var names []string
	for _, p := range paths {
		if name, err := filepath.Rel(d.dir, p); err == nil {
			names = append(names, name)
		}
	}
	return names
}
