package rebuild_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"

	"mulligan/engine"
	"mulligan/internal/lock"
	"mulligan/migration"
	"mulligan/schema"
	"mulligan/store"
)

var errFault = errors.New("fault of the test")

// mode is what happens at the chosen call.
type mode int

const (
	failBefore mode = iota // the call fails and does nothing
	failAfter              // the call does its work and fails
	dieBefore              // this call and all later ones do nothing: the process is dead
	dieAfter               // the call does its work, all later ones nothing
	cancelAt               // the context is cancelled, the call goes on
)

func (m mode) String() string {
	return []string{"fail before", "fail after", "die before", "die after", "cancel at"}[m]
}

// faults counts what a process asks of the world outside, and lets one call go wrong.
// What ends something (Close, unlock) always works: the end of a process ends it too.
type faults struct {
	mode   mode
	at     int    // number of the call, from 1; 0 = never
	only   string // calls of this name are counted, and no others; empty = all
	cancel context.CancelFunc
	kill   func() // ends the process where it is to die; nil = it only does nothing any more

	mu    sync.Mutex // guards all below
	calls []string
	dead  bool
}

// call does one call.
func (f *faults) call(what string, do func() error) error {
	if f.only != "" && what != f.only {
		return do()
	}
	f.mu.Lock()
	f.calls = append(f.calls, what)
	now := len(f.calls) == f.at
	if now && (f.mode == dieBefore || f.mode == dieAfter) {
		f.dead = true
	}
	dead := f.dead && !(now && f.mode == dieAfter)
	f.mu.Unlock()
	switch {
	case now && f.mode == dieBefore && f.kill != nil:
		f.kill()
	case dead || now && f.mode == failBefore:
		return fmt.Errorf("%s: %w", what, errFault)
	case now && f.mode == cancelAt:
		f.cancel()
	}
	err := do()
	if now && f.mode == dieAfter && f.kill != nil {
		f.kill()
	}
	if now && (f.mode == failAfter || f.mode == dieAfter) {
		return errors.Join(err, fmt.Errorf("after %s: %w", what, errFault))
	}
	return err
}

// what says which call it was.
func (f *faults) what() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at < 1 || f.at > len(f.calls) {
		return "none"
	}
	return f.calls[f.at-1]
}

// resource is call for what gives something that must be closed where the call is said to have failed.
func resource[T io.Closer](f *faults, what string, open func() (T, error)) (T, error) {
	var made T
	opened := false
	err := f.call(what, func() (err error) {
		made, err = open()
		opened = err == nil
		return err
	})
	if err != nil && opened {
		err = errors.Join(err, made.Close())
	}
	return made, err
}

func value[T any](f *faults, what string, get func() (T, error)) (v T, err error) {
	err = f.call(what, func() (err error) { v, err = get(); return err })
	return v, err
}

// inject puts the faults between a process and the world.
func (f *faults) inject(p *process) {
	p.Server = faultyServer{p.Server, f}
	p.Store = faultyStore{p.Store, f}
	tool := *p.Tool
	tool.Source, tool.Runner = faultySource{tool.Source, f}, faultyRunner{tool.Runner, f}
	p.Tool = &tool
}

type faultyServer struct {
	engine.Server
	f *faults
}

func (s faultyServer) Stat(ctx context.Context, name string) (*engine.Info, error) {
	return value(s.f, "stat", func() (*engine.Info, error) { return s.Server.Stat(ctx, name) })
}

func (s faultyServer) Create(ctx context.Context, name string, like *engine.Info) error {
	return s.f.call("create", func() error { return s.Server.Create(ctx, name, like) })
}

func (s faultyServer) Drop(ctx context.Context, name string) error {
	return s.f.call("drop", func() error { return s.Server.Drop(ctx, name) })
}

func (s faultyServer) Open(ctx context.Context, name string) (engine.DB, error) {
	db, err := resource(s.f, "open", func() (engine.DB, error) { return s.Server.Open(ctx, name) })
	if err != nil {
		return nil, err
	}
	return faultyDB{db, s.f}, nil
}

func (s faultyServer) Rename(ctx context.Context, moves ...engine.Move) error {
	return s.f.call("rename", func() error { return s.Server.(engine.Renamer).Rename(ctx, moves...) })
}

func (s faultyServer) Lock(ctx context.Context, name string, h lock.Holder) (engine.Lock, error) {
	return s.Server.(engine.Locker).Lock(ctx, name, h)
}

type faultyDB struct {
	engine.DB
	f *faults
}

func (d faultyDB) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	var rows *sql.Rows
	err := d.f.call("query", func() (err error) {
		rows, err = d.DB.QueryContext(ctx, text, args...)
		if err == nil {
			err = rows.Err()
		}
		return err
	})
	if err != nil && rows != nil {
		err = errors.Join(err, rows.Close())
	}
	return rows, err
}

func (d faultyDB) Session(ctx context.Context) (engine.Session, error) {
	s, err := resource(d.f, "session", func() (engine.Session, error) { return d.DB.Session(ctx) })
	if err != nil {
		return nil, err
	}
	return faultySession{s, d.f}, nil
}

func (d faultyDB) Inspect(ctx context.Context) (*schema.Schema, error) {
	return value(d.f, "inspect", func() (*schema.Schema, error) { return d.DB.Inspect(ctx) })
}

func (d faultyDB) View(ctx context.Context, readers int) (engine.View, error) {
	v, err := resource(d.f, "view", func() (engine.View, error) { return d.DB.View(ctx, readers) })
	if err != nil {
		return nil, err
	}
	return faultyView{v, d.f}, nil
}

func (d faultyDB) Loader(ctx context.Context, tables []*schema.Table, o *engine.LoadOptions) (engine.Loader, error) {
	l, err := resource(d.f, "loader", func() (engine.Loader, error) { return d.DB.Loader(ctx, tables, o) })
	if err != nil {
		return nil, err
	}
	return faultyLoader{l, d.f}, nil
}

type faultySession struct {
	engine.Session
	f *faults
}

func (s faultySession) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	return value(s.f, "exec", func() (sql.Result, error) { return s.Session.ExecContext(ctx, text, args...) })
}

func (s faultySession) Script(ctx context.Context, text string) error {
	return s.f.call("script", func() error { return s.Session.Script(ctx, text) })
}

type faultyView struct {
	engine.View
	f *faults
}

func (v faultyView) Schema(ctx context.Context) (*schema.Schema, error) {
	return value(v.f, "view schema", func() (*schema.Schema, error) { return v.View.Schema(ctx) })
}

func (v faultyView) Ranges(ctx context.Context, t *schema.Table, size int64) ([]engine.Range, error) {
	return value(v.f, "ranges", func() ([]engine.Range, error) { return v.View.Ranges(ctx, t, size) })
}

func (v faultyView) Dump(ctx context.Context, w io.Writer, t *schema.Table, r engine.Range) (int64, error) {
	return value(v.f, "dump", func() (int64, error) { return v.View.Dump(ctx, w, t, r) })
}

type faultyLoader struct {
	engine.Loader
	f *faults
}

func (l faultyLoader) Load(ctx context.Context, t *schema.Table, columns []string, rows io.Reader) (int64, error) {
	return value(l.f, "load", func() (int64, error) { return l.Loader.Load(ctx, t, columns, rows) })
}

func (l faultyLoader) Empty(ctx context.Context, t *schema.Table) error {
	return l.f.call("empty", func() error { return l.Loader.Empty(ctx, t) })
}

func (l faultyLoader) Finish(ctx context.Context, sequences []schema.Sequence) error {
	return l.f.call("finish", func() error { return l.Loader.Finish(ctx, sequences) })
}

type faultyStore struct {
	store.Store
	f *faults
}

func (s faultyStore) Put(ctx context.Context, name string, r io.ReadSeeker) error {
	return s.f.call("put", func() error { return s.Store.Put(ctx, name, r) })
}

func (s faultyStore) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	blob, err := resource(s.f, "get", func() (io.ReadCloser, error) { return s.Store.Get(ctx, name) })
	if err != nil {
		return nil, err
	}
	return blob, nil
}

func (s faultyStore) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		if err := s.f.call("list", func() error { return nil }); err != nil {
			yield(store.Info{}, err)
			return
		}
		s.Store.List(ctx, prefix)(yield)
	}
}

func (s faultyStore) Delete(ctx context.Context, name string) error {
	return s.f.call("delete", func() error { return s.Store.Delete(ctx, name) })
}

type faultySource struct {
	migration.Source
	f *faults
}

func (s faultySource) Migrations(ctx context.Context) ([]migration.Migration, error) {
	return value(s.f, "migrations", func() ([]migration.Migration, error) { return s.Source.Migrations(ctx) })
}

type faultyRunner struct {
	migration.Runner
	f *faults
}

func (r faultyRunner) Run(ctx context.Context, target migration.Target, to migration.ID, log io.Writer) error {
	return r.f.call("run", func() error { return r.Runner.Run(ctx, target, to, log) })
}
