package python

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// List is a list or a tuple.
type List []any

// Name is a name with its dots, such as settings.AUTH_USER_MODEL.
type Name string

// Call is a call of a name, with its positional arguments.
type Call struct {
	Name Name
	Args List
}

// errEnd says that a value ends too early.
var errEnd = errors.New("the value is cut")

// parse reads a whole value. A comma outside of brackets makes a tuple.
func parse(tokens []token) (any, error) {
	r := reader{list: tokens}
	v, err := r.value()
	if err == nil && r.is(",") {
		items := List{v}
		for err == nil && r.skip(",") && r.at < len(r.list) {
			v, err = r.value()
			items = append(items, v)
		}
		v = items
	}
	if err == nil && r.at < len(r.list) {
		err = fmt.Errorf("%q cannot be read", r.list[r.at].text)
	}
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", r.line(), err)
	}
	return v, nil
}

// reader walks over the tokens of a value.
type reader struct {
	list []token
	at   int
}

// line is where the reader stands.
func (r *reader) line() int { return r.list[min(r.at, len(r.list)-1)].line }

func (r *reader) is(sign string) bool {
	return r.at < len(r.list) && r.list[r.at].kind == operator && r.list[r.at].text == sign
}

// skip goes over a sign where it is the next token.
func (r *reader) skip(sign string) bool {
	found := r.is(sign)
	if found {
		r.at++
	}
	return found
}

func (r *reader) value() (any, error) {
	if r.at >= len(r.list) {
		return nil, errEnd
	}
	t := r.list[r.at]
	switch {
	case r.skip("("):
		return r.tuple()
	case r.skip("["):
		items, _, err := r.items("]")
		return items, err
	case t.kind == quote:
		return r.texts()
	case t.kind == number:
		n, err := strconv.ParseInt(strings.ReplaceAll(t.text, "_", ""), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("the number %s cannot be read", t.text)
		}
		r.at++
		return n, nil
	case t.kind == word:
		return r.name()
	default:
		return nil, fmt.Errorf("%q cannot be read", t.text)
	}
}

// tuple reads what follows "(": a tuple, or one value in brackets.
func (r *reader) tuple() (any, error) {
	items, comma, err := r.items(")")
	if err == nil && len(items) == 1 && !comma {
		return items[0], nil
	}
	return items, err
}

// items reads values up to a closing bracket. comma tells whether one stood after the last.
func (r *reader) items(end string) (items List, comma bool, err error) {
	items = List{}
	for !r.skip(end) {
		if len(items) > 0 && !comma {
			if r.at >= len(r.list) {
				return nil, false, errEnd
			}
			return nil, false, fmt.Errorf("%q cannot be read", r.list[r.at].text)
		}
		v, err := r.value()
		if err != nil {
			return nil, false, err
		}
		items = append(items, v)
		comma = r.skip(",")
	}
	return items, comma, nil
}

// texts reads texts that stand side by side, which are one.
func (r *reader) texts() (any, error) {
	var b strings.Builder
	for r.at < len(r.list) && r.list[r.at].kind == quote {
		if t := r.list[r.at]; strings.ContainsAny(t.prefix, "bft") {
			return nil, fmt.Errorf("a text with the prefix %s cannot be read", t.prefix)
		}
		b.WriteString(r.list[r.at].text)
		r.at++
	}
	return b.String(), nil
}

// name reads a constant, a name with its dots, or a call of one.
func (r *reader) name() (any, error) {
	name := r.list[r.at].text
	r.at++
	switch name {
	case "None":
		return nil, nil
	case "True", "False":
		return name == "True", nil
	}
	for r.skip(".") {
		if r.at >= len(r.list) || r.list[r.at].kind != word {
			return nil, fmt.Errorf("the name %s. is cut", name)
		}
		name += "." + r.list[r.at].text
		r.at++
	}
	if !r.skip("(") {
		return Name(name), nil
	}
	args, _, err := r.items(")")
	return Call{Name: Name(name), Args: args}, err
}
