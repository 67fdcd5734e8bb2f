package atlas

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// identifier is a row that names the ledger, and no migration.
const identifier = ".atlas_cloud_identifier"

// The bits of a row's type.
const (
	baseline = 1
	executed = 2
	resolved = 4
)

// ledger keeps a row for each file. A row that calls all earlier files applied stands for them, too.
func ledger(dir string, table schema.Name) *migration.RowLedger {
	return &migration.RowLedger{
		Name: table,
		Keys: []string{"version"},
		Sort: "version",
		Make: func(f engine.Family, name string) []string {
			list := []string{"CREATE TABLE " + name + " " + columns(f)}
			if f == engine.Postgres && table.Schema != "" {
				list = append([]string{"CREATE SCHEMA IF NOT EXISTS " + f.Ident(table.Schema)}, list...)
			}
			return list
		},
		Row: func(m migration.Marking) ([]migration.Cell, error) {
			r, err := newRow(dir, m.Migration)
			r.kind, r.at = resolved, m.Now
			for _, other := range m.Rows {
				if v := other["operator_version"]; v != "" {
					r.operator = v
				}
			}
			return r.cells(m.Family), err
		},
		Read: reader(dir),
		Undo: func(m migration.Marking, table string) ([]migration.Write, error) {
			for _, r := range m.Rows {
				if r["version"] == string(m.ID) {
					return []migration.Write{remove(m.Family, table, m.ID)}, nil
				}
			}
			return nil, fmt.Errorf("%w: it is below the baseline", migration.ErrMarksAll)
		},
	}
}

func remove(f engine.Family, table string, id migration.ID) migration.Write {
	return migration.Write{SQL: "DELETE FROM " + table + " WHERE version = " + f.Placeholder(1), Args: []any{string(id)}, Rows: migration.AnyRows}
}

func columns(f engine.Family) string {
	switch f {
	case engine.Postgres:
		return `("version" character varying NOT NULL, "description" character varying NOT NULL, "type" bigint NOT NULL DEFAULT 2,
			"applied" bigint NOT NULL DEFAULT 0, "total" bigint NOT NULL DEFAULT 0, "executed_at" timestamptz NOT NULL, "execution_time" bigint NOT NULL,
			"error" text NULL, "error_stmt" text NULL, "hash" character varying NOT NULL, "partial_hashes" jsonb NULL,
			"operator_version" character varying NOT NULL, PRIMARY KEY ("version"))`
	case engine.MySQL, engine.MariaDB:
		null := "NOT NULL"
		if f == engine.MariaDB {
			null = "NULL"
		}
		return "(`version` varchar(255) NOT NULL, `description` varchar(255) NOT NULL, `type` bigint unsigned NOT NULL DEFAULT 2," +
			" `applied` bigint NOT NULL DEFAULT 0, `total` bigint NOT NULL DEFAULT 0, `executed_at` timestamp " + null + ", `execution_time` bigint NOT NULL," +
			" `error` longtext NULL, `error_stmt` longtext NULL, `hash` varchar(255) NOT NULL, `partial_hashes` json NULL," +
			" `operator_version` varchar(255) NOT NULL, PRIMARY KEY (`version`)) CHARSET utf8mb4 COLLATE utf8mb4_bin"
	default:
		return "(`version` text NOT NULL, `description` text NOT NULL, `type` integer NOT NULL DEFAULT 2, `applied` integer NOT NULL DEFAULT 0," +
			" `total` integer NOT NULL DEFAULT 0, `executed_at` datetime NOT NULL, `execution_time` integer NOT NULL, `error` text NULL," +
			" `error_stmt` text NULL, `hash` text NOT NULL, `partial_hashes` json NULL, `operator_version` text NOT NULL, PRIMARY KEY (`version`))"
	}
}

// row is one revision.
type row struct {
	version, description, hash, operator string
	kind, applied, total                 int
	at                                   time.Time
	took                                 time.Duration
	failure, statement                   string
}

// newRow is that of a file of the folder.
func newRow(dir string, m migration.Migration) (row, error) {
	list, err := sums(dir)
	if err != nil {
		return row{}, err
	}
	for _, s := range list {
		version, description := parts(s.name)
		if version == string(m.ID) {
			return row{version: version, description: description, hash: s.hash, operator: "mulligan"}, nil
		}
	}
	return row{}, fmt.Errorf("folder %s has no file of version %s", dir, m.ID)
}

func (r row) cells(f engine.Family) []migration.Cell {
	at, partial := r.at.Format("2006-01-02 15:04:05.999999999-07:00"), any("null")
	switch f {
	case engine.MySQL, engine.MariaDB:
		at = r.at.Format("2006-01-02 15:04:05.999999")
	case engine.SQLite:
		partial = []byte("null") // a BLOB, as Atlas's driver writes it
	case engine.Postgres:
	}
	return []migration.Cell{
		{Column: "version", Value: r.version}, {Column: "description", Value: r.description}, {Column: "type", Value: r.kind},
		{Column: "applied", Value: r.applied}, {Column: "total", Value: r.total}, {Column: "executed_at", Value: at},
		{Column: "execution_time", Value: r.took.Nanoseconds()}, {Column: "error", Value: r.failure}, {Column: "error_stmt", Value: r.statement},
		{Column: "hash", Value: r.hash}, {Column: "partial_hashes", Value: partial}, {Column: "operator_version", Value: r.operator},
	}
}

// reader makes records, with the sum of each file compared.
func reader(dir string) func([]map[string]string, []migration.Migration) ([]migration.Record, error) {
	return func(rows []map[string]string, files []migration.Migration) ([]migration.Record, error) {
		hashes := map[string]string{}
		if len(files) > 0 {
			list, err := sums(dir)
			if err != nil {
				return nil, err
			}
			for _, s := range list {
				version, _ := parts(s.name)
				hashes[version] = s.hash
			}
		}
		var records []migration.Record
		for _, r := range rows {
			if r["version"] == identifier {
				continue
			}
			kind, err := strconv.Atoi(r["type"])
			if err != nil {
				return nil, fmt.Errorf("version %s: the type %q is no number", r["version"], r["type"])
			}
			if len(records) == 0 && kind&baseline != 0 {
				for _, m := range files {
					if string(m.ID) < r["version"] {
						records = append(records, migration.Record{ID: m.ID, State: migration.Applied})
					}
				}
			}
			records = append(records, record(r, hashes[r["version"]]))
		}
		return records, nil
	}
}

func record(r map[string]string, hash string) migration.Record {
	out := migration.Record{ID: migration.ID(r["version"]), State: migration.Applied, At: migration.Time(r["executed_at"]), Raw: r}
	if r["applied"] != r["total"] || r["error"] != "" {
		out.State = migration.Failed
	}
	switch kept := strings.TrimPrefix(r["hash"], prefix); {
	case hash == "" || kept == "":
	case kept == hash:
		out.Sum = migration.SumMatches
	default:
		out.Sum = migration.SumDiffers
	}
	return out
}

// applier runs files and keeps their rows as Atlas does.
type applier struct {
	dir    string
	ledger *migration.RowLedger
}

func (a *applier) apply(ctx context.Context, s engine.Session, m migration.Migration, _ []migration.Migration) error {
	text, err := migration.Reread(m)
	if err != nil {
		return err
	}
	mode, err := txMode(text)
	if err != nil {
		return err
	}
	statements, err := split(s.Family(), text)
	if err != nil {
		return err
	}
	r, err := newRow(a.dir, m)
	if err != nil {
		return err
	}
	r.kind, r.total, r.at = executed, len(statements), time.Now().UTC()
	do := func() error { return a.statements(ctx, s, r, statements) }
	if mode == "none" {
		return do()
	}
	return migration.InTransaction(ctx, s, do)
}

// statements runs those of one file, and writes its row before the first and after each.
func (a *applier) statements(ctx context.Context, s engine.Session, r row, list []migration.Statement) error {
	if err := a.write(ctx, s, r); err != nil {
		return err
	}
	for _, st := range list {
		err := migration.RunScript(ctx, s, st.Text, st.Line)
		r.took = time.Since(r.at)
		if err != nil {
			var stopped *migration.RunError
			if errors.As(err, &stopped) && stopped.Line == 0 {
				stopped.Line, stopped.Statement = st.Line, migration.Cut(st.Text)
			}
			r.failure, r.statement = cause(err), st.Text
			// Within a transaction that failed PostgreSQL refuses it, and the row is taken back anyway.
			_ = a.write(context.WithoutCancel(ctx), s, r)
			return err
		}
		r.applied++
		if err := a.write(ctx, s, r); err != nil {
			return err
		}
	}
	return nil
}

// cause is the server's own message.
func cause(err error) string {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}

// write puts a row in place of what is there.
func (a *applier) write(ctx context.Context, q engine.Querier, r row) error {
	f := q.Family()
	table := f.Table(a.ledger.Name)
	writes := []migration.Write{remove(f, table, migration.ID(r.version)), migration.Insertion(f, table, r.cells(f))}
	return migration.Execute(ctx, q, writes)
}
