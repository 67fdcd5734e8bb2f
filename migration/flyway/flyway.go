// Package flyway is the adapter to Flyway: a folder, with its sub-folders, of SQL files V<version>__<description>.sql
// and R__<description>.sql, and a ledger of rows with a rank, a checksum and a success mark.
//
// A migration's ID is its version as the file has it, with dots: "1.1". A repeatable migration has none; its ID is the
// name of its file without the suffix: "R__views". Undo files (U…) are never applied. A baseline file (B…) counts as the
// first migration where no versioned file stands for what it holds; else the versioned files are replayed, which is the
// same by its author's word.
//
// Flyway cannot be had from a registry that the tests use. Its own program, 8.5.13, was once run on all four engines
// beside this package: a replay leaves the same ledger, what is marked here is valid and applied to it, and what is taken
// away is pending again. On MySQL and MariaDB its driver adds IGNORE_SPACE to the sql_mode, and on MySQL has a collation
// of its own, both of which triggers and views keep; that depends on the driver, and is not done here.
//
// The migrations are run natively, by Flyway's rules as of version 13: the file goes to the server as one text, in a
// transaction with its row, unless the file or its .conf file rules that out. Placeholders (${…}), callbacks,
// migrations in Java and other prefixes than the usual ones need the application's own Flyway as its command.
package flyway

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// DefaultTable is where Flyway keeps its ledger when nothing else is said.
const DefaultTable = "flyway_schema_history"

// ErrPlaceholder says that a file has placeholders, whose values only the application's configuration of Flyway knows.
var ErrPlaceholder = errors.New("it has placeholders, which only the application's own Flyway can fill: set migrations.command")

// New joins the migrations of a folder, Flyway's location, with their ledger. The zero table is the default one.
func New(dir string, table schema.Name) *migration.Tool {
	if table == (schema.Name{}) {
		table.Table = DefaultTable
	}
	src, led := source(dir), ledger(source(dir), table)
	run := &migration.SQLRunner{Source: src, Ledger: led, Script: script, Check: check}
	run.Apply = applier(run)
	return &migration.Tool{
		Name: "flyway", Source: src, Ledger: led, Runner: run, Script: script,
		Late: migration.LateRefused, Lock: lock(table),
	}
}

// lockBase is what Flyway adds to the hash of its table's name on PostgreSQL.
const lockBase = 77431708279161

// lock is the tool's: a number made of the table's quoted name. A table without a schema is taken to be in "public".
// Where flyway.postgresql.transactional.lock is false the lock is the session's, with the same number; the two exclude
// each other.
func lock(table schema.Name) migration.Lock {
	return migration.ServerLock{
		Postgres: func(string) []int64 {
			n := table
			if n.Schema == "" {
				n.Schema = "public"
			}
			return []int64{lockBase + int64(javaHash(`"`+n.Schema+`"."`+n.Table+`"`))}
		},
		MySQL: func(database string) []string {
			if table.Schema != "" {
				database = table.Schema
			}
			return []string{"Flyway-" + strconv.Itoa(int(javaHash("`"+database+"`.`"+table.Table+"`")))}
		},
	}
}

// check refuses what Flyway refuses: a pending versioned migration below one that is applied, and placeholders, which
// are looked for before anything is run.
func check(all []migration.Status, pending []migration.Migration) error {
	highest := version(nil)
	for _, s := range all {
		if v, ok := parseVersion(string(s.Migration.ID)); ok && (s.Verdict == migration.VerdictApplied || s.Verdict == migration.VerdictOrphan) && v.compare(highest) > 0 {
			highest = v
		}
	}
	for _, m := range pending {
		if v, ok := parseVersion(string(m.ID)); ok && v.compare(highest) < 0 {
			return fmt.Errorf("migration %s is pending although a higher version is applied: Flyway refuses migrations that are out of order", m.Path)
		}
		if _, err := script(m); err != nil {
			return err
		}
	}
	return nil
}

var (
	placeholder = regexp.MustCompile(`\$\{[^}\n]+\}`)
	// alone matches statements that no transaction may hold; with one of them Flyway runs the file without. (PostgreSQLParser
	// and SQLiteParser of Flyway 13)
	alone = regexp.MustCompile(`(?i)^(?:(?:create|drop)\s+(?:unique\s+)?index\s+concurrently|reindex\s+(?:verbose\s+)?(?:schema|database|system)|vacuum|` +
		`(?:create|drop)\s+(?:database|tablespace|subscription)|alter\s+system|discard\s+all|pragma\s+foreign_keys)\b`)
	noTransaction = regexp.MustCompile(`(?m)^\s*executeInTransaction\s*=\s*false\s*$`)
)

// script is the whole file, without a byte order mark.
func script(m migration.Migration) (migration.Script, error) {
	text, err := migration.Reread(m)
	if err != nil {
		return migration.Script{}, err
	}
	if found := placeholder.FindStringIndex(text); found != nil {
		line := 1 + strings.Count(text[:found[0]], "\n")
		return migration.Script{}, fmt.Errorf("migration %s, line %d: %s: %w", m.Path, line, text[found[0]:found[1]], ErrPlaceholder)
	}
	text = strings.TrimPrefix(text, "\ufeff")
	own, err := os.ReadFile(m.Path + ".conf")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return migration.Script{}, fmt.Errorf("read the settings of migration %s: %w", m.Path, err)
	}
	parts := []migration.Statement{{Text: text, Line: 1}}
	return migration.Script{Parts: parts, Transaction: !noTransaction.Match(own) && !hasAlone(text)}, nil
}

func hasAlone(text string) bool {
	for _, s := range migration.Statements(engine.Postgres, text) {
		if alone.MatchString(s.Text) {
			return true
		}
	}
	return false
}

// applier runs one migration and writes its row. Where the migration fails and may have left something behind, the row
// says so, and stops all later runs.
func applier(r *migration.SQLRunner) func(context.Context, engine.Session, migration.Migration, []migration.Migration) error {
	return func(ctx context.Context, s engine.Session, m migration.Migration, files []migration.Migration) error {
		sc, err := script(m)
		if err != nil {
			return err
		}
		if !sc.Transaction && s.Family() == engine.Postgres {
			sc.Parts = sc.Statements(engine.Postgres) // of a whole text PostgreSQL would make one transaction
		}
		do := func() error {
			for _, part := range sc.Parts {
				if err := migration.RunScript(ctx, s, part.Text, part.Line); err != nil {
					return err
				}
			}
			return migration.Insert(ctx, s, r.Ledger, m, files)
		}
		transactional := s.Family() == engine.Postgres || s.Family() == engine.SQLite
		if sc.Transaction {
			err = migration.InTransaction(ctx, s, do)
		} else if err = do(); err != nil {
			migration.Rollback(ctx, s)
		}
		if err == nil || sc.Transaction && transactional {
			return err
		}
		return errors.Join(err, markFailed(context.WithoutCancel(ctx), s, r.Ledger, m, files))
	}
}
