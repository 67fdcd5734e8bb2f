package mysql_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/internal/testdb"
	"mulligan/schema"
)

// allTypes is a table with every type that both servers have, made under a lax sql_mode.
var allTypes = []string{
	`CREATE TABLE t (id int PRIMARY KEY AUTO_INCREMENT, ti tinyint, tu tinyint unsigned, si smallint, mi mediumint, i int(8) zerofill,
		bi bigint, bu bigint unsigned, de decimal(65,30), du decimal(10,2) unsigned zerofill, f float, fd float(7,4), fu float unsigned,
		d double, dd double(20,3), b1 bit(1), b64 bit(64), da date, dt datetime, d6 datetime(6), ts timestamp(6) NULL, tm time(6), y year,
		c char(10), v varchar(300) CHARACTER SET latin1, u3 varchar(100) CHARACTER SET utf8mb3, u16 varchar(50) CHARACTER SET utf16,
		uc char(5) CHARACTER SET ucs2, tt tinytext, te text CHARACTER SET latin2, mt mediumtext, lt longtext, bn binary(4), vb varbinary(50), tb tinyblob, bl blob, mb mediumblob,
		lb longblob, e enum('x','y','it''s'), s set('p','q','r'), j json, g geometry, p point, l linestring,
		gv int GENERATED ALWAYS AS (ti + 1) VIRTUAL, gs int GENERATED ALWAYS AS (si * 2) STORED, gt varchar(20) GENERATED ALWAYS AS (concat(c, '!')) VIRTUAL)
		CHARACTER SET utf8mb4`,
	"SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', time_zone = '+00:00'",
	`INSERT INTO t (id, ti, tu, si, mi, i, bi, bu, de, du, f, fd, fu, d, dd, b1, b64, da, dt, d6, ts, tm, y) VALUES
		(0, -128, 255, -32768, -8388608, 42, -9223372036854775808, 18446744073709551615, 99999999999999999999999999999999999.123456789012345678901234567891, 1.5,
			0.1, 123.4567, 3.402823e38, 1.7976931348623157e308, 12345678901234567.891, b'1', b'1111111111111111111111111111111111111111111111111111111111111111',
			'0000-00-00', '0000-00-00 00:00:00', '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07.999999', '-838:59:59', 0),
		(1, 127, 0, 32767, 8388607, 0, 9223372036854775807, 0, -0.000000000000000000000000000001, 0, 1.17549435e-38, -0.0001, 0, -0e0, -0.001, b'0', b'1001',
			'2020-02-31', '2020-00-00 00:00:00', '1000-01-01 00:00:00.000001', '0000-00-00 00:00:00', '838:59:59', 1901),
		(2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 16777217, 1, 16777216, 2.2250738585072014e-308, 1, b'1', b'0', '9999-12-31', '1999-12-31 23:59:59', NULL, '1970-01-01 00:00:01', '00:00:00.000001', 2155),
		(3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3.1415927, 2, 2, 0.1, 2, b'1', b'10', '0001-01-01', NULL, NULL, NULL, '-00:00:00.5', 2000)`,
	`INSERT INTO t (id, c, v, u3, u16, uc, tt, te, mt, lt, bn, vb, tb, bl, mb, lb, e, s, j, g, p, l) VALUES
		(10, 'abc', 'größe €', 'ünï日本', '😀x', 'ab', '', 'ąęł', '	tab', 'line
feed', x'00', x'005c09', x'', x'5c4e', x'ff', x'0a0d', 'it''s', 'p,q', '{"a": [1, 2.50, "\\u0041\\n"], "k": null}',
			ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))', 4326), ST_GeomFromText('POINT(1 2)'), ST_GeomFromText('LINESTRING(0 0,1 1)')),
		(11, '', '', '', '', '', '\\N', '\\', '\\\\', '\\x41', '', '', '', '', '', '', 'no such member', '', '[]', NULL, NULL, NULL),
		(12, 'NULL', ' x ', '\0', 'a\0b', '', '\Z', '\b', '%', '\r\n', 'abcd', 'a\tb', '\0', '\n', NULL, NULL, 'y', 'r', '"\\\\"', NULL, NULL, NULL)`,
	`INSERT INTO t (id) VALUES (13)`,
}

func TestAllTypesComeBack(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		_, db, name := database(t, server, allTypes...)
		sums := "SELECT " + strings.Join(aggregates(tableOf(t, db, "t").Stored()), ", ") + " FROM t"
		want := server.Query(t, name, sums)
		before, after := reload(t, db, "t")
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("rows (-before +after):\n%s", diff)
		}
		if diff := cmp.Diff(want, server.Query(t, name, sums)); diff != "" {
			t.Errorf("the server's own view of the values (-before +after):\n%s", diff)
		}
	})
}

// aggregates make one text of each column's bytes as the server stores them.
func aggregates(columns []string) []string {
	var list []string
	for _, c := range columns {
		text := "COALESCE(HEX(`" + c + "`), '-')"
		if c == "f" || c == "fd" || c == "fu" || c == "d" || c == "dd" || c == "e" {
			text = "COALESCE(`" + c + "` + 0.0e0, '-')"
		}
		list = append(list, "GROUP_CONCAT("+text+" ORDER BY id)")
	}
	return list
}

func TestMariaDBTypes(t *testing.T) {
	_, db, _ := database(t, testdb.MariaDB(t),
		"CREATE TABLE t (id int PRIMARY KEY, u uuid, i6 inet6, i4 inet4, h int INVISIBLE DEFAULT 5, j json)",
		"INSERT INTO t (id, u, i6, i4, h, j) VALUES (1, '123e4567-e89b-12d3-a456-426655440000', '::1', '10.0.0.1', 7, '{\"a\" : 1}'), (2, NULL, NULL, NULL, 8, NULL)",
		"CREATE TABLE v (id int PRIMARY KEY, n int) WITH SYSTEM VERSIONING", "INSERT INTO v VALUES (1, 1), (2, 2)")
	for _, table := range []string{"t", "v"} {
		before, after := reload(t, db, table)
		if diff := cmp.Diff(before, after); diff != "" || len(before) != 2 {
			t.Errorf("rows of %s (-before +after):\n%s", table, diff)
		}
	}
}

func TestMySQLTypes(t *testing.T) {
	_, db, _ := database(t, testdb.MySQL(t),
		"CREATE TABLE t (id int PRIMARY KEY, v vector(3), h int INVISIBLE DEFAULT 5, x json DEFAULT (json_array()))",
		"INSERT INTO t (id, v, h) VALUES (1, to_vector('[1,2,3.5]'), 7), (2, NULL, 8)")
	before, after := reload(t, db, "t")
	if diff := cmp.Diff(before, after); diff != "" || len(before) != 2 {
		t.Errorf("rows (-before +after):\n%s", diff)
	}
}

func TestServerModesDoNotMatter(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		_, _, name := database(t, server, allTypes...)
		server.Exec(t, "", "SET GLOBAL sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,NO_ZERO_DATE,NO_ZERO_IN_DATE,STRICT_TRANS_TABLES,PAD_CHAR_TO_FULL_LENGTH'",
			"SET GLOBAL time_zone = '+05:00'")
		t.Cleanup(func() { server.Exec(t, "", "SET GLOBAL sql_mode = DEFAULT", "SET GLOBAL time_zone = DEFAULT") })
		s := connectTo(t, server.URL(""))
		defer s.Close()
		before, after := reload(t, open(t, s, name), "t")
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("rows (-before +after):\n%s", diff)
		}
	})
}

func TestLoadWithoutLocalInfile(t *testing.T) {
	for name, server := range map[string]*testdb.Server{
		"MySQL": testdb.NewMySQL(t, "--local-infile=OFF"), "MariaDB": testdb.NewMariaDB(t, "--local-infile=OFF"),
	} {
		t.Run(name, func(t *testing.T) {
			_, db, _ := database(t, server, allTypes...)
			before, after := reload(t, db, "t")
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("rows (-before +after):\n%s", diff)
			}
			tb := tableOf(t, db, "t")
			l, err := db.Loader(deadline(t), []*schema.Table{tb}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if notes := l.(interface{ Notes() []string }).Notes(); len(notes) != 1 || !strings.Contains(notes[0], "local_infile") {
				t.Errorf("notes: %q, want one about local_infile", notes)
			}
			for _, bad := range []string{"1\t300\n", "1\t1\n1\t2\n", "1\n", "1\t1\t1\n", "1\tabc\n", "1\t\\q\n", "1\t1"} {
				if _, err := l.Load(deadline(t), tb, []string{"id", "ti"}, strings.NewReader(bad)); err == nil {
					t.Errorf("rows %q gave no error", bad)
				}
			}
			if rows := dump(t, db, tb); len(rows) != 0 {
				t.Errorf("rows of failed loads stayed: %q", rows)
			}
		})
	}
}
