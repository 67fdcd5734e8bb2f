package snapshot_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/zeebo/xxh3"
	"pgregory.net/rapid"

	"mulligan/snapshot"
	"mulligan/store/storetest"
)

func digestOf(t testing.TB, text string) snapshot.Digest {
	t.Helper()
	d := snapshot.NewDigester()
	if n, err := d.Write([]byte(text)); n != len(text) || err != nil {
		t.Fatal(n, err)
	}
	sum, err := d.Sum()
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// TestDigestVectors checks the table of docs/format.md.
func TestDigestVectors(t *testing.T) {
	doc, err := os.ReadFile("../docs/format.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `(\".*\")` \\| `([0-9]+:[0-9a-f]{32})` \\|$").FindAllStringSubmatch(string(doc), -1)
	if len(rows) < 8 {
		t.Fatalf("the document has %d test vectors", len(rows))
	}
	for _, row := range rows {
		text, err := strconv.Unquote(row[1])
		if err != nil {
			t.Fatalf("%s: %v", row[1], err)
		}
		if got := digestOf(t, text).String(); got != row[2] {
			t.Errorf("digest of %s is %s, the document says %s", row[1], got, row[2])
		}
	}
}

func TestDigestLaws(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		line := rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 1500), func(b []byte) string { return strings.ReplaceAll(string(b), "\n", "") })
		lines := rapid.SliceOfN(line, 1, 20).Draw(rt, "lines")
		whole := digestOf(t, strings.Join(lines, "\n")+"\n")

		split := snapshot.NewDigester() // in any split it is the same
		rest := strings.Join(lines, "\n") + "\n"
		for rest != "" {
			n := min(rapid.IntRange(1, 3000).Draw(rt, "split"), len(rest))
			_, _ = split.Write([]byte(rest[:n]))
			rest = rest[n:]
		}
		if got, err := split.Sum(); err != nil || got != whole {
			rt.Fatalf("split: %s, %v, want %s", got, err, whole)
		}

		var parts snapshot.Digest // in any order it is the same, and parts add up
		for _, i := range rapid.Permutation(indexes(len(lines))).Draw(rt, "order") {
			parts = parts.Add(digestOf(t, lines[i]+"\n"))
		}
		if parts != whole {
			rt.Fatalf("parts: %s, want %s", parts, whole)
		}
		if twice := whole.Add(digestOf(t, lines[0]+"\n")); twice == whole {
			rt.Fatal("a row too many changes nothing")
		}
		other := digestOf(t, strings.Join(lines, "\n")+"x\n")
		if other == whole {
			rt.Fatal("another last row changes nothing")
		}

		text, err := json.Marshal(whole)
		var back snapshot.Digest
		if err != nil || json.Unmarshal(text, &back) != nil || back != whole || string(text) != `"`+whole.String()+`"` {
			rt.Fatalf("as JSON %s, back %s, %v", text, back, err)
		}
	})
}

func indexes(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// TestDigestOverflow: the sum wraps at 2^128, with the carry from its lower half.
func TestDigestOverflow(t *testing.T) {
	parse := func(s string) snapshot.Digest {
		d, err := snapshot.ParseDigest(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	high := parse("2:ffffffffffffffffffffffffffffffff")
	if got := high.Add(parse("1:00000000000000000000000000000003")).String(); got != "3:00000000000000000000000000000002" {
		t.Errorf("around 2^128: %s", got)
	}
	if got := parse("1:0000000000000000ffffffffffffffff").Add(parse("1:00000000000000000000000000000001")).String(); got != "2:00000000000000010000000000000000" {
		t.Errorf("around 2^64: %s", got)
	}
}

func TestParseDigestRefuses(t *testing.T) {
	zeros := strings.Repeat("0", 32)
	for _, bad := range []string{"", ":", "1", "1:", "1:0", ":" + zeros, "-1:" + zeros, "+1:" + zeros, "01:" + zeros, "1:" + zeros + "0",
		"1:" + strings.Repeat("A", 32), " 1:" + zeros, "1:" + zeros[:31] + "g", "0:" + zeros[:31] + "1", "9223372036854775808:" + zeros} {
		if d, err := snapshot.ParseDigest(bad); err == nil {
			t.Errorf("ParseDigest %q gives %s", bad, d)
		}
	}
	if d, err := snapshot.ParseDigest("0:" + zeros); err != nil || d != (snapshot.Digest{}) {
		t.Errorf("that of no rows: %s, %v", d, err)
	}
}

func TestDigesterMidLine(t *testing.T) {
	d := snapshot.NewDigester()
	_, _ = d.Write([]byte("1\n2"))
	if sum, err := d.Sum(); err == nil {
		t.Errorf("inside a line: %s", sum)
	}
	_, _ = d.Write([]byte("\n"))
	if sum, err := d.Sum(); err != nil || sum != digestOf(t, "2\n1\n") || d.Rows() != 2 {
		t.Errorf("at its end: %s, %v", sum, err)
	}
	d.Reset()
	if sum, err := d.Sum(); err != nil || sum != (snapshot.Digest{}) {
		t.Errorf("after Reset: %s, %v", sum, err)
	}
}

// FuzzDigester compares with the definition: the sum of the hash of each line, here in a big number.
func FuzzDigester(f *testing.F) {
	f.Add("1\tann\n2\tbob\n", uint16(3))
	f.Add("\n\n", uint16(1))
	f.Add(strings.Repeat("x", 2000)+"\n"+strings.Repeat("y", 1089)+"\n", uint16(700))
	f.Fuzz(func(t *testing.T, text string, split uint16) {
		d := snapshot.NewDigester()
		for rest := []byte(text); len(rest) > 0; {
			n := min(int(split)+1, len(rest))
			_, _ = d.Write(rest[:n])
			rest = rest[n:]
		}
		sum, err := d.Sum()
		if whole := text == "" || strings.HasSuffix(text, "\n"); whole != (err == nil) {
			t.Fatalf("Sum: %v", err)
		}
		if err != nil {
			return
		}
		if want := defined(text); sum.String() != want {
			t.Fatalf("digest %s, by its definition %s", sum, want)
		}
		if back, err := snapshot.ParseDigest(sum.String()); err != nil || back != sum {
			t.Fatalf("read back: %s, %v", back, err)
		}
	})
}

// TestLongLine streams one row of 256 MiB through Chunk and Rows under 32 MiB of memory.
func TestLongLine(t *testing.T) {
	const size, limit = 256 << 20, 32 << 20
	mem := storetest.Memory()
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = "abcdefgh"[i%8]
	}
	runtime.GC()
	base := heap()
	peak := uint64(0)
	watch := func() { peak = max(peak, heap()-min(base, heap())) }
	w := create(t, mem, smallID)
	c, err := w.Chunk(t.Context(), users, 1, func(w io.Writer) (int64, error) {
		for i := range size / len(block) {
			if _, err := w.Write(block); err != nil {
				return 0, err
			}
			if i%16 == 0 {
				watch()
			}
		}
		_, err := w.Write([]byte{'\n'})
		return 1, err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(t.Context(), &snapshot.Manifest{Tables: []snapshot.Table{table(users, c)}}); err != nil {
		t.Fatal(err)
	}
	r, err := snapshot.Open(t.Context(), mem, target, smallID)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := r.Rows(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		_, err := rows.Read(block)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if n%16 == 0 {
			watch()
		}
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	if peak > limit {
		t.Errorf("%d MiB of heap at the peak, want at most %d", peak>>20, limit>>20)
	}
	t.Logf("%.1f MiB of heap at the peak, %d bytes stored", float64(peak)/(1<<20), c.Stored.Size)
}

// heap is what the program holds, garbage included.
func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// defined is the digest's definition, word for word, in big numbers.
func defined(text string) string {
	sum, rows := new(big.Int), 0
	for line := range strings.Lines(text) {
		h := xxh3.HashString128(strings.TrimSuffix(line, "\n")).Bytes()
		sum.Add(sum, new(big.Int).SetBytes(h[:]))
		rows++
	}
	sum.Mod(sum, new(big.Int).Lsh(big.NewInt(1), 128))
	return fmt.Sprintf("%d:%032x", rows, sum)
}
