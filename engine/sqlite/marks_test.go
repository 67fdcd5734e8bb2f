package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"mulligan/engine"
	"mulligan/schema"
)

// marksOf gives the marks of all tables of a database that is opened for it.
func marksOf(t testing.TB, s engine.Server, path string) map[schema.Name]string {
	t.Helper()
	db, err := s.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tables, err := db.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var list []*schema.Table
	for i := range tables.Tables {
		list = append(list, &tables.Tables[i])
	}
	marks, err := db.(engine.Marker).Marks(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	return marks
}

// Times of files go by ticks of some milliseconds: writes within one, of the same size, must not look alike.
func TestMarksWithinOneTick(t *testing.T) {
	const rounds = 30
	for _, mode := range []string{"delete", "wal"} {
		s, path := create(t, "PRAGMA journal_mode = "+mode+"; CREATE TABLE some (id INTEGER PRIMARY KEY, n); INSERT INTO some VALUES (1, 0)")
		some, seen, equal := schema.Name{Table: "some"}, 0, 0
		for i := range rounds {
			before := marksOf(t, s, path)[some]
			again := marksOf(t, s, path)[some]
			run(t, s, path, fmt.Sprintf("UPDATE some SET n = %d", i+1))
			if before != "" {
				seen++
			}
			if before != "" && before == again {
				equal++
			}
			if after := marksOf(t, s, path)[some]; after != "" && (after == before || after == again) {
				t.Fatalf("%s: the row was changed, and the mark is still %q", mode, after)
			}
		}
		if seen < rounds*9/10 || equal < rounds*9/10 {
			t.Errorf("%s: of %d times there was a mark %d times, and an equal one %d times", mode, rounds, seen, equal)
		}
	}
}

// Another process may hold the log back, or write in ways that leave the counter alone.
func TestMarksOfLog(t *testing.T) {
	s, path := create(t, "PRAGMA journal_mode = wal; CREATE TABLE some (id INTEGER PRIMARY KEY); CREATE VIRTUAL TABLE words USING fts5 (word)")
	some := schema.Name{Table: "some"}
	if m := marksOf(t, s, path); m[some] == "" || m[schema.Name{Table: "words"}] != "" {
		t.Errorf("marks %v, want one of the table and none of the virtual table", m)
	}
	if m := marksOf(t, connect(t, path+"?mode=ro"), path); len(m) > 0 {
		t.Errorf("marks %v of a log that may not be written back", m)
	}
	db := open(t, s, path)
	view, err := db.View(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	shell(t, path, "INSERT INTO some VALUES (1); INSERT INTO some VALUES (2)")
	if m := marksOf(t, s, path); len(m) > 0 {
		t.Errorf("marks %v while a reader keeps the log", m)
	}
	if err := view.Close(); err != nil {
		t.Fatal(err)
	}
	before := marksOf(t, s, path)[some]
	if before == "" {
		t.Error("no mark after the reader has gone")
	}
	shell(t, path, "PRAGMA wal_autocheckpoint = 1; PRAGMA locking_mode = EXCLUSIVE; DELETE FROM some WHERE id = 1; DELETE FROM some WHERE id = 2")
	if after := marksOf(t, s, path)[some]; after == before {
		t.Errorf("rows were deleted, and the mark is still %q", after)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*.clock"))
	if err != nil || len(left) > 0 {
		t.Errorf("files %v are left: %v", left, err)
	}
}

// Who copies another file over the database leaves no trace in a counter.
func TestMarksOfOverwrittenFile(t *testing.T) {
	s, path := create(t, "CREATE TABLE some (id INTEGER PRIMARY KEY); INSERT INTO some VALUES (1)")
	other := path + ".other"
	if err := s.Create(t.Context(), other, nil); err != nil {
		t.Fatal(err)
	}
	run(t, s, other, "CREATE TABLE some (id INTEGER PRIMARY KEY); INSERT INTO some VALUES (2)")
	before := marksOf(t, s, path)
	content, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	some := schema.Name{Table: "some"}
	if after := marksOf(t, s, path); before[some] == "" || after[some] == before[some] {
		t.Errorf("mark %q, and after another file was copied over it %q", before[some], after[some])
	}
}
