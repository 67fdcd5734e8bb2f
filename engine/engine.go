// Package engine is the port to a database server: what every engine must be able to do,
// in the few words that backup, restore and rebuild are written in.
//
// A [Server] makes, drops and opens databases. A [DB] is one of them: it can be queried,
// inspected, read through a consistent [View] and filled through a [Loader]. What only some
// servers can do is an interface of its own ([Renamer], [MoveChecker], [Evicter], [Locker], [Completer], [Keeper], [Marker], [Fencer]).
// Adapters stand in sub-folders, one for each technology, and all pass engine/enginetest.
//
// Rows travel as lines of PostgreSQL's COPY text form on every engine (docs/format.md, "Rows").
// Everything here takes a context, and stops promptly when it ends.
package engine

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"time"

	"mulligan/schema"
)

// The errors that callers branch on. Adapters wrap them with what was being done to what.
var (
	ErrNotExist = errors.New("database does not exist")
	ErrExist    = errors.New("database exists already")
	ErrInUse    = errors.New("database is in use by other sessions")
	ErrDenied   = errors.New("access denied") // wrong user or password, or a missing privilege
	ErrNoServer = errors.New("server cannot be reached")
	ErrLocked   = errors.New("locked by another run")
)

// Server is one database server, or for SQLite the file system.
// A database's name is what the server knows it by; for SQLite it is the absolute path of the file.
// Implementations must be safe for concurrent use.
type Server interface {
	// Traits gives the server's facts, read once when the connection was made.
	Traits() Traits
	// Stat describes a database. It must not change anything. Errors: ErrNotExist, ErrDenied.
	Stat(ctx context.Context, name string) (*Info, error)
	// Create makes an empty database with the properties of like (owner, encoding, collation,
	// settings, grants; nil = the server's defaults). Errors: ErrExist, ErrDenied.
	// What like has and the caller may not set is an error, never left out in silence.
	Create(ctx context.Context, name string, like *Info) error
	// Drop removes a database; one that does not exist is ErrNotExist, one with sessions ErrInUse.
	// Only [Scratch] and [SetAside] call it.
	Drop(ctx context.Context, name string) error
	// Open connects to a database and proves that it is connected to name. Errors: ErrNotExist, ErrDenied.
	Open(ctx context.Context, name string) (DB, error)
	Close() error
}

// Traits are facts of a server.
type Traits struct {
	Family           Family `json:"engine"`
	Version          string `json:"version"`  // as the server says it, "15.18", "10.11.19-MariaDB", "3.54.1"
	Identity         string `json:"identity"` // the same for the server's life, different for every server: PostgreSQL's system identifier, MySQL's server_uuid; see each adapter
	TransactionalDDL bool   `json:"-"`        // a failed migration leaves nothing behind
	NameLimit        int    `json:"-"`        // longest database name: bytes on PostgreSQL, characters on MySQL; 0 = no limit
}

// Info is one database's properties.
type Info struct {
	Name       string            `json:"name"`
	Owner      string            `json:"owner,omitempty"`
	Properties map[string]string `json:"properties"`         // what Create needs to make one like it: encoding, collation, …; keys are the adapter's
	Settings   []string          `json:"settings,omitempty"` // settings kept with the database, in the adapter's form
	Grants     []string          `json:"grants,omitempty"`   // grants on the database itself, in the adapter's form
	Sessions   int               `json:"sessions"`           // other sessions that use it now
	Bytes      int64             `json:"bytes"`              // on disk; 0 = unknown
}

// Querier is database/sql's way to run statements. *sql.DB, *sql.Conn and *sql.Tx have its three last methods.
type Querier interface {
	Family() Family
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// DB is one open database. Implementations must be safe for concurrent use.
type DB interface {
	Querier
	// Session gives one connection of its own, for what must happen on a single one.
	Session(ctx context.Context) (Session, error)
	// Inspect reads the schema: everything that is not the server's own or an extension's member.
	Inspect(ctx context.Context) (*schema.Schema, error)
	// View opens a consistent view: whatever is written meanwhile, all its readers see one moment.
	// readers is a wish; where the server can give fewer, it gives fewer.
	View(ctx context.Context, readers int) (View, error)
	// Loader makes the tables ready: they are emptied, their triggers muted, the foreign keys that touch
	// them and, where it pays, their secondary indexes taken off. The database must be one that may be
	// lost: until Finish has returned nil its schema is not what it was.
	// With o.State it takes an interrupted load up in place of that. o is nil where nothing is asked for.
	Loader(ctx context.Context, tables []*schema.Table, o *LoadOptions) (Loader, error)
	Close() error
}

// Session is one connection. It is not safe for concurrent use.
type Session interface {
	Querier
	// Script runs a text of several statements as the engine's own client would send it.
	// The first failing statement ends it. Text from outside is run as it is.
	Script(ctx context.Context, text string) error
	Close() error
}

// View is a consistent view of a database. Implementations must be safe for concurrent use.
type View interface {
	// Point says which moment the view sees.
	Point() Point
	// Schema reads tables and sequences as the view sees them; Objects may be left empty.
	Schema(ctx context.Context) (*schema.Schema, error)
	// Ranges splits a table into parts of about size bytes each, that together hold every row exactly once.
	// There is at least one. A table that cannot be split is one range.
	Ranges(ctx context.Context, t *schema.Table, size int64) ([]Range, error)
	// Dump writes the rows of t that lie in r to w, one line each in any order, the stored columns
	// ([schema.Table.Stored]) in their order, and returns how many it wrote. It waits for a free reader.
	// Where ctx ends or w fails, what was written is worthless and the reader is not used again.
	// Errors: the error of w, found by errors.Is; else the server's.
	Dump(ctx context.Context, w io.Writer, t *schema.Table, r Range) (rows int64, err error)
	Close() error
}

// Point is the moment that a view sees.
type Point struct {
	Time     time.Time `json:"time"`               // of the server, UTC
	Position string    `json:"position,omitempty"` // "lsn 0/16B3748", "gtid …", "binlog f:123", "data_version 7"; empty = the server has none
	Readers  int       `json:"readers"`            // connections that read at this moment
	Note     string    `json:"note,omitempty"`     // what was weaker than asked for and why; empty = nothing
}

// Range is a part of a table's rows. The zero Range is the whole table.
type Range struct {
	Part  string // a partition in the adapter's words; empty = the table itself
	From  *int64 // first key or block, inclusive; nil = no bound
	To    *int64 // last key or block, exclusive; nil = no bound
	Where string // a condition in the engine's SQL, from the configuration; empty = all rows
}

// Loader fills tables. Load is safe for concurrent use; one of Finish and Close ends it.
type Loader interface {
	// Load adds rows in COPY text form, cells in the order of columns, and returns how many there were:
	// all of them in one transaction, or none. An error of the reader rolls back and is found by errors.Is.
	Load(ctx context.Context, t *schema.Table, columns []string, rows io.Reader) (n int64, err error)
	// Empty removes the rows of one of the tables, so that it can be loaded from the first row on. It must not run beside a Load of it.
	Empty(ctx context.Context, t *schema.Table) error
	// Finish puts back everything that Loader took off, checks every foreign key that touches the tables,
	// and sets the sequences. Where rows break a constraint the error holds a [RowsError] for each. It may be called again
	// after it failed.
	Finish(ctx context.Context, sequences []schema.Sequence) error
	// Close abandons what Finish did not end. After Finish it is nil.
	Close() error
}

// Noter is a loader that tells what it does in a weaker or a slower way than it could, and why.
type Noter interface {
	Notes() []string
}

// Move is one renaming of a database.
type Move struct{ From, To string }

// Renamer is a server that can give databases other names.
type Renamer interface {
	// Rename does all moves in their order, as one step where the engine can (PostgreSQL: one transaction;
	// MySQL and MariaDB: one RENAME TABLE; SQLite: one file at a time). A move's From exists and its To
	// does not, when its turn comes. Nobody may be connected: ErrInUse.
	Rename(ctx context.Context, moves ...Move) error
}

// MoveChecker is a [Renamer] that knows beforehand why it would refuse.
type MoveChecker interface {
	// CheckMove gives all reasons for which a database cannot be renamed, joined to one error, as far as they can be known;
	// nil = none is known. Sessions are not looked at. It must not change the database. probe is an empty scratch
	// database of the caller's, to try out in it what making the database's objects again would take; what is made
	// there may be left there. Without one (empty) nothing is tried. Errors: ErrNotExist, ErrDenied.
	CheckMove(ctx context.Context, name, probe string) error
}

// Evicter is a server that can end other sessions of a database.
type Evicter interface {
	Evict(ctx context.Context, name string) error
}

// Definer is a database that keeps the statements which made it, as their authors wrote them.
type Definer interface {
	// Definitions are those statements without semicolons, in an order in which they make the schema on an empty database.
	Definitions(ctx context.Context) ([]string, error)
}

// Completer is a server that can write the statements that lead from one schema to another.
type Completer interface {
	// Complete gives the statements for a list of changes ([schema.Diff]: Old is what is there, New what is wanted), in an
	// order in which they can run, all in one [Session] that is not used for anything else afterwards. Each makes the objects
	// that it names; one that names none prepares others. The places of columns that do not change are left as they are.
	// What it cannot write is an error that wraps [errors.ErrUnsupported].
	Complete(changes []schema.Change) ([]Completion, error)
}

// Completion is one statement of a [Completer].
type Completion struct {
	SQL     string   // without a semicolon at its end
	Objects []string // keys of the objects that it makes or takes away ([schema.Object.Key])
	Adds    bool     // it only adds: nothing that is there is changed or taken away, and no row is touched but to give it a new column
}
