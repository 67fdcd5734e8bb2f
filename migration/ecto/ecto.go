// Package ecto is the adapter to Ecto's migrations (ecto_sql), as of 3.14: a tree of Elixir scripts named
// <version>_<name>.exs, and a ledger of versions.
//
// The migrations are code, so the user's own command runs them. It is written from Ecto's source and documentation,
// and not compared with a running Ecto.
package ecto

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// DefaultTable is where Ecto keeps its ledger when nothing else is said.
const DefaultTable = "schema_migrations"

var fileName = regexp.MustCompile(`^(\d+)_(.+)\.exs$`)

// New joins the migrations of a folder with their ledger. The zero table is the default one.
func New(dir string, table schema.Name) *migration.Tool {
	if table == (schema.Name{}) {
		table.Table = DefaultTable
	}
	return &migration.Tool{Name: "ecto", Source: source(dir), Ledger: ledger(table), Late: migration.LateRuns, Lock: lock(table)}
}

// FileTool knows Ecto's files by their names.
func FileTool() migration.FileTool {
	return migration.FileTool{Tool: "ecto", Looks: func(dir string) (int, error) {
		names, err := migration.List(dir, fileName.MatchString)
		return len(names), err
	}}
}

// source is a folder, with the folders in it.
type source string

// Migrations is [migration.Source.Migrations], in the order of the versions. Ecto refuses two migrations with one
// version, and two with one name.
func (s source) Migrations(context.Context) ([]migration.Migration, error) {
	if _, err := os.Stat(string(s)); err != nil {
		return nil, fmt.Errorf("list migrations folder: %w", err)
	}
	var list []migration.Migration
	named := map[string]string{}
	err := filepath.WalkDir(string(s), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("list migrations folder: %w", err)
		}
		parts := fileName.FindStringSubmatch(e.Name())
		if e.IsDir() || parts == nil {
			return nil
		}
		version, err := strconv.ParseInt(parts[1], 10, 64)
		if err != nil {
			return fmt.Errorf("migration %s: its version does not fit a bigint", path)
		}
		if first, twice := named[parts[2]]; twice {
			return fmt.Errorf("two migrations have the name %s: %s and %s", parts[2], first, path)
		}
		named[parts[2]] = path
		f, err := migration.ReadFile(path)
		if err != nil {
			return err
		}
		id := migration.ID(strconv.FormatInt(version, 10))
		list = append(list, migration.Migration{ID: id, Title: migration.Title(parts[2]), Path: f.Path, Hash: f.Hash})
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(list, func(a, b migration.Migration) int { return cmp.Compare(number(a.ID), number(b.ID)) })
	return list, migration.CheckUnique(list, string(s), "20240131120000_create_users.exs")
}

// number is a version as Ecto orders it; 0 for what is no version.
func number(id migration.ID) int64 {
	n, err := strconv.ParseInt(string(id), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func ledger(table schema.Name) *migration.RowLedger {
	return &migration.RowLedger{
		Name: table,
		Keys: []string{"version"},
		Sort: "version",
		Make: func(f engine.Family, name string) []string {
			return []string{"CREATE TABLE " + name + " " + columns(f)}
		},
		Row: func(m migration.Marking) ([]migration.Cell, error) {
			version, err := strconv.ParseInt(string(m.ID), 10, 64)
			if err != nil {
				return nil, fmt.Errorf("version %q is no number", m.ID)
			}
			return []migration.Cell{{Column: "version", Value: version}, {Column: "inserted_at", Value: now(m)}}, nil
		},
		Read: func(rows []map[string]string, _ []migration.Migration) ([]migration.Record, error) {
			records := make([]migration.Record, 0, len(rows))
			for _, row := range rows {
				at := migration.Time(strings.Replace(row["inserted_at"], "T", " ", 1))
				if at.IsZero() {
					at = migration.Time(row["inserted_at"])
				}
				records = append(records, migration.Record{ID: migration.ID(row["version"]), State: migration.Applied, At: at, Raw: row})
			}
			return records, nil
		},
	}
}

// columns are those of the adapters Postgres and MyXQL, and of ecto_sqlite3.
func columns(f engine.Family) string {
	switch f {
	case engine.Postgres:
		return `("version" bigint, "inserted_at" timestamp(0), PRIMARY KEY ("version"))`
	case engine.MySQL, engine.MariaDB:
		return "(`version` bigint, `inserted_at` datetime, PRIMARY KEY (`version`)) ENGINE = INNODB"
	default:
		return `("version" INTEGER PRIMARY KEY, "inserted_at" TEXT)`
	}
}

// now is UTC, to the second.
func now(m migration.Marking) any {
	if m.Family == engine.SQLite {
		return m.Now.Format("2006-01-02T15:04:05")
	}
	return m.Now.Format("2006-01-02 15:04:05")
}

// lock is the ledger itself, which Ecto's adapter for PostgreSQL locks against other runs in a transaction of its own.
// On MySQL Ecto takes a lock that is named after the application's Repo, which is not known here, and on SQLite none.
type lock schema.Name

var _ migration.Lock = lock{}

// Take is [migration.Lock.Take]. It begins a transaction on the session, which ends no later than at free: what is
// written through the session in the meantime is committed with it.
func (l lock) Take(ctx context.Context, s engine.Session) (func(context.Context) error, error) {
	free := func(context.Context) error { return nil }
	if s.Family() != engine.Postgres {
		return free, nil
	}
	exists, err := migration.TableExists(ctx, s, schema.Name(l))
	if err != nil || !exists {
		return free, err
	}
	if _, err := s.ExecContext(ctx, "BEGIN"); err != nil {
		return nil, fmt.Errorf("take Ecto's lock: %w", err)
	}
	if _, err := s.ExecContext(ctx, "LOCK TABLE "+s.Family().Table(schema.Name(l))+" IN SHARE UPDATE EXCLUSIVE MODE NOWAIT"); err != nil {
		migration.Rollback(ctx, s)
		who, also := l.Holder(ctx, s)
		if who == "" {
			return nil, errors.Join(fmt.Errorf("take Ecto's lock on %s: %w", schema.Name(l), err), also)
		}
		return nil, errors.Join(fmt.Errorf("%w by %s", migration.ErrHeld, who), also)
	}
	return func(ctx context.Context) error {
		if _, err := s.ExecContext(ctx, "COMMIT"); err != nil {
			return fmt.Errorf("free Ecto's lock: %w", err)
		}
		return nil
	}, nil
}

// Holder is [migration.Lock.Holder]. The server's own cleaning of tables takes the same lock, and is left out.
func (l lock) Holder(ctx context.Context, q engine.Querier) (string, error) {
	if q.Family() != engine.Postgres {
		return "", nil
	}
	const query = `SELECT 'process ' || l.pid || coalesce(', user ' || a.usename, '') || coalesce(' at ' || host(a.client_addr), '')
		FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
		WHERE l.locktype = 'relation' AND l.relation = to_regclass($1) AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted
			AND l.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
			AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1`
	var who sql.NullString
	err := q.QueryRowContext(ctx, query, q.Family().Table(schema.Name(l))).Scan(&who)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("look for the holder of Ecto's lock: %w", err)
	}
	return who.String, nil
}
