package sqlite

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	lib "modernc.org/sqlite/lib"

	"mulligan/engine"
	"mulligan/schema"
)

var _ engine.Marker = (*DB)(nil)

// Marks implements [engine.Marker] by the state of the file: one mark for all tables, but for virtual ones.
//
// Under a rollback journal it is the header's change counter that proves: every transaction that writes raises it by one, and one
// connection that stays alone (locking_mode = EXCLUSIVE) at least once while it keeps all others out ("Database File Format",
// section 1.3.9; pager_incr_changecounter and pagerUnlockDb in pager.c). Size and time of the file show who writes without SQLite.
//
// Under a WAL the counter proves nothing, since commits go to the log. There the log is written back first, as far as nobody has to
// wait (PRAGMA wal_checkpoint(PASSIVE)); if all of it went, the file alone is the database, and any later commit
// must be written into it before it can have marks again. That this shows in the file's time is made sure
// by waiting until the clock that stamps files has moved on.
//
// There are no marks while a transaction is being written into the file, or where a reader keeps the log from being written back.
func (d *DB) Marks(ctx context.Context, tables []*schema.Table) (map[schema.Name]string, error) {
	mark, names, err := d.mark(ctx)
	if code(err) == lib.SQLITE_BUSY {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("marks of database %s: %w", d.name, translate(err))
	}
	marks := map[schema.Name]string{}
	for _, t := range tables {
		if mark != "" && names[t.Name.Table] {
			marks[t.Name] = mark
		}
	}
	return marks, nil
}

// Quiet implements [engine.Marker]: what tells of a change is in the file, or in its log, with the change.
func (d *DB) Quiet(context.Context) (bool, error) { return true, nil }

// mark reads the file's mark, "" where there is none, and the tables that it holds for.
func (d *DB) mark(ctx context.Context) (mark string, names map[string]bool, err error) {
	conn, err := d.Conn(ctx)
	if err != nil {
		return "", nil, err
	}
	defer func() { err = errors.Join(err, discard(conn)) }()
	var mode string
	if err := conn.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return "", nil, err
	}
	wal := mode == "wal"
	if wal {
		if whole, err := writeBack(ctx, conn); err != nil || !whole {
			return "", nil, err
		}
	}
	// Under a rollback journal nobody can write into the file while this transaction reads.
	if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
		return "", nil, err
	}
	var counter []byte
	err = conn.QueryRowContext(ctx, "SELECT substr(data, 25, 4) FROM sqlite_dbpage WHERE pgno = 1").Scan(&counter)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil, nil // a file of 0 bytes
	}
	if err == nil {
		names, err = ordinary(ctx, conn)
	}
	if err != nil {
		return "", nil, err
	}
	info, err := os.Stat(d.name)
	if err == nil && wal {
		info, err = d.settled(ctx)
	}
	if err != nil || info == nil {
		return "", nil, err
	}
	return fmt.Sprintf("%s%s size %d time %d counter %s", mode, inode(info), info.Size(), info.ModTime().UnixNano(), hex.EncodeToString(counter)), names, nil
}

// writeBack copies the log into the file, and tells whether all of it went. A connection that may not write cannot.
func writeBack(ctx context.Context, conn *sql.Conn) (whole bool, err error) {
	if alone, err := readOnly(conn); err != nil || alone {
		return false, err
	}
	var busy, log, done int
	if err := conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &log, &done); err != nil {
		return false, err
	}
	return busy == 0 && log == done, nil
}

// ordinary lists the tables whose rows are in the file.
func ordinary(ctx context.Context, conn *sql.Conn) (map[string]bool, error) {
	rows, err := conn.QueryContext(ctx, "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'shadow')")
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		names[name] = true
	}
	return names, errors.Join(rows.Err(), rows.Close())
}

// settleSteps is how often settled looks whether the clock has moved on: 64 looks take a fifth of a second. Its tick is
// 1 to 10 ms on Linux.
const settleSteps, settlePause = 64, 3 * time.Millisecond

// settled looks at the file when a write of now would be stamped with a later time than the last one was: times of files go by ticks, and two
// writes within one look alike. What the clock says, a new file beside it is asked, whose clock is the same wherever
// the folder lies. nil = the folder cannot be written to, or the clock stands, or the file is written to all the time.
func (d *DB) settled(ctx context.Context) (fs.FileInfo, error) {
	for range settleSteps {
		file, err := os.Stat(d.name)
		if err != nil {
			return nil, err
		}
		now, err := folderTime(d.name)
		if err != nil {
			return nil, nil // no clock, no mark
		}
		if now.After(file.ModTime()) {
			return file, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(settlePause):
		}
	}
	return nil, nil
}

// folderTime makes a file beside another, reads its time and removes it.
func folderTime(name string) (now time.Time, err error) {
	probe, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*.clock")
	if err != nil {
		return now, err
	}
	defer func() { err = errors.Join(err, probe.Close(), os.Remove(probe.Name())) }()
	info, err := probe.Stat()
	if err != nil {
		return now, err
	}
	return info.ModTime(), nil
}
