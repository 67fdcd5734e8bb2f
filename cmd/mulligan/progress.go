package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"mulligan/pipeline"
)

// lineEvery is how often a long stage says something where there is no terminal.
const lineEvery = 10 * time.Second

// progress shows a run on stderr: a line for each stage that is done, and while one works a bar on a
// terminal, or a line every ten seconds elsewhere.
type progress struct {
	out      io.Writer
	color    bool
	terminal bool
	now      func() time.Time

	mu    sync.Mutex // guards what follows
	stage string
	rows  int64
	said  time.Time
	bars  *mpb.Progress
	bar   *mpb.Bar
	loose bool // a line of step is on the terminal
}

// newProgress is silent with --quiet.
func (a *app) newProgress() *progress {
	out := a.stderr
	if a.quiet() {
		out = io.Discard
	}
	return &progress{out: out, color: a.color(a.stderr), terminal: terminal(a.stderr) && !a.quiet(), now: time.Now}
}

// event is told what happens to stages.
func (p *progress) event(e pipeline.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e.Outcome {
	case pipeline.Started:
		p.stage, p.rows, p.said = e.Stage, 0, p.now()
		return
	case pipeline.Done:
		p.end()
		p.line("32", "✓", e.Stage, took(e.Took), summary(e.Stage, e.Proof))
	case pipeline.Kept:
		p.end()
		p.line("2", "·", e.Stage, "kept", summary(e.Stage, e.Proof))
	case pipeline.Broken:
		p.end()
		p.line("31", "✗", e.Stage, "failed", "")
	}
}

func (p *progress) line(color, sign, stage, took, what string) {
	if p.color {
		sign = "\x1b[" + color + "m" + sign + "\x1b[0m"
	}
	fmt.Fprintln(p.out, strings.TrimRight(fmt.Sprintf("  %s %-15s%9s  %s", sign, stage, took, what), " "))
}

// moved is told of work inside a stage; it is called from several goroutines.
func (p *progress) moved(stage string, rows, _ int64, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if stage != p.stage {
		p.end()
		p.stage, p.rows, p.said = stage, 0, p.now()
	}
	p.rows += rows
	if p.terminal {
		p.draw(rows, total)
		return
	}
	if now := p.now(); now.Sub(p.said) >= lineEvery {
		p.said = now
		of := ""
		if total > 0 {
			of = " of " + count(total)
		}
		fmt.Fprintf(p.out, "  … %-15s %s%s rows\n", stage, count(p.rows), of)
	}
}

// step is told of one more thing that is done, where nobody knows how many there will be.
func (p *progress) step(stage, what string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal {
		p.loose = true
		fmt.Fprintf(p.out, "\r\x1b[K    %s %d: %s", stage, n, what)
		return
	}
	if p.said.IsZero() {
		p.said = p.now()
	}
	if now := p.now(); now.Sub(p.said) >= lineEvery {
		p.said = now
		fmt.Fprintf(p.out, "  … %-15s %d, at %s\n", stage, n, what)
	}
}

func (p *progress) draw(rows, total int64) {
	if p.bar == nil {
		p.bars = mpb.New(mpb.WithOutput(p.out), mpb.WithWidth(40), mpb.WithRefreshRate(120*time.Millisecond))
		p.bar = p.bars.AddBar(max(total, p.rows, 1),
			mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name("    "+p.stage, decor.WCSyncSpaceR)),
			mpb.AppendDecorators(decor.CountersNoUnit("%d / %d rows"), decor.AverageETA(decor.ET_STYLE_GO, decor.WC{W: 8})))
	}
	if p.rows > total && total > 0 {
		p.bar.SetTotal(p.rows, false)
	}
	p.bar.IncrInt64(rows)
}

// end takes the bar away.
func (p *progress) end() {
	if p.bar != nil {
		p.bar.Abort(true)
		p.bars.Wait()
		p.bars, p.bar = nil, nil
		fmt.Fprint(p.out, "\r\x1b[K") // what the bar's last frame left on the line
	}
	if p.loose {
		p.loose = false
		fmt.Fprint(p.out, "\r\x1b[K")
	}
	p.stage = ""
}

// close ends what is still shown.
func (p *progress) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end()
}

// summary says a stage's proof in a few words.
func summary(stage string, proof json.RawMessage) string {
	var p struct {
		Migrations  int
		Tool        string
		Snapshot    string
		Rows        int64
		Chunks      int64
		Database    string
		SetAside    string `json:"set_aside"`
		Position    string
		Recorded    string
		Match       string
		Problems    int64
		How         string
		Replayed    int64
		Pending     int64
		Equal       bool
		Cosmetic    []any
		New, Drift  []any
		ToKeep      []any `json:"to_keep"`
		Kept        int64
		Left        []any
		Tables      json.RawMessage
		Ran         []string
		Ledger      int64
		Differences int64
		Report      string
		Note        string
		Notes       []string
	}
	if json.Unmarshal(proof, &p) != nil {
		return ""
	}
	switch stage {
	case "preflight":
		text := fmt.Sprintf("%s, %s on disk", p.Tool, plural(int64(p.Migrations), "migration"))
		if p.Match != "" {
			text += fmt.Sprintf("; doctor: the schema is at %s, the ledger at %s, %s", orNone(p.Position), orNone(p.Recorded), plural(p.Problems, "problem"))
		}
		return text
	case "backup":
		return noted(fmt.Sprintf("snapshot %s: %s tables, %s", p.Snapshot, p.Tables, plural(p.Rows, "row")), p.Note)
	case "verify":
		return fmt.Sprintf("%s read back, every sum and digest right", plural(p.Chunks, "chunk"))
	case "create":
		if p.SetAside != "" {
			return fmt.Sprintf("%s, the old one is set aside as %s", p.Database, p.SetAside)
		}
		return p.Database
	case "replay":
		at := "up to " + p.Position
		if p.Position == "" {
			at = "before the first migration"
		}
		return fmt.Sprintf("%s replayed, %s (%s)", plural(p.Replayed, "migration"), at, p.How)
	case "compare-schema":
		return schemaSummary(p.Equal, len(p.Cosmetic), len(p.New), len(p.Drift), len(p.ToKeep))
	case "load":
		return noted(fmt.Sprintf("%s loaded, constraints checked", plural(p.Rows, "row")), p.Notes...)
	case "compare-data":
		var tables map[string]string
		_ = json.Unmarshal(p.Tables, &tables) // an older proof without them is said without them
		return fmt.Sprintf("%s: count and digest of all %s equal the snapshot's", plural(int64(len(tables)), "table"), plural(p.Rows, "row"))
	case "keep":
		return keepSummary(p.Kept, len(p.Left))
	case "advance":
		if len(p.Ran) == 0 {
			return "nothing was pending"
		}
		return fmt.Sprintf("%s ran with the rows in place: %s", plural(int64(len(p.Ran)), "migration"), strings.Join(p.Ran, ", "))
	case "swap":
		if p.SetAside == "" {
			return "answers as " + p.Database
		}
		return fmt.Sprintf("answers as %s; the old one is kept as %s", p.Database, p.SetAside)
	default:
		return p.Report
	}
}

// keepSummary says what else the new database has of the old one; what it has not, the outcome names.
func keepSummary(kept int64, left int) string {
	text := count(kept) + " owners, grants, comments and the like as in the old database"
	switch {
	case kept == 0 && left == 0:
		return "nothing besides tables"
	case left > 0:
		text += fmt.Sprintf(", %d left out", left)
	}
	return text
}

// noted adds what was done in a weaker way than it could have been.
func noted(text string, notes ...string) string {
	for _, n := range notes {
		if n != "" {
			text += "\n    note: " + n
		}
	}
	return text
}

func schemaSummary(equal bool, names, added, drift, kept int) string {
	if equal && names == 0 {
		return "equal to the old schema"
	}
	var parts []string
	if names > 0 {
		parts = append(parts, plural(int64(names), "difference")+" of name or column order only")
	}
	if added > 0 {
		parts = append(parts, plural(int64(added), "object")+" new")
	}
	if kept > 0 {
		parts = append(parts, plural(int64(kept), "object")+" of the old one to be kept")
	}
	if drift > 0 {
		parts = append(parts, plural(int64(drift), "object")+" not carried over (accepted)")
	}
	return strings.Join(parts, ", ")
}
