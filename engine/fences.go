package engine

import (
	"errors"
	"slices"
	"sync"
)

// Fences are the fences that a server holds, by database: who opens a view beside one has to know it, and a Rename lets them
// go. F is what an adapter keeps with each. The zero value is ready. It is safe for concurrent use.
type Fences[F any] struct {
	mu   sync.RWMutex // held for reading while a view opens, so that the fences it relies on stay
	held map[string][]*heldFence[F]
}

type heldFence[F any] struct {
	own F
	end func() error // does its work once
}

// Add takes a fence of a database up. release calls end, unless LetGo has; it may be called again.
func (f *Fences[F]) Add(name string, own F, end func() error) (release func() error) {
	fence := &heldFence[F]{own, sync.OnceValue(end)}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held == nil {
		f.held = map[string][]*heldFence[F]{}
	}
	f.held[name] = append(f.held[name], fence)
	return func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.held[name] = slices.DeleteFunc(f.held[name], func(o *heldFence[F]) bool { return o == fence })
		return fence.end()
	}
}

// Of gives the fences of a database; they stay until done is called.
func (f *Fences[F]) Of(name string) (list []F, done func()) {
	f.mu.RLock()
	for _, fence := range f.held[name] {
		list = append(list, fence.own)
	}
	return list, f.mu.RUnlock
}

// Any tells whether a fence of any database is held.
func (f *Fences[F]) Any() bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, list := range f.held {
		if len(list) > 0 {
			return true
		}
	}
	return false
}

// LetGo ends all fences of a database. An error says that one did not hold to the end.
func (f *Fences[F]) LetGo(name string) (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fence := range f.held[name] {
		err = errors.Join(err, fence.end())
	}
	delete(f.held, name)
	return err
}
