package typeorm_test

import (
	"testing"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/migration/migrationtest"
	"mulligan/migration/typeorm"
	"mulligan/schema"
)

func TestMain(m *testing.M) { testdb.Main(m) }

func TestLedger(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		migrationtest.Test(t, migrationtest.Config{
			Tool:   "typeorm",
			Open:   func(t testing.TB) engine.DB { return open(t).DB },
			Ledger: func(table schema.Name) migration.Ledger { return typeorm.New(typeorm.Options{Table: table}).Ledger },
			Files: []migration.Migration{
				{ID: "templateDeleteCascade1673609465036"}, {ID: "webauthn1675045120206"}, {ID: `it's "quoted" \1680000000000`}, {ID: "日本1690000000000"},
			},
			Renamed: true,
		})
	})
}
