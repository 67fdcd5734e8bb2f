package goose

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string // "line: statement"
		none       bool     // outside of a transaction
	}{
		{"plain", "-- +goose Up\nSELECT 1;\nSELECT\n2;\n-- +goose Down\nSELECT 3;", []string{"2: SELECT 1;", "3: SELECT\n2;"}, false},
		{"case does not matter", "-- +GOOSE UP\n", nil, false},
		{"two on one line are one", "-- +goose Up\nSELECT 1; SELECT 2;", []string{"2: SELECT 1; SELECT 2;"}, false},
		{"a line's end ends, quoted or not", "-- +goose Up\nSELECT 'a;\nb';", []string{"2: SELECT 'a;", "3: b';"}, false},
		{"semicolon before a comment", "-- +goose Up\nSELECT 1; -- one;\nSELECT 2 -- two;\n;", []string{"2: SELECT 1; -- one;", "3: SELECT 2 -- two;\n;"}, false},
		{"comments before a statement", "-- x\n\n-- +goose Up\n\n-- y\nSELECT 1 -- z\n-- w\n;", []string{"6: SELECT 1 -- z\n-- w\n;"}, false},
		{"block", "-- +goose Up\n-- +goose StatementBegin\n-- c\nBEGIN;\nEND;\n-- +goose StatementEnd\nSELECT 1;", []string{"4: BEGIN;\nEND;", "7: SELECT 1;"}, false},
		{"no transaction", "-- +goose NO TRANSACTION\n-- +goose Up\nSELECT 1;", []string{"3: SELECT 1;"}, true},
		{"carriage returns", "-- +goose Up\r\nSELECT 1;\r\n", []string{"2: SELECT 1;"}, false},
		{"variables", "-- +goose Up\nSELECT '$A';\n-- +goose ENVSUB ON\nSELECT '$A';\n-- +goose ENVSUB OFF\nSELECT '$A';",
			[]string{"2: SELECT '$A';", "4: SELECT 'value';", "6: SELECT '$A';"}, false},
	}
	env := func(name string) (string, bool) { return "value", name == "A" }
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := parse(strings.Replace(tt.text, "+GOOSE", "+goose", 1), env)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range f.statements {
				got = append(got, fmt.Sprintf("%d: %s", s.Line, s.Text))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("statements (-want +got):\n%s", diff)
			}
			if f.transaction == tt.none {
				t.Errorf("transaction is %t", f.transaction)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"SELECT 1;":                    "line 1: a statement stands before",
		"":                             "no line",
		"-- +goose Down\n":             "does not follow",
		"-- +goose Up\n-- +goose Up\n": "line 2: a second",
		"-- +goose Up\nSELECT 1\n":     `ends the statement "SELECT 1"`,
		"-- +goose Up\nSELECT 1\n-- +goose Down\n":                         "line 3: no semicolon",
		"-- +goose Up\n-- +goose Down\nSELECT 1":                           "no semicolon",
		"-- +goose Up\n-- +goose StatementBegin\nSELECT 1;":                "line 2 has no",
		"-- +goose Up\n-- +goose StatementEnd\n":                           "without StatementBegin",
		"-- +goose Up\n-- +goose Sideways\n":                               `unknown annotation "Sideways"`,
		"-- +goose Up\n -- +goose Down\n":                                  "must begin its line",
		"-- +goose Up +goose Down\n":                                       "two annotations",
		"-- +goose StatementBegin\n":                                       "before the up part",
		"-- +goose Up\n-- +goose StatementBegin\n-- +goose StatementEnd\n": "empty block",
		"-- +goose Up\n-- +goose ENVSUB ON\nSELECT ${A?is needed};":        "$A: is needed",
	} {
		_, err := parse(text, func(string) (string, bool) { return "", false })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", text, err, want)
		}
	}
}

func TestExpand(t *testing.T) {
	env := func(name string) (string, bool) {
		v, ok := map[string]string{"A": "alpha", "EMPTY": "", "Ä1_": "umlaut"}[name]
		return v, ok
	}
	for line, want := range map[string]string{
		"":                           "",
		"no dollar":                  "no dollar",
		"$A ${A}x $NONE.":            "alpha alphax .",
		"$Ä1_-":                      "umlaut-",
		"${NONE:-x} ${EMPTY:-y}":     "x y",
		"${NONE-x} ${EMPTY-y}":       "x ",
		"${NONE:-${A:-z}} ${A:-$B}":  "alpha alpha",
		"${A:-${NONE?never}}":        "alpha",
		`\$A $$A \\ $(x) $`:          `$A $A \\ $(x) $`,
		"${A:1} ${A:1:2} ${A: -2}":   "lpha lp ha",
		"${A:9} ${A:0:-1} ${A:0:99}": " alph alpha",
	} {
		got, err := expand(line, env)
		if err != nil || got != want {
			t.Errorf("expand(%q) = %q, %v; want %q", line, got, err, want)
		}
	}
	for _, line := range []string{"$1", "${", "${A", "${A:x}", "${A:1:x}", "${A!}", "${NONE?}", "$'", "${A:1"} {
		if got, err := expand(line, env); err == nil {
			t.Errorf("expand(%q) = %q, want an error", line, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("-- +goose Up\nSELECT 1;\n-- +goose StatementBegin\nx\n-- +goose StatementEnd\n-- +goose Down\nSELECT '$A';")
	f.Add("-- +goose ENVSUB ON\n-- +goose Up\n${A:-${B}};")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := split(text)
		if err != nil {
			return
		}
		lines := strings.Split(text, "\n")
		for _, s := range file.statements {
			first, _, _ := strings.Cut(s.Text, "\n")
			if s.Text == "" || s.Line < 1 || s.Line > len(lines) || !strings.Contains(lines[s.Line-1], strings.TrimSpace(first)) {
				t.Fatalf("statement %q is not on line %d of %q", s.Text, s.Line, text)
			}
		}
	})
}

func FuzzExpand(f *testing.F) {
	for _, line := range []string{"$A ${A:-b} ${A:1:2} $$ \\$", "${A?${B-c}}", os.ExpandEnv("${A: -1}")} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		got, err := expand(line, func(string) (string, bool) { return "v", true })
		if err == nil && !strings.ContainsAny(line, `$`) && got != line {
			t.Fatalf("expand(%q) = %q", line, got)
		}
	})
}
