package snapshot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"mulligan/schema"
	"mulligan/snapshot"
	"mulligan/store"
	"mulligan/store/dir"
	"mulligan/store/storetest"
)

func TestRoundTrip(t *testing.T) {
	s, err := dir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	want := writeSmall(t, s)
	text, got, err := readAll(t.Context(), s, smallID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(smallRows(), text); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b snapshot.Digest) bool { return a == b })); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
	if got.Rows() != 6 || got.Table(users).Rows != 4 || got.Table(empty).Rows != 0 || got.Table(schema.Name{Table: "users"}) != nil {
		t.Errorf("counts are wrong: %d rows in all", got.Rows())
	}
}

// TestAnyRows writes lines of any bytes, in writes of any size, spooled in memory or in a file.
func TestAnyRows(t *testing.T) {
	temp := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		line := rapid.SliceOfN(rapid.Byte().Filter(func(b byte) bool { return b != '\n' }), 0, 400)
		lines := rapid.SliceOfN(line, 0, 60).Draw(rt, "lines")
		var raw []byte
		for _, l := range lines {
			raw = append(append(raw, l...), '\n')
		}
		splits := rapid.SliceOfN(rapid.IntRange(1, 5000), 1, 10).Draw(rt, "splits")
		mem := storetest.Memory()
		w, err := snapshot.Create(t.Context(), mem, target, smallID, &snapshot.WriterOptions{
			TempDir: temp, SpoolMemory: rapid.IntRange(1, 2000).Draw(rt, "memory")})
		if err != nil {
			rt.Fatal(err)
		}
		c, err := w.Chunk(t.Context(), users, 1, func(w io.Writer) (int64, error) {
			rest := raw
			for i := 0; len(rest) > 0; i++ {
				n := min(splits[i%len(splits)], len(rest))
				if _, err := w.Write(rest[:n]); err != nil {
					return 0, err
				}
				rest = rest[n:]
			}
			return int64(len(lines)), nil
		})
		if err != nil {
			rt.Fatal(err)
		}
		if err := w.Commit(t.Context(), &snapshot.Manifest{Tables: []snapshot.Table{table(users, c)}}); err != nil {
			rt.Fatal(err)
		}
		text, _, err := readAll(t.Context(), mem, smallID)
		if err != nil || text[c.Name] != string(raw) {
			rt.Fatalf("%d bytes came back, not %d: %v", len(text[c.Name]), len(raw), err)
		}
	})
	left, err := os.ReadDir(temp)
	if err != nil || len(left) != 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
}

func TestManyWritersAndReaders(t *testing.T) {
	mem := storetest.Memory()
	w := create(t, mem, smallID)
	const tables, chunks = 4, 8
	m := &snapshot.Manifest{Tables: make([]snapshot.Table, tables)}
	all := make([]snapshot.Chunk, tables*chunks)
	var group sync.WaitGroup
	for i := range all {
		group.Go(func() {
			name := schema.Name{Table: fmt.Sprint("t", i/chunks)}
			c, err := w.Chunk(t.Context(), name, i%chunks, fill(strings.Repeat(fmt.Sprintf("%d\tx\n", i), 1000+i)))
			if err != nil {
				t.Error(err)
			}
			all[i] = c
		})
	}
	group.Wait()
	for i := range m.Tables {
		m.Tables[i] = table(schema.Name{Table: fmt.Sprint("t", i)}, all[i*chunks:(i+1)*chunks]...)
	}
	if err := w.Commit(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	r, err := snapshot.Open(t.Context(), mem, target, smallID)
	if err != nil {
		t.Fatal(err)
	}
	var rows, size int64
	v, err := r.Verify(t.Context(), 4, func(n, b int64) {
		rows += n
		size += b
	})
	if err != nil {
		t.Fatal(err)
	}
	if v.ID() != smallID || rows != m.Rows() || size != m.Bytes() {
		t.Errorf("verified %s with %d rows and %d bytes, want %s, %d, %d", v.ID(), rows, size, smallID, m.Rows(), m.Bytes())
	}
}

func TestChunkRefuses(t *testing.T) {
	mem := storetest.Memory()
	w := create(t, mem, smallID)
	broken := errors.New("server went away")
	short := func(lines string, n int64, err error) func(io.Writer) (int64, error) {
		return func(w io.Writer) (int64, error) {
			_, _ = io.WriteString(w, lines)
			return n, err
		}
	}
	for name, fill := range map[string]func(io.Writer) (int64, error){
		"one row too many":  short("1\n2\n", 1, nil),
		"one row too few":   short("1\n", 2, nil),
		"a row without end": short("1\n2", 2, nil),
		"half a row":        short("1\n2", 1, nil),
	} {
		if c, err := w.Chunk(t.Context(), users, 1, fill); err == nil {
			t.Errorf("%s: wrote %v", name, c)
		}
	}
	if _, err := w.Chunk(t.Context(), users, 1, short("1\n", 1, broken)); !errors.Is(err, broken) || !strings.Contains(err.Error(), "table public.users, chunk 1") {
		t.Errorf("an error of the source: %v", err)
	}
	if _, err := w.Chunk(t.Context(), schema.Name{}, 1, fill("")); err == nil {
		t.Error("a table without a name was written")
	}
	if _, err := w.Chunk(t.Context(), users, -1, fill("")); err == nil {
		t.Error("chunk -1 was written")
	}
	if names := mem.Names(); len(names) != 0 {
		t.Errorf("failed chunks left %q", names)
	}
	write(t, w, users, 1, "1\n") // after the failures it still can
	if _, err := w.Chunk(t.Context(), users, 1, fill("1\n")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the same chunk again: %v, want fs.ErrExist", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := w.Chunk(ctx, users, 2, func(w io.Writer) (int64, error) {
		cancel()
		_, err := io.WriteString(w, "1\n")
		return 1, err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled inside: %v, want context.Canceled", err)
	}
}

func TestCommitRefuses(t *testing.T) {
	w := create(t, storetest.Memory(), smallID)
	a, b := write(t, w, users, 1, "1\n"), write(t, w, users, 2, "2\n")
	lie := a
	lie.RawBytes++
	never := b
	never.Seq, never.Name = 3, snapshot.ChunkName(users, 3)
	wrong := table(users, a, b)
	wrong.Rows++
	for name, tables := range map[string][]snapshot.Table{
		"a chunk left out":     {table(users, a)},
		"a chunk twice":        {table(users, a, b, b)},
		"a chunk never made":   {table(users, a, b, never)},
		"a chunk that differs": {table(users, lie, b)},
		"a table twice":        {table(users, a), table(users, b)},
		"another's chunk":      {table(orders, a, b)},
		"a wrong row count":    {wrong},
		"nothing":              nil,
	} {
		if err := w.Commit(t.Context(), &snapshot.Manifest{Tables: tables}); err == nil {
			t.Fatalf("%s: committed", name)
		}
	}
	good := func() *snapshot.Manifest { return &snapshot.Manifest{Tables: []snapshot.Table{table(users, a, b)}} }
	other := good()
	other.Target = "other"
	binary := good()
	binary.Ledger = &snapshot.Ledger{Table: users, Recorded: "\xff"}
	for name, m := range map[string]*snapshot.Manifest{"another's manifest": other, "text that is not UTF-8": binary} {
		if err := w.Commit(t.Context(), m); err == nil {
			t.Fatalf("%s: committed", name)
		}
	}
	odd := good()
	odd.Ledger = &snapshot.Ledger{Table: users, Recorded: `\ufffd` + "\ufffd"} // looks like the escape, and is the character: both are UTF-8
	if err := w.Commit(t.Context(), odd); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(t.Context(), good()); err == nil {
		t.Error("committed twice")
	}
	if _, err := w.Chunk(t.Context(), users, 9, fill("")); err == nil {
		t.Error("wrote a chunk after Commit")
	}
}

func TestNothingReplaces(t *testing.T) {
	mem := storetest.Memory()
	writeSmall(t, mem)
	if _, err := snapshot.Create(t.Context(), mem, target, smallID, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create again: %v, want fs.ErrExist", err)
	}
	// Two that began at once: the loser's Abort leaves the winner's blobs.
	id := snapshot.ID("20261123T000000Z-000000")
	winner, loser := create(t, mem, id), create(t, mem, id)
	c := write(t, winner, users, 1, "1\n")
	if _, err := loser.Chunk(t.Context(), users, 1, fill("2\n")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the loser's chunk: %v, want fs.ErrExist", err)
	}
	if err := loser.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := winner.Commit(t.Context(), &snapshot.Manifest{Tables: []snapshot.Table{table(users, c)}}); err != nil {
		t.Fatal(err)
	}
	if text, _, err := readAll(t.Context(), mem, id); err != nil || text[c.Name] != "1\n" {
		t.Errorf("the winner's snapshot: %q, %v", text, err)
	}
}

func TestAbort(t *testing.T) {
	mem := storetest.Memory()
	w := create(t, mem, smallID)
	write(t, w, users, 1, "1\n")
	if err := w.Put(t.Context(), "schema.sql", nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
	if names := mem.Names(); len(names) != 0 {
		t.Errorf("Abort left %q", names)
	}
	if err := w.Commit(t.Context(), &snapshot.Manifest{}); err == nil {
		t.Error("committed after Abort")
	}
	mem = storetest.Memory()
	w = create(t, mem, smallID)
	if err := w.Commit(t.Context(), &snapshot.Manifest{}); err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(t.Context()); err != nil || len(mem.Names()) != 1 {
		t.Errorf("Abort after Commit: %v, the store holds %q", err, mem.Names())
	}
}

func TestPutRefusesNames(t *testing.T) {
	w := create(t, storetest.Memory(), smallID)
	for _, name := range []string{"", "..", "../x", "/x", "a/b", "data", "data/x", "manifest.json", "Manifest.JSON", ".x", "a\\b"} {
		if err := w.Put(t.Context(), name, nil); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Put %q: %v, want fs.ErrInvalid", name, err)
		}
	}
	if err := w.Put(t.Context(), "schema.sql", nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Put(t.Context(), "schema.sql", nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Put again: %v, want fs.ErrExist", err)
	}
	for _, bad := range []string{"", "..", "a/b", ".tmp", "a\x00"} {
		if _, err := snapshot.Create(t.Context(), storetest.Memory(), bad, smallID, nil); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Create for target %q: %v, want fs.ErrInvalid", bad, err)
		}
		if _, err := snapshot.Open(t.Context(), storetest.Memory(), bad, smallID); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Open of target %q: %v, want fs.ErrInvalid", bad, err)
		}
	}
	for _, bad := range []snapshot.ID{"", "../../x", "20261122T215500Z-9F3A1C", "20261322T215500Z-9f3a1c"} {
		if _, err := snapshot.Open(t.Context(), storetest.Memory(), target, bad); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Open of id %q: %v, want fs.ErrInvalid", bad, err)
		}
	}
}

// TestDiskFull fills the disk after every number of bytes: a snapshot is listed only if it is whole.
func TestDiskFull(t *testing.T) {
	whole := storetest.Memory()
	writeSmall(t, whole)
	var size int64
	for _, name := range whole.Names() {
		size += int64(len(whole.Bytes(name)))
	}
	for room := range size {
		mem := storetest.Memory()
		s := storetest.Full(mem, room)
		err := tryOne(t, s)
		if err == nil {
			if _, _, err := readAll(t.Context(), mem, smallID); err != nil {
				t.Fatalf("room for %d bytes: Commit was nil, but: %v", room, err)
			}
			continue
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("room for %d bytes: %v, want ENOSPC", room, err)
		}
		if list, err := snapshot.List(t.Context(), mem, target); err != nil || len(list) != 0 {
			t.Fatalf("room for %d bytes: List gives %v, %v", room, list, err)
		}
	}
}

// tryOne writes a snapshot of two chunks and aborts it where that fails.
func tryOne(t *testing.T, s store.Store) error {
	w := create(t, s, smallID)
	a, err := w.Chunk(t.Context(), users, 1, fill("1\n"))
	if err == nil {
		err = w.Put(t.Context(), "schema.sql", []byte("-- nothing\n"))
	}
	var b snapshot.Chunk
	if err == nil {
		b, err = w.Chunk(t.Context(), users, 2, fill("2\n"))
	}
	if err == nil {
		err = w.Commit(t.Context(), &snapshot.Manifest{Tables: []snapshot.Table{table(users, a, b)}})
	}
	if err != nil {
		return errors.Join(err, w.Abort(t.Context()))
	}
	return nil
}

func TestTempDirGone(t *testing.T) {
	w, err := snapshot.Create(t.Context(), storetest.Memory(), target, smallID, &snapshot.WriterOptions{
		TempDir: t.TempDir() + "/gone", SpoolMemory: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Chunk(t.Context(), users, 1, fill("1\n")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a chunk that needs a temporary file: %v, want fs.ErrNotExist", err)
	}
}

// TestKilled kills a process in the middle of a chunk that has outgrown memory: nothing is listed, no
// temporary file is left, and what is left of the snapshot is found and can be removed.
func TestKilled(t *testing.T) {
	if root := os.Getenv("SNAPSHOT_TEST_STORE"); root != "" {
		killedWriter(t, root, os.Getenv("SNAPSHOT_TEST_TEMP"))
		t.Fatal("still alive")
	}
	root, temp := t.TempDir(), t.TempDir()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
	child.Env = append(os.Environ(), "SNAPSHOT_TEST_STORE="+root, "SNAPSHOT_TEST_TEMP="+temp)
	if out, err := child.CombinedOutput(); err == nil || child.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended by %v, not by SIGKILL\n%s", err, out)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
	s, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := snapshot.List(t.Context(), s, target); err != nil || len(list) != 0 {
		t.Errorf("List: %v, %v", list, err)
	}
	if left, err := snapshot.Incomplete(t.Context(), s, target); err != nil || len(left) != 1 || left[0].ID != smallID {
		t.Errorf("Incomplete: %v, %v", left, err)
	}
	if err := snapshot.Remove(t.Context(), s, target, smallID); err != nil {
		t.Error(err)
	}
	writeSmall(t, s) // the place is free again
}

// killedWriter writes one chunk, begins a second one, and kills its process.
func killedWriter(t *testing.T, root, temp string) {
	s, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	w, err := snapshot.Create(t.Context(), s, target, smallID, &snapshot.WriterOptions{TempDir: temp, SpoolMemory: 1000})
	if err != nil {
		t.Fatal(err)
	}
	write(t, w, users, 1, "1\n")
	_, err = w.Chunk(t.Context(), users, 2, func(w io.Writer) (int64, error) {
		noise := make([]byte, 4<<20)
		_, _ = rand.NewChaCha8([32]byte{1}).Read(noise) // it never fails
		if _, err := w.Write(noise); err != nil {
			return 0, err
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			return 0, err
		}
		select {} // the signal is on its way
	})
	t.Fatal(err)
}

func TestListAndResolve(t *testing.T) {
	mem := storetest.Memory()
	if list, err := snapshot.List(t.Context(), mem, target); err != nil || len(list) != 0 {
		t.Errorf("an empty store: %v, %v", list, err)
	}
	writeSmall(t, mem)
	later := snapshot.ID("20261122T215500Z-a00000")
	if err := create(t, mem, later).Commit(t.Context(), &snapshot.Manifest{}); err != nil {
		t.Fatal(err)
	}
	unfinished := snapshot.ID("20261231T000000Z-ffffff")
	write(t, create(t, mem, unfinished), users, 1, "1\n")
	mem.Replace("app/notes.txt", nil)
	mem.Replace("app/other/manifest.json", nil)
	mem.Replace("web/20270101T000000Z-000000/manifest.json", []byte("{}"))

	list, err := snapshot.List(t.Context(), mem, target)
	if err != nil || len(list) != 2 || list[0].ID != smallID || list[1].ID != later || list[0].Rows != 6 || list[0].Tables != 3 || list[0].Err != nil {
		t.Errorf("List: %+v, %v", list, err)
	}
	list, err = snapshot.List(t.Context(), mem, "")
	if err != nil || len(list) != 3 || list[2].Target != "web" || !errors.Is(list[2].Err, snapshot.ErrCorrupt) {
		t.Errorf("List of all targets: %+v, %v", list, err)
	}
	left, err := snapshot.Incomplete(t.Context(), mem, target)
	if err != nil || len(left) != 1 || left[0].ID != unfinished || left[0].Stored == 0 {
		t.Errorf("Incomplete: %+v, %v", left, err)
	}
	for text, want := range map[string]snapshot.ID{"latest": later, string(smallID): smallID, "20261122T215500Z-9": smallID, "20261122T215500Z-a": later} {
		if got, err := snapshot.Resolve(t.Context(), mem, target, text); err != nil || got != want {
			t.Errorf("Resolve %q: %s, %v, want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]error{"": fs.ErrNotExist, "2025": fs.ErrNotExist, "2026": fs.ErrInvalid, string(unfinished): fs.ErrNotExist} {
		if _, err := snapshot.Resolve(t.Context(), mem, target, text); !errors.Is(err, want) {
			t.Errorf("Resolve %q: %v, want %v", text, err, want)
		}
	}
	if _, err := snapshot.Open(t.Context(), mem, target, unfinished); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of an unfinished one: %v, want fs.ErrNotExist", err)
	}
}

// TestBrokenStore: a store that cannot be listed is no empty one.
func TestBrokenStore(t *testing.T) {
	mem := storetest.Memory()
	writeSmall(t, mem)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, list := snapshot.List(ctx, mem, target)
	_, incomplete := snapshot.Incomplete(ctx, mem, target)
	_, resolve := snapshot.Resolve(ctx, mem, target, "latest")
	_, open := snapshot.Open(ctx, mem, target, smallID)
	_, create := snapshot.Create(ctx, mem, target, smallID, nil)
	for name, err := range map[string]error{"List": list, "Incomplete": incomplete, "Resolve": resolve, "Open": open, "Create": create,
		"Remove": snapshot.Remove(ctx, mem, target, smallID)} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want the store's error", name, err)
		}
	}
	_, list = snapshot.List(t.Context(), mem, "../x")
	_, resolve = snapshot.Resolve(t.Context(), mem, "", "latest")
	for name, err := range map[string]error{"List": list, "Resolve": resolve, "Remove": snapshot.Remove(t.Context(), mem, target, "../x")} {
		if !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s of an impossible place: %v, want fs.ErrInvalid", name, err)
		}
	}
}

func TestRemove(t *testing.T) {
	mem := storetest.Memory()
	writeSmall(t, mem)
	other := snapshot.ID("20261122T215500Z-a00000")
	if err := create(t, mem, other).Commit(t.Context(), &snapshot.Manifest{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := snapshot.Remove(t.Context(), mem, target, smallID); err != nil {
			t.Fatal(err)
		}
	}
	if names := mem.Names(); len(names) != 1 || !strings.Contains(names[0], string(other)) {
		t.Errorf("left: %q", names)
	}
}

func TestID(t *testing.T) {
	now := time.Date(2026, 11, 22, 23, 55, 0, 999, time.FixedZone("", 7200))
	id, err := snapshot.NewID(now, bytes.NewReader([]byte{0x9f, 0x3a, 0x1c}))
	if err != nil || id != smallID {
		t.Fatalf("NewID: %s, %v, want %s", id, err, smallID)
	}
	if !id.Time().Equal(now.Truncate(time.Second)) || id.Run() != "9f3a1c" {
		t.Errorf("its time is %v and its run %s", id.Time(), id.Run())
	}
	if _, err := snapshot.NewID(now, strings.NewReader("x")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("NewID without randomness: %v", err)
	}
	for _, bad := range []string{"", "latest", "20261122T215500Z", "20261122T215500Z-9f3a1", "20261122T215500Z-9f3a1g", "20261122T215500Z_9f3a1c", "20260230T215500Z-9f3a1c", "20261122T215500Z-9f3a1c "} {
		if _, err := snapshot.ParseID(bad); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("ParseID %q: %v, want fs.ErrInvalid", bad, err)
		}
		if got := snapshot.ID(bad); len(bad) != len(smallID) && (!got.Time().IsZero() || got.Run() != "") {
			t.Errorf("ID %q has a time or a run", bad)
		}
	}
}

// TestChunkNames are known ones, and the property that no two tables meet, whatever case a file system keeps.
func TestChunkNames(t *testing.T) {
	long := strings.Repeat("é", 63)
	for want, name := range map[string]schema.Name{
		"data/users/000001.tsv.zst":                          {Table: "users"},
		"data/public.users/000001.tsv.zst":                   users,
		"data/public%2eusers/000001.tsv.zst":                 {Table: "public.users"},
		"data/public.%4frder%2e%22%49tems%22/000001.tsv.zst": orders,
		"data/%2e%2e%2fa%20%00%25/000001.tsv.zst":            {Table: "../a \x00%"},
	} {
		if got := snapshot.ChunkName(name, 1); got != want {
			t.Errorf("ChunkName of %s is %s, want %s", name, got, want)
		}
	}
	one, two := snapshot.ChunkName(schema.Name{Table: long + "a"}, 1), snapshot.ChunkName(schema.Name{Table: long + "b"}, 1)
	if one == two || len(one) > 160 || strings.Count(one, "%")*2 != strings.Count(one, "%c3%a9")*4 && !strings.Contains(one, "~") {
		t.Errorf("long names: %s and %s", one, two)
	}
	if got := snapshot.ChunkName(users, 1234567); !strings.HasSuffix(got, "/1234567.tsv.zst") {
		t.Errorf("a high number: %s", got)
	}
	rapid.Check(t, func(rt *rapid.T) {
		part := rapid.StringMatching(`[aA.%"/~é]{1,60}`)
		a := schema.Name{Schema: rapid.OneOf(part, rapid.Just("")).Draw(rt, "schema a"), Table: part.Draw(rt, "table a")}
		b := schema.Name{Schema: rapid.OneOf(part, rapid.Just("")).Draw(rt, "schema b"), Table: part.Draw(rt, "table b")}
		if a != b && strings.EqualFold(snapshot.ChunkName(a, 1), snapshot.ChunkName(b, 1)) {
			rt.Fatalf("%s and %s share %s", a, b, snapshot.ChunkName(a, 1))
		}
		if err := store.CheckName(snapshot.ChunkName(a, 1)); err != nil {
			rt.Fatal(err)
		}
		parts := strings.Split(snapshot.ChunkName(a, 1), "/")
		if len(parts) != 3 || slices.ContainsFunc(parts, func(p string) bool { return len(p) > 255 }) {
			rt.Fatalf("%q", parts)
		}
	})
}
