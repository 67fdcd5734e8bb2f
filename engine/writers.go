package engine

import (
	"context"

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
}

// Fencer is a database that can make writers wait while readers go on.
type Fencer interface {
	// Fence keeps every other session from changing rows of the tables: who tries, waits. It holds until release, or until
	// this process or its connection ends. Transactions that have written are waited for, ten seconds long. Views, and all
	// reading, go on beside it. Errors: ErrInUse where somebody does not stop writing; ErrDenied.
	Fence(ctx context.Context, tables []*schema.Table) (release func() error, err error)
}
