package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	for _, c := range []struct {
		name string
		in   string
		code int
		want []string // each is in the output
		last string
		not  string
	}{
		{
			name: "engines are counted by leaf tests",
			in: `{"Action":"start","Package":"mulligan/engine/mysql"}
{"Action":"run","Package":"mulligan/engine/mysql","Test":"TestMariaDB"}
{"Action":"run","Package":"mulligan/engine/mysql","Test":"TestMariaDB/dump"}
{"Action":"output","Package":"mulligan/engine/mysql","Test":"TestMariaDB/dump","Output":"noise\n"}
{"Action":"pass","Package":"mulligan/engine/mysql","Test":"TestMariaDB/dump"}
{"Action":"pass","Package":"mulligan/engine/mysql","Test":"TestMariaDB"}
{"Action":"pass","Package":"mulligan/engine/mysql","Test":"TestQuoting"}
{"Action":"output","Package":"mulligan/engine/mysql","Output":"ok\n"}
{"Action":"pass","Package":"mulligan/engine/mysql","Elapsed":1.5}
{"Action":"pass","Package":"mulligan/schema","Test":"TestName"}
{"Action":"pass","Package":"mulligan/schema","Elapsed":0.1}
`,
			want: []string{"ok    mulligan/engine/mysql  2 tests, 1.5s", "mysql              1       0", "mariadb            1       0", "no engine          1       0", "postgres           0       0"},
			last: "3 passed, 0 failed", not: "noise",
		},
		{
			name: "a failure is shown whole",
			in: `{"Action":"output","Package":"mulligan/a","Test":"TestGood","Output":"quiet\n"}
{"Action":"run","Package":"mulligan/a","Test":"TestBad"}
{"Action":"run","Package":"mulligan/a","Test":"TestBad/SQLite"}
{"Action":"pass","Package":"mulligan/a","Test":"TestGood"}
{"Action":"output","Package":"mulligan/a","Test":"TestBad/SQLite","Output":"    a_test.go:7: rows 3, want 4\n"}
{"Action":"fail","Package":"mulligan/a","Test":"TestBad/SQLite"}
{"Action":"fail","Package":"mulligan/a","Test":"TestBad"}
{"Action":"fail","Package":"mulligan/a","Elapsed":1}
`,
			code: 1, want: []string{"a_test.go:7: rows 3, want 4", "sqlite             0       1"}, last: "1 passed, 1 failed", not: "quiet",
		},
		{
			name: "a package that does not build",
			in: `{"ImportPath":"mulligan/a [mulligan/a.test]","Action":"build-output","Output":"a.go:1:1: no such thing\n"}
{"ImportPath":"mulligan/a [mulligan/a.test]","Action":"build-fail"}
{"Action":"output","Package":"mulligan/a","Output":"FAIL mulligan/a [build failed]\n"}
{"Action":"fail","Package":"mulligan/a","FailedBuild":"mulligan/a [mulligan/a.test]"}
{"Action":"pass","Package":"mulligan/b","Test":"TestGood"}
{"Action":"pass","Package":"mulligan/b"}
`,
			code: 1, want: []string{"a.go:1:1: no such thing", "1 packages failed outside their tests"}, last: "1 passed, 1 failed",
		},
		{
			name: "a test that did not end",
			in: `{"Action":"run","Package":"mulligan/a","Test":"TestHangs"}
{"Action":"output","Package":"mulligan/a","Test":"TestHangs","Output":"panic: test timed out\n"}
`,
			code: 1, want: []string{"TestHangs began and did not end", "panic: test timed out"}, last: "0 passed, 1 failed",
		},
		{
			name: "a parent that fails by itself",
			in: `{"Action":"run","Package":"mulligan/a","Test":"TestAll"}
{"Action":"run","Package":"mulligan/a","Test":"TestAll/one"}
{"Action":"pass","Package":"mulligan/a","Test":"TestAll/one"}
{"Action":"pass","Package":"mulligan/a","Test":"TestAll/two"}
{"Action":"output","Package":"mulligan/a","Test":"TestAll","Output":"left a server behind\n"}
{"Action":"fail","Package":"mulligan/a","Test":"TestAll"}
{"Action":"fail","Package":"mulligan/a"}
`,
			code: 1, want: []string{"left a server behind"}, last: "2 passed, 1 failed",
		},
		{
			name: "skipped tests are named",
			in: `{"Action":"output","Package":"mulligan/a","Test":"TestNone","Output":"    a_test.go:9: no fsync here\n"}
{"Action":"skip","Package":"mulligan/a","Test":"TestNone"}
{"Action":"pass","Package":"mulligan/a","Test":"TestGood"}
{"Action":"pass","Package":"mulligan/a"}
`,
			want: []string{"skipped: mulligan/a TestNone", "no fsync here"}, last: "1 passed, 0 failed",
		},
		{name: "nothing ran", in: "", code: 1, last: "0 passed, 0 failed"},
		{name: "what is no event", in: "go: no such module\n", code: 1, want: []string{"go: no such module"}, last: "0 passed, 0 failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, errs strings.Builder
			if code := run(strings.NewReader(c.in), &out, &errs); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			text := out.String()
			for _, w := range c.want {
				if !strings.Contains(text, w) {
					t.Errorf("the output lacks %q:\n%s", w, text)
				}
			}
			if c.not != "" && strings.Contains(text, c.not) {
				t.Errorf("the output holds %q:\n%s", c.not, text)
			}
			if !strings.HasSuffix(text, "\n"+c.last+"\n") {
				t.Errorf("the last line is not %q:\n%s", c.last, text)
			}
		})
	}
}

func TestEngineOf(t *testing.T) {
	for _, c := range []struct{ path, name, want string }{
		{"mulligan/engine/postgres", "TestDump/empty", "postgres"},
		{"mulligan/engine/mysql", "TestConformance/MariaDB/dump", "mariadb"},
		{"mulligan/rebuild", "TestRebuild/sqlite/goose", "sqlite"},
		{"mulligan/cmd/mulligan", "TestScript/postgres/story", "postgres"},
		{"mulligan/schema", "TestName", noEngine},
	} {
		if got := engineOf(c.path, c.name); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.path, c.name, got, c.want)
		}
	}
}
