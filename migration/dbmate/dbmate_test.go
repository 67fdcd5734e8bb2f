package dbmate_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/migration/dbmate"
	"mulligan/migration/migrationtest"
	"mulligan/schema"
)

func TestMain(m *testing.M) { testdb.Main(m) }

func TestLedger(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		migrationtest.Test(t, migrationtest.Config{
			Tool:   "dbmate",
			Open:   func(t testing.TB) engine.DB { return open(t).DB },
			Ledger: func(table schema.Name) migration.Ledger { return dbmate.New(nil, table).Ledger },
			Files:  []migration.Migration{{ID: "001"}, {ID: "20240101000000"}, {ID: "20240102000000"}, {ID: "9"}},
		})
	})
}

func TestReplay(t *testing.T) {
	program := migrationtest.Program(t, "dbmate")
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		family := open(t).Family()
		dir := migrationtest.Example(t, "dbmate", migrationtest.Folder(family))
		reference := func(t *testing.T, db testengine.Database) {
			address := strings.Replace(db.URL.Reveal(), "mariadb://", "mysql://", 1)
			if out, err := migrationtest.Run(t, program, address, dir); err != nil {
				t.Fatalf("dbmate migrate: %v\n%s", err, out)
			}
		}
		if family == engine.SQLite {
			reference = nil // dbmate's driver for SQLite needs a C compiler
		}
		migrationtest.Replay(t, open, dbmate.New([]string{dir}, schema.Name{}), nil, reference)
	})
}

func TestFailure(t *testing.T) {
	program := migrationtest.Program(t, "dbmate")
	for name, how := range map[string]string{"Transaction": "", "NoTransaction": " transaction:false"} {
		t.Run(name, func(t *testing.T) {
			dir := migrationtest.Write(t,
				"1_a.sql", "-- migrate:up\nCREATE TABLE a (id integer PRIMARY KEY);\n-- migrate:down\n",
				"2_b.sql", "-- migrate:up"+how+"\nCREATE TABLE b (id integer PRIMARY KEY);\nCREATE TABLE a (id integer PRIMARY KEY);\n-- migrate:down\n",
				"3_c.sql", "-- migrate:up\nCREATE TABLE c (id integer PRIMARY KEY);\n-- migrate:down\n")
			testengine.Each(t, func(t *testing.T, open testengine.Open) {
				reference := func(t *testing.T, db testengine.Database) {
					address := strings.Replace(db.URL.Reveal(), "mariadb://", "mysql://", 1)
					if out, err := migrationtest.Run(t, program, address, dir); err == nil {
						t.Fatalf("dbmate migrate succeeded:\n%s", out)
					}
				}
				if open(t).Family() == engine.SQLite {
					reference = nil // dbmate's driver for SQLite needs a C compiler
				}
				migrationtest.Failure(t, open, dbmate.New([]string{dir}, schema.Name{}), nil, reference)
			})
		})
	}
}

// TestSchema: dbmate makes the schema of its ledger where it is absent.
func TestSchema(t *testing.T) {
	db := testengine.Postgres(t)
	dir := migrationtest.Write(t, "1_a.sql", "-- migrate:up\nCREATE TABLE a (id int);\n-- migrate:down")
	tool := dbmate.New([]string{dir}, schema.Name{Schema: "My ledgers", Table: "versions"})
	migrationtest.Apply(t, tool, db, "")
	s, err := db.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Table(tool.Ledger.Table()) == nil {
		t.Errorf("there is no table %s", tool.Ledger.Table())
	}
}

func TestSource(t *testing.T) {
	const body = "-- migrate:up\n-- migrate:down\n"
	first, second := migrationtest.Write(t, "002_b.sql", body, "1.sql", "-- note\n\n"+body), migrationtest.Write(t, "0010_c_d.sql", body, "README.sql", "")
	files, err := dbmate.New([]string{first, second}, schema.Name{}).Source.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range files {
		got = append(got, fmt.Sprintf("%s %q line %d", m.ID, m.Title, m.Line))
	}
	if diff := cmp.Diff([]string{`0010 "c d" line 1`, `002 "b" line 1`, `1 "" line 3`}, got); diff != "" {
		t.Errorf("migrations (-want +got):\n%s", diff)
	}
	third := migrationtest.Write(t, "002_other.sql", body)
	_, err = dbmate.New([]string{first, third}, schema.Name{}).Source.Migrations(t.Context())
	if err == nil || !strings.Contains(err.Error(), "002_b.sql") || !strings.Contains(err.Error(), "002_other.sql") {
		t.Errorf("two with one version: %v, want an error that names both", err)
	}
}

func TestAnnotations(t *testing.T) {
	for text, want := range map[string]string{
		"CREATE TABLE a (id int);":                                         "migrate:up",
		"-- migrate:up\nSELECT 1;":                                         "migrate:down",
		"-- migrate:down\n-- migrate:up\n":                                 "before",
		"SELECT 1;\n-- migrate:up\n-- migrate:down\n":                      "line 1",
		"-- migrate:up\n-- migrate:down\n-- migrate:down\n":                "several",
		"-- migrate:up\n-- migrate:down\n-- migrate:up\n-- migrate:down\n": "2 \"-- migrate:up\" blocks",
	} {
		dir := migrationtest.Write(t, "1_a.sql", text)
		_, err := dbmate.New([]string{dir}, schema.Name{}).Source.Migrations(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "1_a.sql") {
			t.Errorf("%q: %v, want an error with %q and the file's name", text, err, want)
		}
	}
}

// TestRealRow: the row that we write is the one that dbmate writes, and its own status takes it.
func TestRealRow(t *testing.T) {
	program := migrationtest.Program(t, "dbmate")
	dir := migrationtest.Write(t, "001_a.sql", "-- migrate:up\nCREATE TABLE a (id integer PRIMARY KEY);\n-- migrate:down\n",
		"20240101000000_b.sql", "-- migrate:up\nCREATE TABLE b (id integer PRIMARY KEY);\n-- migrate:down\n")
	for name, open := range map[string]testengine.Open{"PostgreSQL": testengine.Postgres, "MariaDB": testengine.MariaDB, "MySQL": testengine.MySQL} {
		t.Run(name, func(t *testing.T) {
			db := open(t)
			tool := dbmate.New([]string{dir}, schema.Name{})
			files, err := tool.Source.Migrations(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			address := strings.Replace(db.URL.Reveal(), "mariadb://", "mysql://", 1)
			if out, err := migrationtest.Run(t, program, address, dir); err != nil {
				t.Fatalf("dbmate migrate: %v\n%s", err, out)
			}
			for _, m := range files {
				migrationtest.SameRow(t, db, tool.Ledger, m, files)
			}
			if out, err := migrationtest.Run(t, program, address, dir, "status"); err != nil {
				t.Errorf("dbmate status after our marks: %v\n%s", err, out)
			}
			if err := migration.Delete(t.Context(), db, tool.Ledger, files[0], files); err != nil {
				t.Fatal(err)
			}
			if out, err := migrationtest.Run(t, program, address, dir, "status"); err == nil || !strings.Contains(out, "1 pending") {
				t.Errorf("dbmate status after our unmark: %v\n%s", err, out)
			}
		})
	}
}
