package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"mulligan/engine"
	"mulligan/schema"
)

var _ engine.Marker = (*database)(nil)

// epochQuery names the life of the counters: as long as its text is the same, none went back. Empty = do not trust them.
//
// A crash throws all statistics away while the postmaster lives on, and sets the reset time of pg_stat_wal
// (pgstat_reset_after_failure in pgstat.c; TestMarksAfterCrash). pg_stat_reset and pg_stat_reset_single_table_counters set that of the
// database (pgstat_reset in pgstat.c). A standby counts nothing that it replays. track_counts is read anew
// with the configuration. Citus and TimescaleDB keep rows of a table where its own counters do not see them.
const epochQuery = `SELECT CASE WHEN pg_catalog.current_setting('track_counts') = 'on' AND NOT pg_catalog.pg_is_in_recovery()
		AND w.stats_reset IS NOT NULL
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname IN ('citus', 'timescaledb'))
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_db_role_setting, pg_catalog.unnest(setconfig) s WHERE s ILIKE 'track_counts=%')
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_proc, pg_catalog.unnest(proconfig) s WHERE s ILIKE 'track_counts=%')
	THEN pg_catalog.concat_ws(' ', d.oid, extract(epoch FROM pg_catalog.pg_postmaster_start_time()), extract(epoch FROM pg_catalog.pg_conf_load_time()),
		extract(epoch FROM w.stats_reset), coalesce(extract(epoch FROM pg_catalog.pg_stat_get_db_stat_reset_time(d.oid)), 0))
	ELSE '' END
	FROM pg_catalog.pg_database d, pg_catalog.pg_stat_wal w WHERE d.datname = pg_catalog.current_database()`

// marksQuery gives lines of text for each table asked for, and with each whether marks can rest on it.
//
//   - Each relation of the table, with its partitions and children: its file, which TRUNCATE and every rewriting replace, and
//     its counters, which every heap operation raises, whether by COPY, a cascade, a trigger or a replication worker.
//     Only the heap is known to count; a foreign table's rows are elsewhere.
//   - Each column, as the transaction that last wrote its description: ADD COLUMN … DEFAULT and some changes of types
//     change rows without a rewriting. The same for the types that columns are made of, and for the labels of enums.
//     What prints names of other objects (regclass and its kin, aclitem) changes with those.
const marksQuery = `WITH RECURSIVE tree (n, oid) AS (
		SELECT w.n, c.oid FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) WITH ORDINALITY w (schema, name, n)
			JOIN pg_catalog.pg_namespace s ON s.nspname = w.schema
			JOIN pg_catalog.pg_class c ON c.relnamespace = s.oid AND c.relname = w.name
		UNION
		SELECT tree.n, i.inhrelid FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid
	), columns AS (
		SELECT tree.n, a.attrelid, a.attnum, a.atttypid, a.xmin FROM tree JOIN pg_catalog.pg_attribute a ON a.attrelid = tree.oid AND a.attnum > 0
	), types (n, oid) AS (
		SELECT n, atttypid FROM columns WHERE atttypid <> 0
		UNION
		SELECT types.n, part.oid FROM types JOIN pg_catalog.pg_type y ON y.oid = types.oid CROSS JOIN LATERAL (
			SELECT y.typelem UNION ALL SELECT y.typbasetype
			UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE y.oid IN (r.rngtypid, r.rngmultitypid)
			UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a WHERE a.attrelid = y.typrelid AND a.attnum > 0
		) part (oid) WHERE part.oid <> 0
	)
	SELECT tree.n, c.relpersistence <> 't' AND (c.relkind = 'p' OR c.relkind = 'r' AND m.amhandler = 'heap_tableam_handler'::regproc),
		pg_catalog.concat_ws(' ', 'relation', c.oid, c.xmin, c.reltablespace, c.relfilenode, pg_catalog.pg_stat_get_tuples_inserted(c.oid),
			pg_catalog.pg_stat_get_tuples_updated(c.oid), pg_catalog.pg_stat_get_tuples_deleted(c.oid)) COLLATE "C" AS line
	FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.oid LEFT JOIN pg_catalog.pg_am m ON m.oid = c.relam
	UNION ALL SELECT n, true, pg_catalog.concat_ws(' ', 'column', attrelid, attnum, xmin) FROM columns
	UNION ALL SELECT types.n, y.typnamespace <> 'pg_catalog'::regnamespace OR y.typname !~ '^(reg|aclitem)',
		pg_catalog.concat_ws(' ', 'type', y.oid, y.xmin) FROM types JOIN pg_catalog.pg_type y ON y.oid = types.oid
	UNION ALL SELECT types.n, true, pg_catalog.concat_ws(' ', 'label', e.oid, e.xmin) FROM types JOIN pg_catalog.pg_enum e ON e.enumtypid = types.oid
	ORDER BY n, line`

// Marks implements [engine.Marker] by the server's counters of rows that were written.
//
// A session hands its counts in after its transaction has become visible (CommitTransaction in xact.c: ProcArrayEndTransaction,
// then AtEOXact_PgStat), within seconds, and at the latest before it is gone (pgstat_shutdown_hook in pgstat.c). So those of the first
// moment may be too low, and hold no change that a later view misses. At the second moment nobody else
// may be left who wrote since the first: that is so after Rename, which does not suffer other sessions. Writes through the
// connections of this very DB are not looked at.
//
// What is not seen: a superuser who writes in a session with SET track_counts = off.
func (d *database) Marks(ctx context.Context, tables []*schema.Table) (map[schema.Name]string, error) {
	var marks map[schema.Name]string
	err := d.with(ctx, func(c *pgx.Conn) (err error) {
		marks, err = readMarks(ctx, c, tables)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("marks of database %s: %w", d.name, mapped(ctx, err))
	}
	return marks, nil
}

// Quiet implements [engine.Marker]: sessions keep counts back for a while after their transactions, so there may be none but ours.
func (d *database) Quiet(ctx context.Context) (bool, error) {
	n, err := d.server.others(ctx, d.name)
	if err != nil {
		return false, fmt.Errorf("look who uses database %s: %w", d.name, mapped(ctx, err))
	}
	return n == 0, nil
}

// readMarks reads the epoch before and after the counters, so that none of them is of another. Each statement is a transaction of
// its own: within one, statistics stay as they were first read (PostgreSQL manual, stats_fetch_consistency).
func readMarks(ctx context.Context, c *pgx.Conn, tables []*schema.Table) (map[schema.Name]string, error) {
	var before, after string
	if err := c.QueryRow(ctx, epochQuery).Scan(&before); err != nil || before == "" {
		return nil, distrust(err)
	}
	sums, err := sumTables(ctx, c, tables)
	if err != nil {
		return nil, err
	}
	if err := c.QueryRow(ctx, epochQuery).Scan(&after); err != nil || after != before {
		return nil, distrust(err)
	}
	marks := map[schema.Name]string{}
	for n, sum := range sums {
		marks[tables[n-1].Name] = before + " " + hex.EncodeToString(sum.Sum(nil)[:16])
	}
	return marks, nil
}

// distrust takes a missing privilege, or a relative of PostgreSQL that lacks what is asked for, for want of knowledge.
func distrust(err error) error {
	var fault *pgconn.PgError
	if errors.As(err, &fault) && (fault.Code[:2] == "42" || fault.Code == "0A000") {
		return nil
	}
	return err
}

// sumTables hashes the lines of each table that there is and that can be spoken for, by its place in the list from 1.
func sumTables(ctx context.Context, c *pgx.Conn, tables []*schema.Table) (map[int64]hash.Hash, error) {
	schemas, names := make([]string, len(tables)), make([]string, len(tables))
	for i, t := range tables {
		schemas[i], names[i] = t.Name.Schema, t.Name.Table
	}
	rows, err := c.Query(ctx, marksQuery, schemas, names)
	if err != nil {
		return nil, err
	}
	sums, doubtful := map[int64]hash.Hash{}, map[int64]bool{}
	var n int64
	var sure bool
	var line string
	_, err = pgx.ForEachRow(rows, []any{&n, &sure, &line}, func() error {
		if sums[n] == nil {
			sums[n] = sha256.New()
		}
		doubtful[n] = doubtful[n] || !sure
		fmt.Fprintln(sums[n], line)
		return nil
	})
	for n := range doubtful {
		if doubtful[n] {
			delete(sums, n)
		}
	}
	return sums, err
}
