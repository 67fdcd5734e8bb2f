package goose_test

import (
	"testing"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/migration/goose"
	"mulligan/migration/migrationtest"
	"mulligan/schema"
)

func TestMain(m *testing.M) { testdb.Main(m) }

func TestLedger(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		migrationtest.Test(t, migrationtest.Config{
			Tool:    "goose",
			Open:    func(t testing.TB) engine.DB { return open(t).DB },
			Ledger:  func(table schema.Name) migration.Ledger { return goose.New("", table).Ledger },
			Files:   []migration.Migration{{ID: "1"}, {ID: "2"}, {ID: "20240101000000"}, {ID: "9223372036854775807"}},
			Renamed: true,
		})
	})
}

// times are the ledger's columns whose values differ from run to run.
var times = []string{"tstamp"}

func TestReplay(t *testing.T) {
	program := migrationtest.Program(t, "goose")
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		family := open(t).Family()
		dir := migrationtest.Example(t, "goose", migrationtest.Folder(family))
		migrationtest.Replay(t, open, goose.New(dir, schema.Name{}), times, func(t *testing.T, db testengine.Database) {
			driver, dsn := address(db.URL)
			if out, err := migrationtest.Run(t, program, "-dir", dir, driver, dsn, "up"); err != nil {
				t.Fatalf("goose up: %v\n%s", err, out)
			}
		})
	})
}

// address is a url as goose's command wants it.
func address(u engine.URL) (driver, dsn string) {
	password, _ := u.Password()
	switch u.Family() {
	case engine.Postgres:
		return "postgres", u.Reveal()
	case engine.SQLite:
		return "sqlite3", u.Database()
	default:
		return "mysql", u.User() + ":" + password + "@tcp(" + u.Host() + ")/" + u.Database() + "?parseTime=true"
	}
}
