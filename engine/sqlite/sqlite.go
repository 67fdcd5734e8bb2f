// Package sqlite is the engine port on SQLite 3, through a driver in pure Go.
//
// The server is the file system, and a database's name is the absolute path of its file.
// Nothing here opens a file that is not there: only [Server.Create] makes one, whole or not at all.
// What was killed at any instant leaves no half file under a database's name.
//
// Rows travel with their storage classes (docs/format.md, "Rows"), bytes that are no UTF-8 included.
// One thing is not kept: half a surrogate pair in a database of encoding UTF-16, which SQLite itself
// reads as U+FFFD.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"mulligan/engine"
)

// busyTimeout is how long a statement waits for another connection's lock, where the url has no busy_timeout.
// A context that ends earlier ends the wait.
const busyTimeout = 10 * time.Second

var (
	_ engine.Server  = (*Server)(nil)
	_ engine.Renamer = (*Server)(nil)
	_ engine.Locker  = (*Server)(nil)
)

// Server is a file system that holds SQLite files. It is safe for concurrent use.
type Server struct {
	traits   engine.Traits
	readOnly bool
	busy     time.Duration
	fences   engine.Fences[*sql.Conn]
}

// Connect gives the file system that holds the url's file; the file itself need not exist, its folder must.
// Options: mode=ro reads only; busy_timeout=N waits N milliseconds for locks. Any other is an error.
//
// Traits.Identity is the folder's path without symbolic links and its inode number: it stays the same when
// files in the folder come and go and when the machine starts again, and differs on another machine.
// Errors: engine.ErrNoServer where there is no such folder, engine.ErrDenied.
func Connect(ctx context.Context, u engine.URL) (engine.Server, error) {
	if u.Family() != engine.SQLite {
		return nil, fmt.Errorf("connect to %s: it is no SQLite file", u)
	}
	s := &Server{busy: busyTimeout}
	if err := s.configure(u.Options()); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", u, err)
	}
	identity, err := folderIdentity(filepath.Dir(u.Database()))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", u, err)
	}
	db, err := open("file::memory:")
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", u, err)
	}
	s.traits = engine.Traits{Family: engine.SQLite, Identity: identity, TransactionalDDL: true}
	err = db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&s.traits.Version)
	if err = errors.Join(err, db.Close()); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", u, err)
	}
	return s, nil
}

func (s *Server) configure(options url.Values) error {
	for key := range options {
		value := options.Get(key)
		switch key {
		case "mode":
			if value != "ro" && value != "rw" {
				return fmt.Errorf("option mode=%s: it may be ro or rw", value)
			}
			s.readOnly = value == "ro"
		case "busy_timeout":
			ms, err := strconv.ParseUint(value, 10, 31)
			if err != nil {
				return fmt.Errorf("option busy_timeout=%s: it must be a number of milliseconds", value)
			}
			s.busy = time.Duration(ms) * time.Millisecond
		default:
			return fmt.Errorf("option %s is not known: known are mode and busy_timeout", key)
		}
	}
	return nil
}

func folderIdentity(folder string) (string, error) {
	real, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return "", folderError(folder, err)
	}
	info, err := os.Stat(real)
	if err != nil {
		return "", folderError(folder, err)
	}
	if !info.IsDir() {
		return "", fmt.Errorf("folder %s is no folder: %w", folder, engine.ErrNoServer)
	}
	return real + inode(info), nil
}

func folderError(folder string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("folder %s does not exist: %w", folder, engine.ErrNoServer)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("folder %s: %w", folder, engine.ErrDenied)
	default:
		return fmt.Errorf("folder %s: %w", folder, err)
	}
}

// Traits gives the driver's SQLite version and the folder's identity.
func (s *Server) Traits() engine.Traits { return s.traits }

// Close does nothing: a file system needs no connection.
func (s *Server) Close() error { return nil }

// Open opens a file that exists and is a database. Errors: engine.ErrNotExist, engine.ErrDenied.
func (s *Server) Open(ctx context.Context, name string) (engine.DB, error) {
	if _, err := regular(name); err != nil {
		return nil, fmt.Errorf("open database %s: %w", name, err)
	}
	mode := "rw"
	if s.readOnly {
		mode = "ro"
	}
	pool, err := open(s.dsn(name, mode))
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", name, err)
	}
	var version int
	if err := pool.QueryRowContext(ctx, "PRAGMA schema_version").Scan(&version); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", name, translate(err)), pool.Close())
	}
	return &DB{DB: pool, name: name, busy: s.busy, fences: &s.fences}, nil
}

// dsn writes a path as the URI that SQLite opens. mode rw never creates.
func (s *Server) dsn(name, mode string) string {
	return uri(name, url.Values{"mode": {mode}, "_pragma": {fmt.Sprintf("busy_timeout(%d)", s.busy.Milliseconds())}})
}

func uri(name string, options url.Values) string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(name), RawQuery: options.Encode()}).String()
}

func open(dsn string) (*sql.DB, error) {
	connector, err := driver.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// regular looks at a database's file without opening it.
func regular(name string) (fs.FileInfo, error) {
	if !filepath.IsAbs(name) {
		return nil, errors.New("it is not an absolute path")
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, engine.ErrNotExist
	case errors.Is(err, fs.ErrPermission):
		return nil, engine.ErrDenied
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("it is no file but %s", info.Mode().Type())
	}
	return info, nil
}

// translate adds the port's sentinel to an error of SQLite's.
func translate(err error) error {
	var fault *driver.Error
	if !errors.As(err, &fault) {
		return err
	}
	switch fault.Code() & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return fmt.Errorf("%w: %w", engine.ErrInUse, err)
	case lib.SQLITE_PERM, lib.SQLITE_AUTH, lib.SQLITE_READONLY, lib.SQLITE_CANTOPEN:
		return fmt.Errorf("%w: %w", engine.ErrDenied, err)
	case lib.SQLITE_NOTADB:
		return fmt.Errorf("the file is no SQLite database, or is encrypted: %w", err)
	default:
		return err
	}
}

// code is SQLite's primary result code of an error; 0 = it is not SQLite's.
func code(err error) int {
	var fault *driver.Error
	if !errors.As(err, &fault) {
		return 0
	}
	return fault.Code() & 0xff
}
