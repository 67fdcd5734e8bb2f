package snapshot_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"mulligan/schema"
	"mulligan/snapshot"
	"mulligan/store/dir"
)

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	s, err := dir.Open(t.TempDir() + "/a/b")
	if err != nil {
		t.Fatal(err)
	}
	id, err := snapshot.NewID(time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := snapshot.Create(ctx, s, "app", id, nil)
	if err != nil {
		t.Fatal(err)
	}
	users := schema.Name{Schema: "public", Table: "Users"}
	c, err := w.Chunk(ctx, users, 1, func(w io.Writer) (int64, error) {
		_, err := io.WriteString(w, "1\tann\n2\tbob\n")
		return 2, err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Put(ctx, "schema.sql", []byte("CREATE TABLE x ();\n")); err != nil {
		t.Fatal(err)
	}
	m := &snapshot.Manifest{Engine: "postgres", Tables: []snapshot.Table{{
		Table: schema.Table{Name: users}, Rows: c.Rows, Digest: c.Digest, Chunks: []snapshot.Chunk{c}}}}
	if err := w.Commit(ctx, m); err != nil {
		t.Fatal(err)
	}
	r, err := snapshot.Open(ctx, s, "app", id)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := r.Rows(ctx, r.Manifest().Tables[0].Chunks[0])
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(rows)
	if err != nil || !strings.HasPrefix(string(b), "1\tann\n2") {
		t.Fatal(string(b), err)
	}
	rows.Close()
	v, err := r.Verify(ctx, 2, nil)
	if err != nil || v.ID() != id {
		t.Fatal(err)
	}
	list, err := snapshot.List(ctx, s, "app")
	t.Log(list, err)
	for i, err := range s.List(ctx, "") {
		t.Log(i, err)
	}
	got, err := snapshot.Resolve(ctx, s, "app", "latest")
	if err != nil || got != id {
		t.Fatal(err)
	}
}
