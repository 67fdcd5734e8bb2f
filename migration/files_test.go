package migration_test

import (
	"testing"

	"mulligan/migration"
	"mulligan/migration/dbmate"
	"mulligan/migration/golangmigrate"
	"mulligan/migration/goose"
	"mulligan/migration/typeorm"
)

// TestFileTools: each tool's folder is known as its own, by names and annotations.
func TestFileTools(t *testing.T) {
	tests := map[string]map[string]string{
		"golang-migrate": {"000001_a.up.sql": "SELECT 1", "000001_a.down.sql": "", "README.md": ""},
		"goose":          {"20240101000000_a.sql": "-- +goose Up\nSELECT 1;", "20240102000000_b.sql": "-- note\n-- +goose Up\nSELECT 1;"},
		"dbmate":         {"20240101000000_a.sql": "-- migrate:up\nSELECT 1;\n-- migrate:down", "0002_b.sql": "--migrate:up transaction:false\n-- migrate:down"},
		"typeorm":        {"1675045120206-webauthn.js": "class webauthn1675045120206 { up() {} }\nmodule.exports = { webauthn1675045120206 }"},
		"":               {"1_a.sql": "SELECT 1", "b.js": "class x {}", "schema.sql": "CREATE TABLE a (id int)"},
	}
	all := []migration.FileTool{golangmigrate.FileTool(), goose.FileTool(), dbmate.FileTool(), typeorm.FileTool()}
	for want, files := range tests {
		got, err := migration.DetectFolder(folder(t, files), all...)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("folder of %q looks like %q, %v", want, got, err)
		}
	}
	if got, err := migration.DetectFolder(folder(t, map[string]string{"1_a.go": "package m\nimport \"github.com/pressly/goose/v3\""}), all...); got != "goose" {
		t.Errorf("a folder of goose migrations in Go looks like %q, %v", got, err)
	}
}
