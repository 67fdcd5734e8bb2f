package bench

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite"
)

func BenchmarkSQLite(b *testing.B) {
	rows := max(1, setting(b, "MULLIGAN_BENCH_ROWS", 500_000)/4)
	d := sqliteDialect()
	folder := b.TempDir()
	source, copied, plain := filepath.Join(folder, "source.db"), filepath.Join(folder, "copy.db"), filepath.Join(folder, "plain")
	fill(b, source, append(append([]string{d.small(), d.wide()}, ledger()...), d.rows(rows)...)...)
	s := newSite(b, "sqlite:"+source, d.migrations(b))
	path, missing := lookFor("sqlite3")
	dump := shell(`"$@" .dump | gzip -1 >"$TO"`, path, source)
	b.Run("Dump", func(b *testing.B) {
		for b.Loop() {
			compare(b, title("dump", "SQLite", rows), s.backup(), program{
				name: "sqlite3 .dump | gzip -1", missing: missing, args: dump, env: append(os.Environ(), "TO="+plain),
				after: func(b *testing.B) int64 { return sizeOf(b, plain) },
			})
		}
	})
	b.Run("Restore", func(b *testing.B) {
		must(b, s.env(), s.program, "-q", "-j", "2", "backup")
		if missing == "" {
			must(b, append(os.Environ(), "TO="+plain), dump...)
		}
		drop := func(b *testing.B) { remove(b, copied) }
		for b.Loop() {
			compare(b, title("restore", "SQLite", rows), s.restore("sqlite:"+copied, drop), program{
				name: "gzip -dc | sqlite3", missing: missing, args: shell(`gzip -dc <"$FROM" | "$@"`, path, copied), env: append(os.Environ(), "FROM="+plain),
				before: drop, after: func(b *testing.B) int64 { drop(b); return 0 },
			})
		}
	})
}

// fill makes a database file.
func fill(b *testing.B, file string, statements ...string) {
	b.Helper()
	db, err := sql.Open("sqlite", file+"?_pragma=journal_mode(wal)&_pragma=synchronous(off)")
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	for _, text := range statements {
		if _, err := db.ExecContext(b.Context(), text); err != nil {
			b.Fatalf("%.200s: %v", text, err)
		}
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}
