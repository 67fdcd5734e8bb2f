package bench

import (
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"mulligan/internal/testdb"
)

func BenchmarkMariaDB(b *testing.B) {
	server := testdb.NewMariaDB(b, "--innodb-log-file-size=1G", "--innodb-buffer-pool-size=512M")
	mysqlFamily(b, server, "MariaDB", "mariadb-dump", "mariadb", []string{"--single-transaction", "--quick"})
}

func BenchmarkMySQL(b *testing.B) {
	server := testdb.NewMySQL(b, "--innodb-redo-log-capacity=2G", "--innodb-buffer-pool-size=512M")
	mysqlFamily(b, server, "MySQL", "mysqldump", "mysql", []string{"--single-transaction", "--quick", "--set-gtid-purged=OFF", "--no-tablespaces"})
}

func mysqlFamily(b *testing.B, server *testdb.Server, family, dumper, client string, options []string) {
	rows := max(1, setting(b, "MULLIGAN_BENCH_ROWS", 500_000)/4)
	name, url := server.NewDatabase(b)
	d := mysqlDialect()
	server.Exec(b, name, append([]string{d.small(), d.wide()}, ledger()...)...)
	numbers(b, server, rows)
	server.Exec(b, name, d.rows(rows)...)
	server.Exec(b, name, "DROP DATABASE bench_numbers", "ANALYZE TABLE wide")
	s := newSite(b, url, d.migrations(b))
	folder := b.TempDir()
	plain, split := filepath.Join(folder, "plain"), filepath.Join(folder, "split")
	dump := append(append([]string{server.Tool(b, dumper)}, server.ClientArgs()...), append(options, name)...)
	version := family + " " + regexp.MustCompile(`\d+\.\d+\.\d+`).FindString(server.Version())
	b.Run("Dump", func(b *testing.B) {
		for b.Loop() {
			compare(b, title("dump", version, rows), s.backup(),
				program{
					name: dumper + " | " + packer(), args: shell(`"$@" | `+packer()+` >"$TO"`, dump...), env: append(server.Env(), "TO="+plain),
					after: func(b *testing.B) int64 { return sizeOf(b, plain) },
				},
				mydumper(server, name, split))
		}
	})
	b.Run("Restore", func(b *testing.B) {
		const copied = "bench_copy"
		drop := func(b *testing.B) { server.DropDatabase(b, copied) }
		create := func(b *testing.B) { drop(b); server.Exec(b, "", "CREATE DATABASE "+copied) }
		done := func(b *testing.B) int64 { drop(b); return 0 }
		must(b, append(server.Env(), "TO="+plain), shell(`"$@" | `+packer()+` >"$TO"`, dump...)...)
		must(b, s.env(), s.program, "-q", "-j", "2", "backup")
		if maker := mydumper(server, name, split); maker.missing == "" {
			if _, err := measure(b, maker); err != nil {
				b.Logf("%v", err)
			}
		}
		load := append(append([]string{server.Tool(b, client)}, server.ClientArgs()...), copied)
		for b.Loop() {
			compare(b, title("restore", version, rows), s.restore(server.URL(copied), drop),
				program{
					name: packer() + " -d | " + client, args: shell(packer()+` -dc <"$FROM" | "$@"`, load...), env: append(server.Env(), "FROM="+plain),
					before: create, after: done,
				},
				myloader(server, copied, split, drop))
		}
	})
}

// numbers makes the table that the series are read from.
func numbers(b *testing.B, server *testdb.Server, n int) {
	b.Helper()
	server.Exec(b, "", "CREATE DATABASE bench_numbers", "CREATE TABLE bench_numbers.digits (d int NOT NULL PRIMARY KEY)",
		"INSERT INTO bench_numbers.digits WITH RECURSIVE n AS (SELECT 0 AS d UNION ALL SELECT d + 1 FROM n WHERE d < 999) SELECT d FROM n",
		"CREATE TABLE bench_numbers.numbers (i int NOT NULL PRIMARY KEY)",
		"INSERT INTO bench_numbers.numbers SELECT x.d * 1000 + y.d + 1 FROM bench_numbers.digits x, bench_numbers.digits y WHERE x.d * 1000 < "+strconv.Itoa(n))
}

func mydumper(server *testdb.Server, name, folder string) program {
	path, missing := lookFor("mydumper")
	return program{
		name: "mydumper -t 2 -c -r 100000", missing: missing, env: server.Env(),
		args:   append([]string{path, "-B", name, "-o", folder, "-t", "2", "-c", "-r", "100000"}, account(server)...),
		before: func(b *testing.B) { remove(b, folder) },
		after:  func(b *testing.B) int64 { return sizeOf(b, folder) },
	}
}

func myloader(server *testdb.Server, name, folder string, drop func(*testing.B)) program {
	path, missing := lookFor("myloader")
	return program{
		name: "myloader -t 2", missing: missing, env: server.Env(),
		args:   append([]string{path, "-B", name, "-d", folder, "-t", "2"}, account(server)...),
		before: drop,
		after:  func(b *testing.B) int64 { drop(b); return 0 },
	}
}

// account leads mydumper and myloader to the server. They take a password from their command line alone.
func account(server *testdb.Server) []string {
	return []string{"-h", "127.0.0.1", "-P", strconv.Itoa(server.Port), "-u", server.User.Name, "-p", server.User.Password}
}
