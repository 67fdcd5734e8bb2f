package restore

import (
	"fmt"
	"strings"

	"mulligan/migration"
	"mulligan/schema"
	"mulligan/snapshot"
)

// Misfit is one reason why rows of a snapshot cannot be loaded into a schema.
type Misfit struct {
	Table  schema.Name `json:"table"`
	Column string      `json:"column,omitempty"`
	Reason string      `json:"reason"`
}

// String says the misfit in one line.
func (m Misfit) String() string {
	if m.Column == "" {
		return fmt.Sprintf("table %s: %s", m.Table, m.Reason)
	}
	return fmt.Sprintf("table %s, column %s: %s", m.Table, m.Column, m.Reason)
}

// Fit lists why the rows of the tables cannot go into a schema under a mapping; nil = they can.
// It looks at names only: whether values keep their meaning is proved after the load.
func Fit(tables []*snapshot.Table, s *schema.Schema, mapping []Mapping) []Misfit {
	var misfits []Misfit
	for _, t := range tables {
		_, m := arrange(t, s, mapping)
		misfits = append(misfits, m...)
	}
	return misfits
}

func misfitError(at migration.ID, misfits []Misfit) error {
	lines := make([]string, len(misfits))
	for i, m := range misfits {
		lines[i] = m.String()
	}
	where := "after migration " + string(at)
	if at == "" {
		where = "before the first migration"
	}
	return fmt.Errorf("%w, nearest %s:\n  %s", ErrMisfit, where, strings.Join(few(lines), "\n  "))
}

// Records are the ledger's records as a snapshot holds them.
func Records(list []snapshot.Record) []migration.Record {
	records := make([]migration.Record, len(list))
	for i, r := range list {
		records[i] = migration.Record{ID: migration.ID(r.ID), State: migration.State(r.State), At: r.At, Raw: r.Raw}
	}
	return records
}
