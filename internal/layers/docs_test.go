package layers

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A link of the manual leads somewhere.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	top, links := root(t), 0
	walk(t, func(name string, data []byte) {
		if filepath.Ext(name) != ".md" {
			return
		}
		for _, m := range link.FindAllStringSubmatch(string(data), -1) {
			to, _, _ := strings.Cut(m[1], "#")
			if to == "" || strings.Contains(to, "://") {
				continue
			}
			links++
			if _, err := os.Stat(filepath.Join(top, filepath.Dir(name), filepath.FromSlash(to))); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", name, m[1])
			}
		}
	})
	if links < 10 {
		t.Errorf("only %d links were found", links)
	}
}

// Every exit code of the program is in its manual.
func TestExitCodesAreDescribed(t *testing.T) {
	code, err := os.ReadFile(filepath.Join(root(t), "cmd", "mulligan", "exit.go"))
	if err != nil {
		t.Fatal(err)
	}
	manual, err := os.ReadFile(filepath.Join(root(t), "docs", "exit-codes.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^\s*exit[A-Z]\w*\s*=\s*(\d+)`).FindAllStringSubmatch(string(code), -1)
	if len(found) < 5 {
		t.Fatalf("only %d exit codes were found in exit.go", len(found))
	}
	for _, m := range found {
		if !strings.Contains(string(manual), "\n| "+m[1]+" |") {
			t.Errorf("docs/exit-codes.md lacks exit code %s", m[1])
		}
	}
}

// A package that is not in the design's picture of the floors is not where a reader looks for it.
func TestFloorsAreDescribed(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "docs", "design.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list(t) {
		floor, _ := FloorOf(p.Path)
		name := filepath.Base(p.Path)
		if floor != Support && !strings.Contains(string(text), name) {
			t.Errorf("docs/design.md does not name package %s", p.Path)
		}
	}
}

// Every test that docs/guarantees.md names is there.
func TestGuaranteesNameTests(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "docs", "guarantees.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`([a-z/]+) (Test\\w+)`").FindAllStringSubmatch(string(text), -1)
	if len(named) < 20 {
		t.Fatalf("only %d tests are named", len(named))
	}
	for _, m := range named {
		files, err := filepath.Glob(filepath.Join(root(t), filepath.FromSlash(m[1]), "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		there := slices.ContainsFunc(files, func(file string) bool {
			code, err := os.ReadFile(file)
			return err == nil && strings.Contains(string(code), "\nfunc "+m[2]+"(")
		})
		if !there {
			t.Errorf("docs/guarantees.md names %s of %s, which is not there", m[2], m[1])
		}
	}
}
