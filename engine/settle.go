package engine

import "context"

// Settler is a server whose renames are made of several steps, so that a kill can leave one half done.
type Settler interface {
	// Settle ends what a killed Rename of any of the databases left: one whose tables had moved comes to its end, any other
	// is taken back. Where nothing was left it does nothing. Whoever calls it holds the lock on the database, so that no
	// Rename is under way.
	Settle(ctx context.Context, names ...string) error
}

// Settle ends half-done renames of the databases, where the server knows such.
func Settle(ctx context.Context, s Server, names ...string) error {
	if settler, ok := s.(Settler); ok {
		return settler.Settle(ctx, names...)
	}
	return nil
}
