package flyway

import (
	"slices"
	"testing"
)

func TestChecksum(t *testing.T) {
	for text, want := range map[string]int32{
		"CREATE TABLE a (id int);\n":     -623083431,
		"CREATE TABLE a (id int);\r\n":   -623083431,
		"\ufeffCREATE TABLE a (id int);": -623083431,
		"CREATE TABLE c (id int);":       -2102380136, // as Flyway 8.5.13 wrote it
		"a\n\n\nb\rc\r\n\r\nd":           -310194927,
		"":                               0,
		"café \u2028 x\n\n":              824702490,
	} {
		if got := checksum(text); got != want {
			t.Errorf("checksum of %q is %d, want %d", text, got, want)
		}
	}
}

func TestJavaHash(t *testing.T) {
	for text, want := range map[string]int32{
		"": 0, "hello": 99162322, "polygenelubricants": -2147483648, "😀": 1772899, `"public"."flyway_schema_history"`: 2125624436,
	} {
		if got := javaHash(text); got != want {
			t.Errorf("hash of %q is %d, want %d", text, got, want)
		}
	}
}

func TestVersions(t *testing.T) {
	sorted := []string{"0", "0.0.1", "0.9", "1", "1.0.1", "1.2", "1.9", "1.10", "2", "20240131120000", "99999999999999999999999"}
	parsed := make([]version, len(sorted))
	for i, text := range sorted {
		v, ok := parseVersion(text)
		if !ok {
			t.Fatalf("%q is no version", text)
		}
		parsed[i] = v
	}
	if !slices.IsSortedFunc(parsed, version.compare) {
		t.Errorf("not sorted: %v", parsed)
	}
	for a, b := range map[string]string{"1": "1.0.0", "01.1": "1_1", "0": "0.0", "1.00": "1"} {
		v, _ := parseVersion(a)
		w, _ := parseVersion(b)
		if v.compare(w) != 0 {
			t.Errorf("%s and %s differ", a, b)
		}
	}
	for _, text := range []string{"", ".", "1.", "a", "1.b", "-1", "1..2"} {
		if v, ok := parseVersion(text); ok {
			t.Errorf("%q is version %v", text, v)
		}
	}
}
