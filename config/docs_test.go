package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func manual(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A key, flag, variable or tool that the manual does not have must not get in.
func TestManualIsWhole(t *testing.T) {
	text := manual(t)
	var words []string
	for level, keys := range levels() {
		for _, key := range keys {
			switch level {
			case "":
				continue // sections, seen by their headings below
			case "repository.keep":
				key = "keep." + key
			case "targets[].tables.where[]":
				key = "where[]." + key
			case "targets[].migrations.ledger":
				key = "ledger." + key
			case "targets[].migrations.ledger.values[]":
				key = "ledger.values[]." + key
			}
			if key != "keep" && key != "where" && key != "ledger" && key != "ledger.values" {
				words = append(words, key)
			}
		}
	}
	for _, s := range settings() {
		words = append(words, "--"+s.name, s.variable())
	}
	words = append(words, Tools()...)
	for _, w := range words {
		if !strings.Contains(text, "`"+w+"`") {
			t.Errorf("docs/configuration.md does not have `%s`", w)
		}
	}
	for _, section := range levels()[""] {
		if !strings.Contains(text, "\n### `"+section) {
			t.Errorf("docs/configuration.md has no section %s", section)
		}
	}
}

func TestManualsExampleLoads(t *testing.T) {
	_, example, _ := strings.Cut(manual(t), "\n## Example\n```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	c := load(t, Options{Dir: folder(t, "mulligan.yaml", example), Env: []string{"DATABASE_URL=mysql://h/d"}})
	if c.Jobs[0].Target != "app" || c.Settings.Jobs != 2 {
		t.Errorf("jobs %+v, settings %+v", c.Jobs, c.Settings)
	}
}

// testdata/full.yaml must show every key, or TestEveryKeyArrives would not see one that gets lost.
func TestFullFileIsFull(t *testing.T) {
	tree, fault := parse([]byte(testdata(t, "full.yaml")))
	if fault != nil {
		t.Fatal(fault)
	}
	b := &builder{lookup: func(string) (string, bool) { return "x", true }, anchors: map[string]*node{}}
	var seen []string
	var walk func(n *node)
	walk = func(n *node) {
		for _, item := range n.items {
			walk(item)
		}
		for _, e := range n.keys {
			seen = append(seen, e.name)
			walk(e.value)
		}
	}
	walk(b.build(tree, "", 0))
	for level, keys := range levels() {
		for _, key := range keys {
			if !slices.Contains(seen, key) {
				t.Errorf("testdata/full.yaml does not have %s of %s", key, level)
			}
		}
	}
}
