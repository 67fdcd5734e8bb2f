package sqlite

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	sqldriver "database/sql/driver"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func write(t interface{ Fatal(...any) }, v sqldriver.Value, c class) string {
	var b bytes.Buffer
	w := bufio.NewWriter(&b)
	if err := writeCell(w, v, c); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCells(t *testing.T) {
	for _, c := range []struct {
		value sqldriver.Value
		class class
		want  string
	}{
		{nil, classText, `\N`},
		{"plain", classText, "plain"},
		{"", classText, ""},
		{`\N`, classText, `\\t\\N`},
		{`a\b`, classText, `a\\b`},
		{"\b\f\n\r\t\v", classText, `\b\f\n\r\t\v`},
		{"plain", classInt, `\\tplain`},
		{"", classReal, `\\t`},
		{"\xff", classText, `\\uff`},
		{int64(-5), classInt, "-5"},
		{int64(math.MinInt64), classText, `\\i-9223372036854775808`},
		{0.1, classReal, "0.1"},
		{5.0, classInt, `\\r5`},
		{math.Inf(-1), classReal, "-inf"},
		{math.Copysign(0, -1), classReal, "-0"},
		{[]byte{}, classText, `\\x`},
		{[]byte{0, 255}, classInt, `\\x00ff`},
	} {
		got := write(t, c.value, c.class)
		if got != c.want {
			t.Errorf("%#v in a column of class %c is written %s, want %s", c.value, c.class, got, c.want)
		}
		back, err := readCell([]byte(got), c.class)
		if diff := cmp.Diff(c.value, back); err != nil || diff != "" {
			t.Errorf("%s is read %#v, %v", got, back, err)
		}
	}
}

// Every value comes back from its cell in a column of any class, and a cell never breaks its line.
func TestCellRoundTrip(t *testing.T) {
	values := rapid.OneOf(
		rapid.Map(rapid.Int64(), func(n int64) sqldriver.Value { return n }),
		rapid.Map(rapid.Float64(), func(f float64) sqldriver.Value { return f }),
		rapid.Map(rapid.String(), func(s string) sqldriver.Value { return s }),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) sqldriver.Value { return append([]byte{}, b...) }),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) sqldriver.Value { return string(b) }),
		rapid.Map(rapid.StringMatching(`[\\xirtuN.0-9\n\t]{0,6}`), func(s string) sqldriver.Value { return s }),
	)
	rapid.Check(t, func(r *rapid.T) {
		v, c := values.Draw(r, "value"), rapid.SampledFrom([]class{classText, classInt, classReal}).Draw(r, "class")
		cell := write(r, v, c)
		if strings.ContainsAny(cell, "\t\n") || !utf8.ValidString(cell) {
			r.Fatalf("the cell %q breaks its line", cell)
		}
		back, err := readCell([]byte(cell), c)
		if diff := cmp.Diff(v, back); err != nil || diff != "" {
			r.Fatalf("%q is read with error %v, and differs (-want +got):\n%s", cell, err, diff)
		}
	})
}

// FuzzReadCell: what is read without an error is written again as a cell that is read the same.
func FuzzReadCell(f *testing.F) {
	for _, cell := range []string{`\N`, `\\x00`, `\\i5`, `\\r1e5`, `\\ta`, `\\`, `\`, `\q`, `\\x0`, `\\q`, "5", "inf", "nan", "0x1p5", "1_0", "\xff", `\\uff`} {
		f.Add([]byte(cell), byte(0))
	}
	f.Fuzz(func(t *testing.T, cell []byte, kind byte) {
		c := []class{classText, classInt, classReal}[kind%3]
		v, err := readCell(bytes.Clone(cell), c)
		if err != nil {
			return
		}
		again, err := readCell([]byte(write(t, v, c)), c)
		if diff := cmp.Diff(v, again); err != nil || diff != "" {
			t.Errorf("%q is %#v and then %#v, %v", cell, v, again, err)
		}
	})
}

func TestAffinity(t *testing.T) {
	for declared, want := range map[string]class{
		"": classText, "TEXT": classText, "varchar(10)": classText, "CLOB": classText, "BLOB": classText, "INTEGER": classInt, "bigint": classInt,
		"POINT": classInt, "CHARINT": classInt, "REAL": classReal, "double precision": classReal, "FLOAT": classReal, "NUMERIC": classInt, "DATE": classInt,
		"BOOLEAN": classInt, "DECIMAL(10,5)": classInt, "STRING": classInt, "ANY": classText,
	} {
		if got := affinity(declared); got != want {
			t.Errorf("affinity of %q is %c, want %c", declared, got, want)
		}
	}
}

func TestLines(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	l := lineReader{r: bufio.NewReaderSize(strings.NewReader("a\n\n"+long+"\nlast\n"), 16)}
	for _, want := range []string{"a", "", long, "last"} {
		got, err := l.next()
		if err != nil || string(got) != want {
			t.Fatalf("line %.20q, %v, want %.20q", got, err, want)
		}
	}
	if _, err := l.next(); !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("at the end: %v, want io.EOF", err)
	}
	for _, text := range []string{"cut", "whole\ncut"} {
		l := lineReader{r: bufio.NewReader(strings.NewReader(text))}
		var err error
		for err == nil {
			_, err = l.next()
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: %v, want io.ErrUnexpectedEOF", text, err)
		}
	}
}
