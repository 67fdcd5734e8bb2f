package snapshot_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/schema"
	"mulligan/snapshot"
	"mulligan/store/storetest"
)

// Keepsakes come back byte for byte, since they are compared so.
func TestKeepsakes(t *testing.T) {
	data, err := json.Marshal(map[string]string{"on": `TABLE "a<b>&c"`, "text": "\\ ' \" \n \u2028 \ufffd Ж😀"})
	if err != nil {
		t.Fatal(err)
	}
	mem := storetest.Memory()
	w := create(t, mem, smallID)
	m := smallManifest(table(empty))
	m.Keepsakes = []schema.Keepsake{{Kind: "comment", Name: `public."a<b>&c"`, Data: data}, {Kind: "subscription", Name: "s"}}
	if err := w.Commit(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	r, err := snapshot.Open(t.Context(), mem, target, smallID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m.Keepsakes, r.Manifest().Keepsakes); diff != "" {
		t.Errorf("keepsakes (-written +read):\n%s", diff)
	}
	if lacking := schema.Lacking(m.Keepsakes, r.Manifest().Keepsakes); lacking != nil {
		t.Errorf("lacking: %v", lacking)
	}
}
