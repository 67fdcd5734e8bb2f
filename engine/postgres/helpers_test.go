package postgres_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/schema"
)

// limit ends a test that hangs.
func limit(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// openDB opens a database of the server as the user of address.
func openDB(t testing.TB, address, name string) engine.DB {
	t.Helper()
	s := connect(t, address)
	db, err := s.Open(limit(t), name)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close the database: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("close the server: %v", err)
		}
	})
	return db
}

// newDB makes a database for the test, as a script leaves it.
func newDB(t testing.TB, script string) engine.DB {
	t.Helper()
	server := testdb.Postgres(t)
	name, address := server.NewDatabase(t)
	if script != "" {
		server.Exec(t, name, script)
	}
	return openDB(t, address, name)
}

func execIn(t testing.TB, db engine.Querier, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(limit(t), s); err != nil {
			t.Fatalf("exec %.200s: %v", s, err)
		}
	}
}

func scalar[T any](t testing.TB, db engine.Querier, query string) (value T) {
	t.Helper()
	if err := db.QueryRowContext(limit(t), query).Scan(&value); err != nil {
		t.Fatalf("query %s: %v", query, err)
	}
	return value
}

func inspectDB(t testing.TB, db engine.DB) *schema.Schema {
	t.Helper()
	s, err := db.Inspect(limit(t))
	if err != nil {
		t.Fatalf("inspect: %v", err)
	}
	return s
}

func tablesOf(s *schema.Schema) []*schema.Table {
	var list []*schema.Table
	for i := range s.Tables {
		list = append(list, &s.Tables[i])
	}
	return list
}

// contents dumps all tables in ranges of size bytes, as sorted lines by table.
func contents(t testing.TB, db engine.DB, size int64) map[string][]string {
	t.Helper()
	v, err := db.View(limit(t), 2)
	if err != nil {
		t.Fatalf("view: %v", err)
	}
	defer func() {
		if err := v.Close(); err != nil {
			t.Errorf("close the view: %v", err)
		}
	}()
	s, err := v.Schema(limit(t))
	if err != nil {
		t.Fatalf("schema of the view: %v", err)
	}
	all := map[string][]string{}
	for _, tb := range tablesOf(s) {
		ranges, err := v.Ranges(limit(t), tb, size)
		if err != nil {
			t.Fatalf("ranges: %v", err)
		}
		var b bytes.Buffer
		for _, r := range ranges {
			if _, err := v.Dump(limit(t), &b, tb, r); err != nil {
				t.Fatalf("dump: %v", err)
			}
		}
		lines := strings.Split(b.String(), "\n")
		lines = lines[:len(lines)-1]
		slices.Sort(lines)
		all[tb.Name.String()] = lines
	}
	return all
}

// reload puts rows into tables of the same names and sets the sequences.
func reload(t testing.TB, db engine.DB, rows map[string][]string, sequences []schema.Sequence) error {
	t.Helper()
	s := inspectDB(t, db)
	l, err := db.Loader(limit(t), tablesOf(s), nil)
	if err != nil {
		return err
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Errorf("close the loader: %v", err)
		}
	}()
	for _, tb := range tablesOf(s) {
		lines := rows[tb.Name.String()]
		text := strings.Join(lines, "\n")
		if len(lines) > 0 {
			text += "\n"
		}
		n, err := l.Load(limit(t), tb, tb.Stored(), strings.NewReader(text))
		if err != nil {
			return err
		}
		if n != int64(len(lines)) {
			t.Errorf("load table %s: %d rows, want %d", tb.Name, n, len(lines))
		}
	}
	return l.Finish(limit(t), sequences)
}

// carry copies everything from a database that ddl and rows made into one that ddl made, and compares rows,
// sequences and schema.
func carry(t *testing.T, ddl, rows string) (source, target engine.DB) {
	t.Helper()
	source, target = newDB(t, ddl), newDB(t, ddl)
	execIn(t, source, rows)
	before := inspectDB(t, target)
	from, want := inspectDB(t, source), contents(t, source, 1<<40)
	if err := reload(t, target, want, from.Sequences); err != nil {
		t.Fatalf("reload: %v", err)
	}
	if diff := cmp.Diff(want, contents(t, target, 8192)); diff != "" {
		t.Errorf("rows (-source +target):\n%s", diff)
	}
	after := inspectDB(t, target)
	if diff := schema.Diff(before.Objects, after.Objects); diff != nil {
		t.Errorf("the load changed the schema: %v", diff)
	}
	if diff := cmp.Diff(from.Sequences, after.Sequences); diff != "" {
		t.Errorf("sequences (-source +target):\n%s", diff)
	}
	return source, target
}
