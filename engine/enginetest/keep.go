package enginetest

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/schema"
)

// byHand is what somebody said of and granted on the tables of [family].
func byHand(f engine.Family) []string {
	if f != engine.Postgres {
		return nil
	}
	return []string{
		"COMMENT ON TABLE parent IS 'by hand'", "GRANT SELECT ON child TO PUBLIC", "GRANT UPDATE (id) ON parent TO PUBLIC", "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
		"CREATE PUBLICATION by_hand FOR TABLE parent",
	}
}

func testKeep(t *testing.T, e *env) {
	db := e.open(t, family()...)
	from, ok := db.(engine.Keeper)
	if !ok || byHand(e.family) == nil {
		return
	}
	exec(t, db, byHand(e.family)...)
	list := keepsakes(t, from)
	if len(list) < len(byHand(e.family)) {
		t.Errorf("there are %d keepsakes, want at least %d", len(list), len(byHand(e.family)))
	}
	if diff := cmp.Diff(list, keepsakes(t, from)); diff != "" {
		t.Errorf("two looks differ (-first +second):\n%s", diff)
	}
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	var read []schema.Keepsake // as a manifest gives it
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	t.Run("Given", func(t *testing.T) {
		other := e.open(t, family()...)
		for range 2 {
			if rest := keep(t, other.(engine.Keeper), read); len(rest) > 0 {
				t.Errorf("left out: %v", rest)
			}
			if lacking := schema.Lacking(list, keepsakes(t, other.(engine.Keeper))); len(lacking) > 0 {
				t.Errorf("lacking: %v", lacking)
			}
			if diff := schema.Diff(inspect(t, db).Objects, inspect(t, other).Objects); diff != nil {
				t.Errorf("objects differ: %v", diff)
			}
		}
	})
	t.Run("NothingThere", func(t *testing.T) {
		empty := e.open(t)
		rest := keep(t, empty.(engine.Keeper), list)
		if len(rest) == 0 {
			t.Error("nothing was left out, and there is nothing to give it to")
		}
		for _, u := range rest {
			if u.Refused || u.Why == "" || u.Kind == "" || u.Name == "" {
				t.Errorf("left out: %+v", u)
			}
		}
	})
	t.Run("Cancelled", func(t *testing.T) {
		other := e.open(t, family()...)
		before := keepsakes(t, other.(engine.Keeper))
		ctx, cancel := context.WithCancel(deadline(t))
		cancel()
		if _, err := other.(engine.Keeper).Keep(ctx, list); !errors.Is(err, context.Canceled) {
			t.Errorf("keep: %v, want Canceled", err)
		}
		if diff := cmp.Diff(before, keepsakes(t, other.(engine.Keeper))); diff != "" {
			t.Errorf("something was given (-before +after):\n%s", diff)
		}
	})
}

func keepsakes(t testing.TB, k engine.Keeper) []schema.Keepsake {
	t.Helper()
	list, err := k.Keepsakes(deadline(t))
	if err != nil {
		t.Fatalf("keepsakes: %v", err)
	}
	return list
}

func keep(t testing.TB, k engine.Keeper, list []schema.Keepsake) []engine.Unkept {
	t.Helper()
	rest, err := k.Keep(deadline(t), list)
	if err != nil {
		t.Fatalf("keep: %v", err)
	}
	return rest
}
