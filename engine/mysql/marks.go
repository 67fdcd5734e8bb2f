package mysql

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"

	"mulligan/engine"
	"mulligan/schema"
)

var _ engine.Marker = (*DB)(nil)

// Marks implements [engine.Marker] for InnoDB tables without partitions, by the time of their last change. It takes the PROCESS
// privilege; without it there are no marks. A mark holds
//
//   - UPDATE_TIME. InnoDB keeps it in memory, to the second, sets it when a transaction that changed the table commits, cascades
//     included, and keeps it when the table is renamed (measured on MySQL 9.7 and MariaDB 10.11, as all below). On MySQL it is
//     the time of the commit, set before the change is visible (trx_commit_for_mysql in trx0trx.cc); on
//     MariaDB that of the TRANSACTION'S BEGINNING (trx_t::commit_tables), so that a later commit may set an earlier or an equal one. Hence
//     the rule: it must be two seconds old, no transaction may be open that began in that very second, and none
//     that began before may be in the middle of its commit. Then whatever becomes visible later gives another time.
//   - TABLE_ID, since on MariaDB TRUNCATE, and on MySQL DISCARD and IMPORT TABLESPACE leave UPDATE_TIME as it was. Those,
//     and every rebuilding, give the table another id, and no id is given twice.
//   - names and types of the columns in their order, since a column is renamed without a trace elsewhere.
//   - when the server started.
//
// NULL, where a table was not written since it came into InnoDB's cache, is no mark: eviction, and on MySQL a mere RENAME COLUMN,
// put it back. Partitions are left out since TRUNCATE PARTITION leaves no trace. At the second moment no commit may be under way, which
// RENAME TABLE waits for: MariaDB sets the time just after the change is visible.
//
// What is not seen: a server's clock that is set back, when the one change that follows falls into the very second of the mark.
func (db *DB) Marks(ctx context.Context, tables []*schema.Table) (map[schema.Name]string, error) {
	marks, err := db.marks(ctx, tables)
	if err := mapped(err); errors.Is(err, engine.ErrDenied) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("marks of database %s: %w", db.name, err)
	}
	return marks, nil
}

// Quiet implements [engine.Marker]. MySQL sets UPDATE_TIME before a change is visible, MariaDB somewhere in its commit.
func (db *DB) Quiet(context.Context) (bool, error) { return db.Family() == engine.MySQL, nil }

// marks asks for the open transactions last: one that begins after the times were read is younger than any that counts.
func (db *DB) marks(ctx context.Context, tables []*schema.Table) (map[schema.Name]string, error) {
	started, err := db.started(ctx)
	if err != nil {
		return nil, err
	}
	changes, err := db.changes(ctx)
	if err != nil || len(changes) == 0 {
		return nil, err
	}
	ids, err := db.tableIDs(ctx)
	if err != nil {
		return nil, err
	}
	columns, err := db.columnSums(ctx)
	if err != nil {
		return nil, err
	}
	tables = slices.DeleteFunc(slices.Clone(tables), func(t *schema.Table) bool {
		n := t.Name.Table
		return changes[n].utc == "" || ids[n] == "" || columns[n] == nil
	})
	if len(tables) == 0 {
		return nil, nil
	}
	open, fresh, err := db.open(ctx)
	if err != nil || !fresh {
		return nil, err
	}
	marks := map[schema.Name]string{}
	for _, t := range tables {
		change, id, sum := changes[t.Name.Table], ids[t.Name.Table], columns[t.Name.Table]
		if open.mayRepeat(change.local) {
			continue
		}
		marks[t.Name] = strings.Join([]string{started, change.utc, id, hex.EncodeToString(sum.Sum(nil)[:16])}, " ")
	}
	return marks, nil
}

// started is when the server started, in seconds. Both parts are of the statement's own moment.
func (db *DB) started(ctx context.Context) (started string, err error) {
	status := "performance_schema.global_status"
	if db.Family() == engine.MariaDB {
		status = "information_schema.GLOBAL_STATUS"
	}
	err = db.QueryRowContext(ctx, "SELECT CAST(UNIX_TIMESTAMP() - VARIABLE_VALUE AS CHAR) FROM "+status+" WHERE VARIABLE_NAME = 'Uptime'").Scan(&started)
	return started, err
}

// change is when a table was last changed.
type change struct{ utc, local string }

// changes reads the times that are old enough. In UTC no second comes twice.
func (db *DB) changes(ctx context.Context) (map[string]change, error) {
	rows, err := db.QueryContext(ctx, `SELECT TABLE_NAME, CAST(UPDATE_TIME AS CHAR), CAST(CONVERT_TZ(UPDATE_TIME, '+00:00', 'SYSTEM') AS CHAR)
		FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND ENGINE = 'InnoDB'
			AND CREATE_OPTIONS NOT LIKE '%partitioned%' AND UPDATE_TIME <= UTC_TIMESTAMP() - INTERVAL 2 SECOND`, db.name)
	if err != nil {
		return nil, err
	}
	changes := map[string]change{}
	err = eachRow(rows, func() error {
		var table string
		var c change
		err := rows.Scan(&table, &c.utc, &c.local)
		changes[table] = c
		return err
	})
	return changes, err
}

// transactions are those that are open, by when they began: the server's local time, as InnoDB shows it whatever time zone the session has.
type transactions struct{ all, committing []string }

// mayRepeat tells whether one of them may yet make a change visible that was, or will be, given this time.
func (t transactions) mayRepeat(local string) bool {
	return slices.Contains(t.all, local) || slices.ContainsFunc(t.committing, func(began string) bool { return began <= local })
}

// open lists InnoDB's transactions, those that have only read included. The server answers from a list that it makes anew only when nobody has
// asked for 0.1 s (trx0i_s.cc), so beside somebody who asks all the time an answer can be of any age. One that
// shows this very question as the statement of a transaction of ours is of now; false = there was none.
func (db *DB) open(ctx context.Context) (open transactions, fresh bool, err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return open, false, err
	}
	defer func() { err = errors.Join(err, discard(conn)) }()
	if _, err := conn.ExecContext(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT"); err != nil {
		return open, false, err
	}
	for range askTimes {
		if open, fresh, err = ask(ctx, conn, rand.Text()); fresh || err != nil {
			return open, fresh, err
		}
		select {
		case <-ctx.Done():
			return open, false, ctx.Err()
		case <-time.After(askPause):
		}
	}
	return open, false, nil
}

const (
	askTimes = 10
	askPause = 130 * time.Millisecond
)

// ask asks once. A question is known by its token.
func ask(ctx context.Context, conn *sql.Conn, token string) (open transactions, fresh bool, err error) {
	rows, err := conn.QueryContext(ctx, `SELECT CAST(trx_started AS CHAR), COALESCE(trx_operation_state, '') LIKE '%commit%',
		COALESCE(trx_query, '') LIKE '%`+token+`%' FROM information_schema.INNODB_TRX`)
	if err != nil {
		return open, false, err
	}
	err = eachRow(rows, func() error {
		var began string
		var committing, own bool
		err := rows.Scan(&began, &committing, &own)
		open.all = append(open.all, began)
		if committing {
			open.committing = append(open.committing, began)
		}
		fresh = fresh || own
		return err
	})
	return open, fresh, err
}

// tableIDs reads InnoDB's own numbers of the database's tables.
func (db *DB) tableIDs(ctx context.Context) (map[string]string, error) {
	view := "INNODB_TABLES"
	if db.Family() == engine.MariaDB {
		view = "INNODB_SYS_TABLES"
	}
	folder := fileName(db.name) + "/"
	rows, err := db.QueryContext(ctx, "SELECT NAME, TABLE_ID FROM information_schema."+view+" WHERE LEFT(NAME, CHAR_LENGTH(?)) = ?", folder, folder)
	if err != nil {
		return nil, err
	}
	byFile := map[string]string{}
	err = eachRow(rows, func() error {
		var name, id string
		err := rows.Scan(&name, &id)
		byFile[strings.TrimPrefix(name, folder)] = id
		return err
	})
	return unfiled(byFile), err
}

// unfiled gives names of files back as names of tables. Those with a letter outside ASCII that has a code of its own
// (MySQL manual, "Mapping of Identifiers to File Names") are left out.
func unfiled(byFile map[string]string) map[string]string {
	byTable := map[string]string{}
	for file, id := range byFile {
		if name, ok := tableName(file); ok {
			byTable[name] = id
		}
	}
	return byTable
}

// fileName writes a name as InnoDB does.
func fileName(name string) string {
	var b strings.Builder
	for _, r := range name {
		if plain(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "@%04x", r)
		}
	}
	return b.String()
}

// tableName reads what fileName writes, and nothing else.
func tableName(file string) (name string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(file); i++ {
		if plain(rune(file[i])) {
			b.WriteByte(file[i])
			continue
		}
		var r rune
		if i+5 > len(file) || file[i] != '@' {
			return "", false
		}
		if _, err := fmt.Sscanf(file[i+1:i+5], "%04x", &r); err != nil {
			return "", false
		}
		b.WriteRune(r)
		i += 4
	}
	return b.String(), fileName(b.String()) == file
}

// plain tells the characters that stand for themselves in names of files.
func plain(r rune) bool {
	return r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

// columnSums hashes each table's columns.
func (db *DB) columnSums(ctx context.Context) (map[string]hash.Hash, error) {
	rows, err := db.QueryContext(ctx, `SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, COALESCE(COLLATION_NAME, ''), EXTRA
		FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? ORDER BY TABLE_NAME, ORDINAL_POSITION`, db.name)
	if err != nil {
		return nil, err
	}
	sums := map[string]hash.Hash{}
	err = eachRow(rows, func() error {
		var table string
		var parts [4]string
		if err := rows.Scan(&table, &parts[0], &parts[1], &parts[2], &parts[3]); err != nil {
			return err
		}
		if sums[table] == nil {
			sums[table] = sha256.New()
		}
		fmt.Fprintf(sums[table], "%q\n", parts)
		return nil
	})
	return sums, err
}
