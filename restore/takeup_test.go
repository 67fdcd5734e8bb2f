package restore

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mulligan/journal"
	"mulligan/schema"
	"mulligan/snapshot"
)

func digestOf(t rapid.TB, rows ...string) snapshot.Digest {
	d := snapshot.NewDigester()
	for _, r := range rows {
		fmt.Fprintln(d, r)
	}
	sum, err := d.Sum()
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// Whatever chunks are in, they are found; where a row is missing, is there twice or is another, nothing is.
func TestExplain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		known := digestOf(t, "known")
		var chunks, in []snapshot.Digest
		have := known
		for i := range rapid.IntRange(0, 12).Draw(t, "chunks") {
			var rows []string
			for k := range rapid.IntRange(0, 3).Draw(t, "rows") {
				rows = append(rows, fmt.Sprint(i, "/", k))
			}
			d := digestOf(t, rows...)
			chunks = append(chunks, d)
			if rapid.Bool().Draw(t, "in") {
				have, in = have.Add(d), append(in, d)
			}
		}
		sum := known
		found := explain(have, known, chunks)
		for _, i := range found {
			sum = sum.Add(chunks[i])
		}
		if found == nil || sum != have || !slices.IsSorted(found) {
			t.Fatalf("found %v of %v, whose sum is %s and not %s", found, in, sum, have)
		}
		for _, wrong := range []snapshot.Digest{have.Add(digestOf(t, "one more")), have.Add(known)} {
			if found := explain(wrong, known, chunks); found != nil {
				t.Fatalf("rows of somebody else are explained by %v", found)
			}
		}
	})
}

// pages is a journal in memory.
type pages struct{ entries []journal.Entry }

func (p *pages) Entries() []journal.Entry { return p.entries }

func (p *pages) Append(kind journal.Kind, stage string, data any) error {
	raw, err := json.Marshal(data)
	p.entries = append(p.entries, journal.Entry{Seq: len(p.entries) + 1, Kind: kind, Stage: stage, Data: raw})
	return err
}

func (p *pages) start(stage string) {
	p.entries = append(p.entries, journal.Entry{Seq: len(p.entries) + 1, Kind: journal.KindStart, Stage: stage})
}

// Small chunks are noted together, but never more than a few of one table are without a note, nor for long.
func TestChunksAreNotedTogether(t *testing.T) {
	p, now := &pages{}, time.Unix(0, 0)
	log := &loadLog{notes: p, now: func() time.Time { return now }}
	load := func(table string, seq int) {
		t.Helper()
		if err := log.loaded(schema.Name{Table: table}, seq, snapshot.Digest{}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(n int) {
		t.Helper()
		if len(p.entries) != n {
			t.Errorf("%d notes, want %d", len(p.entries), n)
		}
	}
	for i := range 10 {
		load(fmt.Sprint("small", i), 0)
	}
	want(0)
	for i := range unnotedChunks {
		want(0)
		load("large", i)
	}
	want(1)
	load("small", 0)
	now = now.Add(unnotedTime)
	want(1)
	load("other", 0)
	want(2)
	load("last", 0)
	if err := log.flush(); err != nil {
		t.Fatal(err)
	}
	want(3)
	if err := log.flush(); err != nil {
		t.Fatal(err)
	}
	want(3)
}

// Only what was noted since the database was made counts, and only of the snapshot that is loaded.
func TestReadLog(t *testing.T) {
	name, sum := schema.Name{Table: "t"}, digestOf(t, "row")
	begin := func(p *pages, id snapshot.ID) {
		p.start("create")
		p.start("replay")
		p.start("load")
		log := &loadLog{notes: p, now: time.Now}
		for _, n := range []loadNote{{Begin: &loadBegin{Snapshot: id, Schema: "print"}}, {State: json.RawMessage(`{"ready":true}`)}} {
			if err := log.note(&n); err != nil {
				t.Fatal(err)
			}
		}
		if err := log.loaded(name, 3, sum); err != nil {
			t.Fatal(err)
		}
		if err := log.flush(); err != nil {
			t.Fatal(err)
		}
	}
	for what, c := range map[string]struct {
		then        func(p *pages)
		interrupted bool
		chunks      int
	}{
		"killed":               {func(*pages) {}, true, 1},
		"killed twice":         {func(p *pages) { p.start("load") }, true, 1},
		"made anew":            {func(p *pages) { p.start("load"); p.start("create") }, false, 0},
		"replayed anew":        {func(p *pages) { p.start("replay"); p.start("load") }, false, 0},
		"another snapshot":     {func(p *pages) { begin(p, "20261122T215500Z-9f3a1d") }, false, 0},
		"a table was emptied":  {func(p *pages) { must(t, p.Append(journal.KindNote, "load", loadNote{Emptied: "t"})) }, true, 0},
		"a note of other kind": {func(p *pages) { must(t, p.Append(journal.KindNote, "plan", "anything")) }, true, 1},
	} {
		t.Run(what, func(t *testing.T) {
			p := &pages{}
			begin(p, "20261122T215500Z-9f3a1c")
			c.then(p)
			log, err := (&Build{Notes: p, Snapshot: "20261122T215500Z-9f3a1c"}).readLog()
			if err != nil {
				t.Fatal(err)
			}
			if log.interrupted != c.interrupted || len(log.in(name)) != c.chunks {
				t.Errorf("interrupted %t with %d chunks, want %t with %d", log.interrupted, len(log.in(name)), c.interrupted, c.chunks)
			}
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
