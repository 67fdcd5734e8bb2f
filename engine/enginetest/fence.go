package enginetest

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"mulligan/engine"
	"mulligan/schema"
)

// prompt is how long what must not wait may take, on a busy machine: less than the ten seconds of any lock's patience.
const prompt = 8 * time.Second

// fenced is a database with two tables, some rows and a fence.
func (e *env) fenced(t *testing.T) (name string, db engine.DB, list []*schema.Table, release func() error) {
	t.Helper()
	name = e.create(t)
	db = e.reopen(t, name, "CREATE TABLE one (id {id}, n {int}){opts}", "CREATE TABLE two (id {id}, n {int}){opts}",
		"INSERT INTO one VALUES (1, 1)", "INSERT INTO two VALUES (1, 1), (2, 2)")
	list = tables(t, inspect(t, db), "one", "two")
	release, err := db.(engine.Fencer).Fence(deadline(t), list)
	if err != nil {
		t.Fatalf("fence: %v", err)
	}
	t.Cleanup(func() { _ = release() }) // the tests look at its error themselves
	return name, db, list, release
}

func (e *env) fence(t *testing.T) {
	t.Run("WritersWait", e.writersWait)
	t.Run("NoTables", func(t *testing.T) {
		release, err := e.open(t).(engine.Fencer).Fence(deadline(t), nil)
		if err != nil {
			t.Fatalf("fence: %v", err)
		}
		if err := release(); err != nil {
			t.Errorf("release: %v", err)
		}
	})
	t.Run("EndedContext", func(t *testing.T) {
		_, db, list, release := e.fenced(t)
		if err := release(); err != nil {
			t.Fatalf("release: %v", err)
		}
		ctx, cancel := context.WithCancel(deadline(t))
		again, err := db.(engine.Fencer).Fence(ctx, list)
		if err != nil {
			t.Fatalf("fence: %v", err)
		}
		cancel() // the fence holds beyond the call that set it
		if err := again(); err != nil {
			t.Errorf("release: %v", err)
		}
		if _, err := db.(engine.Fencer).Fence(ctx, list); !errors.Is(err, ctx.Err()) {
			t.Errorf("fence: %v, want %v", err, ctx.Err())
		}
	})
	t.Run("Renamed", e.renameFenced)
}

// renameFenced renames a database whose fence is held, with a writer waiting at it where its session can be ended: the
// fence is spared by the Evict and let go by the Rename.
func (e *env) renameFenced(t *testing.T) {
	name, db, _, release := e.fenced(t)
	evicter, evicts := e.server.(engine.Evicter)
	if evicts {
		writer, done := hold(t, connect(t, e.cfg), name)
		defer done()
		written := make(chan error, 1)
		go func() {
			_, err := writer.ExecContext(deadline(t), "UPDATE two SET n = 5")
			written <- err
		}()
		e.awaitWaiter(t, db)
		if err := evicter.Evict(deadline(t), name); err != nil {
			t.Fatalf("evict: %v", err)
		}
		if err := <-written; err == nil {
			t.Error("the writer's session was to be ended while it waited")
		}
	}
	closing(t, "database", db.Close)
	aside := e.cfg.NewName(t)
	e.removeLater(t, aside)
	if err := e.server.(engine.Renamer).Rename(deadline(t), engine.Move{From: name, To: aside}); err != nil {
		t.Fatalf("rename a fenced database: %v", err)
	}
	if err := release(); err != nil {
		t.Errorf("release: %v", err)
	}
	moved := e.reopen(t, aside)
	if n := number(t, moved, "SELECT sum(n) FROM two"); n != 3 {
		t.Errorf("a writer came through: the sum is %d, want 3", n)
	}
}

// writersWait lets a writer wait at a fence, reads and dumps beside it, and lets it go on.
func (e *env) writersWait(t *testing.T) {
	name, db, list, release := e.fenced(t)
	writer, done := hold(t, connect(t, e.cfg), name)
	defer done()
	written := make(chan error, 1)
	ctx := deadline(t)
	go func() {
		_, err := writer.ExecContext(ctx, "UPDATE two SET n = 5")
		written <- err
	}()
	e.awaitWaiter(t, db)

	begun := time.Now()
	reader, gone := hold(t, connect(t, e.cfg), name)
	if n := number(t, reader, "SELECT sum(n) FROM two"); n != 3 {
		t.Errorf("a reader beside the fence sees a sum of %d, want 3", n)
	}
	gone()
	v := view(t, db, 2)
	if n := v.Point().Readers; n != 2 {
		t.Errorf("a view beside the fence has %d readers, want 2: %+v", n, v.Point())
	}
	for range 2 {
		if n, err := v.Dump(ctx, io.Discard, list[1], engine.Range{}); n != 2 || err != nil {
			t.Errorf("dump beside the fence: %d rows, %v", n, err)
		}
	}
	closing(t, "view", v.Close)
	if took := time.Since(begun); took > prompt {
		t.Errorf("reading beside the fence took %v", took)
	}
	select {
	case err := <-written:
		t.Fatalf("a writer came through the fence: %v", err)
	default:
	}
	for range 2 {
		if err := release(); err != nil {
			t.Errorf("release: %v", err)
		}
	}
	if err := <-written; err != nil {
		t.Errorf("the writer after the release: %v", err)
	}
	if n := number(t, db, "SELECT sum(n) FROM two"); n != 10 {
		t.Errorf("after the release the sum is %d, want 10", n)
	}
}

// awaitWaiter waits until the server says that somebody waits for a lock of the database. SQLite cannot say.
func (e *env) awaitWaiter(t *testing.T, db engine.DB) {
	t.Helper()
	query := map[engine.Family]string{
		engine.Postgres: "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
		engine.MySQL:    "SELECT count(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND STATE LIKE 'Waiting for table%'",
		engine.MariaDB:  "SELECT count(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND STATE LIKE 'Waiting for table%'",
	}[e.family]
	for query != "" && number(t, db, query) == 0 {
	}
}

// startFenceInUse begins to fence a database in which a transaction has written, and gives what looks at the outcome.
func startFenceInUse(t *testing.T, cfg Config) (finish func()) {
	t.Helper()
	e := &env{cfg: cfg, server: connect(t, cfg)}
	e.family = e.server.Traits().Family
	name := e.create(t)
	db := e.reopen(t, name, "CREATE TABLE one (id {id}, n {int}){opts}", "CREATE TABLE two (id {id}, n {int}){opts}")
	fencer, ok := db.(engine.Fencer)
	if !ok {
		return func() {}
	}
	list := tables(t, inspect(t, db), "one", "two")
	writer, done := hold(t, connect(t, e.cfg), name)
	exec(t, writer, begin(e.family), "INSERT INTO two VALUES (1, 1)")
	// MySQL and MariaDB give no mark to a table that was changed in the second in which an open transaction began.
	for begun := second(t, db); begun == second(t, db) && begun != ""; {
	}
	refused := make(chan error, 1)
	ctx := deadline(t)
	go func() {
		_, err := fencer.Fence(ctx, list)
		refused <- err
	}()
	return func() {
		defer done()
		if err := <-refused; !errors.Is(err, engine.ErrInUse) {
			t.Errorf("fence beside a transaction that does not end: %v, want ErrInUse", err)
		}
		exec(t, writer, "INSERT INTO one VALUES (1, 1)", "COMMIT") // it was not harmed
		release, err := fencer.Fence(deadline(t), list)
		if err != nil {
			t.Fatalf("fence after the transaction has ended: %v", err)
		}
		if err := release(); err != nil {
			t.Errorf("release: %v", err)
		}
	}
}

// second is the server's own time on MySQL and MariaDB.
func second(t *testing.T, db engine.DB) (now string) {
	t.Helper()
	if db.Family() == engine.MySQL || db.Family() == engine.MariaDB {
		if err := db.QueryRowContext(deadline(t), "SELECT CAST(NOW() AS CHAR)").Scan(&now); err != nil {
			t.Fatalf("ask for the time: %v", err)
		}
	}
	return now
}
