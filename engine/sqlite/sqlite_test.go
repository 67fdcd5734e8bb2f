package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/engine/enginetest"
	"mulligan/engine/sqlite"
	"mulligan/schema"
)

func TestConformance(t *testing.T) {
	folder := t.TempDir()
	n := 0
	enginetest.Test(t, enginetest.Config{
		Connect: func(t testing.TB) engine.Server { return connect(t, filepath.Join(folder, "any.db")) },
		NewName: func(testing.TB) string {
			n++
			return filepath.Join(folder, fmt.Sprintf("db %d.db", n))
		},
	})
}

// walServer makes databases with a write-ahead log where nothing else is asked for.
type walServer struct{ *sqlite.Server }

func (s walServer) Create(ctx context.Context, name string, like *engine.Info) error {
	if like == nil {
		like = &engine.Info{Properties: map[string]string{"journal_mode": "wal"}}
	}
	return s.Server.Create(ctx, name, like)
}

func TestConformanceWAL(t *testing.T) {
	folder := t.TempDir()
	n := 0
	enginetest.Test(t, enginetest.Config{
		Connect: func(t testing.TB) engine.Server {
			return walServer{connect(t, filepath.Join(folder, "any.db")).(*sqlite.Server)}
		},
		NewName: func(testing.TB) string {
			n++
			return filepath.Join(folder, fmt.Sprintf("wal%d?#%%.db", n))
		},
	})
}

func connect(t testing.TB, path string) engine.Server {
	t.Helper()
	u, err := engine.ParseURL("sqlite:" + path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Connect(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// create makes a database in a new folder and runs a script in it.
func create(t testing.TB, script string) (engine.Server, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.db")
	s := connect(t, path)
	if err := s.Create(t.Context(), path, nil); err != nil {
		t.Fatal(err)
	}
	run(t, s, path, script)
	return s, path
}

func open(t testing.TB, s engine.Server, path string) engine.DB {
	t.Helper()
	db, err := s.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// run runs a script and leaves nobody connected.
func run(t testing.TB, s engine.Server, path, script string) {
	t.Helper()
	db, err := s.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	session, err := db.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(session.Script(t.Context(), script), session.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// shell is the sqlite3 program, an oracle that shares no code with the driver's Go.
func shell(t testing.TB, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Fatal("the sqlite3 shell is missing: apt-get install sqlite3")
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("sqlite3 %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// reload dumps every table and loads it into the same database again.
func reload(t testing.TB, db engine.DB) {
	t.Helper()
	s, err := db.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var list []*schema.Table
	var texts []string
	v, err := db.View(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	for i, tb := range s.Tables {
		if tb.Kind != schema.KindTable {
			continue
		}
		var b bytes.Buffer
		if _, err := v.Dump(t.Context(), &b, &s.Tables[i], engine.Range{}); err != nil {
			t.Fatal(err)
		}
		list, texts = append(list, &s.Tables[i]), append(texts, b.String())
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := db.Loader(t.Context(), list, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, tb := range list {
		if _, err := l.Load(t.Context(), tb, tb.Stored(), strings.NewReader(texts[i])); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Finish(t.Context(), s.Sequences); err != nil {
		t.Fatal(err)
	}
}

const everything = `
CREATE TABLE "Order.Items" (id INTEGER PRIMARY KEY AUTOINCREMENT, "a ""b" TEXT DEFAULT 'x', g AS (id * 2), s INT AS (id + 1) STORED);
CREATE INDEX z_first ON "Order.Items" ("a ""b" COLLATE NOCASE DESC);
CREATE VIEW betwixt AS SELECT id FROM "Order.Items";
CREATE TRIGGER instead INSTEAD OF INSERT ON betwixt BEGIN INSERT INTO "Order.Items" (id) VALUES (new.id); END;
CREATE TABLE strictly (a INT PRIMARY KEY, b ANY, c REAL CHECK (c > 0), d BLOB, e TEXT NOT NULL) STRICT;
CREATE INDEX partly ON strictly (b) WHERE b IS NOT NULL AND typeof(b) = 'integer';
CREATE INDEX expressly ON strictly (lower(e), c + 1);
CREATE TRIGGER two AFTER INSERT ON strictly WHEN new.a > 0 BEGIN INSERT INTO log VALUES ('two; ' || new.a); END;
CREATE TRIGGER one BEFORE UPDATE OF e ON strictly BEGIN SELECT RAISE(ABORT, 'no; not so'); END;
CREATE TABLE log (what);
CREATE TABLE no_rowid (k TEXT, v, "select" INTEGER, PRIMARY KEY (k, "select")) WITHOUT ROWID;
CREATE UNIQUE INDEX last ON no_rowid (v);
CREATE TABLE child (id INTEGER PRIMARY KEY, up REFERENCES "Order.Items" ON DELETE CASCADE, me INT REFERENCES child);
CREATE TABLE loose (a, b NUMERIC, c DATE, d BOOLEAN, e DATETIME, f "VARCHAR(10)", g FLOAT, h INT);
CREATE VIRTUAL TABLE notes USING fts5(body);
INSERT INTO notes VALUES ('some words');
INSERT INTO "Order.Items" (id, "a ""b") VALUES (1, 'one'), (5, NULL), (-7, '');
DELETE FROM "Order.Items" WHERE id = 5;
INSERT INTO strictly VALUES (1, 'text', 1.5, x'00ff', 'e'), (2, 5, 2, x'', ''), (3, x'31', 1e300, NULL, '\N'), (4, 2.0, 0.1, x'5c', char(9, 10, 13, 92));
INSERT INTO no_rowid VALUES ('k', 1, 1), ('k', '1', 2), ('', x'31', 3), ('z', NULL, 4);
INSERT INTO child VALUES (1, 1, 3), (2, NULL, 1), (3, -7, 3);
INSERT INTO loose VALUES (1, 1.5, '2024-02-29', 1, 1709251199, 'v', 3, '12abc'), (1.0, '1.5', 5, 'true', '2024-02-29 12:00:00', 5, '3', 1.5),
 (9e999, -9e999, x'', 0.5, NULL, '', -0.0, 9223372036854775807), ('1', '0x10', '5', '1', '5', '5', ' 3', -9223372036854775808), ('1', '0x10', '5', '1', '5', '5', ' 3', -9223372036854775808);
`

// The shell's dump of a database is the same before and after all its rows went out and in: rows, schema and the order of
// both. Tables without an integer key come back in the order they were dumped.
func TestShellDumpIsEqual(t *testing.T) {
	s, path := create(t, everything)
	before, places := shell(t, path, ".dump"), shell(t, path, "SELECT rowid, type, name, tbl_name, sql FROM sqlite_schema")
	db := open(t, s, path)
	reload(t, db)
	if diff := cmp.Diff(before, shell(t, path, ".dump")); diff != "" {
		t.Errorf("dump (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(places, shell(t, path, "SELECT rowid, type, name, tbl_name, sql FROM sqlite_schema")); diff != "" {
		t.Errorf("sqlite_schema (-before +after):\n%s", diff)
	}
	if got := shell(t, path, "PRAGMA integrity_check; PRAGMA foreign_key_check"); got != "ok\n" {
		t.Errorf("the shell's integrity check says %s", got)
	}
}

// What the shell does not print exactly (a zero byte, bytes that are no UTF-8) is compared by its bytes.
func TestStorageClassesAreExact(t *testing.T) {
	for _, encoding := range []string{"UTF-8", "UTF-16le"} {
		t.Run(encoding, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app.db")
			s := connect(t, path)
			if err := s.Create(t.Context(), path, &engine.Info{Properties: map[string]string{"encoding": encoding}}); err != nil {
				t.Fatal(err)
			}
			kinds := []string{"a", "a TEXT", "a INTEGER", "a REAL", "a NUMERIC", "a BLOB", "a DATE", "a BOOLEAN", "a DATETIME", "a TIMESTAMP"}
			values := []string{"NULL", "0", "-1", "9223372036854775807", "-9223372036854775808", "0.1", "1e300", "-0.0", "5.0", "9e999", "-9e999", "1e15", "123456789012345678",
				"''", "'0'", "'1.0'", "'abc'", "'\\'", "'\\N'", "'\\x31'", "'\\i5'", "'\\r1'", "'\\t'", "'\\u31'", "'inf'", "'nan'", "'2024-02-29'", "'2024-02-29 12:00:00'", "'true'",
				"char(0)", "'a' || char(0) || 'b'", "char(8, 9, 10, 11, 12, 13)", "char(128512)", "x''", "x'00'", "x'ff'", "x'31'", "zeroblob(100000)",
				"CAST(x'ff' AS TEXT)", "CAST(x'c3' AS TEXT)", "CAST(x'610061' AS TEXT)", "CAST(x'eda080' AS TEXT)"}
			var script strings.Builder
			script.WriteString("BEGIN;\n")
			for i, kind := range kinds {
				fmt.Fprintf(&script, "CREATE TABLE t%d (id INTEGER PRIMARY KEY, %s);\n", i, kind)
				for _, v := range values {
					fmt.Fprintf(&script, "INSERT INTO t%d (a) VALUES (%s);\n", i, v)
				}
			}
			run(t, s, path, script.String()+"COMMIT;")
			look := func() (out string) {
				for i := range kinds {
					out += shell(t, path, fmt.Sprintf("SELECT '%s', id, typeof(a), hex(CAST(a AS BLOB)), printf('%%!.20g', CASE typeof(a) WHEN 'real' THEN a END) FROM t%d", kinds[i], i))
				}
				return out
			}
			before := look()
			reload(t, open(t, s, path))
			if diff := cmp.Diff(before, look()); diff != "" {
				t.Errorf("values (-before +after):\n%s", diff)
			}
		})
	}
}

func TestInspectKnowsEverything(t *testing.T) {
	s, path := create(t, everything)
	got, err := open(t, s, path).Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, tb := range got.Tables {
		var columns []string
		for _, c := range tb.Columns {
			columns = append(columns, c.Name+":"+string(c.Identity))
			if c.Generated {
				columns[len(columns)-1] += "generated"
			}
		}
		list = append(list, fmt.Sprintf("%s|%s|%s|%s|%v", tb.Name, tb.Kind, tb.Storage, strings.Join(columns, " "), tb.Key))
	}
	want := []string{
		`"Order.Items"|table||id:auto a "b: g:generated s:generated|[id]`,
		"child|table||id:auto up: me:|[id]",
		"log|table||what:|[]",
		"loose|table||a: b: c: d: e: f: g: h:|[]",
		"no_rowid|table|without rowid|k: v: select:|[k select]",
		"notes|virtual||body:|[]",
		"strictly|table|strict|a: b: c: d: e:|[a]",
	}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
	var keys []string
	for _, o := range got.Objects {
		if o.Kind != "column" && o.Kind != schema.KindColumnOrder {
			keys = append(keys, o.Key())
		}
	}
	wantKeys := []string{
		`constraint "Order.Items".PRIMARY`, `constraint child."FOREIGN KEY (me) REFERENCES child"`,
		`constraint child."FOREIGN KEY (up) REFERENCES ""Order.Items"" ON DELETE CASCADE"`,
		"constraint child.PRIMARY", "constraint no_rowid.PRIMARY", `constraint strictly."CHECK (c > 0)"`, "constraint strictly.PRIMARY",
		"index \"Order.Items\".z_first", "index no_rowid.last", "index strictly.expressly", "index strictly.partly",
		"table \"Order.Items\"", "table child", "table log", "table loose", "table no_rowid", "table notes", "table strictly",
		"trigger betwixt.instead", "trigger strictly.one", "trigger strictly.two", "view betwixt",
	}
	if diff := cmp.Diff(wantKeys, keys); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	owner := schema.Name{Table: "Order.Items"}
	if diff := cmp.Diff([]schema.Sequence{{Name: owner, Table: &owner, Column: "id", Value: 5, Called: true}}, got.Sequences); diff != "" {
		t.Errorf("sequences (-want +got):\n%s", diff)
	}
}

// Letters beyond ASCII have no case in SQLite's names.
func TestParentsAreTheRightOnes(t *testing.T) {
	s, path := create(t, `CREATE TABLE "É" (id INTEGER PRIMARY KEY); CREATE TABLE "é" (id INTEGER PRIMARY KEY, up REFERENCES PARENT, other REFERENCES "é"); CREATE TABLE Parent (id INTEGER PRIMARY KEY)`)
	got, err := open(t, s, path).Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []schema.Name{{Table: "Parent"}, {Table: "é"}}
	if diff := cmp.Diff(want, got.Table(schema.Name{Table: "é"}).Parents); diff != "" {
		t.Errorf("parents (-want +got):\n%s", diff)
	}
}

// A database may hold virtual tables of a module that is not built in, and views of what is gone.
func TestInspectOutlivesStrangers(t *testing.T) {
	s, path := create(t, `CREATE TABLE some (id INTEGER PRIMARY KEY); CREATE VIEW broken AS SELECT * FROM some; DROP TABLE some; CREATE TABLE other (id);
		PRAGMA writable_schema = ON;
		INSERT INTO sqlite_schema VALUES ('table', 'strange', 'strange', 0, 'CREATE VIRTUAL TABLE strange USING nobody_has_this(a, b)');`)
	got, err := open(t, s, path).Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	strange := got.Table(schema.Name{Table: "strange"})
	if strange == nil || strange.Kind != schema.KindVirtual {
		t.Errorf("tables are %+v", got.Tables)
	}
}

func TestCreateLikeKeepsProperties(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	s := connect(t, path)
	want := map[string]string{"page_size": "8192", "encoding": "UTF-16be", "auto_vacuum": "1", "journal_mode": "wal", "application_id": "1234", "mode": "0640"}
	if err := s.Create(t.Context(), path, &engine.Info{Properties: want}); err != nil {
		t.Fatal(err)
	}
	info, err := s.Stat(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, info.Properties); diff != "" {
		t.Errorf("properties (-want +got):\n%s", diff)
	}
	if got := shell(t, path, "PRAGMA page_size; PRAGMA encoding; PRAGMA auto_vacuum; PRAGMA journal_mode; PRAGMA application_id"); got != "8192\nUTF-16be\n1\nwal\n1234\n" {
		t.Errorf("the shell sees %q", got)
	}
	if err := s.Create(t.Context(), path+"2", &engine.Info{Grants: []string{"GRANT ALL"}}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("create with grants: %v, want ErrUnsupported", err)
	}
	for key, value := range map[string]string{"encoding": "EBCDIC", "colour": "red", "mode": "rw-"} {
		other := filepath.Join(filepath.Dir(path), "other.db")
		if err := s.Create(t.Context(), other, &engine.Info{Properties: map[string]string{key: value}}); err == nil {
			t.Errorf("a database with %s=%s was made", key, value)
		}
		if left := files(t, filepath.Dir(path)); !slices.Equal(left, []string{"app.db"}) {
			t.Errorf("after a refused creation the folder holds %q", left)
		}
	}
}

// files lists a folder.
func files(t testing.TB, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Stat and Open look; they neither make nor change a file.
func TestLookingChangesNothing(t *testing.T) {
	s, path := create(t, "PRAGMA journal_mode = WAL; CREATE TABLE some (id)")
	before := files(t, filepath.Dir(path))
	for _, name := range []string{path, path + "x"} {
		if _, err := s.Stat(t.Context(), name); err != nil && !errors.Is(err, engine.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(before, files(t, filepath.Dir(path))); diff != "" {
		t.Errorf("files (-before +after):\n%s", diff)
	}
}
