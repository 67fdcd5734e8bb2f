package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"

	"mulligan/engine"
)

// setting is one session setting.
type setting struct{ name, value string }

// patient are the settings of every connection: it waits as long as its context lets it.
// What a server's version does not know is left out.
func patient() []setting {
	return []setting{
		{"statement_timeout", "0"},
		{"lock_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"},
		{"idle_session_timeout", "0"},
		{"transaction_timeout", "0"},
		{"client_connection_check_interval", "10s"}, // a client that is gone ends its statement
	}
}

// canonical are the settings of every connection that rows and definitions go over:
// each value has one text, whatever the server's defaults are, and that text reads back as the same value.
func canonical() []setting {
	return append(patient(), []setting{
		{"TimeZone", "UTC"},
		{"DateStyle", "ISO, YMD"},
		{"IntervalStyle", "postgres"},
		{"extra_float_digits", "1"}, // shortest exact text; PostgreSQL manual, "Floating-Point Types"
		{"bytea_output", "hex"},
		{"lc_monetary", "C"},
		{"xmloption", "content"},
		{"array_nulls", "on"},
		{"standard_conforming_strings", "on"},
		{"quote_all_identifiers", "off"},
		{"row_security", "off"}, // an error in place of rows that a policy hides
		{"default_transaction_read_only", "off"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_deferrable", "off"},
		{"session_replication_role", "origin"},
		{"jit", "off"}, // compiling the catalog queries takes longer than running them
	}...)
}

// cancelGrace is how long a cancelled statement may take to end before its connection is cut.
const cancelGrace = 3 * time.Second

// config is the driver's configuration for a database of the url.
func config(url engine.URL, database string) (*pgx.ConnConfig, error) {
	c, err := pgx.ParseConfig(url.WithDatabase(database).Reveal())
	if err != nil {
		// The driver's error quotes the url, and hides only the passwords that it recognizes.
		return nil, fmt.Errorf("database url %s: the driver refuses its options", url)
	}
	c.Database = database                                  // a name may hold what a url's path cannot
	c.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec // statements kept prepared would go stale under migrations
	if c.RuntimeParams == nil {
		c.RuntimeParams = map[string]string{}
	}
	c.RuntimeParams["application_name"] = "mulligan"
	c.RuntimeParams["client_encoding"] = "UTF8"
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 30 * time.Second
	}
	c.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: cancelGrace}
	}
	return c, nil
}

// apply sets session settings in one round trip. Those that the user may not set, which can
// only be superusers' own, keep their value where that is the wanted one.
func apply(ctx context.Context, c *pgx.Conn, list []setting) error {
	names, values := make([]string, len(list)), make([]string, len(list))
	for i, s := range list {
		names[i], values[i] = s.name, s.value
	}
	_, err := c.Exec(ctx, `SELECT pg_catalog.set_config(w.name, w.value, false)
		FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS w (name, value)
		JOIN pg_catalog.pg_settings s ON pg_catalog.lower(s.name) = pg_catalog.lower(w.name)
		WHERE s.setting <> w.value`, names, values)
	if err != nil {
		return fmt.Errorf("set up the session: %w", err)
	}
	return nil
}
