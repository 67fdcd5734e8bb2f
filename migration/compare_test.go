package migration_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/migration"
)

func TestCompare(t *testing.T) {
	files := []migration.Migration{{ID: "1"}, {ID: "2"}, {ID: "3"}, {ID: "4"}, {ID: "5"}}
	records := []migration.Record{
		{ID: "9", State: migration.Applied},
		{ID: "1", State: migration.Applied},
		{ID: "3", State: migration.Failed},
		{ID: "4", State: migration.RolledBack},
		{ID: "5", State: migration.Failed},
		{ID: "5", State: migration.Applied},
		{ID: "9", State: migration.Applied},
	}
	var got []string
	for _, s := range migration.Compare(files, records) {
		got = append(got, fmt.Sprintf("%s %s %d", s.Migration.ID, s.Verdict, len(s.Records)))
	}
	want := []string{"1 applied 1", "2 pending 0", "3 dirty 1", "4 pending 1", "5 applied 2", "9 orphan 2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
	if got := migration.Position(files, records); got != "5" {
		t.Errorf("Position is %s, want 5", got)
	}
	if got := migration.Position(files, nil); got != "" {
		t.Errorf("Position of nothing is %s", got)
	}
	if i := migration.Index(files, "9"); i != -1 {
		t.Errorf("Index of an absent migration is %d", i)
	}
}

func ExampleCompare() {
	files := []migration.Migration{{ID: "templateDeleteCascade1673609465036"}, {ID: "webauthn1675045120206"}}
	records := []migration.Record{{ID: "templateDeleteCascade1673609465036", State: migration.Applied}}
	for _, s := range migration.Compare(files, records) {
		fmt.Println(s.Verdict, s.Migration.ID)
	}
	// Output:
	// applied templateDeleteCascade1673609465036
	// pending webauthn1675045120206
}
