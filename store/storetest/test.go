package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/store"
)

// Test runs the conformance suite. open must give an empty store for each call, and clean up by t.
func Test(t *testing.T, open func(t *testing.T) store.Store) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, s store.Store)
	}{
		{"put and get", testRoundTrip},
		{"never replaces", testNeverReplaces},
		{"absent", testAbsent},
		{"names that are refused", testNames},
		{"names that are kept", testOddNames},
		{"list in order", testList},
		{"list stops", testListStops},
		{"delete", testDelete},
		{"whole or absent", testWholeOrAbsent},
		{"cancelled", testCancelled},
		{"one of many writers wins", testRace},
		{"readers see whole blobs", testReaders},
		{"put beside delete", testPutDelete},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func testRoundTrip(t *testing.T, s store.Store) {
	for name, size := range map[string]int{"empty": 0, "one": 1, "a/deep/one": 70_000, "a/deep/other": 5 << 20} {
		want := pattern(size)
		put(t, s, name, want)
		if got := get(t, s, name); !bytes.Equal(got, want) {
			t.Errorf("blob %s: %d bytes went in, %d others came out", name, len(want), len(got))
		}
		if got := get(t, s, name); !bytes.Equal(got, want) {
			t.Errorf("blob %s: a second Get gives something else", name)
		}
	}
}

func testNeverReplaces(t *testing.T, s store.Store) {
	put(t, s, "a/b", []byte("first"))
	err := s.Put(t.Context(), "a/b", strings.NewReader("second"))
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("second Put: %v, want fs.ErrExist", err)
	}
	if got := get(t, s, "a/b"); string(got) != "first" {
		t.Errorf("the blob is now %q", got)
	}
}

func testAbsent(t *testing.T, s store.Store) {
	put(t, s, "a/b", []byte("x"))
	for _, name := range []string{"nothing", "a", "a/c", "a/b/c"} {
		if _, err := s.Get(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Get %s: %v, want fs.ErrNotExist", name, err)
		}
		if err := s.Delete(t.Context(), name); err != nil {
			t.Errorf("Delete %s: %v, want nil", name, err)
		}
	}
	if got := get(t, s, "a/b"); string(got) != "x" {
		t.Errorf("the blob beside them is now %q", got)
	}
}

func testNames(t *testing.T, s store.Store) {
	for _, name := range []string{"", ".", "..", "/a", "a/", "a//b", "a/../b", "../a", "./a", "a/.", "a\\b", "a\nb", "a\x00", "a\x7f", "\xff"} {
		if err := s.Put(t.Context(), name, strings.NewReader("x")); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Put %q: %v, want fs.ErrInvalid", name, err)
		}
		if _, err := s.Get(t.Context(), name); err == nil {
			t.Errorf("Get %q: no error", name)
		}
	}
	if got := list(t, s, ""); len(got) != 0 {
		t.Errorf("left behind: %q", got)
	}
}

func testOddNames(t *testing.T, s store.Store) {
	names := []string{"%41", "...", "a b", "naïve/Ж/名", "~x", "a..b", "-rf", "A", "tmp/x", ".hidden/x"}
	for _, name := range names {
		put(t, s, name, []byte(name))
	}
	for _, name := range names {
		if got := get(t, s, name); string(got) != name {
			t.Errorf("blob %q holds %q", name, got)
		}
	}
	if got := list(t, s, ""); len(got) != len(names) {
		t.Errorf("List gives %q, want all of %q", got, names)
	}
}

func testList(t *testing.T, s store.Store) {
	if got := list(t, s, ""); len(got) != 0 {
		t.Errorf("an empty store lists %q", got)
	}
	// "a.b" stands before "a/b", as '.' does before '/'; a walk by folders gets this wrong.
	sorted := []string{"a-", "a.b", "a/b", "a/b.c", "a/c/d", "a/c/e", "a0", "b"}
	for i := range sorted {
		put(t, s, sorted[(i*5+3)%len(sorted)], []byte("xyz"))
	}
	for prefix, want := range map[string][]string{
		"": sorted, "a/": {"a/b", "a/b.c", "a/c/d", "a/c/e"}, "a/b": {"a/b", "a/b.c"},
		"a/c/": {"a/c/d", "a/c/e"}, "a/c/d": {"a/c/d"}, "a/c/d/": nil, "z": nil, "a/x/y/z": nil, "..": nil,
	} {
		if diff := cmp.Diff(want, list(t, s, prefix)); diff != "" {
			t.Errorf("List %q (-want +got):\n%s", prefix, diff)
		}
	}
	for info, err := range s.List(t.Context(), "a/c/") {
		if err != nil || info.Size != 3 || info.Modified.IsZero() {
			t.Errorf("List: %+v, %v: want 3 bytes and a time", info, err)
		}
	}
}

func testListStops(t *testing.T, s store.Store) {
	for i := range 5 {
		put(t, s, fmt.Sprintf("a/%d/x", i), nil)
	}
	n := 0
	for range s.List(t.Context(), "") {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("List went on to %d", n)
	}
}

func testDelete(t *testing.T, s store.Store) {
	put(t, s, "a/b/c", []byte("1"))
	put(t, s, "a/d", []byte("2"))
	for range 2 {
		if err := s.Delete(t.Context(), "a/b/c"); err != nil {
			t.Fatalf("Delete: %v", err)
		}
	}
	if diff := cmp.Diff([]string{"a/d"}, list(t, s, "")); diff != "" {
		t.Errorf("after Delete (-want +got):\n%s", diff)
	}
	put(t, s, "a/b/c", []byte("again"))
	if got := get(t, s, "a/b/c"); string(got) != "again" {
		t.Errorf("a blob put again is %q", got)
	}
}

// errBroken is what a broken reader gives.
var errBroken = errors.New("broken reader")

// brokenReader gives n bytes and then fails.
type brokenReader struct {
	io.ReadSeeker
	n int
}

// Read gives what is left.
func (b *brokenReader) Read(p []byte) (int, error) {
	if b.n == 0 {
		return 0, errBroken
	}
	n, err := b.ReadSeeker.Read(p[:min(len(p), b.n)])
	b.n -= n
	return n, err
}

func testWholeOrAbsent(t *testing.T, s store.Store) {
	for _, n := range []int{0, 1, 40_000} {
		r := &brokenReader{ReadSeeker: bytes.NewReader(pattern(100_000)), n: n}
		if err := s.Put(t.Context(), "a/b", r); !errors.Is(err, errBroken) {
			t.Errorf("Put from a reader that breaks after %d bytes: %v, want its error", n, err)
		}
		if _, err := s.Get(t.Context(), "a/b"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Get after a failed Put: %v, want fs.ErrNotExist", err)
		}
	}
	if got := list(t, s, ""); len(got) != 0 {
		t.Errorf("failed Puts left %q", got)
	}
	put(t, s, "a/b", []byte("x")) // the name is still free
}

func testCancelled(t *testing.T, s store.Store) {
	put(t, s, "a", []byte("x"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Put(ctx, "b", bytes.NewReader(pattern(1<<20))); !errors.Is(err, context.Canceled) {
		t.Errorf("Put: %v, want context.Canceled", err)
	}
	if _, err := s.Get(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("Get: %v, want context.Canceled", err)
	}
	if err := s.Delete(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("Delete: %v, want context.Canceled", err)
	}
	var last error
	for _, err := range s.List(ctx, "") {
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("List: %v, want context.Canceled", last)
	}
	if diff := cmp.Diff([]string{"a"}, list(t, s, "")); diff != "" {
		t.Errorf("after cancelled calls (-want +got):\n%s", diff)
	}
}

func testRace(t *testing.T, s store.Store) {
	const writers = 8
	errs := make([]error, writers)
	each(writers, func(i int) {
		errs[i] = s.Put(t.Context(), "new/folder/blob", bytes.NewReader(bytes.Repeat([]byte{byte('a' + i)}, 50_000)))
	})
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			t.Errorf("writers %d and %d both won", winner, i)
		case err == nil:
			winner = i
		case !errors.Is(err, fs.ErrExist):
			t.Errorf("writer %d: %v, want fs.ErrExist", i, err)
		}
	}
	if winner < 0 {
		t.Fatal("nobody won")
	}
	if got := get(t, s, "new/folder/blob"); !bytes.Equal(got, bytes.Repeat([]byte{byte('a' + winner)}, 50_000)) {
		t.Error("the blob is not the winner's")
	}
}

func testReaders(t *testing.T, s store.Store) {
	const blobs, size = 10, 200_000
	each(2, func(i int) {
		if i == 0 {
			for n := range blobs {
				if err := s.Put(t.Context(), fmt.Sprintf("x/%d", n), bytes.NewReader(pattern(size))); err != nil {
					t.Errorf("Put: %v", err)
				}
			}
			return
		}
		for range blobs {
			for info, err := range s.List(t.Context(), "x/") {
				if err != nil || info.Size != size {
					t.Errorf("List beside Put: %+v, %v", info, err)
				}
			}
			blob, err := s.Get(t.Context(), fmt.Sprintf("x/%d", blobs-1))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				t.Errorf("Get beside Put: %v", err)
				return
			}
			if b, err := io.ReadAll(blob); err != nil || len(b) != size {
				t.Errorf("a blob beside Put has %d bytes, %v", len(b), err)
			}
			_ = blob.Close()
		}
	})
}

// testPutDelete has folders become empty while others put blobs into them.
func testPutDelete(t *testing.T, s store.Store) {
	each(4, func(i int) {
		name := fmt.Sprintf("shared/folder/%d", i)
		for range 25 {
			if err := s.Put(t.Context(), name, strings.NewReader("x")); err != nil {
				t.Errorf("Put: %v", err)
			}
			if err := s.Delete(t.Context(), name); err != nil {
				t.Errorf("Delete: %v", err)
			}
		}
	})
	if got := list(t, s, ""); len(got) != 0 {
		t.Errorf("left behind: %q", got)
	}
}

// each runs n goroutines and waits for them.
func each(n int, f func(i int)) {
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { f(i) })
	}
	group.Wait()
}

// pattern gives size bytes that no cut or shift leaves equal.
func pattern(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

func put(t *testing.T, s store.Store, name string, data []byte) {
	t.Helper()
	if err := s.Put(t.Context(), name, bytes.NewReader(data)); err != nil {
		t.Fatalf("Put %s: %v", name, err)
	}
}

func get(t *testing.T, s store.Store, name string) []byte {
	t.Helper()
	blob, err := s.Get(t.Context(), name)
	if err != nil {
		t.Fatalf("Get %s: %v", name, err)
	}
	b, err := io.ReadAll(blob)
	if err := errors.Join(err, blob.Close()); err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	return b
}

func list(t *testing.T, s store.Store, prefix string) []string {
	t.Helper()
	var names []string
	for info, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("List %q: %v", prefix, err)
		}
		names = append(names, info.Name)
	}
	return names
}
