package enginetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"mulligan/engine"
	"mulligan/schema"
)

func (e *env) marks(t *testing.T) {
	e.other = connect(t, e.cfg)
	t.Run("Rename", e.marksOutliveRename)
	t.Run("Changes", e.marksShowChanges)
	t.Run("Unknown", func(t *testing.T) {
		db := e.open(t)
		if m := marks(t, db, []*schema.Table{{Name: schema.Name{Schema: "no", Table: "such"}, Kind: schema.KindTable}}); len(m) > 0 {
			t.Errorf("a table that does not exist has the mark %v", m)
		}
	})
}

func marks(t testing.TB, db engine.DB, list []*schema.Table) map[schema.Name]string {
	t.Helper()
	m, err := db.(engine.Marker).Marks(deadline(t), list)
	if err != nil {
		t.Fatalf("marks: %v", err)
	}
	return m
}

// settledMarks asks until each table has a mark: some engines give none for a moment after a change.
func settledMarks(t testing.TB, db engine.DB, list []*schema.Table) map[schema.Name]string {
	t.Helper()
	ctx := deadline(t)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		m := marks(t, db, list)
		if len(m) == len(list) {
			return m
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("only %d of %d tables get a mark: %v", len(m), len(list), m)
		}
	}
}

// write runs statements in a session of another client, and returns when it is gone.
func (e *env) write(t testing.TB, name string, statements ...string) {
	t.Helper()
	db, err := e.other.Open(deadline(t), name)
	if err != nil {
		t.Fatalf("open database %s: %v", name, err)
	}
	session, err := db.Session(deadline(t))
	if err != nil {
		t.Fatalf("session: %v", err)
	}
	exec(t, session, statements...)
	closing(t, "session", session.Close)
	closing(t, "database", db.Close)
	e.alone(t, name)
}

// alone waits until PostgreSQL has noticed that other clients have gone: it counts their rows then at the latest. As Rename does.
func (e *env) alone(t testing.TB, name string) {
	t.Helper()
	for ctx := deadline(t); e.family == engine.Postgres; {
		info, err := e.server.Stat(ctx, name)
		if err != nil {
			t.Fatalf("stat: %v", err)
		}
		if info.Sessions == 0 {
			return
		}
	}
}

func (e *env) marksOutliveRename(t *testing.T) {
	r, ok := e.server.(engine.Renamer)
	if !ok {
		return
	}
	name, free := e.create(t), e.cfg.NewName(t)
	e.removeLater(t, free)
	e.write(t, name, slices.Concat(family(), ledger(), []string{"INSERT INTO parent VALUES (1, 'p')",
		"INSERT INTO child VALUES (1, 1, 'c', NULL)", "INSERT INTO audit (note) VALUES ('a')"})...)
	look := func(name string, ask func(testing.TB, engine.DB, []*schema.Table) map[schema.Name]string) map[schema.Name]string {
		db, err := e.server.Open(deadline(t), name)
		if err != nil {
			t.Fatalf("open %s: %v", name, err)
		}
		defer closing(t, "database", db.Close)
		list := tables(t, inspect(t, db), "parent", "child", "audit", "migrations")
		m := ask(t, db, list)
		// Neither a view nor a look at the marks changes them.
		number(t, db, "SELECT count(*) FROM child")
		content(t, db, "parent")
		for n, mark := range marks(t, db, list) {
			if mark != m[n] {
				t.Errorf("table %s: the mark was %q, and after reading it is %q", n, m[n], mark)
			}
		}
		return m
	}
	before := look(name, settledMarks)
	if err := r.Rename(deadline(t), engine.Move{From: name, To: free}); err != nil {
		t.Fatalf("rename: %v", err)
	}
	after := look(free, marks)
	for n, mark := range before {
		if after[n] != mark {
			t.Errorf("table %s: the mark was %q, and after the rename it is %q", n, mark, after[n])
		}
	}
}

// writing is a way of changing rows: statements of one session, on tables that no other change touches.
type writing struct {
	name       string
	make       []string // with rows
	run        []string
	tables     []string // whose rows run changes
	noMarks    bool     // the engine may give none at all
	notOnThese []engine.Family
}

func writings(f engine.Family) []writing {
	one := func(name, table string, run ...string) writing {
		return writing{name: name, tables: []string{table}, run: run,
			make: []string{"CREATE TABLE " + table + " (id {id}, n {int}){opts}", "INSERT INTO " + table + " VALUES (1, 1), (2, 2)"}}
	}
	cascade := writing{
		name: "Cascade", tables: []string{"above", "below"}, run: []string{"DELETE FROM above WHERE id = 1"},
		make: []string{
			"CREATE TABLE above (id {id}){opts}",
			"CREATE TABLE below (id {id}, up {int}, CONSTRAINT below_up FOREIGN KEY (up) REFERENCES above (id) ON DELETE CASCADE){opts}",
			"INSERT INTO above VALUES (1), (2)", "INSERT INTO below VALUES (1, 1), (2, 2)",
		},
	}
	partitions := writing{
		name: "Partition", tables: []string{"parted"}, noMarks: f != engine.Postgres, notOnThese: []engine.Family{engine.SQLite},
		run: []string{"UPDATE parted SET n = 7 WHERE id = 15"},
		make: []string{
			"CREATE TABLE parted (id bigint NOT NULL PRIMARY KEY, n bigint) PARTITION BY RANGE (id) (PARTITION low VALUES LESS THAN (10), PARTITION high VALUES LESS THAN (20))",
			"INSERT INTO parted VALUES (1, 1), (15, 15)",
		},
	}
	switch f {
	case engine.SQLite:
		cascade.run = append([]string{"PRAGMA foreign_keys = ON"}, cascade.run...)
	case engine.Postgres:
		partitions.make = []string{
			"CREATE TABLE parted (id bigint PRIMARY KEY, n bigint) PARTITION BY RANGE (id)",
			"CREATE TABLE low PARTITION OF parted FOR VALUES FROM (0) TO (10)", "CREATE TABLE high PARTITION OF parted FOR VALUES FROM (10) TO (20)",
			"INSERT INTO parted VALUES (1, 1), (15, 15)",
		}
	case engine.MySQL, engine.MariaDB:
	}
	truncate := one("Truncate", "cut", "TRUNCATE TABLE cut")
	truncate.notOnThese = []engine.Family{engine.SQLite}
	list := []writing{
		one("Insert", "grown", "INSERT INTO grown VALUES (3, 3)"),
		one("Update", "turned", "UPDATE turned SET n = 9 WHERE id = 1"),
		one("Delete", "shrunk", "DELETE FROM shrunk WHERE id = 1"),
		one("Transaction", "mixed", begin(f), "INSERT INTO mixed VALUES (3, 3)", "DELETE FROM mixed WHERE id = 3", "UPDATE mixed SET n = 5", "COMMIT"),
		one("AddColumn", "wider", "ALTER TABLE wider ADD COLUMN more {int} DEFAULT 5"),
		truncate, cascade, partitions,
	}
	return slices.DeleteFunc(list, func(c writing) bool { return slices.Contains(c.notOnThese, f) })
}

// marksShowChanges makes each change on its own tables. All tables are made first, so that their marks settle together.
func (e *env) marksShowChanges(t *testing.T) {
	name, list, random := e.create(t), writings(e.family), randomTables()
	script := []string{"CREATE TABLE quiet (id {id}){opts}", "CREATE TABLE late (id {id}){opts}", "INSERT INTO quiet VALUES (1)", "INSERT INTO late VALUES (1)"}
	sure := append([]string{"quiet", "late"}, random...)
	for _, table := range random {
		script = append(script, "CREATE TABLE "+table+" (id {id}, n {int}){opts}", "INSERT INTO "+table+" VALUES (1, 1), (2, 2), (3, 3)")
	}
	for _, c := range list {
		script = append(script, c.make...)
		if !c.noMarks {
			sure = append(sure, c.tables...)
		}
	}
	e.write(t, name, script...)
	db := e.reopen(t, name)
	s := inspect(t, db)
	first := settledMarks(t, db, tables(t, s, sure...))

	t.Run("OpenTransaction", func(t *testing.T) {
		late := tables(t, s, "late")
		writer, release := hold(t, connect(t, e.cfg), name)
		exec(t, writer, begin(e.family), "INSERT INTO late VALUES (2)")
		before := marks(t, db, late)
		exec(t, writer, "COMMIT")
		release()
		e.alone(t, name)
		differ(t, before, marks(t, db, late), late)
	})
	try := func(t *testing.T, touched []*schema.Table, statements ...string) {
		before := first
		if e.family == engine.SQLite { // one mark for the whole file, which is long another
			before = settledMarks(t, db, touched)
		}
		e.write(t, name, statements...)
		differ(t, before, marks(t, db, touched), touched)
	}
	for _, c := range list {
		t.Run(c.name, func(t *testing.T) { try(t, tables(t, s, c.tables...), c.run...) })
	}
	t.Run("Random", func(t *testing.T) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		source := rand.New(rand.NewPCG(seed, 0))
		for some := range slices.Chunk(random, 5) {
			var statements []string
			for _, table := range some {
				statements = append(statements, randomChange(source, table))
			}
			try(t, tables(t, s, some...), statements...)
		}
	})
	if quiet := tables(t, s, "quiet"); e.family != engine.SQLite {
		if n := quiet[0].Name; marks(t, db, quiet)[n] != first[n] {
			t.Errorf("a table that nobody touched had the mark %q, and has %q", first[n], marks(t, db, quiet)[n])
		}
	}
}

func differ(t testing.TB, before, after map[schema.Name]string, list []*schema.Table) {
	t.Helper()
	for _, tb := range list {
		if mark := before[tb.Name]; mark != "" && mark == after[tb.Name] {
			t.Errorf("table %s was changed, and its mark is still %q", tb.Name, mark)
		}
	}
}

// randomTables are fifty tables, each for one change.
func randomTables() []string {
	names := make([]string, 50)
	for i := range names {
		names[i] = fmt.Sprintf("one%02d", i)
	}
	return names
}

// randomChange changes at least one of the rows 1 to 3, or adds one.
func randomChange(random *rand.Rand, table string) string {
	n := random.IntN(3) + 1
	all := []string{
		fmt.Sprintf("INSERT INTO %s VALUES (%d, %d)", table, n+3, n),
		fmt.Sprintf("UPDATE %s SET n = n + %d WHERE id = %d", table, n, n),
		fmt.Sprintf("UPDATE %s SET n = n + %d", table, n),
		fmt.Sprintf("DELETE FROM %s WHERE id = %d", table, n),
		fmt.Sprintf("DELETE FROM %s", table),
	}
	return all[random.IntN(len(all))]
}
