package engine

import (
	"context"
	"fmt"
	"strings"
)

// IsMarked tells the names of databases that mulligan made or set aside from all others.
func IsMarked(name string) bool { return strings.Contains(name, mark) }

// CheckMove says why a database cannot be set aside, as far as its server is a [MoveChecker] and can know it.
// probe as in [MoveChecker.CheckMove]. Errors: those of the server.
func CheckMove(ctx context.Context, s Server, name, probe string) error {
	checker, ok := s.(MoveChecker)
	if !ok {
		return nil
	}
	if err := checker.CheckMove(ctx, name, probe); err != nil {
		return fmt.Errorf("database %s cannot be set aside: %w", name, err)
	}
	return nil
}
