package bench

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"mulligan/internal/testdb"
)

// BenchmarkDowntime measures how long a reader is without the database while it is rebuilt beside: the longest time between
// two reads that were answered.
func BenchmarkDowntime(b *testing.B) {
	for name, get := range map[string]func(testing.TB) *testdb.Server{"Postgres": testdb.Postgres, "MariaDB": testdb.MariaDB, "MySQL": testdb.MySQL} {
		b.Run(name, func(b *testing.B) {
			server, d := get(b), mysqlDialect()
			if name == "Postgres" {
				d = postgresDialect()
			}
			database, url := server.NewDatabase(b)
			rows := wideRows(b)
			if name != "Postgres" {
				numbers(b, server, rows)
			}
			server.Exec(b, database, slices.Concat([]string{d.small(), d.wide()}, ledger(), d.rows(rows))...)
			if name != "Postgres" {
				server.Exec(b, "", "DROP DATABASE bench_numbers")
			}
			s := newSite(b, url, d.migrations(b))
			benchDowntime(b, name, rows, s, time.Millisecond, func() (*sql.DB, error) { return server.Open(b, database), nil })
		})
	}
	b.Run("SQLite", func(b *testing.B) {
		d, file, rows := sqliteDialect(), b.TempDir()+"/app.db", wideRows(b)
		fill(b, file, append(append([]string{d.small(), d.wide()}, ledger()...), d.rows(rows)...)...)
		s := newSite(b, "sqlite:"+file, d.migrations(b))
		// Nobody can be sent away from a file: the reader must leave it alone for most of the time, and no less than its pause is measured.
		benchDowntime(b, "SQLite", rows, s, 250*time.Millisecond, func() (*sql.DB, error) {
			return sql.Open("sqlite", "file:"+file+"?mode=rw&_pragma=busy_timeout(5000)")
		})
	})
}

func wideRows(b *testing.B) int {
	b.Helper()
	return max(1, setting(b, "MULLIGAN_BENCH_ROWS", 500_000)/4)
}

func benchDowntime(b *testing.B, engine string, rows int, s *site, pause time.Duration, open func() (*sql.DB, error)) {
	b.Helper()
	var gaps []time.Duration
	for b.Loop() {
		for range setting(b, "MULLIGAN_BENCH_RUNS", 5) {
			gaps = append(gaps, without(b, s, pause, open))
		}
	}
	slices.Sort(gaps)
	median := gaps[(len(gaps)-1)/2]
	made.table.lines = append(made.table.lines, fmt.Sprintf("%-9s %8.0f ms median  %8.0f ms worst of %d rebuilds, %d rows in the wide table",
		engine, ms(median), ms(gaps[len(gaps)-1]), len(gaps), rows))
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ms(median), "ms-downtime")
	b.ReportMetric(ms(gaps[len(gaps)-1]), "ms-worst")
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// without rebuilds the database, with a reader beside that connects anew for each read, as the worst of clients does, and
// gives the longest time between two answers.
func without(b *testing.B, s *site, pause time.Duration, open func() (*sql.DB, error)) time.Duration {
	b.Helper()
	remove(b, s.state)
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	var reader sync.WaitGroup
	var worst time.Duration
	reads := 0
	reader.Go(func() {
		for last := time.Now(); ctx.Err() == nil; time.Sleep(pause) {
			if answered(ctx, open) {
				worst, last = max(worst, time.Since(last)), time.Now()
				reads++
			}
		}
	})
	cmd := exec.CommandContext(ctx, s.program, "-q", "-y", "-j", "2", "rebuild", "--evict")
	cmd.Env = s.env()
	out, err := cmd.CombinedOutput()
	time.Sleep(50 * time.Millisecond) // so that the reader finds the new one
	stop()
	reader.Wait()
	if err != nil {
		b.Fatalf("rebuild: %v\n%s", err, out)
	}
	if reads == 0 {
		b.Fatal("no read was ever answered")
	}
	return worst
}

// answered reads one row over a connection of its own.
func answered(ctx context.Context, open func() (*sql.DB, error)) bool {
	db, err := open()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return false
	}
	defer db.Close()
	var id int
	return db.QueryRowContext(ctx, "SELECT id FROM small_000 WHERE id = 7").Scan(&id) == nil
}
