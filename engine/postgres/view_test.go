package postgres_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/schema"
)

// counter counts bytes and notes the highest memory in use while they pass.
type counter struct {
	bytes int64
	peak  uint64
	next  int64
}

func (c *counter) Write(p []byte) (int, error) {
	if c.bytes += int64(len(p)); c.bytes >= c.next {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		c.peak, c.next = max(c.peak, m.HeapInuse+m.StackInuse), c.bytes+4<<20
	}
	return len(p), nil
}

// again repeats a text without holding it.
type again struct {
	text string
	left int64
}

func (r *again) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) && r.left > 0 {
		k := copy(p[n:], r.text[:min(int64(len(r.text)), r.left)])
		n, r.left = n+k, r.left-int64(k)
	}
	return n, nil
}

func TestHugeRow(t *testing.T) {
	const size = 64 << 20
	db := newDB(t, "CREATE TABLE huge (id int, b bytea); ALTER TABLE huge ALTER b SET STORAGE EXTERNAL")
	list := tablesOf(inspectDB(t, db))
	l, err := db.Loader(limit(t), list, nil)
	if err != nil {
		t.Fatalf("loader: %v", err)
	}
	row := io.MultiReader(strings.NewReader(`1	\\x`), &again{text: "00ff5c0a", left: 2 * size}, strings.NewReader("\n"))
	if _, err := l.Load(limit(t), list[0], list[0].Stored(), row); err != nil {
		t.Fatalf("load: %v", err)
	}
	if err := l.Finish(limit(t), nil); err != nil {
		t.Fatalf("finish: %v", err)
	}
	v, err := db.View(limit(t), 1)
	if err != nil {
		t.Fatalf("view: %v", err)
	}
	runtime.GC()
	c := &counter{}
	n, err := v.Dump(limit(t), c, list[0], engine.Range{})
	if err := errors.Join(err, v.Close()); err != nil || n != 1 || c.bytes != 2*size+6 {
		t.Fatalf("dump: %d rows, %d bytes, %v", n, c.bytes, err)
	}
	if c.peak > 16<<20 {
		t.Errorf("%d MB of memory for a row of %d MB", c.peak>>20, size>>20)
	}
}

// TestTruncateWaits: a TRUNCATE does not respect snapshots, so it must not come between a view and its readers.
func TestTruncateWaits(t *testing.T) {
	db := newDB(t, "CREATE TABLE some_rows (id int); INSERT INTO some_rows SELECT generate_series(1, 1000)")
	list := tablesOf(inspectDB(t, db))
	v, err := db.View(limit(t), 1)
	if err != nil {
		t.Fatalf("view: %v", err)
	}
	s, err := db.Session(limit(t))
	if err != nil {
		t.Fatalf("session: %v", err)
	}
	if err := s.Script(limit(t), "SET lock_timeout = '50ms'; TRUNCATE some_rows"); err == nil {
		t.Error("a table was truncated under a view")
	}
	n, err := v.Dump(limit(t), io.Discard, list[0], engine.Range{})
	if err := errors.Join(err, v.Close()); err != nil || n != 1000 {
		t.Errorf("dump: %d rows, %v", n, err)
	}
	if err := s.Script(limit(t), "TRUNCATE some_rows"); err != nil {
		t.Errorf("truncate after the view: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close the session: %v", err)
	}
}

// TestCancelEndsTheQuery: a dump that gives no rows for a long time ends promptly with its context, on the server too.
func TestCancelEndsTheQuery(t *testing.T) {
	db := newDB(t, "CREATE TABLE slow (id int); INSERT INTO slow VALUES (1)")
	list := tablesOf(inspectDB(t, db))
	v, err := db.View(limit(t), 2)
	if err != nil {
		t.Fatalf("view: %v", err)
	}
	const running = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE 'COPY%pg_sleep%'"
	ctx, cancel := context.WithCancel(limit(t))
	go func() {
		for scalar[int](t, db, running) == 0 && ctx.Err() == nil {
		}
		cancel()
	}()
	start := time.Now()
	if _, err := v.Dump(ctx, io.Discard, list[0], engine.Range{Where: "pg_sleep(100) IS NOT NULL"}); !errors.Is(err, context.Canceled) {
		t.Errorf("dump: %v, want context.Canceled", err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("the cancelled dump took %v", took)
	}
	for scalar[int](t, db, running) != 0 {
		if time.Since(start) > 20*time.Second {
			t.Fatal("the query runs on")
		}
	}
	for range 4 { // both readers must be there again
		if n, err := v.Dump(limit(t), io.Discard, list[0], engine.Range{}); err != nil || n != 1 {
			t.Errorf("the next dump: %d rows, %v", n, err)
		}
	}
	if err := v.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// TestServerErrorKeepsTheView: a failed query ends its reader's transaction, not the view.
func TestServerErrorKeepsTheView(t *testing.T) {
	db := newDB(t, "CREATE TABLE a (id int); INSERT INTO a VALUES (0)")
	list := tablesOf(inspectDB(t, db))
	v, err := db.View(limit(t), 1)
	if err != nil {
		t.Fatalf("view: %v", err)
	}
	execIn(t, db, "INSERT INTO a VALUES (1)")
	for range 3 {
		if _, err := v.Dump(limit(t), io.Discard, list[0], engine.Range{Where: "1 / id = 1"}); err == nil || !strings.Contains(err.Error(), "22012") {
			t.Errorf("dump: %v, want a division by zero with its SQLSTATE", err)
		}
		if n, err := v.Dump(limit(t), io.Discard, list[0], engine.Range{Where: "id = 0 -- a comment"}); err != nil || n != 1 {
			t.Errorf("dump: %d rows, %v, want 1 of the view's moment", n, err)
		}
	}
	if err := v.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestCloseWaitsForDumps(t *testing.T) {
	db := newDB(t, "CREATE TABLE a AS SELECT generate_series(1, 100000) AS id")
	list := tablesOf(inspectDB(t, db))
	v, err := db.View(limit(t), 2)
	if err != nil {
		t.Fatalf("view: %v", err)
	}
	ready, rows := make(chan struct{}), make(chan int64, 1)
	var once sync.Once
	go func() {
		n, _ := v.Dump(context.Background(), writer(func(p []byte) (int, error) {
			once.Do(func() { close(ready) })
			return len(p), nil
		}), list[0], engine.Range{}) // its rows tell whether it was whole
		rows <- n
	}()
	<-ready
	if err := v.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if n := <-rows; n != 100_000 {
		t.Errorf("the dump under way gave %d rows, want all 100000", n)
	}
	if _, err := v.Ranges(limit(t), list[0], 1); err == nil {
		t.Error("a closed view answers")
	}
}

type writer func(p []byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func TestPartitionRanges(t *testing.T) {
	db := newDB(t, relations)
	execIn(t, db, relationRows)
	s := inspectDB(t, db)
	v, err := db.View(limit(t), 1)
	if err != nil {
		t.Fatalf("view: %v", err)
	}
	parts := s.Table(schema.Name{Schema: "public", Table: "parts"})
	ranges, err := v.Ranges(limit(t), parts, 50_000)
	if err != nil {
		t.Fatalf("ranges: %v", err)
	}
	var total int64
	names := map[string]bool{}
	for _, r := range ranges {
		r.Where = "parts.id > 0"
		n, err := v.Dump(limit(t), io.Discard, parts, r)
		if err != nil {
			t.Fatalf("dump: %v", err)
		}
		total += n
		names[r.Part] = true
	}
	if total != 2000 || !names[`public."parts 24.eu"`] || len(ranges) <= len(names) {
		t.Errorf("%d rows in %d ranges of %v", total, len(ranges), names)
	}
	if n, err := v.Dump(limit(t), io.Discard, parts, engine.Range{}); err != nil || n != 2000 {
		t.Errorf("the whole table: %d rows, %v", n, err)
	}
	if err := v.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestFewerReaders(t *testing.T) {
	server := testdb.NewPostgres(t, "-c", "max_connections=12", "-c", "max_wal_senders=0")
	name, address := server.NewDatabase(t)
	server.Exec(t, name, "CREATE TABLE a (id int); INSERT INTO a VALUES (1)")
	db := openDB(t, address, name)
	list := tablesOf(inspectDB(t, db))
	v, err := db.View(limit(t), 20)
	if err != nil {
		t.Fatalf("view: %v", err)
	}
	if p := v.Point(); p.Readers < 1 || p.Readers > 11 || p.Note == "" {
		t.Errorf("the view's point is %+v", p)
	}
	if n, err := v.Dump(limit(t), io.Discard, list[0], engine.Range{}); err != nil || n != 1 {
		t.Errorf("dump: %d rows, %v", n, err)
	}
	if err := v.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}
