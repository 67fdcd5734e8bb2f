package atlas

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
)

func TestSplit(t *testing.T) {
	tests := []struct {
		name   string
		family engine.Family
		text   string
		want   []string // "line: statement"
	}{
		{"semicolons", engine.Postgres, "SELECT 1;\n\n-- c;\nSELECT ';';", []string{"1: SELECT 1", "4: SELECT ';'"}},
		{"delimiter", engine.Postgres, "-- atlas:delimiter -- end\nSELECT 1;\nSELECT 2;\n-- end\n\nSELECT 3\n-- end", []string{"2: SELECT 1;\nSELECT 2;", "6: SELECT 3"}},
		{"line breaks", engine.Postgres, "-- atlas:delimiter \\n\\n\nSELECT 1;\nSELECT 2;\n\n\n\nSELECT 3;\n", []string{"2: SELECT 1;\nSELECT 2;", "7: SELECT 3;"}},
		{"in quotes", engine.Postgres, "-- atlas:delimiter //\nSELECT '//', \"//\" // SELECT $$ // $$ // SELECT $a$ // $a$", []string{"2: SELECT '//', \"//\"", "2: SELECT $$ // $$", "2: SELECT $a$ // $a$"}},
		{"in parentheses", engine.SQLite, "-- atlas:delimiter |\nSELECT (1 | 2) | SELECT 3", []string{"2: SELECT (1 | 2)", "2: SELECT 3"}},
		{"in comments", engine.MySQL, "-- atlas:delimiter |\n# a | b\nSELECT 1 /* | */ -- |\n|", []string{"3: SELECT 1 /* | */ -- |"}},
		{"backslashes", engine.MySQL, "-- atlas:delimiter |\nSELECT '\\'|' | SELECT 2", []string{"2: SELECT '\\'|'", "2: SELECT 2"}},
		{"client command", engine.MySQL, "SELECT 1;\nDELIMITER //\nCREATE PROCEDURE p() BEGIN SELECT 1; END//\nDELIMITER ;\nSELECT 2;", []string{"1: SELECT 1", "3: CREATE PROCEDURE p() BEGIN SELECT 1; END", "5: SELECT 2"}},
		{"quoted client command", engine.MySQL, "delimiter '//'\nSELECT 1//", []string{"2: SELECT 1"}},
		{"comments before are not the delimiter", engine.Postgres, "-- x\n-- atlas:delimiter |\nSELECT 1;SELECT 2", []string{"3: SELECT 1", "3: SELECT 2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list, err := split(tt.family, tt.text)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range list {
				got = append(got, fmt.Sprintf("%d: %s", s.Line, s.Text))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("statements (-want +got):\n%s", diff)
			}
		})
	}
	for _, text := range []string{"-- atlas:delimiter |", "delimiter  \nSELECT 1"} {
		if list, err := split(engine.MySQL, text); err == nil {
			t.Errorf("%q: %v, want an error", text, list)
		}
	}
}

func TestTxMode(t *testing.T) {
	for text, want := range map[string]string{
		"SELECT 1":                                       "file",
		"-- atlas:txmode none\n\nSELECT 1":               "none",
		"-- atlas:txmode none\r\n\r\nSELECT 1":           "none",
		"-- a\n-- atlas:txmode file\n\t\nSELECT 1":       "file",
		"# atlas:txmode none\n\nSELECT 1":                "none",
		"-- atlas:txmode none\nSELECT 1":                 "file", // it belongs to the statement
		"-- atlas:txmode none":                           "none",
		"-- atlas:txmode all\n\n":                        "is not one",
		"-- atlas:txmode none\n-- atlas:txmode file\n\n": "twice",
	} {
		got, err := txMode(text)
		if err != nil {
			got = err.Error()
		}
		if got != want && (err == nil || !strings.Contains(got, want)) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestLockKey: 2686470616 is what Atlas makes of its lock's name on PostgreSQL.
func TestLockKey(t *testing.T) {
	if got := lockKey(); got != 2686470616 {
		t.Errorf("the key is %d", got)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("-- atlas:delimiter \\n\\n\nSELECT '1' -- c\n\n\nDELIMITER //\n$$ ( ) // $a$", "mysql")
	f.Add("SELECT 1;", "postgres")
	f.Fuzz(func(t *testing.T, text, family string) {
		_, _ = txMode(text)
		_ = readable(text)
		list, err := split(engine.Family(family), text)
		if err != nil {
			return
		}
		lines := strings.Split(text, "\n")
		for _, s := range list {
			first, _, _ := strings.Cut(s.Text, "\n")
			if s.Line < 1 || s.Line > len(lines) || !strings.Contains(lines[s.Line-1], strings.TrimSpace(first)) {
				t.Fatalf("statement %q is not on line %d of %q", s.Text, s.Line, text)
			}
		}
	})
}
