package backup_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sync/errgroup"

	"mulligan/backup"
	"mulligan/engine"
	"mulligan/internal/testengine"
	"mulligan/migration/dbmate"
	"mulligan/schema"
	"mulligan/snapshot"
	"mulligan/store"
	"mulligan/store/storetest"
)

// source makes a database with n users of about 100 bytes, and its migrations.
func source(t *testing.T, n int) backup.Source {
	t.Helper()
	db := testengine.SQLite(t)
	files := t.TempDir()
	if err := os.WriteFile(filepath.Join(files, "001_users.sql"), []byte("-- migrate:up\nSELECT 1;\n-- migrate:down\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	db.Exec(t,
		`CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, nick TEXT, balance INTEGER NOT NULL DEFAULT 100)`,
		`CREATE TABLE schema_migrations (version varchar(128) primary key)`,
		`INSERT INTO schema_migrations VALUES ('001')`,
		fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
			INSERT INTO users (nick) SELECT 'user' || i || hex(zeroblob(40)) FROM n`, n),
	)
	return backup.Source{Server: server(t, db.URL), DB: db.DB, Name: db.URL.Database(), Target: "app", Tool: dbmate.New([]string{files}, schema.Name{})}
}

// lines reads all rows that a snapshot has of a table.
func lines(t *testing.T, s store.Store, m *snapshot.Manifest, table string) (rows []string) {
	t.Helper()
	r, err := snapshot.Open(t.Context(), s, m.Target, m.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range r.Manifest().Tables {
		if entry.Name.Table != table {
			continue
		}
		for _, c := range entry.Chunks {
			stream, err := r.Rows(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(stream)
			if err := errors.Join(err, stream.Close()); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")...)
		}
	}
	slices.Sort(rows)
	return rows
}

func wantNothing(t *testing.T, s *storetest.Mem) {
	t.Helper()
	if names := s.Names(); len(names) != 0 {
		t.Errorf("the store still holds %q", names)
	}
}

func TestRun(t *testing.T) {
	src, s := source(t, 3), storetest.Memory()
	var told int64
	var mu sync.Mutex // guards told
	m, err := backup.Run(t.Context(), src, s, &backup.Options{Tool: "test", Progress: func(rows, _ int64) {
		mu.Lock()
		defer mu.Unlock()
		told += rows
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := lines(t, s, m, "users"); len(got) != 3 || !strings.HasPrefix(got[2], "3\tuser3") || !strings.HasSuffix(got[2], "\t100") {
		t.Errorf("users are %q", got)
	}
	l := m.Ledger
	if l == nil || l.Tool != "dbmate" || l.Recorded != "001" || len(l.Records) != 1 || len(l.Files) != 1 || l.Files[0].SHA256 == "" {
		t.Errorf("ledger is %+v", l)
	}
	if m.Rows() != 4 || told != 4 || m.Engine != "sqlite" || m.Target != "app" || m.Tool != "test" || m.Finished.Before(m.Started) {
		t.Errorf("manifest %+v, told of %d rows", m, told)
	}
	if len(m.Sequences) != 1 || m.Sequences[0].Value != 3 {
		t.Errorf("sequences are %+v", m.Sequences)
	}
	if list, err := snapshot.List(t.Context(), s, "app"); err != nil || len(list) != 1 || list[0].Err != nil || list[0].ID != m.ID {
		t.Errorf("listed are %+v, %v", list, err)
	}
	for _, n := range s.Names() {
		if strings.HasSuffix(n, "schema.sql") && !strings.Contains(string(s.Bytes(n)), "\nCREATE TABLE users") {
			t.Errorf("schema.sql is %q", s.Bytes(n))
		}
	}
}

func TestRunChosenRows(t *testing.T) {
	src, s := source(t, 10), storetest.Memory()
	m, err := backup.Run(t.Context(), src, s, &backup.Options{Rules: backup.Rules{Where: []backup.Where{{Table: "users", Condition: "id % 2 = 0 OR id = 9"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := lines(t, s, m, "users"); len(got) != 6 {
		t.Errorf("users are %q", got)
	}
	if _, err := backup.Run(t.Context(), src, s, &backup.Options{Rules: backup.Rules{Where: []backup.Where{{Table: "users", Condition: "no_column = 1"}}}}); err == nil {
		t.Error("a condition that cannot be was taken")
	}
	if list, err := snapshot.Incomplete(t.Context(), s, "app"); err != nil || len(list) != 0 {
		t.Errorf("left behind: %v, %v", list, err)
	}
}

func TestRunOnlyLedger(t *testing.T) {
	src, s := source(t, 2), storetest.Memory()
	m, err := backup.Run(t.Context(), src, s, &backup.Options{Rules: backup.Rules{OnlyLedger: true}})
	if err != nil || len(m.Tables) != 1 || len(m.Excluded) != 1 || len(m.Sequences) != 0 {
		t.Errorf("%+v, %v", m, err)
	}
}

// A table of many chunks holds each row once.
func TestRunManyRanges(t *testing.T) {
	src, s := source(t, 2000), storetest.Memory()
	src.DB = &wrapped{DB: src.DB, size: 8 << 10}
	m, err := backup.Run(t.Context(), src, s, &backup.Options{Jobs: 3})
	if err != nil {
		t.Fatal(err)
	}
	got := lines(t, s, m, "users")
	if i := slices.IndexFunc(m.Tables, func(x snapshot.Table) bool { return x.Name.Table == "users" }); len(m.Tables[i].Chunks) < 10 {
		t.Errorf("there are only %d chunks", len(m.Tables[i].Chunks))
	}
	if len(got) != 2000 || len(slices.Compact(got)) != 2000 {
		t.Errorf("%d rows in all", len(got))
	}
	r, err := snapshot.Open(t.Context(), s, "app", m.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Verify(t.Context(), 2, nil); err != nil {
		t.Error(err)
	}
}

func TestRunDiskFull(t *testing.T) {
	src, whole := source(t, 500), storetest.Memory()
	if _, err := backup.Run(t.Context(), src, whole, nil); err != nil {
		t.Fatal(err)
	}
	var size int64
	for _, n := range whole.Names() {
		size += int64(len(whole.Bytes(n)))
	}
	for room := int64(0); room < size; room += size/12 + 1 {
		s := storetest.Memory()
		if _, err := backup.Run(t.Context(), src, storetest.Full(s, room), nil); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("room for %d of %d bytes: %v", room, size, err)
		}
		wantNothing(t, s)
	}
}

func TestRunCancelled(t *testing.T) {
	for _, at := range []string{"at once", "in the view", "in a dump", "in the manifest"} {
		t.Run(at, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			src, s := source(t, 100), storetest.Memory()
			var into store.Store = s
			w := &wrapped{DB: src.DB}
			src.DB = w
			switch at {
			case "at once":
				cancel()
			case "in the view":
				w.onView = cancel
			case "in a dump":
				w.onDump = cancel
			case "in the manifest":
				into = &cancelling{Store: s, cancel: cancel}
			}
			if _, err := backup.Run(ctx, src, into, nil); !errors.Is(err, context.Canceled) {
				t.Errorf("%v, want context.Canceled", err)
			}
			wantNothing(t, s)
		})
	}
}

// A migration that runs between the look at the ledger and the view is noticed.
func TestRunErrMoved(t *testing.T) {
	for what, text := range map[string]string{
		"a new table":   `CREATE TABLE late (x)`,
		"a new column":  `ALTER TABLE users ADD COLUMN late TEXT`,
		"a lost table":  `DROP TABLE users`,
		"a new record":  `INSERT INTO schema_migrations VALUES ('002')`,
		"a lost record": `DELETE FROM schema_migrations`,
	} {
		t.Run(what, func(t *testing.T) {
			src, s := source(t, 5), storetest.Memory()
			db := src.DB
			src.DB = &wrapped{DB: db, onView: func() {
				if _, err := db.ExecContext(t.Context(), text); err != nil {
					t.Error(err)
				}
			}}
			if _, err := backup.Run(t.Context(), src, s, nil); !errors.Is(err, backup.ErrMoved) {
				t.Errorf("%v, want ErrMoved", err)
			}
			wantNothing(t, s)
		})
	}
}

// Writers move money from one user to another all the time; the snapshot always holds all of it.
func TestRunUnderWriters(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		db := open(t)
		if db.Family() == engine.SQLite {
			db.Exec(t, `PRAGMA journal_mode = WAL`)
		}
		db.Exec(t, `CREATE TABLE rich (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)`, `CREATE TABLE poor (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)`)
		for i := range 20 {
			db.Exec(t, fmt.Sprintf(`INSERT INTO rich VALUES (%d, 1000)`, i), fmt.Sprintf(`INSERT INTO poor VALUES (%d, 0)`, i))
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		moved, writer := 0, errgroup.Group{}
		writer.Go(func() error { return writeUntil(ctx, db, &moved) })
		src, s := backup.Source{Server: server(t, db.URL), DB: db.DB, Name: db.URL.Database(), Target: "app"}, storetest.Memory()
		for range 5 {
			m, err := backup.Run(t.Context(), src, s, nil)
			if err != nil {
				t.Fatal(err)
			}
			total := 0
			for _, row := range append(lines(t, s, m, "rich"), lines(t, s, m, "poor")...) {
				var id, balance int
				if _, err := fmt.Sscanf(row, "%d\t%d", &id, &balance); err != nil {
					t.Fatalf("row %q: %v", row, err)
				}
				total += balance
			}
			if total != 20_000 {
				t.Errorf("the snapshot holds %d, want 20000", total)
			}
		}
		cancel()
		if err := writer.Wait(); err != nil {
			t.Error(err)
		}
		t.Logf("%d transactions meanwhile", moved)
	})
}

func writeUntil(ctx context.Context, db testengine.Database, moved *int) error {
	session, err := db.Session(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		for _, text := range []string{
			"BEGIN", fmt.Sprintf("UPDATE rich SET balance = balance - 1 WHERE id = %d", *moved%20),
			fmt.Sprintf("UPDATE poor SET balance = balance + 1 WHERE id = %d", *moved%20), "COMMIT",
		} {
			if _, err := session.ExecContext(context.WithoutCancel(ctx), text); err != nil {
				if db.Family() == engine.SQLite && strings.Contains(err.Error(), "locked") {
					_, _ = session.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") // the view keeps writers out for a moment
					break
				}
				return errors.Join(err, session.Close())
			}
		}
		*moved++
	}
	return session.Close()
}
