package doctor_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"mulligan/doctor"
	"mulligan/internal/testdocs"
)

// The document of `doctor --json` is described, field by field.
func TestDocumentIsDescribed(t *testing.T) {
	testdocs.Check(t, filepath.Join("..", "docs", "doctor.md"), "## The document of doctor", reflect.TypeFor[doctor.Diagnosis]())
}

// Every word that the document has for something is in the manual.
func TestWordsAreDescribed(t *testing.T) {
	manual, err := os.ReadFile(filepath.Join("..", "docs", "doctor.md"))
	if err != nil {
		t.Fatal(err)
	}
	words := 0
	for name, pattern := range map[string]string{
		"doctor.go":   `(?m)^\t\w+\s+(?:Verdict|Trace|Severity|Match)\s+= "([^"]+)"`,
		"findings.go": `(?m)^\tKind\w+\s+= "([^"]+)"`,
	} {
		code, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(code), -1) {
			words++
			if !strings.Contains(string(manual), "`"+m[1]+"`") {
				t.Errorf("docs/doctor.md lacks the word %s", m[1])
			}
		}
	}
	if words < 30 {
		t.Errorf("only %d words were found", words)
	}
}
