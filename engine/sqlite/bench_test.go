package sqlite_test

import (
	"bytes"
	"testing"

	"mulligan/engine"
	"mulligan/schema"
)

const wide = `CREATE TABLE wide (id INTEGER PRIMARY KEY, a TEXT, b TEXT, c REAL, d INT, e BLOB); CREATE INDEX wide_a ON wide (a); CREATE INDEX wide_d ON wide (d);
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
	INSERT INTO wide SELECT i, 'name ' || (i * 7919 % 50000), printf('%0200d', i), i / 3.0, i % 1000, randomblob(16) FROM n;`

func BenchmarkDump(b *testing.B) {
	s, path := create(b, wide)
	db := open(b, s, path)
	tb := wideTable(b, db)
	v, err := db.View(b.Context(), 1)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		var w bytes.Buffer
		if _, err := v.Dump(b.Context(), &w, tb, engine.Range{}); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(w.Len()))
	}
	if err := v.Close(); err != nil {
		b.Error(err)
	}
}

func BenchmarkLoad(b *testing.B) {
	s, path := create(b, wide)
	db := open(b, s, path)
	tb := wideTable(b, db)
	v, err := db.View(b.Context(), 1)
	if err != nil {
		b.Fatal(err)
	}
	var rows bytes.Buffer
	if _, err := v.Dump(b.Context(), &rows, tb, engine.Range{}); err != nil {
		b.Fatal(err)
	}
	if err := v.Close(); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(rows.Len()))
	for b.Loop() {
		l, err := db.Loader(b.Context(), []*schema.Table{tb}, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := l.Load(b.Context(), tb, tb.Stored(), bytes.NewReader(rows.Bytes())); err != nil {
			b.Fatal(err)
		}
		if err := l.Finish(b.Context(), nil); err != nil {
			b.Fatal(err)
		}
	}
}

func wideTable(b *testing.B, db engine.DB) *schema.Table {
	b.Helper()
	s, err := db.Inspect(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return s.Table(schema.Name{Table: "wide"})
}
