package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// mark stands in the name of every database that mulligan makes or sets aside.
const mark = "__mulligan_"

// Scratch is a database that mulligan made and may drop. Only [NewScratch] and [AdoptScratch] make one.
type Scratch struct {
	server Server
	name   string
}

// NewScratch creates a database like the given one, under a name that [ScratchName] made. Errors: as [Server.Create].
func NewScratch(ctx context.Context, s Server, name string, like *Info) (*Scratch, error) {
	scratch, err := AdoptScratch(s, name)
	if err != nil {
		return nil, err
	}
	if err := s.Create(ctx, name, like); err != nil {
		return nil, err
	}
	return scratch, nil
}

// AdoptScratch takes up a scratch that an earlier process left. It looks at the name only.
func AdoptScratch(s Server, name string) (*Scratch, error) {
	if !IsScratchName(name) {
		return nil, fmt.Errorf("database %s is no scratch: its name lacks %q", name, mark)
	}
	return &Scratch{server: s, name: name}, nil
}

// Name is the database's name.
func (s *Scratch) Name() string { return s.name }

// Drop removes the scratch; one that is gone is fine. Sessions that are left on it are ended first: a migration
// tool that outlived its run must not find the next scratch of the same name.
// The name is checked once more: whatever happened, nothing else is ever dropped here. What holds rows is a [SetAside].
func (s *Scratch) Drop(ctx context.Context) error {
	if !IsScratchName(s.name) {
		return fmt.Errorf("database %s is no scratch and is not dropped", s.name)
	}
	var evicted error
	if evicter, ok := s.server.(Evicter); ok {
		evicted = evicter.Evict(ctx, s.name)
	}
	err := s.server.Drop(ctx, s.name)
	if err == nil || errors.Is(err, ErrNotExist) {
		return nil
	}
	if evicted != nil && !errors.Is(evicted, ErrNotExist) {
		err = errors.Join(err, fmt.Errorf("end its sessions: %w", evicted))
	}
	return fmt.Errorf("drop scratch database %s: %w", s.name, err)
}

// ScratchName names the database that a run builds beside the given one: "app__mulligan_9f3a1c".
// limit is [Traits.NameLimit]; a name that would be too long is cut before the mark.
func ScratchName(database, run string, limit int) string { return markName(database, run, limit) }

// AsideName names the database that a run sets aside: "app__mulligan_old_9f3a1c".
func AsideName(database, run string, limit int) string { return markName(database, "old_"+run, limit) }

// UndoneName names the rebuilt database that an undo takes out of its place: "app__mulligan_new_9f3a1c".
func UndoneName(database, run string, limit int) string { return markName(database, "new_"+run, limit) }

// IsScratchName tells the names that ScratchName makes from all others. Those of databases that were set
// aside or undone hold rows, and are none.
func IsScratchName(name string) bool {
	i := strings.LastIndex(name, mark)
	if i < 0 {
		return false
	}
	kind := name[i+len(mark):]
	return !strings.HasPrefix(kind, "old_") && !strings.HasPrefix(kind, "new_")
}

func markName(database, suffix string, limit int) string {
	tail := mark + suffix
	for limit > 0 && len(database) > 0 && len(database)+len(tail) > limit {
		_, n := utf8.DecodeLastRuneInString(database)
		database = database[:len(database)-n]
	}
	return database + tail
}
