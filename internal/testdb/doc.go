// Package testdb starts real database servers for tests: PostgreSQL, MariaDB and MySQL, and a
// test's own databases and users on them.
//
// A package whose tests need a server hands its tests to [Main] and asks for the server where a
// test needs it:
//
//	func TestMain(m *testing.M) { testdb.Main(m) }
//
//	func TestDump(t *testing.T) {
//		server := testdb.Postgres(t)
//		name, url := server.NewDatabase(t)
//		server.Exec(t, name, `CREATE TABLE users (id bigint PRIMARY KEY)`)
//		…
//	}
//
// With testscript the servers end through [Wrap]: testscript.Main(testdb.Wrap(m), commands).
//
// [Postgres], [MariaDB] and [MySQL] start one server each per test process and share it between
// its tests; [NewPostgres], [NewMariaDB] and [NewMySQL] start one for a single test, which may
// stop it, kill it and start it again, and may set server options: NewMySQL(t, "--local-infile=OFF"),
// NewPostgres(t, "-c", "max_connections=10"). A server that is not installed fails the test and
// names the command that installs it: sudo scripts/install-test-servers.
//
// # What is different from a server in production
//
// Nothing is forced to the disk: PostgreSQL runs with fsync and full_page_writes off, the others
// with innodb_flush_log_at_trx_commit=2, sync_binlog=0, no doublewrite and
// innodb_flush_method=nosync. A killed server still comes back with all that was committed, since
// the system's cache holds it; only a power cut would lose it. All else that a client can see
// is the server's default, but: MySQL allows LOCAL INFILE, both have utf8mb4 and a binary log,
// time zones are UTC, and names of hosts are not resolved.
//
// Servers listen on 127.0.0.1 and on a socket in a folder that only the server's user may enter.
// Over TCP passwords are checked (scram-sha-256; each server's default elsewhere). Over the socket
// PostgreSQL trusts everyone, and MariaDB and MySQL let root in without a password. The server's
// [Server.User] is a superuser with a password of characters that are hard on URLs and shells.
//
// # Where things are
//
// The programs are the newest under /usr/lib/postgresql, else those in PATH; MySQL is the one
// that the install script put into the cache folder. MULLIGAN_TEST_POSTGRES, MULLIGAN_TEST_MARIADB and
// MULLIGAN_TEST_MYSQL name another installation: a folder that holds the programs or has a bin folder.
// Each version's freshly initialised data folder is kept in the cache folder
// (MULLIGAN_TEST_CACHE, else mulligan-test in the user's cache folder) and copied for each server.
// Servers run in the folder that MULLIGAN_TEST_DIR names, else in memory (/dev/shm with 8 GiB or more to
// spare), else in the temporary folder. A benchmark whose figures depend on the disk sets it.
//
// # What is left behind
//
// Nothing. A server is ended by its process id when the tests end. Should the test process be killed,
// then on Linux the kernel signals the server, and everywhere a small shell that waits for
// the end of the test process ends the server and removes its folder.
//
// All functions and methods are safe for concurrent use, but Stop, Kill and Start of one server.
package testdb
