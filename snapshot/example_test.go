package snapshot_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"mulligan/schema"
	"mulligan/snapshot"
	"mulligan/store/storetest"
)

// Write a snapshot of one table, verify it, and read its rows.
func Example() {
	ctx, repository := context.Background(), storetest.Memory()
	w, err := snapshot.Create(ctx, repository, "app", "20261122T215500Z-9f3a1c", nil)
	if err != nil {
		log.Fatal(err)
	}
	users := schema.Table{Name: schema.Name{Table: "users"}, Kind: schema.KindTable}
	c, err := w.Chunk(ctx, users.Name, 1, func(w io.Writer) (int64, error) {
		_, err := fmt.Fprint(w, "1\tann\n2\tbob\n")
		return 2, err
	})
	if err != nil {
		log.Fatal(err)
	}
	m := &snapshot.Manifest{Engine: "sqlite", Tables: []snapshot.Table{
		{Table: users, Rows: c.Rows, Digest: c.Digest, Chunks: []snapshot.Chunk{c}},
	}}
	if err := w.Commit(ctx, m); err != nil {
		log.Fatal(err)
	}

	r, err := snapshot.Open(ctx, repository, "app", "20261122T215500Z-9f3a1c")
	if err != nil {
		log.Fatal(err)
	}
	verified, err := r.Verify(ctx, 2, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(verified.ID(), r.Manifest().Table(users.Name).Digest)
	rows, err := r.Rows(ctx, c)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := io.Copy(os.Stdout, rows); err != nil {
		log.Fatal(err)
	}
	if err := rows.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 20261122T215500Z-9f3a1c 2:0e3da3adbf7247940a963e12eb7de36e
	// 1	ann
	// 2	bob
}
