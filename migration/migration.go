// Package migration is the port to a migration tool: its files, its ledger, and a way to run it.
//
// A [Tool] joins three small things. A [Source] lists the migrations on disk in the tool's own
// order. A [Ledger] reads and writes the table in which the tool records what it applied. A
// [Runner] applies pending migrations up to a given one. [Compare] lays files and records side by
// side; [Detect] finds the ledgers of a database by table and columns.
//
// Adapters stand in sub-folders, one for each tool. What all share, such as running a folder of
// plain SQL files ([SQLRunner]) or making a runner that can only do everything stop midway
// ([Mask]), is written once, here.
//
// Facts on every tool come from its documentation and source; each adapter names them.
package migration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"mulligan/engine"
	"mulligan/schema"
)

// The errors that callers branch on.
var (
	ErrNoLedger  = errors.New("the ledger table does not exist")
	ErrRecorded  = errors.New("the migration is recorded already")
	ErrMarksAll  = errors.New("marking this migration would mark others too") // one-number ledgers: the migration is not the next one
	ErrNone      = errors.New("no migrations found")
	ErrAmbiguous = errors.New("more than one ledger found")
	ErrForeign   = errors.New("the ledger table has foreign columns")
	ErrUnmoved   = errors.New("the migration tool did not do what it was asked to") // it worked in another database, or not at all
	ErrHeld      = errors.New("the migration tool's own lock is held")              // by whom is said in the message
)

// ID is a migration's identity, as its tool writes it into the ledger:
// "webauthn1675045120206" for TypeORM, "20240101000000" for dbmate. The zero ID names none.
type ID string

// Migration is one step on disk.
type Migration struct {
	ID    ID     `json:"id"`
	Title string `json:"title,omitempty"`  // the readable part of its name
	Path  string `json:"path,omitempty"`   // its file; empty where the tool does not say
	Hash  string `json:"sha256,omitempty"` // lower-case hex over the file as it is; empty = unknown
	Line  int    `json:"-"`                // first line of the part that is applied, from 1; 0 = the whole file
}

// Source is an ordered set of migrations.
type Source interface {
	// Migrations lists them in the order in which the tool would apply them to an empty database.
	// Two with one ID are an error that names both. Errors: [ErrNone] where there is not one.
	Migrations(ctx context.Context) ([]Migration, error)
}

// State says what a record stands for.
type State string

// The states of a record.
const (
	Applied    State = "applied"
	Failed     State = "failed" // begun and not ended: golang-migrate's dirty flag, Flyway's success = false
	RolledBack State = "rolled-back"
	Unreadable State = "unreadable" // the row names no migration: its key is NULL or of another type. Its ID is zero
)

// Sum says whether a record's checksum is that of the file on disk.
type Sum string

// The answers of a checksum. The zero Sum: the ledger keeps none, or it cannot be compared.
const (
	SumMatches Sum = "matches"
	SumDiffers Sum = "differs"
)

// Record is one row of a ledger, or for a one-number ledger one migration that the number implies.
type Record struct {
	ID    ID                `json:"id"`
	State State             `json:"state"`
	At    time.Time         `json:"at,omitzero"`        // zero = the ledger does not keep it
	Sum   Sum               `json:"checksum,omitempty"` // zero = cannot be told
	Raw   map[string]string `json:"raw,omitempty"`      // the row as text by column; implied records have none
}

// Ledger is the table in which a tool records what it applied.
// Its methods touch nothing but that table.
type Ledger interface {
	// Table is where the ledger is, or where the tool would make it.
	Table() schema.Name
	// Create makes the empty table as the tool would; one that exists is left as it is.
	Create(ctx context.Context, q engine.Querier) error
	// Records reads all rows in the order of the ledger. files is the list on disk, which one-number
	// ledgers need; others ignore it. It must not change anything. Errors: [ErrNoLedger].
	Records(ctx context.Context, q engine.Querier, files []Migration) ([]Record, error)
	// Mark gives what to write so that the ledger calls each of marks applied, with exactly the rows that the tool
	// itself would write. marks are in the order of files, and none is taken for granted: marking one must not mark
	// another. A failed record of one of them is replaced as the tool would have it. It reads, and changes nothing;
	// what it gives holds as long as nobody else writes. Errors: [ErrRecorded], [ErrMarksAll], [ErrNoLedger].
	Mark(ctx context.Context, q engine.Querier, marks, files []Migration) ([]Write, error)
	// Unmark gives what to write so that the tool would run each of marks again. A record that is absent needs
	// nothing. It reads, and changes nothing. Errors: [ErrMarksAll], [ErrNoLedger].
	Unmark(ctx context.Context, q engine.Querier, marks, files []Migration) ([]Write, error)
}

// Target is a database that migrations are run in.
type Target struct {
	URL engine.URL // for child processes
	DB  engine.DB  // the same database, open
}

// Runner applies migrations.
type Runner interface {
	// Run applies the pending migrations up to and including to, in order; the zero ID means all.
	// What the tool prints goes to log, without the target's password. A failure names the migration
	// where the runner can know it. Where Run returns nil, the caller still checks the ledger.
	// Errors: errors.ErrUnsupported where to is not zero and the runner can only do all (see [Mask]);
	// [*RunError] where a migration failed.
	Run(ctx context.Context, target Target, to ID, log io.Writer) error
}

// Stepper is a runner that can be looked over the shoulder, for less than a Run for each migration costs.
type Stepper interface {
	// RunSteps applies exactly the given migrations, in this order, whether or not the tool would let others go first,
	// and calls after when one is applied and recorded. Those that are recorded already are left out. The tool waits
	// meanwhile, without an open transaction. Where after does not want more, RunSteps ends well; its error ends
	// RunSteps with that error. It is for scratch databases.
	RunSteps(ctx context.Context, target Target, list []Migration, log io.Writer, after func(Step) (more bool, err error)) error
}

// Step is a migration that was just applied.
type Step struct {
	Migration
	Sent []Statement // what was sent to the server for it, in order; nil = the runner cannot tell
}

// RunError is a migration that failed.
type RunError struct {
	ID        ID     // zero = the runner cannot tell
	Path      string // its file; empty = unknown
	Line      int    // line of the failing statement in Path, from 1; 0 = unknown
	Statement string // the failing statement, cut to a readable length; empty = unknown
	Err       error  // the server's or the tool's message
}

// Error says which migration failed where and why.
func (e *RunError) Error() string {
	what := "run migrations"
	if e.ID != "" {
		what = "run migration " + string(e.ID)
	}
	if e.Path != "" {
		what += " (" + e.Path
		if e.Line > 0 {
			what += fmt.Sprintf(":%d", e.Line)
		}
		what += ")"
	}
	return what + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *RunError) Unwrap() error { return e.Err }

// Late says what a tool does with a migration that comes in below one that is applied already.
type Late string

// What becomes of late migrations. The zero Late is not known.
const (
	LateRuns    Late = "runs"    // the next run applies it
	LateRefused Late = "refused" // the next run stops with an error
	LateSkipped Late = "skipped" // it is never run, and nothing is said: a replay from scratch would run it
)

// Tool is one migration tool with one application's migrations.
type Tool struct {
	Name      string // "typeorm", "goose", …
	Source    Source
	Ledger    Ledger
	Runner    Runner
	Bootstrap Runner // what makes the base tables before the first migration; nil = the migrations make everything
	Late      Late
	Lock      Lock                              // what the tool holds while it migrates; nil = it takes none
	Script    func(m Migration) (Script, error) // the SQL that the tool would send; nil = its migrations are code
	Notes     func() []string                   // what of the application's settings is dangerous, as its source saw them last; nil = nothing is known
}
