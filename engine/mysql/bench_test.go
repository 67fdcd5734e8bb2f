package mysql_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/schema"
)

// million makes a table of a million rows of about 150 bytes.
func million(b *testing.B, server *testdb.Server) (engine.DB, string, *schema.Table) {
	b.Helper()
	_, db, name := database(b, server,
		`CREATE TABLE t (id bigint PRIMARY KEY AUTO_INCREMENT, user_id int NOT NULL, kind varchar(20), note varchar(200), price decimal(12,2), f double, at datetime(3), KEY (user_id), KEY (at))`,
		"INSERT INTO t (user_id, kind, note, price, f, at) VALUES (1, 'message', 'the quick brown fox', 12.50, 0.1, '2024-01-01')")
	for range 20 {
		server.Exec(b, name, `INSERT INTO t (user_id, kind, note, price, f, at) SELECT user_id + RAND() * 100000, kind, CONCAT(HEX(RAND() * 1e18), ' the quick brown fox ', SHA2(RAND(), 224)),
			RAND() * 10000, RAND(), DATE_ADD(at, INTERVAL RAND() * 1000 SECOND) FROM t`)
	}
	server.Exec(b, name, "ANALYZE TABLE t")
	return db, name, tableOf(b, db, "t")
}

func BenchmarkDump(b *testing.B) {
	for name, start := range map[string]func(testing.TB) *testdb.Server{"MariaDB": testdb.MariaDB, "MySQL": testdb.MySQL} {
		b.Run(name, func(b *testing.B) {
			server := start(b)
			db, database, tb := million(b, server)
			b.Run("Bare", func(b *testing.B) {
				for b.Loop() {
					b.SetBytes(dumpTo(b, db, tb, io.Discard))
				}
			})
			b.Run("Zstd", func(b *testing.B) {
				for b.Loop() {
					w, err := zstd.NewWriter(io.Discard, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
					if err != nil {
						b.Fatal(err)
					}
					b.SetBytes(dumpTo(b, db, tb, w))
					w.Close()
				}
			})
			b.Run("Client", func(b *testing.B) {
				for b.Loop() {
					tool := map[string]string{"MariaDB": "mariadb-dump", "MySQL": "mysqldump"}[name]
					args := append(append([]string{server.Tool(b, tool)}, server.ClientArgs()...), "--single-transaction", "--quick", database, "t")
					c := exec.Command("sh", "-c", `"$@" | zstd -q -1 >/dev/null`, "sh")
					c.Args = append(c.Args, args...)
					c.Env = server.Env()
					if out, err := c.CombinedOutput(); err != nil {
						b.Fatalf("%v: %s", err, out)
					}
				}
			})
		})
	}
}

// BenchmarkLoad loads tables of several sizes in the chunks that a backup makes, two at a time.
// Client is the server's own client with a dump of the whole table.
func BenchmarkLoad(b *testing.B) {
	for name, start := range map[string]func(testing.TB) *testdb.Server{"MariaDB": testdb.MariaDB, "MySQL": testdb.MySQL} {
		b.Run(name, func(b *testing.B) {
			server := start(b)
			db, database, tb := million(b, server)
			file := filepath.Join(b.TempDir(), "dump.sql")
			dumper := map[string][]string{"MariaDB": {"mariadb-dump"}, "MySQL": {"mysqldump", "--set-gtid-purged=OFF"}}[name]
			client(b, server, dumper[0], file, append(dumper[1:], "--result-file="+file, database, "t")...)
			var all bytes.Buffer
			dumpTo(b, db, tb, &all)
			for _, mib := range []int{2, 4, 16, 64, 0} {
				rows, size := all.Bytes(), "All"
				if mib > 0 {
					rows, size = head(rows, mib<<20), fmt.Sprintf("%dMiB", mib)
				}
				b.Run(size, func(b *testing.B) {
					b.SetBytes(int64(len(rows)))
					for b.Loop() {
						loadChunks(b, db, tb, rows)
					}
				})
			}
			b.Run("Client", func(b *testing.B) {
				b.SetBytes(int64(all.Len()))
				for b.Loop() {
					client(b, server, strings.ToLower(name), file, database)
				}
			})
		})
	}
}

// head is the whole rows among the first n bytes.
func head(rows []byte, n int) []byte {
	n = min(n, len(rows))
	return rows[:bytes.LastIndexByte(rows[:n], '\n')+1]
}

func loadChunks(b *testing.B, db engine.DB, tb *schema.Table, rows []byte) {
	b.Helper()
	l, err := db.Loader(deadline(b), []*schema.Table{tb}, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	var group errgroup.Group
	group.SetLimit(2)
	for len(rows) > 0 {
		chunk := head(rows, 16<<20)
		rows = rows[len(chunk):]
		group.Go(func() error {
			_, err := l.Load(deadline(b), tb, tb.Stored(), bytes.NewReader(chunk))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	if err := l.Finish(deadline(b), nil); err != nil {
		b.Fatal(err)
	}
}

// client runs one of the server's own programs with the file as its input.
func client(b *testing.B, server *testdb.Server, tool, file string, args ...string) {
	b.Helper()
	c := exec.Command(server.Tool(b, tool), append(server.ClientArgs(), args...)...)
	c.Env = server.Env()
	if !strings.Contains(tool, "dump") {
		f, err := os.Open(file)
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		c.Stdin = f
	}
	if out, err := c.CombinedOutput(); err != nil {
		b.Fatalf("%s: %v: %s", tool, err, out)
	}
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return c.w.Write(p)
}

func dumpTo(b *testing.B, db engine.DB, tb *schema.Table, w io.Writer) int64 {
	b.Helper()
	v, err := db.View(deadline(b), 1)
	if err != nil {
		b.Fatal(err)
	}
	defer v.Close()
	c := &counter{w: w}
	if _, err := v.Dump(deadline(b), c, tb, engine.Range{}); err != nil {
		b.Fatal(err)
	}
	return c.n
}
