package story

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lowerEmails changes rows only, channelPosition and the last one do so beside what they make: no schema shows whether
// they did.
const (
	lowerEmails     = "lowerEmails1690000000000"
	channelPosition = "channelPosition1695000000000"
)

// TestRepair is the story's other way out, for a database that may not be dropped: the doctor names what is unrecorded,
// repair records it, and TypeORM has nothing to do.
func TestRepair(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		for _, version := range versions() {
			t.Run("typeorm-"+version, func(t *testing.T) {
				t.Parallel()
				a := newApp(t, engine, version)
				a.breakIt(t, "--synchronize")
				a.failsToStart(t)
				a.repairAtPosition(t)
				a.repairAtEnd(t)
				a.checkRevert(t)
				a.ready(t)
			})
		}
	})
}

// diagnosis is what `mulligan doctor --json` says, as far as a script would look.
type diagnosis struct {
	Healthy    bool
	Match      string
	Recorded   string
	Effective  string
	Migrations []struct{ ID, Verdict string }
}

// diagnose runs the doctor, which must exit with a code.
func (a *app) diagnose(t *testing.T, code int) diagnosis {
	t.Helper()
	r := a.tryMulligan(t, a.env(), "doctor", "--json")
	if r.code != code {
		t.Fatalf("mulligan doctor: exit %d, want %d\n%s%s", r.code, code, r.stdout, r.stderr)
	}
	var d diagnosis
	if err := json.Unmarshal([]byte(r.stdout), &d); err != nil {
		t.Fatalf("mulligan doctor --json: %v\n%s", err, r.stdout)
	}
	return d
}

func (d diagnosis) named(verdict string) []string {
	list := []string{}
	for _, m := range d.Migrations {
		if m.Verdict == verdict {
			list = append(list, m.ID)
		}
	}
	return list
}

// repairAtPosition mends the ledger of the broken database: all up to the position is recorded, the two later
// migrations are pending, and TypeORM runs those and no other.
func (a *app) repairAtPosition(t *testing.T) {
	t.Helper()
	d := a.diagnose(t, 1)
	if d.Recorded != first || d.Effective != position || d.Match != "equal" && d.Match != "near" {
		t.Errorf("ledger at %s, schema at %s, %s; want %s, %s, equal or near", d.Recorded, d.Effective, d.Match, first, position)
	}
	want := []string{
		"webauthn1675045120206", "messageFlags1678000000000", "guildFeatures1680500000000", "sessionStatus1682000000000",
		"messageEdited1684000000001", "userNick1686000000000", "userLocale1688000000000", position,
	}
	if diff := cmp.Diff(want, d.named("unrecorded")); diff != "" {
		t.Errorf("unrecorded (-want +got):\n%s", diff)
	}
	if got := d.named("unprovable"); !slices.Equal(got, []string{lowerEmails}) {
		t.Errorf("unprovable: %v", got)
	}
	if got := d.named("pending"); !slices.Equal(got, []string{channelPosition, last}) {
		t.Errorf("pending: %v", got)
	}
	records := a.server.Query(t, a.database, "SELECT name FROM migrations ORDER BY name")
	a.refuses(t, a.env(), []string{"repair", "--yes"}, 1, lowerEmails, "changes rows", "nothing was written")
	if got := a.server.Query(t, a.database, "SELECT name FROM migrations ORDER BY name"); !slices.EqualFunc(records, got, slices.Equal) {
		t.Errorf("the refused repair left the ledger as %v, it was %v", got, records)
	}
	out := a.mulligan(t, "repair", "--yes", "--assume", lowerEmails)
	if !strings.Contains(out, "repaired") {
		t.Errorf("mulligan repair:\n%s", out)
	}
	if d := a.diagnose(t, 0); !d.Healthy || d.Recorded != position {
		t.Errorf("after the repair: healthy %t, ledger at %s", d.Healthy, d.Recorded)
	}
	run := a.typeorm(t, "migration:run")
	for _, name := range []string{channelPosition, last} {
		if !strings.Contains(run, name) {
			t.Errorf("typeorm migration:run does not run %s:\n%s", name, run)
		}
	}
	if got := a.shown(t); got != (shown{done: 12}) {
		t.Errorf("typeorm migration:show: %+v", got)
	}
}

// repairAtEnd loses the ledger once more, with every migration there: then TypeORM has nothing at all to do.
func (a *app) repairAtEnd(t *testing.T) {
	t.Helper()
	whole := a.server.Query(t, a.database, "SELECT timestamp, name FROM migrations ORDER BY timestamp, name")
	a.server.Query(t, a.database, "DELETE FROM migrations WHERE name <> '"+first+"'")
	if got := a.diagnose(t, 1).Effective; got != last {
		t.Errorf("the schema is said to be at %s, want %s", got, last)
	}
	a.refuses(t, a.env(), []string{"repair", "--yes", "--assume", lowerEmails, "--assume", channelPosition}, 1, last, "INSERT INTO audit_logs")
	a.mulligan(t, "repair", "--yes", "--assume", lowerEmails, "--assume", channelPosition, "--assume", last)
	if out := a.typeorm(t, "migration:run"); !strings.Contains(out, nothing) {
		t.Errorf("typeorm migration:run after the repair:\n%s", out)
	}
	if diff := cmp.Diff(whole, a.server.Query(t, a.database, "SELECT timestamp, name FROM migrations ORDER BY timestamp, name")); diff != "" {
		t.Errorf("the ledger's rows (-TypeORM's +ours):\n%s", diff)
	}
	if beside := a.beside(t, a.database); len(beside) != 0 {
		t.Errorf("databases were left: %v", beside)
	}
}
