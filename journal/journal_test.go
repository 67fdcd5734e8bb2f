package journal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mulligan/journal"
)

func newPath(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "runs", "9f3a1c", "journal.jsonl")
}

// sample writes a journal of a few entries and closes it.
func sample(t testing.TB) (path string, entries []journal.Entry) {
	t.Helper()
	path = newPath(t)
	j, err := journal.Create(path, map[string]any{"run": "9f3a1c"})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []struct {
		kind  journal.Kind
		stage string
		data  any
	}{
		{journal.KindStart, "backup", nil},
		{journal.KindCheckpoint, "backup", map[string]any{"snapshot": "20261122T215500Z-9f3a1c", "rows": 3, "text": "a\nb\u2028<é>"}},
		{journal.KindNote, "", []int{1, 2}},
		{journal.KindFailed, "verify", "disk"},
		{journal.KindEnd, "", nil},
	} {
		if err := j.Append(e.kind, e.stage, e.data); err != nil {
			t.Fatal(err)
		}
	}
	entries = j.Entries()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return path, entries
}

func TestRoundTrip(t *testing.T) {
	path, want := sample(t)
	if len(want) != 6 || want[0].Kind != journal.KindHeader || want[2].Stage != "backup" || want[1].Data != nil || string(want[3].Data) != "[1,2]" {
		t.Errorf("Entries: %+v", want)
	}
	for i, e := range want {
		if e.Seq != i+1 || e.Time.Location() != time.UTC || time.Since(e.Time) > time.Minute {
			t.Errorf("entry %d: %+v", i+1, e)
		}
	}
	got, err := journal.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Read (-want +got):\n%s", diff)
	}
	j, got, err := journal.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Open (-want +got):\n%s", diff)
	}
	if err := j.Append(journal.KindNote, "more", nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := j.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if err := j.Append(journal.KindNote, "late", nil); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Append after Close: %v, want fs.ErrClosed", err)
	}
	got, err = journal.Read(path)
	if err != nil || len(got) != 7 || got[6].Seq != 7 || got[6].Stage != "more" {
		t.Errorf("after one more: %+v, %v", got, err)
	}
	for name, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700, filepath.Dir(filepath.Dir(path)): 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode().Perm(), err, want)
		}
	}
}

// TestDocument checks the example and the CRC of docs/journal.md.
func TestDocument(t *testing.T) {
	doc, err := os.ReadFile("../docs/journal.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^[0-9a-f]{8} \{.*\}\n`).Find(doc)
	entries := readText(t, line)
	if len(entries) != 1 || entries[0].Kind != journal.KindHeader {
		t.Errorf("the document's example %s gives %+v", line, entries)
	}
	if want := fmt.Sprintf("`%08x`", crc32.Checksum([]byte("123456789"), crc32.MakeTable(crc32.Castagnoli))); !bytes.Contains(doc, []byte(want)) {
		t.Errorf("the document lacks the CRC %s", want)
	}
}

// TestCutAtEachByte: what is left is a beginning of the entries, never an error, and it can be gone on with.
func TestCutAtEachByte(t *testing.T) {
	path, want := sample(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) + 1 {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		left := want[:bytes.Count(whole[:n], []byte("\n"))]
		got, err := journal.Read(path)
		if err != nil || len(got) != len(left) || len(left) > 0 && !cmp.Equal(got, left) {
			t.Fatalf("cut to %d bytes: Read gives %d entries, %v, want %d", n, len(got), err, len(left))
		}
		j, got, err := journal.Open(path)
		if err != nil || len(got) != len(left) {
			t.Fatalf("cut to %d bytes: Open gives %d entries, %v, want %d", n, len(got), err, len(left))
		}
		kind := journal.KindNote
		if len(left) == 0 {
			kind = journal.KindHeader
		}
		if err := errors.Join(j.Append(kind, "next", nil), j.Close()); err != nil {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
		got, err = journal.Read(path)
		if err != nil || len(got) != len(left)+1 || got[len(left)].Stage != "next" {
			t.Fatalf("cut to %d bytes, and gone on: %d entries, %v, want %d", n, len(got), err, len(left)+1)
		}
	}
}

// TestFlipEachBit: the answer is ErrCorrupt, or all entries but the last one.
func TestFlipEachBit(t *testing.T) {
	path, want := sample(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lastLine := bytes.LastIndexByte(whole[:len(whole)-1], '\n') + 1
	for i := range len(whole) * 8 {
		bad := bytes.Clone(whole)
		bad[i/8] ^= 1 << (i % 8)
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := journal.Read(path)
		switch {
		case err == nil && i/8 >= lastLine && cmp.Equal(got, want[:len(want)-1]):
		case errors.Is(err, journal.ErrCorrupt) && strings.Contains(err.Error(), "line "):
			if i%8 != 0 {
				continue
			}
			if j, _, err := journal.Open(path); !errors.Is(err, journal.ErrCorrupt) {
				t.Fatalf("bit %d: Open: %v, %v, want ErrCorrupt", i, j, err)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, bad) {
				t.Fatalf("bit %d: Open changed a damaged journal, %v", i, err)
			}
		default:
			t.Fatalf("bit %d: %d entries, %v", i, len(got), err)
		}
	}
}

func TestRefuses(t *testing.T) {
	const header = `{"format":1,"seq":1,"time":"2026-11-22T21:55:00Z","kind":"header"}`
	note := func(seq int) string {
		return fmt.Sprintf(`{"seq":%d,"time":"2026-11-22T21:55:00Z","kind":"note"}`, seq)
	}
	for name, c := range map[string]struct {
		lines []string
		line  string
		want  error
	}{
		"a line left out":        {[]string{header, note(3)}, "line 2", journal.ErrCorrupt},
		"a line twice":           {[]string{header, note(2), note(2)}, "line 3", journal.ErrCorrupt},
		"lines swapped":          {[]string{header, note(3), note(2)}, "line 2", journal.ErrCorrupt},
		"no header":              {[]string{note(1)}, "line 1", journal.ErrCorrupt},
		"a second header":        {[]string{header, strings.Replace(header, `"seq":1`, `"seq":2`, 1)}, "line 2", journal.ErrCorrupt},
		"a header of no format":  {[]string{strings.Replace(header, `"format":1,`, "", 1)}, "line 1", journal.ErrCorrupt},
		"no kind":                {[]string{header, `{"seq":2,"time":"2026-11-22T21:55:00Z"}`}, "line 2", journal.ErrCorrupt},
		"no JSON":                {[]string{header, "seq 2"}, "line 2", journal.ErrCorrupt},
		"two values":             {[]string{header, note(2) + note(3)}, "line 2", journal.ErrCorrupt},
		"no time":                {[]string{header, `{"seq":2,"time":"now","kind":"note"}`}, "line 2", journal.ErrCorrupt},
		"an empty line":          {[]string{header, "", note(3)}, "line 2", journal.ErrCorrupt},
		"a newer format":         {[]string{strings.Replace(header, `"format":1`, `"format":2`, 1), "whatever"}, "line 1", journal.ErrNewer},
		"a newer format, seq ''": {[]string{`{"format":9,"kind":"header"}`}, "line 1", journal.ErrNewer},
	} {
		path := filepath.Join(t.TempDir(), "journal")
		var text strings.Builder
		for _, line := range c.lines {
			fmt.Fprintf(&text, "%08x %s\n", crc32.Checksum([]byte(line), crc32.MakeTable(crc32.Castagnoli)), line)
		}
		if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := journal.Read(path); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.line) {
			t.Errorf("%s: %d entries, %v, want %v in %s", name, len(got), err, c.want, c.line)
		}
		if _, _, err := journal.Open(path); !errors.Is(err, c.want) {
			t.Errorf("%s: Open: %v, want %v", name, err, c.want)
		}
	}
	for _, open := range []func(string) error{
		func(p string) error { _, err := journal.Read(p); return err },
		func(p string) error { _, _, err := journal.Open(p); return err },
	} {
		if err := open(newPath(t)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a journal that is not there: %v, want fs.ErrNotExist", err)
		}
	}
}

func TestUnknownIsKept(t *testing.T) {
	line := func(s string) string {
		return fmt.Sprintf("%08x %s\n", crc32.Checksum([]byte(s), crc32.MakeTable(crc32.Castagnoli)), s)
	}
	got := readText(t, []byte(line(`{"format":1,"seq":1,"time":"2026-11-22T21:55:00Z","kind":"header","new":1}`)+
		line(`{"seq":2,"time":"2026-11-22T23:55:00+02:00","kind":"novelty","new":{"a":1}}`)))
	if len(got) != 2 || got[1].Kind != "novelty" || got[1].Time.String() != "2026-11-22 21:55:00 +0000 UTC" {
		t.Errorf("%+v", got)
	}
}

func TestAppendRefuses(t *testing.T) {
	path := newPath(t)
	j, err := journal.Create(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"a second header": j.Append(journal.KindHeader, "", nil),
		"no kind":         j.Append("", "x", nil),
		"no JSON":         j.Append(journal.KindNote, "x", func() {}),
	} {
		if err == nil {
			t.Errorf("%s was written", name)
		}
	}
	if err := j.Append(journal.KindNote, "fine", nil); err != nil {
		t.Errorf("an entry after refused ones: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := journal.Read(path); err != nil || len(got) != 2 {
		t.Errorf("%d entries, %v, want 2", len(got), err)
	}
	if _, err := journal.Create(path, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create again: %v, want fs.ErrExist", err)
	}
}

func TestTwoWriters(t *testing.T) {
	path := newPath(t)
	j, err := journal.Create(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := journal.Open(path); !errors.Is(err, journal.ErrLocked) {
		t.Errorf("Open while it is written: %v, want ErrLocked", err)
	}
	var group sync.WaitGroup
	const writers, each = 4, 10
	for w := range writers {
		group.Go(func() {
			for i := range each {
				if err := j.Append(journal.KindNote, fmt.Sprint(w), i); err != nil {
					t.Error(err)
				}
				if _, err := journal.Read(path); err != nil { // beside a writer
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j, got, err := journal.Open(path)
	if err != nil || len(got) != 1+writers*each {
		t.Fatalf("%d entries, %v, want %d", len(got), err, 1+writers*each)
	}
	next := map[string]int{}
	for _, e := range got[1:] {
		if string(e.Data) != fmt.Sprint(next[e.Stage]) {
			t.Errorf("writer %s: entry %s, want %d", e.Stage, e.Data, next[e.Stage])
		}
		next[e.Stage]++
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestKilled kills a process that has the journal open: its lock is gone and its entries are there.
func TestKilled(t *testing.T) {
	if path := os.Getenv("JOURNAL_TEST_PATH"); path != "" {
		j, err := journal.Create(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Append(journal.KindStart, "backup", nil); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		select {} // the signal is on its way
	}
	path := newPath(t)
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
	child.Env = append(os.Environ(), "JOURNAL_TEST_PATH="+path)
	if out, err := child.CombinedOutput(); err == nil || child.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended by %v, not by SIGKILL\n%s", err, out)
	}
	j, got, err := journal.Open(path)
	if err != nil || len(got) != 2 || got[1].Stage != "backup" {
		t.Fatalf("%+v, %v", got, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestErrorSticks has the disk run full in the middle of an entry.
func TestErrorSticks(t *testing.T) {
	path := newPath(t)
	j, err := journal.Create(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	restore := limitFileSize(t, 300)
	err = j.Append(journal.KindNote, "long", strings.Repeat("x", 1000))
	restore()
	if !errors.Is(err, syscall.EFBIG) {
		t.Fatalf("an entry that does not fit: %v, want EFBIG", err)
	}
	if err := j.Append(journal.KindNote, "short", nil); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("the next entry: %v, want the first error", err)
	}
	if got := j.Entries(); len(got) != 1 {
		t.Errorf("%d entries are said to be there, want 1", len(got))
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j, got, err := journal.Open(path)
	if err != nil || len(got) != 1 {
		t.Fatalf("opened again: %d entries, %v, want 1", len(got), err)
	}
	if err := errors.Join(j.Append(journal.KindNote, "short", nil), j.Close()); err != nil {
		t.Error(err)
	}
}

// limitFileSize lets no file of this process grow beyond n bytes until the result is called.
// The runtime ignores the signal SIGXFSZ, so the write fails.
func limitFileSize(t *testing.T, n uint64) func() {
	t.Helper()
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
			t.Fatal(err)
		}
	}
}

// FuzzJournal reads any bytes: entries that come out are whole, numbered, and can be gone on with.
func FuzzJournal(f *testing.F) {
	path, _ := sample(f)
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-5])
	f.Add([]byte("00000000 \n"))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "journal")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := journal.Read(path)
		if err != nil {
			if !errors.Is(err, journal.ErrCorrupt) && !errors.Is(err, journal.ErrNewer) {
				t.Fatal(err)
			}
			return
		}
		for i, e := range got {
			if e.Seq != i+1 || e.Kind == "" || (e.Kind == journal.KindHeader) != (i == 0) || e.Data != nil && !json.Valid(e.Data) {
				t.Fatalf("entry %d: %+v", i+1, e)
			}
		}
		j, again, err := journal.Open(path)
		if err != nil || !cmp.Equal(got, again) {
			t.Fatalf("Open: %v", err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		left, err := os.ReadFile(path)
		if err != nil || !bytes.HasPrefix(text, left) || len(left) > 0 && left[len(left)-1] != '\n' {
			t.Fatalf("Open left %d of %d bytes, %v", len(left), len(text), err)
		}
	})
}

func readText(t *testing.T, text []byte) []journal.Entry {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	entries, err := journal.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}
