package migrationtest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testengine"
	"mulligan/migration"
)

// Application makes a folder with the tools of npm's whose migrations are code, and the drivers that they use. npm's
// registry is asked the first time only: the packages stay in the cache folder of the test servers. There is none for
// SQLite, whose driver would have to be compiled: what the tools leave there is recorded, see [Recorded].
func Application(t testing.TB) string {
	t.Helper()
	return Modules(t, "code-migrations", map[string]string{
		"knex": "3.3.0", "sequelize": "6.37.7", "sequelize-cli": "6.6.5",
		"pg": "8.23.1", "mysql2": "3.24.6", "mariadb": "3.4.5",
	})
}

// Code is a tool whose migrations are code, with its real program.
type Code struct {
	// Tool is the adapter on a folder, with the real program as its runner.
	Tool func(t testing.TB, migrations string) *migration.Tool
	// File gives the name and the text of the migration that makes table t1, t2, …
	File func(n int) (name, text string)
	// Idle is what the program prints where there is nothing to do.
	Idle string
	// Volatile are the ledger's columns whose values differ from run to run.
	Volatile []string
}

const codes = 4 // how many migrations there are

// folder makes a folder of the first n migrations.
func (c Code) folder(t testing.TB, n int) string {
	t.Helper()
	var files []string
	for i := range n {
		name, text := c.File(i + 1)
		files = append(files, name, text)
	}
	return Write(t, files...)
}

func (c Code) tool(t testing.TB, n int) (*migration.Tool, []migration.Migration) {
	t.Helper()
	tool := c.Tool(t, c.folder(t, n))
	files, err := tool.Source.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tool, files
}

// Real compares with what the tool itself leaves behind: the ledger's tables, the row of a migration that was a run
// of its own, and that after our marks the tool has nothing to do.
func (c Code) Real(t *testing.T, open testengine.Open) {
	t.Helper()
	t.Parallel() // the program waits more than it works
	tool, files := c.tool(t, codes)
	theirs, ours := open(t), open(t)
	first, _ := c.tool(t, codes-1)
	Apply(t, first, theirs, "")
	Apply(t, tool, theirs, "")
	create(t, ours, tool.Ledger)
	if diff := cmp.Diff(ledgerTables(t, theirs, tool.Ledger), ledgerTables(t, ours, tool.Ledger)); diff != "" {
		t.Errorf("the ledger's tables (-the tool's +ours):\n%s", diff)
	}
	SameRow(t, theirs, tool.Ledger, files[codes-1], files, c.Volatile...)

	writes, err := tool.Ledger.Mark(t.Context(), ours, files, files)
	if err != nil {
		t.Fatal(err)
	}
	if err := migration.Execute(t.Context(), ours, writes); err != nil {
		t.Fatal(err)
	}
	wantApplied(t, tool, ours, files, codes)
	if log := Apply(t, tool, ours, ""); !strings.Contains(log, c.Idle) {
		t.Errorf("after all were marked the tool did something:\n%s", log)
	}
	if made := tables(t, ours); len(made) != 0 {
		t.Errorf("after all were marked the tool made %v", made)
	}
}

// Recorded compares with what a tool once left behind in SQLite, as statements: the ledger's tables, and the row of
// the last of files, which are all in it. It returns the database, with that row as we write it.
func Recorded(t testing.TB, l migration.Ledger, files []migration.Migration, statements []string, volatile ...string) testengine.Database {
	t.Helper()
	theirs, ours := testengine.SQLite(t), testengine.SQLite(t)
	theirs.Exec(t, statements...)
	if err := l.Create(t.Context(), ours); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ledgerTables(t, theirs, l), ledgerTables(t, ours, l)); diff != "" {
		t.Errorf("the ledger's tables (-the tool's +ours):\n%s", diff)
	}
	SameRow(t, theirs, l, files[len(files)-1], files, volatile...)
	return theirs
}

// Masked stops the tool where it cannot stop by itself, and ends in what it leaves when it runs at once.
func (c Code) Masked(t *testing.T, open testengine.Open) {
	t.Helper()
	t.Parallel() // the program waits more than it works
	tool, files := c.tool(t, codes)
	tool.Runner = migration.Mask(tool.Runner, tool.Ledger, tool.Source)
	db := open(t)
	for _, n := range []int{2, 2, 4} {
		Apply(t, tool, db, files[n-1].ID)
		wantApplied(t, tool, db, files, n)
		if made := tables(t, db); len(made) != n {
			t.Fatalf("up to migration %d: tables %v", n, made)
		}
	}
	once := open(t)
	Apply(t, tool, once, "")
	if diff := cmp.Diff(Content(t, once, c.Volatile...), Content(t, db, c.Volatile...)); diff != "" {
		t.Errorf("at once (-) and masked (+) differ:\n%s", diff)
	}
}

// Steps applies single migrations, not in their order.
func (c Code) Steps(t *testing.T, open testengine.Open) {
	t.Helper()
	t.Parallel() // the program waits more than it works
	tool, files := c.tool(t, codes)
	db := open(t)
	var seen []string
	want := []migration.Migration{files[2], files[0]}
	after := func(step migration.Step) (bool, error) {
		seen = append(seen, fmt.Sprintf("%s: %v", step.ID, tables(t, db)))
		return true, nil
	}
	var log bytes.Buffer
	if err := migration.Steps(t.Context(), tool, migration.Target{URL: db.URL, DB: db.DB}, want, &log, after); err != nil {
		t.Fatalf("Steps: %v\n%s", err, log.String())
	}
	id := func(n int) string { return string(files[n-1].ID) }
	wanted := []string{id(3) + ": [t3]", id(1) + ": [t1 t3]"}
	if diff := cmp.Diff(wanted, seen); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if records, err := tool.Ledger.Records(t.Context(), db, files); err != nil || len(records) != 2 {
		t.Errorf("records %v, %v; want two", records, err)
	}
}

// ledgerTables describes the ledger and the tables beside it whose names begin with its name.
func ledgerTables(t testing.TB, db engine.DB, l migration.Ledger) []string {
	t.Helper()
	s, err := db.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, o := range s.Objects {
		if line := fmt.Sprintf("%s %s: %s", o.Kind, o.Name, o.Def); strings.Contains(line, l.Table().Table) {
			if db.Family() == engine.SQLite {
				line = strings.ToLower(strings.Join(strings.Fields(strings.NewReplacer("`", "", `"`, "", "(", " ( ", ")", " ) ").Replace(line)), " "))
			}
			list = append(list, line)
		}
	}
	if len(list) == 0 {
		t.Errorf("there is no ledger %s", l.Table())
	}
	slices.Sort(list)
	return list
}

// tables are those that the migrations made, sorted.
func tables(t testing.TB, db engine.DB) []string {
	t.Helper()
	s, err := db.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for i := range s.Tables {
		if name := s.Tables[i].Name.Table; len(name) == 2 && name[0] == 't' {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}
