package migration

import (
	"context"
	"slices"
	"sync"
)

// Verdict says on which of the two sides a migration stands.
type Verdict string

// The verdicts of [Compare].
const (
	VerdictApplied Verdict = "applied" // a file and a good record
	VerdictPending Verdict = "pending" // a file without a record
	VerdictDirty   Verdict = "dirty"   // a file and a record that is not good
	VerdictOrphan  Verdict = "orphan"  // a record without a file
)

// Status is one migration as files and ledger tell it.
type Status struct {
	Migration Migration `json:"migration"` // for an orphan only its ID
	Verdict   Verdict   `json:"verdict"`
	Records   []Record  `json:"records,omitempty"` // all rows that name it; more than one is a duplicate
}

// Compare lays the files and the ledger's records side by side: first the files in their order,
// then the orphans in the ledger's. Of several records for one migration the last good one counts.
func Compare(files []Migration, records []Record) []Status {
	byID := make(map[ID][]Record, len(records))
	for _, r := range records {
		byID[r.ID] = append(byID[r.ID], r)
	}
	list := make([]Status, 0, len(files))
	for _, m := range files {
		rows := byID[m.ID]
		delete(byID, m.ID)
		list = append(list, Status{Migration: m, Verdict: verdict(rows), Records: rows})
	}
	for _, r := range records {
		rows, orphan := byID[r.ID]
		if !orphan {
			continue
		}
		delete(byID, r.ID)
		list = append(list, Status{Migration: Migration{ID: r.ID}, Verdict: VerdictOrphan, Records: rows})
	}
	return list
}

func verdict(rows []Record) Verdict {
	v := VerdictPending
	for _, r := range rows {
		switch r.State {
		case Applied:
			return VerdictApplied
		case Failed:
			v = VerdictDirty
		case RolledBack:
		}
	}
	return v
}

// Position is the last migration in the order of the files that the records call applied;
// the zero ID where there is none.
func Position(files []Migration, records []Record) ID {
	var last ID
	for _, s := range Compare(files, records) {
		if s.Verdict == VerdictApplied {
			last = s.Migration.ID
		}
	}
	return last
}

// SameRecords tells whether two readings of a ledger name the same migrations, in the same states and order.
func SameRecords(a, b []Record) bool {
	return slices.EqualFunc(a, b, func(x, y Record) bool { return x.ID == y.ID && x.State == y.State })
}

// Index finds a migration in a list by its ID; -1 = it is not there.
func Index(files []Migration, id ID) int {
	for i, m := range files {
		if m.ID == id {
			return i
		}
	}
	return -1
}

// Listed is a source that is asked once, and then remembers its list. It is safe for concurrent use.
type Listed struct {
	Source Source

	mu    sync.Mutex // guards files
	files []Migration
}

// Migrations is [Source.Migrations]. An error is not remembered.
func (l *Listed) Migrations(ctx context.Context) ([]Migration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.files == nil {
		files, err := l.Source.Migrations(ctx)
		if err != nil {
			return nil, err
		}
		l.files = files
	}
	return slices.Clone(l.files), nil
}
