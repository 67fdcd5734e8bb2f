package migrationtest

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testengine"
	"mulligan/migration"
)

// Folder is what an engine's examples are called.
func Folder(f engine.Family) string {
	if f == engine.MariaDB {
		return string(engine.MySQL)
	}
	return string(f)
}

// Replay tests a native runner on a folder of at least ten migrations: all at once, step by step and in
// two halves end in the same database, with all of them recorded; a second run does nothing; and
// reference, where it is not nil, is the real tool run on another database, which must come out the same.
func Replay(t *testing.T, open testengine.Open, tool *migration.Tool, hidden []string, reference func(t *testing.T, db testengine.Database)) {
	t.Helper()
	files, err := tool.Source.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Fatalf("%d migrations, want 10 or more", len(files))
	}
	once := open(t)
	log := Apply(t, tool, once, "")
	for _, m := range files {
		if !strings.Contains(log, m.Path) {
			t.Errorf("the log does not name %s:\n%s", m.Path, log)
		}
	}
	want := Content(t, once, hidden...)
	wantApplied(t, tool, once, files, len(files))
	if log := Apply(t, tool, once, ""); log != "" {
		t.Errorf("a second run did something: %s", log)
	}
	stepped := open(t)
	for i, m := range files {
		Apply(t, tool, stepped, m.ID)
		wantApplied(t, tool, stepped, files, i+1)
	}
	if diff := cmp.Diff(want, Content(t, stepped, hidden...)); diff != "" {
		t.Errorf("all at once (-) and step by step (+) differ:\n%s", diff)
	}
	if reference == nil {
		return
	}
	other := open(t)
	reference(t, other)
	if diff := cmp.Diff(Content(t, other, hidden...), want); diff != "" {
		t.Errorf("the real tool (-) and the native runner (+) differ:\n%s", diff)
	}
	if log := Apply(t, tool, other, ""); log != "" {
		t.Errorf("after the real tool the native runner did something: %s", log)
	}
}

// Apply runs a tool up to a migration and returns its log.
func Apply(t testing.TB, tool *migration.Tool, db testengine.Database, to migration.ID) string {
	t.Helper()
	var log bytes.Buffer
	if err := tool.Runner.Run(t.Context(), migration.Target{URL: db.URL, DB: db.DB}, to, &log); err != nil {
		t.Fatalf("run up to %q: %v\n%s", to, err, log.String())
	}
	return log.String()
}

// Fails runs a tool and returns the failure of a migration, which there must be.
func Fails(t testing.TB, tool *migration.Tool, db testengine.Database) *migration.RunError {
	t.Helper()
	var log bytes.Buffer
	err := tool.Runner.Run(t.Context(), migration.Target{URL: db.URL, DB: db.DB}, "", &log)
	var stopped *migration.RunError
	if !errors.As(err, &stopped) {
		t.Fatalf("the run ended with %v, want a RunError\n%s", err, log.String())
	}
	return stopped
}

// wantApplied checks that the first n files are recorded, and no more.
func wantApplied(t testing.TB, tool *migration.Tool, db testengine.Database, files []migration.Migration, n int) {
	t.Helper()
	records, err := tool.Ledger.Records(t.Context(), db, files)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range migration.Compare(files, records) {
		want := migration.VerdictPending
		if i < n {
			want = migration.VerdictApplied
		}
		if s.Verdict != want {
			t.Errorf("migration %s is %s, want %s", s.Migration.ID, s.Verdict, want)
		}
	}
}

// Write makes a folder of files, alternately names and texts.
func Write(t testing.TB, namesAndTexts ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(namesAndTexts); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, namesAndTexts[i]), []byte(namesAndTexts[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Failure tests a folder whose second migration makes table b and then fails: the native runner names
// the file, and leaves behind exactly what the real tool leaves. reference runs that; it fails, too.
func Failure(t *testing.T, open testengine.Open, tool *migration.Tool, hidden []string, reference func(t *testing.T, db testengine.Database)) {
	t.Helper()
	files, err := tool.Source.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	db := open(t)
	stopped := Fails(t, tool, db)
	if stopped.ID != files[1].ID || stopped.Path != files[1].Path {
		t.Errorf("the failure names %s (%s), want %s (%s)", stopped.ID, stopped.Path, files[1].ID, files[1].Path)
	}
	got := Content(t, db, hidden...)
	if want := "rows of a\n"; !strings.Contains(strings.ReplaceAll(got, "public.", ""), want) {
		t.Errorf("the first migration is not there:\n%s", got)
	}
	if reference != nil {
		other := open(t)
		reference(t, other)
		if diff := cmp.Diff(Content(t, other, hidden...), got); diff != "" {
			t.Errorf("the real tool (-) and the native runner (+) leave different things behind:\n%s", diff)
		}
	}
	if again := Fails(t, tool, db); again.ID != files[1].ID {
		t.Errorf("a second run fails at %s", again.ID)
	}
}
