package snapshot_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"mulligan/snapshot"
	"mulligan/store/storetest"
)

// benchRows are plausible lines, about 32 MiB of them.
func benchRows() []byte {
	var text []byte
	r := rand.New(rand.NewPCG(1, 2))
	for i := 0; len(text) < 32<<20; i++ {
		text = fmt.Appendf(text, "%d\tuser%d@example.com\t%d\t2026-01-%02d 00:00:00\t\\N\n", i, r.Int32(), r.Int32N(100), i%28+1)
	}
	return text
}

func BenchmarkDigester(b *testing.B) {
	text := benchRows()
	b.SetBytes(int64(len(text)))
	d := snapshot.NewDigester()
	for b.Loop() {
		_, _ = d.Write(text)
	}
}

// BenchmarkWrite is one chunk through digest, compression and sum, in pieces as the engines write them.
func BenchmarkWrite(b *testing.B) {
	text := benchRows()
	rows := digestOf(b, string(text)).Rows
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	w := create(b, storetest.Memory(), smallID)
	seq := 0
	for b.Loop() {
		seq++
		if _, err := w.Chunk(b.Context(), users, seq, func(w io.Writer) (int64, error) {
			for rest := text; len(rest) > 0; rest = rest[min(64<<10, len(rest)):] {
				if _, err := w.Write(rest[:min(64<<10, len(rest))]); err != nil {
					return 0, err
				}
			}
			return rows, nil
		}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	mem := storetest.Memory()
	w := create(b, mem, smallID)
	text := benchRows()
	c := write(b, w, users, 1, string(text))
	if err := w.Commit(b.Context(), &snapshot.Manifest{Tables: []snapshot.Table{table(users, c)}}); err != nil {
		b.Fatal(err)
	}
	r, err := snapshot.Open(b.Context(), mem, target, smallID)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Verify(b.Context(), 1, nil); err != nil {
			b.Fatal(err)
		}
	}
}
