package repair_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"mulligan/doctor"
	"mulligan/engine"
	"mulligan/internal/testengine"
	"mulligan/journal"
	"mulligan/migration"
	"mulligan/migration/dbmate"
	"mulligan/repair"
	"mulligan/schema"
	"mulligan/snapshot"
)

// What is proved is recorded as the tool recorded it, and then the tool has nothing to do.
func TestRecords(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		tests := []struct {
			name    string
			lost    []string
			request repair.Request
			want    string
		}{
			{"Nothing", nil, repair.Request{}, ""},
			{"Last", []string{"5"}, repair.Request{}, "record 5"},
			{"Middle", []string{"2"}, repair.Request{}, "record 2"},
			{"Named", []string{"2", "3"}, repair.Request{Only: []migration.ID{"3", "2"}}, "record 2, record 3"},
			{
				"Assumed", []string{"1", "2", "3", "4", "5"}, repair.Request{Assume: []migration.ID{"4"}},
				"record 1, record 2, record 3, record 4 (assumed), record 5",
			},
		}
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				s := newSite(t, open, "dbmate")
				whole := s.ledger()
				s.forget(test.lost...)
				broken := s.ledger()
				plan, err := s.run(test.request).Plan(t.Context())
				if err != nil {
					t.Fatalf("Plan: %v", err)
				}
				if s.ledger() != broken {
					t.Error("a plan has changed the ledger")
				}
				out, err := s.repair(test.request)
				if err != nil {
					t.Fatalf("repair: %v", err)
				}
				if got := steps(out.Decision); got != test.want {
					t.Errorf("steps %s, want %s", got, test.want)
				}
				if strings.Join(plan.SQL, "\n") != strings.Join(out.SQL, "\n") {
					t.Errorf("planned\n%s\ndone\n%s", plan.SQL, out.SQL)
				}
				if got := s.ledger(); got != whole {
					t.Errorf("the ledger\n%s\nis not what it was\n%s", got, whole)
				}
				if log := s.migrate(); log != "" {
					t.Errorf("the tool still finds work: %s", log)
				}
				if len(out.Steps) == 0 {
					return
				}
				if !out.After.Healthy {
					t.Errorf("after the repair: %+v", out.After.Findings)
				}
				s.wantCopy(out, broken)
				s.db.Exec(t, out.Undo...)
				if got := s.ledger(); got != broken {
					t.Errorf("taken back, the ledger is\n%s\nand was\n%s", got, broken)
				}
			})
		}
	})
}

// wantCopy checks that the ledger as it was is in the repository, and what was done in the journal.
func (s *site) wantCopy(out *repair.Outcome, broken string) {
	s.t.Helper()
	r, err := snapshot.Open(s.t.Context(), s.repo, "shop", out.Snapshot)
	if err != nil {
		s.t.Fatalf("the ledger's copy: %v", err)
	}
	rows := 0
	if broken != "" {
		rows = 1 + strings.Count(broken, "\n")
	}
	if got := len(r.Manifest().Ledger.Records); got != rows {
		s.t.Errorf("the copy has %d records, the ledger had %d", got, rows)
	}
	entries, err := journal.Read(out.Journal)
	if err != nil {
		s.t.Fatal(err)
	}
	if last := entries[len(entries)-1]; last.Kind != journal.KindEnd {
		s.t.Errorf("the journal ends with %s", last.Kind)
	}
}

// What is not proved is refused with its reason, and nothing is written.
func TestRefuses(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(s *site)
		request repair.Request
		want    string
		says    string
	}{
		{
			name: "DataOnly", prepare: func(s *site) { s.forget("4", "5") },
			want: "record 5, refuse 4", says: "no schema shows",
		},
		{
			name: "HalfApplied",
			prepare: func(s *site) {
				s.db.Exec(s.t, dropIndex(s.db.Family(), "orders_placed", "orders"), "CREATE INDEX other ON orders (id)")
				s.forget("2")
				if s.db.Family() == engine.SQLite {
					s.db.Exec(s.t, "DROP INDEX orders_customer")
					return
				}
				drop := "ALTER TABLE orders DROP FOREIGN KEY orders_customer"
				if s.db.Family() == engine.Postgres {
					drop = "ALTER TABLE orders DROP CONSTRAINT orders_customer"
				}
				s.db.Exec(s.t, drop)
			},
			want: "refuse 2", says: "some",
		},
		{
			name: "Drifted",
			prepare: func(s *site) {
				s.forget("3")
				s.db.Exec(s.t, dropIndex(s.db.Family(), "orders_placed", "orders"), "CREATE INDEX orders_placed ON orders (placed, id)")
			},
			want: "refuse 3", says: "otherwise",
		},
		{
			name: "Pending", prepare: func(s *site) { s.forget("5"); s.db.Exec(s.t, "DROP TABLE refunds") },
			request: repair.Request{Only: []migration.ID{"5"}}, want: "refuse 5", says: "must be run",
		},
		{
			name: "PendingAssumed", prepare: func(s *site) { s.forget("5"); s.db.Exec(s.t, "DROP TABLE refunds") },
			request: repair.Request{Assume: []migration.ID{"5"}}, want: "refuse 5", says: "must be run",
		},
		{
			name: "Recorded", prepare: func(*site) {},
			request: repair.Request{Only: []migration.ID{"3"}}, want: "refuse 3", says: "recorded already",
		},
		{
			name: "Unknown", prepare: func(*site) {},
			request: repair.Request{Only: []migration.ID{"33"}}, want: "refuse 33", says: "no such migration",
		},
	}
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				s := newSite(t, open, "dbmate")
				test.prepare(s)
				before := s.ledger()
				out, err := s.repair(test.request)
				if !errors.Is(err, repair.ErrRefused) {
					t.Fatalf("repair: %v, want ErrRefused", err)
				}
				if got := steps(out.Decision); got != test.want {
					t.Errorf("decision %s, want %s", got, test.want)
				}
				if !strings.Contains(err.Error(), test.says) {
					t.Errorf("%v does not say %q", err, test.says)
				}
				if got := s.ledger(); got != before {
					t.Errorf("the ledger is\n%s\nand was\n%s", got, before)
				}
			})
		}
	})
}

func dropIndex(f engine.Family, index, table string) string {
	if f == engine.MySQL || f == engine.MariaDB {
		return "DROP INDEX " + index + " ON " + table
	}
	return "DROP INDEX " + index
}

// A failed mark goes where the effect is proved, either way, and stays where it is not.
func TestDirty(t *testing.T) {
	tests := []struct {
		name, sql  string
		want, says string
		ledger     string
	}{
		{name: "Present", sql: "", want: "record 5", ledger: "version:5"},
		{name: "Absent", sql: "DROP TABLE refunds", want: "clear 5", ledger: "version:4"},
	}
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				s := newSite(t, open, "golang-migrate")
				s.db.Exec(t, "UPDATE schema_migrations SET dirty = true")
				if test.sql != "" {
					s.db.Exec(t, test.sql)
				}
				out, err := s.repair(repair.Request{})
				if err != nil {
					t.Fatalf("repair: %v", err)
				}
				if got := steps(out.Decision); got != test.want {
					t.Errorf("decision %s, want %s", got, test.want)
				}
				if got := s.ledger(); !strings.Contains(got, test.ledger) || strings.Contains(got, "dirty:1") || strings.Contains(got, "dirty:true") {
					t.Errorf("the ledger is %s, want %s", got, test.ledger)
				}
				s.migrate()
			})
		}
		t.Run("DataOnly", func(t *testing.T) {
			s := newSite(t, open, "golang-migrate")
			s.db.Exec(t, "UPDATE schema_migrations SET dirty = true, version = 4", "DROP TABLE refunds")
			before := s.ledger()
			if _, err := s.repair(repair.Request{}); !errors.Is(err, repair.ErrRefused) {
				t.Errorf("repair: %v, want ErrRefused", err)
			}
			if got := s.ledger(); got != before {
				t.Errorf("the ledger is\n%s\nand was\n%s", got, before)
			}
		})
	})
}

// A migration that ran between the look and the writing, and a run of the tool that is going on, stop the repair.
func TestConcurrent(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		t.Run("Moved", func(t *testing.T) {
			s := newSite(t, open, "dbmate")
			s.forget("3")
			run := s.run(repair.Request{})
			out, err := run.Plan(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			s.forget("5")
			before := s.ledger()
			if err := run.Execute(t.Context(), out); !errors.Is(err, doctor.ErrMoved) {
				t.Errorf("Execute: %v, want ErrMoved", err)
			}
			if got := s.ledger(); got != before {
				t.Errorf("the ledger is\n%s\nand was\n%s", got, before)
			}
		})
		t.Run("Held", func(t *testing.T) {
			if open(t).Family() == engine.SQLite {
				return // golang-migrate takes no lock there that another process could see
			}
			s := newSite(t, open, "golang-migrate")
			s.db.Exec(t, "UPDATE schema_migrations SET version = 3")
			holder, err := s.db.Session(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer holder.Close()
			free, err := s.tool.Lock.Take(t.Context(), holder)
			if err != nil {
				t.Fatalf("Take: %v", err)
			}
			before := s.ledger()
			if _, err := s.repair(repair.Request{Assume: []migration.ID{"4"}}); !errors.Is(err, migration.ErrHeld) || !strings.ContainsAny(err.Error(), "0123456789") {
				t.Errorf("repair: %v, want ErrHeld with who holds it", err)
			}
			if got := s.ledger(); got != before {
				t.Errorf("the ledger is\n%s\nand was\n%s", got, before)
			}
			if err := free(t.Context()); err != nil {
				t.Errorf("free: %v", err)
			}
			if _, err := s.repair(repair.Request{Assume: []migration.ID{"4"}}); err != nil {
				t.Errorf("repair when the lock is free: %v", err)
			}
		})
	})
}

// A repair that ends after it wrote says that it did, whatever ended it; before that it says nothing of the kind.
func TestBegun(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		for stage, want := range map[string]bool{"record": false, "examine": true} {
			s := newSite(t, open, "dbmate")
			whole := s.ledger()
			s.forget("3")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			run := s.run(repair.Request{})
			run.Stage = func(name string) {
				if name == stage {
					cancel()
				}
			}
			out, err := run.Plan(ctx)
			if err != nil {
				t.Fatal(err)
			}
			err = run.Execute(ctx, out)
			if !errors.Is(err, context.Canceled) || errors.Is(err, repair.ErrUnmended) != want {
				t.Errorf("interrupted in %s: %v, want that something was written: %t", stage, err, want)
			}
			if (s.ledger() == whole) != want {
				t.Errorf("interrupted in %s, the ledger is\n%s", stage, s.ledger())
			}
			if out, err := s.repair(repair.Request{}); err != nil || len(out.Steps) == 0 != want {
				t.Errorf("repaired again: %v, %v", out, err)
			}
		}
	})
}

// A ledger that is not there is made only where that is asked for.
func TestNoLedger(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		s := newSite(t, open, "dbmate")
		whole := s.ledger()
		s.db.Exec(t, "DROP TABLE schema_migrations")
		request := repair.Request{Assume: []migration.ID{"4"}}
		if _, err := s.repair(request); !errors.Is(err, migration.ErrNoLedger) {
			t.Errorf("repair: %v, want ErrNoLedger", err)
		}
		run := s.run(request)
		run.Create = true
		out, err := run.Plan(t.Context())
		if err != nil {
			t.Fatalf("Plan: %v", err)
		}
		if err := run.Execute(t.Context(), out); err != nil {
			t.Fatalf("Execute: %v", err)
		}
		if got := s.ledger(); got != whole {
			t.Errorf("the ledger is\n%s\nwant\n%s", got, whole)
		}
	})
}

// A ledger whose name is hard on quoting is mended as any other, and taken back by the statements that are printed.
func TestOddLedger(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		name := schema.Name{Table: `Our "Mig'rations".Ü 表`}
		s := newSite(t, open, "dbmate")
		if s.db.Family() == engine.Postgres {
			name.Schema = `The "Tool's" own`
			s.db.Exec(t, "CREATE SCHEMA "+engine.Postgres.Ident(name.Schema))
		}
		table := s.db.Family().Table(name)
		s.tool = dbmate.New([]string{s.dir}, name)
		if err := s.tool.Ledger.Create(t.Context(), s.db.DB); err != nil {
			t.Fatal(err)
		}
		s.db.Exec(t, "INSERT INTO "+table+" SELECT version FROM schema_migrations", "DROP TABLE schema_migrations")
		whole := s.ledger()
		s.db.Exec(t, "DELETE FROM "+table+" WHERE version IN ('2', '3', '5')")
		broken := s.ledger()
		out, err := s.repair(repair.Request{})
		if err != nil {
			t.Fatalf("repair: %v", err)
		}
		if got := s.ledger(); got != whole || !out.After.Healthy {
			t.Errorf("the ledger is\n%s\nand was\n%s\n%+v", got, whole, out.After.Findings)
		}
		s.db.Exec(t, out.Undo...)
		if got := s.ledger(); got != broken {
			t.Errorf("taken back, the ledger is\n%s\nand was\n%s", got, broken)
		}
		s.db.Exec(t, out.SQL...)
		if got := s.ledger(); got != whole {
			t.Errorf("by the statements that were printed, the ledger is\n%s\nand was\n%s", got, whole)
		}
	})
}
