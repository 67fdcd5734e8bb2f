// Package command runs migrations by a command of the user's: the adapter for every tool that is
// not run natively, and for applications that migrate themselves.
//
// A command is an argument list; there is no shell and no standard input. Placeholders in it and in
// its environment stand for the target:
//
//	{url} {database} {host} {port} {user} {password}    the target
//	{to}                                                the last migration to apply, by its ID
//
// {password}, and {url} where it holds a password, are allowed in the environment only, since
// everyone on a machine can read argument lists. DATABASE_URL is always set in the environment to the
// target's url, with the scheme as the user wrote it ([migration.Environment]).
//
// A command that exits with 0 is believed to have done its work here. Whether it has, and in the
// target and not in a database of its own configuration, only the ledger can tell: callers compare
// it before and after.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"mulligan/engine"
	"mulligan/internal/child"
	"mulligan/migration"
)

// Options describe a command. Only Command is required.
type Options struct {
	Command []string         // program and arguments, with placeholders
	Dir     string           // where it runs; empty = this process's directory
	Env     []string         // "NAME=value" with placeholders, on top of this process's environment
	Source  migration.Source // what it applies; needed to stop midway without {to}
	Ledger  migration.Ledger // where it records; needed to stop midway without {to}
	Tool    string           // the tool's name; empty = "command"
	Grace   time.Duration    // between SIGTERM and SIGKILL; zero = [child.Grace]
	// Steps makes the commands, of the one given, that apply the pending migrations and no others, for tools that name where to
	// stop in a way of their own and would not bear being masked. It needs Source and Ledger; nil = the tool is none of those.
	Steps func(command []string, all []migration.Status, pending []migration.Migration) ([][]string, error)
}

// ErrSecret says that a password would stand in an argument list.
var ErrSecret = errors.New("a password does not belong into an argument list, which others can read: pass it in migrations.env, or read DATABASE_URL")

// New makes a runner of a command. A command with {to} can stop midway, and one without can where
// Source and Ledger are given: by Steps, or else masked, which is for scratch databases only.
func New(o Options) (migration.Runner, error) {
	if len(o.Command) == 0 || o.Command[0] == "" {
		return nil, errors.New("the migration command is empty")
	}
	for _, arg := range o.Command {
		if strings.Contains(arg, "{password}") {
			return nil, fmt.Errorf("migration command: {password} in %q: %w", arg, ErrSecret)
		}
	}
	if _, err := migration.Environment(o.Env, engine.URL{}, ""); err != nil {
		return nil, fmt.Errorf("migration command: %w", err)
	}
	if o.Steps != nil && (o.Source == nil || o.Ledger == nil) {
		return nil, errors.New("migration command: its steps need the list of migrations and their ledger")
	}
	run := &runner{o}
	if !run.steppable() && o.Source != nil && o.Ledger != nil && o.Steps == nil {
		return migration.Mask(run, o.Ledger, o.Source), nil
	}
	return run, nil
}

// Tool joins a command with the Source and Ledger of its options.
func Tool(o Options) (*migration.Tool, error) {
	run, err := New(o)
	if err != nil {
		return nil, err
	}
	name := o.Tool
	if name == "" {
		name = "command"
	}
	return &migration.Tool{Name: name, Source: o.Source, Ledger: o.Ledger, Runner: run}, nil
}

type runner struct{ o Options }

// steppable tells whether the command is told where to stop.
func (r *runner) steppable() bool {
	for _, text := range append(r.o.Command[:len(r.o.Command):len(r.o.Command)], r.o.Env...) {
		if strings.Contains(text, "{to}") {
			return true
		}
	}
	return false
}

// Run is [migration.Runner.Run].
func (r *runner) Run(ctx context.Context, target migration.Target, to migration.ID, log io.Writer) error {
	if to != "" && !r.steppable() && r.o.Steps != nil {
		return r.steps(ctx, target, to, log)
	}
	if to != "" && !r.steppable() {
		return fmt.Errorf("run %s up to migration %s: %w: the command has no {to}", r.o.Command[0], to, errors.ErrUnsupported)
	}
	if to == "" && r.steppable() {
		last, err := r.last(ctx)
		if err != nil {
			return err
		}
		to = last
	}
	return r.start(ctx, r.o.Command, target, to, log)
}

// steps runs the commands that apply the pending migrations up to one. The ledger is made where it is absent,
// since what is pending is read from it.
func (r *runner) steps(ctx context.Context, target migration.Target, to migration.ID, log io.Writer) error {
	files, err := r.o.Source.Migrations(ctx)
	if err != nil {
		return err
	}
	if err := r.o.Ledger.Create(ctx, target.DB); err != nil {
		return err
	}
	records, err := r.o.Ledger.Records(ctx, target.DB, files)
	if err != nil {
		return err
	}
	all := migration.Compare(files, records)
	pending, err := migration.Pending(all, to)
	if err != nil || len(pending) == 0 {
		return err
	}
	commands, err := r.o.Steps(r.o.Command, all, pending)
	if err != nil {
		return err
	}
	for _, args := range commands {
		if err := r.start(ctx, args, target, to, log); err != nil {
			return err
		}
	}
	return nil
}

// start runs one command.
func (r *runner) start(ctx context.Context, command []string, target migration.Target, to migration.ID, log io.Writer) error {
	args, env, err := r.fill(command, target.URL, to)
	if err != nil {
		return err
	}
	err = child.Run(ctx, child.Command{Args: args, Dir: r.o.Dir, Env: env, Log: log, Scrub: target.URL.Scrub, Grace: r.o.Grace})
	if err != nil {
		return &migration.RunError{Err: err}
	}
	return nil
}

// last is the last migration of all, for a command that must be told one.
func (r *runner) last(ctx context.Context) (migration.ID, error) {
	if r.o.Source == nil {
		return "", fmt.Errorf("run %s: its {to} needs the list of migrations, and none is configured", r.o.Command[0])
	}
	list, err := r.o.Source.Migrations(ctx)
	if err != nil {
		return "", err
	}
	if len(list) == 0 {
		return "", migration.ErrNone
	}
	return list[len(list)-1].ID, nil
}

// fill puts the target into arguments and environment.
func (r *runner) fill(command []string, u engine.URL, to migration.ID) (args, env []string, err error) {
	open := migration.Placeholders(u, to)
	for _, arg := range command {
		if strings.Contains(arg, "{url}") && migration.HasSecret(u) {
			return nil, nil, fmt.Errorf("migration command: {url} in %q: %w", arg, ErrSecret)
		}
		args = append(args, open.Replace(arg))
	}
	env, err = migration.Environment(r.o.Env, u, to)
	return args, env, err
}
