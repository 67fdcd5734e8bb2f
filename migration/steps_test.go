package migration_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/schema"
)

// fake is a tool that applies by writing its ledger. It does all that is pending, or up to a migration where it can stop.
type fake struct {
	files  []migration.Migration
	ledger migration.Ledger
	stops  bool         // it can be told where
	number bool         // marking one marks all before it
	also   migration.ID // what it records besides
	idle   bool         // it works elsewhere
	broken migration.ID // what fails
	ran    *[]string    // what it was asked for, and did
}

func (f *fake) Migrations(context.Context) ([]migration.Migration, error) { return f.files, nil }

func (f *fake) Run(ctx context.Context, target migration.Target, to migration.ID, log io.Writer) error {
	if to != "" && !f.stops {
		return fmt.Errorf("up to %s: %w", to, errors.ErrUnsupported)
	}
	*f.ran = append(*f.ran, "run to "+string(to))
	if f.idle {
		return nil
	}
	records, err := f.ledger.Records(ctx, target.DB, f.files)
	if err != nil {
		return err
	}
	pending, err := migration.Pending(migration.Compare(f.files, records), to)
	if err != nil {
		return err
	}
	if i := migration.Index(f.files, f.also); i >= 0 {
		pending = append(pending, f.files[i])
	}
	for _, m := range pending {
		if m.ID == f.broken {
			return &migration.RunError{Err: errors.New("broken")}
		}
		*f.ran = append(*f.ran, string(m.ID))
		if err := migration.Insert(ctx, target.DB, f.ledger, m, f.files); err != nil {
			return err
		}
	}
	return nil
}

// oneNumber is a ledger that can only mark the next migration.
type oneNumber struct{ migration.Ledger }

func (l oneNumber) Mark(ctx context.Context, q engine.Querier, marks, files []migration.Migration) ([]migration.Write, error) {
	records, err := l.Records(ctx, q, files)
	if err != nil {
		return nil, err
	}
	for i, m := range marks {
		if migration.Index(files, m.ID) != len(records)+i {
			return nil, migration.ErrMarksAll
		}
	}
	return l.Ledger.Mark(ctx, q, marks, files)
}

func newFake(t *testing.T, change func(*fake)) (*migration.Tool, testengine.Database, *[]string) {
	t.Helper()
	l := &migration.RowLedger{
		Name: schema.Name{Table: "done"}, Keys: []string{"id"}, Sort: "id",
		Make: func(_ engine.Family, table string) []string {
			return []string{"CREATE TABLE " + table + " (id text PRIMARY KEY)"}
		},
		Row: func(m migration.Marking) ([]migration.Cell, error) {
			return []migration.Cell{{Column: "id", Value: string(m.ID)}}, nil
		},
	}
	f := &fake{files: []migration.Migration{{ID: "1"}, {ID: "2"}, {ID: "3"}, {ID: "4"}}, ledger: l, ran: new([]string)}
	change(f)
	if f.number {
		f.ledger = oneNumber{l}
	}
	return &migration.Tool{Name: "fake", Source: f, Ledger: f.ledger, Runner: f}, testengine.SQLite(t), f.ran
}

// steps applies migrations and gives what after saw, and what the ledger holds in the end.
func steps(t *testing.T, tool *migration.Tool, db testengine.Database, ids ...migration.ID) (seen []string, recorded string, err error) {
	t.Helper()
	var list []migration.Migration
	for _, id := range ids {
		list = append(list, migration.Migration{ID: id})
	}
	read := func() string {
		records, err := tool.Ledger.Records(t.Context(), db, nil)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, r := range records {
			all = append(all, string(r.ID))
		}
		return strings.Join(all, " ")
	}
	err = migration.Steps(t.Context(), tool, migration.Target{URL: db.URL, DB: db.DB}, list, &bytes.Buffer{}, func(step migration.Step) (bool, error) {
		seen = append(seen, string(step.ID)+": "+read())
		return step.ID != "4", nil
	})
	return seen, read(), err
}

func TestSteps(t *testing.T) {
	tests := []struct {
		name   string
		change func(*fake)
		ids    []migration.ID
		seen   []string
		ran    []string
	}{
		{"masked", func(*fake) {}, []migration.ID{"2", "1", "3"}, []string{"2: 2", "1: 1 2", "3: 1 2 3"},
			[]string{"run to ", "2", "run to ", "1", "run to ", "3"}},
		{"told", func(f *fake) { f.stops = true }, []migration.ID{"1", "3", "2"}, []string{"1: 1", "3: 1 3", "2: 1 2 3"},
			[]string{"run to 1", "1", "run to 3", "3", "run to 2", "2"}},
		{"recorded", func(*fake) {}, []migration.ID{"1", "1", "2"}, []string{"1: 1", "2: 1 2"}, []string{"run to ", "1", "run to ", "2"}},
		{"enough", func(*fake) {}, []migration.ID{"4", "1"}, []string{"4: 4"}, []string{"run to ", "4"}},
		{"number", func(f *fake) { f.stops, f.number = true, true }, []migration.ID{"1", "2"}, []string{"1: 1", "2: 1 2"},
			[]string{"run to 1", "1", "run to 2", "2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tool, db, ran := newFake(t, tt.change)
			if tt.name == "masked" {
				tool.Runner = migration.Mask(tool.Runner, tool.Ledger, tool.Source)
			}
			seen, _, err := steps(t, tool, db, tt.ids...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([][]string{tt.seen, tt.ran}, [][]string{seen, *ran}); diff != "" {
				t.Errorf("steps and runs (-want +got):\n%s", diff)
			}
		})
	}
}

// readOnly is a ledger that is only read: its tool makes the table.
type readOnly struct{ migration.Ledger }

func (readOnly) Create(context.Context, engine.Querier) error { return errors.ErrUnsupported }

func (readOnly) Mark(context.Context, engine.Querier, []migration.Migration, []migration.Migration) ([]migration.Write, error) {
	return nil, errors.ErrUnsupported
}

// maker is a tool that makes its ledger when it runs.
type maker struct{ *fake }

func (m maker) Run(ctx context.Context, target migration.Target, to migration.ID, log io.Writer) error {
	return errors.Join(m.ledger.Create(ctx, target.DB), m.fake.Run(ctx, target, to, log))
}

// TestStepsOfReadOnly: without marks a tool can still be told where to stop, one after the other.
func TestStepsOfReadOnly(t *testing.T) {
	tool, db, _ := newFake(t, func(f *fake) { f.stops = true })
	tool.Runner, tool.Ledger = maker{tool.Runner.(*fake)}, readOnly{tool.Ledger}
	seen, _, err := steps(t, tool, db, "1", "2", "4")
	if !errors.Is(err, errors.ErrUnsupported) || !slices.Equal(seen, []string{"1: 1", "2: 1 2"}) {
		t.Errorf("steps %v, %v; want two, and ErrUnsupported for the fourth", seen, err)
	}
}

// TestStepsRefused: what cannot be done alone is not done, and what a tool did wrong is found out.
func TestStepsRefused(t *testing.T) {
	tests := []struct {
		name     string
		change   func(*fake)
		ids      []migration.ID
		want     string
		is       error
		recorded string
	}{
		{"elsewhere", func(f *fake) { f.idle = true }, []migration.ID{"1"}, "another one", nil, ""},
		{"too much", func(f *fake) { f.stops, f.also = true, "3" }, []migration.ID{"1"}, "recorded 3, too", nil, "1 3"},
		{"number, not the next", func(f *fake) { f.stops, f.number = true, true }, []migration.ID{"1", "3"}, "migration 3 alone", errors.ErrUnsupported, "1"},
		{"number, cannot stop", func(f *fake) { f.number = true }, []migration.ID{"1"}, "hide 3 migrations", errors.ErrUnsupported, ""},
		{"number, last but one", func(f *fake) { f.stops, f.number = true, true }, []migration.ID{"1", "2", "4"}, "migration 4 alone", errors.ErrUnsupported, "1 2"},
		{"no file", func(*fake) {}, []migration.ID{"5"}, "5 is not among the files", nil, ""},
		{"broken", func(f *fake) { f.broken = "3" }, []migration.ID{"1", "3"}, "run migration 3: broken", nil, "1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tool, db, _ := newFake(t, tt.change)
			_, recorded, err := steps(t, tool, db, tt.ids...)
			if err == nil || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("Steps: %v, want an error with %q", err, tt.want)
			}
			if recorded != tt.recorded {
				t.Errorf("the ledger holds %q, want %q", recorded, tt.recorded)
			}
		})
	}
}

// stepper is a runner that has steps of its own, and records more than it should at the last.
type stepper struct {
	*fake
	stray migration.ID
}

func (s stepper) RunSteps(ctx context.Context, target migration.Target, list []migration.Migration, log io.Writer, after func(migration.Step) (bool, error)) error {
	for i, m := range list {
		insert := []migration.Migration{m}
		if i == len(list)-1 && s.stray != "" {
			insert = append(insert, migration.Migration{ID: s.stray})
		}
		for _, m := range insert {
			if err := migration.Insert(ctx, target.DB, s.ledger, m, s.files); err != nil {
				return err
			}
		}
		if more, err := after(migration.Step{Migration: m}); err != nil || !more {
			return err
		}
	}
	return nil
}

func TestStepsOfStepper(t *testing.T) {
	for _, stray := range []migration.ID{"", "4"} {
		tool, db, _ := newFake(t, func(*fake) {})
		tool.Runner = stepper{tool.Runner.(*fake), stray}
		seen, _, err := steps(t, tool, db, "3", "1")
		want := []string{"3: 3", "1: 1 3"}
		if stray != "" {
			want = want[:1]
		}
		if (err == nil) != (stray == "") || err != nil && !strings.Contains(err.Error(), "recorded 4, too") {
			t.Errorf("stray %q: %v", stray, err)
		}
		if !slices.Equal(seen, want) {
			t.Errorf("stray %q: steps %v, want %v", stray, seen, want)
		}
	}
}
