package snapshot_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"mulligan/snapshot"
	"mulligan/store/storetest"
)

// checkDamaged reads a damaged small snapshot: the answer is the right rows, or ErrCorrupt.
func checkDamaged(t *testing.T, mem *storetest.Mem, what string, args ...any) {
	t.Helper()
	text, _, err := readAll(t.Context(), mem, smallID)
	if err == nil {
		t.Errorf(what+": nothing was noticed", args...)
		if diff := cmp.Diff(smallRows(), text); diff != "" {
			t.Errorf(what+": wrong rows (-want +got):\n"+diff, args...)
		}
		return
	}
	if !errors.Is(err, snapshot.ErrCorrupt) {
		t.Errorf(what+": %v, want ErrCorrupt", append(args, err)...)
	}
}

// TestFlipEachBit: no bit of any blob may change unnoticed.
func TestFlipEachBit(t *testing.T) {
	mem := storetest.Memory()
	writeSmall(t, mem)
	for _, name := range mem.Names() {
		whole := mem.Bytes(name)
		for i := range len(whole) * 8 {
			bad := bytes.Clone(whole)
			bad[i/8] ^= 1 << (i % 8)
			mem.Replace(name, bad)
			checkDamaged(t, mem, "%s with bit %d flipped", name, i)
		}
		mem.Replace(name, whole)
	}
}

// TestCutAtEachLength: nor may a blob be shorter or longer.
func TestCutAtEachLength(t *testing.T) {
	mem := storetest.Memory()
	writeSmall(t, mem)
	for _, name := range mem.Names() {
		whole := mem.Bytes(name)
		for n := range whole {
			mem.Replace(name, whole[:n])
			checkDamaged(t, mem, "%s cut to %d bytes", name, n)
		}
		for _, tail := range []string{"\x00", "\n", " ", string(whole)} {
			mem.Replace(name, append(bytes.Clone(whole), tail...))
			checkDamaged(t, mem, "%s with %q behind it", name, tail)
		}
		mem.Replace(name, whole)
	}
}

func TestMissingAndSwappedBlobs(t *testing.T) {
	whole := storetest.Memory()
	writeSmall(t, whole)
	names := slices.DeleteFunc(whole.Names(), func(n string) bool { return strings.HasSuffix(n, "manifest.json") })
	for _, a := range names {
		mem := whole.Clone()
		if err := mem.Delete(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		checkDamaged(t, mem, "without %s", a)
		for _, b := range names {
			if a == b {
				continue
			}
			mem := whole.Clone()
			mem.Replace(a, whole.Bytes(b))
			checkDamaged(t, mem, "%s in the place of %s", b, a)
			mem.Replace(b, whole.Bytes(a))
			checkDamaged(t, mem, "%s and %s swapped", b, a)
		}
	}
}

// TestDamageNamesTheChunk also through Verify, which gives no proof then.
func TestDamageNamesTheChunk(t *testing.T) {
	mem := storetest.Memory()
	writeSmall(t, mem)
	name := target + "/" + smallID.String() + "/" + snapshot.ChunkName(users, 2)
	mem.Replace(name, mem.Bytes(name)[:9])
	r, err := snapshot.Open(t.Context(), mem, target, smallID)
	if err != nil {
		t.Fatal(err)
	}
	v, err := r.Verify(t.Context(), 2, nil)
	if v != nil || !errors.Is(err, snapshot.ErrCorrupt) || !strings.Contains(err.Error(), "table public.users, chunk 2") {
		t.Errorf("Verify: %v, %v", v, err)
	}
	if v.ID() != "" || v.Manifest() != nil || new(snapshot.Verified).ID() != "" {
		t.Error("no proof has an ID")
	}
}

// TestStoreFailure: a disk that cannot be read says nothing about the snapshot.
func TestStoreFailure(t *testing.T) {
	mem := storetest.Memory()
	writeSmall(t, mem)
	size := int64(len(mem.Bytes(target + "/" + smallID.String() + "/manifest.json")))
	if _, err := snapshot.Open(t.Context(), storetest.Torn(mem, size-1), target, smallID); !errors.Is(err, syscall.EIO) || errors.Is(err, snapshot.ErrCorrupt) {
		t.Errorf("Open: %v, want EIO and not ErrCorrupt", err)
	}
	noise := bytes.NewBuffer(nil)
	for i := range 100_000 {
		fmt.Fprintln(noise, i*i)
	}
	id := snapshot.ID("20261123T000000Z-000000")
	w := create(t, mem, id)
	c := write(t, w, users, 1, noise.String())
	if err := w.Commit(t.Context(), &snapshot.Manifest{Tables: []snapshot.Table{table(users, c)}}); err != nil {
		t.Fatal(err)
	}
	r, err := snapshot.Open(t.Context(), storetest.Torn(mem, c.Stored.Size/2), target, id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Verify(t.Context(), 1, nil); !errors.Is(err, syscall.EIO) || errors.Is(err, snapshot.ErrCorrupt) {
		t.Errorf("Verify: %v, want EIO and not ErrCorrupt", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, err = snapshot.Open(ctx, mem, target, id)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := r.Rows(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, rows); !errors.Is(err, context.Canceled) || errors.Is(err, snapshot.ErrCorrupt) {
		t.Errorf("Read after a cancel: %v, want context.Canceled", err)
	}
	if err := rows.Close(); err != nil {
		t.Error(err)
	}
}

// TestForgedManifests have right sums and wrong content.
func TestForgedManifests(t *testing.T) {
	type object = map[string]any
	chunk := func(m object, i int) object {
		return m["tables"].([]any)[0].(object)["chunks"].([]any)[i].(object)
	}
	set := func(key string, value any) func(object) {
		return func(m object) { chunk(m, 0)[key] = value }
	}
	for name, change := range map[string]func(object){
		"another id":        func(m object) { m["id"] = "20261122T215500Z-000000" },
		"another target":    func(m object) { m["target"] = "other" },
		"a target outside":  func(m object) { m["target"] = "../other" },
		"no id":             func(m object) { delete(m, "id") },
		"no format":         func(m object) { delete(m, "format") },
		"an odd format":     func(m object) { m["format"] = "1.0" },
		"a name outside":    set("name", "../../../etc/passwd"),
		"another's name":    set("name", snapshot.ChunkName(orders, 1)),
		"another's table":   set("table", orders.String()),
		"a negative number": set("seq", -1),
		"an absurd number":  set("seq", 1<<62),
		"a fraction":        set("seq", 1.5),
		"negative rows":     set("rows", -1),
		"too many rows":     set("rows", json.Number("9223372036854775807")),
		"beyond 64 bits":    set("rows", json.Number("9223372036854775808")),
		"negative bytes":    set("rawBytes", -1),
		"fewer bytes":       set("rawBytes", 1),
		"negative stored":   set("stored", object{"size": -1, "sha256": strings.Repeat("0", 64)}),
		"a short sum":       set("stored", object{"size": 1, "sha256": "00"}),
		"a digest of none":  set("digest", "0:00000000000000000000000000000001"),
		"an odd digest":     set("digest", "+3:00000000000000000000000000000001"),
		"a chunk twice":     func(m object) { maps.Copy(chunk(m, 1), chunk(m, 0)) },
		"a chunk left out":  func(m object) { t := m["tables"].([]any)[0].(object); t["chunks"] = t["chunks"].([]any)[:1] },
		"a table twice":     func(m object) { t := m["tables"].([]any); m["tables"] = append(t, t[2]) },
		"a column twice": func(m object) {
			t := m["tables"].([]any)[0].(object)
			c := t["columns"].([]any)
			t["columns"] = append(c, c[0])
		},
		"another table digest": func(m object) { m["tables"].([]any)[0].(object)["digest"] = "4:00000000000000000000000000000001" },
		"more rows":            func(m object) { m["tables"].([]any)[0].(object)["rows"] = 5 },
		"a file outside":       func(m object) { m["files"].([]any)[0].(object)["name"] = "../x" },
		"a file of data":       func(m object) { m["files"].([]any)[0].(object)["name"] = snapshot.ChunkName(users, 1) },
		"the manifest a file":  func(m object) { m["files"].([]any)[0].(object)["name"] = "manifest.json" },
		"an absurd file":       func(m object) { m["files"].([]any)[0].(object)["stored"].(object)["size"] = 1 << 60 },
		"tables of no kind":    func(m object) { m["tables"] = "all" },
	} {
		mem := storetest.Memory()
		writeSmall(t, mem)
		forge(t, mem, change)
		if _, err := snapshot.Open(t.Context(), mem, target, smallID); !errors.Is(err, snapshot.ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", name, err)
		}
	}
}

// TestForgedCounts: the blobs are right, and the manifest lies about the rows in them.
func TestForgedCounts(t *testing.T) {
	type object = map[string]any
	for name, change := range map[string]func(table, first, second object){
		"fewer bytes than there are": func(_, first, _ object) { first["rawBytes"] = 5 },
		"more bytes than there are":  func(_, first, _ object) { first["rawBytes"] = 1 << 40 },
		"fewer rows than there are": func(table, first, _ object) {
			first["rows"], table["rows"] = 2, 3
			first["digest"] = "2" + first["digest"].(string)[1:]
			table["digest"] = "3" + table["digest"].(string)[1:]
		},
		"other rows than there are": func(_, first, second object) {
			sum := func(o object) string { return o["digest"].(string)[1:] }
			first["digest"], second["digest"] = "3"+sum(second), "1"+sum(first)
		},
	} {
		mem := storetest.Memory()
		writeSmall(t, mem)
		forge(t, mem, func(m object) {
			table := m["tables"].([]any)[0].(object)
			chunks := table["chunks"].([]any)
			change(table, chunks[0].(object), chunks[1].(object))
		})
		if _, err := snapshot.Open(t.Context(), mem, target, smallID); err != nil {
			t.Fatalf("%s: the lie shows already in the manifest: %v", name, err)
		}
		checkDamaged(t, mem, "%s", name)
	}
}

func TestVersions(t *testing.T) {
	type object = map[string]any
	mem := storetest.Memory()
	writeSmall(t, mem)
	forge(t, mem, func(m object) {
		m["format"] = object{"major": 1, "minor": 9, "patch": 1}
		m["novelty"] = object{"a": []int{1}}
		m["tables"].([]any)[0].(object)["novelty"] = true
	})
	if text, m, err := readAll(t.Context(), mem, smallID); err != nil || m.Format.Minor != 9 || !maps.Equal(text, smallRows()) {
		t.Errorf("a newer minor version: %v", err)
	}
	forge(t, mem, func(m object) {
		clear(m)
		m["format"] = object{"major": 2, "minor": 0}
		m["tables"] = "are elsewhere"
	})
	if _, err := snapshot.Open(t.Context(), mem, target, smallID); !errors.Is(err, snapshot.ErrNewer) || errors.Is(err, snapshot.ErrCorrupt) {
		t.Errorf("a newer major version: %v, want ErrNewer", err)
	}
	list, err := snapshot.List(t.Context(), mem, target)
	if err != nil || len(list) != 1 || !errors.Is(list[0].Err, snapshot.ErrNewer) {
		t.Errorf("List of it: %+v, %v", list, err)
	}
}

// TestBombs are blobs whose sums the manifest confirms, and which unpack to far more than it says, or
// ask for a huge window.
func TestBombs(t *testing.T) {
	zip := func(options ...zstd.EOption) []byte {
		var b bytes.Buffer
		enc, err := zstd.NewWriter(&b, options...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(enc, io.LimitReader(ones{}, 256<<20)); err != nil {
			t.Fatal(err)
		}
		if err := enc.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for name, blob := range map[string][]byte{
		"256 MiB of ones":  zip(),
		"a 512 MiB window": zip(zstd.WithWindowSize(512<<20), zstd.WithEncoderConcurrency(1)),
	} {
		mem := storetest.Memory()
		writeSmall(t, mem)
		mem.Replace(target+"/"+smallID.String()+"/"+snapshot.ChunkName(users, 1), blob)
		forge(t, mem, func(m map[string]any) {
			c := m["tables"].([]any)[0].(map[string]any)["chunks"].([]any)[0].(map[string]any)
			c["stored"] = snapshot.Sum{Size: int64(len(blob)), SHA256: sha256.Sum256(blob)}
		})
		before := allocated()
		checkDamaged(t, mem, "%s", name)
		if used := allocated() - before; used > 64<<20 {
			t.Errorf("%s: %d MiB were allocated", name, used>>20)
		}
	}
}

// ones gives '1' for ever.
type ones struct{}

// Read fills p.
func (ones) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '1'
	}
	return len(p), nil
}

// allocated is what the program has allocated so far, freed or not.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func TestRowsRefusesStrangers(t *testing.T) {
	mem := storetest.Memory()
	m := writeSmall(t, mem)
	r, err := snapshot.Open(t.Context(), mem, target, smallID)
	if err != nil {
		t.Fatal(err)
	}
	c := m.Tables[0].Chunks[0]
	c.Rows++
	if _, err := r.Rows(t.Context(), c); err == nil {
		t.Error("a chunk that the manifest does not have was opened")
	}
	if _, err := r.File(t.Context(), "nothing.sql"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that the manifest does not have: %v, want fs.ErrNotExist", err)
	}
	rows, err := r.Rows(t.Context(), m.Tables[0].Chunks[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rows.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := rows.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if _, err := rows.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Read after Close: %v, want fs.ErrClosed", err)
	}
}
