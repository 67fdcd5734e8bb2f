package layers

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root finds the module's folder.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatalf("the module's folder: %v", err)
	}
	return dir
}

// list asks the go command for the module's packages.
func list(t *testing.T) []Package {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = root(t)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var packages []Package
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath                         string
			Imports, TestImports, XTestImports []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		name := strings.TrimPrefix(p.ImportPath, Module+"/")
		packages = append(packages, Package{name, p.Imports, slices.Concat(p.TestImports, p.XTestImports)})
	}
	return packages
}

func TestFloors(t *testing.T) {
	packages := list(t)
	if len(packages) < 10 {
		t.Fatalf("the go command lists %d packages only", len(packages))
	}
	for _, breach := range Breaches(packages) {
		t.Error(breach)
	}
}

// What the rules are for: each bad import is told by the name of the rule that it breaks.
func TestBreaches(t *testing.T) {
	for _, c := range []struct {
		name string
		pkg  Package
		want string // part of the one breach; empty = there is none
	}{
		{"down", Package{Path: "restore", Imports: []string{"mulligan/engine", "mulligan/pipeline", "fmt"}}, ""},
		{"up", Package{Path: "engine", Imports: []string{"mulligan/migration"}}, "package engine on floor 1 imports migration on floor 2"},
		{"sideways", Package{Path: "backup", Imports: []string{"mulligan/restore"}}, "imports restore sideways"},
		{"between adapters", Package{Path: "migration/goose", Imports: []string{"mulligan/engine/sqlite"}}, "only cmd/mulligan names adapters"},
		{"adapter below a pipeline", Package{Path: "rebuild", Imports: []string{"mulligan/store/dir"}}, "only cmd/mulligan names adapters"},
		{"adapter in main", Package{Path: "cmd/mulligan", Imports: []string{"mulligan/engine/mysql", "mulligan/config"}}, ""},
		{"port from its adapter", Package{Path: "engine", Imports: []string{"mulligan/engine/mysql"}}, "only cmd/mulligan names adapters"},
		{"part of an adapter", Package{Path: "engine/mysql", Imports: []string{"mulligan/engine/mysql/internal/wire"}}, ""},
		{"test support", Package{Path: "engine/mysql", Imports: []string{"mulligan/internal/testdb"}}, "for tests only"},
		{"test support in a test", Package{Path: "engine/mysql", TestImports: []string{"mulligan/internal/testdb"}}, ""},
		{"support above support", Package{Path: "internal/testengine", Imports: []string{"mulligan/engine/mysql"}}, ""},
		{"configuration below main", Package{Path: "rebuild", Imports: []string{"mulligan/config"}}, "only cmd/mulligan may"},
		{"viper in a test", Package{Path: "restore", TestImports: []string{"github.com/spf13/viper"}}, "only config may"},
		{"driver outside its adapter", Package{Path: "engine/sqlite", Imports: []string{"github.com/jackc/pgx/v5"}}, "only engine/postgres may"},
		{"driver in a test", Package{Path: "rebuild", TestImports: []string{"github.com/jackc/pgx/v5"}}, ""},
		{"unknown", Package{Path: "helpers"}, "add it to plan() in internal/layers/layers.go"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Breaches([]Package{c.pkg})
			if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)) {
				t.Errorf("breaches %q, want one with %q", got, c.want)
			}
		})
	}
}
