package faults

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// content is what a database holds, as plain SQL tells it, in no order.
type content struct {
	rows    map[string][]string // by table, sorted
	objects []string            // columns, indexes, constraints, views, triggers, routines: sorted
	numbers []string            // where counters stand, sorted
}

// content reads a database.
func (l *library) content(ctx context.Context, name string) (*content, error) {
	db, err := l.open(name)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	c := &content{rows: map[string][]string{}}
	switch l.family() {
	case "sqlite":
		err = c.readSQLite(ctx, db)
	case "postgres":
		err = c.readPostgres(ctx, db)
	default:
		err = c.readMySQL(ctx, db, name)
	}
	if err != nil {
		return nil, fmt.Errorf("read database %s: %w", name, err)
	}
	slices.Sort(c.objects)
	slices.Sort(c.numbers)
	return c, nil
}

func (c *content) readSQLite(ctx context.Context, db *sql.DB) error {
	tables, err := query(ctx, db, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
	if err != nil {
		return err
	}
	for _, t := range tables {
		columns, err := query(ctx, db, "SELECT group_concat('quote(\"' || name || '\")', ', ') FROM pragma_table_info('"+t+"')")
		if err != nil {
			return err
		}
		if err := c.table(ctx, db, t, "SELECT "+columns[0]+` FROM "`+t+`"`); err != nil {
			return err
		}
	}
	if c.objects, err = query(ctx, db, "SELECT type, name, sql FROM sqlite_master WHERE name <> 'sqlite_sequence'"); err != nil {
		return err
	}
	numbered, err := query(ctx, db, "SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'")
	if err == nil && len(numbered) > 0 { // it comes with the first table that needs it
		c.numbers, err = query(ctx, db, "SELECT name, seq FROM sqlite_sequence WHERE name <> '"+ledgerTable+"'")
	}
	return err
}

func (c *content) readPostgres(ctx context.Context, db *sql.DB) error {
	tables, err := query(ctx, db, "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
	if err != nil {
		return err
	}
	for _, t := range tables {
		if err := c.table(ctx, db, t, `SELECT t::text FROM public."`+t+`" t`); err != nil {
			return err
		}
	}
	if c.objects, err = query(ctx, db, `
		SELECT concat_ws(' ', 'column', attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull, attidentity, pg_get_expr(adbin, adrelid))
			FROM pg_attribute JOIN pg_class c ON c.oid = attrelid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
			WHERE relkind IN ('r', 'v') AND relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped
		UNION ALL SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
		UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
		UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
		UNION ALL SELECT 'view ' || viewname || ' ' || definition FROM pg_views WHERE schemaname = 'public'
		UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prokind <> 'a'`); err != nil {
		return err
	}
	c.numbers, err = query(ctx, db, "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public' AND sequencename NOT LIKE '"+ledgerTable+"%'")
	return err
}

// counter stands in SHOW CREATE TABLE; what it says is of the rows, not of the table.
var counter = regexp.MustCompile(` AUTO_INCREMENT=(\d+)`)

func (c *content) readMySQL(ctx context.Context, db *sql.DB, name string) error {
	tables, err := query(ctx, db, "SHOW FULL TABLES")
	if err != nil {
		return err
	}
	for _, line := range tables {
		t, kind, _ := strings.Cut(line, "\t")
		if kind == "VIEW" {
			def, err := query(ctx, db, "SHOW CREATE VIEW `"+t+"`")
			if err != nil {
				return err
			}
			c.objects = append(c.objects, strings.ReplaceAll(def[0], "`"+name+"`.", ""))
			continue
		}
		if err := c.table(ctx, db, t, "SELECT * FROM `"+t+"`"); err != nil {
			return err
		}
		def, err := query(ctx, db, "SHOW CREATE TABLE `"+t+"`")
		if err != nil {
			return err
		}
		if m := counter.FindStringSubmatch(def[0]); m != nil && t != ledgerTable {
			c.numbers = append(c.numbers, t+"\t"+m[1])
		}
		c.objects = append(c.objects, counter.ReplaceAllString(def[0], ""))
	}
	for _, text := range []string{
		"SELECT 'trigger', trigger_name, event_object_table, event_manipulation, action_timing, action_statement, definer FROM information_schema.triggers WHERE trigger_schema = '" + name + "'",
		"SELECT 'routine', routine_name, routine_type, routine_definition FROM information_schema.routines WHERE routine_schema = '" + name + "'",
		"SELECT 'event', event_name, event_definition FROM information_schema.events WHERE event_schema = '" + name + "'",
	} {
		more, err := query(ctx, db, text)
		if err != nil {
			return err
		}
		c.objects = append(c.objects, more...)
	}
	return nil
}

func (c *content) table(ctx context.Context, db *sql.DB, name, text string) error {
	rows, err := query(ctx, db, text)
	slices.Sort(rows)
	c.rows[name] = rows
	return err
}

// lost lists the rows that are in c and not in the other, up to a few by name, and counts them all. In the middle
// of a rename a table may have a name that only mulligan knows: then its rows are looked for there.
func (c *content) lost(other *content) (n int, some []string) {
	for table, rows := range c.rows {
		gone := missing(rows, other.rows[table])
		for name, rows2 := range other.rows {
			if _, known := c.rows[name]; !known && len(gone) > 0 {
				if less := missing(rows, rows2); len(less) < len(gone) {
					gone = less
				}
			}
		}
		for _, r := range gone {
			if n++; n <= 5 {
				some = append(some, fmt.Sprintf("%s: %.100s", table, r))
			}
		}
	}
	return n, some
}

// missing lists what is in a sorted list and not in another, each as often as it is missing.
func missing(from, in []string) (list []string) {
	i := 0
	for _, r := range from {
		for i < len(in) && in[i] < r {
			i++
		}
		if i < len(in) && in[i] == r {
			i++
			continue
		}
		list = append(list, r)
	}
	return list
}

// differs says how another content is not the same; empty = it is, in rows, objects and counters.
func (c *content) differs(other *content) string {
	if text := c.differsInRows(other); text != "" {
		return text
	}
	if text := difference("object", c.objects, other.objects); text != "" {
		return text
	}
	return difference("counter", c.numbers, other.numbers)
}

func (c *content) differsInRows(other *content) string {
	for _, table := range slices.Sorted(mapKeys(c.rows)) {
		if _, ok := other.rows[table]; !ok {
			return "there is no table " + table
		}
		if text := difference("row of "+table, c.rows[table], other.rows[table]); text != "" {
			return text
		}
	}
	for table := range other.rows {
		if _, ok := c.rows[table]; !ok {
			return "there is a table " + table
		}
	}
	return ""
}

func difference(what string, want, got []string) string {
	gone, more := missing(want, got), missing(got, want)
	if len(gone)+len(more) == 0 {
		return ""
	}
	text := fmt.Sprintf("%s: %d missing, %d too many", what, len(gone), len(more))
	if len(gone) > 0 {
		text += fmt.Sprintf("; missing: %.200s", gone[0])
	}
	if len(more) > 0 {
		text += fmt.Sprintf("; too many: %.200s", more[0])
	}
	return text
}

// withoutLedger leaves the ledger out: when a migration was recorded is nobody's truth.
func (c *content) withoutLedger() *content {
	other := *c
	other.rows = map[string][]string{}
	other.objects = slices.DeleteFunc(slices.Clone(c.objects), func(o string) bool { return strings.Contains(o, ledgerTable) })
	for table, rows := range c.rows {
		if table != ledgerTable {
			other.rows[table] = rows
		}
	}
	return &other
}
