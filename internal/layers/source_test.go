package layers

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// skipped are folders that hold nothing of the project's own text.
func skipped(name string) bool {
	switch name {
	case ".git", ".mulligan", "node_modules", "bin", "dist":
		return true
	}
	return false
}

// walk calls do on every file of the project, with its path from the module's folder.
func walk(t *testing.T, do func(name string, data []byte)) {
	t.Helper()
	top := root(t)
	err := filepath.WalkDir(top, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skipped(d.Name()):
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		data, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(top, p)
		do(filepath.ToSlash(name), data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// machinePath is the home folder of a person, whoever that is.
func machinePath() *regexp.Regexp {
	return regexp.MustCompile(`(?m)(^|[\s"'=:(\x60])(/(home|Users|root)/[\w.-]+|[A-Z]:\\Users\\)`)
}

// What is true on one machine only does not belong in the project: neither the folder that it lies in, nor one beside it, nor a home.
func TestNoMachinePaths(t *testing.T) {
	homes := machinePath()
	here := root(t)
	near := []string{here}
	if parent := filepath.Dir(here); strings.Count(parent, string(filepath.Separator)) > 0 && len(parent) > 1 && parent != filepath.Clean(os.TempDir()) {
		near = append(near, parent+string(filepath.Separator))
	}
	walk(t, func(name string, data []byte) {
		if bytes.IndexByte(data, 0) >= 0 {
			return
		}
		if m := homes.Find(data); m != nil {
			t.Errorf("%s holds a path of one machine: %q", name, m)
		}
		for _, p := range near {
			if i := bytes.Index(data, []byte(p)); i >= 0 && (i == 0 || strings.IndexByte(" \t\n\"'`=:(", data[i-1]) >= 0) {
				t.Errorf("%s holds the path of this very folder: %q", name, p)
			}
		}
	})
}

func TestMachinePathPattern(t *testing.T) {
	for text, want := range map[string]bool{
		"cd /" + "home/eve/src":        true,
		`path = "/` + `Users/eve"`:     true,
		"/" + "root/.cache":            true,
		"C:\\" + "Users\\eve":          true,
		"postgres://db/home/x":         false,
		"/usr/lib/postgresql/*/bin":    false,
		"the folder of a user's home/": false,
	} {
		if got := machinePath().MatchString(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// goFiles calls do on every Go file of the module itself.
func goFiles(t *testing.T, do func(name string, set *token.FileSet, file *ast.File)) {
	t.Helper()
	walk(t, func(name string, data []byte) {
		if !strings.HasSuffix(name, ".go") || strings.Contains(name, "/testdata/") {
			return
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, data, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("%v", err)
			return
		}
		do(name, set, file)
	})
}

func TestPackageComments(t *testing.T) {
	has, seen := map[string]bool{}, map[string]string{}
	goFiles(t, func(name string, _ *token.FileSet, file *ast.File) {
		folder := filepath.ToSlash(filepath.Dir(name))
		if strings.HasSuffix(name, "_test.go") {
			return
		}
		seen[folder] = file.Name.Name
		if file.Doc != nil && len(file.Doc.Text()) > 20 {
			has[folder] = true
		}
	})
	for folder, pkg := range seen {
		if !has[folder] {
			t.Errorf("package %s in %s has no comment that says what it is", pkg, folder)
		}
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	goFiles(t, func(name string, set *token.FileSet, file *ast.File) {
		if strings.HasSuffix(name, "_test.go") {
			return
		}
		for _, bare := range undocumented(file) {
			t.Errorf("%s: %s has no comment", set.Position(bare.Pos()), bare.Name)
		}
	})
}

// undocumented lists the exported names of a file that no comment describes. A group's comment does for its members.
func undocumented(file *ast.File) (bare []*ast.Ident) {
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && receiverExported(d) && d.Doc.Text() == "" {
				bare = append(bare, d.Name)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				bare = append(bare, undocumentedSpec(d, s)...)
			}
		}
	}
	return bare
}

func undocumentedSpec(d *ast.GenDecl, s ast.Spec) (bare []*ast.Ident) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && s.Doc.Text() == "" && d.Doc.Text() == "" {
			bare = append(bare, s.Name)
		}
	case *ast.ValueSpec:
		for _, n := range s.Names {
			if n.IsExported() && s.Doc.Text() == "" && d.Doc.Text() == "" && s.Comment.Text() == "" {
				bare = append(bare, n)
			}
		}
	}
	return bare
}

func receiverExported(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	kind := d.Recv.List[0].Type
	if star, ok := kind.(*ast.StarExpr); ok {
		kind = star.X
	}
	switch k := kind.(type) {
	case *ast.IndexExpr:
		kind = k.X
	case *ast.IndexListExpr:
		kind = k.X
	}
	ident, ok := kind.(*ast.Ident)
	return !ok || ident.IsExported()
}

func TestNoInitAndNoNotesToSelf(t *testing.T) {
	note := regexp.MustCompile(`\b(` + "TO" + `DO|FIX` + `ME|XX` + `X)\b`)
	goFiles(t, func(name string, set *token.FileSet, file *ast.File) {
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: an init function runs before anyone asked for it: pass what it makes", set.Position(f.Pos()))
			}
		}
		for _, g := range file.Comments {
			if m := note.FindString(g.Text()); m != "" {
				t.Errorf("%s: %s: handle it, or write an issue", set.Position(g.Pos()), m)
			}
		}
	})
}

// linked are the variables that may be set after all, with the reason.
func linked() map[string]string {
	return map[string]string{
		"cmd/mulligan.stamp":      "the linker sets the version",
		"internal/testdb.servers": "one server of each kind for all tests of a process",
	}
}

func TestNoPackageState(t *testing.T) {
	goFiles(t, func(name string, set *token.FileSet, file *ast.File) {
		if strings.HasSuffix(name, "_test.go") {
			return
		}
		folder := filepath.ToSlash(filepath.Dir(name))
		for _, n := range state(file) {
			if _, ok := linked()[folder+"."+n.Name]; !ok {
				t.Errorf("%s: %s is a package-level variable: make it a function's value, a field or an argument", set.Position(n.Pos()), n.Name)
			}
		}
	})
}

// state lists the package-level variables of a file that are none of these: errors, compiled patterns (which
// nothing can change), embedded files, and proofs that a type implements an interface.
func state(file *ast.File) (found []*ast.Ident) {
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			if embedded(g.Doc) || embedded(v.Doc) {
				continue
			}
			for i, n := range v.Names {
				if n.Name != "_" && !(i < len(v.Values) && constant(v.Values[i])) {
					found = append(found, n)
				}
			}
		}
	}
	return found
}

func embedded(doc *ast.CommentGroup) bool {
	if doc == nil {
		return false
	}
	for _, c := range doc.List {
		if strings.HasPrefix(c.Text, "//go:embed ") {
			return true
		}
	}
	return false
}

// constant tells the calls whose results nobody can change.
func constant(value ast.Expr) bool {
	call, ok := value.(*ast.CallExpr)
	if !ok {
		return false
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := f.X.(*ast.Ident)
	if !ok {
		return false
	}
	switch pkg.Name + "." + f.Sel.Name {
	case "errors.New", "fmt.Errorf", "regexp.MustCompile":
		return true
	}
	return false
}

// The go command, the shell and the terminal of a user belong to main: nothing else ends the process.
func TestOnlyMainExits(t *testing.T) {
	goFiles(t, func(name string, set *token.FileSet, file *ast.File) {
		folder := filepath.ToSlash(filepath.Dir(name))
		if floor, _ := FloorOf(folder); file.Name.Name == "main" || floor == Support || strings.HasSuffix(name, "_test.go") {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if pkg, ok := s.X.(*ast.Ident); ok && (pkg.Name == "os" && s.Sel.Name == "Exit" || pkg.Name == "log" && strings.HasPrefix(s.Sel.Name, "Fatal")) {
					t.Errorf("%s: %s.%s: return an error", set.Position(n.Pos()), pkg.Name, s.Sel.Name)
				}
			}
			return true
		})
	})
}

// The sizes that a reader can hold in mind; CONTRIBUTING.md names them.
const (
	maxFunction = 80  // lines
	maxFile     = 600 // lines
	maxMethods  = 6   // of an interface
)

func TestSizes(t *testing.T) {
	goFiles(t, func(name string, set *token.FileSet, file *ast.File) {
		if strings.HasSuffix(name, "_test.go") {
			return
		}
		if n := set.Position(file.End()).Line; n > maxFile {
			t.Errorf("%s has %d lines: over %d it is two files", name, n, maxFile)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if lines := set.Position(n.End()).Line - set.Position(n.Pos()).Line + 1; lines > maxFunction {
					t.Errorf("%s: %s has %d lines: over %d it is two functions", set.Position(n.Pos()), n.Name.Name, lines, maxFunction)
				}
			case *ast.InterfaceType:
				if len(n.Methods.List) > maxMethods {
					t.Errorf("%s: an interface of %d methods: over %d it is two", set.Position(n.Pos()), len(n.Methods.List), maxMethods)
				}
			}
			return true
		})
	})
}

// The checks see what they are for.
func TestChecksOfSource(t *testing.T) {
	const text = `package bad

import _ "embed"

//go:embed bad.sql
var query string

var ErrBad = errors.New("bad")

// ErrGood is described.
var ErrGood = errors.New("good")

var pattern = regexp.MustCompile("x")
var _ Thing = (*thing)(nil)
var cache = map[string]int{}
var count int

type Thing interface{ Do() }
type thing struct{}

func (t *thing) Do() {}
func Make() Thing { return nil }

// Known is described.
func Known() {}

// Sizes are described as a group.
const (
	Small = 1
	Large = 2
)
`
	file, err := parser.ParseFile(token.NewFileSet(), "bad.go", text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what string
		got  []*ast.Ident
		want string
	}{
		{"undocumented", undocumented(file), "ErrBad Thing Make"},
		{"state", state(file), "cache count"},
	} {
		var names []string
		for _, n := range c.got {
			names = append(names, n.Name)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}
