package goose

import (
	"fmt"
	"strings"

	"mulligan/migration"
)

// file is what goose would run of a migration.
type file struct {
	statements  []migration.Statement // of the up part
	transaction bool
	line        int // of the Up annotation, from 1
}

// parser follows the lines of a file.
type parser struct {
	env      lookup // nil = variables stay as they are
	file     file
	part     string // "", "Up" or "Down"
	block    int    // line of the StatementBegin that is open; 0 = none is
	replace  bool   // ENVSUB is on
	text     strings.Builder
	textLine int // line on which the statement in text begins; 0 = text is blank
	line     int
}

// split parses a file without putting variables in.
func split(text string) (file, error) { return parse(text, nil) }

// parse splits the up part of a file into its statements. Outside of a block a statement ends with
// a line whose last word before a comment ends in a semicolon. Comments and empty lines before
// a statement are dropped. The down part is only checked.
func parse(text string, env lookup) (file, error) {
	p := &parser{env: env, file: file{transaction: true}}
	for line := range strings.SplitSeq(text, "\n") {
		p.line++
		if err := p.take(strings.TrimSuffix(line, "\r")); err != nil {
			return file{}, fmt.Errorf("line %d: %w", p.line, err)
		}
	}
	switch {
	case p.part == "":
		return file{}, fmt.Errorf(`there is no line "-- +goose Up"`)
	case p.block > 0:
		return file{}, fmt.Errorf(`the StatementBegin of line %d has no "-- +goose StatementEnd"`, p.block)
	}
	return p.file, p.finished()
}

func (p *parser) take(line string) error {
	if trimmed := strings.TrimSpace(line); strings.HasPrefix(trimmed, "--") && strings.Contains(line, "+goose") {
		return p.annotation(line)
	}
	if p.text.Len() == 0 && (line == "" || strings.HasPrefix(strings.TrimSpace(line), "--")) {
		return nil
	}
	if p.part == "" {
		if strings.TrimSpace(line) == "" {
			return nil
		}
		return fmt.Errorf(`a statement stands before "-- +goose Up"`)
	}
	if p.replace && p.env != nil {
		expanded, err := expand(line, p.env)
		if err != nil {
			return err
		}
		line = expanded
	}
	if p.textLine == 0 && strings.TrimSpace(line) != "" {
		p.textLine = p.line
	}
	p.text.WriteString(line + "\n")
	if p.block == 0 && endsStatement(line) {
		p.store()
	}
	return nil
}

func (p *parser) annotation(line string) error {
	if line[0] == ' ' || line[0] == '\t' {
		return fmt.Errorf("an annotation must begin its line")
	}
	if strings.Count(line, "+goose") > 1 {
		return fmt.Errorf("two annotations on one line")
	}
	name := strings.TrimSpace(strings.Replace(strings.ReplaceAll(line, "--", ""), "+goose", "", 1))
	switch strings.ToLower(name) {
	case "up":
		if p.part != "" {
			return fmt.Errorf(`a second "-- +goose Up"`)
		}
		p.part, p.file.line = "Up", p.line
	case "down":
		if p.part != "Up" || p.block > 0 {
			return fmt.Errorf(`"-- +goose Down" does not follow the end of an up part`)
		}
		if err := p.finished(); err != nil {
			return err
		}
		p.part = "Down"
	case "statementbegin":
		if p.part == "" || p.block > 0 {
			return fmt.Errorf("StatementBegin inside another block or before the up part")
		}
		p.block = p.line
	case "statementend":
		if p.block == 0 {
			return fmt.Errorf("StatementEnd without StatementBegin")
		}
		if p.textLine == 0 {
			return fmt.Errorf("an empty block: goose would swallow the line after it")
		}
		p.block = 0
		p.store()
	case "no transaction":
		p.file.transaction = false
	case "envsub on":
		p.replace = true
	case "envsub off":
		p.replace = false
	default:
		return fmt.Errorf("unknown annotation %q", name)
	}
	return nil
}

// store ends the statement that was gathered. Only those of the up part are kept.
func (p *parser) store() {
	if p.part == "Up" {
		text := strings.TrimSpace(p.text.String())
		p.file.statements = append(p.file.statements, migration.Statement{Text: text, Line: p.textLine})
	}
	p.text.Reset()
	p.textLine = 0
}

// finished refuses text that no semicolon ends.
func (p *parser) finished() error {
	if rest := strings.TrimSpace(p.text.String()); rest != "" {
		return fmt.Errorf("no semicolon at the end of a line ends the statement %q", migration.Cut(rest))
	}
	p.text.Reset()
	p.textLine = 0
	return nil
}

// endsStatement tells a line whose last word before a comment ends in a semicolon.
func endsStatement(line string) bool {
	last := ""
	for word := range strings.FieldsSeq(line) {
		if strings.HasPrefix(word, "--") {
			break
		}
		last = word
	}
	return strings.HasSuffix(last, ";")
}
