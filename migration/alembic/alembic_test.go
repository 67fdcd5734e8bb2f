package alembic_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/migration/alembic"
	"mulligan/migration/command"
	"mulligan/migration/migrationtest"
	"mulligan/schema"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// chain writes files whose revisions follow each other.
func chain(t testing.TB, revisions ...string) string {
	t.Helper()
	var files []string
	down := "None"
	for i, r := range revisions {
		files = append(files, fmt.Sprintf("%d_x.py", i), fmt.Sprintf("revision = %q\ndown_revision = %s\n", r, down))
		down = fmt.Sprintf("%q", r)
	}
	return migrationtest.Write(t, files...)
}

func list(t testing.TB, tool *migration.Tool) []migration.Migration {
	t.Helper()
	files, err := tool.Source.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestLedger(t *testing.T) {
	dir := chain(t, "ae1027a6acf", "it's", "größe", "d")
	files := list(t, alembic.New(dir, schema.Name{}))
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		migrationtest.Test(t, migrationtest.Config{
			Tool:      "alembic",
			Open:      func(t testing.TB) engine.DB { return open(t).DB },
			Ledger:    func(table schema.Name) migration.Ledger { return alembic.New(dir, table).Ledger },
			Files:     files,
			OneNumber: true,
			Renamed:   true,
		})
	})
}

// order is that of the sample's revisions: two branches that are merged, and one that begins for itself.
func order() []string { return []string{"a1", "a2", "b1", "c1", "m1", "x1", "z1"} }

// heads are what Alembic's ledger holds after each of them, and by its own word.
func heads() []string { return []string{"a1", "a2", "b1", "b1 c1", "m1", "m1 x1", "z1"} }

func address(u engine.URL) []string {
	return []string{"ALEMBIC_URL=" + migrationtest.DriverURL(u, "postgresql+psycopg2", "mysql+mysqldb", "sqlite:///")}
}

// run runs Alembic's commands in a copy of the sample.
func run(t testing.TB, db testengine.Database, steps ...string) string {
	t.Helper()
	python := migrationtest.Installed(t, "/usr/bin/python3", "/usr/lib/python3/dist-packages/alembic")
	args := append([]string{"-B", filepath.Join("testdata", "steps.py"), "testdata"}, steps...)
	out, err := migrationtest.RunIn(t, ".", address(db.URL), python, args...)
	if err != nil {
		t.Fatalf("alembic %v: %v\n%s", steps, err, out)
	}
	return strings.TrimSpace(out)
}

// rows are the heads that the ledger names.
func rows(t testing.TB, db testengine.Database) string {
	t.Helper()
	list, err := migration.TableRows(t.Context(), db, schema.Name{Table: alembic.DefaultTable}, "version_num")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, row := range list {
		names = append(names, row["version_num"])
	}
	return strings.Join(names, " ")
}

// ledgerTable describes the ledger's table without its rows.
func ledgerTable(t testing.TB, db testengine.Database) []string {
	t.Helper()
	var lines []string
	for _, line := range strings.Split(migrationtest.Content(t, db), "\n") {
		if strings.Contains(line, alembic.DefaultTable) {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestReal: after each step the ledger is what Alembic itself leaves, and Alembic agrees with it.
func TestReal(t *testing.T) {
	tool := alembic.New(filepath.Join("testdata", "versions"), schema.Name{})
	files := list(t, tool)
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		theirs, ours := open(t), open(t)
		var steps, want []string
		for i, r := range order() {
			steps, want = append(steps, "upgrade,"+r), append(want, "upgrade,"+r+" "+heads()[i])
		}
		if diff := cmp.Diff(strings.Join(want, "\n"), run(t, theirs, steps...)); diff != "" {
			t.Fatalf("what Alembic writes (-expected +seen):\n%s", diff)
		}
		if err := tool.Ledger.Create(t.Context(), ours); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ledgerTable(t, theirs), ledgerTable(t, ours)); diff != "" {
			t.Errorf("the table that Alembic (-) and we (+) make:\n%s", diff)
		}
		for i, m := range files {
			if err := migration.Insert(t.Context(), ours, tool.Ledger, m, files); err != nil {
				t.Fatal(err)
			}
			if got := rows(t, ours); got != heads()[i] {
				t.Errorf("after marking %s the ledger holds %s, with Alembic %s", m.ID, got, heads()[i])
			}
		}
		migrationtest.SameRow(t, theirs, tool.Ledger, files[len(files)-1], files)
		if got, want := run(t, ours, "current", "upgrade,heads"), "current says x1 (effective head) z1 (head)\nupgrade,heads z1"; got != want {
			t.Errorf("Alembic says %q, want %q", got, want)
		}
		if c := migrationtest.Content(t, ours); strings.Contains(c, "t_a1") {
			t.Errorf("Alembic ran what we marked:\n%s", c)
		}
		for i, m := range slices.Backward(files) {
			if err := migration.Delete(t.Context(), ours, tool.Ledger, m, files); err != nil {
				t.Fatal(err)
			}
			want := ""
			if i > 0 {
				want = heads()[i-1]
			}
			if got := rows(t, ours); got != want {
				t.Errorf("after unmarking %s the ledger holds %q, want %q", m.ID, got, want)
			}
		}
	})
}

// TestRealSteps: Alembic's own command is stopped at every revision, also where branches run side by side.
func TestRealSteps(t *testing.T) {
	python := migrationtest.Installed(t, "/usr/bin/python3", "/usr/lib/python3/dist-packages/alembic")
	dir := migrationtest.Copied(t)
	writeIni(t, dir)
	tool := alembic.New(filepath.Join(dir, "versions"), schema.Name{})
	files := list(t, tool)
	db := testengine.SQLite(t)
	runner, err := command.New(command.Options{
		Command: []string{python, "-B", "-m", "alembic.config", "upgrade", "heads"}, Dir: dir, Env: address(db.URL),
		Source: tool.Source, Ledger: tool.Ledger, Steps: alembic.Steps,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{3, 4, 6} {
		var log bytes.Buffer
		if err := runner.Run(t.Context(), migration.Target{URL: db.URL, DB: db.DB}, files[i].ID, &log); err != nil {
			t.Fatalf("run to %s: %v\n%s", files[i].ID, err, log.String())
		}
		if got := rows(t, db); got != heads()[i] {
			t.Errorf("after a run to %s the ledger holds %s, want %s", files[i].ID, got, heads()[i])
		}
	}
	if err := runner.Run(t.Context(), migration.Target{URL: db.URL, DB: db.DB}, "", &bytes.Buffer{}); err != nil {
		t.Errorf("run all: %v", err)
	}
	if _, err := alembic.Steps([]string{"sh", "migrate.sh"}, nil, files); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Steps of another command: %v, want ErrUnsupported", err)
	}
}

func writeIni(t testing.TB, dir string) {
	t.Helper()
	from := migrationtest.Write(t, "alembic.ini", "[alembic]\nscript_location = .\n")
	if out, err := migrationtest.RunIn(t, from, nil, "cp", "alembic.ini", dir); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// TestCannotMask: the ledger cannot hide a later revision without recording the wanted one, too.
func TestCannotMask(t *testing.T) {
	db := testengine.SQLite(t)
	tool := alembic.New(filepath.Join("testdata", "versions"), schema.Name{})
	runner, err := command.New(command.Options{Command: []string{"false"}, Source: tool.Source, Ledger: tool.Ledger})
	if err != nil {
		t.Fatal(err)
	}
	err = runner.Run(t.Context(), migration.Target{URL: db.URL, DB: db.DB}, "a2", &bytes.Buffer{})
	if !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, migration.ErrMarksAll) {
		t.Errorf("Run: %v, want ErrUnsupported for a ledger of heads", err)
	}
}

// TestMark: a call may mark several revisions, each after those it builds on, and none for granted.
func TestMark(t *testing.T) {
	tool := alembic.New(filepath.Join("testdata", "versions"), schema.Name{})
	files := list(t, tool)
	tests := []struct {
		rows, marks string
		want        error
		after       string
	}{
		{"", "a1", nil, "a1"},
		{"", "a1 a2 b1", nil, "b1"},
		{"", "a1 a2 b1 c1 m1", nil, "m1"},
		{"", "a1 a2 x1", nil, "x1"}, // x1 begins a branch, and depends on a2: its row stands for both
		{"x1", "b1", nil, "b1 x1"},
		{"", "a2", migration.ErrMarksAll, ""},
		{"", "a2 a1", migration.ErrMarksAll, ""},
		{"b1", "m1", migration.ErrMarksAll, "b1"},
		{"b1", "a1", migration.ErrRecorded, "b1"},
		{"m1", "z1", migration.ErrMarksAll, "m1"},
		{"m1 x1", "z1", nil, "z1"},
		{"z1", "c1", migration.ErrRecorded, "z1"},
	}
	db := testengine.SQLite(t)
	if err := tool.Ledger.Create(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		db.Exec(t, "DELETE FROM alembic_version")
		for _, r := range strings.Fields(tt.rows) {
			db.Exec(t, "INSERT INTO alembic_version VALUES ('"+r+"')")
		}
		var marks []migration.Migration
		for _, id := range strings.Fields(tt.marks) {
			marks = append(marks, files[migration.Index(files, migration.ID(id))])
		}
		writes, err := tool.Ledger.Mark(t.Context(), db, marks, files)
		if !errors.Is(err, tt.want) {
			t.Errorf("%q, mark %s: %v, want %v", tt.rows, tt.marks, err, tt.want)
			continue
		}
		if err := migration.Execute(t.Context(), db, writes); err != nil {
			t.Errorf("%q, mark %s: %v", tt.rows, tt.marks, err)
		}
		if got := rows(t, db); got != tt.after {
			t.Errorf("%q, mark %s: the ledger holds %q, want %q", tt.rows, tt.marks, got, tt.after)
		}
	}
}

// TestOrphan: a head that is no file's is told, and nothing is recorded beside it.
func TestOrphan(t *testing.T) {
	tool := alembic.New(chain(t, "a", "b"), schema.Name{})
	files := list(t, tool)
	db := testengine.SQLite(t)
	if err := tool.Ledger.Create(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	db.Exec(t, "INSERT INTO alembic_version VALUES ('gone')")
	records, err := tool.Ledger.Records(t.Context(), db, files)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range migration.Compare(files, records) {
		got = append(got, fmt.Sprintf("%s %s", s.Migration.ID, s.Verdict))
	}
	if diff := cmp.Diff([]string{"a pending", "b pending", "gone orphan"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := tool.Ledger.Mark(t.Context(), db, files[:1], files); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("Mark: %v, want an error that names the head", err)
	}
}

func TestSource(t *testing.T) {
	files := list(t, alembic.New(filepath.Join("testdata", "versions"), schema.Name{}))
	var got []string
	for _, m := range files {
		got = append(got, string(m.ID))
	}
	if diff := cmp.Diff(order(), got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if m := files[4]; m.Title != "merge likes and tags" || filepath.Base(m.Path) != "4_merge.py" || len(m.Hash) != 64 {
		t.Errorf("%+v", m)
	}
	if m := files[5]; m.Title != "begin the audit branch (one of 2 heads)" {
		t.Errorf("a head on which another only depends is not named: %+v", m)
	}
	fork := migrationtest.Write(t, "a.py", "revision='a'\ndown_revision=None", "b.py", "revision='b'\ndown_revision='a'",
		"c.py", `"""c"""`+"\nrevision='c'\ndown_revision='a'", "__init__.py", "", "env.txt", "")
	files = list(t, alembic.New(fork, schema.Name{}))
	if files[0].Title != "" || files[1].Title != "(one of 2 heads)" || files[2].Title != "c (one of 2 heads)" {
		t.Errorf("the heads of a fork are not named: %+v", files)
	}
	if n, err := alembic.FileTool().Looks(fork); n != 3 || err != nil {
		t.Errorf("Looks: %d, %v", n, err)
	}
}

func TestRefused(t *testing.T) {
	tests := []struct {
		name  string
		files []string
		want  []string
	}{
		{"no revision", []string{"a.py", "x = 1"}, []string{"a.py", "no revision"}},
		{"no parent's name", []string{"a.py", "revision = 'a'"}, []string{"a.py", "no down_revision"}},
		{"code", []string{"a.py", "\nrevision = make()\ndown_revision = None"}, []string{"a.py", "line 2", "revision"}},
		{"number", []string{"a.py", "revision = 'a'\ndown_revision = 3"}, []string{"a.py", "line 2", "down_revision"}},
		{"assigned twice", []string{"a.py", "revision = 'a'\nrevision = 'b'\ndown_revision = None"}, []string{"a.py", "line 2"}},
		{"syntax", []string{"a.py", "revision = 'a\n"}, []string{"a.py", "line 1"}},
		{"two files", []string{"a.py", "revision = 'a'\ndown_revision = None", "b.py", "revision = 'a'\ndown_revision = None"}, []string{"a.py", "b.py"}},
		{"two roots", []string{"a.py", "revision = 'a'\ndown_revision = None", "b.py", "revision = 'b'\ndown_revision = None"}, []string{"a.py", "b.py"}},
		{"missing parent", []string{"a.py", "revision = 'a'\ndown_revision = 'gone'"}, []string{"a.py", "gone"}},
		{"missing dependency", []string{"a.py", "revision = 'a'\ndown_revision = None\ndepends_on = 'label'"}, []string{"a.py", "label"}},
		{"circle", []string{
			"a.py", "revision = 'a'\ndown_revision = None", "b.py", "revision = 'b'\ndown_revision = ('a', 'd')",
			"c.py", "revision = 'c'\ndown_revision = 'b'", "d.py", "revision = 'd'\ndown_revision = 'c'",
		}, []string{"b.py", "c.py", "d.py", "circle"}},
		{"itself", []string{"a.py", "revision = 'a'\ndown_revision = 'a'"}, []string{"a.py", "circle"}},
		{"none", []string{"a.txt", ""}, []string{migration.ErrNone.Error()}},
	}
	for _, tt := range tests {
		_, err := alembic.New(migrationtest.Write(t, tt.files...), schema.Name{}).Source.Migrations(t.Context())
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want an error with %q", tt.name, err, want)
			}
		}
	}
}
