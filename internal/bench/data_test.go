package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// dialect is what differs in the text of the statements that make the data.
type dialect struct {
	long, stamp, document string // types
	engine                string // what ends a CREATE TABLE
	quoteless             string // how the small tables' text column is declared
	series                string // rows of one column i from 1 to the number in %d
	hash                  string // 32 digits that depend on the expression in %s: noise, half of which can be compressed away
	then                  string // a time that depends on i
	concat                func(parts ...string) string
}

func bars(parts ...string) string { return strings.Join(parts, " || ") }

func postgresDialect() dialect {
	return dialect{
		long: "text", stamp: "timestamptz", document: "jsonb", quoteless: "varchar(60)",
		series: "generate_series(1, %d) AS s(i)", hash: "md5((%s)::text)",
		then: "timestamptz '2024-01-01 00:00:00+00' + i * interval '7.25 seconds'", concat: bars,
	}
}

// mysqlDialect takes its series from the table numbers, which is not part of the data.
func mysqlDialect() dialect {
	return dialect{
		long: "text", stamp: "datetime(6)", document: "json", quoteless: "varchar(60)", engine: " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
		series: "(SELECT i FROM bench_numbers.numbers WHERE i <= %d) AS s", hash: "LEFT(SHA2(%s, 256), 32)",
		then:   "DATE_ADD('2024-01-01 00:00:00', INTERVAL i * 7 SECOND)",
		concat: func(parts ...string) string { return "CONCAT(" + strings.Join(parts, ", ") + ")" },
	}
}

func sqliteDialect() dialect {
	return dialect{
		long: "text", stamp: "text", document: "text", quoteless: "text",
		series: "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i FROM n) AS s",
		hash:   "lower(hex(randomblob(16 + 0 * (%s))))", then: "datetime('2024-01-01', '+' || (i * 7) || ' seconds')", concat: bars,
	}
}

const (
	smallTables = 200
	smallRows   = 200
)

// small are tables with keys, each with a foreign key to the one before.
func (d dialect) small() string {
	var text strings.Builder
	for n := range smallTables {
		fmt.Fprintf(&text, "CREATE TABLE small_%03d (id integer NOT NULL PRIMARY KEY, name %s NOT NULL UNIQUE, parent_id integer NOT NULL, note %s, made %s", n, d.quoteless, d.long, d.stamp)
		if n > 0 {
			fmt.Fprintf(&text, ", CONSTRAINT small_%03d_parent FOREIGN KEY (parent_id) REFERENCES small_%03d (id)", n, n-1)
		}
		fmt.Fprintf(&text, ")%s;\nCREATE INDEX small_%03d_parent_id ON small_%03d (parent_id);\n", d.engine, n, n)
	}
	return text.String()
}

// wide is a table of rows of about 400 bytes, with a primary key, three more indexes and a foreign key.
func (d dialect) wide() string {
	return fmt.Sprintf(`CREATE TABLE wide (id bigint NOT NULL PRIMARY KEY, small_id integer NOT NULL, kind varchar(20) NOT NULL, email varchar(80) NOT NULL,
	title varchar(120), body %s, payload %s, price numeric(12,2), seen integer, made %s NOT NULL,
	CONSTRAINT wide_small FOREIGN KEY (small_id) REFERENCES small_000 (id))%s;
CREATE INDEX wide_small_id ON wide (small_id);
CREATE INDEX wide_email ON wide (email);
CREATE INDEX wide_made ON wide (made);
`, d.long, d.document, d.stamp, d.engine)
}

// rows fill all tables, the wide one with n rows.
func (d dialect) rows(n int) []string {
	hash := func(of string) string { return fmt.Sprintf(d.hash, of) }
	var list []string
	for t := range smallTables {
		list = append(list, fmt.Sprintf("INSERT INTO small_%03d SELECT i, %s, i, %s, %s FROM "+d.series, t,
			d.concat("'name '", hash("i")), d.concat("'a note about '", hash("i + 1")), d.then, smallRows))
	}
	kind := "CASE i % 4 WHEN 0 THEN 'message' WHEN 1 THEN 'guild' WHEN 2 THEN 'channel' ELSE 'attachment' END"
	body := d.concat("'Lorem ipsum dolor sit amet, '", hash("i + 100000000"), "' consetetur sadipscing elitr '", hash("i + 300000000"), "' sed diam nonumy\teirmod '", hash("i + 500000000"))
	payload := d.concat(`'{"id": "'`, hash("i + 700000000"), `'", "flags": [1, 2, 3], "name": "plain text"}'`)
	if d.document == "jsonb" {
		payload = "(" + payload + ")::jsonb"
	}
	return append(list, fmt.Sprintf("INSERT INTO wide SELECT i, i %% %d + 1, %s, %s, %s, %s, %s, i * 0.37, CASE WHEN i %% 3 = 0 THEN NULL ELSE i %% 1000 END, %s FROM "+d.series,
		smallRows, kind, d.concat(hash("i"), "'@example.com'"), d.concat("'Title of '", hash("i + 900000000")), body, payload, d.then, n))
}

// migrations writes the schema as golang-migrate has it.
func (d dialect) migrations(b *testing.B) (folder string) {
	b.Helper()
	folder = b.TempDir()
	for name, text := range map[string]string{"000001_small.up.sql": d.small(), "000002_wide.up.sql": d.wide()} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return folder
}

// ledger is golang-migrate's table, as it is after these migrations.
func ledger() []string {
	return []string{
		"CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)",
		"INSERT INTO schema_migrations VALUES (2, false)",
	}
}
