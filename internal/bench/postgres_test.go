package bench

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"mulligan/internal/testdb"
)

func BenchmarkPostgres(b *testing.B) {
	server := testdb.NewPostgres(b, "-c", "shared_buffers=256MB", "-c", "max_wal_size=8GB", "-c", "autovacuum=off")
	rows := setting(b, "MULLIGAN_BENCH_ROWS", 500_000)
	name, url := server.NewDatabase(b)
	d := postgresDialect()
	server.Exec(b, name, append(append([]string{d.small(), d.wide()}, ledger()...), d.rows(rows)...)...)
	server.Exec(b, name, "VACUUM ANALYZE", "CHECKPOINT")
	s := newSite(b, url, d.migrations(b))
	plain := filepath.Join(b.TempDir(), "plain")
	version := "PostgreSQL " + strings.Fields(server.Version())[2]
	b.Run("Dump", func(b *testing.B) {
		programs := []program{s.backup()}
		for _, option := range pgDumpOptions(server.Version()) {
			programs = append(programs, program{
				name:   "pg_dump -Fd -j2 " + option,
				args:   []string{server.Tool(b, "pg_dump"), "-Fd", "-j2", option, "-f", plain, name},
				env:    server.Env(),
				before: func(b *testing.B) { remove(b, plain) },
				after:  func(b *testing.B) int64 { return sizeOf(b, plain) },
			})
		}
		for b.Loop() {
			compare(b, title("dump", version, rows), programs...)
		}
	})
	b.Run("Restore", func(b *testing.B) {
		remove(b, plain)
		must(b, server.Env(), server.Tool(b, "pg_dump"), "-Fd", "-j2", "-Z1", "-f", plain, name)
		must(b, s.env(), s.program, "-q", "-j", "2", "backup")
		const copied = "bench_copy"
		drop := func(b *testing.B) { server.DropDatabase(b, copied); server.Exec(b, "", "CHECKPOINT") }
		create := func(b *testing.B) { drop(b); server.Exec(b, "", "CREATE DATABASE "+copied) }
		done := func(b *testing.B) int64 { drop(b); return 0 }
		restore := server.Tool(b, "pg_restore")
		for b.Loop() {
			compare(b, title("restore", version, rows),
				s.restore(server.URL(copied), drop),
				program{
					name: "pg_restore -j2, into an empty database", args: []string{restore, "-j2", "-d", copied, plain},
					env: server.Env(), before: create, after: done,
				},
				program{
					name: "pg_restore --data-only -j2, into the migrated schema",
					args: []string{restore, "-j2", "--data-only", "--disable-triggers", "-d", copied, plain}, env: server.Env(),
					before: func(b *testing.B) { create(b); server.Exec(b, copied, d.small(), d.wide(), ledger()[0]) },
					after:  done,
				})
		}
	})
}

// pgDumpOptions are gzip 1, and zstd 1 where pg_dump has it.
func pgDumpOptions(version string) []string {
	var major int
	words := strings.Fields(version)
	_, err := fmt.Sscanf(words[min(2, len(words)-1)], "%d", &major)
	if err == nil && major >= 16 {
		return []string{"-Z1", "-Zzstd:1"}
	}
	return []string{"-Z1"}
}
