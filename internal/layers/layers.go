// Package layers keeps the house in order by tests: imports go down the floors of docs/design.md and never
// sideways, heavy modules stay in the one package that wraps them, and every package reads as the rules of
// CONTRIBUTING.md say. It has no use outside its tests; a breach is reported as one line that says what to do.
//
// [Breaches] is a pure function of the packages that the go command lists, so that its rules are tested on
// made-up packages as well as on the real ones.
package layers

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Module is the path of this module.
const Module = "mulligan"

// Package is what the rules need of one line of `go list -json`. Paths are without the module's own.
type Package struct {
	Path        string
	Imports     []string // of the package itself
	TestImports []string // of its tests, inside and outside the package
}

// Support is the floor of packages that only tests and other support packages may import.
const Support = -1

// floor is one line of the house's plan.
type floor struct {
	number   int
	packages []string // paths or patterns of path.Match
}

// plan is the house. A new package has its line here and in docs/design.md, "Floors".
func plan() []floor {
	return []floor{
		{Support, []string{
			"engine/enginetest", "store/storetest", "migration/migrationtest",
			"internal/testdb", "internal/testengine", "internal/testreport", "internal/layers", "internal/bench", "internal/story",
			"internal/testdocs", "internal/faults",
		}},
		{0, []string{"schema", "journal", "store", "config", "internal/child", "internal/lock", "internal/python"}},
		{1, []string{"engine", "snapshot", "pipeline"}},
		{2, []string{"migration"}},
		{3, []string{"engine/*", "store/*", "migration/*"}},
		{4, []string{"backup", "restore", "doctor"}},
		{5, []string{"rebuild", "repair", "drill", "schedule"}},
		{6, []string{"cmd/mulligan"}},
	}
}

// onlyIn lists what only some packages may import: our own, and modules made for one job. Tests are free
// to use them, but for those that are marked as strict.
func onlyIn() []restriction {
	return []restriction{
		{what: "mulligan/config", in: []string{"cmd/mulligan"}, strict: true},
		{what: "github.com/spf13/viper", in: []string{"config"}, strict: true},
		{what: "github.com/spf13/pflag", in: []string{"config", "cmd/mulligan"}},
		{what: "github.com/spf13/cobra", in: []string{"cmd/mulligan"}, strict: true},
		{what: "github.com/jackc/pgx", in: []string{"engine/postgres"}},
		{what: "github.com/go-sql-driver/mysql", in: []string{"engine/mysql"}},
		{what: "modernc.org/sqlite", in: []string{"engine/sqlite"}},
		{what: "github.com/klauspost/compress", in: []string{"snapshot"}},
		{what: "github.com/zeebo/xxh3", in: []string{"snapshot"}},
	}
}

// restriction keeps a package, and those below its path, in some places.
type restriction struct {
	what   string
	in     []string
	strict bool // for tests, too
}

// FloorOf finds a package's floor; false = the plan does not know it. A folder below a known package
// belongs to it: engine/mysql/internal/x is on the floor of engine/mysql.
func FloorOf(name string) (int, bool) {
	for p := name; p != "."; p = path.Dir(p) {
		for _, f := range plan() {
			for _, pattern := range f.packages {
				if ok, err := path.Match(pattern, p); err == nil && ok {
					return f.number, true
				}
			}
		}
	}
	return 0, false
}

// Breaches lists what stands against the plan, one line each; nil = nothing.
func Breaches(packages []Package) []string {
	var list []string
	for _, p := range packages {
		own, ok := FloorOf(p.Path)
		if !ok {
			list = append(list, fmt.Sprintf("package %s has no floor: add it to plan() in internal/layers/layers.go and to docs/design.md, \"Floors\"", p.Path))
			continue
		}
		for _, other := range p.Imports {
			list = append(list, badImport(p.Path, own, other)...)
		}
		list = append(list, misplaced(p)...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func badImport(from string, own int, imported string) []string {
	to, ours := strings.CutPrefix(imported, Module+"/")
	if !ours {
		return nil
	}
	floor, ok := FloorOf(to)
	switch {
	case !ok:
		return nil // it is reported as a package without a floor
	case floor == Support && own != Support:
		return []string{fmt.Sprintf("package %s imports %s, which is for tests only", from, to)}
	case own == Support || related(from, to) || floor < own && !adapter(floor, own):
		return nil
	case floor == 3 && own < 6:
		return []string{fmt.Sprintf("package %s imports the adapter %s: only cmd/mulligan names adapters, others take the port", from, to)}
	case floor == own:
		return []string{fmt.Sprintf("package %s imports %s sideways, both are on floor %d: move what they share down", from, to, own)}
	default:
		return []string{fmt.Sprintf("package %s on floor %d imports %s on floor %d: imports go down", from, own, to, floor)}
	}
}

// adapter tells an import of an adapter by anyone but the main package.
func adapter(floor, own int) bool { return floor == 3 && own != 6 }

// related tells a package from its own sub-packages: one adapter may be several folders. A port and
// its adapters are not related, being on different floors.
func related(x, y string) bool {
	a, _ := FloorOf(x)
	b, _ := FloorOf(y)
	return a == b && (strings.HasPrefix(x, y+"/") || strings.HasPrefix(y, x+"/"))
}

func misplaced(p Package) []string {
	var list []string
	for _, r := range onlyIn() {
		fits := func(imported string) bool { return imported == r.what || strings.HasPrefix(imported, r.what+"/") }
		home := slices.ContainsFunc(r.in, func(in string) bool { return p.Path == in || strings.HasPrefix(p.Path, in+"/") })
		floor, _ := FloorOf(p.Path)
		self := Module+"/"+p.Path == r.what
		if home || self {
			continue
		}
		used := slices.ContainsFunc(p.Imports, fits) && (floor != Support || r.strict)
		if used || r.strict && slices.ContainsFunc(p.TestImports, fits) {
			list = append(list, fmt.Sprintf("package %s imports %s: only %s may", p.Path, r.what, strings.Join(r.in, " and ")))
		}
	}
	return list
}
