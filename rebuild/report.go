package rebuild

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"mulligan/journal"
	"mulligan/restore"
	"mulligan/snapshot"
)

// Report is what is left of a run: its stages with times and proofs, and what was and was not carried over.
type Report struct {
	Header   Header        `json:"run"`
	State    string        `json:"state"` // "proved", "unfinished", "failed", "undone"
	Started  time.Time     `json:"started"`
	Finished time.Time     `json:"finished,omitzero"` // zero = it did not come to its end
	Stages   []StageReport `json:"stages"`
	Plan     *Plan         `json:"plan,omitempty"`
	Error    string        `json:"error,omitempty"` // of the last failure, while the run is not proved
	Kept     string        `json:"kept,omitempty"`  // the database that an undo has taken out
	Drops    []Drop        `json:"drops,omitempty"` // of databases that this run had taken out of their place
	Freed    []Freed       `json:"freed,omitempty"` // what this run dropped when it was proved

	moved   time.Time // when it began to move what has the target's name; zero = it did not
	undoing bool      // an undo was begun
}

// StageReport is one stage of a run.
type StageReport struct {
	Name    string          `json:"stage"`
	State   string          `json:"state"` // "proved", "started", "failed"
	Seconds float64         `json:"seconds"`
	Proof   json.RawMessage `json:"proof,omitempty"`
}

// The states of a run.
const (
	StateProved     = "proved"
	StateUnfinished = "unfinished"
	StateFailed     = "failed"
	StateUndone     = "undone"
)

// undoneStage is the journal's word for an undo.
const undoneStage = "undo"

// NewReport reads a run's journal.
func NewReport(entries []journal.Entry) (*Report, error) {
	if len(entries) == 0 || entries[0].Kind != journal.KindHeader {
		return nil, errors.New("the journal has no header")
	}
	r := &Report{State: StateUnfinished, Started: entries[0].Time}
	if err := json.Unmarshal(entries[0].Data, &r.Header); err != nil {
		return nil, fmt.Errorf("read the journal's header: %w", err)
	}
	for _, e := range entries[1:] {
		r.add(e)
	}
	return r, nil
}

func (r *Report) add(e journal.Entry) {
	switch e.Kind {
	case journal.KindStart:
		r.State, r.Error = StateUnfinished, ""
		r.begins(e)
		r.Stages = append(r.Stages, StageReport{Name: e.Stage, State: "started", Seconds: -e.Time.Sub(r.Started).Seconds()})
	case journal.KindCheckpoint:
		if s := r.last(e.Stage); s != nil {
			s.State, s.Proof = StateProved, e.Data
			s.Seconds += e.Time.Sub(r.Started).Seconds()
		}
	case journal.KindFailed:
		r.State = StateFailed
		var note struct{ Error string }
		if json.Unmarshal(e.Data, &note) == nil {
			r.Error = note.Error
		}
		if s := r.last(e.Stage); s != nil && s.State == "started" {
			s.State = StateFailed
			s.Seconds += e.Time.Sub(r.Started).Seconds()
		}
	case journal.KindEnd:
		r.State, r.Finished = StateProved, e.Time
		if e.Stage == undoneStage {
			r.State = StateUndone
			var end struct{ Kept string }
			if json.Unmarshal(e.Data, &end) == nil {
				r.Kept = end.Kept
			}
		}
	case journal.KindNote:
		r.note(e)
	case journal.KindHeader: // only the first entry is one
	}
}

// begins takes up what the start of a stage says about the names of databases.
func (r *Report) begins(e journal.Entry) {
	switch {
	case e.Stage == "swap" || e.Stage == "create" && r.Header.Strategy == restore.InPlace:
		r.moved = e.Time
	case e.Stage == undoneStage:
		r.undoing = true
	}
}

func (r *Report) note(e journal.Entry) {
	switch e.Stage {
	case planNote:
		r.Plan = &Plan{}
		if json.Unmarshal(e.Data, r.Plan) != nil {
			r.Plan = nil
		}
	case refreshNote:
		var n refreshed
		if json.Unmarshal(e.Data, &n) == nil {
			r.Header.Snapshot = n.Snapshot
		}
	case dropNote:
		var d Drop
		if json.Unmarshal(e.Data, &d) == nil {
			d.Time = e.Time
			r.setDrop(d)
		}
	case freedNote:
		var f Freed
		if json.Unmarshal(e.Data, &f) == nil {
			r.Freed = append(r.Freed, f)
		}
	}
}

// last finds the newest entry of a stage; a stage that was done again has several.
func (r *Report) last(stage string) *StageReport {
	for i := len(r.Stages) - 1; i >= 0; i-- {
		if r.Stages[i].Name == stage {
			return &r.Stages[i]
		}
	}
	return nil
}

// Proof decodes the newest proof of a stage into v; false = there is none.
func (r *Report) Proof(stage string, v any) bool {
	s := r.last(stage)
	return s != nil && s.Proof != nil && json.Unmarshal(s.Proof, v) == nil
}

// planNote is the stage under which a run's plan is noted in the journal.
const planNote = "plan"

const reportName = "report.json"

// writeReport writes the report beside the journal. The times of this very stage are not in it.
func (r *Run) writeReport(context.Context) error {
	report, err := NewReport(r.journal.Entries())
	if err != nil {
		return err
	}
	report.State, report.Finished = StateProved, time.Now().UTC()
	data, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	path := filepath.Join(r.Dir, reportName)
	if err := os.WriteFile(path+".tmp", append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

func (r *Run) checkReport(context.Context) (any, error) {
	if _, err := os.Stat(filepath.Join(r.Dir, reportName)); err != nil {
		return nil, fmt.Errorf("look for the report: %w", err)
	}
	return map[string]string{"report": reportName}, nil
}

// JournalName is the journal's file in a run's folder.
const JournalName = "journal.jsonl"

// Runs lists the reports of all runs under a folder, oldest first. A run whose journal cannot be read is
// in the list with its error in State and Error.
func Runs(dir string) ([]*Report, error) {
	folders, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	var list []*Report
	for _, f := range folders {
		if !f.IsDir() {
			continue
		}
		report, err := ReadRun(filepath.Join(dir, f.Name()))
		if err != nil {
			report = &Report{State: "damaged", Error: err.Error()}
			report.Header.Run = snapshot.ID(f.Name())
		}
		list = append(list, report)
	}
	return list, nil
}

// ReadRun reads the report of one run from its folder.
func ReadRun(dir string) (*Report, error) {
	entries, err := journal.Read(filepath.Join(dir, JournalName))
	if err != nil {
		return nil, err
	}
	return NewReport(entries)
}
