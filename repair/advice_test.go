package repair_test

import (
	"fmt"
	"strings"
	"testing"

	"mulligan/doctor"
	"mulligan/engine"
	"mulligan/migration"
	"mulligan/repair"
)

// What the doctor advises to repair, a repair does not refuse; and where it advises something else, it does.
func TestAdviceIsAllowed(t *testing.T) {
	verdicts := []doctor.Verdict{doctor.Unrecorded, doctor.HalfApplied, doctor.Dirty, doctor.Unprovable}
	traces := []doctor.Trace{
		doctor.TraceAll, doctor.TraceNone, doctor.TraceSome, doctor.TraceDifferent, doctor.TraceNothing, doctor.TraceBootstrap, doctor.TraceUnknown,
	}
	repaired, refused := 0, 0
	for bits := range 8 {
		for _, v := range verdicts {
			for _, trace := range traces {
				for _, family := range []engine.Family{engine.Postgres, engine.MySQL} {
					e := doctor.Examined{Migration: migration.Migration{ID: "7"}, Verdict: v, Trace: trace, Proved: bits&1 != 0}
					if bits&2 != 0 {
						e.Data = []doctor.DataStatement{{Text: "DELETE FROM users"}}
					}
					if bits&4 != 0 {
						e.Complete = []doctor.Completion{{SQL: "CREATE INDEX a ON b (c)", Adds: true}}
					}
					if advised(t, family, e) {
						repaired++
					} else {
						refused++
					}
				}
			}
		}
	}
	if repaired < 50 || refused < 50 {
		t.Errorf("%d were repaired and %d refused: too few of one", repaired, refused)
	}
}

// advised checks one migration, and tells whether a repair is advised.
func advised(t *testing.T, f engine.Family, e doctor.Examined) bool {
	t.Helper()
	d := &doctor.Diagnosis{Engine: f, Migrations: []doctor.Examined{e}}
	d.Findings = []doctor.Finding{{Kind: string(e.Verdict), Severity: doctor.Problem, Migration: e.ID, Fix: e.Fix(f)}}
	what := fmt.Sprintf("%s, %s, trace %s, proved %v, data %v, completion %v", f, e.Verdict, e.Trace, e.Proved, e.Data, e.Complete)
	command := ""
	for _, a := range d.Advice() {
		command += a.Command
	}
	all := repair.Request{Complete: true, Assume: []migration.ID{"7"}}
	if command == "" {
		// The user's word would do where the replay did not come to a migration, but to mend the replay is better.
		if got := repair.Decide(d, all); len(got.Steps) > 0 && e.Trace != doctor.TraceUnknown {
			t.Errorf("%s: no repair is advised, and one would %s", what, got.Steps[0].Action)
		}
		return false
	}
	r := repair.Request{Complete: strings.Contains(command, " --complete")}
	if strings.Contains(command, " --assume 7") {
		r.Assume = []migration.ID{"7"}
		if got := repair.Decide(d, repair.Request{}); len(got.Steps) > 0 {
			t.Errorf("%s: --assume is advised without need", what)
		}
	}
	if got := repair.Decide(d, r); len(got.Steps) != 1 || len(got.Refused) > 0 {
		t.Errorf("%s: %s is advised, and refused: %+v", what, command, got.Refused)
	}
	return true
}
