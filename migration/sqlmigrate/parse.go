package sqlmigrate

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"mulligan/migration"
)

// file is what sql-migrate would run of a migration.
type file struct {
	statements  []migration.Statement // of the up parts, in order
	transaction bool
	line        int // of the first Up annotation, from 1; 0 = there is none
}

// annotation begins the lines that speak to sql-migrate.
const annotation = "-- +migrate "

// parser follows the lines of a file.
type parser struct {
	file     file
	part     string // "", "Up" or "Down"
	block    int    // line of the StatementBegin that is open; 0 = none is
	text     strings.Builder
	textLine int // line on which the statement in text begins; 0 = text is blank
	line     int
}

// parse splits the up parts of a file into their statements. Outside of a block a statement ends with a line
// whose last word before a comment ends in a semicolon. Lines that begin with "-- " are left out wherever
// they stand, in blocks too. The down parts are only checked.
func parse(text string) (file, error) {
	p := &parser{file: file{transaction: true}}
	for line := range strings.SplitSeq(text, "\n") {
		p.line++
		if err := p.take(strings.TrimSuffix(line, "\r")); err != nil {
			return file{}, fmt.Errorf("line %d: %w", p.line, err)
		}
	}
	switch {
	case p.block > 0:
		return file{}, fmt.Errorf(`the StatementBegin of line %d has no "-- +migrate StatementEnd"`, p.block)
	case p.part == "":
		return file{}, errors.New(`there is no line "-- +migrate Up"`)
	}
	return p.file, p.finished()
}

func (p *parser) take(line string) error {
	switch {
	case strings.HasPrefix(line, annotation):
		return p.command(strings.Fields(line[len(annotation):]))
	case p.part == "", strings.HasPrefix(line, "-- "):
		return nil
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

// command follows an annotation. One that sql-migrate does not know it passes over, and so does this.
func (p *parser) command(words []string) error {
	if len(words) == 0 {
		return errors.New("an annotation without a word")
	}
	switch words[0] {
	case "Up", "Down":
		if err := p.finished(); err != nil {
			return err
		}
		p.part = words[0]
		if p.part == "Up" {
			p.file.transaction = p.file.transaction && !slices.Contains(words[1:], "notransaction")
			if p.file.line == 0 {
				p.file.line = p.line
			}
		}
	case "StatementBegin":
		if p.part != "" {
			p.block = p.line
		}
	case "StatementEnd":
		if p.block > 0 {
			p.block = 0
			p.store()
		}
	}
	return nil
}

// store ends the statement that was gathered. Only those of the up parts are kept, as they are sent: without a
// line break, a space and a semicolon at the end, one each.
func (p *parser) store() {
	if p.part == "Up" {
		text := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(p.text.String(), "\n"), " "), ";")
		text = strings.TrimLeft(text, " \t\n")
		p.file.statements = append(p.file.statements, migration.Statement{Text: text, Line: max(p.textLine, 1)})
	}
	p.text.Reset()
	p.textLine = 0
}

// finished refuses text that no semicolon ends.
func (p *parser) finished() error {
	if rest := strings.TrimSpace(p.text.String()); rest != "" {
		return fmt.Errorf("no semicolon at the end of a line ends the statement %q", migration.Cut(rest))
	}
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
