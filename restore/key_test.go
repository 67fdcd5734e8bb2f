package restore

import (
	"testing"

	"mulligan/snapshot"
)

// Without a key of the very snapshot nothing is moved: the server, which is none here, is not even asked.
func TestNoKeyNoMove(t *testing.T) {
	for what, key := range map[string]*snapshot.Verified{"no key": nil, "a zero key": {}} {
		for _, id := range []snapshot.ID{"", "20261122T215500Z-9f3a1c"} {
			b := &Build{Name: "app", Next: "app__mulligan_9f3a1c", Aside: "app__mulligan_old_9f3a1c", Replace: true, Snapshot: id}
			if err := b.setAside(t.Context(), key); err == nil {
				t.Errorf("%s, snapshot %q: set aside", what, id)
			}
			if err := b.putInPlace(t.Context(), key); err == nil {
				t.Errorf("%s, snapshot %q: put in place", what, id)
			}
		}
	}
}
