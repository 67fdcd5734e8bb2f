package config

import (
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	env := map[string]string{"A": "one", "EMPTY": "", "TRICK": "${A} $$ }", "_9": "nine"}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	for _, tt := range []struct{ in, want, err string }{
		{in: "", want: ""},
		{in: "plain } text", want: "plain } text"},
		{in: "${A}", want: "one"},
		{in: "<${A}${_9}>", want: "<onenine>"},
		{in: "$A $ 5$", want: "$A $ 5$"},
		{in: "$${A} $$$$", want: "${A} $$"},
		{in: "$$$${A}", want: "$${A}"},
		{in: "$$${A}", want: "$one"},
		{in: "${EMPTY}", want: ""},
		{in: "${TRICK}", want: "${A} $$ }"},
		{in: "${GONE:-x: y}", want: "x: y"},
		{in: "${EMPTY:-x}", want: "x"},
		{in: "${A:-x}", want: "one"},
		{in: "${GONE:-}", want: ""},
		{in: "${GONE:-${A}!}", want: "one!"},
		{in: "${GONE:-${ALSO:-${A}}}", want: "one"},
		{in: "${A:-${GONE}}", want: "one"},
		{in: "${GONE:-$${A}", want: "${A"},
		{in: "${A:?needed}", want: "one"},
		{in: "${GONE}", err: "variable GONE is not set"},
		{in: "${GONE:-${ALSO}}", err: "variable ALSO is not set"},
		{in: "${EMPTY:?say so}", err: "variable EMPTY is not set: say so"},
		{in: "${GONE:?}", err: "variable GONE is not set: "},
		{in: "${A", err: "`${A` must go on with"},
		{in: "${A:-x", err: "`${` has no `}`"},
		{in: "${A:?x", err: "`${` has no `}`"},
		{in: "${A-x}", err: "`${A` must go on with"},
		{in: "${}", err: "is not followed by a variable's name"},
		{in: "${9A}", err: "is not followed by a variable's name"},
		{in: "${ A}", err: "is not followed by a variable's name"},
		{in: strings.Repeat("${X:-", 40) + strings.Repeat("}", 40), err: "nested more than 16 deep"},
	} {
		got, err := expand(tt.in, lookup)
		switch {
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("expand(%q): error %v, want %q", tt.in, err, tt.err)
		case tt.err == "" && (err != nil || got != tt.want):
			t.Errorf("expand(%q) = %q, %v, want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"targets", "migrations", "url", "url_file", "do", "state_dir"}
	for in, want := range map[string]string{
		"migration": "migrations", "MIGRATIONS": "migrations", "migratoins": "migrations", "target": "targets",
		"ulr": "url", "URL-FILE": "url_file", "state-dir": "state_dir", "urlfile": "url_file", "od": "do",
		"": "", "x": "", "password": "", "zzz": "", strings.Repeat("a", 100000): "",
	} {
		if got := Nearest(in, known); got != want {
			t.Errorf("Nearest(%.20q) = %q, want %q", in, got, want)
		}
	}
}

func TestFits(t *testing.T) {
	for _, tt := range []struct {
		name, pattern string
		want          bool
	}{
		{"users", "users", true}, {"users", "Users", false}, {"users", "user", false}, {"messages", "message*", true},
		{"message", "message*", true}, {"a", "*", true}, {"aba", "a*a", true}, {"a", "a*a", false}, {"axbyc", "a*b*c", true},
		{"ab", "a**b", true}, {"a[b", "a[b", true}, {"we.ird*", "we.ird*", true}, {"abc", "*b", false},
	} {
		if got := fits(tt.name, tt.pattern); got != tt.want {
			t.Errorf("fits(%q, %q) = %v", tt.name, tt.pattern, got)
		}
	}
}
