package engine

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// lockPatience is how long a lock that is held is asked for again: a server may take a moment to notice that
// the process of a killed run is gone.
const lockPatience = 3 * time.Second

// Hold takes the lock named after a database inside the server, where it is a [Locker], and gives what frees it.
// One that is held is asked for again for a moment. Errors: [ErrLocked].
func Hold(ctx context.Context, s Server, name string) (free func() error, err error) {
	locker, ok := s.(Locker)
	if !ok {
		return func() error { return nil }, nil
	}
	for begin := time.Now(); ; {
		free, err := locker.Lock(ctx, name)
		if err == nil {
			return free, nil
		}
		if !errors.Is(err, ErrLocked) || time.Since(begin) > lockPatience {
			return nil, fmt.Errorf("lock database %s: %w", name, err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}
