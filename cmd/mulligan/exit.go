package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"mulligan/backup"
	"mulligan/config"
	"mulligan/doctor"
	"mulligan/engine"
	"mulligan/journal"
	"mulligan/migration"
	"mulligan/pipeline"
	"mulligan/rebuild"
	"mulligan/repair"
	"mulligan/restore"
	"mulligan/snapshot"
)

// The exit codes. docs/exit-codes.md is their manual.
const (
	exitDone        = 0   // done and proved, or healthy
	exitFindings    = 1   // findings
	exitUsage       = 2   // bad usage or configuration; nothing was touched
	exitMidway      = 3   // the run stopped midway: resume or undo
	exitFailed      = 4   // failed, and the database is as it was
	exitNoSnapshot  = 10  // no such snapshot or repository
	exitLocked      = 11  // locked by another run
	exitInterrupted = 130 // interrupted
)

// exitRule says what an error means to a script, and to a person who must go on.
type exitRule struct {
	match func(error) bool
	code  int
	hint  string
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

// exitRules are tried in order; the first that matches decides.
func exitRules() []exitRule {
	return []exitRule{
		{isUsage, exitUsage, ""},
		{is(repair.ErrUnmended), exitMidway, "the ledger was written, and a copy of it as it was is in the repository: look at it with `mulligan doctor`"},
		{is(repair.ErrMidway), exitMidway, "what was missing was made, or a part of it, and nothing was recorded: run it again, it does the rest"},
		{isFinding, exitFindings, "the snapshot is damaged: `mulligan snapshots list` shows others"},
		{is(engine.ErrLocked), exitLocked, ""},
		{is(journal.ErrLocked), exitLocked, "that run is still going on: wait for it; `mulligan runs list` shows it"},
		{is(repair.ErrRefused), exitFindings, "nothing was written; `mulligan doctor` shows the evidence"},
		{is(migration.ErrHeld), exitLocked, "a run of the migration tool is going on: wait for it; nothing was written"},
		{is(doctor.ErrMoved), exitFailed, "something migrated meanwhile, or a migration reached outside of its scratch database: run it again when nothing else does"},
		{is(doctor.ErrOutside), exitFailed, "name a server of its own for the replay with `shadow:` or --shadow; nothing was run"},
		{is(doctor.ErrShadow), exitFailed, "the replay needs the right to make a database (docs/engines.md has the grants), or a server of its own: `shadow:` or --shadow"},
		{is(migration.ErrNoLedger), exitFailed, "is it another table? name it with migrations.table; `mulligan repair --create-ledger` makes one, as the tool does"},
		{is(migration.ErrForeign), exitFailed, "name the right table with migrations.table, or the right tool with migrations.tool"},
		{is(snapshot.ErrNewer), exitFailed, "the snapshot was written by a newer mulligan: use that version to read it"},
		{is(snapshot.ErrCorrupt), exitFailed, "the snapshot is damaged: nothing was loaded from it; `mulligan snapshots list` shows others, `mulligan snapshots verify` checks them"},
		{is(errNoSnapshot), exitNoSnapshot, "`mulligan snapshots list` shows what is there"},
		{is(rebuild.ErrNoRows), exitFailed, "name a snapshot that `mulligan snapshots list` shows with rows"},
		{is(restore.ErrWritten), exitFailed, "stop what writes to the database, or keep it waiting with --fence"},
		{is(restore.ErrAltered), exitFailed, "let no migration run meanwhile"},
		{is(rebuild.ErrNoRefresh), exitUsage, "`mulligan resume` without --refresh goes on with it"},
		{is(pipeline.ErrChanged), exitFailed, "begin anew: a run goes on only with the server, the snapshot and the migrations that it began with"},
		{is(restore.ErrDrift), exitFailed, "write a migration that makes it, or pass --accept-drift to go on without it"},
		{is(restore.ErrMisfit), exitFailed, "name the position with --at MIGRATION, leave the table out, or say in `mapping` where the columns go"},
		{is(migration.ErrUnmoved), exitFailed, "migrations.env hands the url to the command, as in env: [\"DATABASE_URL={url}\"]"},
		{is(migration.ErrAmbiguous), exitFailed, "name the right one with migrations.tool and migrations.table in the configuration"},
		{is(migration.ErrNone), exitFailed, "look at migrations.dir, and for TypeORM at the data source's `migrations`"},
		{is(backup.ErrNoTable), exitFailed, "look at tables.include, tables.exclude and tables.where; names are case-sensitive"},
		{is(rebuild.ErrGone), exitFailed, "`mulligan restore SNAPSHOT` makes the database of its snapshot; nothing was changed"},
		{isInTheWay, exitFailed, ""},
		{is(errKept), exitFailed, "it is kept as it is: stop what uses it, and run it again"},
		{isFull, exitFailed, "make room where snapshots and temporary files go; nothing that was half written is listed"},
		{is(engine.ErrInUse), exitFailed, "stop the application, or pass --evict to end its sessions"},
		{is(engine.ErrNoServer), exitFailed, "is the server running, and are host and port right?"},
		{is(engine.ErrNotExist), exitFailed, "is the database's name right? `mulligan restore` can make it from a snapshot"},
		{is(engine.ErrDenied), exitFailed, "check user, password and grants; docs/engines.md lists the grants that each command needs"},
	}
}

func isInTheWay(err error) bool {
	var way *rebuild.InTheWay
	return errors.As(err, &way)
}

// isFull tells a disk, a quota or a limit that has no room.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// finding is what a command that only looks has found.
type finding struct{ error }

func (f finding) Unwrap() error { return f.error }

func isFinding(err error) bool {
	var f finding
	return errors.As(err, &f)
}

func isUsage(err error) bool {
	var usage usageError
	var conf *config.Error
	return errors.As(err, &usage) || errors.As(err, &conf)
}

// report writes an error with its hints, and gives the exit code.
func (a *app) report(err error) int {
	var silent errSilent
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &silent):
		return silent.code
	case strings.HasPrefix(err.Error(), "unknown command"):
		err = usageError{err, "`mulligan help` lists the commands"}
	}
	code, hints := classify(err)
	if a.json() {
		data, jerr := json.Marshal(map[string]any{"error": err.Error(), "hints": hints, "exit_code": code})
		if jerr == nil {
			fmt.Fprintf(a.stdout, "%s\n", data)
		}
	}
	fmt.Fprintf(a.stderr, "mulligan: %v\n", err)
	for _, h := range hints {
		fmt.Fprintf(a.stderr, "hint: %s\n", h)
	}
	return code
}

// classify finds the exit code and the hints of an error.
func classify(err error) (code int, hints []string) {
	code = exitFailed
	for _, rule := range exitRules() {
		if rule.match(err) {
			code = rule.code
			if rule.hint != "" {
				hints = append(hints, rule.hint)
			}
			break
		}
	}
	if errors.Is(err, fs.ErrPermission) && len(hints) == 0 {
		hints = append(hints, "check the owner and the mode of the file")
	}
	var usage usageError
	if errors.As(err, &usage) && usage.hint != "" {
		hints = append(hints, usage.hint)
	}
	var conf *config.Error
	if errors.As(err, &conf) && conf.Hint != "" {
		hints = append(hints, conf.Hint)
	}
	var locked *engine.LockedError
	if errors.As(err, &locked) {
		hints = append(hints, lockedHints(locked)...)
	}
	var way *rebuild.InTheWay
	if errors.As(err, &way) && way.Midway {
		hints = append(hints, fmt.Sprintf("nothing was changed; first `mulligan resume %s`, or `mulligan undo %s`", way.Run, way.Run))
	} else if way != nil {
		hints = append(hints, fmt.Sprintf("nothing was changed; `mulligan undo %s` comes first", way.Undo))
	}
	var stopped *runError
	if errors.As(err, &stopped) {
		return stopped.classify(code, hints)
	}
	if errors.Is(err, context.Canceled) && code == exitMidway {
		return exitInterrupted, hints
	}
	if errors.Is(err, context.Canceled) {
		return exitInterrupted, append(hints, "interrupted; nothing was changed")
	}
	if len(hints) == 0 && code == exitUsage {
		hints = append(hints, "nothing was touched; `mulligan help` and docs/configuration.md say what may be given")
	}
	if len(hints) == 0 {
		hints = append(hints, "the database is as it was")
	}
	return code, hints
}

// lockedHints say where a run that holds a lock can be looked at, and what is to be done where it is no more.
func lockedHints(e *engine.LockedError) []string {
	if e.Holder.Gone() { // its session could not be ended
		return []string{"nobody is behind that lock any more: have its session ended in the server: " + e.End}
	}
	wait := "another run works on this database: wait for it"
	switch {
	case e.Holder.PID == 0:
		wait += "; `mulligan runs list` may show it"
	case e.Holder.Run == "" || e.Holder.Command == "repair": // these are no runs of that list
	case e.Holder.Here():
		wait += fmt.Sprintf("; `mulligan runs show %s` shows it", e.Holder.Run)
	default:
		wait += fmt.Sprintf("; on host %s `mulligan runs show %s` shows it", e.Holder.Host, e.Holder.Run)
	}
	hints := []string{wait}
	if e.End != "" && !e.Holder.Here() {
		hints = append(hints, "whether it lives cannot be proved from here; where you know that it does not, end its session in the server: "+e.End)
	}
	return hints
}

// runError is a run that did not come to its end, with the run's name for the hints.
type runError struct {
	run     string
	resumes bool
	failure *rebuild.Failure
}

func (e *runError) Error() string { return e.failure.Error() }
func (e *runError) Unwrap() error { return e.failure }

func (e *runError) classify(code int, hints []string) (int, []string) {
	resume := fmt.Sprintf("`mulligan resume %s` goes on from here", e.run)
	undo := fmt.Sprintf("`mulligan undo %s` takes it back", e.run)
	switch {
	case errors.Is(e, rebuild.ErrUndoing):
		return exitMidway, append(hints, undo)
	case e.failure.Interrupted && e.failure.State == rebuild.AsItWas:
		return exitInterrupted, append(hints, "interrupted; the database is as it was", resume)
	case e.failure.Interrupted:
		return exitInterrupted, append(hints, "interrupted midway; the old database is kept under its set-aside name", resume, undo)
	case e.failure.State == rebuild.Midway:
		return exitMidway, append(hints, resume, undo)
	}
	if code == exitFailed || code == exitDone {
		code = exitFailed
	}
	hints = append(hints, "the database is as it was; what was begun is taken back")
	if errors.Is(e, restore.ErrWritten) || errors.Is(e, restore.ErrAltered) {
		return code, append(hints, fmt.Sprintf("`mulligan resume %s --refresh` takes again what has changed, and builds anew", e.run))
	}
	if e.resumes && !errors.Is(e, pipeline.ErrChanged) {
		hints = append(hints, "when the cause is mended, "+resume+" with the snapshot that was taken")
	}
	return code, hints
}

// exitHelp is the part of a command's help that lists its exit codes.
func exitHelp(codes ...int) string {
	var b strings.Builder
	b.WriteString("\n\nExit codes:\n")
	for _, c := range codes {
		fmt.Fprintf(&b, "  %-4d%s\n", c, exitMeaning(c))
	}
	return strings.TrimRight(b.String(), "\n")
}

func exitMeaning(code int) string {
	switch code {
	case exitDone:
		return "done and proved"
	case exitFindings:
		return "findings: something that was checked is not as it should be"
	case exitUsage:
		return "bad usage or configuration; nothing was touched"
	case exitMidway:
		return "stopped midway: resume or undo, as the message says"
	case exitFailed:
		return "failed, and the database is as it was"
	case exitNoSnapshot:
		return "no such snapshot or repository"
	case exitLocked:
		return "locked by another run"
	case exitInterrupted:
		return "interrupted; nothing is lost, and the message says how to go on"
	default:
		return "failure"
	}
}
