package migrationtest

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"mulligan/engine"
	"mulligan/schema"
)

// Content describes a whole database as text: every object, and every row of every table, sorted.
// hidden are columns whose values are left out, as times are. SQLite keeps the text of a definition;
// white space and quotes in it count for nothing.
func Content(t testing.TB, db engine.DB, hidden ...string) string {
	t.Helper()
	s, err := db.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, o := range s.Objects {
		def := o.Def
		if db.Family() == engine.SQLite {
			def = strings.Join(strings.Fields(strings.NewReplacer(`"`, "", "`", "", "(", " ( ", ")", " ) ").Replace(def)), " ")
		}
		fmt.Fprintf(&out, "%s %s: %s\n", o.Kind, o.Name, def)
	}
	for i := range s.Tables {
		fmt.Fprintf(&out, "rows of %s\n", s.Tables[i].Name)
		for _, row := range rowsOf(t, db, &s.Tables[i], hidden) {
			fmt.Fprintf(&out, "\t%s\n", row)
		}
	}
	return out.String()
}

func rowsOf(t testing.TB, db engine.DB, table *schema.Table, hidden []string) []string {
	t.Helper()
	columns := slices.DeleteFunc(table.Stored(), func(c string) bool { return slices.Contains(hidden, c) })
	rows, err := db.QueryContext(t.Context(), "SELECT "+db.Family().Idents(columns)+" FROM "+db.Family().Table(table.Name))
	if err != nil {
		t.Fatalf("read table %s: %v", table.Name, err)
	}
	var list []string
	for rows.Next() {
		cells, places := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range cells {
			places[i] = &cells[i]
		}
		if err := rows.Scan(places...); err != nil {
			t.Fatalf("read table %s: %v", table.Name, err)
		}
		texts := make([]string, len(cells))
		for i, c := range cells {
			texts[i] = "NULL"
			if c.Valid {
				texts[i] = fmt.Sprintf("%q", c.String)
			}
		}
		list = append(list, strings.Join(texts, " "))
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("read table %s: %v", table.Name, err)
	}
	if err := rows.Close(); err != nil {
		t.Fatalf("read table %s: %v", table.Name, err)
	}
	slices.Sort(list)
	return list
}
