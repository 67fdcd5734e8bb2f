package testdb

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	startLimit = 2 * time.Minute // a busy machine is slow, and the first start initialises
	endLimit   = 30 * time.Second
)

// driver is what differs between the families of servers.
type driver struct {
	programs  *programs
	version   string              // key of the template: the program's own words
	account   *syscall.Credential // whom the server runs as; nil: who runs the tests
	shutdown  syscall.Signal      // ends the server in order
	crash     syscall.Signal      // ends it at once, with work left for recovery
	init      func(ctx context.Context, dir string) error
	args      func(s *Server) []string
	bootstrap func(ctx context.Context, s *Server) error // through the socket: makes the server's user
	openDB    func(s *Server, u User, database string) (*sql.DB, error)
}

// open starts a server of the family with a data folder of its own.
func open(family Family, args []string) (_ *Server, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	d, err := newDriver(ctx, family)
	if err != nil {
		return nil, err
	}
	data, err := template(ctx, family, d.version, d.init)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(tempRoot(), "mt")
	if err != nil {
		return nil, err
	}
	s := &Server{Family: family, Dir: dir, driver: d, args: args, User: User{
		Name:     "mulligan",
		Password: `p@ss:w/rd%$ '"` + rand.Text()[:8],
	}}
	if s.reaper, err = startReaper(dir, d.crash); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.prepare(ctx, data); err != nil {
		return nil, errors.Join(err, s.discard())
	}
	return s, nil
}

func newDriver(ctx context.Context, family Family) (*driver, error) {
	switch family {
	case FamilyPostgres:
		return postgresDriver(ctx)
	case FamilyMariaDB:
		return mariadbDriver(ctx)
	default:
		return mysqlDriver(ctx)
	}
}

// prepare fills the server's folder, starts it and makes its user.
func (s *Server) prepare(ctx context.Context, data string) error {
	if err := copyTree(s.data(), data, s.driver.account); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(s.Dir, "files"), 0o700); err != nil {
		return err
	}
	if a := s.driver.account; a != nil {
		for _, dir := range []string{s.Dir, filepath.Join(s.Dir, "files")} {
			if err := os.Chown(dir, int(a.Uid), int(a.Gid)); err != nil {
				return err
			}
		}
	}
	if err := s.startOnFreePort(ctx); err != nil {
		return err
	}
	return s.driver.bootstrap(ctx, s)
}

// startOnFreePort asks the system for a port. Another process may take it before the server
// does, so a taken port is tried again with another.
func (s *Server) startOnFreePort(ctx context.Context) error {
	var err error
	for range 5 {
		if s.Port, err = freePort(); err != nil {
			return err
		}
		if err = s.start(ctx); err == nil || !strings.Contains(strings.ToLower(err.Error()), "in use") {
			return err
		}
	}
	return err
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// start runs the server program and waits until it answers over its socket.
func (s *Server) start(ctx context.Context) (err error) {
	log, err := os.Create(s.LogPath())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	cmd := exec.Command(s.driver.programs.server, append(s.driver.args(s), s.args...)...)
	cmd.Dir = s.Dir
	cmd.Env = serverEnv()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attributes(s.driver.account, s.driver.crash)
	if s.process, err = startProcess(cmd); err != nil {
		return err
	}
	if err := os.WriteFile(s.pidFile(), []byte(strconv.Itoa(s.PID())+"\n"), 0o600); err != nil {
		return errors.Join(err, s.process.end(s.driver.crash, endLimit))
	}
	return s.awaitReady(ctx)
}

// awaitReady polls, since the servers share no other way to tell that they are ready.
func (s *Server) awaitReady(ctx context.Context) error {
	db, err := s.driver.openDB(s, User{}, "")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // a pool without connections in use
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.process.done:
			return fmt.Errorf("the server ended at once:\n%s", s.logTail())
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("the server is not ready after %s: %w\n%s", startLimit, err, s.logTail()),
				s.process.end(s.driver.crash, endLimit))
		}
	}
}

// logTail is the end of the server's log, for an error.
func (s *Server) logTail() string {
	b, err := os.ReadFile(s.LogPath())
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-20):], []byte("\n")))
}

// discard ends the server without order, since its data goes with it.
func (s *Server) discard() error {
	var err error
	if s.process != nil {
		err = s.process.end(s.driver.crash, endLimit)
	}
	if rmErr := os.Remove(s.pidFile()); !errors.Is(rmErr, os.ErrNotExist) {
		err = errors.Join(err, rmErr)
	}
	return errors.Join(err, s.reaper.finish())
}
