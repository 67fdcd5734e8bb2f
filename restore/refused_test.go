package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"mulligan/engine"
	"mulligan/schema"
)

// picky refuses loads with a row that it does not like.
type picky struct {
	refuses func(row string) bool
	loads   int
}

func (p *picky) Load(_ context.Context, _ *schema.Table, _ []string, rows io.Reader) (int64, error) {
	p.loads++
	text, err := io.ReadAll(rows)
	if err != nil {
		return 0, err
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if slices.ContainsFunc(lines, p.refuses) {
		return 0, errors.New("refused")
	}
	return int64(len(lines)), nil
}

func TestSieveFindsTheRowsThatAreRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 3000).Draw(t, "rows")
		bad := rapid.MapOfN(rapid.IntRange(0, n-1), rapid.Just(true), 0, engine.MaxKeys+3).Draw(t, "bad")
		s := &sieve{ctx: t.Context(), loader: &picky{refuses: func(row string) bool {
			var i int
			_, err := fmt.Sscanf(row, "%d", &i)
			return err != nil || bad[i]
		}}}
		for i := range n {
			s.lines = append(s.lines, fmt.Appendf(nil, "%d\tx\n", i))
		}
		s.sift(0, n)
		var want []int
		for i := range n {
			if bad[i] && len(want) < engine.MaxKeys {
				want = append(want, i)
			}
		}
		if diff := cmp.Diff(want, s.refused); diff != "" {
			t.Fatalf("rows (-want +got):\n%s", diff)
		}
		if s.more != (len(bad) > engine.MaxKeys) && len(bad) != engine.MaxKeys {
			t.Fatalf("more %t of %d", s.more, len(bad))
		}
		if loads := s.loader.(*picky).loads; loads > 2*(engine.MaxKeys+1)*13 {
			t.Fatalf("%d loads", loads)
		}
	})
}

func TestFaultNamesKeysOnly(t *testing.T) {
	s := &sieve{refused: []int{1, 2}, lines: [][]byte{[]byte("a\t1\tb\n"), []byte("sec\\tret\t\\N\tk\\\\e\\ny\n"), []byte("secret\t7\tz\n")}}
	s.p.to, s.p.columns = &schema.Table{Name: schema.Name{Table: "t"}, Key: []string{"k", "n"}}, []string{"x", "n", "k"}
	e := s.fault()
	if diff := cmp.Diff([][]string{{"k\\e\ny", "NULL"}, {"z", "7"}}, e.Keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	s.p.to.Key = nil
	if got, want := s.fault().Error(), "load of table t: 2 rows that the server refuses: line of the chunk 2, 3"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
