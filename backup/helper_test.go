package backup_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"mulligan/engine"
	"mulligan/engine/mysql"
	"mulligan/engine/postgres"
	"mulligan/engine/sqlite"
	"mulligan/internal/testdb"
	"mulligan/schema"
	"mulligan/store"
)

func TestMain(m *testing.M) { testdb.Main(m) }

func server(t *testing.T, u engine.URL) engine.Server {
	t.Helper()
	connect := map[engine.Family]func(context.Context, engine.URL) (engine.Server, error){
		engine.SQLite: sqlite.Connect, engine.Postgres: postgres.Connect, engine.MySQL: mysql.Connect, engine.MariaDB: mysql.Connect,
	}[u.Family()]
	s, err := connect(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// wrapped is a database that something happens to while it is copied.
type wrapped struct {
	engine.DB
	onView func() // before the view is opened
	onDump func() // before a dump
	size   int64  // of ranges; 0 = as asked for
}

func (w *wrapped) View(ctx context.Context, readers int) (engine.View, error) {
	if w.onView != nil {
		w.onView()
	}
	v, err := w.DB.View(ctx, readers)
	return &wrappedView{v, w}, err
}

type wrappedView struct {
	engine.View
	w *wrapped
}

func (v *wrappedView) Ranges(ctx context.Context, t *schema.Table, size int64) ([]engine.Range, error) {
	if v.w.size > 0 {
		size = v.w.size
	}
	return v.View.Ranges(ctx, t, size)
}

func (v *wrappedView) Dump(ctx context.Context, out io.Writer, t *schema.Table, r engine.Range) (int64, error) {
	if v.w.onDump != nil {
		v.w.onDump()
	}
	return v.View.Dump(ctx, out, t, r)
}

// cancelling is a store whose user interrupts when the manifest comes.
type cancelling struct {
	store.Store
	cancel context.CancelFunc
}

func (c *cancelling) Put(ctx context.Context, name string, r io.ReadSeeker) error {
	if strings.HasSuffix(name, "manifest.json") {
		c.cancel()
	}
	return c.Store.Put(ctx, name, r)
}
