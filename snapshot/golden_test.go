package snapshot_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/snapshot"
	"mulligan/store/dir"
	"mulligan/store/storetest"
)

var update = flag.Bool("update", false, "write the golden snapshot of the present format anew")

// TestGolden reads the snapshots of every released format, which stay in testdata for ever. With
// -update it writes that of the present format anew: only before that format is released.
func TestGolden(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	s := golden(t)
	text, m, err := readAll(t.Context(), s, smallID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(smallRows(), text); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	want := writeSmall(t, storetest.Memory())
	for i := range want.Tables { // another release of the compressor may write other bytes
		for j := range want.Tables[i].Chunks {
			want.Tables[i].Chunks[j].Stored = m.Tables[i].Chunks[j].Stored
		}
	}
	if diff := cmp.Diff(want, m, cmp.Comparer(func(a, b snapshot.Digest) bool { return a == b })); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
	r, err := snapshot.Open(t.Context(), s, target, smallID)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := r.File(t.Context(), "schema.sql"); err != nil || string(b) != "CREATE TABLE users (id int);\n" {
		t.Errorf("schema.sql: %q, %v", b, err)
	}
	if v, err := r.Verify(t.Context(), 2, nil); err != nil || v.ID() != smallID {
		t.Errorf("verify: %v", err)
	}
}

// golden gives a copy of the files in testdata: a store may not be opened in a source tree that is read only.
func golden(t testing.TB) *storetest.Mem {
	t.Helper()
	mem := storetest.Memory()
	root := filepath.Join("testdata", "v1")
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		mem.Replace(filepath.ToSlash(name), b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return mem
}

func writeGolden(t *testing.T) {
	t.Helper()
	root := filepath.Join("testdata", "v1")
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
	s, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	writeSmall(t, s)
	if err := os.RemoveAll(filepath.Join(root, ".tmp")); err != nil {
		t.Fatal(err)
	}
}

// FuzzManifest opens any bytes as a manifest, as they are and with a right frame around them.
func FuzzManifest(f *testing.F) {
	mem := golden(f)
	name := target + "/" + smallID.String() + "/manifest.json"
	whole := mem.Bytes(name)
	f.Add(whole)
	f.Add(whole[len(`{"manifest":`):bytes.LastIndex(whole, []byte("\n,"))])
	f.Add([]byte(`{"format":{"major":1},"id":"` + smallID + `","target":"app","tables":[{"name":"x","chunks":[{}]}]}`))
	f.Add([]byte(`{"format":{"major":2}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, text := range [][]byte{b, frame(b)} {
			s := mem.Clone()
			s.Replace(name, text)
			r, err := snapshot.Open(t.Context(), s, target, smallID)
			if err != nil {
				if !errors.Is(err, snapshot.ErrCorrupt) && !errors.Is(err, snapshot.ErrNewer) {
					t.Fatalf("open: %v", err)
				}
				continue
			}
			if _, err := r.Verify(t.Context(), 1, nil); err != nil && !errors.Is(err, snapshot.ErrCorrupt) {
				t.Fatalf("verify: %v", err)
			}
		}
	})
}
