//go:build atlas

// What needs Atlas's own program is run on demand, by make test-atlas: to build it takes minutes. Without a C compiler
// it knows no SQLite.
package atlas_test

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/migration/atlas"
	"mulligan/migration/migrationtest"
	"mulligan/schema"
)

// arguments are a verb of Atlas's on a folder and a database.
func arguments(u engine.URL, dir string, verb ...string) []string {
	address := u.Reveal()
	if u.Family() == engine.Postgres {
		separator := "?"
		if strings.Contains(address, "?") {
			separator = "&"
		}
		address += separator + "search_path=public"
	}
	return append(append([]string{"migrate"}, verb...), "--dir", "file://"+dir, "--url", address)
}

func run(t *testing.T, program string, u engine.URL, dir string, verb ...string) (string, error) {
	t.Helper()
	return migrationtest.Run(t, program, arguments(u, dir, verb...)...)
}

// TestRealReplay: what the native runner leaves is what Atlas leaves.
func TestRealReplay(t *testing.T) {
	program := migrationtest.Program(t, "atlas")
	testengine.Servers(t, func(t *testing.T, open testengine.Open) {
		dir := folder(t, open(t).Family())
		hash(t, dir)
		migrationtest.Replay(t, open, atlas.New(dir, schema.Name{}), volatile, func(t *testing.T, db testengine.Database) {
			if out, err := run(t, program, db.URL, dir, "apply"); err != nil {
				t.Fatalf("atlas migrate apply: %v\n%s", err, out)
			}
		})
	})
}

// TestRealFailure: what the native runner leaves of a file that fails is what Atlas leaves.
func TestRealFailure(t *testing.T) {
	program := migrationtest.Program(t, "atlas")
	failing(t, func(t *testing.T, dir string, _ int) {
		testengine.Servers(t, func(t *testing.T, open testengine.Open) {
			migrationtest.Failure(t, open, atlas.New(dir, schema.Name{}), hidden(), func(t *testing.T, db testengine.Database) {
				if out, err := run(t, program, db.URL, dir, "apply"); err == nil {
					t.Fatalf("atlas migrate apply succeeded:\n%s", out)
				}
			})
		})
	})
}

// TestRealSums: the sums are those that Atlas writes.
func TestRealSums(t *testing.T) {
	program := migrationtest.Program(t, "atlas")
	dir := folder(t, engine.Postgres)
	if out, err := migrationtest.Run(t, program, "migrate", "hash", "--dir", "file://"+dir); err != nil {
		t.Fatalf("atlas migrate hash: %v\n%s", err, out)
	}
	theirs, err := os.ReadFile(filepath.Join(dir, "atlas.sum"))
	if err != nil {
		t.Fatal(err)
	}
	hash(t, dir)
	ours, err := os.ReadFile(filepath.Join(dir, "atlas.sum"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(theirs), string(ours)); diff != "" {
		t.Errorf("atlas.sum (-Atlas's +ours):\n%s", diff)
	}
}

// TestCannotMask: masking cannot stop Atlas midway. It takes the hidden files for the newest, passes over those before
// them without a word, and leaves a ledger that says so. Newer releases than the one tested here refuse such a gap,
// unless the command says --exec-order non-linear.
func TestCannotMask(t *testing.T) {
	program := migrationtest.Program(t, "atlas")
	testengine.Servers(t, func(t *testing.T, open testengine.Open) {
		db := open(t)
		dir := folder(t, db.Family())
		hash(t, dir)
		tool := atlas.New(dir, schema.Name{})
		files := list(t, tool)
		native := tool.Runner
		tool.Runner = migration.Mask(real{program, dir}, tool.Ledger, tool.Source)
		migrationtest.Apply(t, tool, db, files[4].ID)
		records, err := tool.Ledger.Records(t.Context(), db, files)
		if err != nil || len(records) != 0 {
			t.Errorf("records after a masked run: %v, %v", records, err)
		}
		tool.Runner = native
		migrationtest.Apply(t, tool, db, files[4].ID)
		if records, err = tool.Ledger.Records(t.Context(), db, files); err != nil || len(records) != 5 {
			t.Errorf("the native runner stopped at %d records, %v", len(records), err)
		}
	})
}

// real is Atlas's own program as a runner that can only do all.
type real struct{ program, dir string }

func (r real) Run(ctx context.Context, target migration.Target, _ migration.ID, log io.Writer) error {
	cmd := exec.CommandContext(ctx, r.program, arguments(target.URL, r.dir, "apply")...)
	cmd.Stdout, cmd.Stderr = log, log
	return cmd.Run()
}

// TestRealRow: the row that we write is the one that `atlas migrate set` writes, and Atlas takes ours for its own.
func TestRealRow(t *testing.T) {
	program := migrationtest.Program(t, "atlas")
	dir := migrationtest.Write(t, "1_a.sql", "CREATE TABLE a (id int);", "2_b_c.sql", "CREATE TABLE b (id int);", "3_d.sql", "CREATE TABLE d (id int);")
	hash(t, dir)
	testengine.Servers(t, func(t *testing.T, open testengine.Open) {
		db := open(t)
		tool := atlas.New(dir, schema.Name{})
		files := list(t, tool)
		status := func(want ...string) {
			t.Helper()
			out, err := run(t, program, db.URL, dir, "status")
			for _, w := range want {
				if err != nil || !strings.Contains(out, w) {
					t.Errorf("atlas migrate status: %v, want %q\n%s", err, w, out)
				}
			}
		}
		if out, err := run(t, program, db.URL, dir, "set", "2"); err != nil {
			t.Fatalf("atlas migrate set: %v\n%s", err, out)
		}
		for _, m := range files[:2] {
			migrationtest.SameRow(t, db, tool.Ledger, m, files, "executed_at")
		}
		records, err := tool.Ledger.Records(t.Context(), db, files)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if r.Sum != migration.SumMatches || r.At.IsZero() {
				t.Errorf("record %s: checksum %q, time %s", r.ID, r.Sum, r.At)
			}
		}
		status("Current Version: 2", "Next Version:    3")
		if err := migration.Insert(t.Context(), db, tool.Ledger, files[2], files); err != nil {
			t.Fatal(err)
		}
		status("Migration Status: OK", "Current Version: 3")
		for _, m := range files[1:] {
			if err := migration.Delete(t.Context(), db, tool.Ledger, m, files); err != nil {
				t.Fatal(err)
			}
		}
		status("Current Version: 1", "Next Version:    2")
		if out, err := run(t, program, db.URL, dir, "apply"); err != nil {
			t.Errorf("atlas migrate apply after our rows: %v\n%s", err, out)
		}
	})
}

// TestRealFailed: a file that Atlas itself left half applied is marked, and Atlas goes on behind it. Its own
// `migrate set` leaves it half applied.
func TestRealFailed(t *testing.T) {
	program := migrationtest.Program(t, "atlas")
	dir := migrationtest.Write(t, "1_a.sql", "CREATE TABLE a (id int);", "2_b.sql", "-- atlas:txmode none\n\nCREATE TABLE b (id int);\nCREATE TABLE a (id int);",
		"3_c.sql", "CREATE TABLE c (id int);")
	hash(t, dir)
	testengine.Servers(t, func(t *testing.T, open testengine.Open) {
		db := open(t)
		tool := atlas.New(dir, schema.Name{})
		files := list(t, tool)
		if out, err := run(t, program, db.URL, dir, "apply"); err == nil {
			t.Fatalf("atlas migrate apply succeeded:\n%s", out)
		}
		records, err := tool.Ledger.Records(t.Context(), db, files)
		if err != nil {
			t.Fatal(err)
		}
		if len(records) != 2 || records[1].State != migration.Failed || records[1].Raw["applied"] != "1" {
			t.Fatalf("records: %v", records)
		}
		if err := migration.Insert(t.Context(), db, tool.Ledger, files[1], files); err != nil {
			t.Fatal(err)
		}
		if out, err := run(t, program, db.URL, dir, "apply"); err != nil || !strings.Contains(out, "CREATE TABLE c") {
			t.Errorf("atlas migrate apply after our mark: %v\n%s", err, out)
		}
	})
}

// TestRealLock: Atlas does not begin while we hold its lock.
func TestRealLock(t *testing.T) {
	program := migrationtest.Program(t, "atlas")
	dir := migrationtest.Write(t, "1_a.sql", "CREATE TABLE a (id int);")
	hash(t, dir)
	testengine.Servers(t, func(t *testing.T, open testengine.Open) {
		db := open(t)
		s, err := db.Session(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		free, err := atlas.New(dir, schema.Name{}).Lock.Take(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := run(t, program, db.URL, dir, "apply", "--lock-timeout", "50ms"); err == nil || !strings.Contains(out, "lock") {
			t.Errorf("atlas migrate apply under our lock: %v\n%s", err, out)
		}
		if err := free(t.Context()); err != nil {
			t.Fatal(err)
		}
		if out, err := run(t, program, db.URL, dir, "apply"); err != nil {
			t.Errorf("atlas migrate apply: %v\n%s", err, out)
		}
	})
}
