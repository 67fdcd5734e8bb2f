// Package doctor finds out which migrations a database really has.
//
// It lays three things side by side: the migrations on disk, the records of the ledger, and the live schema. The
// ledger may lie, so the schema is judged by what the migrations do: they are replayed one at a time in a shadow, a
// scratch database on the same kind of server, and what each changes there is measured by the server's own catalog.
// A migration whose every object is in the live database just as the replay left it is there; one of which nothing is
// there is not; what has some of it is half applied. No SQL is understood, and none is parsed, for that.
//
// [Run] looks at a database and changes nothing in it; [Examine] judges a schema and records that come from elsewhere,
// a snapshot for instance. The result is a [Diagnosis]. What follows from it is decided by pure functions of plain
// values, in evidence.go and verdict.go.
package doctor

import (
	"encoding/json"
	"errors"
	"time"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// The errors that callers branch on.
var (
	// ErrMoved tells that the ledger or the schema changed while the doctor looked.
	ErrMoved = errors.New("the database changed while it was examined")
	// ErrOutside tells that a migration names the live database itself, so that its replay would change that.
	ErrOutside = errors.New("the replay would reach outside of its scratch database")
	// ErrShadow tells that no scratch database could be made.
	ErrShadow = errors.New("a scratch database for the replay cannot be made")
)

// Format is the version of the document that a [Diagnosis] is as JSON. Fields are only added within a version.
const Format = 1

// Verdict says how a migration stands between files, ledger and schema.
type Verdict string

// The verdicts.
const (
	Applied         Verdict = "applied"          // recorded, and the schema has it
	Pending         Verdict = "pending"          // not recorded, and the schema does not have it
	Unrecorded      Verdict = "unrecorded"       // not recorded, though the schema has it
	RecordedMissing Verdict = "recorded-missing" // recorded, though the schema lacks it, or a part of it
	HalfApplied     Verdict = "half-applied"     // not recorded, and the schema has a part of it
	Unprovable      Verdict = "unprovable"       // not recorded, and the schema cannot tell: it leaves no trace there
	FileMissing     Verdict = "file-missing"     // recorded, and no file is on disk
	Edited          Verdict = "edited"           // recorded, and the file is not the one that was applied
	Dirty           Verdict = "dirty"            // the ledger says that it was begun and not ended
	OutOfOrder      Verdict = "out-of-order"     // it came in below one that is applied, and the schema lacks it
	Duplicate       Verdict = "duplicate"        // recorded more than once
)

// Trace says how much of what a migration does the live schema shows.
type Trace string

// The traces.
const (
	TraceAll       Trace = "all"        // every object is as the migration made it, or as a later one left it
	TraceNone      Trace = "none"       // no object is
	TraceSome      Trace = "some"       // some are
	TraceDifferent Trace = "different"  // all are there, and some are otherwise than any migration makes them
	TraceNothing   Trace = "no-trace"   // the migration leaves nothing in a schema, or what a later one takes away
	TraceBootstrap Trace = "bootstrap"  // the bootstrap has done, and recorded, it
	TraceUnknown   Trace = "not-played" // the replay did not come to it
)

// Severity says how much a finding matters.
type Severity string

// The severities. Only a problem makes a database unhealthy.
const (
	Info    Severity = "info"
	Warning Severity = "warning"
	Problem Severity = "problem"
)

// Finding is one thing that was seen.
type Finding struct {
	Kind      string       `json:"kind"` // a verdict, or drift, ledger-row, lock, replay, access, setting
	Severity  Severity     `json:"severity"`
	Migration migration.ID `json:"migration,omitempty"`
	Message   string       `json:"message"`
	Evidence  []string     `json:"evidence,omitempty"`
	Fix       string       `json:"fix,omitempty"` // what to do about it
}

// Difference is one object that is not the same in the replay and in the live database. Old of the change is the
// replay's definition, New the live one's.
type Difference struct {
	schema.Change
	Text string       `json:"text"`           // for people
	From migration.ID `json:"from,omitempty"` // the migration that makes the replay's side; empty = no migration, so it was made by hand
}

// DataStatement is what a migration does to rows, which no schema shows.
type DataStatement struct {
	Line int    `json:"line,omitempty"` // in its file, from 1; 0 = unknown
	Text string `json:"text"`
}

// Examined is one migration with all that is known of it.
type Examined struct {
	migration.Migration
	Verdict   Verdict            `json:"verdict"`
	Why       string             `json:"why"` // the verdict's reason in one sentence
	Recorded  bool               `json:"recorded"`
	Implied   bool               `json:"implied,omitempty"` // recorded only because the ledger stands above it
	Records   []migration.Record `json:"records,omitempty"`
	Trace     Trace              `json:"trace"`
	Proved    bool               `json:"proved"`          // replayed, and the live schema has exactly what it makes
	There     []string           `json:"there,omitempty"` // what it makes and the live schema has; "no …" is what it takes away
	Missing   []Difference       `json:"missing,omitempty"`
	Different []Difference       `json:"different,omitempty"`
	Data      []DataStatement    `json:"data,omitempty"`     // what it does to rows; nobody can prove that it was done
	Complete  []Completion       `json:"complete,omitempty"` // the statements that are missing; servers without DDL in transactions only
}

// Completion is one statement that finishes a half-applied migration.
type Completion struct {
	SQL  string `json:"sql"`
	Adds bool   `json:"adds"` // it only adds
}

// ReplayFault is a migration that failed in the shadow.
type ReplayFault struct {
	Migration migration.ID `json:"migration,omitempty"` // zero = the bootstrap, or it is not known
	Path      string       `json:"path,omitempty"`
	Line      int          `json:"line,omitempty"`
	Statement string       `json:"statement,omitempty"`
	Message   string       `json:"message"`

	err error
}

// Unwrap gives the cause. It is errors.ErrUnsupported where the tool cannot be told where to stop.
func (f *ReplayFault) Unwrap() error { return f.err }

// Error is the cause's text.
func (f *ReplayFault) Error() string { return f.err.Error() }

// Match says how the live schema compares with the replay of the migrations that it has.
type Match string

// The matches.
const (
	Equal   Match = "equal"   // every object is the same
	Near    Match = "near"    // the same but for names of indexes and constraints, and the order of columns
	Differs Match = "differs" // there is drift
	Unknown Match = "unknown" // the replay failed before it could be told
)

// Shadow tells where and how the migrations were replayed.
type Shadow struct {
	Version  string  `json:"version"`  // of the server
	Database string  `json:"database"` // the scratch's name; it is gone
	Swept    bool    `json:"swept"`    // one of that name was left by a run that was killed, and was dropped
	Replays  int     `json:"replays"`  // databases that were built
	Seconds  float64 `json:"seconds"`
}

// Diagnosis is what a doctor found.
type Diagnosis struct {
	Format     int           `json:"format"`
	Target     string        `json:"target,omitempty"`
	Time       time.Time     `json:"time"`
	Engine     engine.Family `json:"engine"`
	Version    string        `json:"version"`
	Database   string        `json:"database"`
	Tool       string        `json:"tool"`
	Ledger     string        `json:"ledger"`
	Healthy    bool          `json:"healthy"`
	Match      Match         `json:"match"`
	Recorded   migration.ID  `json:"recorded"`  // position that the ledger tells
	Effective  migration.ID  `json:"effective"` // position that the schema shows
	Migrations []Examined    `json:"migrations"`
	Findings   []Finding     `json:"findings"`
	Drift      []Difference  `json:"drift"`    // what the live database has otherwise than the migrations make it
	Cosmetic   []Difference  `json:"cosmetic"` // names and orders that differ and mean nothing
	Access     []Difference  `json:"access"`   // owners and grants that differ
	Replay     *ReplayFault  `json:"replay_fault,omitempty"`
	First      []string      `json:"first,omitempty"` // what the migrations need and none of them makes: extensions, by kind and name; they are drift, too
	Shadow     Shadow        `json:"shadow"`
	Warnings   []string      `json:"warnings,omitempty"`

	records []migration.Record
	orphans []migration.Status
}

// Records are the ledger's records that the diagnosis is about.
func (d *Diagnosis) Records() []migration.Record { return d.records }

// Find gives what is known of one migration; nil = it is not among the files.
func (d *Diagnosis) Find(id migration.ID) *Examined {
	for i := range d.Migrations {
		if d.Migrations[i].ID == id && d.Migrations[i].Verdict != FileMissing {
			return &d.Migrations[i]
		}
	}
	return nil
}

// MarshalJSON writes empty lists as such and never as null, so that readers need not tell the two apart.
func (d *Diagnosis) MarshalJSON() ([]byte, error) {
	type plain Diagnosis
	p := plain(*d)
	if p.Migrations == nil {
		p.Migrations = []Examined{}
	}
	if p.Findings == nil {
		p.Findings = []Finding{}
	}
	for _, list := range []*[]Difference{&p.Drift, &p.Cosmetic, &p.Access} {
		if *list == nil {
			*list = []Difference{}
		}
	}
	return json.Marshal(p)
}
