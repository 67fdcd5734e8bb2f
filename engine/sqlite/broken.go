package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mulligan/engine"
	"mulligan/schema"
)

// checkKeys looks for orphans in the tables and in those that refer to them.
func (l *loader) checkKeys(ctx context.Context) error {
	c, err := inspect(ctx, l.conn)
	if err != nil {
		return err
	}
	loaded := func(n schema.Name) bool {
		return slices.ContainsFunc(l.tables, func(t *schema.Table) bool { return t.Name == n })
	}
	var errs []error
	for i := range c.Tables {
		t := &c.Tables[i]
		if t.Kind != schema.KindTable || len(t.Parents) == 0 || !loaded(t.Name) && !slices.ContainsFunc(t.Parents, loaded) {
			continue
		}
		var broken []brokenKey
		const text = "SELECT fkid, parent, count(*) FROM pragma_foreign_key_check(?1) GROUP BY fkid, parent ORDER BY fkid"
		err := each(ctx, l.conn, text, []any{t.Name.Table}, func(scan func(...any) error) error {
			var k brokenKey
			err := scan(&k.id, &k.parent, &k.rows)
			broken = append(broken, k)
			return err
		})
		if err != nil {
			return fmt.Errorf("check the foreign keys of table %s: %w", t.Name, err)
		}
		for _, k := range broken {
			errs = append(errs, l.orphans(ctx, c, t, k))
		}
	}
	return errors.Join(errs...)
}

// brokenKey is a foreign key with rows that have no parent.
type brokenKey struct {
	id     int
	parent string
	rows   int64
}

// orphans names rows without a parent.
func (l *loader) orphans(ctx context.Context, c *catalog, t *schema.Table, k brokenKey) error {
	var columns, given, equal []string
	parent := findTable(c, k.parent)
	const text = `SELECT seq, "from", coalesce("to", '') FROM pragma_foreign_key_list(?1) WHERE id = ?2 ORDER BY seq`
	err := each(ctx, l.conn, text, []any{t.Name.Table, k.id}, func(scan func(...any) error) error {
		var i int
		var from, to string
		if err := scan(&i, &from, &to); err != nil {
			return err
		}
		columns, given = append(columns, from), append(given, "c."+engine.SQLite.Ident(from)+" IS NOT NULL")
		if to == "" && parent != nil && i < len(parent.Key) {
			to = parent.Key[i]
		}
		equal = append(equal, "p."+engine.SQLite.Ident(to)+" = c."+engine.SQLite.Ident(from))
		return nil
	})
	found := &engine.RowsError{Constraint: "foreign key (" + strings.Join(columns, ", ") + ")", Table: t.Name, Rows: k.rows,
		Fault: "without a parent in table " + k.parent}
	if err != nil {
		return errors.Join(found, err)
	}
	from := "main." + engine.SQLite.Table(t.Name) + " c WHERE " + strings.Join(given, " AND ")
	if parent != nil {
		from += " AND NOT EXISTS (SELECT 1 FROM main." + engine.SQLite.Table(parent.Name) + " p WHERE " + strings.Join(equal, " AND ") + ")"
	}
	if len(t.Key) > 0 {
		columns = t.Key
	}
	return l.nameRows(ctx, found, columns, from)
}

func findTable(c *catalog, name string) *schema.Table {
	i := slices.IndexFunc(c.Tables, func(t schema.Table) bool { return sameName(t.Name.Table, name) })
	if i < 0 {
		return nil
	}
	return &c.Tables[i]
}

// sharedValues names the rows that keep a unique index from being made; nil = there are none, so that it was something else.
func (l *loader) sharedValues(ctx context.Context, e entry) error {
	t := l.table(string(e.Table))
	parts, where, ok := splitIndex(lex(string(e.Text)))
	if !ok || t == nil {
		return nil
	}
	var exprs, given, names []string
	for _, p := range parts {
		expr := render(p)
		exprs, given = append(exprs, expr), append(given, "("+expr+") IS NOT NULL")
		if c, ok := t.Column(p[0].value); ok && len(p) == 1 {
			names = append(names, c.Name)
		}
	}
	if where != "" {
		given = append(given, "("+where+")")
	}
	from := "(SELECT *, count(*) OVER (PARTITION BY " + strings.Join(exprs, ", ") + ") AS \"mulligan rows\" FROM main." +
		engine.SQLite.Table(t.Name) + " WHERE " + strings.Join(given, " AND ") + ") c WHERE c.\"mulligan rows\" > 1"
	found := &engine.RowsError{Constraint: "unique " + e.String(), Table: t.Name, Fault: "with a value that another row has"}
	if err := l.conn.QueryRowContext(ctx, "SELECT count(*) FROM "+from).Scan(&found.Rows); err != nil || found.Rows == 0 {
		return err
	}
	if len(t.Key) > 0 {
		names = t.Key
	}
	return l.nameRows(ctx, found, names, from)
}

func (l *loader) table(name string) *schema.Table {
	i := slices.IndexFunc(l.tables, func(t *schema.Table) bool { return sameName(t.Name.Table, name) })
	if i < 0 {
		return nil
	}
	return l.tables[i]
}

// nameRows adds the keys of some of the rows c that from gives.
func (l *loader) nameRows(ctx context.Context, found *engine.RowsError, columns []string, from string) error {
	if len(columns) == 0 {
		return found
	}
	var quoted, shown []string
	for _, c := range columns {
		quoted = append(quoted, "c."+engine.SQLite.Ident(c))
		shown = append(shown, "CAST(coalesce(c."+engine.SQLite.Ident(c)+", 'NULL') AS BLOB)")
	}
	found.Columns = columns
	text := fmt.Sprintf("SELECT %s FROM %s ORDER BY %s LIMIT %d", strings.Join(shown, ", "), from, strings.Join(quoted, ", "), engine.MaxKeys)
	err := each(ctx, l.conn, text, nil, func(scan func(...any) error) error {
		key := make([]string, len(columns))
		into := make([]any, len(columns))
		for i := range key {
			into[i] = &key[i]
		}
		err := scan(into...)
		found.Keys = append(found.Keys, key)
		return err
	})
	if err != nil {
		return errors.Join(found, fmt.Errorf("name its rows: %w", err))
	}
	return found
}

// splitIndex cuts the text of a unique index into what must be unique, and the condition; ok is false where it is none.
func splitIndex(list []token) (parts [][]token, where string, ok bool) {
	if len(list) < 3 || !list[1].is("UNIQUE") {
		return nil, "", false
	}
	i := slices.IndexFunc(list, func(t token) bool { return t.is("(") })
	if i < 0 {
		return nil, "", false
	}
	n := groupLength(list[i:])
	if n < 2 {
		return nil, "", false
	}
	for _, p := range splitList(list[i+1 : i+n-1]) {
		if last := len(p) - 1; last > 0 && (p[last].is("ASC") || p[last].is("DESC")) {
			p = p[:last]
		}
		if len(p) == 0 {
			return nil, "", false
		}
		parts = append(parts, p)
	}
	if rest := list[i+n:]; len(rest) > 1 && rest[0].is("WHERE") {
		where = render(rest[1:])
	}
	return parts, where, true
}
