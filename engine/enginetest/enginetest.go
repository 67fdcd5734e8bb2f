// Package enginetest is the conformance suite of the engine port: what every adapter must do,
// as one list of subtests that runs against a real server.
//
//	enginetest.Test(t, enginetest.Config{Connect: connect, NewName: name})
//
// What an engine can only do by an optional interface ([engine.Renamer], [engine.Evicter],
// [engine.Locker], [engine.Keeper], [engine.Marker], [engine.Fencer]) is tested where the server or the database has it. An
// adapter says beside its types, with
// `var _ engine.Renamer = …`, that it has.
package enginetest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"mulligan/engine"
	"mulligan/schema"
)

// Config says how to reach the server under test. All fields are required.
type Config struct {
	// Connect opens a new connection to the same server at each call. The suite closes it.
	Connect func(t testing.TB) engine.Server
	// NewName gives a name that no database has yet; for SQLite the path of a file in an existing folder.
	NewName func(t testing.TB) string
}

// patience is how long a step may take that should take next to no time. It ends a hang, and is never waited for.
const patience = 60 * time.Second

// Test runs the whole suite.
func Test(t *testing.T, cfg Config) {
	groups := []struct {
		name string
		run  func(*testing.T, *env)
	}{
		{"Server", testServer},
		{"Scratch", testScratch},
		{"SetAside", testSetAside},
		{"Session", testSession},
		{"Inspect", testInspect},
		{"Changes", testChanges},
		{"Kinds", testKinds},
		{"Same", testSame},
		{"View", testView},
		{"Ranges", testRanges},
		{"Cancel", testCancel},
		{"Lines", testLines},
		{"RoundTrip", testRoundTrip},
		{"Load", testLoad},
		{"Finish", testFinish},
		{"Resume", testResume},
		{"Keep", testKeep},
		{"Optional", testOptional},
	}
	finish := startFenceInUse(t, cfg) // takes ten seconds, beside the others
	defer finish()
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			e := &env{cfg: cfg, server: connect(t, cfg)}
			e.family = e.server.Traits().Family
			g.run(t, e)
		})
	}
}

// env is one group's surroundings.
type env struct {
	cfg    Config
	server engine.Server
	family engine.Family
	other  engine.Server // the server of other clients, of the tests of marks
}

func connect(t testing.TB, cfg Config) engine.Server {
	t.Helper()
	s := cfg.Connect(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the server: %v", err)
		}
	})
	return s
}

// context ends with the test, or where something hangs.
func deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// create makes an empty database and removes it when the test ends.
func (e *env) create(t testing.TB) string {
	t.Helper()
	name := e.cfg.NewName(t)
	if err := e.server.Create(deadline(t), name, nil); err != nil {
		t.Fatalf("create database %s: %v", name, err)
	}
	e.removeLater(t, name)
	return name
}

// removeLater drops whatever has the name when the test ends.
func (e *env) removeLater(t testing.TB, name string) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		err := e.server.Drop(ctx, name)
		if evicter, ok := e.server.(engine.Evicter); ok && errors.Is(err, engine.ErrInUse) {
			err = errors.Join(evicter.Evict(ctx, name), e.server.Drop(ctx, name))
		}
		if err != nil && !errors.Is(err, engine.ErrNotExist) {
			t.Errorf("drop database %s: %v", name, err)
		}
	})
}

// open makes a database, runs the statements in it and returns it open.
func (e *env) open(t testing.TB, statements ...string) engine.DB {
	t.Helper()
	return e.reopen(t, e.create(t), statements...)
}

// reopen opens a database that exists and runs the statements in it.
func (e *env) reopen(t testing.TB, name string, statements ...string) engine.DB {
	t.Helper()
	return openOn(t, e.server, name, statements...)
}

func openOn(t testing.TB, s engine.Server, name string, statements ...string) engine.DB {
	t.Helper()
	db, err := s.Open(deadline(t), name)
	if err != nil {
		t.Fatalf("open database %s: %v", name, err)
	}
	t.Cleanup(func() { closing(t, "database", db.Close) })
	exec(t, db, statements...)
	return db
}

func closing(t testing.TB, what string, closeIt func() error) {
	t.Helper()
	if err := closeIt(); err != nil {
		t.Errorf("close the %s: %v", what, err)
	}
}

// exec runs statements written in the suite's words ([words]).
func exec(t testing.TB, q engine.Querier, statements ...string) {
	t.Helper()
	for _, s := range statements {
		text := words(q.Family(), s)
		if _, err := q.ExecContext(deadline(t), text); err != nil {
			t.Fatalf("exec %s: %v", text, err)
		}
	}
}

// insert adds one row of values.
func insert(t testing.TB, q engine.Querier, table string, values ...any) {
	t.Helper()
	f := q.Family()
	marks := make([]string, len(values))
	for i := range values {
		marks[i] = f.Placeholder(i + 1)
	}
	text := "INSERT INTO " + f.Ident(table) + " VALUES (" + strings.Join(marks, ", ") + ")"
	if _, err := q.ExecContext(deadline(t), text, values...); err != nil {
		t.Fatalf("exec %s with %q: %v", text, values, err)
	}
}

// number asks for one integer.
func number(t testing.TB, q engine.Querier, query string) int64 {
	t.Helper()
	var n int64
	if err := q.QueryRowContext(deadline(t), words(q.Family(), query)).Scan(&n); err != nil {
		t.Fatalf("query %s: %v", query, err)
	}
	return n
}

func inspect(t testing.TB, db engine.DB) *schema.Schema {
	t.Helper()
	s, err := db.Inspect(deadline(t))
	if err != nil {
		t.Fatalf("inspect: %v", err)
	}
	return s
}

// table finds a table by its bare name, in whatever schema the engine puts it.
func table(t testing.TB, s *schema.Schema, name string) *schema.Table {
	t.Helper()
	i := slices.IndexFunc(s.Tables, func(tb schema.Table) bool { return tb.Name.Table == name })
	if i < 0 {
		t.Fatalf("inspect: there is no table %q among %v", name, tableNames(s))
	}
	return &s.Tables[i]
}

func tables(t testing.TB, s *schema.Schema, names ...string) []*schema.Table {
	t.Helper()
	var list []*schema.Table
	for _, n := range names {
		list = append(list, table(t, s, n))
	}
	return list
}

func tableNames(s *schema.Schema) []string {
	var names []string
	for _, t := range s.Tables {
		names = append(names, t.Name.Table)
	}
	return names
}

func view(t testing.TB, db engine.DB, readers int) engine.View {
	t.Helper()
	v, err := db.View(deadline(t), readers)
	if err != nil {
		t.Fatalf("view with %d readers: %v", readers, err)
	}
	t.Cleanup(func() { closing(t, "view", v.Close) })
	return v
}

// dump returns the table's lines, sorted, without their line feeds.
func dump(t testing.TB, v engine.View, tb *schema.Table, r engine.Range) []string {
	t.Helper()
	var b strings.Builder
	n, err := v.Dump(deadline(t), &b, tb, r)
	if err != nil {
		t.Fatalf("dump table %s, range %+v: %v", tb.Name, r, err)
	}
	got := lines(t, b.String())
	if int64(len(got)) != n {
		t.Errorf("dump table %s: it says %d rows and wrote %d lines", tb.Name, n, len(got))
	}
	return got
}

// content is dump of a whole table through a view of its own.
func content(t testing.TB, db engine.DB, name string) []string {
	t.Helper()
	v, err := db.View(deadline(t), 1)
	if err != nil {
		t.Fatalf("view: %v", err)
	}
	defer closing(t, "view", v.Close)
	return dump(t, v, table(t, inspect(t, db), name), engine.Range{})
}

func lines(t testing.TB, text string) []string {
	t.Helper()
	if text == "" {
		return nil
	}
	if !strings.HasSuffix(text, "\n") {
		t.Errorf("the dump's last line has no line feed: %q", text[max(0, len(text)-80):])
	}
	list := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	slices.Sort(list)
	return list
}

func loader(t testing.TB, db engine.DB, list []*schema.Table) engine.Loader {
	t.Helper()
	l, err := db.Loader(deadline(t), list, nil)
	if err != nil {
		t.Fatalf("loader: %v", err)
	}
	t.Cleanup(func() { closing(t, "loader", l.Close) })
	return l
}

// load loads lines into a table and checks the count.
func load(t testing.TB, l engine.Loader, tb *schema.Table, rows []string) {
	t.Helper()
	text := strings.Join(rows, "\n")
	if len(rows) > 0 {
		text += "\n"
	}
	n, err := l.Load(deadline(t), tb, tb.Stored(), strings.NewReader(text))
	if err != nil {
		t.Fatalf("load table %s: %v", tb.Name, err)
	}
	if n != int64(len(rows)) {
		t.Errorf("load table %s: %d rows, want %d", tb.Name, n, len(rows))
	}
}

func finish(t testing.TB, l engine.Loader, sequences ...schema.Sequence) {
	t.Helper()
	if err := l.Finish(deadline(t), sequences); err != nil {
		t.Fatalf("finish: %v", err)
	}
}

// shape is a schema without the server's estimates.
func shape(s *schema.Schema) []schema.Table {
	list := slices.Clone(s.Tables)
	for i := range list {
		list[i].Rows, list[i].Bytes = 0, 0
	}
	slices.SortFunc(list, func(a, b schema.Table) int { return cmp.Or(a.Name.Compare(b.Name)) })
	return list
}
