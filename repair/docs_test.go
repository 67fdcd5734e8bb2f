package repair_test

import (
	"path/filepath"
	"reflect"
	"testing"

	"mulligan/doctor"
	"mulligan/internal/testdocs"
	"mulligan/repair"
)

// The document of `repair --json` is described, field by field.
func TestDocumentIsDescribed(t *testing.T) {
	testdocs.Check(t, filepath.Join("..", "docs", "doctor.md"), "## The document of repair",
		reflect.TypeFor[repair.Outcome](), reflect.TypeFor[doctor.Diagnosis]())
}
