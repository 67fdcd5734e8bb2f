package prisma

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// ledger keeps a row for each attempt at a migration. No row is ever deleted: one that counts no more is rolled back.
func ledger(table schema.Name) *migration.RowLedger {
	return &migration.RowLedger{
		Name: table,
		Keys: []string{"migration_name"},
		Sort: "started_at, finished_at",
		Make: create,
		Row:  row,
		Read: read,
		Again: func(m migration.Marking, table string) ([]migration.Write, bool, error) {
			return []migration.Write{rollBack(m, table, " AND finished_at IS NULL")}, false, nil
		},
		Undo: func(m migration.Marking, table string) ([]migration.Write, error) {
			return []migration.Write{rollBack(m, table, "")}, nil
		},
	}
}

func create(f engine.Family, table string) []string {
	text, name, stamp, count := "TEXT", "TEXT", "DATETIME", "INTEGER UNSIGNED"
	id, sum, now, options := text, text, "current_timestamp", ""
	switch f {
	case engine.Postgres:
		id, sum, name, stamp, count, now = "VARCHAR(36)", "VARCHAR(64)", "VARCHAR(255)", "TIMESTAMPTZ", "INTEGER", "now()"
	case engine.MySQL, engine.MariaDB:
		id, sum, name, stamp, now = "VARCHAR(36)", "VARCHAR(64)", "VARCHAR(255)", "DATETIME(3)", "CURRENT_TIMESTAMP(3)"
		options = " DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"
	default:
	}
	column := func(name, rest string) string { return f.Ident(name) + " " + rest }
	return []string{"CREATE TABLE " + table + " (" + strings.Join([]string{
		column("id", id+" PRIMARY KEY NOT NULL"), column("checksum", sum+" NOT NULL"), column("finished_at", stamp),
		column("migration_name", name+" NOT NULL"), column("logs", text), column("rolled_back_at", stamp),
		column("started_at", stamp+" NOT NULL DEFAULT "+now), column("applied_steps_count", count+" NOT NULL DEFAULT 0"),
	}, ", ") + ")" + options}
}

// row is what `prisma migrate resolve --applied` writes: no step is counted, and the logs are empty, not NULL.
func row(m migration.Marking) ([]migration.Cell, error) {
	if m.Hash == "" {
		return nil, fmt.Errorf("the file of migration %s was not read", m.ID)
	}
	now := stamp(m.Family, m.Now)
	return []migration.Cell{
		{Column: "id", Value: newID()},
		{Column: "checksum", Value: m.Hash},
		{Column: "logs", Value: ""},
		{Column: "started_at", Value: now},
		{Column: "finished_at", Value: now},
		{Column: "migration_name", Value: string(m.ID)},
	}, nil
}

// newID is a random UUID, version 4.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	text := hex.EncodeToString(b[:])
	return strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-")
}

// stamp is a time as Prisma's engine writes it: on SQLite the milliseconds since 1970.
func stamp(f engine.Family, at time.Time) any {
	switch f {
	case engine.Postgres:
		return at.UTC().Format("2006-01-02 15:04:05.000000+00")
	case engine.MySQL, engine.MariaDB:
		return at.UTC().Format("2006-01-02 15:04:05.000")
	default:
		return at.UnixMilli()
	}
}

// rollBack takes the rows of a migration back that were not taken back before.
func rollBack(m migration.Marking, table, which string) migration.Write {
	f := m.Family
	return migration.Write{
		SQL: fmt.Sprintf("UPDATE %s SET rolled_back_at = %s WHERE migration_name = %s AND rolled_back_at IS NULL%s",
			table, f.Placeholder(1), f.Placeholder(2), which),
		Args: []any{stamp(f, m.Now), string(m.ID)},
		Rows: migration.AnyRows,
	}
}

// read makes records.
func read(rows []map[string]string, files []migration.Migration) ([]migration.Record, error) {
	list := make([]migration.Record, 0, len(rows))
	for _, row := range rows {
		r := migration.Record{ID: migration.ID(row["migration_name"]), State: migration.Failed, At: when(row["started_at"]), Raw: row}
		if row["finished_at"] != "" {
			r.State, r.At = migration.Applied, when(row["finished_at"])
		}
		if row["rolled_back_at"] != "" {
			r.State = migration.RolledBack
		}
		if i := migration.Index(files, r.ID); i >= 0 && files[i].Path != "" && r.State != migration.RolledBack {
			text, err := migration.Reread(files[i])
			if err != nil {
				return nil, err
			}
			r.Sum = migration.SumDiffers
			if fits(row["checksum"], text) {
				r.Sum = migration.SumMatches
			}
		}
		list = append(list, r)
	}
	return list, nil
}

// when reads a time; on SQLite it is a number of milliseconds.
func when(text string) time.Time {
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.UnixMilli(ms).UTC()
	}
	return migration.Time(text)
}

// fits tells whether a checksum is that of a text, whatever ends the lines: a checkout may have changed that. Old engines
// wrote each byte without a leading zero.
func fits(checksum, text string) bool {
	unix := strings.ReplaceAll(text, "\r\n", "\n")
	for _, t := range []string{text, unix, strings.ReplaceAll(text, "\n", "\r\n")} {
		sum := sha256.Sum256([]byte(t))
		var short strings.Builder
		for _, b := range sum {
			short.WriteString(strconv.FormatUint(uint64(b), 16))
		}
		if checksum == hex.EncodeToString(sum[:]) || checksum == short.String() {
			return true
		}
	}
	return false
}

// apply makes one attempt at a migration. A failure stays in the ledger, and stops all later runs.
func apply(ctx context.Context, s engine.Session, table string, m migration.Migration) error {
	sc, err := script(m)
	if err != nil {
		return err
	}
	f, id := s.Family(), newID()
	write := func(ctx context.Context, format string, args ...any) error {
		places := make([]any, len(args))
		for i := range args {
			places[i] = f.Placeholder(i + 1)
		}
		query := strings.Replace(fmt.Sprintf(format, places...), "{table}", table, 1)
		if _, err := s.ExecContext(ctx, query, args...); err != nil {
			return fmt.Errorf("write the ledger: %w", err)
		}
		return nil
	}
	err = write(ctx, "INSERT INTO {table} (id, checksum, started_at, migration_name) VALUES (%s, %s, %s, %s)", id, m.Hash, stamp(f, time.Now()), string(m.ID))
	if err != nil {
		return err
	}
	for _, part := range sc.Parts {
		if err := migration.RunScript(ctx, s, part.Text, part.Line); err != nil {
			migration.Rollback(ctx, s) // the text may have begun one
			return errors.Join(err, write(context.WithoutCancel(ctx), "UPDATE {table} SET logs = %s WHERE id = %s", err.Error(), id))
		}
	}
	return write(ctx, "UPDATE {table} SET applied_steps_count = 1, finished_at = %s WHERE id = %s", stamp(f, time.Now()), id)
}
