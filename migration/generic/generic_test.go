package generic_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/migration/generic"
	"mulligan/migration/migrationtest"
	"mulligan/schema"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// options are a home-grown ledger with everything that can be said.
func options() generic.Options {
	return generic.Options{
		Table: schema.Name{Table: "done"}, Column: "step", Form: generic.Stem, Time: "finished",
		Values: []generic.Value{{Column: "by", Value: "o'hara"}, {Column: "kind", Value: "1"}},
	}
}

func TestLedger(t *testing.T) {
	stems := []migration.Migration{{ID: "001_a"}, {ID: "002_b"}, {ID: "003_c"}, {ID: "004_d"}}
	digits := []migration.Migration{{ID: "001"}, {ID: "002"}, {ID: "003"}, {ID: "010"}}
	all := generic.Presets()
	all[""] = options()
	for tool, o := range all {
		t.Run("command"+tool, func(t *testing.T) {
			files := stems
			if o.Form == generic.Digits {
				files = digits
			}
			testengine.Each(t, func(t *testing.T, open testengine.Open) {
				migrationtest.Test(t, migrationtest.Config{
					Tool: tool,
					Open: func(t testing.TB) engine.DB { return open(t).DB },
					Ledger: func(table schema.Name) migration.Ledger {
						o := o
						if table != (schema.Name{}) {
							o.Table = table
						}
						return generic.New("", o).Ledger
					},
					Files: files,
				})
			})
		})
	}
}

// TestRow: a mark fills the columns that the options name.
func TestRow(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		db, l := open(t), generic.New("", options()).Ledger
		files := []migration.Migration{{ID: "001_a"}}
		before := time.Now().Add(-2 * time.Second)
		if err := errors.Join(l.Create(t.Context(), db), migration.Insert(t.Context(), db, l, files[0], files)); err != nil {
			t.Fatal(err)
		}
		records, err := l.Records(t.Context(), db, files)
		if err != nil || len(records) != 1 {
			t.Fatalf("records %v, %v", records, err)
		}
		if at := records[0].At; at.Before(before) || at.After(time.Now().Add(2*time.Second)) {
			t.Errorf("the time is %s", at)
		}
		delete(records[0].Raw, "finished")
		if diff := cmp.Diff(map[string]string{"step": "001_a", "by": "o'hara", "kind": "1"}, records[0].Raw); diff != "" {
			t.Errorf("the row (-want +got):\n%s", diff)
		}
	})
}

// TestNumbers: a column of numbers holds the digits of a file's name without the zeros before them.
func TestNumbers(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		db := open(t)
		db.Exec(t, "CREATE TABLE versions (version bigint PRIMARY KEY, level integer NOT NULL)")
		o := generic.Options{Table: schema.Name{Table: "versions"}, Column: "version", Form: generic.Digits, Values: []generic.Value{{Column: "level", Value: "7"}}}
		tool := generic.New(migrationtest.Write(t, "001_a.sql", "", "002_b.up.sql", "", "002_b.down.sql", ""), o)
		files, err := tool.Source.Migrations(t.Context())
		if err != nil || len(files) != 2 || files[1].ID != "002" {
			t.Fatalf("files %v, %v", files, err)
		}
		writes, err := tool.Ledger.Mark(t.Context(), db, files, files)
		if err == nil {
			err = migration.Execute(t.Context(), db, writes)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := migration.Delete(t.Context(), db, tool.Ledger, files[0], files); err != nil {
			t.Fatal(err)
		}
		records, err := tool.Ledger.Records(t.Context(), db, files)
		if err != nil || len(records) != 1 || records[0].ID != "002" || records[0].Raw["version"] != "2" || records[0].Raw["level"] != "7" {
			t.Errorf("records %v, %v; want that of 2", records, err)
		}
	})
}

// TestReadOnly: a ledger of which only the table is known is read, by the usual names of its column, and not written.
func TestReadOnly(t *testing.T) {
	tests := []struct{ column, value string }{
		{"name", "001_a.sql"}, {"MIGRATION", "001_a"}, {"filename", "001_a.sql"}, {"version", "001"}, {"id", "001_a"},
	}
	dir := migrationtest.Write(t, "001_a.sql", "", "002_b.sql", "")
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		db := open(t)
		for _, test := range tests {
			table := schema.Name{Table: "ledger_" + test.column}
			tool := generic.New(dir, generic.Options{Table: table})
			files, err := tool.Source.Migrations(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			f := db.Family()
			db.Exec(t, "CREATE TABLE "+f.Table(table)+" ("+f.Ident(test.column)+" varchar(99), note varchar(9))",
				"INSERT INTO "+f.Table(table)+" VALUES ('"+test.value+"', NULL), ('other', NULL), (NULL, 'x')")
			records, err := tool.Ledger.Records(t.Context(), db, files)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range records {
				got = append(got, string(r.ID)+" "+string(r.State))
			}
			slices.Sort(got)
			if diff := cmp.Diff([]string{" unreadable", "001_a applied", "other applied"}, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.column, diff)
			}
			_, marked := tool.Ledger.Mark(t.Context(), db, files[1:], files)
			_, unmarked := tool.Ledger.Unmark(t.Context(), db, files[:1], files)
			for _, err := range []error{marked, unmarked} {
				if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "migrations.ledger") {
					t.Errorf("%s: %v, want ErrUnsupported and the key to set", test.column, err)
				}
			}
		}
	})
}

// TestColumns: an error names the column that is missing, or wanted and not named, and those that are there.
func TestColumns(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		db := open(t)
		f := db.Family()
		stamp := "timestamp"
		if f == engine.MySQL || f == engine.MariaDB {
			stamp = "datetime"
		}
		db.Exec(t, "CREATE TABLE done (step varchar(99) PRIMARY KEY, finished "+stamp+" NOT NULL, size integer NOT NULL, free varchar(9) NOT NULL DEFAULT 'x')")
		files := []migration.Migration{{ID: "001_a"}}
		base := generic.Options{Table: schema.Name{Table: "done"}, Column: "step", Form: generic.Stem, Time: "finished", Values: []generic.Value{{Column: "size", Value: "3"}}}
		if err := migration.Insert(t.Context(), db, generic.New("", base).Ledger, files[0], files); err != nil {
			t.Fatalf("with all that it needs: %v", err)
		}
		missing, wanted, number := base, base, base
		missing.Values = append(missing.Values, generic.Value{Column: "author", Value: "me"})
		wanted.Values = nil
		number.Time, number.Values = "size", []generic.Value{{Column: "finished", Value: "2024-01-31 12:00:00"}}
		for want, o := range map[string]generic.Options{"no column author": missing, "a value in column size": wanted, "column size is of type int": number} {
			_, err := generic.New("", o).Ledger.Mark(t.Context(), db, []migration.Migration{{ID: "002_b"}}, nil)
			if err == nil || !strings.Contains(err.Error(), want) || o.Time == "finished" && !strings.Contains(err.Error(), "it has step, finished, size, free") {
				t.Errorf("Mark: %v, want an error with %q and the columns that are there", err, want)
			}
		}
		nameless := generic.Options{Table: schema.Name{Table: "done"}}
		if _, err := generic.New("", nameless).Ledger.Records(t.Context(), db, files); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "it has step, finished") {
			t.Errorf("Records: %v, want the columns that are there", err)
		}
	})
}

func TestCheck(t *testing.T) {
	if err := (generic.Options{}).Check(); !errors.Is(err, generic.ErrNoTable) {
		t.Errorf("without a table: %v, want ErrNoTable", err)
	}
	db := testengine.SQLite(t)
	if _, err := generic.New("", generic.Options{}).Ledger.Records(t.Context(), db, nil); !errors.Is(err, generic.ErrNoTable) {
		t.Errorf("Records: %v, want ErrNoTable", err)
	}
	form, twice := options(), options()
	form.Form = "name"
	twice.Values = append(twice.Values, generic.Value{Column: "step"})
	for want, o := range map[string]generic.Options{`the form "name"`: form, "step of ledger done is named twice": twice} {
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check: %v, want an error with %q", err, want)
		}
	}
	for name, o := range generic.Presets() {
		if err := o.Check(); err != nil || generic.New("", o).Name != name {
			t.Errorf("preset %s: %v, of %s", name, err, generic.New("", o).Name)
		}
	}
}

func TestSource(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"20240102_b.js", "20240101_a.js", "20240101_a.d.ts", "helper.js", ".hidden1.js", "_skip2.js", "3_c.up.sql", "3_c.down.sql"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("//"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for form, want := range map[string][]migration.ID{
		"":             {"20240101_a", "20240102_b", "3_c"},
		generic.Stem:   {"20240101_a", "20240102_b", "3_c"},
		generic.File:   {"20240101_a.js", "20240102_b.js", "3_c.up.sql"},
		generic.Digits: {"20240101", "20240102", "3"},
	} {
		files, err := generic.New(dir, generic.Options{Form: form}).Source.Migrations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []migration.ID
		for _, m := range files {
			got = append(got, m.ID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("form %q (-want +got):\n%s", form, diff)
		}
	}
	if _, err := generic.New(t.TempDir(), options()).Source.Migrations(t.Context()); !errors.Is(err, migration.ErrNone) {
		t.Errorf("an empty folder: %v, want ErrNone", err)
	}
}
