package command_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/migration"
	"mulligan/migration/command"
	"mulligan/schema"
)

func TestNamedReadsFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"20240102_b.js", "20240101_a.js", "20240101_a.d.ts", "helper.js", ".hidden1.js", "_skip2.js"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("//"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		tool  string
		table schema.Name
		want  []migration.ID
		in    string
	}{
		{"knex", schema.Name{}, []migration.ID{"20240101_a.js", "20240102_b.js"}, "knex_migrations"},
		{"sequelize", schema.Name{}, []migration.ID{"20240101_a.js", "20240102_b.js"}, "SequelizeMeta"},
		{"laravel", schema.Name{}, []migration.ID{"20240101_a", "20240102_b"}, "migrations"},
		{"rails", schema.Name{Table: "versions"}, []migration.ID{"20240101", "20240102"}, "versions"},
		{"command", schema.Name{Table: "done"}, []migration.ID{"20240101_a", "20240102_b"}, "done"},
	}
	for _, test := range tests {
		t.Run(test.tool, func(t *testing.T) {
			tool, err := command.Named(test.tool, dir, test.table)
			if err != nil {
				t.Fatal(err)
			}
			files, err := tool.Source.Migrations(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []migration.ID
			for _, m := range files {
				got = append(got, m.ID)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if got := tool.Ledger.Table().Table; got != test.in {
				t.Errorf("ledger is %s, want %s", got, test.in)
			}
			if err := migration.Insert(t.Context(), nil, tool.Ledger, files[0], files); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("Insert: %v, want ErrUnsupported", err)
			}
		})
	}
}

func TestNamedRefuses(t *testing.T) {
	if _, err := command.Named("command", t.TempDir(), schema.Name{}); !errors.Is(err, command.ErrNoTable) {
		t.Errorf("home-grown without a table: %v", err)
	}
	if _, err := command.Named("flyway", t.TempDir(), schema.Name{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("unknown tool: %v", err)
	}
	tool, err := command.Named("knex", t.TempDir(), schema.Name{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tool.Source.Migrations(t.Context()); !errors.Is(err, migration.ErrNone) {
		t.Errorf("empty folder: %v, want ErrNone", err)
	}
}
