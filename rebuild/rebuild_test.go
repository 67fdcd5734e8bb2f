package rebuild_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/rebuild"
)

func TestRebuild(t *testing.T) {
	t.Parallel()
	for _, strategy := range strategies() {
		t.Run(string(strategy), func(t *testing.T) {
			s := newSite(t, 50)
			before := s.dump(t, s.name)
			p := s.begin(t, strategy)
			if err := p.execute(t, t.Context()); err != nil {
				t.Fatal(err)
			}
			s.wantProved(t, p, before, s.dump(t, s.name))
			db, err := s.real.Open(t.Context(), s.name)
			must(t, err)
			for _, c := range []struct{ what, query, want string }{
				{"the data migration has transformed every row", `SELECT count(*) FROM users WHERE locale = 'of ' || nick`, "50"},
				{"nobody else is there", `SELECT count(*) FROM users`, "50"},
				{"children", `SELECT count(*) FROM security_keys k JOIN users u ON u.id = k.user_id AND k.key = hex(u.id)`, "25"},
				{"seeds are replaced", `SELECT group_concat(name || power) FROM (SELECT * FROM roles ORDER BY name)`, "admin9,owner10"},
				{"triggers were mute", `SELECT count(*) FROM audit`, "51"},
				{"the ledger is whole", `SELECT group_concat(version) FROM (SELECT version FROM schema_migrations ORDER BY 1)`, "001,002,003,004,005,006"},
				{"no number is given out twice", `INSERT INTO users (nick) VALUES ('new') RETURNING id`, "1000001"},
			} {
				if got := query(t, db, c.query); !slices.Equal(got, []string{c.want}) {
					t.Errorf("%s: %q, want %q", c.what, got, c.want)
				}
			}
			must(t, db.Close())
		})
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	s := newSite(t, 10)
	p := s.begin(t, "beside")
	must(t, p.execute(t, t.Context()))
	text, err := os.ReadFile(filepath.Join(p.Dir, "report.json"))
	must(t, err)
	var report rebuild.Report
	must(t, json.Unmarshal(text, &report))
	var names []string
	for _, stage := range report.Stages {
		names = append(names, stage.Name)
		if stage.Name != "report" && (stage.State != "proved" || stage.Proof == nil || stage.Seconds < 0 || stage.Seconds > 600) {
			t.Errorf("stage %+v", stage)
		}
	}
	want := []string{"preflight", "backup", "verify", "create", "replay", "compare-schema", "load", "compare-data", "keep", "advance", "swap", "report"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("stages (-want +got):\n%s", diff)
	}
	var replay struct {
		Position, Recorded, How string
		Unrecorded              []string
	}
	if !report.Proof("replay", &replay) || replay.Position != "004" || replay.Recorded != "001" || strings.Join(replay.Unrecorded, " ") != "002 003 004" {
		t.Errorf("replay says %+v", replay)
	}
	if report.State != rebuild.StateProved || report.Finished.IsZero() || report.Plan == nil || report.Error != "" {
		t.Errorf("report says %s at %s, plan %v, error %q", report.State, report.Finished, report.Plan, report.Error)
	}
}
