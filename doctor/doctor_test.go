package doctor_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/doctor"
	"mulligan/engine"
	"mulligan/internal/testengine"
	"mulligan/migration"
)

// What becomes of the library's ledger and schema, and what the doctor says of it.
func TestVerdicts(t *testing.T) {
	const healthy = "1 applied, 2 applied, 3 applied, 4 applied, 5 applied, 6 applied"
	tests := []struct {
		name      string
		prepare   func(s *site)
		want      string
		kinds     string
		match     doctor.Match
		effective migration.ID
		healthy   bool
	}{
		{name: "Healthy", prepare: func(*site) {}, want: healthy, match: doctor.Equal, effective: "6", healthy: true},
		{
			name:    "OneRow",
			prepare: func(s *site) { s.forget("2", "3", "4", "5", "6") },
			want:    "1 applied, 2 unrecorded, 3 unrecorded, 4 unprovable, 5 unrecorded, 6 unrecorded",
			kinds:   "1 unprovable, 4 unrecorded", match: doctor.Equal, effective: "6",
		},
		{
			name: "NoRow", prepare: func(s *site) { s.forget("1", "2", "3", "4", "5", "6") },
			want:  "1 unrecorded, 2 unrecorded, 3 unrecorded, 4 unprovable, 5 unrecorded, 6 unrecorded",
			kinds: "1 unprovable, 5 unrecorded", match: doctor.Equal, effective: "6",
		},
		{
			name: "Middle", prepare: func(s *site) { s.forget("3") },
			want:  "1 applied, 2 applied, 3 unrecorded, 4 applied, 5 applied, 6 applied",
			kinds: "1 unrecorded", match: doctor.Equal, effective: "6",
		},
		{
			name: "Last", prepare: func(s *site) { s.forget("6") },
			want:  "1 applied, 2 applied, 3 applied, 4 applied, 5 applied, 6 unrecorded",
			kinds: "1 unrecorded", match: doctor.Equal, effective: "6",
		},
		{
			name: "Pending", prepare: func(s *site) { s.write("7_likes.sql", "CREATE TABLE likes (id integer PRIMARY KEY);") },
			want: healthy + ", 7 pending", match: doctor.Equal, effective: "6", healthy: true,
		},
		{
			name: "PendingData", prepare: func(s *site) { s.write("7_trim.sql", "UPDATE users SET email = trim(email);") },
			want: healthy + ", 7 pending", match: doctor.Equal, effective: "6", healthy: true,
		},
		{
			name: "LateBranch", prepare: func(s *site) { s.write("25_likes.sql", "CREATE TABLE likes (id integer PRIMARY KEY);") },
			// dbmate sorts by name, and 5 stands before _ there.
			want:  "1 applied, 25 out-of-order, 2 applied, 3 applied, 4 applied, 5 applied, 6 applied",
			kinds: "1 out-of-order", match: doctor.Equal, effective: "6", healthy: true,
		},
		{
			name: "RecordedMissing", prepare: func(s *site) { s.db.Exec(s.t, "DROP TABLE tags") },
			want:  "1 applied, 2 applied, 3 applied, 4 applied, 5 applied, 6 recorded-missing",
			kinds: "1 recorded-missing", match: doctor.Equal, effective: "5",
		},
		{
			name: "HandMade",
			prepare: func(s *site) {
				s.db.Exec(s.t, "ALTER TABLE users ADD COLUMN nick varchar(9)", "CREATE INDEX by_locale ON users (locale)")
			},
			want: healthy, kinds: "2 drift", match: doctor.Differs, effective: "6",
		},
		{
			name: "HandMadeAndUnrecorded",
			prepare: func(s *site) {
				s.db.Exec(s.t, "ALTER TABLE users ADD COLUMN nick varchar(9)")
				s.forget("5", "6")
			},
			want:  "1 applied, 2 applied, 3 applied, 4 applied, 5 unrecorded, 6 unrecorded",
			kinds: "1 drift, 2 unrecorded", match: doctor.Differs, effective: "6",
		},
		{
			name: "Renamed", prepare: func(s *site) { s.rename("6_tags.sql", "61_tags.sql") },
			want:  "1 applied, 2 applied, 3 applied, 4 applied, 5 applied, 61 unrecorded, 6 file-missing",
			kinds: "1 file-missing, 1 unrecorded", match: doctor.Equal, effective: "61",
		},
		{
			name: "Edited",
			prepare: func(s *site) {
				s.write("6_tags.sql", "CREATE TABLE tags (id integer PRIMARY KEY, name varchar(20), colour varchar(7));")
			},
			want:  "1 applied, 2 applied, 3 applied, 4 applied, 5 applied, 6 recorded-missing",
			kinds: "1 recorded-missing", match: doctor.Differs, effective: "6",
		},
		{
			name: "HalfApplied",
			prepare: func(s *site) {
				s.forget("5")
				s.db.Exec(s.t, dropIndex(s.db.Family(), "users_email", "users"))
			},
			want:  "1 applied, 2 applied, 3 applied, 4 applied, 5 half-applied, 6 applied",
			kinds: "1 half-applied", match: doctor.Differs, effective: "6",
		},
	}
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				s := newSite(t, open)
				test.prepare(s)
				d := s.examine()
				if got := verdicts(d); got != test.want {
					t.Errorf("verdicts\n got %s\nwant %s", got, test.want)
				}
				if got := kinds(d); got != test.kinds {
					t.Errorf("findings\n got %s\nwant %s\n%+v", got, test.kinds, d.Findings)
				}
				type rest struct {
					Match     doctor.Match
					Effective migration.ID
					Healthy   bool
				}
				if diff := cmp.Diff(rest{test.match, test.effective, test.healthy}, rest{d.Match, d.Effective, d.Healthy}); diff != "" {
					t.Errorf("-want +got:\n%s\ndrift %v", diff, d.Drift)
				}
			})
		}
	})
}

func dropIndex(f engine.Family, index, table string) string {
	if f == engine.MySQL || f == engine.MariaDB {
		return "DROP INDEX " + index + " ON " + table
	}
	return "DROP INDEX " + index
}
