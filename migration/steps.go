package migration

import (
	"context"
	"errors"
	"io"
)

// Steps applies exactly the listed migrations, one by one, in a scratch database.
func Steps(ctx context.Context, t *Tool, target Target, list []Migration, log io.Writer, after func(Step) (bool, error)) error {
	s, ok := t.Runner.(Stepper)
	if !ok {
		return errors.ErrUnsupported
	}
	return s.RunSteps(ctx, target, list, log, after)
}
