package engine

import (
	"context"
	"fmt"

	"mulligan/schema"
)

// Marker is a database that can tell cheaply that rows have not changed.
type Marker interface {
	// Marks gives a text for each of the tables that it can speak for. A mark that is equal at two moments proves that a view
	// which was opened after the first of them sees the same rows as one at the second, whatever the database was called meanwhile.
	// Whoever wrote in between must have left the database by the second moment: what renames it, or ends its sessions, sees to that.
	// A mark that differs proves nothing. What cannot be known, for want of a privilege, of a counter, or because the server
	// started again, is left out; that is no error. It changes no row.
	Marks(ctx context.Context, tables []*schema.Table) (map[schema.Name]string, error)
	// Quiet tells whether nobody can have made a change that a view which is open now sees, and that marks taken from now on do not
	// show yet. Where it is so, marks of this moment can be compared although the database still serves.
	Quiet(ctx context.Context) (bool, error)
}

// Fencer is a database that can make writers wait while readers go on.
type Fencer interface {
	// Fence keeps every other session from changing rows of the tables: who tries, waits. It holds until release, or until
	// this process or its connection ends. Transactions that have written are waited for, ten seconds long. Views, and all
	// reading, go on beside it. A Rename of the database through the same Server lets the fence go by itself, as late as it
	// can, and an Evict spares it. Errors: ErrInUse where somebody does not stop writing; ErrDenied.
	Fence(ctx context.Context, tables []*schema.Table) (release func() error, err error)
}

// HasMarks tells whether a database is a [Marker].
func HasMarks(db DB) bool {
	_, ok := db.(Marker)
	return ok
}

// Marks takes the marks of a database's tables; nil where it is no [Marker].
func Marks(ctx context.Context, db DB, tables []*schema.Table) (map[schema.Name]string, error) {
	marker, ok := db.(Marker)
	if !ok {
		return nil, nil
	}
	marks, err := marker.Marks(ctx, tables)
	if err != nil {
		return nil, fmt.Errorf("look whether rows have changed: %w", err)
	}
	return marks, nil
}
