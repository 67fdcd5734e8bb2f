package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// event is a line of `go test -json`; see `go doc test2json`.
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build-output and build-fail
	Test        string
	Elapsed     float64 // seconds
	Output      string
	FailedBuild string
}

// result is how a test or a package ended; unfinished where it did not.
type result string

const (
	unfinished result = ""
	passed     result = "pass"
	failed     result = "fail"
	skipped    result = "skip"
)

// test is one test or subtest.
type test struct {
	name   string
	result result
	parent bool // it has subtests, which are counted in its place
	output strings.Builder
}

// pack is one package under test.
type pack struct {
	path    string
	tests   []*test
	byName  map[string]*test
	output  strings.Builder // of the package itself
	build   string          // whose build failed; empty = none
	ended   bool
	cached  bool
	failing bool
}

type count struct{ passed, failed, skipped int }

// report is what was heard so far.
type report struct {
	out    io.Writer
	packs  map[string]*pack
	order  []*pack
	builds map[string]*strings.Builder // output of the compiler by import path
	counts map[string]*count           // by engine
	total  count
	other  int // packages that failed without a failed test
}

func newReport(out io.Writer) *report {
	return &report{out: out, packs: map[string]*pack{}, builds: map[string]*strings.Builder{}, counts: map[string]*count{}}
}

// read takes events until the end. A line that is no event is shown as it is: it is the go command's own.
func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil || e.Action == "" {
				fmt.Fprintf(r.out, "%s", line)
			} else {
				r.add(e)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) add(e event) {
	switch {
	case e.Action == "build-output":
		b := r.builds[e.ImportPath]
		if b == nil {
			b = &strings.Builder{}
			r.builds[e.ImportPath] = b
		}
		b.WriteString(e.Output)
	case e.Action == "build-fail" || e.Package == "":
	case e.Test != "":
		r.pack(e.Package).add(e)
	default:
		r.addPackage(r.pack(e.Package), e)
	}
}

func (r *report) pack(path string) *pack {
	p := r.packs[path]
	if p == nil {
		p = &pack{path: path, byName: map[string]*test{}}
		r.packs[path] = p
		r.order = append(r.order, p)
	}
	return p
}

func (p *pack) add(e event) {
	t := p.byName[e.Test]
	if t == nil {
		t = &test{name: e.Test}
		p.byName[e.Test], p.tests = t, append(p.tests, t)
		if i := strings.LastIndexByte(e.Test, '/'); i >= 0 {
			p.markParents(e.Test[:i])
		}
	}
	switch e.Action {
	case "output":
		t.output.WriteString(e.Output)
	case "pass", "fail", "skip":
		t.result = result(e.Action)
		if t.result == passed {
			t.output.Reset()
		}
	}
}

// markParents marks every test above a subtest; a subtest's own name may hold slashes.
func (p *pack) markParents(name string) {
	for ; name != ""; name = name[:max(strings.LastIndexByte(name, '/'), 0)] {
		if t := p.byName[name]; t != nil {
			t.parent = true
		}
	}
}

func (r *report) addPackage(p *pack, e event) {
	switch e.Action {
	case "output":
		p.output.WriteString(e.Output)
		p.cached = p.cached || strings.Contains(e.Output, "(cached)")
	case "pass", "fail", "skip":
		p.ended, p.build = true, e.FailedBuild
		r.finish(p, e.Action == "fail", time.Duration(e.Elapsed*float64(time.Second)))
	}
}

// finish counts a package and shows it, with all output where something failed.
func (r *report) finish(p *pack, fail bool, took time.Duration) {
	n, bad := 0, 0
	for _, t := range p.tests {
		switch {
		case p.blamed(t):
			bad++
		case t.parent || t.bad():
			continue
		}
		n++
		r.count(p, t)
	}
	p.failing = fail || bad > 0
	switch {
	case p.failing && bad == 0:
		r.other++
		fmt.Fprintf(r.out, "FAIL  %s\n", p.path)
	case p.failing:
		fmt.Fprintf(r.out, "FAIL  %s  %d of %d tests, %s\n", p.path, bad, n, took)
	case n == 0:
		return
	case p.cached:
		fmt.Fprintf(r.out, "ok    %s  %d tests (cached)\n", p.path, n)
	default:
		fmt.Fprintf(r.out, "ok    %s  %d tests, %s\n", p.path, n, took)
	}
	r.show(p)
	p.tests, p.byName = nil, nil
	p.output.Reset()
}

func (t *test) bad() bool { return t.result == failed || t.result == unfinished }

// blamed tells a test that failed by itself, not only because a subtest did.
func (p *pack) blamed(t *test) bool {
	return t.bad() && !slices.ContainsFunc(p.tests, func(o *test) bool { return o.bad() && strings.HasPrefix(o.name, t.name+"/") })
}

// show prints what failed and what was skipped.
func (r *report) show(p *pack) {
	for _, t := range p.tests {
		switch {
		case t.result == unfinished:
			fmt.Fprintf(r.out, "--- %s %s began and did not end\n%s", p.path, t.name, t.output.String())
		case t.result == failed:
			fmt.Fprintf(r.out, "%s", t.output.String())
		case t.result == skipped && !t.parent:
			fmt.Fprintf(r.out, "skipped: %s %s\n%s", p.path, t.name, t.output.String())
		}
	}
	if !p.failing {
		return
	}
	if b := r.builds[p.build]; b != nil {
		fmt.Fprintf(r.out, "%s", b.String())
	}
	fmt.Fprintf(r.out, "%s", p.output.String())
}

func (r *report) count(p *pack, t *test) {
	name := engineOf(p.path, t.name)
	if r.counts[name] == nil {
		r.counts[name] = &count{}
	}
	for _, c := range []*count{r.counts[name], &r.total} {
		switch t.result {
		case passed:
			c.passed++
		case skipped:
			c.skipped++
		default:
			c.failed++
		}
	}
}

// engines are the words that tell an engine, in the table's order.
func engines() []string { return []string{"postgres", "mysql", "mariadb", "sqlite"} }

// noEngine is the table's line for tests that need none.
const noEngine = "no engine"

// engineOf finds the engine of a test: the outermost part of its name that holds one, else the innermost
// part of its package's path. The package mysql tests MariaDB too, so the test's own name comes first.
func engineOf(path, name string) string {
	parts := strings.Split(name, "/")
	folders := strings.Split(path, "/")
	slices.Reverse(folders)
	for _, part := range slices.Concat(parts, folders) {
		for _, e := range engines() {
			if strings.Contains(strings.ToLower(part), e) {
				return e
			}
		}
	}
	return noEngine
}

// close shows what did not end and the table; false = something failed, or nothing ran.
func (r *report) close() bool {
	for _, p := range r.order {
		if !p.ended {
			r.finish(p, true, 0)
		}
	}
	fmt.Fprintf(r.out, "\n%-12s %7s %7s %7s\n", "engine", "passed", "failed", "skipped")
	for _, e := range append(engines(), noEngine) {
		if c := r.counts[e]; c != nil {
			fmt.Fprintf(r.out, "%-12s %7d %7d %7d\n", e, c.passed, c.failed, c.skipped)
		} else {
			fmt.Fprintf(r.out, "%-12s %7d %7d %7d\n", e, 0, 0, 0)
		}
	}
	if r.other > 0 {
		fmt.Fprintf(r.out, "\n%d packages failed outside their tests\n", r.other)
	}
	bad := r.total.failed + r.other
	fmt.Fprintf(r.out, "\n%d passed, %d failed\n", r.total.passed, bad)
	return bad == 0 && r.total.passed > 0
}
