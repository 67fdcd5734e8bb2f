package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"mulligan/engine"
	"mulligan/engine/enginetest"
	"mulligan/engine/sqlite"
)

func TestConformance(t *testing.T) {
	folder := t.TempDir()
	n := 0
	enginetest.Test(t, enginetest.Config{
		Connect: func(t testing.TB) engine.Server { return connect(t, filepath.Join(folder, "any.db")) },
		NewName: func(testing.TB) string {
			n++
			return filepath.Join(folder, fmt.Sprintf("db %d.db", n))
		},
	})
}

func connect(t testing.TB, path string) engine.Server {
	t.Helper()
	u, err := engine.ParseURL("sqlite:" + path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Connect(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
