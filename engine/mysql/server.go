// Package mysql is the adapter for MySQL (8.4 and later) and MariaDB (10.11 and later).
//
// [Connect] opens a server; which of the two it is, its own version says, never the url's scheme.
// Both keep every promise of the port, with these ways of their own:
//
//   - A grant belongs to a database's name, not to the database: what takes the name takes the grants.
//     So Create hands none on, and Rename moves none.
//   - DDL commits by itself: nothing here is a transaction but Load and the views.
//   - There is no statement that renames a database: see [Server.Rename].
//   - An ENUM's error value (index 0) and an empty member of the same ENUM read alike, and come back as the member.
//   - Of a system-versioned table the current rows are dumped, not their history.
//
// Sessions for this package's own work run in UTC, in utf8mb4, and in a fixed sql_mode
// (strict, but zero dates and zeros for auto-increment columns are kept as they are). A
// [engine.Session] is for text from outside: it has the server's own settings, but for utf8mb4.
//
// All types but sessions are safe for concurrent use.
package mysql

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"mulligan/engine"
)

// nameLimit is the longest database name, in characters (MySQL manual, "Identifier Length Limits").
const nameLimit = 64

// statementWait is how long a statement waits for another session's metadata locks, in seconds.
// It then fails with 1205, which is ErrInUse where the port says so.
const statementWait = 10

// Server is one MySQL or MariaDB server.
type Server struct {
	url    engine.URL
	traits engine.Traits
	admin  *sql.DB // connections without a database
	fences engine.Fences[*fence]

	mu      sync.Mutex           // guards evicted
	evicted map[string]time.Time // when Evict last emptied a database
}

var (
	_ engine.Server  = (*Server)(nil)
	_ engine.Renamer = (*Server)(nil)
	_ engine.Evicter = (*Server)(nil)
	_ engine.Locker  = (*Server)(nil)
)

// Connect opens the server that the url names, and reads its facts. The database in the url is not looked at.
// Options of the url: socket=/path; tls=true|false|preferred|skip-verify as the driver means them, or
// ssl-mode with the values of MySQL's own client, and ssl-ca=/path; timeout, readTimeout and writeTimeout
// as Go durations; allowCleartextPasswords=true. Another option that begins with ssl or tls is refused:
// leaving it out could send a password in the clear. The rest, which other drivers read, is left alone.
//
// Traits.Identity is server_uuid on MySQL, and server_uid on the MariaDB releases that have it; else a hash
// of host name, port, data folder and server_id, which changes when one of them does.
// Errors: ErrNoServer, ErrDenied.
func Connect(ctx context.Context, url engine.URL) (engine.Server, error) {
	s := &Server{url: url, evicted: map[string]time.Time{}}
	var err error
	if s.admin, err = s.pool("", nil); err != nil {
		return nil, err
	}
	if err := s.readTraits(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to %s: %w", url.Host(), err), s.admin.Close())
	}
	if err := s.admin.Close(); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", url.Host(), err)
	}
	if s.admin, err = s.pool("", ownSettings(s.traits.Family)); err != nil {
		return nil, err
	}
	if err := s.admin.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to %s: %w", url.Host(), mapped(err)), s.admin.Close())
	}
	return s, nil
}

func (s *Server) readTraits(ctx context.Context) error {
	var version, comment string
	if err := s.admin.QueryRowContext(ctx, "SELECT VERSION(), @@version_comment").Scan(&version, &comment); err != nil {
		return mapped(err)
	}
	s.traits = engine.Traits{Family: engine.MySQL, Version: version, NameLimit: nameLimit}
	if strings.Contains(version, "MariaDB") || strings.Contains(strings.ToLower(comment), "mariadb") {
		s.traits.Family = engine.MariaDB
	}
	variables := map[string]string{}
	rows, err := s.admin.QueryContext(ctx, `SHOW GLOBAL VARIABLES WHERE Variable_name IN
		('server_uuid', 'server_uid', 'hostname', 'port', 'datadir', 'server_id')`)
	if err != nil {
		return mapped(err)
	}
	err = eachRow(rows, func() error {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return err
		}
		variables[name] = value
		return nil
	})
	s.traits.Identity = identity(variables)
	return mapped(err)
}

// identity is the server's own id where it has one, else a hash of what tells it from others.
func identity(variables map[string]string) string {
	for _, name := range []string{"server_uuid", "server_uid"} {
		if variables[name] != "" {
			return variables[name]
		}
	}
	h := sha256.New()
	for _, name := range []string{"hostname", "port", "datadir", "server_id"} {
		fmt.Fprintf(h, "%q", variables[name])
	}
	return "host-" + hex.EncodeToString(h.Sum(nil)[:16])
}

// Traits gives the server's facts.
func (s *Server) Traits() engine.Traits { return s.traits }

// Close ends the connections of the server; databases opened from it keep theirs.
func (s *Server) Close() error { return s.admin.Close() }

// Properties of a database.
const (
	propCharset    = "charset"
	propCollation  = "collation"
	propEncryption = "encryption" // MySQL only: "YES" or "NO"
)

// Stat describes a database. Sessions are those that the caller may see: without the PROCESS
// privilege only its own user's. Errors: ErrNotExist, ErrDenied.
func (s *Server) Stat(ctx context.Context, name string) (*engine.Info, error) {
	info, err := s.stat(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("look at database %s: %w", name, mapped(err))
	}
	return info, nil
}

func (s *Server) stat(ctx context.Context, name string) (*engine.Info, error) {
	encryption := "''"
	if s.traits.Family == engine.MySQL {
		encryption = "DEFAULT_ENCRYPTION"
	}
	info := &engine.Info{Name: name, Properties: map[string]string{}}
	var charset, collation, encrypted string
	err := s.admin.QueryRowContext(ctx, `SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME, `+encryption+`
		FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?`, name).Scan(&charset, &collation, &encrypted)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, s.whyMissing(ctx, name)
	}
	if err != nil {
		return nil, err
	}
	info.Properties[propCharset], info.Properties[propCollation] = charset, collation
	if encrypted != "" {
		info.Properties[propEncryption] = encrypted
	}
	err = s.admin.QueryRowContext(ctx, `SELECT COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0)
		FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?`, name).Scan(&info.Bytes)
	if err != nil {
		return nil, err
	}
	sessions, err := s.sessions(ctx, name)
	if err != nil {
		return nil, err
	}
	info.Sessions = len(sessions)
	info.Grants, err = s.grants(ctx, name)
	return info, err
}

// whyMissing tells a database that does not exist from one that the user may not see:
// information_schema hides both.
func (s *Server) whyMissing(ctx context.Context, name string) error {
	conn, err := s.admin.Conn(ctx)
	if err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, "USE "+ident(name))
	if err := errors.Join(err, discard(conn)); err != nil {
		return err
	}
	return engine.ErrNotExist
}

// grants lists the grants whose database pattern matches the name, as GRANT statements.
func (s *Server) grants(ctx context.Context, name string) ([]string, error) {
	rows, err := s.admin.QueryContext(ctx, `SELECT GRANTEE, TABLE_SCHEMA, IS_GRANTABLE,
			GROUP_CONCAT(PRIVILEGE_TYPE ORDER BY PRIVILEGE_TYPE SEPARATOR ', ')
		FROM information_schema.SCHEMA_PRIVILEGES WHERE ? LIKE TABLE_SCHEMA
		GROUP BY GRANTEE, TABLE_SCHEMA, IS_GRANTABLE ORDER BY GRANTEE, TABLE_SCHEMA`, name)
	if err != nil {
		return nil, err
	}
	var grants []string
	err = eachRow(rows, func() error {
		var grantee, pattern, grantable, privileges string
		if err := rows.Scan(&grantee, &pattern, &grantable, &privileges); err != nil {
			return err
		}
		grant := "GRANT " + privileges + " ON " + ident(pattern) + ".* TO " + grantee
		if grantable == "YES" {
			grant += " WITH GRANT OPTION"
		}
		grants = append(grants, grant)
		return nil
	})
	return grants, err
}

// Create makes an empty database with like's character set, collation and (on MySQL) encryption.
// Grants belong to a name and stay with it: none are made. Errors: ErrExist, ErrDenied.
func (s *Server) Create(ctx context.Context, name string, like *engine.Info) error {
	return s.createOn(ctx, s.admin, name, like)
}

func (s *Server) createOn(ctx context.Context, q querier, name string, like *engine.Info) error {
	options, err := s.databaseOptions(like)
	if err == nil {
		_, err = q.ExecContext(ctx, "CREATE DATABASE "+ident(name)+options)
	}
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, mapped(err))
	}
	return nil
}

// databaseOptions writes like's properties as CREATE and ALTER DATABASE take them.
func (s *Server) databaseOptions(like *engine.Info) (string, error) {
	if like == nil {
		return "", nil
	}
	if like.Owner != "" || len(like.Settings) > 0 {
		return "", fmt.Errorf("owner %q and %d settings: %w: a database of %s has neither",
			like.Owner, len(like.Settings), errors.ErrUnsupported, s.traits.Family)
	}
	var options strings.Builder
	for _, p := range []struct{ key, words string }{
		{propCharset, " CHARACTER SET "}, {propCollation, " COLLATE "}, {propEncryption, " ENCRYPTION "},
	} {
		value := like.Properties[p.key]
		switch {
		case value == "":
		case p.key != propEncryption:
			options.WriteString(p.words + ident(value))
		case s.traits.Family == engine.MySQL:
			options.WriteString(p.words + literal(value[:1]))
		case value == "YES":
			return "", fmt.Errorf("encryption: %w: MariaDB has none for a database", errors.ErrUnsupported)
		}
	}
	return options.String(), nil
}

// Drop removes a database. Sessions that have just ended may still be listed for a moment: it waits
// two seconds for them. Errors: ErrNotExist; ErrInUse where sessions use it; ErrDenied.
func (s *Server) Drop(ctx context.Context, name string) error {
	sessions, err := s.await(ctx, name, 2*time.Second)
	if err == nil && len(sessions) > 0 {
		err = fmt.Errorf("%w: %d sessions", engine.ErrInUse, len(sessions))
	}
	if err == nil {
		_, err = s.admin.ExecContext(ctx, "DROP DATABASE "+ident(name))
		err = inUse(mapped(err))
	}
	if err != nil {
		return fmt.Errorf("drop database %s: %w", name, mapped(err))
	}
	return nil
}

// Open connects to a database and asks the server which one it is connected to. Errors: ErrNotExist, ErrDenied.
func (s *Server) Open(ctx context.Context, name string) (engine.DB, error) {
	if name == "" {
		return nil, errors.New("open database: its name is empty")
	}
	pool, err := s.pool(name, ownSettings(s.traits.Family))
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", name, err)
	}
	batches, err := s.batchPool(name)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", name, err), pool.Close())
	}
	db := &DB{DB: pool, batches: batches, server: s, name: name}
	var current string
	var folding int
	err = pool.QueryRowContext(ctx, "SELECT DATABASE(), @@lower_case_table_names").Scan(&current, &folding)
	if err == nil && current != name && (folding == 0 || !strings.EqualFold(current, name)) {
		err = fmt.Errorf("the server connected to %s", strconv.Quote(current))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", name, mapped(err)), db.Close())
	}
	db.name = current
	return db, nil
}
