package testdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/go-sql-driver/mysql"
)

func mariadbDriver(ctx context.Context) (*driver, error) {
	isMariaDB := func(version string) bool { return strings.Contains(version, "MariaDB") }
	found, version, err := find(ctx, "MULLIGAN_TEST_MARIADB", "mariadbd", nil, isMariaDB)
	if err != nil {
		return nil, err
	}
	d := mysqlFamilyDriver(found, version)
	d.init = func(ctx context.Context, dir string) error {
		install, err := found.tool("mariadb-install-db")
		if err != nil {
			return err
		}
		args := append([]string{"--no-defaults", "--datadir=" + filepath.Join(dir, "data"),
			"--auth-root-authentication-method=normal", "--skip-test-db",
			"--innodb-flush-method=nosync", "--innodb-log-file-size=16M"}, asRoot()...)
		return runTool(ctx, dir, nil, install, args...)
	}
	d.args = func(s *Server) []string {
		return append(mysqlFamilyArgs(s), "--innodb-log-file-size=64M",
			"--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci")
	}
	return d, nil
}

func mysqlDriver(ctx context.Context) (*driver, error) {
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	isMySQL := func(version string) bool { return !strings.Contains(version, "MariaDB") }
	found, version, err := find(ctx, "MULLIGAN_TEST_MYSQL", "mysqld", []string{filepath.Join(cache, "mysql", "bin")}, isMySQL)
	if err != nil {
		return nil, err
	}
	d := mysqlFamilyDriver(found, version)
	d.init = func(ctx context.Context, dir string) error {
		args := append([]string{"--no-defaults", "--initialize-insecure", "--datadir=" + filepath.Join(dir, "data"),
			"--innodb-flush-method=nosync"}, asRoot()...)
		return runTool(ctx, dir, nil, found.server, args...)
	}
	d.args = func(s *Server) []string {
		// What only costs here: measured, a tenth or more of the server's work in tests. MariaDB has neither by default.
		return append(mysqlFamilyArgs(s), "--mysqlx=OFF", "--performance-schema=OFF", "--innodb-log-writer-threads=OFF")
	}
	return d, nil
}

// mysqlFamilyDriver is what MariaDB and MySQL have in common.
func mysqlFamilyDriver(found *programs, version string) *driver {
	return &driver{
		programs:  found,
		version:   version,
		shutdown:  syscall.SIGTERM,
		crash:     syscall.SIGKILL,
		bootstrap: mysqlBootstrap,
		openDB:    mysqlOpen,
	}
}

// asRoot is the option without which root may not start the server. It stays root: the programs may
// lie in root's own cache. What root's server could do for others is out of their reach behind
// the socket's folder and a random password.
func asRoot() []string {
	if os.Geteuid() != 0 {
		return nil
	}
	return []string{"--user=root"}
}

func mysqlFamilyArgs(s *Server) []string {
	return append([]string{
		"--no-defaults", "--datadir=" + s.data(), "--tmpdir=" + s.Dir, "--socket=" + s.SocketPath(),
		"--bind-address=127.0.0.1", "--port=" + strconv.Itoa(s.Port), "--skip-name-resolve",
		"--pid-file=" + filepath.Join(s.Dir, "server.pid"), "--secure-file-priv=" + filepath.Join(s.Dir, "files"),
		"--innodb-flush-log-at-trx-commit=2", "--innodb-flush-method=nosync", "--innodb-doublewrite=OFF",
		"--sync-binlog=0", "--log-bin=binlog", "--server-id=1", "--local-infile=ON",
	}, asRoot()...)
}

func mysqlBootstrap(ctx context.Context, s *Server) (err error) {
	db, err := mysqlOpen(s, User{}, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, q := range []string{
		"CREATE USER " + s.SQL(s.User) + " IDENTIFIED BY " + s.literal(s.User.Password),
		"GRANT ALL ON *.* TO " + s.SQL(s.User) + " WITH GRANT OPTION",
	} {
		if _, err := db.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("create user %s: %w", s.User.Name, err)
		}
	}
	return nil
}

// mysqlOpen opens a pool; without a user it is root over the socket.
func mysqlOpen(s *Server, u User, database string) (*sql.DB, error) {
	config := mysql.NewConfig()
	config.User, config.Passwd, config.DBName = u.Name, u.Password, database
	config.Net, config.Addr = "tcp", s.Addr()
	config.MultiStatements = true
	config.Logger = quiet{}
	if u.Name == "" {
		config.User, config.Net, config.Addr = "root", "unix", s.SocketPath()
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// quiet keeps the driver from writing to the tests' output what it returns as an error too.
type quiet struct{}

// Print prints nothing.
func (quiet) Print(...any) {}
