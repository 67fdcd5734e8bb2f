package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"mulligan/config"
)

// app is one invocation: its streams, and what the flags and the configuration say.
type app struct {
	env            []string
	stdin          io.Reader
	stdout, stderr io.Writer
	config         *config.Config
}

// run is the whole program but for the process around it; it returns the exit code.
func run(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{env: env, stdin: stdin, stdout: stdout, stderr: stderr}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	return a.report(err)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "mulligan",
		Short: "A do-over for your database: rebuild it from its migrations without losing a row",
		Long: "Mulligan takes a database whose schema and migrations have drifted apart and gives it a clean\n" +
			"start without losing a row: it snapshots the important tables, replays all migrations on a new\n" +
			"database, brings the rows back, proves them, and puts the new database in the old one's place.\n" +
			"The old one is set aside, and kept at least until a later run is proved, unless you say otherwise.",
		Version:       version(),
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.load(cmd) },
	}
	config.AddFlags(root.PersistentFlags())
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{err, "see `" + cmd.CommandPath() + " --help`"}
	})
	root.SetVersionTemplate("mulligan {{.Version}}\n")
	root.AddGroup(&cobra.Group{ID: "main", Title: "The main job:"}, &cobra.Group{ID: "look", Title: "Look:"})
	for _, add := range []struct {
		group string
		cmd   *cobra.Command
	}{
		{"main", a.rebuildCommand()}, {"main", a.repairCommand()}, {"main", a.backupCommand()}, {"main", a.restoreCommand()},
		{"main", a.resumeCommand()}, {"main", a.undoCommand()}, {"main", a.demoCommand()},
		{"look", a.doctorCommand()}, {"look", a.snapshotsCommand()}, {"look", a.runsCommand()},
		{"", a.versionCommand()}, {"", a.manCommand()},
	} {
		add.cmd.GroupID = add.group
		root.AddCommand(add.cmd)
	}
	return root
}

// load reads the configuration, for every command that has one.
func (a *app) load(cmd *cobra.Command) error {
	if cmd.Annotations[noConfig] != "" || cmd.Name() == "help" || cmd.Name() == cobra.ShellCompRequestCmd || isCompletion(cmd) {
		return nil
	}
	c, err := config.Load(config.Options{Env: a.env, Flags: cmd.Flags()})
	if err != nil {
		return err
	}
	a.config = c
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryGoal(c.Settings.Jobs))
	}
	return c.ApplyEnv(cmd.Flags())
}

// memoryGoal is where the collector begins to work harder, in bytes. The work itself needs about 8 MB for each job.
// Without a goal the rest of one row of megabytes lies about until the next ones have doubled the heap:
// an SQLite database with rows of 64 MiB took 970 MB in place of 430 (measured, internal/bench).
func memoryGoal(jobs int) int64 { return 64<<20 + int64(jobs)*(16<<20) }

// noConfig marks commands that read no configuration.
const noConfig = "no-config"

func isCompletion(cmd *cobra.Command) bool {
	return cmd.Parent() != nil && cmd.Parent().Name() == "completion"
}

// noArgs and oneArg are cobra's checks with our own error.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s takes no argument, got %q", cmd.CommandPath(), args[0]), "see `" + cmd.CommandPath() + " --help`"}
	}
	return nil
}

func atMostOneArg(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usageError{fmt.Errorf("%s takes one argument at most, got %d", cmd.CommandPath(), len(args)), "see `" + cmd.CommandPath() + " --help`"}
	}
	return nil
}

func oneArg(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError{fmt.Errorf("%s takes one argument, got %d", cmd.CommandPath(), len(args)), "see `" + cmd.CommandPath() + " --help`"}
	}
	return nil
}

// usageError is bad usage: nothing was touched.
type usageError struct {
	err  error
	hint string
}

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// terminal tells whether a stream is one that a person sits at.
func terminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// color tells whether stderr or stdout may be coloured.
func (a *app) color(stream any) bool {
	if a.config != nil {
		switch a.config.Settings.Color {
		case "always":
			return true
		case "never":
			return false
		}
	}
	for _, e := range a.env {
		if v, ok := strings.CutPrefix(e, "NO_COLOR="); ok && v != "" {
			return false
		}
	}
	return terminal(stream)
}

func (a *app) quiet() bool { return a.config != nil && a.config.Settings.Quiet }

func (a *app) json() bool { return a.config != nil && a.config.Settings.JSON }

// say writes a line for people to stderr.
func (a *app) say(format string, args ...any) {
	if !a.quiet() {
		fmt.Fprintf(a.stderr, format+"\n", args...)
	}
}

// errSilent ends a command that has said all there is to say; it carries the exit code only.
type errSilent struct{ code int }

func (e errSilent) Error() string { return fmt.Sprintf("exit %d", e.code) }
