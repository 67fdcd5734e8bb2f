package config

import (
	"errors"
	"fmt"
	"strings"
)

// maxNesting is how deep defaults may stand in defaults.
const maxNesting = 16

// errMissing is a variable that is not set and has no default.
var errMissing = errors.New("is not set")

// expand replaces variables in a text that was taken out of the file:
//
//	${VAR}            its value; an error that wraps errMissing where it is not set
//	${VAR:-default}   its value, or the default where it is not set or empty; the default may hold variables
//	${VAR:?message}   its value; an error with the message where it is not set or empty
//	$$                one dollar sign
//
// Any other "$" stays as it is. What comes out of a variable is not expanded again.
// Errors name variables, and never hold a value.
func expand(text string, lookup func(name string) (string, bool)) (string, error) {
	if !strings.Contains(text, "$") {
		return text, nil
	}
	x := &expander{rest: text, lookup: lookup}
	return x.run(true, 0)
}

// expander reads a text from left to right.
type expander struct {
	rest   string
	lookup func(name string) (string, bool)
}

// run reads to the end of the text, or at a depth above zero to the "}" that ends a default.
// Where live is false the text is not wanted: it is only read past, so that a variable in a default
// that is not used need not be set.
func (x *expander) run(live bool, depth int) (string, error) {
	if depth > maxNesting {
		return "", fmt.Errorf("`${…}` is nested more than %d deep", maxNesting)
	}
	stops := "$"
	if depth > 0 {
		stops = "$}"
	}
	var b strings.Builder
	for {
		i := strings.IndexAny(x.rest, stops)
		switch {
		case i < 0 && depth > 0:
			return "", errors.New("`${` has no `}`")
		case i < 0:
			return b.String() + x.rest, nil
		}
		b.WriteString(x.rest[:i])
		at := x.rest[i:]
		switch {
		case at[0] == '}':
			x.rest = at[1:]
			return b.String(), nil
		case strings.HasPrefix(at, "$$"):
			b.WriteByte('$')
			x.rest = at[2:]
		case strings.HasPrefix(at, "${"):
			x.rest = at[2:]
			value, err := x.variable(live, depth)
			if err != nil {
				return "", err
			}
			b.WriteString(value)
		default:
			b.WriteByte('$')
			x.rest = at[1:]
		}
	}
}

// variable reads what follows "${".
func (x *expander) variable(live bool, depth int) (string, error) {
	n := 0
	for n < len(x.rest) && nameByte(x.rest[n], n == 0) {
		n++
	}
	name := x.rest[:n]
	x.rest = x.rest[n:]
	if name == "" {
		return "", errors.New("`${` is not followed by a variable's name; write `$$` for one dollar sign")
	}
	value, set := x.lookup(name)
	switch {
	case strings.HasPrefix(x.rest, "}"):
		x.rest = x.rest[1:]
		if live && !set {
			return "", fmt.Errorf("variable %s %w", name, errMissing)
		}
		return value, nil
	case strings.HasPrefix(x.rest, ":-"):
		x.rest = x.rest[2:]
		other, err := x.run(live && value == "", depth+1)
		if value == "" {
			value = other
		}
		return value, err
	case strings.HasPrefix(x.rest, ":?"):
		message, rest, ok := strings.Cut(x.rest[2:], "}")
		x.rest = rest
		if !ok {
			return "", errors.New("`${` has no `}`")
		}
		if live && value == "" {
			return "", fmt.Errorf("variable %s %w: %s", name, errMissing, message)
		}
		return value, nil
	}
	return "", fmt.Errorf("`${%s` must go on with `}`, `:-default}` or `:?message}`", name)
}

func nameByte(c byte, first bool) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || !first && '0' <= c && c <= '9'
}
