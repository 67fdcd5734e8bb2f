package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Error is one thing that is wrong with the configuration: where it stands, what is wrong, what would be
// right. It never holds the value of a url, of an environment variable or of anything made from one.
// Where several things are wrong, [Load] returns them joined, in the order of the file; errors.As finds the first.
type Error struct {
	File   string // the configuration or the .env file; empty = a flag, a variable, or the whole
	Line   int    // from 1; 0 = the whole file
	Column int    // from 1, in characters; 0 = the whole line
	Key    string // path of the key (targets[0].migrations.tool), name of the flag (--jobs) or of the variable
	Reason string // what is wrong, and what is allowed
	Hint   string // what to do next; empty where the reason says it

	cause   error
	target  int  // the target it stands in, counted from 1; 0 = none
	missing bool // a variable that is not set, or no url: matters only when the target is used
}

// Error is "file:line:column: key: reason", without the parts that are not known.
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File)
		for _, n := range []int{e.Line, e.Column} {
			if n > 0 {
				fmt.Fprintf(&b, ":%d", n)
			}
		}
		b.WriteString(": ")
	}
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	b.WriteString(e.Reason)
	return b.String()
}

// Unwrap gives what ended a url_command (context.Canceled, say) or kept url_file from being read.
func (e *Error) Unwrap() error { return e.cause }

// join makes one error of many, in the order of the file; nil where there is none.
func join(faults []*Error) error {
	if len(faults) == 1 {
		return faults[0]
	}
	slices.SortStableFunc(faults, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	all := make([]error, len(faults))
	for i, f := range faults {
		all[i] = f
	}
	return errors.Join(all...)
}
