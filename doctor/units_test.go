package doctor_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"mulligan/doctor"
	"mulligan/internal/testengine"
	"mulligan/migration"
)

// Of a long history, whatever part of it is there, whatever part is recorded, and whatever one object was lost, each
// migration gets its own verdict, although most are looked at in company.
func TestLongHistory(t *testing.T) {
	const n = 40
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 7))
			s := newSite(t, testengine.SQLite)
			s.clear()
			for i := 1; i <= n; i++ {
				s.write(name(i), step(i))
			}
			end := random.IntN(n + 1)
			if end > 0 {
				s.migrate(id(end))
			}
			lost := 0 // a migration whose table somebody has dropped
			if end > 2 && seed%3 == 0 {
				for lost = 7; lost%7 == 0; {
					lost = 1 + random.IntN(end)
				}
				s.db.Exec(t, fmt.Sprintf("DROP TABLE t%d", lost))
			}
			recorded := make([]bool, n+1)
			prefix := random.IntN(end + 1)
			for i := 1; i <= end; i++ {
				recorded[i] = i <= prefix || random.IntN(5) == 0
				if !recorded[i] {
					s.forget(string(id(i)))
				}
			}
			if end == 0 {
				s.db.Exec(t, "CREATE TABLE schema_migrations (version varchar(128) PRIMARY KEY)")
			}
			lies := false // something is there and not recorded
			for i := 1; i <= end; i++ {
				lies = lies || !recorded[i] && i%7 != 0 && i != lost
			}
			want := map[string]doctor.Verdict{}
			for i := 1; i <= n; i++ {
				want[string(id(i))] = verdict(i, end, lost, recorded[i], lies)
			}
			d := s.examine()
			for _, m := range d.Migrations {
				if m.Verdict != want[string(m.ID)] {
					t.Errorf("migration %s is %s (%s), want %s; there are %d, %d lost, %d recorded at the beginning",
						m.ID, m.Verdict, m.Trace, want[string(m.ID)], end, lost, prefix)
				}
			}
		})
	}
}

func id(i int) migration.ID { return migration.ID(fmt.Sprintf("%03d", i)) }

func name(i int) string { return string(id(i)) + "_step.sql" }

// verdict is what is to be said of a migration.
func verdict(i, end, lost int, recorded, lies bool) doctor.Verdict {
	silent := i%7 == 0
	// Tools go in order: what comes after one that is still to be run was not run.
	beyond := i > end+1 && (end+1)%7 != 0 || i > end+2
	switch {
	case i == lost && recorded:
		return doctor.RecordedMissing
	case recorded:
		return doctor.Applied
	case i == lost && i < end:
		return doctor.OutOfOrder
	case i == lost, i > end && !silent, i > end && !lies, beyond:
		return doctor.Pending
	case silent:
		return doctor.Unprovable
	default:
		return doctor.Unrecorded
	}
}

// step makes a table and an index; every seventh changes rows only.
func step(i int) string {
	if i%7 == 0 {
		return fmt.Sprintf("UPDATE t%d SET name = 'x';", i-1)
	}
	return fmt.Sprintf("CREATE TABLE t%d (id integer PRIMARY KEY, name varchar(9));\nCREATE INDEX t%d_name ON t%d (name);", i, i, i)
}
