package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/internal/testdb"
	"mulligan/schema"
)

func TestCarryTypes(t *testing.T) {
	columns := []struct {
		typ    string
		values []string
	}{
		{"smallint", []string{"-32768", "32767"}},
		{"numeric", []string{"'NaN'", "'Infinity'", "'-Infinity'", "1e-1000", "123456789012345678901234567890.000100", "0.00"}},
		{"numeric(20,5)", []string{"0.10000", "-99999999999999.99999"}},
		{"real", []string{"'NaN'", "'Infinity'", "'-0'", "1e-45", "3.4028235e38", "0.1"}},
		{"double precision", []string{"'NaN'", "'-Infinity'", "'-0'", "5e-324", "1.7976931348623157e308", "0.1", "1/3::float8"}},
		{"money", []string{"'-92233720368547758.08'", "1234.5"}},
		{"date", []string{"'infinity'", "'-infinity'", "'4713-01-01 BC'", "'5874897-12-31'"}},
		{"time", []string{"'24:00'", "'00:00:00.000001'"}},
		{"timetz", []string{"'23:59:59.999999-15:59'", "'00:00+02'"}},
		{"timestamp", []string{"'infinity'", "'4713-01-01 00:00:00 BC'", "'294276-12-31 23:59:59.999999'"}},
		{"timestamptz", []string{"'-infinity'", "'2024-03-31 02:30:00 Europe/Berlin'", "'0001-01-01 00:00:00+00 BC'"}},
		{"interval", []string{"'-1 year -2 mons +3 days -04:05:06.789'", "'178000000 years'", "'-00:00:00.000001'", "'1 mon -1 day'", "'0'"}},
		{"interval day to second(2)", []string{"'1 day 2:03:04.56'"}},
		{"boolean", []string{"true", "false"}},
		{"char(5)", []string{"'a'", "''", "'日本'"}},
		{`"char"`, []string{"'a'", "''", `'\377'`}},
		{"name", []string{"'Name'"}},
		{"bytea", []string{`'\x'`, `'\x00ff5c0a09'`}},
		{"uuid", []string{"'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"}},
		{"json", []string{`'{"a" :  [1, 2.50, "x\ty\n\u00e4"], "a": null}'`, `'"\\"'`}},
		{"jsonb", []string{`'{"b": null, "ü": ["😀", 1.10, 1e400]}'`}},
		{"jsonpath", []string{`'$.a[*] ? (@ > 2)'`}},
		{"xml", []string{`'<a b="c">&lt;</a>'`, `'text <x/> more'`}},
		{"inet", []string{"'10.0.0.1/8'", "'::1'"}},
		{"cidr", []string{"'10.0.0.0/8'"}},
		{"macaddr", []string{"'08:00:2b:01:02:03'"}},
		{"macaddr8", []string{"'08:00:2b:01:02:03:04:05'"}},
		{"bit(3)", []string{"B'101'"}},
		{"bit varying", []string{"B''", "B'1'"}},
		{"point", []string{"'(0.1,-0)'", "'(NaN,Infinity)'"}},
		{"line", []string{"'{1,-1,0.1}'"}},
		{"lseg", []string{"'[(0,0),(1,1)]'"}},
		{"box", []string{"'(1,1),(0,0)'"}},
		{"path", []string{"'[(0,0),(1,1)]'", "'((0,0),(1,1))'"}},
		{"polygon", []string{"'((0,0),(1,1),(1,0))'"}},
		{"circle", []string{"'<(0,0),1.5>'"}},
		{"tsvector", []string{`'''a b'':1A,2 ''c\''d'' ''e'':3'`, "''"}},
		{"tsquery", []string{"'a & (b | !c:*A) <2> d'"}},
		{"int4range", []string{"'[1,5)'", "'empty'", "'(,)'"}},
		{"tstzrange", []string{"'[2024-01-01 00:00+02,infinity)'"}},
		{"nummultirange", []string{"'{[1.0,2.00),[3,4)}'", "'{}'"}},
		{"pg_lsn", []string{"'16/B374D848'"}},
		{"oid", []string{"4294967295"}},
		{"xid8", []string{"'18446744073709551615'"}},
		{"regtype", []string{"'integer'", "'mood'"}},
		{"regclass", []string{"'types'", "'pg_class'"}},
		{"mood", []string{`'it''s, "ok"'`, `''`}},
		{"positive", []string{"7"}},
		{"pair", []string{`ROW(1, 'a,"b\c')`, "ROW(NULL, NULL)", "ROW(1, '')"}},
		{"hstore", []string{`'a=>1, "b c"=>NULL, "\"q\""=>"\\"'`, "''"}},
		{"citext", []string{"'MiXed'"}},
		{"floats", []string{"'[-0,0.1)'"}},
		{"text[]", []string{`ARRAY['a', NULL, '', 'NULL', '"', '\', E'\t\n', 'a,b', '{}', ' ']`, "'{}'", "ARRAY[['a','b'],['c',NULL]]", "'[2:3]={x,y}'::text[]"}},
		{"bytea[]", []string{`ARRAY['\x00'::bytea, NULL, '\x5c']`}},
		{"timestamptz[]", []string{"ARRAY['infinity'::timestamptz, '2024-01-01 00:00+05']"}},
		{"numeric[]", []string{"ARRAY['NaN', 1.10, NULL]::numeric[]"}},
		{"jsonb[]", []string{`ARRAY['{"a": "\"\\"}'::jsonb, 'null', NULL]`}},
		{"mood[]", []string{`ARRAY['it''s, "ok"', '', NULL]::mood[]`}},
		{"pair[]", []string{`ARRAY[ROW(1, 'a,"b\c'), NULL]::pair[]`}},
		{"int4range[]", []string{"ARRAY['[1,2)', NULL]::int4range[]"}},
		{"interval[]", []string{"ARRAY['1 day -1 hour'::interval]"}},
	}
	ddl := `CREATE EXTENSION hstore; CREATE EXTENSION citext;
		CREATE TYPE mood AS ENUM ('it''s, "ok"', ''); CREATE DOMAIN positive AS int CHECK (VALUE > 0);
		CREATE TYPE pair AS (n int, t text); CREATE TYPE floats AS RANGE (subtype = float8);
		CREATE TABLE types (id int PRIMARY KEY`
	var rows strings.Builder
	for i, c := range columns {
		ddl += fmt.Sprintf(", c%d %s", i, c.typ)
		for k, v := range c.values {
			fmt.Fprintf(&rows, "INSERT INTO types (id, c%d) VALUES (%d, %s);\n", i, i*100+k, v)
		}
	}
	source, target := carry(t, ddl+")", rows.String())
	const whole = "SELECT string_agg(t::text, E'\\n' ORDER BY id) FROM types t"
	if diff := cmp.Diff(scalar[string](t, source, whole), scalar[string](t, target, whole)); diff != "" {
		t.Errorf("rows as the server shows them (-source +target):\n%s", diff)
	}
}

const relations = `
	CREATE SCHEMA "Ünï.code ""q""";
	CREATE TABLE "Ünï.code ""q"""."Order.Items" (id bigserial PRIMARY KEY, "sp ace" text, "se""lect" int);
	CREATE INDEX "i dx" ON "Ünï.code ""q"""."Order.Items" ("sp ace") WHERE "se""lect" > 0;
	COMMENT ON INDEX "Ünï.code ""q"""."i dx" IS E'said \\ ''so''';
	CREATE TABLE identities (a int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, b bigint GENERATED BY DEFAULT AS IDENTITY (START 100 INCREMENT -7 MINVALUE -1000 MAXVALUE 200 CYCLE), c smallserial);
	CREATE TABLE computed (a int, twice int GENERATED ALWAYS AS (a * 2) STORED, b text);
	CREATE TABLE only_computed (twice int GENERATED ALWAYS AS (1 + 1) STORED);
	CREATE TABLE nothing ();
	CREATE TABLE parent (id int PRIMARY KEY, a int, b int, note text); CREATE UNIQUE INDEX parent_ab ON parent (a, b);
	CREATE TABLE heir (more text) INHERITS (parent);
	CREATE TABLE child (id int PRIMARY KEY, a int, b int, up int REFERENCES child DEFERRABLE INITIALLY DEFERRED,
		CONSTRAINT ab FOREIGN KEY (a, b) REFERENCES parent (a, b) MATCH FULL ON UPDATE CASCADE ON DELETE SET NULL);
	COMMENT ON CONSTRAINT ab ON child IS 'a key';
	ALTER TABLE child ADD CONSTRAINT loose FOREIGN KEY (up) REFERENCES parent (id) NOT VALID;
	CREATE TABLE parts (id int, at date, region text, up int, note text, PRIMARY KEY (id, at, region)) PARTITION BY RANGE (at);
	CREATE TABLE parts_24 PARTITION OF parts FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY LIST (region);
	CREATE TABLE "parts 24.eu" PARTITION OF parts_24 FOR VALUES IN ('eu');
	CREATE TABLE parts_24_rest (note text, region text NOT NULL, gone int, id int NOT NULL, at date NOT NULL, up int);
	ALTER TABLE parts_24_rest DROP COLUMN gone; ALTER TABLE parts_24 ATTACH PARTITION parts_24_rest DEFAULT;
	CREATE TABLE parts_rest PARTITION OF parts DEFAULT;
	CREATE INDEX parts_note ON parts (note); CREATE INDEX rest_note ON parts_rest (lower(note)); COMMENT ON INDEX rest_note IS 'one leaf';
	ALTER TABLE parts ADD CONSTRAINT parts_up FOREIGN KEY (up) REFERENCES parent (id);
	CREATE TABLE of_parts (id int, at date, region text, FOREIGN KEY (id, at, region) REFERENCES parts);
	CREATE TABLE hen (id int PRIMARY KEY, egg int); CREATE TABLE egg (id int PRIMARY KEY, hen int REFERENCES hen);
	ALTER TABLE hen ADD FOREIGN KEY (egg) REFERENCES egg;
	CREATE TABLE guarded (id int PRIMARY KEY, who text); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; ALTER TABLE guarded FORCE ROW LEVEL SECURITY;
	CREATE POLICY none ON guarded USING (false);
	CREATE TABLE kept (id int NOT NULL, t text); CREATE UNIQUE INDEX kept_id ON kept (id); ALTER TABLE kept REPLICA IDENTITY USING INDEX kept_id;
	CREATE INDEX kept_t ON kept (t); ALTER TABLE kept CLUSTER ON kept_t;
	CREATE INDEX kept_stats ON kept ((lower(t))); ALTER INDEX kept_stats ALTER COLUMN 1 SET STATISTICS 50;
	CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'a trigger fired'; END $$;
	CREATE TRIGGER always BEFORE INSERT OR TRUNCATE ON child EXECUTE FUNCTION refuse(); ALTER TABLE child ENABLE ALWAYS TRIGGER always;
	CREATE TRIGGER replica BEFORE INSERT ON child FOR EACH ROW EXECUTE FUNCTION refuse(); ALTER TABLE child ENABLE REPLICA TRIGGER replica;
	CREATE TRIGGER off AFTER INSERT ON child FOR EACH ROW EXECUTE FUNCTION refuse(); ALTER TABLE child DISABLE TRIGGER off;
	CREATE TRIGGER rowwise BEFORE INSERT ON parts FOR EACH ROW EXECUTE FUNCTION refuse(); ALTER TABLE parts_rest DISABLE TRIGGER rowwise;
	CREATE CONSTRAINT TRIGGER late AFTER INSERT ON parent DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse();
	COMMENT ON TRIGGER late ON parent IS 'late';
	CREATE SEQUENCE free START 5; CREATE SEQUENCE "Ünï.code ""q"""."s q" INCREMENT -1;
	CREATE UNLOGGED TABLE fleeting (id int);`

const relationRows = `
	SET session_replication_role = 'local'; ALTER TABLE child DISABLE TRIGGER always; ALTER TABLE parent DISABLE TRIGGER USER; ALTER TABLE parts DISABLE TRIGGER USER;
	INSERT INTO "Ünï.code ""q"""."Order.Items" ("sp ace", "se""lect") VALUES ('a', 1), ('b', 2);
	INSERT INTO identities DEFAULT VALUES; INSERT INTO identities (b) VALUES (3), (4);
	INSERT INTO computed (a, b) VALUES (1, 'x'), (NULL, 'y'); INSERT INTO only_computed VALUES (DEFAULT), (DEFAULT); INSERT INTO nothing DEFAULT VALUES;
	INSERT INTO parent VALUES (1, 1, 1, 'p'), (2, NULL, 5, 'q'); INSERT INTO heir VALUES (3, 3, 3, 'h', 'more'), (1, 1, 1, 'again', NULL);
	INSERT INTO child VALUES (1, 1, 1, 2), (2, NULL, NULL, 1);
	INSERT INTO parts SELECT i, date '2023-12-01' + i, CASE i % 3 WHEN 0 THEN 'eu' WHEN 1 THEN 'us' ELSE 'x' END, 1, repeat('note ', 20) FROM generate_series(1, 2000) i;
	INSERT INTO of_parts SELECT id, at, region FROM parts WHERE id % 10 = 0;
	INSERT INTO hen VALUES (1, NULL); INSERT INTO egg VALUES (1, 1); UPDATE hen SET egg = 1;
	INSERT INTO guarded VALUES (1, 'me'); INSERT INTO kept VALUES (1, 'a'); INSERT INTO fleeting VALUES (1);
	SELECT nextval('free'), nextval('free'); SELECT setval('"Ünï.code ""q"""."s q"', -9, false);`

func TestCarryRelations(t *testing.T) {
	_, target := carry(t, relations, relationRows)
	if n := scalar[int](t, target, "SELECT count(*) FROM ONLY parts_rest"); n == 0 || n == 2000 {
		t.Errorf("%d of 2000 rows lie in the default partition", n)
	}
	if n := scalar[int](t, target, "SELECT count(*) FROM parent"); n != 4 {
		t.Errorf("the parent and its heir show %d rows, want 4", n)
	}
	if _, err := target.ExecContext(limit(t), "INSERT INTO child VALUES (9)"); err == nil || !strings.Contains(err.Error(), "a trigger fired") {
		t.Errorf("the trigger that always fires: %v", err)
	}
}

// TestIndexTablespace: an index comes back to the tablespace where it was, which its definition does not say.
func TestIndexTablespace(t *testing.T) {
	server := testdb.NewPostgres(t, "-c", "allow_in_place_tablespaces=on")
	server.Exec(t, "", "CREATE TABLESPACE \"fast one\" LOCATION ''")
	name, address := server.NewDatabase(t)
	server.Exec(t, name, `CREATE TABLE a (id int, b int); CREATE INDEX there ON a (id) TABLESPACE "fast one"; CREATE INDEX here ON a (b)`,
		`ALTER DATABASE `+server.Quote(name)+` SET default_tablespace = "fast one"`)
	db := openDB(t, address, name)
	before := inspectDB(t, db)
	if err := reload(t, db, nil, nil); err != nil {
		t.Fatalf("reload: %v", err)
	}
	if diff := schema.Diff(before.Objects, inspectDB(t, db).Objects); diff != nil {
		t.Errorf("the load changed the schema: %v", diff)
	}
}

func TestInspectKinds(t *testing.T) {
	s := inspectDB(t, newDB(t, relations+`CREATE EXTENSION hstore; CREATE TABLE "Ünï.code ""q""".serial (a serial, b int DEFAULT nextval('free'));
		CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'x'); CREATE FOREIGN TABLE away (id int) SERVER far;
		CREATE TEMP TABLE fleeting_too (id int)`))
	kinds := map[string]schema.Kind{}
	for _, tb := range s.Tables {
		kinds[tb.Name.String()] = tb.Kind
	}
	want := map[string]schema.Kind{
		`"Ünï.code ""q"""."Order.Items"`: schema.KindTable, `"Ünï.code ""q""".serial`: schema.KindTable,
		"public.away": schema.KindForeign, "public.parts": schema.KindPartitioned,
	}
	for _, n := range []string{"identities", "computed", "only_computed", "nothing", "parent", "heir", "child", "of_parts", "hen", "egg", "guarded", "kept", "fleeting"} {
		want["public."+n] = schema.KindTable
	}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
	serial := s.Table(schema.Name{Schema: `Ünï.code "q"`, Table: "serial"})
	if a, b := serial.Columns[0], serial.Columns[1]; a.Identity != schema.IdentityAuto || b.Identity != schema.IdentityNone {
		t.Errorf("a serial is %q, a default from a free sequence %q", a.Identity, b.Identity)
	}
	ids := s.Table(schema.Name{Schema: "public", Table: "identities"}).Columns
	if ids[0].Identity != schema.IdentityAlways || ids[1].Identity != schema.IdentityDefault || ids[2].Identity != schema.IdentityAuto {
		t.Errorf("identities: %+v", ids)
	}
	parts := s.Table(schema.Name{Schema: "public", Table: "parts"})
	if diff := cmp.Diff([]schema.Name{{Schema: "public", Table: "parent"}}, parts.Parents); diff != "" {
		t.Errorf("parents of parts (-want +got):\n%s", diff)
	}
	if of := s.Table(schema.Name{Schema: "public", Table: "of_parts"}); len(of.Parents) != 1 || of.Parents[0].Table != "parts" {
		t.Errorf("parents of of_parts: %v", of.Parents)
	}
}
