package enginetest

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/schema"
)

// keeper is what a journal is to a load: it has the newest state, and may be where the process dies.
type keeper struct {
	states [][]byte
	dies   int // at this call, after the state is safe; 0 = never
}

var errDead = errors.New("enginetest: the process died")

func (k *keeper) keep(state []byte) error {
	k.states = append(k.states, slices.Clone(state))
	if len(k.states) == k.dies {
		return errDead
	}
	return nil
}

func (k *keeper) newest() []byte { return k.states[len(k.states)-1] }

// interrupted is a database with a load that is killed and taken up.
type interrupted struct {
	*env
	t       testing.TB
	name    string
	db      engine.DB
	loader  engine.Loader
	keeper  *keeper
	before  *schema.Schema
	numbers []schema.Sequence // that Finish is to set
	want    *undisturbed
}

// undisturbed is what a load leaves that nobody kills.
type undisturbed struct {
	rows      map[string][]string
	sequences []schema.Sequence
}

func (e *env) undisturbed(t testing.TB) *undisturbed {
	i := e.loaded(t, nil)
	finish(t, i.loader, i.numbers...)
	want := &undisturbed{rows: map[string][]string{}, sequences: inspect(t, i.db).Sequences}
	for _, name := range filled() {
		want.rows[name] = content(t, i.db, name)
	}
	return want
}

// filled are the tables that are loaded.
func filled() []string { return []string{"parent", "child", "counted"} }

func (e *env) resumable(t testing.TB, want *undisturbed) *interrupted {
	ddl := slices.Concat(family(), trigger(e.family), []string{
		"CREATE TABLE counted (id {auto}, note {key}){opts}",
		"INSERT INTO parent VALUES (70, 'seed')", "INSERT INTO counted (note) VALUES ('seed'), ('seed'), ('seed')",
	})
	i := &interrupted{env: e, t: t, name: e.create(t), keeper: &keeper{}, want: want}
	i.db = e.reopen(t, i.name, ddl...)
	exec(t, i.db, "DELETE FROM counted")
	i.before = inspect(t, i.db)
	for _, q := range i.before.Sequences {
		if q.Table != nil && q.Table.Table == "counted" {
			q.Value, q.Called = 41, true
			i.numbers = append(i.numbers, q)
		}
	}
	return i
}

// begin makes a loader; it goes on with the newest state where there is one.
func (i *interrupted) begin() error {
	o := &engine.LoadOptions{Keep: i.keeper.keep}
	if len(i.keeper.states) > 0 {
		o.State = i.keeper.newest()
	}
	var err error
	i.loader, err = i.db.Loader(deadline(i.t), tables(i.t, i.before, filled()...), o)
	return err
}

// restart is the end of one process and the begin of another, which takes the load up.
func (i *interrupted) restart() {
	i.t.Helper()
	if i.loader != nil {
		closing(i.t, "loader", i.loader.Close)
	}
	i.db = i.reopen(i.t, i.name)
	i.keeper.dies = 0
	if err := i.begin(); err != nil {
		i.t.Fatalf("take the load up: %v", err)
	}
}

func (i *interrupted) load(name string, rows ...string) {
	i.t.Helper()
	load(i.t, i.loader, table(i.t, i.before, name), rows)
}

func parents() []string  { return numberedBy("%d\tp%d", 1, 40) }
func children() []string { return numberedBy("%d\t%[1]d\tc%[1]d\t\\N", 1, 40) }
func counted() []string  { return numberedBy("%d\tn%d", 1, 9) }

func numberedBy(form string, from, to int) []string {
	var rows []string
	for i := from; i <= to; i++ {
		rows = append(rows, fmt.Sprintf(strings.ReplaceAll(form, "%d", "%[1]d"), i))
	}
	return rows
}

// whole finishes the load and looks whether it is what an undisturbed one leaves.
func (i *interrupted) whole() {
	t := i.t
	t.Helper()
	finish(t, i.loader, i.numbers...)
	after := inspect(t, i.db)
	if diff := schema.Diff(i.before.Objects, after.Objects); diff != nil {
		t.Errorf("the load changed the schema: %v", diff)
	}
	if diff := cmp.Diff(shape(i.before), shape(after)); diff != "" {
		t.Errorf("the load changed the tables (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(i.want.sequences, after.Sequences); diff != "" {
		t.Errorf("sequences (-undisturbed +after):\n%s", diff)
	}
	for _, name := range filled() {
		if diff := cmp.Diff(i.want.rows[name], content(t, i.db, name)); diff != "" {
			t.Errorf("rows of %s (-undisturbed +after):\n%s", name, diff)
		}
	}
	if n := number(t, i.db, "SELECT count(*) FROM audit"); n != 0 {
		t.Errorf("a trigger fired %d times while rows were loaded", n)
	}
	exec(t, i.db, "INSERT INTO child (id, parent_id, name) VALUES (900, 1, 'one more')")
	if n := number(t, i.db, "SELECT count(*) FROM audit"); n != 1 {
		t.Errorf("after Finish the trigger fired %d times for one row, want 1", n)
	}
}

func (i *interrupted) loadAll() {
	i.t.Helper()
	i.load("parent", parents()...)
	i.load("child", children()...)
	i.load("counted", counted()...)
}

// loaded is a load of which all rows are in, and that has not finished.
func (e *env) loaded(t testing.TB, want *undisturbed) *interrupted {
	t.Helper()
	i := e.resumable(t, want)
	if err := i.begin(); err != nil {
		t.Fatal(err)
	}
	i.loadAll()
	return i
}

// testResume kills loads and takes them up.
func testResume(t *testing.T, e *env) {
	want := e.undisturbed(t)
	t.Run("KilledBeforeAnythingIsOff", func(t *testing.T) { e.killedAtKeep(t, want, 1) })
	t.Run("KilledWhenAllIsOff", func(t *testing.T) { e.killedAtKeep(t, want, 2) })
	t.Run("KilledBeforeTheFirstRow", func(t *testing.T) {
		i := e.resumable(t, want)
		if err := i.begin(); err != nil {
			t.Fatal(err)
		}
		i.restart()
		i.loadAll()
		i.whole()
	})
	t.Run("KilledBetweenLoads", func(t *testing.T) { e.killedBetweenLoads(t, want) })
	t.Run("KilledBeforeFinish", func(t *testing.T) {
		i := e.loaded(t, want)
		i.restart()
		i.whole()
	})
	t.Run("KilledInFinish", func(t *testing.T) { e.killedInFinish(t, want) })
	t.Run("KilledAfterFinish", func(t *testing.T) {
		i := e.loaded(t, want)
		finish(t, i.loader, i.numbers...)
		i.restart()
		i.whole()
	})
	t.Run("EmptyAfterFinish", func(t *testing.T) {
		i := e.loaded(t, want)
		finish(t, i.loader, i.numbers...)
		i.restart()
		i.empty("parent")
		i.load("parent", parents()...)
		i.whole()
	})
	t.Run("FinishAgain", func(t *testing.T) { e.finishAgain(t, want) })
	t.Run("KeepFails", func(t *testing.T) {
		i := e.resumable(t, want)
		i.keeper.dies = 1
		if err := i.begin(); !errors.Is(err, errDead) {
			t.Fatalf("a loader whose state cannot be kept: %v, want the cause", err)
		}
		if diff := schema.Diff(i.before.Objects, inspect(t, i.db).Objects); diff != nil {
			t.Errorf("what could not be written down was taken off: %v", diff)
		}
		if n := number(t, i.db, "SELECT count(*) FROM parent"); n != 1 {
			t.Errorf("%d rows, want the one that was there", n)
		}
	})
	t.Run("DamagedState", func(t *testing.T) {
		i := e.resumable(t, want)
		i.keeper.states = [][]byte{[]byte(`{"ready": 7`)}
		if err := i.begin(); err == nil {
			t.Error("a state that is no JSON was taken")
		}
	})
	if e.family != engine.SQLite { // whose sessions end with their process
		t.Run("SessionsOfTheKilledEnd", func(t *testing.T) { e.sessionsEnd(t, want) })
	}
}

// killedAtKeep dies when the state was kept for the nth time: before or after the tables are made ready. Their rows are then none of
// the load's, and go.
func (e *env) killedAtKeep(t *testing.T, want *undisturbed, nth int) {
	i := e.resumable(t, want)
	i.keeper.dies = nth
	if err := i.begin(); !errors.Is(err, errDead) {
		t.Fatalf("loader: %v, want the death at call %d", err, nth)
	}
	i.loader = nil
	if nth == 2 {
		i.keeper.states = i.keeper.states[:1] // the second one was never written
	}
	i.restart()
	if n := number(t, i.db, "SELECT count(*) FROM parent"); n != 0 {
		t.Errorf("%d rows stayed that were no load's", n)
	}
	i.loadAll()
	i.whole()
}

func (e *env) killedBetweenLoads(t *testing.T, want *undisturbed) {
	i := e.resumable(t, want)
	if err := i.begin(); err != nil {
		t.Fatal(err)
	}
	i.load("parent", parents()[:25]...)
	i.load("child", "900\t\\N\twrong\t\\N", "901\t\\N\ttoo\t\\N")
	i.restart()
	if diff := cmp.Diff(slices.Sorted(slices.Values(parents()[:25])), content(t, i.db, "parent")); diff != "" {
		t.Errorf("rows after the kill (-loaded +there):\n%s", diff)
	}
	i.load("parent", parents()[25:30]...)
	i.restart()
	i.load("parent", parents()[30:]...)
	i.empty("child")
	i.load("child", children()...)
	i.load("counted", counted()...)
	i.whole()
}

func (i *interrupted) empty(name string) {
	i.t.Helper()
	if err := i.loader.Empty(deadline(i.t), table(i.t, i.before, name)); err != nil {
		i.t.Fatalf("empty table %s: %v", name, err)
	}
	if n := number(i.t, i.db, "SELECT count(*) FROM "+name); n != 0 {
		i.t.Errorf("empty left %d rows in table %s", n, name)
	}
}

// killedInFinish has a Finish that has built indexes and then meets an orphan.
func (e *env) killedInFinish(t *testing.T, want *undisturbed) {
	i := e.resumable(t, want)
	if err := i.begin(); err != nil {
		t.Fatal(err)
	}
	i.load("parent", parents()[1:]...)
	i.load("child", children()...)
	i.load("counted", counted()...)
	wantOrphan(t, i.loader.Finish(deadline(t), i.numbers))
	i.restart()
	wantOrphan(t, i.loader.Finish(deadline(t), i.numbers))
	i.restart()
	i.load("parent", parents()[0])
	i.whole()
}

func wantOrphan(t testing.TB, err error) {
	t.Helper()
	var found *engine.RowsError
	if !errors.As(err, &found) {
		t.Fatalf("finish with an orphan: %v, want a RowsError", err)
	}
	if diff := cmp.Diff([][]string{{"1"}}, found.Keys); diff != "" || found.Rows != 1 {
		t.Errorf("%d rows, keys (-want +got):\n%s", found.Rows, diff)
	}
}

// finishAgain mends what Finish has refused, in the same loader.
func (e *env) finishAgain(t *testing.T, want *undisturbed) {
	i := e.resumable(t, want)
	if err := i.begin(); err != nil {
		t.Fatal(err)
	}
	i.load("parent", parents()[1:]...)
	i.load("child", children()...)
	i.load("counted", counted()...)
	for range 2 {
		wantOrphan(t, i.loader.Finish(deadline(t), i.numbers))
	}
	i.load("parent", parents()[0])
	i.whole()
}

// sessionsEnd takes a load up while the server still works for the process that was killed.
func (e *env) sessionsEnd(t *testing.T, want *undisturbed) {
	i := e.resumable(t, want)
	if err := i.begin(); err != nil {
		t.Fatal(err)
	}
	i.load("counted", counted()...)
	reader, writer := io.Pipe()
	old, ended := i.loader, make(chan error, 1)
	go func() {
		tb := table(t, i.before, "child")
		_, err := old.Load(deadline(t), tb, tb.Stored(), reader)
		ended <- err
	}()
	long := strings.Repeat("long ", 60_000) // rows that some loader holds back until they are many
	for _, row := range children() {        // the last write returns when all before was read
		if _, err := io.WriteString(writer, strings.TrimSuffix(row, `\N`)+long+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { closing(t, "old loader", old.Close) })
	i.loader = nil
	i.restart()
	if n := number(t, i.db, "SELECT count(*) FROM child"); n != 0 {
		t.Errorf("%d rows of a load that was under way are there", n)
	}
	closing(t, "pipe", writer.Close)
	if err := <-ended; err == nil {
		t.Error("the load of the killed process came to its end")
	}
	i.load("parent", parents()...)
	i.load("child", children()...)
	i.whole()
}
