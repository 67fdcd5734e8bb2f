package migration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"mulligan/engine"
)

// cleanupTime is how long a cleanup may take after the run itself was ended.
const cleanupTime = 30 * time.Second

// Script is what a tool sends to the server for one migration whose file is SQL.
type Script struct {
	Parts       []Statement // what is sent at once, with its line in the file: the whole text, or its statements where the tool splits it
	Transaction bool        // all parts and the record are in one transaction
}

// SQLRunner runs a folder of plain SQL files itself, in one session, by one tool's rules.
// It stops at the first failure.
type SQLRunner struct {
	Source Source
	Ledger Ledger
	Script func(m Migration) (Script, error)
	// Apply runs one migration and writes its record, for tools that do more than send the parts of its script.
	// An error is wrapped in a [*RunError] with what Apply did not say itself. nil = the parts, then the record.
	Apply func(ctx context.Context, s engine.Session, m Migration, files []Migration) error
	// Setup gives statements that set up a session as the tool's driver does; nil = as those of Go do. On MySQL and
	// MariaDB views and triggers keep the session's sql_mode and collation, and texts are compared by it.
	Setup func(f engine.Family) []string
	// Check looks at all migrations before the first is run, for what the tool refuses; nil = nothing.
	// pending are those that would run.
	Check func(all []Status, pending []Migration) error
}

var (
	_ Runner  = (*SQLRunner)(nil)
	_ Stepper = (*SQLRunner)(nil)
)

// Run is [Runner.Run]. The ledger is made where it is absent.
func (r *SQLRunner) Run(ctx context.Context, target Target, to ID, log io.Writer) error {
	return r.withSession(ctx, target, func(s engine.Session, files []Migration) error {
		records, err := r.Ledger.Records(ctx, s, files)
		if err != nil {
			return err
		}
		all := Compare(files, records)
		pending, err := Pending(all, to)
		if err != nil {
			return err
		}
		if err := refuseFailed(all); err != nil {
			return err
		}
		if r.Check != nil {
			if err := r.Check(all, pending); err != nil {
				return err
			}
		}
		for _, m := range pending {
			if err := r.step(ctx, s, m, files, log); err != nil {
				return err
			}
		}
		return nil
	})
}

// RunSteps is [Stepper.RunSteps].
func (r *SQLRunner) RunSteps(ctx context.Context, target Target, list []Migration, log io.Writer, after func(Step) (bool, error)) error {
	return r.withSession(ctx, target, func(s engine.Session, files []Migration) error {
		records, err := r.Ledger.Records(ctx, s, files)
		if err != nil {
			return err
		}
		for _, m := range list {
			if slices.ContainsFunc(records, func(r Record) bool { return r.ID == m.ID && r.State == Applied && r.Raw != nil }) {
				continue
			}
			if err := r.step(ctx, s, m, files, log); err != nil {
				return err
			}
			script, err := r.Script(m)
			if err != nil {
				return err
			}
			if more, err := after(Step{Migration: m, Sent: script.Statements(s.Family())}); err != nil || !more {
				return err
			}
		}
		return nil
	})
}

// Statements are the single statements of a script, each with its line in the file.
func (s Script) Statements(f engine.Family) []Statement {
	list := []Statement{}
	for _, part := range s.Parts {
		for _, st := range Statements(f, part.Text) {
			st.Line += part.Line - 1
			list = append(list, st)
		}
	}
	return list
}

// withSession lends a session that is set up as the tools have it, in a database that has a ledger.
func (r *SQLRunner) withSession(ctx context.Context, target Target, do func(engine.Session, []Migration) error) (err error) {
	files, err := r.Source.Migrations(ctx)
	if err != nil {
		return err
	}
	s, err := target.DB.Session(ctx)
	if err != nil {
		return fmt.Errorf("open a session for the migrations: %w", err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := r.setUp(ctx, s); err != nil {
		return err
	}
	if err := r.Ledger.Create(ctx, s); err != nil {
		return err
	}
	return do(s, files)
}

// apply sends the parts of a migration's script, and records it.
func (r *SQLRunner) apply(ctx context.Context, s engine.Session, m Migration, files []Migration) error {
	script, err := r.Script(m)
	if err != nil {
		return err
	}
	do := func() error {
		for _, part := range script.Parts {
			if err := RunScript(ctx, s, part.Text, part.Line); err != nil {
				return err
			}
		}
		return Insert(ctx, s, r.Ledger, m, files)
	}
	if script.Transaction {
		return InTransaction(ctx, s, do)
	}
	err = do()
	if err != nil {
		Rollback(ctx, s) // the text may have begun one
	}
	return err
}

// setUp makes a session what the tool's driver makes it.
func (r *SQLRunner) setUp(ctx context.Context, s engine.Session) error {
	setup := r.Setup
	if setup == nil {
		setup = asGoDrivers
	}
	for _, statement := range setup(s.Family()) {
		if _, err := s.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("set up the session for the migrations: %w", err)
		}
	}
	return nil
}

// asGoDrivers is what most tools have, which are written in Go: on MySQL and MariaDB their driver asks for a collation.
func asGoDrivers(f engine.Family) []string {
	if f != engine.MySQL && f != engine.MariaDB {
		return nil
	}
	return []string{"SET NAMES utf8mb4 COLLATE utf8mb4_general_ci"}
}

func (r *SQLRunner) step(ctx context.Context, s engine.Session, m Migration, files []Migration, log io.Writer) error {
	start := time.Now()
	apply := r.Apply
	if apply == nil {
		apply = r.apply
	}
	if err := apply(ctx, s, m, files); err != nil {
		return asRunError(m, err)
	}
	name := string(m.ID)
	if m.Path != "" {
		name = m.Path
	}
	_, err := fmt.Fprintf(log, "applied %s (%s)\n", name, time.Since(start).Round(time.Millisecond))
	if err != nil {
		return fmt.Errorf("write the log of the migrations: %w", err)
	}
	return nil
}

// Pending lists the migrations without a good record, in order, up to and including to; the zero ID means all.
// A to that is no file is an error.
func Pending(all []Status, to ID) ([]Migration, error) {
	var list []Migration
	for _, s := range all {
		if s.Verdict == VerdictPending || s.Verdict == VerdictDirty {
			list = append(list, s.Migration)
		}
		if to != "" && s.Migration.ID == to && s.Verdict != VerdictOrphan {
			return list, nil
		}
	}
	if to != "" {
		return nil, fmt.Errorf("migration %s is not among the files", to)
	}
	return list, nil
}

// refuseFailed stops before a ledger that says a migration was begun and not ended, as the tools do.
func refuseFailed(all []Status) error {
	for _, s := range all {
		for _, r := range s.Records {
			if r.State == Failed && s.Verdict != VerdictApplied {
				err := errors.New("the ledger says that it was begun and did not end")
				return &RunError{ID: s.Migration.ID, Path: s.Migration.Path, Err: err}
			}
		}
	}
	return nil
}

func asRunError(m Migration, err error) error {
	var fault *RunError
	if !errors.As(err, &fault) {
		return &RunError{ID: m.ID, Path: m.Path, Err: err}
	}
	if fault.ID == "" {
		fault.ID = m.ID
	}
	if fault.Path == "" {
		fault.Path = m.Path
	}
	return fault
}

// InTransaction runs do between BEGIN and COMMIT, or rolls back where it fails.
func InTransaction(ctx context.Context, s engine.Session, do func() error) error {
	if _, err := s.ExecContext(ctx, "BEGIN"); err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	err := do()
	if err == nil {
		if _, err = s.ExecContext(ctx, "COMMIT"); err == nil {
			return nil
		}
		err = fmt.Errorf("commit: %w", err)
	}
	Rollback(ctx, s)
	return err
}

// Rollback takes back what an open transaction did, also after ctx has ended.
// It has no error: a server refuses a rollback only where no transaction is open, and where the
// connection is gone the server rolls back by itself.
func Rollback(ctx context.Context, s engine.Session) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	_, _ = s.ExecContext(ctx, "ROLLBACK")
}

// RunScript runs text, which begins at line of its file, through the session. A failure is a
// [*RunError] with the line and the statement where they can be known.
func RunScript(ctx context.Context, s engine.Session, text string, line int) error {
	err := s.Script(ctx, text)
	if err == nil {
		return nil
	}
	fault := &RunError{Err: err}
	list := Statements(s.Family(), text)
	var where *engine.ScriptError
	switch {
	case errors.As(err, &where) && where.Offset >= 0 && where.Offset <= len(text):
		fault.Line = line + strings.Count(text[:where.Offset], "\n")
		for _, st := range list {
			if where.Offset >= st.Offset {
				fault.Statement = Cut(st.Text)
			}
		}
	case len(list) == 1:
		fault.Line, fault.Statement = line+list[0].Line-1, Cut(list[0].Text)
	}
	return fault
}

// Cut shortens a statement for a message: its white space folded, at most 300 characters.
func Cut(statement string) string {
	const limit = 300
	text := strings.Join(strings.Fields(statement), " ")
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	return string([]rune(text)[:limit]) + "…"
}
