package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"mulligan/engine"
	"mulligan/schema"
)

const nameLimit = 63 // bytes; PostgreSQL manual, "Identifiers and Key Words"

const oldest = "15" // the first major version whose catalog has all that [objectsQuery] asks for

// server is a PostgreSQL server. It works from a database of its own choice, where no one else is in the way.
type server struct {
	url         engine.URL
	maintenance string
	pool        *sql.DB // of the maintenance database
	traits      engine.Traits
	fences      engine.Fences[*pgx.Conn]

	mu      sync.Mutex           // guards mine and evicted
	mine    map[backend]bool     // connections that this server made, whether they still live or not
	evicted map[string]time.Time // when Evict last emptied a database
}

// backend is a server process: ids are given out again, so the start belongs to it.
type backend struct {
	pid   int32
	start string
}

var (
	_ engine.Server  = (*server)(nil)
	_ engine.Renamer = (*server)(nil)
	_ engine.Evicter = (*server)(nil)
	_ engine.Locker  = (*server)(nil)
)

// Connect connects to the server of the url: to its database "postgres", else "template1", else the one that
// the url names. Errors: [engine.ErrNoServer], [engine.ErrDenied], [engine.ErrNotExist]; none holds the password.
func Connect(ctx context.Context, url engine.URL) (engine.Server, error) {
	if url.Family() != engine.Postgres {
		return nil, fmt.Errorf("connect to %s: not a PostgreSQL url", url)
	}
	candidates := []string{"postgres", "template1"}
	if name := url.Database(); name != "" && !slices.Contains(candidates, name) {
		candidates = append(candidates, name)
	}
	var first error
	for _, name := range candidates {
		s, err := connectTo(ctx, url, name)
		if err == nil {
			return s, nil
		}
		if first == nil {
			first = err
		}
		if !elsewhere(err) {
			break
		}
	}
	return nil, fmt.Errorf("connect to %s: %w", url, first)
}

// elsewhere tells the errors that another database of the same server may not give.
func elsewhere(err error) bool {
	var fault *pgconn.PgError
	if !errors.As(err, &fault) {
		return false
	}
	return fault.Code == "3D000" || fault.Code == "28000" || fault.Code == "42501" || fault.Code == "55000"
}

func connectTo(ctx context.Context, url engine.URL, name string) (*server, error) {
	s := &server{url: url, maintenance: name, mine: map[backend]bool{}, evicted: map[string]time.Time{}}
	pool, err := s.open(name, canonical())
	if err != nil {
		return nil, err
	}
	s.pool = pool
	if name == "template1" {
		pool.SetMaxIdleConns(-1) // a session there keeps others from creating databases
	}
	if s.traits, err = readTraits(ctx, pool, url); err != nil {
		return nil, errors.Join(connectFault(ctx, url, err), pool.Close())
	}
	return s, nil
}

// open makes a pool of connections to a database. None is made yet.
func (s *server) open(name string, settings []setting) (*sql.DB, error) {
	c, err := config(s.url, name)
	if err != nil {
		return nil, err
	}
	return stdlib.OpenDB(*c, stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		return s.greet(ctx, c, settings)
	})), nil
}

// dial makes one connection to a database.
func (s *server) dial(ctx context.Context, name string) (*pgx.Conn, error) {
	cfg, err := config(s.url, name)
	if err != nil {
		return nil, err
	}
	return s.dialWith(ctx, cfg, canonical())
}

func (s *server) dialWith(ctx context.Context, cfg *pgx.ConnConfig, settings []setting) (*pgx.Conn, error) {
	c, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, connectFault(ctx, s.url, err)
	}
	if err := s.greet(ctx, c, settings); err != nil {
		return nil, errors.Join(mapped(ctx, err), hangUp(ctx, c))
	}
	return c, nil
}

// greet sets a new connection up and remembers it as our own.
func (s *server) greet(ctx context.Context, c *pgx.Conn, settings []setting) error {
	if err := apply(ctx, c, settings); err != nil {
		return err
	}
	b := backend{pid: int32(c.PgConn().PID())}
	err := c.QueryRow(ctx, `SELECT coalesce(pg_catalog.max(backend_start)::text, '') FROM pg_catalog.pg_stat_activity
		WHERE pid = pg_catalog.pg_backend_pid()`).Scan(&b.start)
	if err != nil {
		return fmt.Errorf("look at the new session: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mine[b] = true
	return nil
}

func (s *server) isMine(b backend) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mine[b]
}

// hangUp closes a connection, also after ctx has ended.
func hangUp(ctx context.Context, c *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelGrace)
	defer cancel()
	return c.Close(ctx)
}

func readTraits(ctx context.Context, pool *sql.DB, url engine.URL) (engine.Traits, error) {
	t := engine.Traits{Family: engine.Postgres, TransactionalDDL: true, NameLimit: nameLimit}
	err := pool.QueryRowContext(ctx, `SELECT pg_catalog.current_setting('server_version')`).Scan(&t.Version)
	if err != nil {
		return t, err
	}
	t.Version, _, _ = strings.Cut(t.Version, " ") // "15.18 (Debian 15.18-0+deb12u1)"
	if major, _, _ := strings.Cut(t.Version, "."); len(major) == 1 || len(major) == 2 && major < oldest {
		return t, fmt.Errorf("PostgreSQL %s is older than %s: %w", t.Version, oldest, errors.ErrUnsupported)
	}
	err = pool.QueryRowContext(ctx, `SELECT system_identifier::text FROM pg_catalog.pg_control_system()`).Scan(&t.Identity)
	var fault *pgconn.PgError
	if errors.As(err, &fault) {
		// Someone took the right to ask away, or it is no PostgreSQL but a relative: then the address must do.
		t.Identity, err = "address "+url.Host()+url.Option("host"), nil
	}
	return t, err
}

// Traits implements [engine.Server]. The identity is the system identifier that initdb chose.
func (s *server) Traits() engine.Traits { return s.traits }

// Close implements [engine.Server].
func (s *server) Close() error { return s.pool.Close() }

// Open implements [engine.Server].
func (s *server) Open(ctx context.Context, name string) (engine.DB, error) {
	db, err := s.openDB(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", name, err)
	}
	return db, nil
}

func (s *server) openDB(ctx context.Context, name string) (*database, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	pool, err := s.open(name, canonical())
	if err != nil {
		return nil, err
	}
	var got string
	if err := pool.QueryRowContext(ctx, "SELECT pg_catalog.current_database()").Scan(&got); err != nil {
		return nil, errors.Join(connectFault(ctx, s.url, err), pool.Close())
	}
	if got != name {
		return nil, errors.Join(fmt.Errorf("the server answers as database %s", got), pool.Close())
	}
	sessions, err := s.open(name, patient())
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	pool.SetMaxIdleConns(2)
	sessions.SetMaxIdleConns(-1) // what a migration did to its session ends with it
	return &database{server: s, name: name, pool: pool, sessions: sessions}, nil
}

// Drop implements [engine.Server].
func (s *server) Drop(ctx context.Context, name string) error {
	err := checkName(name)
	if err == nil {
		err = s.alone(ctx, name, func() error {
			_, err := s.pool.ExecContext(ctx, "DROP DATABASE "+ident(name))
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("drop database %s: %w", name, mapped(ctx, err))
	}
	return nil
}

// checkName refuses names that the server would silently cut.
func checkName(name string) error {
	if name == "" {
		return errors.New("the name is empty")
	}
	if len(name) > nameLimit {
		return fmt.Errorf("the name has %d bytes, PostgreSQL takes %d", len(name), nameLimit)
	}
	return nil
}

func ident(name string) string { return engine.Postgres.Ident(name) }

func table(n schema.Name) string { return engine.Postgres.Table(n) }

// Rename implements [engine.Renamer]: all moves are one transaction.
func (s *server) Rename(ctx context.Context, moves ...engine.Move) (err error) {
	tx, err := s.pool.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("rename databases: %w", mapped(ctx, err))
	}
	for _, m := range moves {
		if err = checkName(m.To); err == nil {
			err = s.alone(ctx, m.From, func() error {
				_, err := tx.ExecContext(ctx, "ALTER DATABASE "+ident(m.From)+" RENAME TO "+ident(m.To))
				return err
			})
		}
		if err != nil {
			err = fmt.Errorf("rename database %s to %s: %w", m.From, m.To, mapped(ctx, err))
			if rollback := tx.Rollback(); !errors.Is(rollback, sql.ErrTxDone) {
				err = errors.Join(err, rollback)
			}
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("rename databases: commit: %w", mapped(ctx, err))
	}
	return nil
}
