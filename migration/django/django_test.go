package django_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/migration/command"
	"mulligan/migration/django"
	"mulligan/migration/migrationtest"
	"mulligan/schema"
)

func TestMain(m *testing.M) { testdb.Main(m) }

func TestLedger(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		migrationtest.Test(t, migrationtest.Config{
			Tool:    "django",
			Open:    func(t testing.TB) engine.DB { return open(t).DB },
			Ledger:  func(table schema.Name) migration.Ledger { return django.New("", table).Ledger },
			Files:   []migration.Migration{{ID: "polls.0001_initial"}, {ID: "polls.0002_it's"}, {ID: "größe.0001_日本"}, {ID: "store.0001"}},
			Renamed: true,
		})
	})
}

func list(t testing.TB, tool *migration.Tool) []migration.Migration {
	t.Helper()
	files, err := tool.Source.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func ids(files []migration.Migration) []string {
	var list []string
	for _, m := range files {
		list = append(list, string(m.ID))
	}
	return list
}

// order is that of the sample, as manage.py showmigrations --plan says it.
func order() []string {
	return []string{"store.0001_initial", "polls.0001_initial", "polls.0002_votes", "polls.0003_old_one_squashed_0004_old_two", "polls.0005_note", "store.0002_buyer"}
}

func environment(u engine.URL) []string {
	return []string{"PYTHONDONTWRITEBYTECODE=1", "DJANGO_URL=" + migrationtest.DriverURL(u, "postgresql", "mysql", "sqlite3://")}
}

// manage runs commands of the sample's manage.py; a comma stands between two.
func manage(t testing.TB, db testengine.Database, args ...string) string {
	t.Helper()
	python := migrationtest.Installed(t, "/usr/bin/python3", "/usr/lib/python3/dist-packages/django")
	out, err := migrationtest.RunIn(t, "testdata", environment(db.URL), python, append([]string{"manage.py"}, args...)...)
	if err != nil {
		t.Fatalf("manage.py %v: %v\n%s", args, err, out)
	}
	return out
}

// names are all rows of the ledger but those of Django's own apps.
func names(t testing.TB, db testengine.Database) []string {
	t.Helper()
	rows, err := migration.TableRows(t.Context(), db, schema.Name{Table: django.DefaultTable}, "")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, row := range rows {
		if row["app"] == "polls" || row["app"] == "store" {
			list = append(list, row["app"]+"."+row["name"])
		}
	}
	slices.Sort(list)
	return list
}

func columns(t testing.TB, db testengine.Database) []string {
	t.Helper()
	s, err := db.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.Tables {
		if s.Tables[i].Name.Table == django.DefaultTable {
			var list []string
			for _, c := range s.Tables[i].Columns {
				list = append(list, fmt.Sprintf("%s %s %t", c.Name, c.Type, c.Nullable))
			}
			return list
		}
	}
	t.Fatal("there is no ledger")
	return nil
}

// TestReal: Django's rows are ours, and Django agrees with what we mark.
func TestReal(t *testing.T) {
	tool := django.New("testdata", schema.Name{})
	files := list(t, tool)
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		theirs, ours := open(t), open(t)
		manage(t, theirs, "migrate")
		records, err := tool.Ledger.Records(t.Context(), theirs, files)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range migration.Compare(files, records) {
			if s.Verdict != migration.VerdictApplied || s.Records[0].At.IsZero() {
				t.Errorf("after manage.py migrate %s is %s, %+v", s.Migration.ID, s.Verdict, s.Records)
			}
		}
		if err := tool.Ledger.Create(t.Context(), ours); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(columns(t, theirs), columns(t, ours)); diff != "" {
			t.Errorf("the table that Django (-) and we (+) make:\n%s", diff)
		}
		manage(t, ours, "migrate", "auth")
		writes, err := tool.Ledger.Mark(t.Context(), ours, files, files)
		if err != nil {
			t.Fatal(err)
		}
		if err := migration.Execute(t.Context(), ours, writes); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(names(t, theirs), names(t, ours)); diff != "" {
			t.Errorf("the rows that Django (-) and we (+) write:\n%s", diff)
		}
		var want []string
		for _, id := range order() {
			want = append(want, "[X]  "+id)
		}
		out := manage(t, ours, "showmigrations", "--plan", ",", "migrate")
		var got []string
		for _, line := range strings.Split(out, "\n") {
			if strings.Contains(line, "] ") && (strings.Contains(line, "polls.") || strings.Contains(line, "store.")) {
				got = append(got, strings.TrimSuffix(line, " (2 squashed migrations)"))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("showmigrations --plan (-want +got):\n%s", diff)
		}
		if !strings.Contains(out, "No migrations to apply") {
			t.Errorf("after our marks Django says:\n%s", out)
		}
		migrationtest.SameRow(t, theirs, tool.Ledger, files[len(files)-1], files, "id", "applied")
		migrationtest.SameRow(t, theirs, tool.Ledger, files[3], files, "id", "applied")
	})
}

// TestMasked: Django bears no ledger that hides what others depend on, and says so; its own way stops it at each migration.
func TestMasked(t *testing.T) {
	python := migrationtest.Installed(t, "/usr/bin/python3", "/usr/lib/python3/dist-packages/django")
	tool := django.New("testdata", schema.Name{})
	files := list(t, tool)
	run := func(t *testing.T, db testengine.Database, o command.Options, to migration.ID) (string, error) {
		o.Command, o.Dir, o.Env, o.Source, o.Ledger = []string{python, "manage.py", "migrate"}, "testdata", environment(db.URL), tool.Source, tool.Ledger
		runner, err := command.New(o)
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		err = runner.Run(t.Context(), migration.Target{URL: db.URL, DB: db.DB}, to, &log)
		return log.String(), err
	}
	if out, err := run(t, testengine.SQLite(t), command.Options{}, files[1].ID); err == nil || !strings.Contains(out, "InconsistentMigrationHistory") {
		t.Errorf("a masked run: %v\n%s", err, out)
	}
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		db := open(t)
		stops := []int{3}
		if db.Family() == engine.SQLite {
			stops = []int{1, 4}
		}
		for _, n := range stops {
			if out, err := run(t, db, command.Options{Steps: django.Steps}, files[n].ID); err != nil {
				t.Fatalf("run to %s: %v\n%s", files[n].ID, err, out)
			}
			records, err := tool.Ledger.Records(t.Context(), db, files)
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range migration.Compare(files, records) {
				if want := map[bool]migration.Verdict{true: migration.VerdictApplied, false: migration.VerdictPending}[i <= n]; s.Verdict != want {
					t.Errorf("after a run to %s, %s is %s", files[n].ID, s.Migration.ID, s.Verdict)
				}
			}
		}
	})
}

// TestSteps: a migration that is applied is never taken back.
func TestSteps(t *testing.T) {
	all := []migration.Status{
		{Migration: migration.Migration{ID: "a.1"}, Verdict: migration.VerdictPending},
		{Migration: migration.Migration{ID: "b.1"}, Verdict: migration.VerdictPending},
		{Migration: migration.Migration{ID: "a.2"}, Verdict: migration.VerdictPending},
	}
	pending := []migration.Migration{{ID: "a.1"}, {ID: "b.1"}, {ID: "a.2"}}
	got, err := django.Steps([]string{"manage.py", "migrate"}, all, pending)
	if diff := cmp.Diff([][]string{{"manage.py", "migrate", "b", "1"}, {"manage.py", "migrate", "a", "2"}}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	all[2].Verdict = migration.VerdictApplied
	if _, err := django.Steps(nil, all, pending[:1]); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "a.2") {
		t.Errorf("%v, want an error that names a.2", err)
	}
}

// TestForeign: rows of apps that are not in the folder are nobody's orphans, and a file's absence is told.
func TestForeign(t *testing.T) {
	tool := django.New("testdata", schema.Name{})
	files := list(t, tool)
	db := testengine.SQLite(t)
	if err := tool.Ledger.Create(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	rows := func(text string) {
		for _, id := range strings.Fields(text) {
			app, name, _ := strings.Cut(id, ".")
			db.Exec(t, fmt.Sprintf("INSERT INTO django_migrations (app, name, applied) VALUES ('%s', '%s', '2024-01-02 03:04:05.000006')", app, name))
		}
	}
	verdicts := func() []string {
		records, err := tool.Ledger.Records(t.Context(), db, files)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range migration.Compare(files, records) {
			if s.Verdict != migration.VerdictPending {
				got = append(got, fmt.Sprintf("%s %s", s.Migration.ID, s.Verdict))
			}
		}
		return got
	}
	rows("auth.0001_initial polls.0001_initial polls.0009_gone polls.0003_old_one polls.0003_old_one_squashed_0004_old_two")
	if diff := cmp.Diff([]string{"polls.0001_initial applied", "polls.0009_gone orphan"}, verdicts()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	squash := files[3]
	if err := migration.Insert(t.Context(), db, tool.Ledger, squash, files); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"polls.0001_initial", "polls.0003_old_one", "polls.0003_old_one_squashed_0004_old_two", "polls.0004_old_two", "polls.0009_gone"}, names(t, db)); diff != "" {
		t.Errorf("rows after the mark (-want +got):\n%s", diff)
	}
	if err := migration.Insert(t.Context(), db, tool.Ledger, squash, files); !errors.Is(err, migration.ErrRecorded) {
		t.Errorf("Insert again: %v, want ErrRecorded", err)
	}
	if err := migration.Delete(t.Context(), db, tool.Ledger, squash, files); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"polls.0001_initial", "polls.0009_gone"}, names(t, db)); diff != "" {
		t.Errorf("rows after the unmark (-want +got):\n%s", diff)
	}
	rows("polls.0003_old_one polls.0004_old_two")
	if got := verdicts(); !slices.Contains(got, string(squash.ID)+" applied") {
		t.Errorf("all that it replaces is applied: %v", got)
	}
}

// write makes a project of files, with an __init__.py in each folder of migrations.
func write(t testing.TB, namesAndTexts ...string) string {
	t.Helper()
	dir := t.TempDir()
	put := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < len(namesAndTexts); i += 2 {
		name := namesAndTexts[i]
		put(name, namesAndTexts[i+1])
		if in := filepath.Dir(name); filepath.Base(in) == "migrations" && !strings.Contains(in, "namespace") {
			put(filepath.Join(in, "__init__.py"), "")
		}
	}
	return dir
}

func class(dependencies string) string {
	return "class Migration(migrations.Migration):\n    dependencies = [" + dependencies + "]\n"
}

func TestSource(t *testing.T) {
	files := list(t, django.New("testdata", schema.Name{}))
	if diff := cmp.Diff(order(), ids(files)); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if m := files[5]; m.Title != "buyer" || m.Path != filepath.Join("testdata", "shop", "migrations", "0002_buyer.py") || len(m.Hash) != 64 {
		t.Errorf("%+v", m)
	}
	dir := write(t,
		"zoo/migrations/0001_initial.py", class(""), "zoo/migrations/0002_second.py", class("('zoo', '0001_initial')"),
		"zoo/migrations/helper/x.py", "", "zoo/migrations/_helper.py", "", "zoo/migrations/notes.txt", "",
		"blog/migrations/0001_initial.py", class("migrations.swappable_dependency(settings.AUTH_USER_MODEL), ('auth', '0001_initial')"),
		"blog/migrations/data.py", "class Migration(migrations.Migration):\n    run_before = [('zoo', '0002_second'), ('admin', '0001_initial')]\n    dependencies = (('zoo', '__first__'),)\n",
		"people/migrations/0001_initial.py", class("('people', '__first__')"),
		"site/settings/base.py", "import os\nAUTH_USER_MODEL = 'people.User'\n", "site/settings/broken.py", "x = '",
		"venv/pyvenv.cfg", "", "venv/lib/auth/migrations/0001_initial.py", "this is no migration",
		".tox/x/migrations/0001_initial.py", "nor this", "namespace/migrations/0001_initial.py", "nor this")
	want := []string{"people.0001_initial", "blog.0001_initial", "zoo.0001_initial", "blog.data", "zoo.0002_second"}
	if diff := cmp.Diff(want, ids(list(t, django.New(dir, schema.Name{})))); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"zoo.0001_initial", "zoo.0002_second"}, ids(list(t, django.New(filepath.Join(dir, "zoo", "migrations"), schema.Name{})))); diff != "" {
		t.Errorf("one app's folder (-want +got):\n%s", diff)
	}
	if n, err := django.FileTool().Looks(dir); n != 5 || err != nil {
		t.Errorf("Looks: %d, %v", n, err)
	}
}

func TestRefused(t *testing.T) {
	const one = "a/migrations/0001_x.py"
	tests := []struct {
		name  string
		files []string
		want  []string
	}{
		{"no class", []string{one, "x = 1"}, []string{"0001_x.py", "no class Migration"}},
		{"code", []string{one, "class Migration(M):\n    dependencies = [first()]\n"}, []string{"0001_x.py", "line 2", "dependencies"}},
		{"changed", []string{one, "class Migration(M):\n    dependencies += []\n"}, []string{"0001_x.py", "line 2"}},
		{"no list", []string{one, "class Migration(M):\n    replaces = 'a'\n"}, []string{"0001_x.py", "line 2", "replaces"}},
		{"three parts", []string{one, class("('a', 'b', 'c')")}, []string{"0001_x.py"}},
		{"missing", []string{one, class("('a', '0000_gone')")}, []string{"0001_x.py", "a.0000_gone"}},
		{"itself", []string{one, class("('a', '0001_x')")}, []string{"0001_x.py"}},
		{"circle", []string{one, class("('b', '1')"), "b/migrations/1.py", class("('b', '2')"), "b/migrations/2.py", class("('a', '0001_x')")}, []string{"0001_x.py", "1.py", "2.py", "circle"}},
		{"two labels", []string{one, class(""), "x/a/migrations/0001_x.py", class("")}, []string{filepath.Join("x", "a"), "label a"}},
		{"label", []string{one, class(""), "a/apps.py", "class A(AppConfig):\n    label = x\n"}, []string{"apps.py", "line 2"}},
		{"none", []string{"a/x.py", ""}, []string{migration.ErrNone.Error()}},
	}
	for _, tt := range tests {
		_, err := django.New(write(t, tt.files...), schema.Name{}).Source.Migrations(t.Context())
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want an error with %q", tt.name, err, want)
			}
		}
	}
}
