// Package testdocs keeps the manual of a JSON document true: each field of its Go types stands in a table of the
// manual, with its type, and each row of the tables is a field. It is for tests only.
package testdocs

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// Field is one row of a table.
type Field struct {
	Name     string
	Type     string // as the manual writes it
	Optional bool   // it may be absent
}

// Check fails a test where a part of a manual is not what a document is. The part begins with a heading of level two
// and has a heading of level three for each struct type that is reached from root, with the type's name. Types in
// known are described elsewhere.
func Check(t *testing.T, file, heading string, root reflect.Type, known ...reflect.Type) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	described, err := read(string(data), heading)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	for _, problem := range compare(Objects(root, known...), described) {
		t.Errorf("%s, %q: %s", file, heading, problem)
	}
}

// Objects are the struct types of a document by their names, with the fields that each has as JSON.
func Objects(root reflect.Type, known ...reflect.Type) map[string][]Field {
	objects := map[string][]Field{}
	var visit func(t reflect.Type)
	visit = func(t reflect.Type) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if _, ok := objects[t.Name()]; ok || t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() || slices.Contains(known, t) {
			return
		}
		objects[t.Name()] = nil
		for _, f := range reflect.VisibleFields(t) {
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !f.IsExported() || f.Anonymous || name == "-" || outer(t, f) {
				continue
			}
			objects[t.Name()] = append(objects[t.Name()], Field{name, typeName(f.Type), strings.Contains(options, "omit")})
			visit(f.Type)
		}
	}
	visit(root)
	return objects
}

// outer tells a field of an embedded struct that JSON does not show, since a field of the struct itself has its name.
func outer(t reflect.Type, f reflect.StructField) bool {
	at, ok := t.FieldByName(f.Name)
	return !ok || !slices.Equal(at.Index, f.Index)
}

// typeName writes a type as the manual does.
func typeName(t reflect.Type) string {
	switch {
	case t.Kind() == reflect.Pointer:
		return typeName(t.Elem())
	case t == reflect.TypeFor[time.Time]():
		return "time"
	case t.Kind() == reflect.Struct:
		return t.Name()
	case t.Kind() == reflect.Slice:
		return "list of " + typeName(t.Elem())
	case t.Kind() == reflect.Map:
		return "object of " + typeName(t.Elem())
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.String:
		return "text"
	default:
		return "number"
	}
}

// read finds the tables of a part of a manual.
func read(text, heading string) (map[string][]Field, error) {
	_, part, ok := strings.Cut(text, "\n"+heading+"\n")
	if !ok {
		return nil, fmt.Errorf("there is no heading %q", heading)
	}
	part, _, _ = strings.Cut(part, "\n## ")
	row := regexp.MustCompile("^\\| `([^`]+)` \\| ([^|]*?)(, may be absent)? \\| [^|]")
	objects, object := map[string][]Field{}, ""
	for line := range strings.Lines(part) {
		if name, is := strings.CutPrefix(line, "### "); is {
			object = strings.TrimSpace(name)
			objects[object] = nil
		} else if m := row.FindStringSubmatch(line); m != nil && object != "" {
			objects[object] = append(objects[object], Field{m[1], m[2], m[3] != ""})
		}
	}
	return objects, nil
}

// compare lists what is not the same.
func compare(real, described map[string][]Field) []string {
	var list []string
	for name, fields := range real {
		rows, ok := described[name]
		if !ok {
			list = append(list, fmt.Sprintf("there is no heading for %s", name))
			continue
		}
		for _, f := range fields {
			if !slices.Contains(rows, f) {
				list = append(list, fmt.Sprintf("%s lacks the row %s", name, f))
			}
		}
		for _, r := range rows {
			if !slices.Contains(fields, r) {
				list = append(list, fmt.Sprintf("%s has the row %s, and there is no such field", name, r))
			}
		}
	}
	for name := range described {
		if _, ok := real[name]; !ok {
			list = append(list, fmt.Sprintf("%s is described, and there is no such object", name))
		}
	}
	slices.Sort(list)
	return list
}

// String is the row's beginning.
func (f Field) String() string {
	if f.Optional {
		return fmt.Sprintf("| `%s` | %s, may be absent |", f.Name, f.Type)
	}
	return fmt.Sprintf("| `%s` | %s |", f.Name, f.Type)
}
