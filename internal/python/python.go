// Package python reads the literal assignments of a Python file without running Python: what
// migration tools written in Python keep in their files besides code.
//
// [Parse] finds the assignments to plain names of the module and of its classes, with or without a type's
// annotation. Their values are parsed on demand, and may be None, booleans, integers, texts, lists, tuples, and as
// far as they can be told without running anything, names and calls. All else is an error that says the line.
// Assignments inside functions, conditions and loops are not seen.
package python

import (
	"fmt"
	"slices"
	"strings"
)

// Module is what a file holds.
type Module struct {
	Doc         string // its first statement where that is a text, as Python's __doc__
	Classes     []Class
	Assignments []Assignment // in the order of the file
}

// Class is the head of a class of the module.
type Class struct {
	Name string
	Line int // from 1
}

// Assignment is one "name = value" of the module or of a class.
type Assignment struct {
	Class string // the class that it stands in; empty = the module
	Name  string
	Line  int // from 1

	operator string // "=", or one such as "+="
	value    []token
}

// Parse reads the text of a file. An error says the line.
func Parse(text string) (*Module, error) {
	tokens, err := scan(text)
	if err != nil {
		return nil, err
	}
	m := &Module{}
	p := placed{class: "", body: -1}
	for i, line := range logical(tokens) {
		if i == 0 && line[0].kind == quote {
			if v, err := parse(line); err == nil {
				m.Doc, _ = v.(string)
			}
		}
		p.enter(m, line)
		if a, ok := assignment(line); ok && p.direct(line[0].indent) {
			a.Class = p.class
			m.Assignments = append(m.Assignments, a)
		}
	}
	return m, nil
}

// Find gives the assignment to a name; nil = there is none. Two are an error, since which one counts may depend
// on what runs in between.
func (m *Module) Find(class, name string) (*Assignment, error) {
	var found *Assignment
	for i := range m.Assignments {
		a := &m.Assignments[i]
		if a.Class != class || a.Name != name {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("line %d: %s is assigned a second time, after line %d", a.Line, name, found.Line)
		}
		found = a
	}
	return found, nil
}

// Value parses the assigned value: nil for None, bool, int64, string, [List], [Name] or [Call].
func (a *Assignment) Value() (any, error) {
	if a.operator != "=" {
		return nil, fmt.Errorf("line %d: %s is changed by %s, and only a plain value can be read", a.Line, a.Name, a.operator)
	}
	if len(a.value) == 0 {
		return nil, fmt.Errorf("line %d: %s has no value", a.Line, a.Name)
	}
	v, err := parse(a.value)
	if err != nil {
		return nil, fmt.Errorf("%w, in the value of %s", err, a.Name)
	}
	return v, nil
}

// placed follows in which class a line stands.
type placed struct {
	class string
	body  int // indent of the class's own lines; -1 = none was seen yet
}

func (p *placed) enter(m *Module, line []token) {
	first := line[0]
	if first.indent == 0 {
		p.class, p.body = "", -1
		if first.kind == word && first.text == "class" && len(line) > 1 {
			p.class = line[1].text
			m.Classes = append(m.Classes, Class{Name: p.class, Line: first.line})
		}
		return
	}
	if p.class != "" && p.body < 0 {
		p.body = first.indent
	}
}

// direct tells whether a line of this indent is the module's or the class's own, not of a block within.
func (p *placed) direct(indent int) bool {
	return indent == 0 && p.class == "" || p.class != "" && indent == p.body
}

// assignment reads "name = …" and "name: type = …".
func assignment(line []token) (Assignment, bool) {
	if len(line) < 3 || line[0].kind != word || line[1].kind != operator {
		return Assignment{}, false
	}
	a := Assignment{Name: line[0].text, Line: line[0].line, operator: line[1].text}
	at := 1
	if a.operator == ":" {
		at = slices.IndexFunc(line, func(t token) bool { return t.kind == operator && t.text == "=" && t.depth == 0 })
		if at < 0 {
			return Assignment{}, false
		}
		a.operator = "="
	}
	if !strings.HasSuffix(a.operator, "=") || slices.Contains([]string{"==", "!=", "<=", ">="}, a.operator) {
		return Assignment{}, false
	}
	a.value = line[at+1:]
	return a, true
}

// logical splits tokens into Python's logical lines, none of which is empty. The statements that follow a
// semicolon, and those behind the colon of a block, are lines of their own.
func logical(tokens []token) [][]token {
	var lines [][]token
	var line []token
	for _, t := range tokens {
		if t.kind == newline || t.kind == operator && t.text == ";" && t.depth == 0 {
			if len(line) > 0 {
				lines = append(lines, line)
			}
			line = nil
			continue
		}
		line = append(line, t)
	}
	if len(line) > 0 {
		lines = append(lines, line)
	}
	return lines
}
