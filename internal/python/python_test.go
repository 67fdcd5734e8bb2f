package python

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sample = `"""add users

Revision ID: 1
"""
from typing import Sequence, Union  # a comment with 'quotes
import x; y = 'after a semicolon'

revision: str = 'a1'
down_revision: Union[str, Sequence[str], None] = ("b",
    # between
    "c")
plain = "d" 'e'
joined = \
    'f'
bare = 'g', 'h'
one = ('i')
tuple_ = ('j',)
none: Union[str, None] = None
empty = []
n = 1_000
yes = True

class Migration(migrations.Migration):
    """revision = 'not this'
dependencies = 'nor this'
    """
    initial = True
    dependencies = [
        ("auth", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    if initial:
        dependencies = 1

    def f(self, x={'a': [1]}):
        replaces = []
        return x == 1

class Other: label = 'other'

late = r'\d' """
two \
lines\x41\u00e9"""
changed += 'x'
computed = [x for x in y]
sum = 'a' + 'b'
bytes = b'a'
filled = f'{a}'
dangling = (1
)
if late == 'x':
    inner = 1
late.attribute = 2
`

func TestParse(t *testing.T) {
	m, err := Parse(sample)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range m.Assignments {
		v, err := a.Value()
		if err != nil {
			v = err
		}
		got = append(got, fmt.Sprintf("%d %s.%s %#v", a.Line, a.Class, a.Name, v))
		if err != nil {
			got[len(got)-1] = fmt.Sprintf("%d %s.%s %v", a.Line, a.Class, a.Name, err)
		}
	}
	want := []string{
		`6 .y "after a semicolon"`,
		`8 .revision "a1"`,
		`9 .down_revision python.List{"b", "c"}`,
		`12 .plain "de"`,
		`13 .joined "f"`,
		`15 .bare python.List{"g", "h"}`,
		`16 .one "i"`,
		`17 .tuple_ python.List{"j"}`,
		`18 .none <nil>`,
		`19 .empty python.List{}`,
		`20 .n 1000`,
		`21 .yes true`,
		`27 Migration.initial true`,
		`28 Migration.dependencies python.List{python.List{"auth", "0001_initial"}, python.Call{Name:"migrations.swappable_dependency", Args:python.List{"settings.AUTH_USER_MODEL"}}}`,
		`41 .late "\\d\ntwo linesAé"`,
		`44 .changed line 44: changed is changed by +=, and only a plain value can be read`,
		`45 .computed line 45: "for" cannot be read, in the value of computed`,
		`46 .sum line 46: "+" cannot be read, in the value of sum`,
		`47 .bytes line 47: a text with the prefix b cannot be read, in the value of bytes`,
		`48 .filled line 48: a text with the prefix f cannot be read, in the value of filled`,
		`49 .dangling 1`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("assignments (-want +got):\n%s", diff)
	}
	if m.Doc != "add users\n\nRevision ID: 1\n" {
		t.Errorf("the doc is %q", m.Doc)
	}
	if diff := cmp.Diff([]Class{{"Migration", 23}, {"Other", 39}}, m.Classes); diff != "" {
		t.Errorf("classes (-want +got):\n%s", diff)
	}
}

func TestWindowsLines(t *testing.T) {
	m, err := Parse("\ufeff\"\"\"a\r\nb\"\"\"\r\nrevision = 'x'\r\nlist = [\r\n 1,\r\n]\r\n")
	if err != nil || m.Doc != "a\nb" || len(m.Assignments) != 2 || m.Assignments[1].Line != 4 {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestFind(t *testing.T) {
	m, err := Parse("a = 1\nb = 2\na = 3\n")
	if err != nil {
		t.Fatal(err)
	}
	if a, err := m.Find("", "c"); a != nil || err != nil {
		t.Errorf("c: %v, %v", a, err)
	}
	if _, err := m.Find("", "a"); err == nil || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("a: %v, want an error with its second line", err)
	}
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"a = 1\nb = 'x\n":       "line 2: a text that begins here does not end",
		"a = (1\n":              "ends inside",
		"a = 1)\n":              "closes nothing",
		"a = (1]\n":             "closes nothing",
		"a = 1 \\ 2":            "backslash",
		"a = '\\N{BULLET}'":     `\N`,
		"a = '\\x4'":            `\x`,
		"a = '\\uD800'":         `\uD800`,
		"\n\nx = '''never ends": "does not end",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample)
	f.Add("a = (,)\nb: c\nd: e = [1 2]\nf = .\ng = x.(1)")
	f.Add("a: b[0]=\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := Parse(text)
		if err != nil {
			return
		}
		for _, a := range m.Assignments {
			if a.Line < 1 || a.Line > 1+strings.Count(text, "\n") {
				t.Fatalf("%s is on line %d of %q", a.Name, a.Line, text)
			}
			_, _ = a.Value()
		}
	})
}
