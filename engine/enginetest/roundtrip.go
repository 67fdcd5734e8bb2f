package enginetest

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"mulligan/engine"
)

// nastyTexts break one code or another that writes rows as lines.
func nastyTexts(f engine.Family) []string {
	texts := []string{
		"", " ", "  two spaces  ", "a\tb", "\t", "a\nb", "\n", "\n\n", "a\rb", "\r\n", "\r", `\`, `\\`, `\N`, `\.`, `\x6162`, `\n`,
		"NULL", "null", "'", `"`, "''", "`", `it's "quoted"`, "a;b", "-- no comment", "$1 ? :x %s", "{}", "{a,b}", "0", "-0", "1e5", "007", "+1", "1.50",
		"ünïcode", "日本語", "emoji 😀🏳️‍🌈", "\u2028\u2029", "\ufeffbom", "e\u0301", "\u00a0", "\U0010FFFF", "\x01\x02\x08\x0b\x0c\x1b\x7f", "\x1a",
		strings.Repeat("long ", 20_000), strings.Repeat("\\\t\n", 1000),
	}
	if f != engine.Postgres { // no NUL in a text there: PostgreSQL manual, "Character Types"
		texts = append(texts, "\x00", "a\x00b")
	}
	return texts
}

func allBytes() []byte {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	return all
}

// copyLine writes cells in COPY text form; nil is NULL. It is written apart from every adapter, as their judge.
func copyLine(f engine.Family, cells ...any) string {
	escape := strings.NewReplacer(`\`, `\\`, "\b", `\b`, "\f", `\f`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\v", `\v`)
	var out []string
	for _, c := range cells {
		switch c := c.(type) {
		case nil:
			out = append(out, `\N`)
		case []byte:
			out = append(out, fmt.Sprintf(`\\x%x`, c))
		case string:
			if f == engine.SQLite && strings.HasPrefix(c, `\`) {
				c = `\t` + c
			}
			out = append(out, escape.Replace(c))
		default:
			out = append(out, fmt.Sprint(c))
		}
	}
	return strings.Join(out, "\t")
}

// testLines holds the lines themselves against what docs/format.md says.
func testLines(t *testing.T, e *env) {
	db := e.open(t, "CREATE TABLE thing (id {id}, t {text}, b {blob}){opts}")
	var want []string
	add := func(id int64, text, blob any) {
		insert(t, db, "thing", id, text, blob)
		if b, ok := blob.([]byte); ok && b == nil {
			blob = nil
		}
		want = append(want, copyLine(e.family, id, text, blob))
	}
	for i, text := range nastyTexts(e.family) {
		if !strings.Contains(text, "\x00") {
			add(int64(i), text, []byte(text))
		}
	}
	add(1000, nil, nil)
	add(1001, "all bytes", allBytes())
	add(1002, "no bytes", []byte{})
	slices.Sort(want)
	if diff := cmp.Diff(want, content(t, db, "thing")); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func testRoundTrip(t *testing.T, e *env) {
	t.Run("Texts", func(t *testing.T) {
		e.roundTrip(t, "CREATE TABLE thing (id {id}, t {text}, k {key}, b {blob}){opts}", func(db engine.DB) {
			for i, text := range nastyTexts(e.family) {
				short := text
				if len(short) > 100 {
					short = ""
				}
				insert(t, db, "thing", int64(i), text, short, []byte(text))
			}
			insert(t, db, "thing", int64(1000), nil, nil, nil)
			insert(t, db, "thing", int64(1001), "", "", allBytes())
			insert(t, db, "thing", int64(1002), "", "", bytes.Repeat(allBytes(), 4000))
		})
	})
	t.Run("Numbers", func(t *testing.T) {
		e.roundTrip(t, "CREATE TABLE thing (id {id}, i {int}, f {float}){opts}", func(db engine.DB) {
			insert(t, db, "thing", int64(0), nil, nil)
			for i, n := range []int64{0, 1, -1, math.MaxInt32, math.MinInt64, math.MaxInt64, 1<<53 + 1} {
				insert(t, db, "thing", int64(i+1), n, nil)
			}
			for i, f := range []float64{0, math.Copysign(0, -1), 0.1, -0.1, 1.0 / 3, 1e22, 1e-7, 123456789.123456789,
				math.MaxFloat64, -math.MaxFloat64, 2.2250738585072014e-308, math.Pi, 1 << 53, 1<<53 + 2, 5e15, 1e15, 1e16, 1e17} {
				insert(t, db, "thing", int64(i+100), nil, f)
			}
		})
	})
	t.Run("Exotic", func(t *testing.T) {
		ddl, inserts := exotic(e.family)
		e.roundTrip(t, ddl, func(db engine.DB) { exec(t, db, inserts...) })
	})
	t.Run("Generated", func(t *testing.T) {
		const ddl = "CREATE TABLE thing (id {id}, g {int} GENERATED ALWAYS AS (a + 1) STORED, a {int}){opts}"
		e.roundTrip(t, ddl, func(db engine.DB) {
			exec(t, db, "INSERT INTO thing (id, a) VALUES (1, 1), (2, NULL), (3, -5)")
		})
	})
	t.Run("Keyless", func(t *testing.T) {
		e.roundTrip(t, "CREATE TABLE thing (a {int}, b {text}){opts}", func(db engine.DB) {
			exec(t, db, "INSERT INTO thing VALUES (1, 'a'), (1, 'a'), (1, 'a'), (NULL, NULL), (NULL, NULL), (2, '')")
		})
	})
	t.Run("Names", func(t *testing.T) {
		for _, n := range nastyNames(e.family) {
			q := e.family.Ident(n)
			e.roundTripTable(t, n, "CREATE TABLE "+q+" (id {id}, "+q+" {text}){opts}", func(db engine.DB) {
				insert(t, db, n, int64(1), n)
			})
		}
	})
	t.Run("Random", e.random)
}

func (e *env) roundTrip(t *testing.T, ddl string, write func(engine.DB)) {
	t.Helper()
	e.roundTripTable(t, "thing", ddl, write)
}

// roundTripTable fills a table, dumps it, loads that elsewhere and compares twice: the lines,
// and what the engine's own driver reads.
func (e *env) roundTripTable(t *testing.T, name, ddl string, write func(engine.DB)) {
	t.Helper()
	source, target := e.open(t, ddl), e.open(t, ddl)
	write(source)
	want := content(t, source, name)
	if len(want) == 0 {
		t.Fatal("the source has no rows")
	}
	e.reload(t, target, name, want)
	if diff := cmp.Diff(want, content(t, target, name)); diff != "" {
		t.Errorf("lines (-source +target):\n%s", diff)
	}
	if diff := cmp.Diff(driverRows(t, source, name), driverRows(t, target, name)); diff != "" {
		t.Errorf("rows as the driver reads them (-source +target):\n%s", diff)
	}
}

// reload replaces a table's rows.
func (e *env) reload(t testing.TB, db engine.DB, name string, rows []string) {
	t.Helper()
	list := tables(t, inspect(t, db), name)
	l, err := db.Loader(deadline(t), list, nil)
	if err != nil {
		t.Fatalf("loader: %v", err)
	}
	defer closing(t, "loader", l.Close)
	load(t, l, list[0], rows)
	finish(t, l)
}

// driverRows reads a table by SELECT *, each row as one text with the Go types of its cells.
func driverRows(t testing.TB, db engine.Querier, name string) []string {
	t.Helper()
	rows, err := db.QueryContext(deadline(t), "SELECT * FROM "+db.Family().Ident(name))
	if err != nil {
		t.Fatalf("select from %s: %v", name, err)
	}
	defer closing(t, "rows", rows.Close)
	columns, err := rows.Columns()
	if err != nil {
		t.Fatalf("columns of %s: %v", name, err)
	}
	var list []string
	for rows.Next() {
		cells, places := make([]any, len(columns)), make([]any, len(columns))
		for i := range cells {
			places[i] = &cells[i]
		}
		if err := rows.Scan(places...); err != nil {
			t.Fatalf("scan %s: %v", name, err)
		}
		list = append(list, fmt.Sprintf("%#v", cells))
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("rows of %s: %v", name, err)
	}
	slices.Sort(list)
	return list
}

// random is the property: any rows go out and come back as they were.
func (e *env) random(t *testing.T) {
	const ddl = "CREATE TABLE thing (id {int}, t {text}, b {blob}, f {float}){opts}"
	source, target := e.open(t, ddl), e.open(t, ddl)
	letters := rapid.Rune()
	if e.family == engine.Postgres {
		letters = letters.Filter(func(r rune) bool { return r != 0 })
	}
	letters = letters.Filter(utf8.ValidRune)
	cell := rapid.Custom(func(r *rapid.T) []any {
		row := []any{
			rapid.Int64().Draw(r, "int"), rapid.StringOf(letters).Draw(r, "text"),
			rapid.SliceOf(rapid.Byte()).Draw(r, "blob"), rapid.Float64Range(-1e300, 1e300).Draw(r, "float"),
		}
		for i := range row {
			if rapid.IntRange(0, 5).Draw(r, "null") == 0 {
				row[i] = nil
			}
		}
		return row
	})
	rapid.Check(t, func(r *rapid.T) {
		exec(t, source, "DELETE FROM thing")
		rows := rapid.SliceOfN(cell, 1, 8).Draw(r, "rows")
		for _, row := range rows {
			insert(t, source, "thing", row...)
		}
		want := content(t, source, "thing")
		if len(want) != len(rows) {
			r.Fatalf("%d lines for %d rows", len(want), len(rows))
		}
		e.reload(t, target, "thing", want)
		if diff := cmp.Diff(driverRows(t, source, "thing"), driverRows(t, target, "thing")); diff != "" {
			r.Fatalf("rows (-source +target):\n%s", diff)
		}
	})
}

// exotic is a table of the types that only one family has, and rows with their edges.
func exotic(f engine.Family) (ddl string, inserts []string) {
	switch f {
	case engine.Postgres:
		return `CREATE TABLE thing (id bigint PRIMARY KEY, n numeric, m numeric(38,10), r real, d date, ts timestamp, tz timestamptz,
				ti time, iv interval, bo boolean, u uuid, j json, jb jsonb, ar text[], ia int[][], ip inet, rg int4range, ch char(5), bt bit(3), mo money, x xml, ft double precision)`,
			[]string{
				`INSERT INTO thing VALUES (1, 12345678901234567890.1234567890, 1.5, 0.1, '2024-02-29', '2024-02-29 23:59:59.999999', '2024-02-29 23:59:59.999999+05',
				'23:59:59.999999', '1 year 2 mons -3 days 04:05:06.789', true, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a" :  [1, 2.50, "x\ty\"\\"]}', '{"b": null, "ü": "😀"}',
				ARRAY['a', NULL, '', 'NULL', '"', '\', E'\t', 'a,b', '{}'], '{{1,2},{3,NULL}}', '10.0.0.1/8', '[1,5)', 'ab', B'101', '12.34', '<a>&lt;</a>', 'NaN')`,
				`INSERT INTO thing (id, n, d, ts, tz, ar, rg, ft) VALUES (2, 'NaN', 'infinity', '-infinity', '0044-03-15 12:00:00+00 BC', '{}', 'empty', '-Infinity')`,
				`INSERT INTO thing (id) VALUES (3)`,
			}
	case engine.SQLite:
		return `CREATE TABLE thing (id INTEGER PRIMARY KEY, any_thing, n NUMERIC, t TEXT, i INT, r REAL, d DATE, bo BOOLEAN, ts TIMESTAMP, b BLOB)`,
			[]string{
				`INSERT INTO thing VALUES (1, 1, 1, 1, 1, 1, '2024-02-29', 1, '2024-02-29 23:59:59', 1)`,
				`INSERT INTO thing VALUES (2, 1.5, 1.5, 1.5, 1.5, 1.5, 5, 'true', 1709251199, 1.5)`,
				`INSERT INTO thing VALUES (3, 'a', 'a', 'a', 'a', 'a', x'00ff', 0.5, 'never', 'a')`,
				`INSERT INTO thing VALUES (4, x'31', x'31', x'31', x'31', x'31', x'31', x'31', x'31', x'31')`,
				`INSERT INTO thing VALUES (5, '1', '1', '1', '1', '1', '1', '1', '1', '1')`,
				`INSERT INTO thing VALUES (6, 9e999, -9e999, 9e999, 9e999, -9e999, 9e999, 9e999, 9e999, 9e999)`,
				`INSERT INTO thing VALUES (7, '\i5', '\x31', '\', '\N', '\t', '\r1.5', '\.', '\\', '\r')`,
				`INSERT INTO thing VALUES (8, CAST(x'ff00fe' AS TEXT), CAST(x'6100' AS TEXT), CAST(x'00' AS TEXT), CAST(x'80' AS TEXT), CAST(x'c3' AS TEXT), CAST(x'eda080' AS TEXT), '', CAST(x'' AS TEXT), CAST(x'' AS TEXT))`,
				`INSERT INTO thing (id) VALUES (9)`,
			}
	case engine.MySQL, engine.MariaDB:
	}
	return `CREATE TABLE thing (id bigint PRIMARY KEY, m decimal(38,10), r float, d date, dt datetime(6), ts timestamp(6) NULL, ti time(3),
			y year, bo tinyint(1), bu bigint unsigned, e enum('a', '', 'it''s', 'ü'), s set('x', 'y', 'z'), bi bit(11), j json,
			bin binary(5), vb varbinary(20), ch char(5), l1 varchar(20) CHARACTER SET latin1, tt tinytext, mb mediumblob) CHARACTER SET utf8mb4`,
		[]string{
			`INSERT INTO thing VALUES (1, 1234567890123456789012345678.1234567890, 0.1, '2024-02-29', '9999-12-31 23:59:59.999999', '2024-02-29 23:59:59.999999', '-838:59:59',
			2155, 1, 18446744073709551615, 'it''s', 'x,z', b'10110011001', '{"a": [1, 2.5, "x\\ty\\"\\\\"], "ü": "😀"}', x'00ff0000ff', x'5c00', 'ab', 'größe', '', x'00')`,
			`INSERT INTO thing (id, m, r, d, bo, e, s, bi) VALUES (2, -0.5, -3.40282e38, '1000-01-01', 127, '', '', b'0')`,
			`INSERT INTO thing (id) VALUES (3)`,
		}
}
