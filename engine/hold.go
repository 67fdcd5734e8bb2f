package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mulligan/internal/lock"
)

// Locker is a server that can keep a second run away from a database, also from another machine.
type Locker interface {
	// Lock takes the lock named after the database for a holder, or returns a [LockedError] at once. It ends with this process or
	// its connection at the latest. A session of a holder that is proved to be gone ([lock.Holder.Gone]) is ended;
	// one of any other is never touched.
	Lock(ctx context.Context, name string, h lock.Holder) (Lock, error)
}

// Lock is a lock that was taken. It is not safe for concurrent use.
type Lock interface {
	// Held proves that the lock was not lost meanwhile. After an error it must not be relied on again.
	Held(ctx context.Context) error
	// Unlock lets it go. It may be called again.
	Unlock() error
}

// LockedError says whose a lock is, as far as the server tells. It is an [ErrLocked].
type LockedError struct {
	Holder  lock.Holder // the zero value = not known
	Session string      // of the server, "session 42 of app from 10.0.0.5"; empty = it has none
	End     string      // the statement that ends that session; empty = there is none
}

// Error names the holder.
func (e *LockedError) Error() string {
	if e.Session != "" {
		return fmt.Sprintf("locked by %s (%s)", e.Holder, e.Session)
	}
	return "locked by " + e.Holder.String()
}

// Is makes it an [ErrLocked].
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// lockPatience is how long a lock that is held is asked for again: a server may take a moment to notice that
// the process of a killed run is gone.
const lockPatience = 3 * time.Second

// Hold takes the lock named after a database inside the server, where it is a [Locker].
// One that is held is asked for again for a moment. Errors: [ErrLocked], as a [LockedError].
func Hold(ctx context.Context, s Server, name string, h lock.Holder) (Lock, error) {
	locker, ok := s.(Locker)
	if !ok {
		return noLock{}, nil
	}
	for begin := time.Now(); ; {
		l, err := locker.Lock(ctx, name, h)
		if err == nil {
			return l, nil
		}
		if !errors.Is(err, ErrLocked) || time.Since(begin) > lockPatience {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// noLock is the lock of a server that has none.
type noLock struct{}

func (noLock) Held(context.Context) error { return nil }
func (noLock) Unlock() error              { return nil }
