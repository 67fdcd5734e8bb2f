// Package liquibase is the adapter to Liquibase (docs.liquibase.com): changelogs in XML, YAML, JSON or formatted SQL
// that hold change sets and include each other, and a ledger of change sets.
//
// A migration is a change set, and its ID is "file::id::author", the three by which Liquibase knows it; the
// file is the changelog's path as Liquibase sees it, from its search path on, or what logicalFilePath says. Of changelogs only that is
// read: which change sets there are and in what order. Every change set counts, also one that contexts, labels or
// dbms keep from being run on this database; such a one stays pending.
//
// Change sets in SQL are run natively where they need nothing but SQL: no preconditions, no other runner, no parameters, no dbms. For all
// others a command runs Liquibase, "liquibase update", which bears being masked. Records are written as changelog-sync and
// MARK_RAN leave them but for the checksum, which is NULL: Liquibase computes it when it runs next.
//
// Facts: Liquibase 4.20 to 5.0. It runs on Java and is not compared with in tests: they hold what its source and manual say.
package liquibase

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// DefaultTable is where Liquibase keeps its ledger on an engine when nothing else is said: it writes the name without quotes.
func DefaultTable(f engine.Family) schema.Name {
	return schema.Name{Table: cased(f, "DATABASECHANGELOG")}
}

// cased is a name that stands in SQL without quotes.
func cased(f engine.Family, name string) string {
	if f == engine.Postgres {
		return strings.ToLower(name)
	}
	return name
}

// New joins the change sets of a changelog with their ledger. dir is what changelogs are found from, Liquibase's
// search path, and changelog the path of the first from there; where it is empty the usual names are looked for.
// table is usually [DefaultTable]; the zero table is that of all engines but PostgreSQL.
func New(dir, changelog string, table schema.Name) *migration.Tool {
	if table == (schema.Name{}) {
		table = DefaultTable("")
	}
	s := &source{dir: dir, first: changelog, files: &parsed{Parse: parse}}
	l := &ledger{name: table}
	check := func(_ []migration.Status, pending []migration.Migration) error {
		for _, m := range pending {
			if _, err := s.script(m); err != nil {
				return &migration.RunError{ID: m.ID, Path: m.Path, Err: err}
			}
		}
		return nil
	}
	return &migration.Tool{
		Name: "liquibase", Source: s, Ledger: l, Late: migration.LateRuns, Lock: lock{ledger: table}, Script: s.script,
		Runner: &migration.SQLRunner{Source: s, Ledger: l, Script: s.script, Check: check},
	}
}

// FileTool knows changelogs by their content.
func FileTool() migration.FileTool {
	return migration.FileTool{Tool: "liquibase", Looks: func(dir string) (int, error) {
		files, err := migration.ReadFolder(dir, isChangelog)
		n := 0
		for _, f := range files {
			if strings.HasSuffix(strings.ToLower(f.Name), ".sql") && header.MatchString(f.Text) || strings.Contains(f.Text, "databaseChangeLog") {
				n++
			}
		}
		return n, err
	}}
}

// identity joins the three parts of an ID.
func identity(file, id, author string) migration.ID {
	return migration.ID(file + "::" + id + "::" + author)
}

// parts takes an ID apart. A path holds no "::", an author none either.
func parts(id migration.ID) (file, change, author string, err error) {
	file, rest, ok := strings.Cut(string(id), "::")
	at := strings.LastIndex(rest, "::")
	if !ok || at < 0 {
		return "", "", "", fmt.Errorf("%q is not of the form file::id::author", id)
	}
	return file, rest[:at], rest[at+2:], nil
}

// normal is a changelog's path as Liquibase compares it.
func normal(p string) string {
	p = strings.ReplaceAll(p, `\`, "/")
	for _, prefix := range []string{"classpath*:", "classpath:"} {
		p = strings.TrimPrefix(p, prefix)
	}
	return strings.TrimPrefix(path.Clean("/"+p), "/")
}

// ledger is the table, whose names are of another case on PostgreSQL.
type ledger struct{ name schema.Name }

var _ migration.Ledger = (*ledger)(nil)

// Table is [migration.Ledger.Table].
func (l *ledger) Table() schema.Name { return l.name }

// Create is [migration.Ledger.Create]. The table of the lock is not made: Liquibase makes it when it needs it.
func (l *ledger) Create(ctx context.Context, q engine.Querier) error {
	return l.on(q.Family()).Create(ctx, q)
}

// Records is [migration.Ledger.Records].
func (l *ledger) Records(ctx context.Context, q engine.Querier, files []migration.Migration) ([]migration.Record, error) {
	return l.on(q.Family()).Records(ctx, q, files)
}

// Mark is [migration.Ledger.Mark].
func (l *ledger) Mark(ctx context.Context, q engine.Querier, marks, files []migration.Migration) ([]migration.Write, error) {
	return l.on(q.Family()).Mark(ctx, q, marks, files)
}

// Unmark is [migration.Ledger.Unmark].
func (l *ledger) Unmark(ctx context.Context, q engine.Querier, marks, files []migration.Migration) ([]migration.Write, error) {
	return l.on(q.Family()).Unmark(ctx, q, marks, files)
}

// on is the ledger as it is on one engine.
func (l *ledger) on(f engine.Family) *migration.RowLedger {
	name := func(column string) string { return cased(f, column) }
	id := func(row map[string]string) migration.ID {
		return identity(normal(row[name("FILENAME")]), row[name("ID")], row[name("AUTHOR")])
	}
	return &migration.RowLedger{
		Name: l.name,
		Keys: []string{name("ID"), name("AUTHOR"), name("FILENAME")},
		Sort: "DATEEXECUTED, ORDEREXECUTED",
		Make: func(f engine.Family, table string) []string {
			return []string{"CREATE TABLE " + table + " " + columns(f)}
		},
		Row: func(m migration.Marking) ([]migration.Cell, error) { return cells(m, name) },
		ID:  id,
		Read: func(rows []map[string]string, _ []migration.Migration) ([]migration.Record, error) {
			var list []migration.Record
			for _, row := range rows {
				r := migration.Record{ID: id(row), State: migration.Applied, At: migration.Time(row[name("DATEEXECUTED")]), Raw: row}
				if !slices.Contains([]string{"EXECUTED", "RERAN", "MARK_RAN"}, row[name("EXECTYPE")]) {
					r.State = migration.Failed
				}
				list = append(list, r)
			}
			return list, nil
		},
		Undo: func(m migration.Marking, table string) ([]migration.Write, error) {
			return removal(m, table, id, []string{name("ID"), name("AUTHOR"), name("FILENAME")}), nil
		},
	}
}

// columns are those of Liquibase 4 and 5. There is no key: one change set may have several rows.
func columns(f engine.Family) string {
	stamp := "TIMESTAMP WITHOUT TIME ZONE"
	switch f {
	case engine.MySQL, engine.MariaDB:
		stamp = "datetime"
	case engine.SQLite:
		stamp = "TEXT"
	case engine.Postgres:
	}
	return "(ID VARCHAR(255) NOT NULL, AUTHOR VARCHAR(255) NOT NULL, FILENAME VARCHAR(255) NOT NULL, DATEEXECUTED " + stamp + " NOT NULL, " +
		"ORDEREXECUTED INTEGER NOT NULL, EXECTYPE VARCHAR(10) NOT NULL, MD5SUM VARCHAR(35), DESCRIPTION VARCHAR(255), COMMENTS VARCHAR(255), " +
		"TAG VARCHAR(255), LIQUIBASE VARCHAR(20), CONTEXTS VARCHAR(255), LABELS VARCHAR(255), DEPLOYMENT_ID VARCHAR(10))"
}

// cells are the row of a change set that is marked.
func cells(m migration.Marking, name func(string) string) ([]migration.Cell, error) {
	file, id, author, err := parts(m.ID)
	if err != nil {
		return nil, err
	}
	last := 0
	for _, row := range m.Rows {
		n, err := strconv.Atoi(row[name("ORDEREXECUTED")])
		if err != nil {
			return nil, fmt.Errorf("the order %q of %s is no number", row[name("ORDEREXECUTED")], row[name("ID")])
		}
		last = max(last, n)
	}
	now := migration.Expr("NOW()")
	if m.Family == engine.SQLite {
		now = "CURRENT_TIMESTAMP"
	}
	milliseconds := strconv.FormatInt(m.Now.UnixMilli(), 10)
	return []migration.Cell{
		{Column: name("ID"), Value: id},
		{Column: name("AUTHOR"), Value: author},
		{Column: name("FILENAME"), Value: file},
		{Column: name("DATEEXECUTED"), Value: now},
		{Column: name("ORDEREXECUTED"), Value: last + 1 + m.Nth},
		{Column: name("EXECTYPE"), Value: "MARK_RAN"},
		{Column: name("DEPLOYMENT_ID"), Value: milliseconds[max(0, len(milliseconds)-10):]},
	}, nil
}

// removal deletes all rows of a change set, however their path is written.
func removal(m migration.Marking, table string, id func(map[string]string) migration.ID, keys []string) []migration.Write {
	var list []migration.Write
	for _, row := range m.Rows {
		if id(row) != m.ID {
			continue
		}
		var conditions []string
		var args []any
		for _, k := range keys {
			args = append(args, row[k])
			conditions = append(conditions, m.Family.Ident(k)+" = "+m.Family.Placeholder(len(args)))
		}
		w := migration.Write{SQL: "DELETE FROM " + table + " WHERE " + strings.Join(conditions, " AND "), Args: args, Rows: migration.AnyRows}
		if !slices.ContainsFunc(list, func(o migration.Write) bool { return slices.Equal(o.Args, w.Args) }) {
			list = append(list, w)
		}
	}
	return list
}

// errNotSQL says that a change set needs Liquibase.
func errNotSQL(why string) error {
	return fmt.Errorf("%w: %s, which only Liquibase itself can run: set migrations.command", errors.ErrUnsupported, cmp.Or(why, "its changes are not SQL"))
}
