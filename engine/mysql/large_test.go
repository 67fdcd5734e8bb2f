package mysql_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/schema"
)

// TestLargeRows dumps rows at and around the sizes at which the protocol splits them, and loads them again.
func TestLargeRows(t *testing.T) {
	const part = 1<<24 - 1
	const packet = "--max-allowed-packet=192M"
	for name, server := range map[string]*testdb.Server{ // with a log that has room for such rows
		"MariaDB": testdb.NewMariaDB(t, packet, "--innodb-log-file-size=1G"),
		"MySQL":   testdb.NewMySQL(t, packet, "--innodb-redo-log-capacity=2G"),
	} {
		t.Run(name, func(t *testing.T) {
			statements := []string{"CREATE TABLE t (id int PRIMARY KEY, b longblob)"}
			sizes := []int{0, 250, 251, 65535, 65536, part - 7, part - 6, part - 5, 2*part - 11, 64 << 20}
			for i, n := range sizes {
				statements = append(statements, fmt.Sprintf("INSERT INTO t VALUES (%d, LEFT(REPEAT(x'%02x5c0a', %d DIV 3 + 1), %d))", i+10, i, n, n))
			}
			_, db, database := database(t, server, statements...)
			const sums = "SELECT id, LENGTH(b), SHA2(b, 256) FROM t ORDER BY id"
			want := fmt.Sprint(server.Query(t, database, sums))
			plain, before := digest(t, db)
			secure := ""
			if name == "MySQL" { // its server makes certificates for itself
				s := connectTo(t, server.URL("")+"?tls=skip-verify")
				defer s.Close()
				secure, _ = digest(t, open(t, s, database))
				if secure != plain {
					t.Errorf("over an encrypted connection the dump is %s, over a plain one %s", secure, plain)
				}
			}
			if before > 40<<20 {
				t.Errorf("the dump took %d MB of memory", before>>20)
			}
			reloadByPipe(t, db)
			if got := fmt.Sprint(server.Query(t, database, sums)); got != want {
				t.Errorf("rows came back otherwise:\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// digest dumps the table t, and gives a sum of its lines and how much memory that took from the system.
func digest(t *testing.T, db engine.DB) (sum string, taken uint64) {
	t.Helper()
	tb := tableOf(t, db, "t")
	v, err := db.View(deadline(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	h := sha256.New()
	if _, err := v.Dump(deadline(t), h, tb, engine.Range{}); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	return fmt.Sprintf("%x", h.Sum(nil)), after.TotalAlloc - before.TotalAlloc
}

// reloadByPipe loads the table's rows into it again, out of a view that was made before.
func reloadByPipe(t *testing.T, db engine.DB) {
	t.Helper()
	tb := tableOf(t, db, "t")
	copied := *tb
	copied.Name.Table = "twin"
	ctx := deadline(t)
	for _, s := range []string{"CREATE TABLE twin LIKE t"} {
		if _, err := db.ExecContext(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	v, err := db.View(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	l, err := db.Loader(ctx, []*schema.Table{&copied}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	in, out := io.Pipe()
	go func() {
		_, err := v.Dump(ctx, out, tb, engine.Range{})
		out.CloseWithError(err)
	}()
	if _, err := l.Load(ctx, &copied, copied.Stored(), in); err != nil {
		t.Fatal(err)
	}
	if err := l.Finish(ctx, nil); err != nil {
		t.Fatal(err)
	}
	v.Close()
	for _, s := range strings.Split("DROP TABLE t;RENAME TABLE twin TO t", ";") {
		if _, err := db.ExecContext(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
}
