package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"mulligan/engine"
)

var _ engine.MoveChecker = (*Server)(nil)

// CheckMove implements [engine.MoveChecker]. A file with a second name is refused: who has it open by that one would go on
// writing to what was set aside. There is nothing to try out in a probe: to make one was the trial.
func (s *Server) CheckMove(ctx context.Context, name, _ string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	file, err := regular(name)
	if err != nil {
		return fmt.Errorf("rename database %s: %w", name, err)
	}
	var reasons []error
	if s.readOnly {
		reasons = append(reasons, fmt.Errorf("the url says mode=ro: %w", engine.ErrDenied))
	}
	if link, err := os.Lstat(name); err != nil || !link.Mode().IsRegular() {
		reasons = append(reasons, errors.Join(err, errors.New("it is a symbolic link: name the file itself")))
	}
	if n := names(file); n > 1 {
		reasons = append(reasons, fmt.Errorf("the file has %d names (hard links): remove the others", n))
	}
	reasons = append(reasons, movable(filepath.Dir(name), file))
	if err := errors.Join(reasons...); err != nil {
		return fmt.Errorf("rename database %s: %w", name, err)
	}
	return nil
}
