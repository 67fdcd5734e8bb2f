package laravel_test

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/migration/command"
	"mulligan/migration/laravel"
	"mulligan/migration/migrationtest"
	"mulligan/schema"
)

func TestMain(m *testing.M) { testdb.Main(m) }

func TestLedger(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		migrationtest.Test(t, migrationtest.Config{
			Tool:    "laravel",
			Open:    func(t testing.TB) engine.DB { return open(t).DB },
			Ledger:  func(table schema.Name) migration.Ledger { return laravel.New(nil, table).Ledger },
			Files:   []migration.Migration{{ID: "2014_10_12_000000_a"}, {ID: "2015_b"}, {ID: "2016_c"}, {ID: "2017_d"}},
			Renamed: true,
		})
	})
}

// program is a runner of Laravel's migrator, from the packages of Debian and Ubuntu.
func program(t testing.TB, args ...string) migration.Runner {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "php", "-r", "require '/usr/share/php/Illuminate/Database/autoload.php';").CombinedOutput(); err != nil {
		t.Fatalf("PHP with Laravel's database library comes with sudo scripts/install-test-servers: %v\n%s", err, out)
	}
	r, err := command.New(command.Options{Command: append([]string{"php", filepath.Join("testdata", "migrate.php")}, args...)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func code() migrationtest.Code {
	return migrationtest.Code{
		Tool: func(t testing.TB, migrations string) *migration.Tool {
			tool := laravel.New([]string{migrations}, schema.Name{})
			tool.Runner = program(t, migrations)
			return tool
		},
		File: func(n int) (name, text string) {
			return fmt.Sprintf("2024_01_0%d_000000_t%d.php", n, n), fmt.Sprintf(`<?php
return new class extends Illuminate\Database\Migrations\Migration {
    public function up() { Illuminate\Database\Capsule\Manager::schema()->create('t%d', function ($t) { $t->integer('n'); }); }
};
`, n)
		},
		Idle:     "Nothing to migrate",
		Volatile: []string{"id", "batch"},
	}
}

func TestReal(t *testing.T) {
	c := code()
	c.Volatile = []string{"id"}
	testengine.Each(t, func(t *testing.T, open testengine.Open) { c.Real(t, open) })
}

func TestMasked(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) { code().Masked(t, open) })
}

// TestRealStatus: what one call marks is one batch to Laravel, the next after the last.
func TestRealStatus(t *testing.T) {
	var texts []string
	for n := range 3 {
		name, text := code().File(n + 1)
		texts = append(texts, name, text)
	}
	dir := migrationtest.Write(t, texts...)
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		db, tool := open(t), laravel.New([]string{dir}, schema.Name{})
		files, err := tool.Source.Migrations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := tool.Ledger.Create(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		db.Exec(t, "INSERT INTO migrations (migration, batch) VALUES ('gone', 10), ('gone too', 9)")
		writes, err := tool.Ledger.Mark(t.Context(), db, files[:2], files)
		if err == nil {
			err = migration.Execute(t.Context(), db, writes)
		}
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		if err := program(t, dir, "status").Run(t.Context(), migration.Target{URL: db.URL, DB: db.DB}, "", &log); err != nil {
			t.Fatalf("%v\n%s", err, log.String())
		}
		want := fmt.Sprintf("Ran 11 %s\nRan 11 %s\nPending %s\n", files[0].ID, files[1].ID, files[2].ID)
		if diff := cmp.Diff(want, log.String()); diff != "" {
			t.Errorf("status (-want +got):\n%s", diff)
		}
	})
}

func TestSource(t *testing.T) {
	first := migrationtest.Write(t, "2024_01_31_120000_create_users.php", "<?php", "helper.php", "", "notes_a.md", "")
	second := migrationtest.Write(t, "2023_01_31_120000_a.php", "", "2024_01_31_120000_create_users_two.php", "", "x_y.php", "", ".hidden_a.php", "")
	files, err := laravel.New([]string{first, second}, schema.Name{}).Source.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range files {
		got = append(got, string(m.ID)+": "+m.Title)
	}
	want := []string{"2023_01_31_120000_a: a", "2024_01_31_120000_create_users: create users", "2024_01_31_120000_create_users_two: create users two", "x_y: x y"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("migrations (-want +got):\n%s", diff)
	}
	third := migrationtest.Write(t, "x_y.php", "")
	if _, err := laravel.New([]string{second, third}, schema.Name{}).Source.Migrations(t.Context()); err == nil || !strings.Contains(err.Error(), third) {
		t.Errorf("two with one name: %v, want an error that names both", err)
	}
	if _, err := laravel.New([]string{t.TempDir()}, schema.Name{}).Source.Migrations(t.Context()); !errors.Is(err, migration.ErrNone) {
		t.Errorf("an empty folder: %v, want ErrNone", err)
	}
	for dir, want := range map[string]int{first: 1, second: 2, third: 0} {
		if n, err := laravel.FileTool().Looks(dir); err != nil || n != want {
			t.Errorf("FileTool: %d files, %v; want %d", n, err, want)
		}
	}
}
