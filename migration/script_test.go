package migration_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/migration"
)

func TestStatements(t *testing.T) {
	tests := []struct {
		name   string
		family engine.Family
		text   string
		want   []string
	}{
		{"empty", engine.Postgres, "", nil},
		{"only comments", engine.Postgres, "-- one; two\n/* three; */ ;;", nil},
		{"two", engine.Postgres, "SELECT 1; SELECT 2", []string{"SELECT 1", "SELECT 2"}},
		{"quotes", engine.Postgres, `INSERT INTO "a;b" VALUES ('c;''d;'); SELECT 2;`, []string{`INSERT INTO "a;b" VALUES ('c;''d;')`, "SELECT 2"}},
		{"backslash means itself", engine.Postgres, `SELECT '\'; SELECT 2`, []string{`SELECT '\'`, "SELECT 2"}},
		{"backslash escapes", engine.Postgres, `SELECT E'\';'; SELECT 2`, []string{`SELECT E'\';'`, "SELECT 2"}},
		{"name that ends in e", engine.Postgres, `SELECT some'\'; SELECT 2`, []string{`SELECT some'\'`, "SELECT 2"}},
		{"dollar quotes", engine.Postgres, "DO $x$ BEGIN; $$; END $x$; SELECT $1;", []string{"DO $x$ BEGIN; $$; END $x$", "SELECT $1"}},
		{"nested comment", engine.Postgres, "SELECT /* a /* ; */ ; */ 1; SELECT 2", []string{"SELECT /* a /* ; */ ; */ 1", "SELECT 2"}},
		{"body of SQL", engine.Postgres, "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END; SELECT 2",
			[]string{"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END", "SELECT 2"}},
		{"backslash on MySQL", engine.MySQL, `SELECT '\';', "\";"; SELECT 2`, []string{`SELECT '\';', "\";"`, "SELECT 2"}},
		{"hash comment", engine.MariaDB, "# a; b\nSELECT 1; SELECT 2--1;", []string{"SELECT 1", "SELECT 2--1"}},
		{"versioned comment is a statement", engine.MariaDB, "/*!40101 SET NAMES utf8 */; SELECT 1", []string{"/*!40101 SET NAMES utf8 */", "SELECT 1"}},
		{"trigger with IF", engine.MySQL, "CREATE TRIGGER t AFTER UPDATE ON a FOR EACH ROW BEGIN IF 1 THEN SELECT 1; END IF; CASE 1 WHEN 1 THEN SELECT 2; END CASE; END; SELECT 3",
			[]string{"CREATE TRIGGER t AFTER UPDATE ON a FOR EACH ROW BEGIN IF 1 THEN SELECT 1; END IF; CASE 1 WHEN 1 THEN SELECT 2; END CASE; END", "SELECT 3"}},
		{"transaction", engine.SQLite, "BEGIN; SELECT 1; END; SELECT 2", []string{"BEGIN", "SELECT 1", "END", "SELECT 2"}},
		{"trigger on SQLite", engine.SQLite, "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; SELECT 2; END; SELECT 3",
			[]string{"CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; SELECT 2; END", "SELECT 3"}},
		{"brackets", engine.SQLite, "SELECT [a;b]; SELECT `c;d`", []string{"SELECT [a;b]", "SELECT `c;d`"}},
		{"open quote", engine.SQLite, "SELECT 1; SELECT 'a; b", []string{"SELECT 1", "SELECT 'a; b"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, s := range migration.Statements(tt.family, tt.text) {
				got = append(got, s.Text)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("statements (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStatementLines(t *testing.T) {
	list := migration.Statements(engine.Postgres, "-- first\n\nSELECT 1;\n/* a\nb */ SELECT\n2;\nSELECT 3")
	var lines []int
	for _, s := range list {
		lines = append(lines, s.Line)
	}
	if diff := cmp.Diff([]int{3, 5, 7}, lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func FuzzStatements(f *testing.F) {
	f.Add("SELECT 'a;b'; -- c\nCREATE TRIGGER t BEGIN SELECT 1; END; $x$ ; $x$ /* /* ; */ */ `;` [;] E'\\''")
	f.Add("/*!1 ; */ # x\n;\"")
	f.Add("\u00a0")
	families := []engine.Family{engine.Postgres, engine.MySQL, engine.MariaDB, engine.SQLite}
	f.Fuzz(func(t *testing.T, text string) {
		for _, family := range families {
			end := 0
			for _, s := range migration.Statements(family, text) {
				if s.Text == "" || !strings.HasPrefix(text[s.Offset:], s.Text) {
					t.Fatalf("%s: statement %q is not at %d of %q", family, s.Text, s.Offset, text)
				}
				if s.Offset < end {
					t.Fatalf("%s: statement %q overlaps the one before", family, s.Text)
				}
				if want := 1 + strings.Count(text[:s.Offset], "\n"); s.Line != want {
					t.Fatalf("%s: statement %q is on line %d, not %d", family, s.Text, want, s.Line)
				}
				end = s.Offset + len(s.Text)
			}
		}
	})
}
