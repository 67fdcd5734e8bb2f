package doctor_test

import (
	"strings"
	"testing"

	"mulligan/doctor"
	"mulligan/internal/testengine"
	"mulligan/migration"
)

// A shadow on a server of another version, and settings of the application that change tables behind the ledger's back,
// are said, and are no problem by themselves.
func TestWarnings(t *testing.T) {
	s := newSite(t, testengine.SQLite)
	s.tool.Notes = func() []string { return []string{"the application synchronizes"} }
	if d := s.examine(); !d.Healthy || len(d.Warnings) != 1 || d.Warnings[0] != "the application synchronizes" {
		t.Errorf("healthy %t, warnings %q", d.Healthy, d.Warnings)
	}
	files, err := s.tool.Source.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	live, err := s.db.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	records, err := s.tool.Ledger.Records(t.Context(), s.db, files)
	if err != nil {
		t.Fatal(err)
	}
	src := s.source()
	info, err := s.db.Server.Stat(t.Context(), s.db.URL.Database())
	if err != nil {
		t.Fatal(err)
	}
	var played []migration.ID
	d, err := doctor.Examine(t.Context(), &doctor.Case{
		Tool: s.tool, Files: files, Records: records, Live: live, Database: s.db.URL.Database(), Version: "3.1.0", Place: src.Place(info),
	}, &doctor.Options{Progress: func(id migration.ID, n int) {
		if played = append(played, id); n != len(played) {
			t.Errorf("migration %s is number %d, want %d", id, n, len(played))
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Warnings) != 1 || !strings.Contains(d.Warnings[0], "3.1.0") || !d.Healthy {
		t.Errorf("healthy %t, warnings %q, want one that names the other version", d.Healthy, d.Warnings)
	}
	if len(played) != len(files) {
		t.Errorf("progress told of %v, there are %d migrations", played, len(files))
	}
}
