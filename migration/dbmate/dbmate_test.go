package dbmate_test

import (
	"strings"
	"testing"

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
