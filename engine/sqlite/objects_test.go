package sqlite_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"mulligan/schema"
)

// bookshop is a schema with a little of everything. Names begin with n_, so that they can be told from keywords.
const bookshop = `CREATE TABLE n_author (n_id INTEGER PRIMARY KEY AUTOINCREMENT, n_name VARCHAR (100) NOT NULL DEFAULT 'it''s -- no comment', n_at TEXT DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE n_book (n_id INTEGER NOT NULL, n_by INT CONSTRAINT n_writer REFERENCES n_author (n_id) ON DELETE CASCADE, n_title TEXT COLLATE NOCASE UNIQUE,
	n_price DECIMAL (10, 2) DEFAULT - 1 CHECK (n_price > - 2 OR n_price IN (1, 2)), n_twice INT GENERATED ALWAYS AS (n_price * 2) STORED, n_raw BLOB DEFAULT x'AB',
	PRIMARY KEY (n_id, n_by DESC), CONSTRAINT n_cheap CHECK (n_price < 1000), FOREIGN KEY (n_by, n_id) REFERENCES n_other DEFERRABLE INITIALLY DEFERRED) WITHOUT ROWID;
CREATE UNIQUE INDEX n_one ON n_author (n_name COLLATE NOCASE, lower (n_at) DESC) WHERE n_name IS NOT NULL AND n_at <> '/* x */';
CREATE VIEW n_seen (n_a, n_b) AS SELECT n_id, n_name || ' "x" ' FROM n_author WHERE n_id BETWEEN 1 AND 5 ORDER BY n_name;
CREATE TRIGGER n_fire AFTER UPDATE OF n_name ON n_author FOR EACH ROW WHEN NEW.n_name <> OLD.n_name BEGIN UPDATE n_author SET n_at = 'now' WHERE n_id = NEW.n_id; SELECT 1; END;`

// scribble writes a script in another way that means the same: other white space, comments, quotes around names, case of keywords.
func scribble(r *rapid.T, script string) string {
	piece := regexp.MustCompile(`'(?:[^']|'')*'|n_\w+|\w+|[^\w\s]|\s+`)
	blanks := rapid.SampledFrom([]string{" ", "\n", "\t ", " /* it's, ( */ ", " -- \"odd\" )\n"})
	marks := rapid.SampledFrom([]string{"", `""`, "``", "[]"})
	return piece.ReplaceAllStringFunc(strings.ReplaceAll(script, "x'AB'", "x'ab'"), func(p string) string {
		switch {
		case p[0] == '\'':
			return p
		case strings.TrimSpace(p) == "":
			return blanks.Draw(r, "blank")
		case strings.HasPrefix(p, "n_"):
			if m := marks.Draw(r, "marks"); m != "" {
				return m[:1] + p + m[1:]
			}
			return p
		case p == "(" || p == ",":
			return rapid.SampledFrom([]string{p, " " + p + "\n"}).Draw(r, "sign")
		case p == strings.ToUpper(p) && rapid.Bool().Draw(r, "low"):
			return strings.ToLower(p)
		}
		return p
	})
}

// objectsOf makes a database by a script and gives its objects.
func objectsOf(t testing.TB, script string) []schema.Object {
	t.Helper()
	s, path := create(t, script)
	db, err := s.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	found, err := db.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return found.Objects
}

func TestWaysOfWritingAreNoDifference(t *testing.T) {
	want := objectsOf(t, bookshop)
	const wanted = 2 + 9 + 1 + 1 + 1 + 2 + 7 // tables, columns, index, view, trigger, orders, constraints
	if len(want) != wanted {
		t.Fatalf("%d objects, want %d: %v", len(want), wanted, want)
	}
	rapid.Check(t, func(r *rapid.T) {
		script := scribble(r, bookshop)
		if diff := schema.Diff(want, objectsOf(t, script)); diff != nil {
			r.Fatalf("%s\ndiffers: %v", script, diff)
		}
	})
}

// Each string and each number of the script counts, down to the case of a letter.
func TestLiteralsAreDifferences(t *testing.T) {
	want := objectsOf(t, bookshop)
	for _, change := range [][2]string{
		{"it''s -- no comment", "it''s --  no comment"}, {"it''s", "It''s"}, {"x'AB'", "x'AC'"}, {"DEFAULT - 1", "DEFAULT - 3"}, {"> - 2", "> 2"}, {"IN (1, 2)", "IN (1, 3)"},
		{"'/* x */'", "'/* y */'"}, {`' "x" '`, `' "X" '`}, {"BETWEEN 1 AND 5", "BETWEEN 1 AND 6"}, {"'now'", "'Now'"}, {"SELECT 1;", "SELECT 2;"}, {"(10, 2)", "(10, 3)"},
	} {
		script := strings.Replace(bookshop, change[0], change[1], 1)
		diff := schema.Diff(want, objectsOf(t, script))
		if real, _ := schema.Split(diff); script == bookshop || len(real) == 0 {
			t.Errorf("%s → %s makes no difference", change[0], change[1])
		}
	}
}

// SQLite takes a column's type to be any run of words and strings, and keeps a text of its own for a table made of a query.
func TestOddColumns(t *testing.T) {
	objects := objectsOf(t, `CREATE TABLE odd (a "my type" (3), b 'other' NOT NULL, c); CREATE TABLE derived AS SELECT 1 AS x, 'a' AS "y z"`)
	want := []string{`column derived."y z": no type`, "column derived.x: no type", "column odd.a: MY TYPE(3)", "column odd.b: OTHER NOT NULL", "column odd.c: no type"}
	var got []string
	for _, o := range objects {
		if o.Kind == "column" {
			got = append(got, o.Key()+": "+o.Def)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
}
