package sqlite_test

import (
	"os"
	"path/filepath"
	"testing"

	"mulligan/engine"
	"mulligan/engine/sqlite"
	"mulligan/internal/testengine"
)

// What a process that was killed in the middle of a transaction leaves, a file that is whole only with its journal, is a
// database that can be looked at and moved.
func TestTorn(t *testing.T) {
	db := testengine.SQLite(t)
	db.Exec(t, "PRAGMA auto_vacuum = FULL", "VACUUM", "CREATE TABLE some (id integer PRIMARY KEY, body text)",
		"INSERT INTO some WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) SELECT i, hex(randomblob(200)) FROM n")
	s, err := db.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, statement := range []string{
		"PRAGMA cache_size = 2", "BEGIN", "UPDATE some SET body = hex(randomblob(300))", "DELETE FROM some WHERE id % 2 = 0",
		"CREATE TABLE other AS SELECT * FROM some",
	} {
		if _, err := s.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	name := filepath.Join(t.TempDir(), "torn.db")
	for _, suffix := range []string{"", "-journal"} {
		data, err := os.ReadFile(db.URL.Database() + suffix)
		if err != nil {
			t.Fatal(err)
		}
		// The pages at the end were not written yet, though the first one counts them.
		if suffix == "" {
			data = data[:len(data)/16]
		}
		if err := os.WriteFile(name+suffix, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	u, err := engine.ParseURL("sqlite:" + name)
	if err != nil {
		t.Fatal(err)
	}
	server, err := sqlite.Connect(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if _, err := server.Stat(t.Context(), name); err != nil {
		t.Fatalf("Stat: %v", err)
	}
	if err := server.(engine.Renamer).Rename(t.Context(), engine.Move{From: name, To: name + "2"}); err != nil {
		t.Fatalf("Rename: %v", err)
	}
	if got := shell(t, name+"2", "SELECT count(*) FROM some; PRAGMA integrity_check"); got != "2000\nok\n" {
		t.Errorf("the moved database says %q", got)
	}
}
