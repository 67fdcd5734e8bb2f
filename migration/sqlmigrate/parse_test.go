package sqlmigrate

import (
	"fmt"
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
		{"plain", "-- +migrate Up\nSELECT 1;\nSELECT\n2;\n-- +migrate Down\nSELECT 3;", []string{"2: SELECT 1", "3: SELECT\n2"}, false},
		{"down alone", "-- +migrate Down\nSELECT 3;", nil, false},
		{"down first", "-- +migrate Down\nSELECT 3;\n-- +migrate Up\nSELECT 1;", []string{"4: SELECT 1"}, false},
		{"text before", "SELECT 0\n-- +migrate Up\nSELECT 1;", []string{"3: SELECT 1"}, false},
		{"two up parts", "-- +migrate Up\nSELECT 1;\n-- +migrate Down\n-- +migrate Up\nSELECT 2;", []string{"2: SELECT 1", "5: SELECT 2"}, false},
		{"two on one line are one", "-- +migrate Up\nSELECT 1; SELECT 2;", []string{"2: SELECT 1; SELECT 2"}, false},
		{"one semicolon is cut", "-- +migrate Up\nSELECT 1;; \n", []string{"2: SELECT 1;"}, false},
		{"comment lines are left out", "-- +migrate Up\n\n-- x;\nSELECT 1 -- z\n-- w\n;", []string{"4: SELECT 1 -- z\n"}, false},
		{"a comment without a space is text", "-- +migrate Up\n--x\nSELECT 1;", []string{"2: --x\nSELECT 1"}, false},
		{"block", "-- +migrate Up\n-- +migrate StatementBegin\nBEGIN;\n-- c\nEND;\n-- +migrate StatementEnd\nSELECT 1;", []string{"3: BEGIN;\nEND", "7: SELECT 1"}, false},
		{"a block outside of parts is none", "-- +migrate StatementBegin\n-- +migrate Up\nSELECT 1;\nSELECT 2;", []string{"3: SELECT 1", "4: SELECT 2"}, false},
		{"no transaction", "-- +migrate Up notransaction\nSELECT 1;", []string{"2: SELECT 1"}, true},
		{"down without a transaction", "-- +migrate Up\nSELECT 1;\n-- +migrate Down notransaction", []string{"2: SELECT 1"}, false},
		{"carriage returns", "-- +migrate Up\r\nSELECT 1;\r\n", []string{"2: SELECT 1"}, false},
		{"unknown annotations", "-- +migrate Up\n-- +migrate Sideways;\n-- +other\nSELECT 1;", []string{"4: SELECT 1"}, false},
		{"a comment that ends the file", "-- +migrate Up\nSELECT 1;\n-- nothing more", []string{"2: SELECT 1"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := parse(tt.text)
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
		"SELECT 1;":                  `no line "-- +migrate Up"`,
		"":                           `no line "-- +migrate Up"`,
		"-- +goose Up\nSELECT 1;":    `no line "-- +migrate Up"`,
		"-- +migrate  \n":            "line 1: an annotation without a word",
		"-- +migrate Up\nSELECT 1\n": `ends the statement "SELECT 1"`,
		"-- +migrate Up\nSELECT 1\n-- +migrate Down\n":          "line 3: no semicolon",
		"-- +migrate Down\nSELECT 1\n-- +migrate Up\n":          "line 3: no semicolon",
		"-- +migrate Up\n-- +migrate StatementBegin\nSELECT 1;": "line 2 has no",
	} {
		_, err := parse(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", text, err, want)
		}
	}
}

func TestCompare(t *testing.T) {
	order := []string{"0.sql", "01.sql", "1-a.sql", "2.sql", "010_x.sql", "10_y.sql", "100.sql", "20240101000000.sql", "_.sql", "a1.sql", "b.sql"}
	for i, a := range order {
		for k, b := range order {
			if got, want := compare(a, b), sign(i-k); got != want {
				t.Errorf("compare(%s, %s) = %d, want %d", a, b, got, want)
			}
		}
	}
}

func sign(n int) int { return min(max(n, -1), 1) }

func FuzzParse(f *testing.F) {
	f.Add("-- +migrate Up notransaction\nSELECT 1;\n-- +migrate StatementBegin\nx\n-- +migrate StatementEnd\n-- +migrate Down\nSELECT 2;")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := parse(text)
		if err != nil {
			return
		}
		lines := strings.Split(text, "\n")
		for _, s := range file.statements {
			first, _, _ := strings.Cut(s.Text, "\n")
			if s.Line < 1 || s.Line > len(lines) || !strings.Contains(lines[s.Line-1], strings.TrimSpace(first)) {
				t.Fatalf("statement %q is not on line %d of %q", s.Text, s.Line, text)
			}
		}
	})
}
