package migrationtest

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/migration"
)

// SameRow compares, field by field, the row that the real tool wrote for a migration with the one that we write.
// real is a database in which the tool itself applied everything. There the record of m is taken away and marked again,
// as a repair does. Of the columns in volatile, such as times and counters, the shape is compared: a digit for each digit.
func SameRow(t testing.TB, real engine.DB, l migration.Ledger, m migration.Migration, files []migration.Migration, volatile ...string) {
	t.Helper()
	theirs := row(t, real, l, m, files)
	if err := migration.Delete(t.Context(), real, l, m, files); err != nil {
		t.Fatalf("take the record of %s away: %v", m.ID, err)
	}
	if err := migration.Insert(t.Context(), real, l, m, files); err != nil {
		t.Fatalf("record %s: %v", m.ID, err)
	}
	ours := row(t, real, l, m, files)
	for _, c := range volatile {
		theirs[c], ours[c] = shape(theirs[c]), shape(ours[c])
	}
	if diff := cmp.Diff(theirs, ours); diff != "" {
		t.Errorf("the row of %s (-the real tool's +ours):\n%s", m.ID, diff)
	}
}

// row is the ledger's row of a migration.
func row(t testing.TB, db engine.DB, l migration.Ledger, m migration.Migration, files []migration.Migration) map[string]string {
	t.Helper()
	records, err := l.Records(t.Context(), db, files)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(records, func(r migration.Record) bool { return r.ID == m.ID && r.State == migration.Applied })
	if i < 0 {
		t.Fatalf("the ledger does not call %s applied: %v", m.ID, records)
	}
	return records[i].Raw
}

// shape writes 9 for each digit. Trailing digits of a fraction are cut by some drivers, so they count for nothing.
func shape(text string) string {
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return '9'
		}
		return r
	}, text)
	if head, fraction, found := strings.Cut(digits, "."); found {
		return head + "." + strings.TrimLeft(fraction, "9")
	}
	return digits
}
