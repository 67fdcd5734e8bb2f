// Package sqlx is the adapter to the migrations of sqlx, the library for Rust: a folder of files <version>_<title>.sql or
// <version>_<title>.up.sql, and a ledger of versions with the SHA-384 of each file.
//
// The migrations are run natively, by the rules of sqlx 0.8: the file goes to the server as one text, in a transaction
// with its row, unless it begins with "-- no-transaction". On MySQL and MariaDB the row says success = false until the
// end, and the first statement of the schema's makes that last.
//
// A folder cannot be told to be sqlx's by its files: other tools' files are called the same.
package sqlx

import (
	"cmp"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// DefaultTable is where sqlx keeps its ledger when nothing else is said. Before 0.9 it has no other.
const DefaultTable = "_sqlx_migrations"

const (
	suffix, upSuffix, downSuffix = ".sql", ".up.sql", ".down.sql"

	noTransaction = "-- no-transaction" // as the first bytes of a file
)

// New joins the migrations of a folder with their ledger. The zero table is the default one.
func New(dir string, table schema.Name) *migration.Tool {
	if table == (schema.Name{}) {
		table.Table = DefaultTable
	}
	src, led := source(dir), ledger(table)
	run := &migration.SQLRunner{Source: src, Ledger: led, Script: script, Check: check, Setup: setup}
	run.Apply = func(ctx context.Context, s engine.Session, m migration.Migration, files []migration.Migration) error {
		return apply(ctx, s, led, m, files)
	}
	return &migration.Tool{
		Name: "sqlx", Source: src, Ledger: led, Runner: run, Script: script,
		Late: migration.LateRuns, Lock: lock(),
	}
}

// lockFactor salts the number of the tool's lock.
const lockFactor = 0x3d32ad9e

// lock is the tool's: a number made of the database's name, which MySQL has in hexadecimal digits.
func lock() migration.Lock {
	number := func(database string) int64 { return lockFactor * int64(crc32.ChecksumIEEE([]byte(database))) }
	return migration.ServerLock{
		Postgres: func(database string) []int64 { return []int64{number(database)} },
		MySQL:    func(database string) []string { return []string{strconv.FormatInt(number(database), 16)} },
	}
}

// setup makes a session what sqlx makes it (MySqlConnectOptions and SqliteConnectOptions of sqlx 0.8).
func setup(f engine.Family) []string {
	switch f {
	case engine.MySQL, engine.MariaDB:
		return []string{
			"SET sql_mode = (SELECT CONCAT(@@sql_mode, ',PIPES_AS_CONCAT,NO_ENGINE_SUBSTITUTION')), time_zone = '+00:00'",
			"SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci",
		}
	case engine.SQLite:
		return []string{"PRAGMA foreign_keys = ON"}
	default:
		return nil
	}
}

// isMigration tells what is applied: all files that have an underscore, but those for the way down.
func isMigration(name string) bool {
	return strings.Contains(name, "_") && strings.HasSuffix(name, suffix) && !strings.HasSuffix(name, downSuffix)
}

// source lists the migrations of a folder.
type source string

// Migrations is [migration.Source.Migrations]. A file whose part before the first underscore is no number is an error, as
// with sqlx.
func (s source) Migrations(context.Context) ([]migration.Migration, error) {
	files, err := migration.ReadFolder(string(s), isMigration)
	if err != nil {
		return nil, err
	}
	list := make([]migration.Migration, 0, len(files))
	for _, f := range files {
		digits, _, _ := strings.Cut(f.Name, "_")
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("migration %s: its name must begin with a number and an underscore, as 20240131120000_create_users.sql", f.Path)
		}
		id := migration.ID(strconv.FormatInt(n, 10))
		list = append(list, migration.Migration{ID: id, Title: migration.Title(description(f.Name)), Path: f.Path, Hash: f.Hash})
	}
	slices.SortStableFunc(list, func(a, b migration.Migration) int { return cmp.Compare(number(a.ID), number(b.ID)) })
	return list, migration.CheckUnique(list, string(s), "20240131120000_create_users.sql")
}

// description is the text of a file's name that stands in the ledger.
func description(name string) string {
	_, text, _ := strings.Cut(name, "_")
	cut := suffix
	if strings.HasSuffix(text, upSuffix) {
		cut = upSuffix
	}
	for strings.HasSuffix(text, cut) { // sqlx cuts it as often as it stands there
		text = strings.TrimSuffix(text, cut)
	}
	return strings.ReplaceAll(text, "_", " ")
}

func number(id migration.ID) int64 {
	n, err := strconv.ParseInt(string(id), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// check refuses what sqlx refuses: a record whose file is gone, or has another checksum.
func check(all []migration.Status, _ []migration.Migration) error {
	for _, s := range all {
		for _, r := range s.Records {
			switch {
			case s.Verdict == migration.VerdictOrphan:
				return fmt.Errorf("migration %s was applied and has no file: sqlx refuses that", s.Migration.ID)
			case r.Sum == migration.SumDiffers:
				return fmt.Errorf("migration %s was applied and its file has changed: sqlx refuses that", s.Migration.Path)
			}
		}
	}
	return nil
}

// script is the whole file.
func script(m migration.Migration) (migration.Script, error) {
	text, err := migration.Reread(m)
	parts := []migration.Statement{{Text: text, Line: 1}}
	return migration.Script{Parts: parts, Transaction: !strings.HasPrefix(text, noTransaction)}, err
}

// checksum is that of a file as it is.
func checksum(text string) []byte {
	sum := sha512.Sum384([]byte(text))
	return sum[:]
}

// sumOf compares a row's checksum, in hexadecimal digits, with a file.
func sumOf(row map[string]string, m migration.Migration) (migration.Sum, error) {
	text, err := migration.Reread(m)
	if err != nil {
		return "", err
	}
	if row["checksum"] == hex.EncodeToString(checksum(text)) {
		return migration.SumMatches, nil
	}
	return migration.SumDiffers, nil
}
