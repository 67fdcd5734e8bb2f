package engine

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// asidePatience is how long sessions that have just ended may still be listed by a server before a set-aside
// database counts as used.
const asidePatience = time.Second

// SetAside is a database that a run took out of its place. It holds rows: it may be the only copy of them, and what
// proves that it is not is the caller's to know. Only [AdoptSetAside] makes one.
type SetAside struct {
	server   Server
	database string // whose place it had
	name     string
}

// AdoptSetAside takes up what a run set aside, or an undo took out, of a database. The name must be the very one that
// [AsideName] or [UndoneName] makes of both.
func AdoptSetAside(s Server, database, run, name string) (*SetAside, error) {
	limit := s.Traits().NameLimit
	if database == "" || run == "" || name == database || name != AsideName(database, run, limit) && name != UndoneName(database, run, limit) {
		return nil, fmt.Errorf("database %s is not what run %s set aside of database %s", name, run, database)
	}
	return &SetAside{server: s, database: database, name: name}, nil
}

// Name is the database's name.
func (a *SetAside) Name() string { return a.name }

// Drop removes the database for good, where another one answers in its place and nobody uses it; no session is ever
// ended for that. begin is called when nothing is left that refuses, right before the drop; its error is the end of it.
// An error after begin leaves a database of which a part may be gone.
// Errors: [ErrInUse], [ErrNotExist] of the database itself or of the one in its place.
func (a *SetAside) Drop(ctx context.Context, begin func() error) (err error) {
	if a.server == nil || a.name == "" || a.name == a.database {
		return errors.New("engine: internal error: a database is to be dropped that was not adopted as set aside")
	}
	db, err := a.server.Open(ctx, a.database)
	if err != nil {
		return fmt.Errorf("open the database in the place of %s: %w", a.name, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	// The session stays until the end: where both names should lead to one database, by a link of the file system,
	// then it is in use, and not dropped.
	session, err := db.Session(ctx)
	if err != nil {
		return fmt.Errorf("open the database in the place of %s: %w", a.name, err)
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	var one int
	if err := session.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return fmt.Errorf("ask database %s: %w", a.database, err)
	}
	if err := AwaitUnused(ctx, a.server, a.name, asidePatience); err != nil {
		return err
	}
	if err := begin(); err != nil {
		return err
	}
	return a.server.Drop(ctx, a.name)
}

// AwaitUnused waits until nobody uses a database, no longer than patience: a server may list sessions that have just ended.
// Errors: [ErrInUse].
func AwaitUnused(ctx context.Context, s Server, name string, patience time.Duration) error {
	for until := time.Now().Add(patience); ; {
		info, err := s.Stat(ctx, name)
		if err != nil || info.Sessions == 0 {
			return err
		}
		if time.Now().After(until) {
			return fmt.Errorf("database %s: %w: %d sessions", name, ErrInUse, info.Sessions)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}
