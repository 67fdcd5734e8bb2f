package config

import "strings"

// hidden is printed in a secret's place.
const hidden = "***"

// Secret is text that must not be printed: a url with its password, say. Printing it, with whatever
// verb, and encoding it as JSON or YAML show "***"; only Reveal gives it out.
type Secret string

// Reveal gives the text out, for the one who needs it to get in.
func (s Secret) Reveal() string { return string(s) }

// String is "***", or nothing where there is nothing to hide.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString keeps the text out of %#v.
func (s Secret) GoString() string { return `config.Secret("` + s.String() + `")` }

// MarshalText keeps the text out of JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Env is a list of NAME=value. The values may be secrets: printing it shows the names only.
type Env []string

// String is the names, with "***" for each value.
func (e Env) String() string {
	names := make([]string, len(e))
	for i, pair := range e {
		name, _, _ := strings.Cut(pair, "=")
		names[i] = name + "=" + hidden
	}
	return "[" + strings.Join(names, " ") + "]"
}

// GoString keeps the values out of %#v.
func (e Env) GoString() string { return "config.Env" + e.String() }

// MarshalText keeps the values out of JSON.
func (e Env) MarshalText() ([]byte, error) { return []byte(e.String()), nil }
