// Package migrationtest is the conformance suite of migration ledgers, and what tests of migration
// tools share: the content of a database as text, and the real tools' programs to compare with.
package migrationtest

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// Config says which ledger to test.
type Config struct {
	Tool      string                                   // as migration.Detect calls it; empty = it knows none
	Open      func(t testing.TB) engine.DB             // makes an empty database
	Ledger    func(table schema.Name) migration.Ledger // the zero table is the default
	Files     []migration.Migration                    // four or more, in the tool's order
	OneNumber bool                                     // the ledger keeps one number
	Renamed   bool                                     // the ledger is known by its columns under any name
}

// Test runs the suite: what [migration.Ledger] promises, on a real database, which is emptied between the tests. It may
// run beside other tests.
func Test(t *testing.T, c Config) {
	t.Parallel()
	db := c.Open(t)
	c.Open = func(t testing.TB) engine.DB {
		empty(t, db)
		return db
	}
	tests := []struct {
		name string
		run  func(t *testing.T, c Config)
	}{
		{"Absent", testAbsent},
		{"Create", testCreate},
		{"Insert", testInsert},
		{"OutOfOrder", testOutOfOrder},
		{"Delete", testDelete},
		{"Several", testSeveral},
		{"Names", testNames},
		{"Detected", testDetected},
		{"Transaction", testTransaction},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, c) })
	}
}

// empty drops all tables of a database.
func empty(t testing.TB, db engine.DB) {
	t.Helper()
	s, err := db.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.Tables {
		if _, err := db.ExecContext(t.Context(), "DROP TABLE "+db.Family().Table(s.Tables[i].Name)); err != nil {
			t.Fatal(err)
		}
	}
}

// testAbsent: a ledger that is not there is an error of its own, and stays absent.
func testAbsent(t *testing.T, c Config) {
	db, l := c.Open(t), c.Ledger(schema.Name{})
	if _, err := l.Records(t.Context(), db, c.Files); !errors.Is(err, migration.ErrNoLedger) {
		t.Errorf("Records: %v, want ErrNoLedger", err)
	}
	if err := migration.Insert(t.Context(), db, l, c.Files[0], c.Files); !errors.Is(err, migration.ErrNoLedger) {
		t.Errorf("Insert: %v, want ErrNoLedger", err)
	}
	if err := migration.Delete(t.Context(), db, l, c.Files[0], c.Files); !errors.Is(err, migration.ErrNoLedger) {
		t.Errorf("Delete: %v, want ErrNoLedger", err)
	}
	s, err := db.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Tables) != 0 {
		t.Errorf("reading an absent ledger made %v", s.Tables)
	}
}

// testCreate: a new ledger is empty, and one that exists is left as it is.
func testCreate(t *testing.T, c Config) {
	db, l := c.Open(t), c.Ledger(schema.Name{})
	create(t, db, l)
	wantRecords(t, c, db, l)
	insert(t, c, db, l, 0)
	create(t, db, l)
	wantRecords(t, c, db, l, 0)
}

// testInsert: records come back in order, each once.
func testInsert(t *testing.T, c Config) {
	db, l := c.Open(t), c.Ledger(schema.Name{})
	create(t, db, l)
	for i := range c.Files {
		insert(t, c, db, l, i)
		for again := range i + 1 {
			if err := migration.Insert(t.Context(), db, l, c.Files[again], c.Files); !errors.Is(err, migration.ErrRecorded) {
				t.Errorf("Insert %s again: %v, want ErrRecorded", c.Files[again].ID, err)
			}
		}
	}
	all := make([]int, len(c.Files))
	for i := range all {
		all[i] = i
	}
	wantRecords(t, c, db, l, all...)
}

// testOutOfOrder: a migration can be recorded before an earlier one, or is refused.
func testOutOfOrder(t *testing.T, c Config) {
	db, l := c.Open(t), c.Ledger(schema.Name{})
	create(t, db, l)
	insert(t, c, db, l, 0)
	err := migration.Insert(t.Context(), db, l, c.Files[3], c.Files)
	if !c.OneNumber {
		if err != nil {
			t.Fatalf("Insert: %v", err)
		}
		insert(t, c, db, l, 1)
		wantRecords(t, c, db, l, 0, 1, 3)
		return
	}
	if !errors.Is(err, migration.ErrMarksAll) {
		t.Errorf("Insert: %v, want ErrMarksAll", err)
	}
	wantRecords(t, c, db, l, 0)
}

// testDelete: a record can be taken away; one that is absent is no error.
func testDelete(t *testing.T, c Config) {
	db, l := c.Open(t), c.Ledger(schema.Name{})
	create(t, db, l)
	insert(t, c, db, l, 0)
	insert(t, c, db, l, 1)
	insert(t, c, db, l, 2)
	remove := func(i int) error { return migration.Delete(t.Context(), db, l, c.Files[i], c.Files) }
	if err := remove(3); err != nil {
		t.Errorf("Delete of what is not recorded: %v", err)
	}
	switch err := remove(1); {
	case c.OneNumber:
		if !errors.Is(err, migration.ErrMarksAll) {
			t.Errorf("Delete in the middle: %v, want ErrMarksAll", err)
		}
		wantRecords(t, c, db, l, 0, 1, 2)
		if err := errors.Join(remove(2), remove(1)); err != nil {
			t.Errorf("Delete: %v", err)
		}
	case err != nil:
		t.Errorf("Delete: %v", err)
	default:
		wantRecords(t, c, db, l, 0, 2)
		if err := remove(2); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}
	wantRecords(t, c, db, l, 0)
	if err := remove(0); err != nil {
		t.Errorf("Delete of the last: %v", err)
	}
	wantRecords(t, c, db, l)
	insert(t, c, db, l, 0)
}

// testSeveral: what one call plans for several migrations holds when it is run together, and the plan alone changes nothing.
func testSeveral(t *testing.T, c Config) {
	db, l := c.Open(t), c.Ledger(schema.Name{})
	create(t, db, l)
	mark, err := l.Mark(t.Context(), db, c.Files[:3], c.Files)
	if err != nil {
		t.Fatalf("Mark: %v", err)
	}
	wantRecords(t, c, db, l)
	if err := migration.Execute(t.Context(), db, mark); err != nil {
		t.Fatalf("Execute: %v", err)
	}
	wantRecords(t, c, db, l, 0, 1, 2)
	unmark, err := l.Unmark(t.Context(), db, c.Files[1:], c.Files)
	if err != nil {
		t.Fatalf("Unmark: %v", err)
	}
	wantRecords(t, c, db, l, 0, 1, 2)
	if err := migration.Execute(t.Context(), db, unmark); err != nil {
		t.Fatalf("Execute: %v", err)
	}
	wantRecords(t, c, db, l, 0)
	if _, err := l.Mark(t.Context(), db, c.Files[:2], c.Files); !errors.Is(err, migration.ErrRecorded) {
		t.Errorf("Mark with one that is recorded: %v, want ErrRecorded", err)
	}
}

// testNames: a table's name may hold anything.
func testNames(t *testing.T, c Config) {
	db := c.Open(t)
	for _, name := range []string{"Order", "a b", `quo"te'd`, "dot.ted", "Größe_日本", "back`tick"} {
		t.Run(name, func(t *testing.T) {
			l := c.Ledger(schema.Name{Table: name})
			if got := l.Table().Table; got != name {
				t.Errorf("Table is %s", got)
			}
			create(t, db, l)
			create(t, db, l)
			insert(t, c, db, l, 0)
			wantRecords(t, c, db, l, 0)
			s, err := db.Inspect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			found := slices.ContainsFunc(s.Tables, func(t schema.Table) bool { return migration.SameTable(l.Table(), t.Name) })
			if !found {
				t.Errorf("the schema has no table %s", l.Table())
			}
		})
	}
}

// testDetected: the table that Create makes is one that Detect knows.
func testDetected(t *testing.T, c Config) {
	for _, table := range []schema.Name{{}, {Table: "renamed_ledger"}} {
		if table.Table != "" && !c.Renamed {
			continue
		}
		db, l := c.Open(t), c.Ledger(table)
		create(t, db, l)
		s, err := db.Inspect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		found := migration.Detect(s.Tables)
		if c.Tool == "" && len(found) == 0 {
			continue
		}
		if len(found) != 1 || found[0].Tool != c.Tool || !migration.SameTable(l.Table(), found[0].Table) {
			t.Errorf("Detect found %v, want %s in %s", found, c.Tool, l.Table())
		}
	}
}

// testTransaction: what is written in a transaction that is rolled back is not there.
func testTransaction(t *testing.T, c Config) {
	db, l := c.Open(t), c.Ledger(schema.Name{})
	create(t, db, l)
	s, err := db.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	err = migration.InTransaction(t.Context(), s, func() error {
		return errors.Join(migration.Insert(t.Context(), s, l, c.Files[0], c.Files), stop)
	})
	if !errors.Is(err, stop) {
		t.Errorf("InTransaction: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	wantRecords(t, c, db, l)
}

func create(t *testing.T, db engine.DB, l migration.Ledger) {
	t.Helper()
	if err := l.Create(t.Context(), db); err != nil {
		t.Fatalf("Create: %v", err)
	}
}

func insert(t *testing.T, c Config, db engine.DB, l migration.Ledger, i int) {
	t.Helper()
	if err := migration.Insert(t.Context(), db, l, c.Files[i], c.Files); err != nil {
		t.Fatalf("Insert %s: %v", c.Files[i].ID, err)
	}
}

// wantRecords checks that the ledger names exactly these files as applied, in whatever order. Records that were rolled
// back are no matter: some tools keep the row of what was taken away.
func wantRecords(t *testing.T, c Config, db engine.DB, l migration.Ledger, want ...int) {
	t.Helper()
	records, err := l.Records(t.Context(), db, c.Files)
	if err != nil {
		t.Fatalf("Records: %v", err)
	}
	wanted, got := []string{}, []string{}
	for _, i := range want {
		wanted = append(wanted, string(c.Files[i].ID)+" applied")
	}
	for _, r := range records {
		if r.State != migration.RolledBack {
			got = append(got, string(r.ID)+" "+string(r.State))
		}
	}
	slices.Sort(wanted)
	slices.Sort(got)
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}
