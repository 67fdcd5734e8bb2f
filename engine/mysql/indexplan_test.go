package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/schema"
)

// TestAnyIndexesComeBack takes the indexes off tables of all shapes and puts them back.
func TestAnyIndexesComeBack(t *testing.T) {
	for family, server := range map[string]*testdb.Server{"MariaDB": testdb.MariaDB(t), "MySQL": testdb.MySQL(t)} {
		t.Run(family, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
			defer cancel()
			u, err := engine.ParseURL(server.URL(""))
			if err != nil {
				t.Fatal(err)
			}
			s, err := Connect(ctx, u)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			name, _ := server.NewDatabase(t)
			opened, err := s.Open(ctx, name)
			if err != nil {
				t.Fatal(err)
			}
			defer opened.Close()
			db := opened.(*DB)
			removed := 0
			rapid.Check(t, func(t *rapid.T) { removed += comesBack(ctx, t, db) })
			if removed == 0 {
				t.Error("no index was taken off in any table")
			}
		})
	}
}

// comesBack makes a table and two that hang on it by foreign keys, and tells how many indexes were off meanwhile.
func comesBack(ctx context.Context, t *rapid.T, db *DB) int {
	statements := []string{
		"DROP TABLE IF EXISTS child, thing, parent",
		"CREATE TABLE parent (x int PRIMARY KEY, y int, UNIQUE KEY (y, x))",
		anyTable(t),
	}
	if rapid.Bool().Draw(t, "child") {
		statements = append(statements, "CREATE TABLE child (id int PRIMARY KEY, v int, CONSTRAINT in_by_b FOREIGN KEY (v) REFERENCES thing (b))")
	}
	for _, statement := range statements {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	before, err := db.Inspect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	thing := before.Table(schema.Name{Table: "thing"})
	opened, err := db.Loader(ctx, []*schema.Table{thing}, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := opened.(*Loader)
	defer l.Close()
	off, err := l.takeIndexes(ctx, thing)
	if err != nil {
		t.Fatalf("take the indexes off %s: %v", statements[2], err)
	}
	if off == nil {
		return 0
	}
	if err := l.putBack(ctx, "thing", off); err != nil {
		t.Fatalf("put the indexes back on %s: %s: %v", statements[2], off.restore("thing"), err)
	}
	after, err := db.Inspect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if diff := schema.Diff(before.Objects, after.Objects); diff != nil {
		t.Fatalf("%s: %v", statements[2], diff)
	}
	return len(off.Drops)
}

func anyTable(t *rapid.T) string {
	clauses := []string{"a int NOT NULL AUTO_INCREMENT", "b int NOT NULL", "c int", "`d``,(` varchar(40) NOT NULL", "e varchar(40)",
		"g int AS (b + 1) STORED", "v int AS (c + 1) VIRTUAL", "KEY for_a (a)", "UNIQUE KEY for_b (b)"}
	var keys []string
	primary := rapid.SampledFrom([]string{"", "PRIMARY KEY (a)", "PRIMARY KEY (b, a)", "PRIMARY KEY (`d``,(`)"}).Draw(t, "primary")
	if primary != "" {
		keys = append(keys, primary)
	}
	columns := []string{"a", "b", "c", "`d``,(`", "e", "g", "v", "`d``,(`(7)", "e(3)", "c DESC", "b DESC"}
	for i := range rapid.IntRange(1, 7).Draw(t, "indexes") {
		parts := rapid.SliceOfNDistinct(rapid.SampledFrom(columns), 1, 3, func(c string) string { return strings.TrimRight(c, "(37) DESC") }).Draw(t, "parts")
		kind := rapid.SampledFrom([]string{"KEY", "KEY", "KEY", "UNIQUE KEY"}).Draw(t, "kind")
		tail := rapid.SampledFrom([]string{"", "", "", " USING BTREE", ` COMMENT 'it''s "one" \\ ü'`}).Draw(t, "tail")
		keys = append(keys, fmt.Sprintf("%s `k%d``` (%s)%s", kind, i, strings.Join(parts, ", "), tail))
	}
	if rapid.Bool().Draw(t, "fulltext") {
		keys = append(keys, "FULLTEXT KEY words (e)")
	}
	if rapid.Bool().Draw(t, "foreign") {
		keys = append(keys, "CONSTRAINT out_by_c FOREIGN KEY (c) REFERENCES parent (x)")
	}
	if rapid.Bool().Draw(t, "two columns") {
		keys = append(keys, "CONSTRAINT out_by_two FOREIGN KEY (c, b) REFERENCES parent (y, x)")
	}
	keys = rapid.Permutation(keys).Draw(t, "order")
	return "CREATE TABLE thing (" + strings.Join(slices.Concat(clauses, keys), ", ") + ")"
}
