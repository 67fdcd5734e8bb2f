package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits against a file that is none of ours: the parser's time grows with the square of the nesting.
const (
	maxDepth    = 64     // of values in values
	maxBrackets = 10_000 // in one file
)

// kind is the shape of a value.
type kind string

const (
	empty   kind = "nothing"
	scalar  kind = "a single value"
	list    kind = "a list"
	mapping kind = "a mapping"
)

// node is a value of the file, with its place, its aliases followed and its variables expanded.
// Keys and values keep their case and their dots. A nil node is a key that is not there.
type node struct {
	kind   kind
	line   int
	column int
	path   string
	text   string  // of a scalar, expanded
	shown  string  // of a scalar, what an error may repeat of it; "" = nothing
	bad    bool    // it was complained about already
	items  []*node // of a list
	keys   []entry // of a mapping, in the order of the file, each once
}

// entry is one key of a mapping with its value.
type entry struct {
	name         string
	line, column int
	value        *node // kind empty where the file has none
}

// parse reads YAML text. It gives nil for a file without content.
func parse(data []byte) (ast.Node, *Error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	if err := checkText(data); err != nil {
		return nil, err
	}
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntaxError(data, err)
	}
	var root ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil || doc.Body.Type() == ast.CommentType:
		case root != nil:
			return nil, &Error{Line: doc.Body.GetToken().Position.Line, Reason: "holds a second document: take out the line `---`"}
		default:
			root = doc.Body
		}
	}
	return root, nil
}

// checkText refuses what is no text, and what would keep the parser busy for minutes.
func checkText(data []byte) *Error {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return &Error{Reason: "is written in UTF-16: save it as UTF-8"}
	}
	for i, line := range bytes.Split(data, []byte("\n")) {
		if !utf8.Valid(line) || bytes.IndexByte(line, 0) >= 0 {
			return &Error{Line: i + 1, Reason: "is not UTF-8 text"}
		}
	}
	if bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) > maxBrackets {
		return &Error{Reason: fmt.Sprintf("has more than %d brackets", maxBrackets)}
	}
	return nil
}

// syntaxError keeps the parser's place and message, which are constant texts, and drops its excerpt of the
// file, which may hold a password.
func syntaxError(data []byte, err error) *Error {
	fault := &Error{Reason: "is not valid YAML"}
	var known yaml.Error
	if !errors.As(err, &known) {
		return fault
	}
	if t := known.GetToken(); t != nil && t.Position != nil {
		fault.Line, fault.Column = t.Position.Line, t.Position.Column
	}
	if m := known.GetMessage(); !strings.ContainsAny(m, "\"\n") {
		fault.Reason += ": " + m
	}
	lines := bytes.Split(data, []byte("\n"))
	for i := max(0, fault.Line-2); i < min(len(lines), fault.Line); i++ {
		before := lines[i][:len(lines[i])-len(bytes.TrimLeft(lines[i], " \t"))]
		if bytes.IndexByte(before, '\t') >= 0 {
			fault.Hint = fmt.Sprintf("line %d is indented with a tab: use spaces", i+1)
			return fault
		}
	}
	fault.Hint = "put text that begins with one of @ ` % & * ! [ { | > or holds \": \" into quotes"
	return fault
}

// builder makes nodes of the parser's tree.
type builder struct {
	lookup  func(name string) (string, bool)
	anchors map[string]*node
	faults  []*Error
}

func (b *builder) fail(n *node, format string, args ...any) *Error {
	e := &Error{Line: n.line, Column: n.column, Key: n.path, Reason: fmt.Sprintf(format, args...)}
	n.bad = true
	b.faults = append(b.faults, e)
	return e
}

// build makes the node of a value that stands at path.
func (b *builder) build(a ast.Node, path string, depth int) *node {
	n := &node{kind: empty, path: path}
	if a == nil {
		return n
	}
	if t := a.GetToken(); t != nil && t.Position != nil {
		n.line, n.column = t.Position.Line, t.Position.Column
	}
	if depth > maxDepth {
		b.fail(n, "is nested more than %d deep", maxDepth)
		return n
	}
	switch a := a.(type) {
	case *ast.NullNode, *ast.CommentGroupNode:
	case *ast.AnchorNode:
		v := b.build(a.Value, path, depth+1)
		// Kept only now: an alias inside its own anchor finds nothing, so there are no circles.
		b.anchors[word(a.Name)] = v
		return v
	case *ast.AliasNode:
		return b.alias(n, word(a.Value))
	case *ast.TagNode:
		return b.tagged(n, a, depth)
	case *ast.MappingNode:
		n.kind = mapping
		b.entries(n, a.Values, depth)
	case *ast.MappingValueNode:
		n.kind = mapping
		b.entries(n, []*ast.MappingValueNode{a}, depth)
	case *ast.SequenceNode:
		n.kind = list
		for i, v := range a.Values {
			item := b.build(v, fmt.Sprintf("%s[%d]", path, i), depth+1)
			if item.line == 0 {
				item.line, item.column = n.line, n.column
			}
			n.items = append(n.items, item)
		}
	default:
		b.scalar(n, a)
	}
	return n
}

func word(a ast.Node) string {
	if a == nil || a.GetToken() == nil {
		return ""
	}
	return a.GetToken().Value
}

func (b *builder) alias(n *node, name string) *node {
	if v, ok := b.anchors[name]; ok {
		return v
	}
	b.fail(n, "the alias %s has no anchor before it", say(name))
	return n
}

func (b *builder) tagged(n *node, a *ast.TagNode, depth int) *node {
	switch tag := a.Start.Value; tag {
	case "!!str", "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq":
		return b.build(a.Value, n.path, depth+1)
	default:
		b.fail(n, "the tag %s is not supported", say(tag))
		return n
	}
}

// scalar takes the text as it was written, so that 1.10 and 007 stay what they are, and expands it.
func (b *builder) scalar(n *node, a ast.Node) {
	n.kind = scalar
	switch v := a.(type) {
	case *ast.StringNode:
		n.text = v.Value
	case *ast.LiteralNode:
		n.text = v.Value.Value
	default:
		t := a.GetToken()
		if t == nil || t.Type == token.MappingKeyType {
			b.fail(n, "is not supported here")
			return
		}
		n.text = t.Value
	}
	expanded, err := expand(n.text, b.lookup)
	if err != nil {
		fault := b.fail(n, "%s", err)
		if fault.missing = errors.Is(err, errMissing); fault.missing {
			fault.Hint = "set it in the environment or in .env, or give it a default: ${VAR:-default}"
		}
		return
	}
	n.shown = say(n.text)
	n.text = expanded
}

// entries fills a mapping. A key that is there twice is refused; one of a merge ("<<") yields to one of the mapping's own.
func (b *builder) entries(n *node, values []*ast.MappingValueNode, depth int) {
	at := map[string]int{} // the line of each key, to refuse the second
	var merged []*node
	for _, v := range values {
		if v.Key.Type() == ast.MergeKeyType {
			merged = append(merged, b.build(v.Value, n.path, depth+1))
			continue
		}
		name := keyName(v.Key)
		key := &node{path: keyPath(n.path, name)}
		if t := v.Key.GetToken(); t != nil && t.Position != nil {
			key.line, key.column = t.Position.Line, t.Position.Column
		}
		if v.Key.Type() == ast.MappingKeyType {
			b.fail(key, "a key must be a plain name")
			continue
		}
		e := entry{name: name, line: key.line, column: key.column, value: b.build(v.Value, key.path, depth+1)}
		if e.value.line == 0 {
			e.value.line, e.value.column = key.line, key.column
		}
		if first, twice := at[name]; twice {
			b.fail(key, "is there twice: first in line %d", first)
			continue
		}
		at[name] = key.line
		n.keys = append(n.keys, e)
	}
	for _, m := range merged {
		b.merge(n, m, at)
	}
}

// keyName is a key as it was written: case, dots and dollar signs kept.
func keyName(k ast.Node) string {
	if s, ok := k.(*ast.StringNode); ok {
		return s.Value
	}
	return word(k)
}

func (b *builder) merge(n, m *node, at map[string]int) {
	switch {
	case m.bad:
	case m.kind == list:
		for _, item := range m.items {
			b.merge(n, item, at)
		}
	case m.kind == mapping:
		for _, e := range m.keys {
			if _, own := at[e.name]; !own {
				at[e.name] = e.line
				n.keys = append(n.keys, e)
			}
		}
	default:
		b.fail(m, "`<<` must be followed by a mapping, not by %s", m.kind)
	}
}

// keyPath is the path of a key in the mapping at path.
func keyPath(path, key string) string {
	key = sayKey(key)
	if path == "" || strings.HasPrefix(key, "[") {
		return path + key
	}
	return path + "." + key
}

// sayKey is a key as a path shows it.
func sayKey(key string) string {
	switch {
	case !harmless(key):
		return "[…]"
	case strings.ContainsAny(key, ". []\""):
		return fmt.Sprintf("[%q]", key)
	}
	return key
}

// say quotes a piece of the file for an error, or gives "" where it may hold a secret.
func say(text string) string {
	if !harmless(text) {
		return ""
	}
	return "`" + text + "`"
}

// harmless tells short names and numbers from what may hold a secret: urls, assignments, broken YAML.
func harmless(text string) bool {
	const longest = 40
	return text != "" && len(text) <= longest && !strings.Contains(text, "//") &&
		!strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || strings.ContainsRune(":@=`\\\u007f", r) })
}
