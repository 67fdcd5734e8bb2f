package main

import (
	"flag"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/config"
	"mulligan/engine"
	"mulligan/migration"
	"mulligan/migration/generic"
	"mulligan/migration/typeorm"
)

var update = flag.Bool("update", false, "write the table of docs/ledgers.md anew")

// The table stands between these lines of docs/ledgers.md.
const (
	tableBegins = "<!-- made by: go test ./cmd/mulligan -run TestLedgersManual -update -->\n"
	tableEnds   = "<!-- end of the table -->\n"
)

// adapterOf makes a tool, of a project of which nothing is known.
func adapterOf(name string) *migration.Tool {
	return adapters()[name](project{
		dirs: []string{"."}, family: engine.SQLite,
		make: func(o typeorm.Options) *migration.Tool { return typeorm.New(o) },
	})
}

// TestToolsAgree: what the configuration takes for granted of tools is what their adapters are, and each is in the manual.
func TestToolsAgree(t *testing.T) {
	if diff := cmp.Diff(config.Tools(), knownTools()); diff != "" {
		t.Errorf("tools of the configuration (-) and adapters (+):\n%s", diff)
	}
	manual, row := readManual(t, "ledgers.md"), ""
	for line := range strings.Lines(readManual(t, "configuration.md")) {
		if strings.HasPrefix(line, "| `tool` |") {
			row = line
		}
	}
	native, others, ok := strings.Cut(row, "With a `command` of yours:")
	if !ok {
		t.Fatal("docs/configuration.md has no row of tools")
	}
	for _, name := range knownTools() {
		tool := adapterOf(name)
		if tool.Name != name {
			t.Errorf("the adapter of %s makes a tool called %s", name, tool.Name)
		}
		if alone := tool.Runner != nil; config.RunsItself(name) != alone {
			t.Errorf("config.RunsItself(%s) is %t, and its adapter has a runner: %t", name, !alone, alone)
		}
		where := map[bool]string{true: native, false: others}[config.RunsItself(name)]
		if !strings.Contains(where, "`"+name+"`") {
			t.Errorf("docs/configuration.md does not name %s where it belongs, in the row of tools", name)
		}
		if !strings.Contains(manual, "`"+name+"`") {
			t.Errorf("docs/ledgers.md does not name %s", name)
		}
	}
	for _, f := range fileTools() {
		if !slices.Contains(knownTools(), f.Tool) {
			t.Errorf("files are told to be those of %s, which has no adapter", f.Tool)
		}
	}
}

// TestLedgersManual keeps the table of docs/ledgers.md what the adapters and their tests are.
func TestLedgersManual(t *testing.T) {
	text := readManual(t, "ledgers.md")
	before, rest, begins := strings.Cut(text, tableBegins)
	old, after, ends := strings.Cut(rest, tableEnds)
	if !begins || !ends {
		t.Fatalf("docs/ledgers.md lacks one of the lines\n%s%s", tableBegins, tableEnds)
	}
	table := "\n| tool | read, mark | native replay | command | stopped midway | a late one | lock | run for real in tests |\n|---|---|---|---|---|---|---|---|\n"
	pins := pinned(t)
	for _, name := range knownTools() {
		table += ledgerRow(t, name, pins)
	}
	table += "\n"
	if *update {
		if err := os.WriteFile(manualPath("ledgers.md"), []byte(before+tableBegins+table+tableEnds+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(table, old); diff != "" {
		t.Errorf("docs/ledgers.md is not what the tests are; write it anew with -update (-tests +manual):\n%s", diff)
	}
}

// ledgerRow is one tool's row: what its package has tests of.
func ledgerRow(t *testing.T, name string, pins map[string][]string) string {
	tool, tests := adapterOf(name), packageTests(t, folderOf(name))
	if !tests.has("TestLedger") {
		t.Errorf("%s: no TestLedger asks the conformance suite", name)
	}
	cells := []string{"`" + name + "`", engineNames(tests.engines("TestLedger")), "–", "✓", "–", "–", "–", "–"}
	if tool.Runner != nil {
		if !tests.has("TestReplay") {
			t.Errorf("%s: it has a runner, and no TestReplay tries it", name)
		}
		cells[2] = engineNames(tests.engines("TestReplay"))
	}
	switch {
	case stepsOf(name) != nil && (tests.has("TestRealSteps") || tests.has("TestSteps")):
		cells[4] = "by the tool's own steps"
	case tests.oneNumber() || tests.has("TestCannotMask"):
		cells[4] = "by `{to}` only"
	case tests.has("TestMasked"):
		cells[4] = "masked"
	}
	if tool.Late != "" {
		cells[5] = string(tool.Late)
	}
	if tool.Lock != nil {
		cells[6] = "✓"
	}
	if real := tests.named("TestReal"); len(real) > 0 {
		cells[7] = strings.Join(pins[name], " and ")
		if cells[7] == "" {
			cells[7] = "the system's package"
		}
		cells[7] += ": " + engineNames(tests.engines(real...))
		if !slices.ContainsFunc(real, func(name string) bool { return !tests[name].onDemand }) {
			cells[7] += ", on demand"
		}
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

// folderOf is the folder of a tool's adapter.
func folderOf(name string) string {
	if _, preset := generic.Presets()[name]; preset || name == "command" {
		name = "generic"
	}
	return filepath.Join("..", "..", "migration", strings.ReplaceAll(name, "-", ""))
}

func manualPath(name string) string { return filepath.Join("..", "..", "docs", name) }

func readManual(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(manualPath(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// testCode is the functions of a package's tests.
type testCode map[string]testFunc

// testFunc is a function of tests. What is on demand needs a build tag.
type testFunc struct {
	*ast.FuncDecl
	onDemand bool
}

func packageTests(t *testing.T, folder string) testCode {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("folder %s has no tests: %v", folder, err)
	}
	code := testCode{}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		tagged := slices.ContainsFunc(f.Comments, func(c *ast.CommentGroup) bool { return constraint.IsGoBuild(c.List[0].Text) })
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				code[fn.Name.Name] = testFunc{fn, tagged}
			}
		}
	}
	return code
}

func (c testCode) has(name string) bool { return c[name].FuncDecl != nil }

// named are the functions whose names begin so.
func (c testCode) named(prefix string) []string {
	var list []string
	for name := range c {
		if strings.HasPrefix(name, prefix) {
			list = append(list, name)
		}
	}
	return list
}

// oneNumber tells whether the conformance suite is told of a ledger that marks what comes before, too.
func (c testCode) oneNumber() (is bool) {
	if !c.has("TestLedger") {
		return false
	}
	ast.Inspect(c["TestLedger"].FuncDecl, func(n ast.Node) bool {
		if pair, ok := n.(*ast.KeyValueExpr); ok {
			key, _ := pair.Key.(*ast.Ident)
			value, _ := pair.Value.(*ast.Ident)
			is = is || key != nil && value != nil && key.Name == "OneNumber" && value.Name == "true"
		}
		return true
	})
	return is
}

// engines are those whose databases some tests open, by themselves or by a function of the package that they call.
func (c testCode) engines(tests ...string) map[string]bool {
	found, seen := map[string]bool{}, map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		if seen[name] || !c.has(name) {
			return
		}
		seen[name] = true
		ast.Inspect(c[name].FuncDecl, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if p, ok := n.X.(*ast.Ident); ok && p.Name == "testengine" {
					found[n.Sel.Name] = true
				}
			case *ast.Ident:
				visit(n.Name)
			}
			return true
		})
	}
	for _, name := range tests {
		visit(name)
	}
	return found
}

// engineNames says which engines a test opens, for people.
func engineNames(found map[string]bool) string {
	var list []string
	for _, e := range []struct{ name, shown string }{{"SQLite", "SQLite"}, {"Postgres", "PostgreSQL"}, {"MariaDB", "MariaDB"}, {"MySQL", "MySQL"}} {
		if found["Each"] || found[e.name] || found["Servers"] && e.name != "SQLite" {
			list = append(list, e.shown)
		}
	}
	if len(list) == 4 {
		return "all four engines"
	}
	return strings.Join(list, ", ")
}

// pinned are the versions of the tools that tests run, from where they are pinned: Go's modules, and npm's packages.
func pinned(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	look := func(file, pattern string, add func(m []string)) {
		data, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		all := regexp.MustCompile(pattern).FindAllStringSubmatch(string(data), -1)
		if len(all) == 0 {
			t.Errorf("%s pins no version as expected", file)
		}
		for _, m := range all {
			add(m)
		}
	}
	modules := map[string]string{
		"github.com/golang-migrate/migrate/v4": "golang-migrate", "github.com/jackc/tern/v2": "tern", "github.com/pressly/goose/v3": "goose",
		"github.com/rubenv/sql-migrate": "sql-migrate", "github.com/amacneil/dbmate/v2": "dbmate", "ariga.io/atlas/cmd/atlas": "atlas",
	}
	for _, file := range []string{"internal/tools/go.mod", "internal/tools/atlas/go.mod"} {
		look(file, `(?m)^\s*(?:require )?(\S+) v(\S+)`, func(m []string) {
			if tool := modules[m[1]]; tool != "" {
				found[tool] = append(found[tool], m[2])
			}
		})
	}
	for tool, at := range map[string][2]string{
		"knex":      {"migration/migrationtest/code.go", `"knex": "([^"]+)"`},
		"sequelize": {"migration/migrationtest/code.go", `"(sequelize-cli)": "([^"]+)"`},
		"drizzle":   {"migration/drizzle/drizzle_test.go", `"drizzle-orm(?:-1)?": "(?:npm:drizzle-orm@)?([^"]+)"`},
		"prisma":    {"migration/prisma/prisma_test.go", `"@prisma/(schema-engine)-wasm": +"([0-9.]+)-`},
		"typeorm":   {"migration/typeorm/run_test.go", `func versions\(\).*"([^"]+)", "([^"]+)"`},
	} {
		look(at[0], at[1], func(m []string) {
			if strings.Contains(m[1], "-") && !strings.ContainsAny(m[1][:1], "0123456789") {
				m = []string{"", m[1] + " " + m[2]}
			}
			found[tool] = append(found[tool], m[1:]...)
		})
	}
	return found
}

// A table that cannot fail keeps nothing.
func TestLedgersManualSees(t *testing.T) {
	dir := t.TempDir()
	code := `package x
func TestLedger(t *T) { test(Config{OneNumber: true}); some(t) }
func TestRealRow(t *T) { testengine.Each(t, nil) }
func TestReplay(t *T) { servers(t) }
func TestMore(t *T) { testengine.Servers(t, nil) }
func servers(t *T) { testengine.Postgres(t); testengine.MySQL(t) }
func some(t *T) { some(t); testengine.SQLite(t) }
`
	if err := os.WriteFile(filepath.Join(dir, "x_test.go"), []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "y_test.go"), []byte("//go:build x\n\npackage x\nfunc TestRealMore() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := packageTests(t, dir)
	if !tests["TestRealMore"].onDemand || tests["TestRealRow"].onDemand {
		t.Error("what has a build tag is on demand, and nothing else")
	}
	got := []string{
		engineNames(tests.engines("TestLedger")), engineNames(tests.engines(tests.named("TestReal")...)), engineNames(tests.engines("TestReplay")),
		engineNames(tests.engines("TestMasked")), engineNames(tests.engines("TestMore")), strconv.FormatBool(tests.oneNumber()), strconv.FormatBool(tests.has("TestMasked")),
	}
	want := []string{"SQLite", "all four engines", "PostgreSQL, MySQL", "", "PostgreSQL, MariaDB, MySQL", "true", "false"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
