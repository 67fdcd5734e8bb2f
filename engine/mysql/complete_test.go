package mysql_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/schema"
)

// library is a schema in which much depends on much. Its statements run in this order.
func library() []string {
	return []string{
		"CREATE TABLE author (id bigint NOT NULL AUTO_INCREMENT, `the \"name\"` varchar(50) NOT NULL DEFAULT 'a, (b', born date, born_year int GENERATED ALWAYS AS (year(born)) VIRTUAL, best bigint, PRIMARY KEY (id), KEY by_name (`the \"name\"`, born DESC)) COMMENT 'who, (writes)'",
		"CREATE TABLE book (id int NOT NULL AUTO_INCREMENT, by_id bigint, title varchar(90) CHARACTER SET latin1 COLLATE latin1_bin, kind enum('x','y,z') DEFAULT 'x', price decimal(8,2) DEFAULT 1.50, at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, PRIMARY KEY (id), UNIQUE KEY one (title, kind), KEY by_author (by_id), FULLTEXT KEY words (title), CONSTRAINT dear CHECK (price < 1000), CONSTRAINT writer FOREIGN KEY (by_id) REFERENCES author (id) ON DELETE CASCADE)",
		"ALTER TABLE author MODIFY best int, ADD KEY by_best (best), ADD CONSTRAINT best_book FOREIGN KEY (best) REFERENCES book (id) ON DELETE SET NULL",
		"CREATE TABLE `odd``table` (`a b` int NOT NULL, up int, PRIMARY KEY (`a b`), KEY up (up), CONSTRAINT `self up` FOREIGN KEY (up) REFERENCES `odd``table` (`a b`))",
		"CREATE TABLE parts (id int NOT NULL, n int, KEY n (n)) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)",
		"CREATE FUNCTION twice(n int) RETURNS int DETERMINISTIC RETURN n * 2",
		"CREATE PROCEDURE act() BEGIN SELECT 'é;'; SELECT 2; END",
		"CREATE VIEW z_dear AS SELECT id, by_id, price FROM book WHERE price > 100",
		"CREATE VIEW a_dear AS SELECT z.id, twice(z.price) AS p FROM z_dear z JOIN author a ON a.id = z.by_id",
		"CREATE TRIGGER first BEFORE INSERT ON book FOR EACH ROW SET NEW.price = NEW.price + 1",
		"CREATE TRIGGER another BEFORE INSERT ON book FOR EACH ROW FOLLOWS first SET NEW.price = NEW.price * 2",
		"CREATE EVENT sweep ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM book WHERE price = 0",
	}
}

// removals are steps away from the library; some need others to be done first, and are refused else.
func removals() []string {
	return []string{
		"ALTER TABLE author DROP FOREIGN KEY best_book", "ALTER TABLE book DROP FOREIGN KEY writer", "ALTER TABLE `odd``table` DROP FOREIGN KEY `self up`",
		"ALTER TABLE author DROP KEY by_name", "ALTER TABLE author DROP KEY by_best", "ALTER TABLE book DROP KEY one", "ALTER TABLE book DROP KEY by_author", "ALTER TABLE book DROP KEY words", "ALTER TABLE parts DROP KEY n",
		"ALTER TABLE book DROP CONSTRAINT dear", "ALTER TABLE author DROP COLUMN born_year", "ALTER TABLE book DROP COLUMN at", "ALTER TABLE author DROP COLUMN best", "ALTER TABLE parts DROP KEY n, DROP COLUMN n",
		"ALTER TABLE book DROP COLUMN id", "ALTER TABLE `odd``table` DROP PRIMARY KEY", "ALTER TABLE `odd``table` DROP KEY up, DROP COLUMN up", "ALTER TABLE book DROP KEY by_author, DROP COLUMN by_id",
		"DROP VIEW z_dear", "DROP VIEW a_dear", "DROP TRIGGER another", "DROP FUNCTION twice", "DROP PROCEDURE act", "DROP EVENT sweep", "DROP TABLE parts", "DROP TABLE `odd``table`", "DROP TABLE author", "DROP TABLE book",
	}
}

func completer(t testing.TB, s engine.Server) engine.Completer {
	t.Helper()
	c, ok := s.(engine.Completer)
	if !ok {
		t.Fatal("the server completes nothing")
	}
	return c
}

// Whatever a schema lacks of another, its completion is that other, and only adds; half of it can be completed again.
func TestCompleteAdds(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		want := slices.Clone(library())
		if strings.Contains(server.URL(""), "mariadb") {
			want = append(want, "CREATE SEQUENCE counter INCREMENT BY 3")
		}
		s := connectTo(t, server.URL(""))
		t.Cleanup(func() { s.Close() })
		full, drop := temporary(t, s, want)
		wanted := inspect(t, full).Objects
		drop()
		for round := range uint64(rounds) {
			t.Run(fmt.Sprint(round), func(t *testing.T) {
				completeRound(t, s, want, wanted, rand.New(rand.NewPCG(round, 1)))
			})
		}
	})
}

// rounds is how often something else is missing. Each round has its own number as the seed.
const rounds = 15

func completeRound(t *testing.T, s engine.Server, script []string, wanted []schema.Object, random *rand.Rand) {
	less, drop := temporary(t, s, script)
	defer drop()
	steps := removals()
	random.Shuffle(len(steps), func(i, k int) { steps[i], steps[k] = steps[k], steps[i] })
	steps = steps[:1+random.IntN(len(steps))]
	for _, step := range steps {
		// what another object still needs is refused, and stays
		if _, err := less.ExecContext(deadline(t), step); err != nil && strings.Contains(err.Error(), "syntax") {
			t.Fatalf("%s: %v", step, err)
		}
	}
	t.Logf("taken away by %s", strings.Join(steps, "; "))
	before := schema.Diff(inspect(t, less).Objects, wanted)
	statements, err := completer(t, s).Complete(before)
	if err != nil {
		t.Fatalf("complete: %v", err)
	}
	runAll(t, less, statements[:random.IntN(len(statements)+1)], before)
	middle := schema.Diff(inspect(t, less).Objects, wanted)
	if statements, err = completer(t, s).Complete(middle); err != nil {
		t.Fatalf("complete the half: %v", err)
	}
	runAll(t, less, statements, middle)
	if diff := schema.Diff(inspect(t, less).Objects, wanted); diff != nil {
		t.Fatalf("after %v\n%v", statements, diff)
	}
}

// temporary makes a database for one round, so that a thousand of them hold no thousand connections.
func temporary(t *testing.T, s engine.Server, statements []string) (db engine.DB, drop func()) {
	const name = "complete_round"
	if err := s.Create(deadline(t), name, nil); err != nil {
		t.Fatal(err)
	}
	db, err := s.Open(deadline(t), name)
	if err != nil {
		t.Fatal(err)
	}
	session, err := db.Session(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range statements {
		if _, err := session.ExecContext(deadline(t), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	if err := session.Close(); err != nil {
		t.Fatal(err)
	}
	return db, func() {
		if err := errors.Join(db.Close(), s.Drop(deadline(t), name)); err != nil {
			t.Error(err)
		}
	}
}

// runAll runs statements in one session. One that adds names only what was not there.
func runAll(t *testing.T, db engine.DB, list []engine.Completion, changes []schema.Change) {
	session, err := db.Session(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	for _, s := range list {
		if _, err := session.ExecContext(deadline(t), s.SQL); err != nil {
			t.Fatalf("%s: %v", s.SQL, err)
		}
		if strings.HasSuffix(s.SQL, ";") {
			t.Fatalf("%s ends in a semicolon", s.SQL)
		}
		for _, c := range changes {
			named := slices.Contains(s.Objects, c.Kind+" "+c.Name)
			if named && s.Adds && c.Old != "" && c.Kind != schema.KindColumnOrder {
				t.Fatalf("%s is said to add, and changes %v", s.SQL, c)
			}
		}
		if !s.Adds && !slices.ContainsFunc(changes, func(c schema.Change) bool { return c.Old != "" && slices.Contains(s.Objects, c.Kind+" "+c.Name) }) {
			t.Fatalf("%s is not said to add, and changes nothing that was there", s.SQL)
		}
	}
}

// Rows stay through a completion that adds.
func TestCompleteKeepsRows(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		s, less, _ := database(t, server, "CREATE TABLE t (id int NOT NULL PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
		_, full, _ := database(t, server, "CREATE TABLE t (first int NOT NULL, id int NOT NULL PRIMARY KEY, `last` varchar(5) NOT NULL DEFAULT 'x', UNIQUE KEY u (id, `last`))")
		list, err := completer(t, s).Complete(schema.Diff(inspect(t, less).Objects, inspect(t, full).Objects))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			if _, err := less.ExecContext(deadline(t), c.SQL); err != nil || !c.Adds {
				t.Fatalf("%+v: %v", c, err)
			}
		}
		rows := dump(t, less, tableOf(t, less, "t"))
		if want := []string{"0\t1\tx\n", "0\t2\tx\n"}; !slices.Equal(rows, want) {
			t.Errorf("rows are %q, want %q", rows, want)
		}
	})
}

func TestCompleteRefuses(t *testing.T) {
	s := connectTo(t, testdb.MariaDB(t).URL(""))
	t.Cleanup(func() { s.Close() })
	for name, changes := range map[string][]schema.Change{
		"a table whose text the server quotes wrongly": {{Kind: "table", Name: "t", New: ") ENGINE=InnoDB"}},
		"another engine's object":                      {{Kind: "policy", Name: "p.mine", New: "x"}},
		"a table without the order of its columns":     {{Kind: "table", Name: "t", New: "ENGINE=InnoDB"}, {Kind: "column", Name: "t.a", New: "`a` int"}},
		"a table without a column":                     {{Kind: "table", Name: "t", New: "ENGINE=InnoDB"}, {Kind: "column order", Name: "t", New: "a, b"}, {Kind: "column", Name: "t.a", New: "`a` int"}},
		"a function of unknown settings":               {{Kind: "function", Name: "f", New: "CREATE FUNCTION f() RETURNS int RETURN 1"}},
		"letters in another character set":             {{Kind: "function", Name: "f", New: "CREATE FUNCTION f() RETURNS text RETURN 'é'\nsql_mode \ncharacter_set_client latin1, collation_connection latin1_bin"}},
	} {
		if list, err := completer(t, s).Complete(changes); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v, %v, want ErrUnsupported", name, list, err)
		}
	}
}
