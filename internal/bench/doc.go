// Package bench measures mulligan against the programs that users would take in its place: pg_dump and
// pg_restore, mariadb-dump, mysqldump and their clients, mydumper and myloader, the sqlite3 shell.
//
// It holds benchmarks alone: a plain go test measures nothing. `make bench` runs them and prints one table; what
// it said of a known machine stands in docs/performance.md. Every line is a whole process, from its start to
// its end, of the program as a user has it: wall time, its own CPU time with that of its children, and the
// largest resident memory that any one of its processes had. The programs of a case take turns, in changing order,
// for noise comes in waves; the ratio is the median of those within one turn.
//
// The servers are [mulligan/internal/testdb]'s, with data on the disk (in /tmp unless MULLIGAN_TEST_DIR says
// otherwise) but nothing forced to it: what is measured is the programs' work, not the disk's patience.
//
//   - MULLIGAN_BENCH_ROWS: rows of the wide table on PostgreSQL, 500,000 by default; the other engines get a quarter
//   - MULLIGAN_BENCH_RUNS: turns of each case, 3 by default
package bench
