package liquibase_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/migration/liquibase"
	"mulligan/migration/migrationtest"
	"mulligan/schema"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// ledger is one on an engine; the zero table is that engine's default.
func ledger(f engine.Family, table schema.Name) migration.Ledger {
	if table == (schema.Name{}) {
		table = liquibase.DefaultTable(f)
	}
	return liquibase.New("", "", table).Ledger
}

func TestLedger(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		family := open(t).Family()
		migrationtest.Test(t, migrationtest.Config{
			Tool:    "liquibase",
			Open:    func(t testing.TB) engine.DB { return open(t).DB },
			Ledger:  func(table schema.Name) migration.Ledger { return ledger(family, table) },
			Files:   []migration.Migration{{ID: "db/a.sql::1::ann"}, {ID: `db/a.sql::it's "2"::ann`}, {ID: "größe.xml::a::b::Bob B."}, {ID: "db/b.yaml::1::ann"}},
			Renamed: true,
		})
	})
}

// column is a column's name as an engine has it.
func column(f engine.Family, name string) string {
	if f == engine.Postgres {
		return strings.ToLower(name)
	}
	return name
}

func TestReplay(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		f := open(t).Family()
		tool := liquibase.New("testdata", "", liquibase.DefaultTable(f))
		hidden := []string{column(f, "DATEEXECUTED"), column(f, "DEPLOYMENT_ID")}
		migrationtest.Replay(t, open, tool, hidden, nil)
		db := open(t)
		migrationtest.Apply(t, tool, db, "")
		var email string
		if err := db.QueryRowContext(t.Context(), "SELECT email FROM users WHERE id = 2 AND name = 'two'").Scan(&email); err != nil || email != "b@example.org" {
			t.Errorf("the second user's address is %q, %v", email, err)
		}
	})
}

// TestRow: the row of a mark, column by column.
func TestRow(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		db := open(t)
		f := db.Family()
		l := ledger(f, schema.Name{})
		if err := l.Create(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		table := f.Table(l.Table())
		db.Exec(t, "INSERT INTO "+table+" (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, EXECTYPE, MD5SUM) VALUES ('0', 'x', 'classpath:old.xml', '2020-01-02 03:04:05', 41, 'EXECUTED', '9:00')")
		files := []migration.Migration{{ID: "old.xml::0::x"}, {ID: "db/a.sql::1::ann"}, {ID: "db/a.sql::2::ann"}}
		writes, err := l.Mark(t.Context(), db, files[1:], files)
		if err != nil {
			t.Fatal(err)
		}
		if err := migration.Execute(t.Context(), db, writes); err != nil {
			t.Fatal(err)
		}
		records, err := l.Records(t.Context(), db, files)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range migration.Compare(files, records) {
			if s.Verdict != migration.VerdictApplied || len(s.Records) != 1 || s.Records[0].At.IsZero() {
				t.Fatalf("%s is %s, %v", s.Migration.ID, s.Verdict, s.Records)
			}
			raw := s.Records[0].Raw
			if i > 0 {
				raw[column(f, "DATEEXECUTED")] = ""
				if len(raw[column(f, "DEPLOYMENT_ID")]) != 10 {
					t.Errorf("the deployment is %q, want 10 digits", raw[column(f, "DEPLOYMENT_ID")])
				}
				want := map[string]string{"ID": fmt.Sprint(i), "AUTHOR": "ann", "FILENAME": "db/a.sql", "ORDEREXECUTED": fmt.Sprint(41 + i), "EXECTYPE": "MARK_RAN", "DATEEXECUTED": "", "DEPLOYMENT_ID": raw[column(f, "DEPLOYMENT_ID")]}
				for k, v := range want {
					delete(want, k)
					want[column(f, k)] = v
				}
				if diff := cmp.Diff(want, raw); diff != "" {
					t.Errorf("the row of %s (-want +got):\n%s", s.Migration.ID, diff)
				}
			}
		}
		if err := migration.Delete(t.Context(), db, l, files[0], files); err != nil {
			t.Fatal(err)
		}
		if records, err := l.Records(t.Context(), db, files); err != nil || len(records) != 2 {
			t.Errorf("after the old record was taken away: %v, %v", records, err)
		}
	})
}

// TestStates: what EXECTYPE says.
func TestStates(t *testing.T) {
	db := testengine.SQLite(t)
	l := ledger(engine.SQLite, schema.Name{})
	if err := l.Create(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	want := map[migration.ID]migration.State{
		"f::EXECUTED::a": migration.Applied, "f::RERAN::a": migration.Applied, "f::MARK_RAN::a": migration.Applied, "f::FAILED::a": migration.Failed,
	}
	for id := range want {
		kind := strings.Split(string(id), "::")[1]
		db.Exec(t, "INSERT INTO DATABASECHANGELOG (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, EXECTYPE) VALUES ('"+kind+"', 'a', 'f', '2020-01-02 03:04:05', 1, '"+kind+"')")
	}
	records, err := l.Records(t.Context(), db, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := map[migration.ID]migration.State{}
	for _, r := range records {
		got[r.ID] = r.State
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	if err := migration.Insert(t.Context(), db, l, migration.Migration{ID: "f::FAILED::a"}, nil); err != nil {
		t.Fatal(err)
	}
	if records, err := l.Records(t.Context(), db, nil); err != nil || len(records) != 4 || migration.Position([]migration.Migration{{ID: "f::FAILED::a"}}, records) == "" {
		t.Errorf("a failed record that was marked: %v, %v", records, err)
	}
}

// TestLock: the row that Liquibase and we hold, in the form that old and new versions make it.
func TestLock(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		for _, old := range []bool{false, true} {
			db := open(t)
			f := db.Family()
			name := f.Ident(column(f, "DATABASECHANGELOGLOCK"))
			if old {
				kind := map[bool]string{true: "BIT(1)", false: "BOOLEAN"}[f == engine.MySQL || f == engine.MariaDB]
				db.Exec(t, "CREATE TABLE "+name+" (ID INTEGER NOT NULL PRIMARY KEY, LOCKED "+kind+" NOT NULL, LOCKGRANTED TIMESTAMP NULL, LOCKEDBY VARCHAR(255))",
					"INSERT INTO "+name+" (ID, LOCKED) VALUES (1, FALSE)")
			}
			lock := liquibase.New("", "", liquibase.DefaultTable(f)).Lock
			holder := func() string {
				t.Helper()
				who, err := lock.Holder(t.Context(), db)
				if err != nil {
					t.Fatal(err)
				}
				return who
			}
			s, err := db.Session(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if who := holder(); who != "" {
				t.Errorf("a lock that nobody holds is held by %s", who)
			}
			free, err := lock.Take(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			if who := holder(); !strings.Contains(who, "mulligan on ") || !strings.Contains(who, "since ") {
				t.Errorf("the holder is %q", who)
			}
			if _, err := lock.Take(t.Context(), s); !errors.Is(err, migration.ErrHeld) || !strings.Contains(err.Error(), "mulligan on ") {
				t.Errorf("Take again: %v, want ErrHeld with a name", err)
			}
			if err := free(t.Context()); err != nil || holder() != "" {
				t.Errorf("free: %v, the holder is %q", err, holder())
			}
			db.Exec(t, "UPDATE "+name+" SET LOCKED = TRUE, LOCKEDBY = 'ci-7 (10.0.0.7)'")
			if _, err := lock.Take(t.Context(), s); !errors.Is(err, migration.ErrHeld) || !strings.Contains(err.Error(), "ci-7") {
				t.Errorf("Take of Liquibase's: %v, want ErrHeld with its name", err)
			}
			if err := free(t.Context()); err != nil || holder() != "ci-7 (10.0.0.7)" {
				t.Errorf("freeing what is not ours: %v, the holder is %q", err, holder())
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// sampleIDs are the change sets of the sample in their order.
func sampleIDs() []string {
	return []string{
		"db/changelog/users.sql::create-users::ann line 3", "db/changelog/users.sql::2::ann line 8", "db/changelog/users.sql::two words::Bob B. line 12",
		"db/changelog/users.sql::4::bob line 14", "db/changelog/users.sql::5::bob line 20",
		"posts.sql::1::ann line 2", "moved/posts.sql::2::ann line 4", "db/changelog/more/below/raw.sql::raw::includeAll line 1",
		"db/other/tags.sql::1::eve line 2", "db/other/tags.sql::2::eve line 4",
	}
}

func ids(t testing.TB, dir, first string) []string {
	t.Helper()
	files, err := liquibase.New(dir, first, schema.Name{}).Source.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, m := range files {
		list = append(list, fmt.Sprintf("%s line %d", m.ID, m.Line))
	}
	return list
}

func TestSource(t *testing.T) {
	for _, first := range []string{"", "db/changelog/db.changelog-master.yaml", "classpath:/db/changelog/db.changelog-master.yaml"} {
		if diff := cmp.Diff(sampleIDs(), ids(t, "testdata", first)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", first, diff)
		}
	}
	if n, err := liquibase.FileTool().Looks(filepath.Join("testdata", "db", "changelog")); n != 2 || err != nil {
		t.Errorf("Looks: %d, %v", n, err)
	}
}

// TestForms: the same change sets in each form.
func TestForms(t *testing.T) {
	forms := map[string]string{
		"c.xml": `<!-- x --><databaseChangeLog logicalFilePath="app/c"><property name="a" value="b"/>
<changeSet id="1" author="ann"><createTable tableName="changeSet"><column name="changeSet"/></createTable></changeSet>
<changeSet id="007" author="bob" logicalFilePath="other"><sql>x</sql></changeSet></databaseChangeLog>`,
		"c.yaml": "databaseChangeLog:\n- logicalFilePath: app/c\n- changeSet:\n    id: 1\n    author: ann\n    changes:\n    - createTable: {tableName: a}\n- changeSet: {id: '007', author: bob, logicalFilePath: other}\n",
		"c.json": `{"databaseChangeLog": [{"logicalFilePath": "app/c"}, {"changeSet": {"id": 1, "author": "ann", "changes": [{"sql": {"sql": "x"}}]}}, {"preConditions": []}, {"changeSet": {"id": "007", "author": "bob", "logicalFilePath": "other"}}]}`,
		"c.sql":  "--liquibase formatted sql logicalFilePath:app/c\n--changeset ann:1\n--changeset bob:007 logicalFilePath:other\n",
	}
	for name, content := range forms {
		dir := migrationtest.Write(t, name, content)
		var got []string
		for _, id := range ids(t, dir, name) {
			got = append(got, id[:strings.Index(id, " line")])
		}
		if diff := cmp.Diff([]string{"app/c::1::ann", "other::007::bob"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestNumbers: an id that is written as a number in YAML is what Java makes of it.
func TestNumbers(t *testing.T) {
	dir := migrationtest.Write(t, "c.yml", `databaseChangeLog:
- changeSet: {id: 1.0, author: ann}
- changeSet: {id: 1.10, author: ann}
- changeSet: {id: 20240101120000, author: ann}
- changeSet: {id: -1, author: true}
`)
	want := []string{"c.yml::1.0::ann line 0", "c.yml::1.1::ann line 0", "c.yml::20240101120000::ann line 0", "c.yml::-1::true line 0"}
	if diff := cmp.Diff(want, ids(t, dir, "c.yml")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRefused(t *testing.T) {
	const root, end = "<databaseChangeLog>", "</databaseChangeLog>"
	tests := []struct {
		name, file, content string
		want                []string
	}{
		{"no id", "changelog.xml", root + "\n<changeSet author='a'/>" + end, []string{"changelog.xml", "line 2", "id"}},
		{"no author", "changelog.json", `{"databaseChangeLog": [{"changeSet": {"id": 1}}]}`, []string{"changelog.json", "change set 1"}},
		{"twice", "changelog.sql", "--liquibase formatted sql\n--changeset a:1\n--changeset a:1\n", []string{"changelog.sql::1::a"}},
		{"other root", "changelog.xml", "<project/>", []string{"changelog.xml", "project"}},
		{"cut", "changelog.xml", root, []string{"changelog.xml"}},
		{"no list", "changelog.yaml", "a: 1\n", []string{"changelog.yaml", "databaseChangeLog"}},
		{"no yaml", "changelog.yaml", "databaseChangeLog: [", []string{"changelog.yaml"}},
		{"no colon", "changelog.sql", "--liquibase formatted sql\n--changeset 1\n", []string{"changelog.sql", "line 2", "author:id"}},
		{"circle", "changelog.xml", root + "<include file='changelog.xml'/>" + end, []string{"changelog.xml includes changelog.xml"}},
		{"absent", "changelog.xml", root + "<include file='gone.sql'/>" + end, []string{"included by changelog.xml", "gone.sql"}},
		{"absent folder", "changelog.xml", root + "<includeAll path='gone'/>" + end, []string{"changelog.xml", "gone"}},
		{"parameter", "changelog.xml", root + "<include file='${dir}/a.sql'/>" + end, []string{"changelog.xml", "parameter"}},
		{"filter", "changelog.xml", root + "<includeAll path='a' filter='com.example.F'/>" + end, []string{"changelog.xml", "filter"}},
		{"form", "changelog.xml", root + "<include file='a.groovy'/>" + end, []string{"a.groovy"}},
		{"none", "x.sql", "", []string{migration.ErrNone.Error()}},
	}
	for _, tt := range tests {
		dir := migrationtest.Write(t, tt.file, tt.content, "a.groovy", "")
		_, err := liquibase.New(dir, "", schema.Name{}).Source.Migrations(t.Context())
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want an error with %q", tt.name, err, want)
			}
		}
	}
	two := migrationtest.Write(t, "changelog.xml", root+end, "master.sql", "")
	if _, err := liquibase.New(two, "", schema.Name{}).Source.Migrations(t.Context()); err == nil || !strings.Contains(err.Error(), "changelog.xml, master.sql") {
		t.Errorf("two first changelogs: %v, want an error that names both", err)
	}
}

// TestNotSQL: what only Liquibase can run is refused before anything is run.
func TestNotSQL(t *testing.T) {
	const first = "--liquibase formatted sql\n--changeset a:1\nCREATE TABLE a (id integer);\n--changeset a:2"
	for text, want := range map[string]string{
		first + " dbms:oracle\nSELECT 1;":  "dbms",
		first + " runWith:psql\nSELECT 1;": "runWith",
		first + "\n--preconditions onFail:MARK_RAN\n--precondition-sql-check expectedResult:0 SELECT 1": "preconditions",
		first + "\nSELECT ${x};": "parameters",
	} {
		db := testengine.SQLite(t)
		tool := liquibase.New(migrationtest.Write(t, "changelog.sql", text), "", schema.Name{})
		err := tool.Runner.Run(t.Context(), migration.Target{DB: db.DB}, "", io.Discard)
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "changelog.sql::2::a") {
			t.Errorf("%q: %v, want ErrUnsupported about %s", text, err, want)
		}
		if c := migrationtest.Content(t, db); strings.Contains(c, "CREATE TABLE a") {
			t.Errorf("something was run before:\n%s", c)
		}
	}
	dir := migrationtest.Write(t, "changelog.xml", "<databaseChangeLog><changeSet id='1' author='a'><tagDatabase tag='x'/></changeSet></databaseChangeLog>")
	db := testengine.SQLite(t)
	err := liquibase.New(dir, "", schema.Name{}).Runner.Run(t.Context(), migration.Target{DB: db.DB}, "", io.Discard)
	if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "not SQL") {
		t.Errorf("XML: %v, want ErrUnsupported", err)
	}
}

// TestFailure: a failure names the line in the file.
func TestFailure(t *testing.T) {
	text := "--liquibase formatted sql\n--changeset a:1\nCREATE TABLE a (id integer);\n--changeset a:2 endDelimiter:/\nCREATE TABLE b (id integer)\n/\n\nCREATE TABLE a (id integer)\n/\n"
	dir := migrationtest.Write(t, "changelog.sql", text)
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		stopped := migrationtest.Fails(t, liquibase.New(dir, "", liquibase.DefaultTable(open(t).Family())), open(t))
		if stopped.ID != "changelog.sql::2::a" || stopped.Line != 8 || !strings.HasPrefix(stopped.Statement, "CREATE TABLE a") {
			t.Errorf("the failure is of %s at line %d: %q", stopped.ID, stopped.Line, stopped.Statement)
		}
	})
}

func TestChanged(t *testing.T) {
	dir := migrationtest.Write(t, "changelog.sql", "--liquibase formatted sql\n--changeset a:1\nSELECT 1;\n")
	tool := liquibase.New(dir, "", schema.Name{})
	files, err := tool.Source.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "changelog.sql"), []byte("--liquibase formatted sql\n--changeset a:1\nSELECT 2;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if script, err := tool.Script(files[0]); err != nil || script.Parts[0].Text != "SELECT 1;\n" {
		t.Errorf("what is run is not what was listed: %v, %v", script, err)
	}
}
