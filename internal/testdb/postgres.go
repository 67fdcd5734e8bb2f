package testdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// postgresHBA lets everyone in over the socket, which only the server's user can reach, and
// checks passwords over TCP. PostgreSQL manual, "The pg_hba.conf File".
const postgresHBA = `local all all trust
local replication all trust
host all all 127.0.0.1/32 scram-sha-256
host replication all 127.0.0.1/32 scram-sha-256
`

func postgresDriver(ctx context.Context) (*driver, error) {
	dirs := append(newestFirst("/usr/lib/postgresql/*/bin"), newestFirst("/usr/pgsql-*/bin")...)
	found, version, err := find(ctx, "MULLIGAN_TEST_POSTGRES", "postgres", dirs, func(string) bool { return true })
	if err != nil {
		return nil, err
	}
	account, err := postgresAccount()
	if err != nil {
		return nil, err
	}
	return &driver{
		programs: found,
		version:  version,
		account:  account,
		shutdown: syscall.SIGINT,  // "fast"; PostgreSQL manual, "Shutting Down the Server"
		crash:    syscall.SIGQUIT, // "immediate": no checkpoint, and no shared memory is left behind
		init: func(ctx context.Context, dir string) error {
			return postgresInit(ctx, found, account, dir)
		},
		args:      postgresArgs,
		bootstrap: postgresBootstrap,
		openDB:    postgresOpen,
	}, nil
}

// postgresAccount is the user that a server started by root runs as, since PostgreSQL refuses root.
func postgresAccount() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, fmt.Errorf("find a user for PostgreSQL, which refuses root: %w", err)
	}
	uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(uidErr, gidErr)
}

func postgresInit(ctx context.Context, p *programs, account *syscall.Credential, dir string) error {
	if account != nil {
		if err := os.Chown(dir, int(account.Uid), int(account.Gid)); err != nil {
			return err
		}
	}
	initdb, err := p.tool("initdb")
	if err != nil {
		return err
	}
	data := filepath.Join(dir, "data")
	err = runTool(ctx, dir, account, initdb, "-D", data, "-U", "postgres", "-A", "trust",
		"-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(postgresHBA), 0o600)
}

func postgresArgs(s *Server) []string {
	return []string{
		"-D", s.data(), "-k", s.Dir, "-h", "127.0.0.1", "-p", strconv.Itoa(s.Port),
		"-c", "fsync=off", "-c", "full_page_writes=off",
		"-c", "max_connections=200",
		// In the data folder, so that it goes with it however the server ends.
		"-c", "dynamic_shared_memory_type=mmap",
	}
}

func postgresBootstrap(ctx context.Context, s *Server) (err error) {
	db, err := postgresOpen(s, User{}, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, "CREATE ROLE "+s.SQL(s.User)+" LOGIN SUPERUSER PASSWORD "+s.literal(s.User.Password))
	if err != nil {
		return fmt.Errorf("create role %s: %w", s.User.Name, err)
	}
	return nil
}

// postgresOpen opens a pool; without a user it is the superuser postgres over the socket.
func postgresOpen(s *Server, u User, database string) (*sql.DB, error) {
	if database == "" {
		database = "postgres"
	}
	address := s.URLAs(u, database)
	if u.Name == "" {
		address = "postgres://postgres@/" + url.PathEscape(database) + "?sslmode=disable&port=" +
			strconv.Itoa(s.Port) + "&host=" + url.QueryEscape(s.Dir)
	}
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, err
	}
	return stdlib.OpenDB(*config), nil
}
