package enginetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"mulligan/engine"
	"mulligan/schema"
)

func testView(t *testing.T, e *env) {
	t.Run("Point", func(t *testing.T) {
		db := e.open(t, "CREATE TABLE thing (id {id}){opts}")
		for _, readers := range []int{1, 3} {
			p := view(t, db, readers).Point()
			if p.Readers < 1 || p.Readers > readers {
				t.Errorf("%d readers where %d were asked for", p.Readers, readers)
			}
			if p.Time.Location() != time.UTC || math.Abs(time.Since(p.Time).Hours()) > 1 {
				t.Errorf("the view's time is %v", p.Time)
			}
		}
	})
	t.Run("Schema", func(t *testing.T) {
		db := e.open(t, append(family(), ledger()...)...)
		got, err := view(t, db, 1).Schema(deadline(t))
		if err != nil {
			t.Fatalf("schema of the view: %v", err)
		}
		want := inspect(t, db)
		if diff := cmp.Diff(shape(want), shape(got)); diff != "" {
			t.Errorf("tables of the view (-inspect +view):\n%s", diff)
		}
		if diff := cmp.Diff(want.Sequences, got.Sequences); diff != "" {
			t.Errorf("sequences of the view (-inspect +view):\n%s", diff)
		}
	})
	t.Run("LaterWrites", e.laterWrites)
	t.Run("Consistent", e.consistent)
	t.Run("CloseTwice", func(t *testing.T) {
		v := view(t, e.open(t), 2)
		for range 2 {
			if err := v.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
	})
}

// laterWrites proves that what is committed after the view was made is not in it, on any reader.
func (e *env) laterWrites(t *testing.T) {
	name := e.create(t)
	db := e.reopen(t, name, "CREATE TABLE thing (id {id}, n {int}){opts}", "INSERT INTO thing VALUES (1, 1)")
	v, err := db.View(deadline(t), 3)
	if err != nil {
		t.Fatalf("view: %v", err)
	}
	defer closing(t, "view", v.Close)
	writer, release := hold(t, connect(t, e.cfg), name)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_, err = writer.ExecContext(ctx, "INSERT INTO thing VALUES (2, 2)")
	// Where readers block writers (SQLite's rollback journal) there is no later write to be seen.
	if err != nil && e.family != engine.SQLite {
		t.Fatalf("write beside a view: %v", err)
	}
	tb := table(t, inspect(t, db), "thing")
	group, ctx := errgroup.WithContext(deadline(t))
	for range 6 {
		group.Go(func() error {
			n, err := v.Dump(ctx, io.Discard, tb, engine.Range{})
			if err == nil && n != 1 {
				err = fmt.Errorf("%d rows, want the 1 of the view's moment", n)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Errorf("dump: %v", err)
	}
	release()
}

// consistent keeps writers busy with transfers between two tables while views are read.
// In every view the total must be what it was, and each table must hold as many rows as the other.
func (e *env) consistent(t *testing.T) {
	const rows, start, writers, views = 200, 100, 2, 4
	name := e.create(t)
	db := e.reopen(t, name, "CREATE TABLE debit (id {id}, n {int}){opts}", "CREATE TABLE credit (id {id}, n {int}){opts}")
	fill(t, db, "debit", rows, start)
	fill(t, db, "credit", rows, start)
	ctx, stop := context.WithCancel(deadline(t))
	defer stop()
	var commits atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for w := range writers {
		session, release := hold(t, connect(t, e.cfg), name)
		group.Go(func() error {
			defer release()
			return transfers(ctx, session, w, rows, &commits)
		})
	}
	list := tables(t, inspect(t, db), "debit", "credit")
	for i := range views {
		before := commits.Load()
		checkTotals(t, db, list, rows, 2*rows*start)
		for i > 0 && commits.Load() == before && ctx.Err() == nil {
			number(t, db, "SELECT count(*) FROM debit")
		}
	}
	stop()
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("writer: %v", err)
	}
	if commits.Load() < views {
		t.Errorf("the writers made %d commits: nothing was proved", commits.Load())
	}
}

func fill(t testing.TB, db engine.Querier, name string, rows, n int) {
	t.Helper()
	for from := 1; from <= rows; from += 500 {
		var values []string
		for id := from; id < from+500 && id <= rows; id++ {
			values = append(values, fmt.Sprintf("(%d, %d)", id, n))
		}
		exec(t, db, "INSERT INTO "+name+" (id, n) VALUES "+strings.Join(values, ", "))
	}
}

// transfers moves amounts and adds a pair of rows, one transaction each, until ctx ends.
func transfers(ctx context.Context, s engine.Session, writer, rows int, commits *atomic.Int64) error {
	for i := 1; ; i++ {
		from, to, fresh := (i*7+writer)%rows+1, (i*13+writer)%rows+1, rows+i*16+writer
		for _, text := range []string{
			begin(s.Family()),
			fmt.Sprintf("UPDATE debit SET n = n - 3 WHERE id = %d", from),
			fmt.Sprintf("INSERT INTO debit (id, n) VALUES (%d, 5)", fresh),
			fmt.Sprintf("INSERT INTO credit (id, n) VALUES (%d, -5)", fresh),
			fmt.Sprintf("UPDATE credit SET n = n + 3 WHERE id = %d", to),
			"COMMIT",
		} {
			// A statement that is sent is awaited: only between two transactions may the writer stop.
			if _, err := s.ExecContext(context.WithoutCancel(ctx), text); err != nil {
				return fmt.Errorf("%s: %w", text, err)
			}
		}
		commits.Add(1)
		if ctx.Err() != nil {
			return nil
		}
	}
}

func checkTotals(t *testing.T, db engine.DB, list []*schema.Table, rows, want int) {
	t.Helper()
	v, err := db.View(deadline(t), 3)
	if err != nil {
		t.Fatalf("view: %v", err)
	}
	defer closing(t, "view", v.Close)
	group, ctx := errgroup.WithContext(deadline(t))
	var total atomic.Int64
	var counts [2]atomic.Int64
	for i, tb := range list {
		ranges, err := v.Ranges(ctx, tb, 2000)
		if err != nil {
			t.Fatalf("ranges: %v", err)
		}
		for _, r := range ranges {
			group.Go(func() error {
				var b strings.Builder
				n, err := v.Dump(ctx, &b, tb, r)
				counts[i].Add(n)
				for line := range strings.Lines(b.String()) {
					_, cell, _ := strings.Cut(strings.TrimSpace(line), "\t")
					amount, err := strconv.ParseInt(cell, 10, 64)
					if err != nil {
						return fmt.Errorf("line %q: %w", line, err)
					}
					total.Add(amount)
				}
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		t.Fatalf("dump: %v", err)
	}
	if total.Load() != int64(want) || counts[0].Load() != counts[1].Load() || counts[0].Load() < int64(rows) {
		t.Errorf("the view holds %d in %d and %d rows, want %d in equally many: it is not one moment",
			total.Load(), counts[0].Load(), counts[1].Load(), want)
	}
}

func testRanges(t *testing.T, e *env) {
	const long = "a rather long note, so that a row has some bytes and a table more than one page of them"
	db := e.open(t,
		"CREATE TABLE plain (id {id}, n {int}, note {text}){opts}",
		"CREATE TABLE sparse (id {id}, n {int}){opts}",
		"CREATE TABLE bare (id {id}){opts}",
		"CREATE TABLE keyless (id {int}, n {int}){opts}",
		"CREATE TABLE named (id {key} NOT NULL PRIMARY KEY, n {int}){opts}",
		"CREATE TABLE paired (id {int} NOT NULL, n {int} NOT NULL, PRIMARY KEY (id, n)){opts}",
	)
	fill(t, db, "plain", 3000, 1)
	exec(t, db, "UPDATE plain SET note = '"+long+"'", "DELETE FROM plain WHERE id > 100 AND id < 1500")
	fill(t, db, "keyless", 1000, 1)
	fill(t, db, "keyless", 1000, 1)
	fill(t, db, "named", 700, 1)
	fill(t, db, "paired", 700, 1)
	for _, id := range []int64{math.MinInt64, math.MinInt64 + 1, -1 << 40, -1, 0, 1, 1 << 31, 1 << 62, math.MaxInt64 - 1, math.MaxInt64} {
		insert(t, db, "sparse", id, id)
	}
	s, v := inspect(t, db), view(t, db, 2)
	for _, name := range tableNames(s) {
		tb := table(t, s, name)
		whole := dump(t, v, tb, engine.Range{})
		for _, size := range []int64{1000, 8000, 100_000, 1 << 50} {
			t.Run(fmt.Sprintf("%s/%d", name, size), func(t *testing.T) { checkRanges(t, v, tb, whole, size) })
		}
	}
	t.Run("ReallySplits", func(t *testing.T) {
		ranges, err := v.Ranges(deadline(t), table(t, s, "plain"), 20_000)
		if err != nil || len(ranges) < 2 {
			t.Errorf("a table of about 150 kB in parts of 20 kB: %d ranges, error %v", len(ranges), err)
		}
	})
	t.Run("Where", func(t *testing.T) {
		tb := table(t, s, "plain")
		ranges, err := v.Ranges(deadline(t), tb, 8000)
		if err != nil {
			t.Fatalf("ranges: %v", err)
		}
		var got []string
		for _, r := range ranges {
			r.Where = "id < 50 OR id = 2000"
			got = append(got, dump(t, v, tb, r)...)
		}
		if len(got) != 50 {
			t.Errorf("the condition chose %d rows, want 50", len(got))
		}
		if n := len(dump(t, v, tb, engine.Range{Where: "id = 7"})); n != 1 {
			t.Errorf("a condition on the whole table chose %d rows, want 1", n)
		}
	})
	t.Run("BadWhere", func(t *testing.T) {
		if _, err := v.Dump(deadline(t), io.Discard, table(t, s, "plain"), engine.Range{Where: "nothing_has_this_name = 1"}); err == nil {
			t.Error("a wrong condition gave no error")
		}
	})
}

func checkRanges(t *testing.T, v engine.View, tb *schema.Table, whole []string, size int64) {
	t.Helper()
	ranges, err := v.Ranges(deadline(t), tb, size)
	if err != nil {
		t.Fatalf("ranges: %v", err)
	}
	if len(ranges) == 0 {
		t.Fatal("there is no range")
	}
	var got []string
	for _, r := range ranges {
		got = append(got, dump(t, v, tb, r)...)
	}
	slices.Sort(got)
	if diff := cmp.Diff(whole, got); diff != "" {
		t.Errorf("%d ranges do not hold every row once (-whole +ranges):\n%s", len(ranges), diff)
	}
}

// errWriter takes some bytes and then fails.
type errWriter struct{ left int }

var errFull = errors.New("enginetest: the disk is full")

func (w *errWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// writerFunc is a writer made of a function.
type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func testCancel(t *testing.T, e *env) {
	const rows = 30_000
	db := e.open(t, "CREATE TABLE many (id {id}, n {int}){opts}")
	fill(t, db, "many", rows, 1)
	many := table(t, inspect(t, db), "many")

	t.Run("DumpIsPrompt", func(t *testing.T) {
		v := view(t, db, 2)
		ctx, cancel := context.WithCancel(deadline(t))
		written := 0
		_, err := v.Dump(ctx, writerFunc(func(p []byte) (int, error) {
			cancel()
			written += len(p)
			return len(p), nil
		}), many, engine.Range{})
		// A small table may have gone out whole before the end of ctx was seen.
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("dump: %v, want context.Canceled", err)
		}
		again(t, v, many, rows)
	})
	t.Run("EndedContext", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := view(t, db, 1).Dump(ctx, io.Discard, many, engine.Range{}); !errors.Is(err, context.Canceled) {
			t.Errorf("dump: %v, want context.Canceled", err)
		}
		if _, err := db.View(ctx, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("view: %v, want context.Canceled", err)
		}
		if _, err := db.Inspect(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("inspect: %v, want context.Canceled", err)
		}
	})
	t.Run("WriterFails", func(t *testing.T) {
		for _, left := range []int{0, 1, 100_000} {
			v := view(t, db, 2)
			if _, err := v.Dump(deadline(t), &errWriter{left}, many, engine.Range{}); !errors.Is(err, errFull) {
				t.Errorf("dump into a writer that fails after %d bytes: %v, want its error", left, err)
			}
			again(t, v, many, rows)
		}
	})
	t.Run("AfterClose", func(t *testing.T) {
		v := view(t, db, 1)
		closing(t, "view", v.Close)
		if _, err := v.Dump(deadline(t), io.Discard, many, engine.Range{}); err == nil {
			t.Error("a dump of a closed view gave no error")
		}
	})
}

// again dumps after a dump that failed: whole, or an error at once where no reader is left.
func again(t *testing.T, v engine.View, tb *schema.Table, rows int64) {
	t.Helper()
	ctx := deadline(t)
	n, err := v.Dump(ctx, io.Discard, tb, engine.Range{})
	if err == nil && n != rows {
		t.Errorf("the next dump wrote %d rows, want %d", n, rows)
	}
	if ctx.Err() != nil {
		t.Errorf("the next dump hung: %v", err)
	}
}
