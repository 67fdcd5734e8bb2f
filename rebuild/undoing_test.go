package rebuild_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"mulligan/rebuild"
)

// An undo that was killed may have put the old database back, without its last word in the journal. The proofs that
// stand there are of another time: a resume must not believe them.
func TestResumeAfterKilledUndo(t *testing.T) {
	for _, strategy := range strategies() {
		t.Run(string(strategy), func(t *testing.T) {
			s := newSite(t, 20)
			before := s.dump(t, s.name)
			p := s.begin(t, strategy)
			must(t, p.execute(t, t.Context()))
			_, err := p.undo(t)
			must(t, err)
			text, err := os.ReadFile(p.journal)
			must(t, err)
			end := strings.LastIndex(strings.TrimSuffix(string(text), "\n"), "\n") + 1
			must(t, os.Truncate(p.journal, int64(end)))

			err = s.process(p.Header).execute(t, t.Context())
			var failure *rebuild.Failure
			if !errors.Is(err, rebuild.ErrUndoing) || !errors.As(err, &failure) || failure.State != rebuild.Midway {
				t.Errorf("resume: %v, want ErrUndoing, midway", err)
			}
			if _, err := s.process(p.Header).undo(t); err != nil {
				t.Errorf("undo: %v", err)
			}
			if s.dump(t, s.name) != before {
				t.Error("after the undo rows differ")
			}
		})
	}
}
