package snapshot_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"mulligan/schema"
	"mulligan/snapshot"
	"mulligan/store"
	"mulligan/store/storetest"
)

const target = "app"

// small is the snapshot that tests damage, and the golden one: every part of the format is in it.
const smallID = snapshot.ID("20261122T215500Z-9f3a1c")

var (
	users  = schema.Name{Schema: "public", Table: "users"}
	orders = schema.Name{Schema: "public", Table: `Order."Items"`}
	empty  = schema.Name{Schema: "public", Table: "empty"}
)

// smallRows are the lines of the small snapshot, by blob name.
func smallRows() map[string]string {
	return map[string]string{
		snapshot.ChunkName(users, 1):  "1\tann\t\\N\n2\tb\\tb\t\\\\x00\n2\tb\\tb\t\\\\x00\n",
		snapshot.ChunkName(users, 2):  "3\tЖ名😀\t\n",
		snapshot.ChunkName(orders, 1): "\n\n",
		snapshot.ChunkName(orders, 7): "",
	}
}

// writeSmall writes the small snapshot and gives its manifest.
func writeSmall(t testing.TB, s store.Store) *snapshot.Manifest {
	t.Helper()
	w := create(t, s, smallID)
	text := smallRows()
	chunk := func(name schema.Name, seq int) snapshot.Chunk {
		return write(t, w, name, seq, text[snapshot.ChunkName(name, seq)])
	}
	if err := w.Put(t.Context(), "schema.sql", []byte("CREATE TABLE users (id int);\n")); err != nil {
		t.Fatal(err)
	}
	m := smallManifest(
		table(users, chunk(users, 1), chunk(users, 2)),
		table(orders, chunk(orders, 7), chunk(orders, 1)),
		table(empty))
	if err := w.Commit(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	return m
}

// smallManifest has a value in every field of the manifest.
func smallManifest(tables ...snapshot.Table) *snapshot.Manifest {
	at := func(second int) time.Time { return time.Date(2026, 11, 22, 21, 55, second, 0, time.UTC) }
	id := schema.Column{Name: "id", Type: "bigint", Identity: schema.IdentityAlways}
	tables[0].Columns = []schema.Column{id,
		{Name: "nick", Type: "text", Nullable: true, Default: "'<&>'::text"},
		{Name: "face", Type: "bytea", Nullable: true},
		{Name: "nick_low", Type: "text", Nullable: true, Default: "lower(nick)", Generated: true}}
	tables[0].Key, tables[0].Parents, tables[0].Storage = []string{"id"}, []schema.Name{users, orders}, "heap"
	tables[0].Where = "created_at > '2026-01-01'"
	owner := users
	return &snapshot.Manifest{
		Tool: "mulligan 0.1.0", Engine: "postgres", ServerVersion: "15.18", ServerIdentity: "7300000000000000001",
		Database: snapshot.Database{Name: "app", Owner: "ann", Properties: map[string]string{"encoding": "UTF8"},
			Settings: []string{"work_mem=4MB"}, Grants: []string{"ann=CTc/ann"}, Sessions: 2, Bytes: 8 << 20},
		Started: at(0), Finished: at(3),
		Point: snapshot.Point{Time: at(1), Position: "lsn 0/16B3748", Readers: 2, Note: "none"},
		Ledger: &snapshot.Ledger{Tool: "typeorm", Table: schema.Name{Schema: "public", Table: "migrations"},
			Records:  []snapshot.Record{{ID: "a1", State: "applied", At: at(0), Raw: map[string]string{"id": "1", "name": "a1"}}},
			Recorded: "a1", Effective: "b2",
			Files: []snapshot.MigrationFile{{ID: "a1", Title: "a", SHA256: strings.Repeat("0f", 32)}, {ID: "b2"}}},
		Tables:    tables,
		Sequences: []schema.Sequence{{Name: schema.Name{Schema: "public", Table: "users_id_seq"}, Table: &owner, Column: "id", Value: 3, Called: true}},
		Excluded:  []snapshot.Excluded{{Name: schema.Name{Schema: "public", Table: "sessions"}, Rule: "exclude: sessions"}},
		Objects:   []schema.Object{{Kind: "table", Name: "public.users", Def: "TABLE"}},
	}
}

// table joins a table's chunks.
func table(name schema.Name, chunks ...snapshot.Chunk) snapshot.Table {
	t := snapshot.Table{Table: schema.Table{Name: name, Kind: schema.KindTable}, Chunks: chunks}
	for _, c := range chunks {
		t.Rows += c.Rows
		t.Digest = t.Digest.Add(c.Digest)
	}
	return t
}

func create(t testing.TB, s store.Store, id snapshot.ID) *snapshot.Writer {
	t.Helper()
	w, err := snapshot.Create(t.Context(), s, target, id, &snapshot.WriterOptions{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// write writes lines as one chunk.
func write(t testing.TB, w *snapshot.Writer, name schema.Name, seq int, lines string) snapshot.Chunk {
	t.Helper()
	c, err := w.Chunk(t.Context(), name, seq, fill(lines))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// fill writes lines and counts them.
func fill(lines string) func(io.Writer) (int64, error) {
	return func(w io.Writer) (int64, error) {
		_, err := io.WriteString(w, lines)
		return int64(strings.Count(lines, "\n")), err
	}
}

// readAll reads every chunk of a snapshot by blob name, and every file.
func readAll(ctx context.Context, s store.Store, id snapshot.ID) (map[string]string, *snapshot.Manifest, error) {
	r, err := snapshot.Open(ctx, s, target, id)
	if err != nil {
		return nil, nil, err
	}
	text := make(map[string]string)
	for _, table := range r.Manifest().Tables {
		for _, c := range table.Chunks {
			b, err := readChunk(ctx, r, c)
			if err != nil {
				return nil, nil, err
			}
			text[c.Name] = string(b)
		}
	}
	for _, f := range r.Manifest().Files {
		if _, err := r.File(ctx, f.Name); err != nil {
			return nil, nil, err
		}
	}
	return text, r.Manifest(), nil
}

func readChunk(ctx context.Context, r *snapshot.Reader, c snapshot.Chunk) ([]byte, error) {
	rows, err := r.Rows(ctx, c)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(rows)
	return b, errors.Join(err, rows.Close())
}

// forge replaces the manifest of the small snapshot by another with a right sum, as only malice would.
func forge(t testing.TB, mem *storetest.Mem, change func(m map[string]any)) {
	t.Helper()
	name := target + "/" + smallID.String() + "/manifest.json"
	var whole struct {
		Manifest map[string]any `json:"manifest"`
	}
	dec := json.NewDecoder(bytes.NewReader(mem.Bytes(name)))
	dec.UseNumber()
	if err := dec.Decode(&whole); err != nil {
		t.Fatal(err)
	}
	change(whole.Manifest)
	body, err := json.Marshal(whole.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	mem.Replace(name, frame(body))
}

// frame puts the sum round a manifest's JSON text, written independently of the package.
func frame(body []byte) []byte {
	head := append([]byte(`{"manifest":`), body...)
	head = append(head, '\n')
	return fmt.Appendf(head, ",\"sha256\":\"%x\"}\n", sha256.Sum256(head))
}
