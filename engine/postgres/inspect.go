package postgres

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"mulligan/schema"
)

//go:embed catalog.sql
var catalogQuery string

//go:embed inspect.sql
var objectsQuery string

//go:embed tables.sql
var tablesQuery string

// columnsQuery reads the columns of all tables. A serial's default draws from a sequence that the column owns.
const columnsQuery = `SELECT a.attrelid, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
		CASE WHEN a.attgenerated = '' THEN coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), '') ELSE '' END,
		a.attgenerated <> '', a.attidentity::text,
		d.adnum IS NOT NULL AND EXISTS (SELECT FROM pg_catalog.pg_depend o JOIN pg_catalog.pg_class s ON s.oid = o.objid AND s.relkind = 'S'
			WHERE o.classid = 'pg_class'::regclass AND o.refclassid = 'pg_class'::regclass AND o.refobjid = a.attrelid
				AND o.refobjsubid = a.attnum AND o.deptype = 'a')
	FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum`

// parentsQuery reads whom the foreign keys point to, those of partitions included.
// A parent that is a partition stands for its root.
const parentsQuery = `WITH RECURSIVE up AS (
		SELECT oid, oid AS root, relispartition AS more FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p', 'f')
		UNION ALL
		SELECT up.oid, i.inhparent, c.relispartition FROM up JOIN pg_catalog.pg_inherits i ON i.inhrelid = up.root
			JOIN pg_catalog.pg_class c ON c.oid = i.inhparent WHERE up.more
	)
	SELECT DISTINCT child.root, n.nspname, p.relname FROM pg_catalog.pg_constraint f
		JOIN up child ON child.oid = f.conrelid AND NOT child.more
		JOIN up parent ON parent.oid = f.confrelid AND NOT parent.more
		JOIN pg_catalog.pg_class p ON p.oid = parent.root JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace
	WHERE f.contype = 'f'`

const sequencesQuery = `SELECT n.nspname, c.relname, coalesce(tn.nspname, ''), coalesce(t.relname, ''), coalesce(a.attname, '')
	FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
			AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
		LEFT JOIN pg_catalog.pg_class t ON t.oid = d.refobjid
		LEFT JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
		LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
	WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')`

// inspect reads the schema over a connection whose search path is empty.
func inspect(ctx context.Context, c *pgx.Conn, withObjects bool) (*schema.Schema, error) {
	s := &schema.Schema{}
	var err error
	if s.Tables, err = readTables(ctx, c); err != nil {
		return nil, fmt.Errorf("read tables: %w", err)
	}
	if s.Sequences, err = readSequences(ctx, c); err != nil {
		return nil, fmt.Errorf("read sequences: %w", err)
	}
	if withObjects {
		if s.Objects, err = readObjects(ctx, c); err != nil {
			return nil, fmt.Errorf("read objects: %w", err)
		}
		s.Objects = schema.WithColumnOrders(s.Objects, s.Tables)
	}
	return s, nil
}

func readObjects(ctx context.Context, c *pgx.Conn) ([]schema.Object, error) {
	rows, err := c.Query(ctx, catalogQuery+objectsQuery)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (schema.Object, error) {
		var o schema.Object
		var parts []string
		var suffix string
		err := row.Scan(&o.Kind, &parts, &suffix, &o.Def)
		o.Name = objectName(parts, suffix)
		return o, err
	})
}

// objectName writes the parts of an object's name as people would, and what follows it.
func objectName(parts []string, suffix string) string {
	quoted := make([]string, len(parts))
	for i, p := range parts {
		quoted[i] = schema.Name{Table: p}.String()
	}
	return strings.Join(quoted, ".") + suffix
}

func readTables(ctx context.Context, c *pgx.Conn) ([]schema.Table, error) {
	rows, err := c.Query(ctx, tablesQuery)
	if err != nil {
		return nil, err
	}
	var oids []uint32
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*schema.Table, error) {
		t := &schema.Table{}
		var oid uint32
		var kind string
		err := row.Scan(&oid, &t.Name.Schema, &t.Name.Table, &kind, &t.Rows, &t.Bytes, &t.Key)
		oids = append(oids, oid)
		t.Kind = map[string]schema.Kind{"p": schema.KindPartitioned, "f": schema.KindForeign, "r": schema.KindTable}[kind]
		return t, err
	})
	if err != nil {
		return nil, err
	}
	byOID := make(map[uint32]*schema.Table, len(list))
	for i, t := range list {
		byOID[oids[i]] = t
	}
	if err := readColumns(ctx, c, oids, byOID); err != nil {
		return nil, err
	}
	if err := readParents(ctx, c, byOID); err != nil {
		return nil, err
	}
	tables := make([]schema.Table, len(list))
	for i, t := range list {
		if len(t.Key) == 0 {
			t.Key = nil
		}
		tables[i] = *t
	}
	slices.SortFunc(tables, func(a, b schema.Table) int { return a.Name.Compare(b.Name) })
	return tables, nil
}

func readColumns(ctx context.Context, c *pgx.Conn, oids []uint32, byOID map[uint32]*schema.Table) error {
	rows, err := c.Query(ctx, columnsQuery, oids)
	if err != nil {
		return err
	}
	var oid uint32
	var identity string
	var owns bool
	var col schema.Column
	into := []any{&oid, &col.Name, &col.Type, &col.Nullable, &col.Default, &col.Generated, &identity, &owns}
	_, err = pgx.ForEachRow(rows, into, func() error {
		col.Identity = schema.IdentityNone
		switch {
		case identity == "a":
			col.Identity = schema.IdentityAlways
		case identity == "d":
			col.Identity = schema.IdentityDefault
		case owns && strings.HasPrefix(col.Default, "nextval("):
			col.Identity = schema.IdentityAuto
		}
		byOID[oid].Columns = append(byOID[oid].Columns, col)
		return nil
	})
	return err
}

func readParents(ctx context.Context, c *pgx.Conn, byOID map[uint32]*schema.Table) error {
	rows, err := c.Query(ctx, parentsQuery)
	if err != nil {
		return err
	}
	var child uint32
	var parent schema.Name
	_, err = pgx.ForEachRow(rows, []any{&child, &parent.Schema, &parent.Table}, func() error {
		if t := byOID[child]; t != nil {
			t.Parents = append(t.Parents, parent)
		}
		return nil
	})
	for _, t := range byOID {
		slices.SortFunc(t.Parents, schema.Name.Compare)
	}
	return err
}

func readSequences(ctx context.Context, c *pgx.Conn) ([]schema.Sequence, error) {
	rows, err := c.Query(ctx, sequencesQuery)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (schema.Sequence, error) {
		var s schema.Sequence
		var table schema.Name
		err := row.Scan(&s.Name.Schema, &s.Name.Table, &table.Schema, &table.Table, &s.Column)
		if table.Table != "" {
			s.Table = &table
		}
		return s, err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b schema.Sequence) int { return cmp.Or(a.Name.Compare(b.Name)) })
	for part := range slices.Chunk(list, sequencesAtOnce) {
		if err := readValues(ctx, c, part); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// sequencesAtOnce is how many sequences one query asks. Planning takes longer the more there are: 300 took 9 ms by 50 and
// 20 ms by 200.
const sequencesAtOnce = 50

// readValues asks the sequences themselves: the catalog's functions do not say where one that was never
// called stands.
func readValues(ctx context.Context, c *pgx.Conn, list []schema.Sequence) error {
	var b strings.Builder
	for i, s := range list {
		if i > 0 {
			b.WriteString(" UNION ALL ")
		}
		fmt.Fprintf(&b, "SELECT %d, last_value, is_called FROM %s", i, table(s.Name))
	}
	rows, err := c.Query(ctx, b.String(), pgx.QueryExecModeExec) // such a text does not come again: it is not prepared
	if err != nil {
		return err
	}
	var i int
	var value int64
	var called bool
	_, err = pgx.ForEachRow(rows, []any{&i, &value, &called}, func() error {
		list[i].Value, list[i].Called = value, called
		return nil
	})
	return err
}
