package golangmigrate_test

import (
	"net/url"
	"testing"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/migration/golangmigrate"
	"mulligan/migration/migrationtest"
	"mulligan/schema"
)

func TestMain(m *testing.M) { testdb.Main(m) }

func TestLedger(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		migrationtest.Test(t, migrationtest.Config{
			Tool:      "golang-migrate",
			Open:      func(t testing.TB) engine.DB { return open(t).DB },
			Ledger:    func(table schema.Name) migration.Ledger { return golangmigrate.New("", table).Ledger },
			Files:     []migration.Migration{{ID: "1"}, {ID: "2"}, {ID: "20240101000000"}, {ID: "9223372036854775807"}},
			OneNumber: true,
			Renamed:   true,
		})
	})
}

func TestReplay(t *testing.T) {
	program := migrationtest.Program(t, "golang-migrate")
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		family := open(t).Family()
		dir := migrationtest.Example(t, "golang-migrate", migrationtest.Folder(family))
		migrationtest.Replay(t, open, golangmigrate.New(dir, schema.Name{}), nil, func(t *testing.T, db testengine.Database) {
			if out, err := migrationtest.Run(t, program, "-path", dir, "-database", address(db.URL), "up"); err != nil {
				t.Fatalf("migrate up: %v\n%s", err, out)
			}
		})
	})
}

// address is a url as golang-migrate wants it.
func address(u engine.URL) string {
	password, _ := u.Password()
	switch u.Family() {
	case engine.Postgres:
		return u.Reveal()
	case engine.SQLite:
		return "sqlite://" + u.Database()
	default:
		return "mysql://" + url.UserPassword(u.User(), password).String() + "@tcp(" + u.Host() + ")/" + u.Database()
	}
}
