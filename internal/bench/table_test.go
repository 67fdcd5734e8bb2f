package bench

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// program is one way to do a case's work.
type program struct {
	name    string // as a user would type it
	args    []string
	env     []string
	missing string                             // why it cannot run; empty = it can
	before  func(b *testing.B)                 // makes room, not measured; may be nil
	after   func(b *testing.B) (written int64) // checks and clears, not measured; may be nil
}

// result is what a program took in each turn.
type result struct {
	program program
	took    []usage
	written int64 // bytes; 0 = it is not about that
	failed  string
}

// table is what is printed at the end.
type table struct {
	began  time.Time
	load   string
	blocks []block
	lines  []string // one for each engine: how long a rebuild takes a database away
}

type block struct {
	title   string
	results []result // mulligan first
}

// compare lets programs take turns and adds them to the table. The first is mulligan, and must not fail; a
// peer that fails is said to have failed.
func compare(b *testing.B, title string, programs ...program) {
	b.Helper()
	results := make([]result, len(programs))
	for i, p := range programs {
		results[i] = result{program: p, failed: p.missing}
	}
	for turn := range setting(b, "MULLIGAN_BENCH_RUNS", 3) {
		for k := range programs {
			i := k
			if turn%2 == 1 {
				i = len(programs) - 1 - k
			}
			if results[i].failed != "" {
				continue
			}
			if err := results[i].turn(b); err != nil {
				if i == 0 {
					b.Fatal(err)
				}
				b.Logf("%v", err)
				results[i].failed = "failed"
			}
		}
	}
	made.table.blocks = append(made.table.blocks, block{title, results})
	own := results[0]
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(own.took, wall), "s-wall")
	b.ReportMetric(median(own.took, memory), "MB-peak")
	for _, r := range results[1:] {
		if r.failed == "" {
			b.ReportMetric(ratio(own, r), "of-"+strings.Fields(r.program.name)[0])
		}
	}
}

func (r *result) turn(b *testing.B) error {
	b.Helper()
	if r.program.before != nil {
		r.program.before(b)
	}
	took, err := measure(b, r.program)
	if err != nil {
		return err
	}
	if r.program.after != nil {
		r.written = r.program.after(b)
	}
	r.took = append(r.took, took)
	return nil
}

func wall(u usage) float64   { return u.Wall.Seconds() }
func cpu(u usage) float64    { return u.CPU.Seconds() }
func memory(u usage) float64 { return float64(u.RSS) / 1e6 }

func sorted(list []usage, of func(usage) float64) []float64 {
	var values []float64
	for _, u := range list {
		values = append(values, of(u))
	}
	slices.Sort(values)
	return values
}

func median(list []usage, of func(usage) float64) float64 { return middle(sorted(list, of)) }

// middle is the median of sorted values; 0 = there are none.
func middle(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return 0
	}
	return (values[(n-1)/2] + values[n/2]) / 2
}

// ratio is the median over the turns of mulligan's wall time to a peer's.
func ratio(own, peer result) float64 {
	var list []float64
	for i := range min(len(own.took), len(peer.took)) {
		list = append(list, wall(own.took[i])/wall(peer.took[i]))
	}
	slices.Sort(list)
	return middle(list)
}

// print writes the table: medians, the least in brackets.
func (t *table) print(w io.Writer) {
	if len(t.blocks)+len(t.lines) == 0 {
		return
	}
	defer func() {
		if len(t.lines) > 0 {
			fmt.Fprintf(w, "\nlongest time between two answered reads during a rebuild beside (load before %s)\n  %s\n", t.load, strings.Join(t.lines, "\n  "))
		}
	}()
	fmt.Fprintf(w, "\n%d processors, %s/%s; load before %s, after %s; %s in all\n", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH,
		t.load, loadAverage(), time.Since(t.began).Round(time.Second))
	fmt.Fprintln(w, "medians (least) of whole processes; ratio = mulligan's wall time to the program's, median of the turns")
	for _, block := range t.blocks {
		fmt.Fprintf(w, "\n%s\n", block.title)
		var buf bytes.Buffer
		tab := tabwriter.NewWriter(&buf, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(tab, "wall s\tCPU s\tpeak MB\tMB out\tratio\t  program")
		for i, r := range block.results {
			fmt.Fprintln(tab, r.line(block.results[0], i == 0))
		}
		_ = tab.Flush() // into memory
		_, _ = buf.WriteTo(w)
	}
}

func (r *result) line(own result, first bool) string {
	if r.failed != "" {
		return "-\t-\t-\t-\t-\t  " + r.program.name + ": " + r.failed
	}
	most := slices.Max(sorted(r.took, memory)) // of memory the worst counts
	cells := []string{spread(r.took, wall), spread(r.took, cpu), fmt.Sprintf("%.0f", most), "", "", "  " + r.program.name}
	if r.written > 0 {
		cells[3] = fmt.Sprintf("%.0f", float64(r.written)/1e6)
	}
	if !first {
		cells[4] = fmt.Sprintf("%.2f", ratio(own, *r))
	}
	return strings.Join(cells, "\t")
}

func spread(list []usage, of func(usage) float64) string {
	values := sorted(list, of)
	digits := 1
	if values[0] < 2 {
		digits = 3
	}
	return fmt.Sprintf("%.*f (%.*f)", digits, middle(values), digits, values[0])
}

// loadAverage tells how busy the machine is with other work, where that is to be known.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return cmp.Or(strings.Join(strings.Fields(string(text))[:1], ""), "unknown")
}

// sizeOf tells how many bytes lie in a file or folder.
func sizeOf(b *testing.B, path string) (size int64) {
	b.Helper()
	err := filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return size
}

// remove takes away a file or folder that may be there.
func remove(b *testing.B, path string) {
	b.Helper()
	if err := os.RemoveAll(path); err != nil {
		b.Fatal(err)
	}
}
