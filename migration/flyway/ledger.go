package flyway

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// The types of rows that are treated apart. Flyway stops at one that it does not know, so none is invented.
const (
	typeSQL      = "SQL"
	typeBaseFile = "SQL_BASELINE" // a baseline file was run
	typeBaseline = "BASELINE"     // the baseline command: all versions up to it count as applied
	typeInit     = "INIT"         // the same before Flyway 3
	typeSchema   = "SCHEMA"       // Flyway made the schema; no migration
	typeDelete   = "DELETE"       // takes back the rows of its migration before it
	typeUndo     = "UNDO"         // what the types of undo migrations begin with; takes back, too
)

// ledger keeps a row for each thing that Flyway did.
func ledger(src source, table schema.Name) *migration.RowLedger {
	return &migration.RowLedger{
		Name: table,
		Keys: []string{"installed_rank"},
		Sort: "installed_rank",
		Make: func(f engine.Family, name string) []string { return create(f, name, table) },
		Row:  func(m migration.Marking) ([]migration.Cell, error) { return row(m, src, table) },
		Read: func(rows []map[string]string, files []migration.Migration) ([]migration.Record, error) {
			return read(rows, files)
		},
		Again: func(m migration.Marking, table string) ([]migration.Write, bool, error) {
			return forget(m, table), false, nil
		},
		Undo: undo,
	}
}

func create(f engine.Family, quoted string, table schema.Name) []string {
	key, index := f.Ident(table.Table+"_pk"), f.Ident(table.Table+"_s_idx")
	switch f {
	case engine.Postgres:
		make := []string{
			"CREATE TABLE " + quoted + ` ("installed_rank" INT NOT NULL, "version" VARCHAR(50), "description" VARCHAR(200) NOT NULL, "type" VARCHAR(20) NOT NULL,
				"script" VARCHAR(1000) NOT NULL, "checksum" INTEGER, "installed_by" VARCHAR(100) NOT NULL, "installed_on" TIMESTAMP NOT NULL DEFAULT now(),
				"execution_time" INTEGER NOT NULL, "success" BOOLEAN NOT NULL)`,
			"ALTER TABLE " + quoted + " ADD CONSTRAINT " + key + ` PRIMARY KEY ("installed_rank")`,
			"CREATE INDEX " + index + " ON " + quoted + ` ("success")`,
		}
		if table.Schema == "" {
			return make
		}
		return append([]string{"CREATE SCHEMA IF NOT EXISTS " + f.Ident(table.Schema)}, make...)
	case engine.MySQL, engine.MariaDB:
		return []string{
			"CREATE TABLE " + quoted + " (`installed_rank` INT NOT NULL, `version` VARCHAR(50), `description` VARCHAR(200) NOT NULL, `type` VARCHAR(20) NOT NULL," +
				" `script` VARCHAR(1000) NOT NULL, `checksum` INT, `installed_by` VARCHAR(100) NOT NULL, `installed_on` TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP," +
				" `execution_time` INT NOT NULL, `success` BOOL NOT NULL, CONSTRAINT " + key + " PRIMARY KEY (`installed_rank`)) ENGINE=InnoDB",
			"CREATE INDEX " + index + " ON " + quoted + " (`success`)",
		}
	default:
		return []string{
			"CREATE TABLE " + quoted + ` ("installed_rank" INT NOT NULL PRIMARY KEY, "version" VARCHAR(50), "description" VARCHAR(200) NOT NULL, "type" VARCHAR(20) NOT NULL,
				"script" VARCHAR(1000) NOT NULL, "checksum" INT, "installed_by" VARCHAR(100) NOT NULL,
				"installed_on" TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')), "execution_time" INT NOT NULL, "success" BOOLEAN NOT NULL)`,
			"CREATE INDEX " + index + " ON " + quoted + ` ("success")`,
		}
	}
}

// row is what `flyway migrate -skipExecutingMigrations=true` writes.
func row(m migration.Marking, src source, table schema.Name) ([]migration.Cell, error) {
	n, ok := parseName(filepath.Base(m.Path))
	if !ok {
		return nil, fmt.Errorf("%q is no file of Flyway's", m.Path)
	}
	text, err := migration.Reread(m.Migration)
	if err != nil {
		return nil, err
	}
	script, err := filepath.Rel(string(src), m.Path)
	if err != nil {
		return nil, fmt.Errorf("migration %s: %w", m.Path, err)
	}
	kind, version := typeSQL, any(nil)
	if n.kind != 'R' {
		version = n.text
	}
	if n.kind == 'B' {
		kind = typeBaseFile
	}
	return []migration.Cell{
		{Column: "installed_rank", Value: migration.Expr(nextRank(m.Family, m.Family.Table(table)))},
		{Column: "version", Value: version},
		{Column: "description", Value: abbreviated(n.description)},
		{Column: "type", Value: kind},
		{Column: "script", Value: filepath.ToSlash(script)},
		{Column: "checksum", Value: int(checksum(text))},
		{Column: "installed_by", Value: migration.Expr(installedBy(m.Family))},
		{Column: "execution_time", Value: 0},
		{Column: "success", Value: true},
	}, nil
}

// nextRank is the rank after the highest, asked when the row is written. MySQL wants the question in a table of its own.
func nextRank(f engine.Family, table string) string {
	return "(SELECT following FROM (SELECT COALESCE(MAX(" + f.Ident("installed_rank") + "), 0) + 1 AS following FROM " + table + ") AS ranks)"
}

// installedBy is the user as Flyway names it on each engine.
func installedBy(f engine.Family) string {
	switch f {
	case engine.Postgres:
		return "current_user"
	case engine.MySQL, engine.MariaDB:
		return "SUBSTRING_INDEX(USER(), '@', 1)"
	default:
		return "''"
	}
}

// abbreviated cuts a description to the 200 characters that the ledger has for it, counted as Java counts.
func abbreviated(text string) string {
	const limit = 200
	units := utf16.Encode([]rune(text))
	if len(units) <= limit {
		return text
	}
	return string(utf16.Decode(units[:limit-3])) + "..."
}

// known is a file with what its name says.
type known struct {
	name
	migration.Migration
}

// names reads the names of the files.
func names(files []migration.Migration) []known {
	var list []known
	for _, m := range files {
		if n, ok := parseName(filepath.Base(m.Path)); ok {
			list = append(list, known{n, m})
		}
	}
	return list
}

// fileOf finds the file that a row is about: by version, or for a repeatable migration by description; nil = there is none.
func fileOf(row map[string]string, files []known) *known {
	v, versioned := parseVersion(row["version"])
	for i, f := range files {
		same := versioned && f.kind != 'R' && f.version.compare(v) == 0
		if same || row["version"] == "" && f.kind == 'R' && abbreviated(f.description) == row["description"] {
			return &files[i]
		}
	}
	return nil
}

// idOf names the migration of a row, as its file does where it has one.
func idOf(row map[string]string, file *known) migration.ID {
	if file != nil {
		return file.ID
	}
	if v := row["version"]; v != "" {
		return migration.ID(v)
	}
	return migration.ID(repeatable + strings.ReplaceAll(row["description"], " ", "_"))
}

// read makes records. Rows that take back what rows before them did leave those rolled back; a baseline implies records
// for all files up to it.
func read(rows []map[string]string, files []migration.Migration) ([]migration.Record, error) {
	list, at := names(files), []migration.Record{}
	var base version
	for _, row := range rows {
		kind, file := row["type"], fileOf(row, list)
		switch {
		case kind == typeSchema:
			continue
		case isBaseline(kind) && migration.True(row["success"]):
			if v, ok := parseVersion(row["version"]); ok && v.compare(base) > 0 {
				base = v
			}
			if file == nil && kind != typeBaseFile {
				continue // it names a version, not a migration
			}
		}
		r := migration.Record{ID: idOf(row, file), State: migration.Applied, At: migration.Time(row["installed_on"]), Raw: row}
		takesBack := kind == typeDelete || strings.HasPrefix(kind, typeUndo)
		if takesBack {
			r.State = migration.RolledBack
		}
		if !migration.True(row["success"]) && kind != typeDelete {
			r.State = migration.Failed
		}
		for i := range at {
			if at[i].ID == r.ID {
				at[i].Sum = ""                         // only what was applied last can be compared
				if takesBack || row["version"] == "" { // a repeatable migration is what it was when it was run last
					at[i].State = migration.RolledBack
				}
			}
		}
		if !takesBack && file != nil {
			if err := compare(&r, file); err != nil {
				return nil, err
			}
		}
		at = append(at, r)
	}
	return append(at, implied(base, list, at)...), nil
}

func isBaseline(kind string) bool {
	return kind == typeBaseline || kind == typeInit || kind == typeBaseFile
}

// implied are records of files that a baseline covers and that have none of their own.
func implied(base version, files []known, records []migration.Record) []migration.Record {
	var list []migration.Record
	for _, f := range files {
		own := slices.ContainsFunc(records, func(r migration.Record) bool { return r.ID == f.ID })
		if base != nil && f.kind != 'R' && f.version.compare(base) <= 0 && !own {
			list = append(list, migration.Record{ID: f.ID, State: migration.Applied})
		}
	}
	return list
}

// compare looks at a row's checksum. A repeatable migration whose file has changed will be run again, so its record
// counts no more. One with placeholders may have a checksum that was made after they were filled in.
func compare(r *migration.Record, file *known) error {
	if r.Raw["checksum"] == "" || r.Raw["type"] != typeSQL && r.Raw["type"] != typeBaseFile || (file.kind == 'B') != (r.Raw["type"] == typeBaseFile) {
		return nil
	}
	text, err := migration.Reread(file.Migration)
	if err != nil {
		return err
	}
	switch {
	case r.Raw["checksum"] == strconv.Itoa(int(checksum(text))):
		r.Sum = migration.SumMatches
	case file.kind == 'R' && placeholder.MatchString(text):
	default:
		r.Sum = migration.SumDiffers
		if file.kind == 'R' && r.State == migration.Applied {
			r.State = migration.RolledBack
		}
	}
	return nil
}

// rowsOf are the ledger's rows about a migration.
func rowsOf(m migration.Marking) []map[string]string {
	files := names(m.Files)
	return slices.DeleteFunc(slices.Clone(m.Rows), func(row map[string]string) bool {
		return row["type"] == typeSchema || idOf(row, fileOf(row, files)) != m.ID
	})
}

// forget deletes the failed rows of a migration, as Flyway's repair does.
func forget(m migration.Marking, table string) []migration.Write {
	var list []migration.Write
	for _, row := range rowsOf(m) {
		if migration.True(row["success"]) || row["type"] == typeDelete {
			continue
		}
		where := " WHERE " + m.Family.Ident("installed_rank") + " = " + row["installed_rank"]
		list = append(list, migration.Write{SQL: "DELETE FROM " + table + where, Rows: 1})
	}
	return list
}

// undo takes a good row back with one of type DELETE, as Flyway's repair does for a file that is gone, and deletes failed
// ones. What only a baseline implies cannot be taken back alone.
func undo(m migration.Marking, table string) ([]migration.Write, error) {
	rank, good := "", false
	for _, row := range rowsOf(m) {
		if migration.True(row["success"]) {
			rank, good = row["installed_rank"], row["type"] != typeDelete && !strings.HasPrefix(row["type"], typeUndo)
			if isBaseline(row["type"]) {
				return nil, fmt.Errorf("%w: it is the baseline", migration.ErrMarksAll)
			}
		}
	}
	list := forget(m, table)
	switch {
	case good:
		f := m.Family
		copied := []string{"version", "description", "script", "checksum", "success"}
		to := append([]string{"installed_rank", "type", "installed_by", "execution_time"}, copied...)
		list = append(list, migration.Write{
			SQL: "INSERT INTO " + table + " (" + f.Idents(to) + ") SELECT " + nextRank(f, table) + ", '" + typeDelete + "', " + installedBy(f) + ", 0, " +
				f.Idents(copied) + " FROM " + table + " WHERE " + f.Ident("installed_rank") + " = " + rank,
			Rows: 1,
		})
	case len(list) == 0:
		return nil, fmt.Errorf("%w: a baseline stands for it", migration.ErrMarksAll)
	}
	return list, nil
}

// markFailed writes the row of a migration that was begun and did not end.
func markFailed(ctx context.Context, s engine.Session, l migration.Ledger, m migration.Migration, files []migration.Migration) error {
	writes, err := l.Mark(ctx, s, []migration.Migration{m}, files)
	if err != nil {
		return err
	}
	f := s.Family()
	rank, table, no := f.Ident("installed_rank"), f.Table(l.Table()), "false"
	if f == engine.SQLite {
		no = "0"
	}
	writes = append(writes, migration.Write{
		SQL:  "UPDATE " + table + " SET " + f.Ident("success") + " = " + no + " WHERE " + rank + " = (SELECT highest FROM (SELECT MAX(" + rank + ") AS highest FROM " + table + ") AS ranks)",
		Rows: 1,
	})
	return migration.InTransaction(ctx, s, func() error { return migration.Execute(ctx, s, writes) })
}
