package goose

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// expand puts environment variables into a line as goose does under ENVSUB ON:
//
//	$NAME ${NAME}            its value, or nothing
//	${NAME:-text}            text where it is unset or empty
//	${NAME-text}             text where it is unset
//	${NAME?text}             an error with text where it is unset
//	${NAME:from} ${NAME:from:length}   a part of its value; negative numbers count from the end
//	\$ $$                    a dollar sign
//
// Text may hold variables of its own.
func expand(line string, env lookup) (string, error) {
	e := &expander{rest: line, env: env}
	out, err := e.text("")
	if err != nil {
		return "", fmt.Errorf("put variables into %q: %w", strings.TrimSpace(line), err)
	}
	return out, nil
}

type expander struct {
	rest string
	env  lookup
}

// text expands up to the first of the stop characters outside of a variable, which stays in rest.
func (e *expander) text(stop string) (string, error) {
	var out strings.Builder
	for e.rest != "" {
		switch two := e.rest[:min(2, len(e.rest))]; {
		case strings.ContainsRune(stop, rune(e.rest[0])):
			return out.String(), nil
		case two == `\\`, two == "$(":
			out.WriteString(two)
			e.rest = e.rest[2:]
		case two == `\$`, two == "$$":
			out.WriteByte('$')
			e.rest = e.rest[2:]
		case e.rest[0] == '$' && len(e.rest) > 1:
			e.rest = e.rest[1:]
			value, err := e.variable()
			if err != nil {
				return "", err
			}
			out.WriteString(value)
		default:
			out.WriteByte(e.rest[0])
			e.rest = e.rest[1:]
		}
	}
	return out.String(), nil
}

// variable expands what follows a dollar sign.
func (e *expander) variable() (string, error) {
	braces := strings.HasPrefix(e.rest, "{")
	if braces {
		e.rest = e.rest[1:]
	}
	name, err := e.name()
	if err != nil {
		return "", err
	}
	value, set := e.env(name)
	if !braces {
		return value, nil
	}
	op := ""
	for _, op = range []string{":-", "-", "?", ":", "}"} {
		if strings.HasPrefix(e.rest, op) {
			break
		}
	}
	if !strings.HasPrefix(e.rest, op) {
		return "", fmt.Errorf("${%s is not closed as it should be", name)
	}
	e.rest = e.rest[len(op):]
	switch op {
	case "}":
		return value, nil
	case ":":
		value, err = e.part(value)
	default:
		value, err = e.fallback(op, name, value, set)
	}
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(e.rest, "}") {
		return "", fmt.Errorf("${%s is not closed", name)
	}
	e.rest = e.rest[1:]
	return value, nil
}

// fallback reads the text after an operator and decides between it and the value.
func (e *expander) fallback(op, name, value string, set bool) (string, error) {
	env := e.env
	if op == "-" && set || op == ":-" && value != "" || op == "?" && set {
		// The text is not wanted: a variable in it that must be set need not be.
		e.env = func(string) (string, bool) { return "", true }
	}
	text, err := e.text("}")
	e.env = env
	switch {
	case err != nil:
		return "", err
	case op == "-" && !set, op == ":-" && value == "":
		return text, nil
	case op == "?" && !set:
		if text == "" {
			text = "not set"
		}
		return "", fmt.Errorf("$%s: %s", name, text)
	default:
		return value, nil
	}
}

// part reads from[:length] and cuts the value; what lies outside of it is nothing.
func (e *expander) part(value string) (string, error) {
	end := strings.IndexByte(e.rest, '}')
	if end < 0 {
		return "", errors.New("a brace is not closed")
	}
	first, second, two := strings.Cut(e.rest[:end], ":")
	e.rest = e.rest[end:]
	from, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil {
		return "", fmt.Errorf("%q is no number", first)
	}
	if from < 0 {
		from += len(value)
	}
	from = min(max(from, 0), len(value))
	if !two {
		return value[from:], nil
	}
	length, err := strconv.Atoi(strings.TrimSpace(second))
	if err != nil {
		return "", fmt.Errorf("%q is no number", second)
	}
	to := from + min(length, len(value)-from)
	if length < 0 {
		to = max(len(value)+length, from)
	}
	return value[from:to], nil
}

func (e *expander) name() (string, error) {
	n := 0
	for n < len(e.rest) {
		r, size := utf8.DecodeRuneInString(e.rest[n:])
		if !unicode.IsLetter(r) && (n == 0 || !unicode.IsNumber(r) && r != '_') {
			break
		}
		n += size
	}
	if n == 0 {
		return "", errors.New("no name of a variable follows a '$'; write '$$' for a dollar sign")
	}
	name := e.rest[:n]
	e.rest = e.rest[n:]
	return name, nil
}
