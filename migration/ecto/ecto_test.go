package ecto_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/migration/ecto"
	"mulligan/migration/migrationtest"
	"mulligan/schema"
)

func TestMain(m *testing.M) { testdb.Main(m) }

func TestLedger(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		migrationtest.Test(t, migrationtest.Config{
			Tool:   "ecto",
			Open:   func(t testing.TB) engine.DB { return open(t).DB },
			Ledger: func(table schema.Name) migration.Ledger { return ecto.New("", table).Ledger },
			Files:  []migration.Migration{{ID: "1"}, {ID: "9"}, {ID: "10"}, {ID: "20240131120000"}},
		})
	})
}

// TestRow: the time is UTC to the second, in the form of each of Ecto's adapters.
func TestRow(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		db, l := open(t), ecto.New("", schema.Name{}).Ledger
		files := []migration.Migration{{ID: "20240131120000"}}
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
		var text string
		if err := db.QueryRowContext(t.Context(), map[engine.Family]string{
			engine.Postgres: "SELECT inserted_at::text FROM schema_migrations WHERE version = 20240131120000",
			engine.MySQL:    "SELECT cast(inserted_at AS char) FROM schema_migrations WHERE version = 20240131120000",
			engine.MariaDB:  "SELECT cast(inserted_at AS char) FROM schema_migrations WHERE version = 20240131120000",
			engine.SQLite:   "SELECT inserted_at || '' FROM schema_migrations WHERE version = 20240131120000",
		}[db.Family()]).Scan(&text); err != nil {
			t.Fatal(err)
		}
		form := `^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$`
		if db.Family() == engine.SQLite {
			form = strings.Replace(form, " ", "T", 1)
		}
		if !regexp.MustCompile(form).MatchString(text) {
			t.Errorf("inserted_at is %q, want it like %s", text, form)
		}
	})
}

// TestLock: the lock keeps Ecto's away, and is seen by others.
func TestLock(t *testing.T) {
	db, tool := testengine.Postgres(t), ecto.New("", schema.Name{})
	ours, err := db.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := db.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(ours.Close(), theirs.Close()); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	free, err := tool.Lock.Take(t.Context(), ours)
	if err != nil {
		t.Fatalf("Take without a table: %v", err)
	}
	if err := errors.Join(free(t.Context()), tool.Ledger.Create(t.Context(), db)); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"BEGIN", "LOCK TABLE schema_migrations IN SHARE UPDATE EXCLUSIVE MODE"} {
		if _, err := theirs.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if who, err := tool.Lock.Holder(t.Context(), ours); err != nil || !strings.HasPrefix(who, "process ") {
		t.Errorf("Holder is %q, %v", who, err)
	}
	if _, err := tool.Lock.Take(t.Context(), ours); !errors.Is(err, migration.ErrHeld) {
		t.Errorf("Take: %v, want ErrHeld", err)
	}
	migration.Rollback(t.Context(), theirs)
	if free, err = tool.Lock.Take(t.Context(), ours); err != nil {
		t.Fatal(err)
	}
	if who, err := tool.Lock.Holder(t.Context(), theirs); err != nil || who == "" {
		t.Errorf("Holder of ours is %q, %v", who, err)
	}
	if err := free(t.Context()); err != nil {
		t.Fatal(err)
	}
	if who, err := tool.Lock.Holder(t.Context(), theirs); err != nil || who != "" {
		t.Errorf("Holder after free is %q, %v", who, err)
	}
}

func TestSource(t *testing.T) {
	dir := migrationtest.Write(t, "010_b_c.exs", "", "9_a.exs", "", "20240131120000_d.exs", "", "x.exs", "", "11_e.ex", "")
	if err := os.Mkdir(filepath.Join(dir, "more"), 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("more/12_f.exs")
	list := func() ([]string, error) {
		files, err := ecto.New(dir, schema.Name{}).Source.Migrations(t.Context())
		var got []string
		for _, m := range files {
			got = append(got, string(m.ID)+" "+m.Title)
		}
		return got, err
	}
	got, err := list()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"9 a", "10 b c", "12 f", "20240131120000 d"}, got); diff != "" {
		t.Errorf("migrations (-want +got):\n%s", diff)
	}
	for _, bad := range []struct{ name, want string }{{"more/9_z.exs", "version 9"}, {"13_a.exs", "name a"}, {"99999999999999999999_g.exs", "bigint"}} {
		write(bad.name)
		if _, err := list(); err == nil || !strings.Contains(err.Error(), bad.want) || !strings.Contains(err.Error(), filepath.Base(bad.name)) {
			t.Errorf("%s: %v, want an error with %q and the file's name", bad.name, err, bad.want)
		}
		if err := os.Remove(filepath.Join(dir, bad.name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ecto.New(t.TempDir(), schema.Name{}).Source.Migrations(t.Context()); !errors.Is(err, migration.ErrNone) {
		t.Errorf("an empty folder: %v, want ErrNone", err)
	}
	if _, err := ecto.New(filepath.Join(dir, "none"), schema.Name{}).Source.Migrations(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v, want fs.ErrNotExist", err)
	}
}
