package postgres_test

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/schema"
)

// keptBase is what the migrations make. Names are hostile: quotes, dots, spaces, upper case, letters beyond ASCII.
const keptBase = `
	CREATE SCHEMA "Sch.e ""ma"" ü"; CREATE SCHEMA plain;
	CREATE TABLE "Sch.e ""ma"" ü"."Ta.b ""le"" ü" (id bigserial PRIMARY KEY, "Co.l ""umn"" ü" text CONSTRAINT "Che.ck ""1""" CHECK (true), n int GENERATED ALWAYS AS IDENTITY);
	CREATE TABLE plain.one (id int PRIMARY KEY, a text, b text); CREATE TABLE two (id int PRIMARY KEY, x int, y int); CREATE TABLE three (id int);
	CREATE TABLE parts (id int, at date) PARTITION BY RANGE (at); CREATE TABLE parts_24 PARTITION OF parts FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
	CREATE INDEX "In.dex ""i""" ON plain.one (a); CREATE VIEW "Vi.ew ""v""" AS SELECT 1 AS "Co.l"; CREATE MATERIALIZED VIEW mat AS SELECT 1 AS m;
	CREATE SEQUENCE "Se.q ""s"""; CREATE TYPE mood AS ENUM ('a'); CREATE DOMAIN "Do.main" AS int CHECK (VALUE > 0); CREATE TYPE pair AS (a int, b int);
	CREATE TYPE spans AS RANGE (subtype = int);
	CREATE FUNCTION "Fu.nc ""f"" ü"("Ar.g" text, "Do.main"[]) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT $1 * 2';
	CREATE FUNCTION twice(text DEFAULT 'x', VARIADIC int[] DEFAULT '{}') RETURNS int LANGUAGE sql AS 'SELECT 2';
	CREATE PROCEDURE act(IN a int, INOUT b int) LANGUAGE plpgsql AS 'BEGIN END'; CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int);
	CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE FUNCTION event() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
	CREATE TRIGGER "Tri.g" BEFORE INSERT ON two FOR EACH ROW EXECUTE FUNCTION fire(); CREATE POLICY "Po.l" ON two; CREATE RULE "Ru.le" AS ON DELETE TO three DO INSTEAD NOTHING;
	CREATE STATISTICS st ON x, y FROM two; CREATE COLLATION co FROM "C"; CREATE CAST (pair AS mood) WITH INOUT; CREATE EVENT TRIGGER ev ON sql_drop EXECUTE FUNCTION event();
	CREATE FUNCTION plus(pair, pair) RETURNS pair LANGUAGE sql AS 'SELECT $1'; CREATE OPERATOR plain.+ (LEFTARG = pair, RIGHTARG = pair, FUNCTION = plus);
	CREATE OPERATOR FAMILY fam USING btree; CREATE TEXT SEARCH CONFIGURATION conf (COPY = simple); CREATE TEXT SEARCH DICTIONARY dict (TEMPLATE = simple);
	CREATE FOREIGN DATA WRAPPER "Wr.ap"; CREATE SERVER "Ser.ver" FOREIGN DATA WRAPPER "Wr.ap"; CREATE FOREIGN TABLE far (id int) SERVER "Ser.ver";
	GRANT SELECT ON three TO {a}; GRANT INSERT ON three TO PUBLIC; COMMENT ON TABLE three IS 'as a migration says'; CREATE PUBLICATION some_of FOR TABLE three;`

// keptByHand is what somebody did to it by hand, a statement for each kind of keepsake; {a}, {b} and {c} are roles.
func keptByHand() []string {
	return []string{
		`CREATE SCHEMA "ext.ra"`, `CREATE EXTENSION hstore SCHEMA "ext.ra" VERSION '1.6'`, `CREATE EXTENSION cube`, `CREATE EXTENSION earthdistance`, `CREATE EXTENSION pg_trgm VERSION '1.3'`,
		`ALTER SCHEMA plain OWNER TO {a}`, `ALTER SCHEMA public OWNER TO {b}`, `GRANT CREATE ON SCHEMA public TO PUBLIC`, `GRANT USAGE ON SCHEMA "Sch.e ""ma"" ü" TO {a} WITH GRANT OPTION`,
		`REVOKE ALL ON SCHEMA plain FROM {a}`, `GRANT USAGE ON SCHEMA "ext.ra" TO {c}`,
		`ALTER TABLE "Sch.e ""ma"" ü"."Ta.b ""le"" ü" OWNER TO {a}`, `ALTER TABLE plain.one OWNER TO {b}`, `ALTER VIEW "Vi.ew ""v""" OWNER TO {a}`, `ALTER MATERIALIZED VIEW mat OWNER TO {a}`,
		`ALTER SEQUENCE "Se.q ""s""" OWNER TO {a}`, `ALTER TYPE mood OWNER TO {a}`, `ALTER DOMAIN "Do.main" OWNER TO {b}`, `ALTER TYPE pair OWNER TO {a}`, `ALTER TYPE spans OWNER TO {a}`,
		`ALTER FUNCTION "Fu.nc ""f"" ü"(text, "Do.main"[]) OWNER TO {a}`, `ALTER PROCEDURE act OWNER TO {a}`, `ALTER AGGREGATE total(int) OWNER TO {b}`, `ALTER FOREIGN TABLE far OWNER TO {a}`,
		`ALTER FUNCTION twice(text, int[]) OWNER TO {b}`, `ALTER TABLE parts_24 OWNER TO {c}`,
		`GRANT ALL ON ALL TABLES IN SCHEMA "Sch.e ""ma"" ü" TO {b}`, `GRANT SELECT ON ALL TABLES IN SCHEMA plain TO {a}, PUBLIC`, `GRANT SELECT, UPDATE ON two TO {a} WITH GRANT OPTION`,
		`SET SESSION AUTHORIZATION {a}; GRANT SELECT ON two TO {c}; RESET SESSION AUTHORIZATION`, `GRANT INSERT ON two TO {a}`, `REVOKE ALL ON "Vi.ew ""v""" FROM {a}`, `GRANT SELECT ON parts TO {c}`,
		`REVOKE SELECT ON three FROM {a}`, `REVOKE INSERT ON three FROM PUBLIC`, // a migration's grants taken back: nothing but the default is left
		`GRANT SELECT ("Co.l ""umn"" ü", id), UPDATE (id) ON "Sch.e ""ma"" ü"."Ta.b ""le"" ü" TO {c}`, `GRANT SELECT (a) ON plain.one TO {c} WITH GRANT OPTION`, `GRANT SELECT ON plain.one TO {c}`, `GRANT SELECT (x) ON two TO PUBLIC`,
		`GRANT USAGE ON SEQUENCE "Se.q ""s""" TO {b}`, `GRANT USAGE ON ALL SEQUENCES IN SCHEMA "Sch.e ""ma"" ü" TO {b}`,
		`REVOKE ALL ON FUNCTION twice(int) FROM PUBLIC`, `GRANT EXECUTE ON FUNCTION twice(int) TO {a}`, `GRANT EXECUTE ON PROCEDURE act TO {b}`, `REVOKE EXECUTE ON FUNCTION total(int) FROM PUBLIC`,
		`GRANT EXECUTE ON FUNCTION "Fu.nc ""f"" ü"(text, "Do.main"[]) TO {b} WITH GRANT OPTION`,
		`REVOKE USAGE ON TYPE mood FROM PUBLIC`, `GRANT USAGE ON DOMAIN "Do.main" TO {c}`, `REVOKE ALL ON TYPE pair FROM PUBLIC`,
		`GRANT USAGE ON FOREIGN SERVER "Ser.ver" TO {a}`, `GRANT USAGE ON FOREIGN DATA WRAPPER "Wr.ap" TO {a}`,
		`ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {c}`, `ALTER DEFAULT PRIVILEGES FOR ROLE {a} IN SCHEMA plain GRANT SELECT, INSERT ON TABLES TO {b} WITH GRANT OPTION`,
		`ALTER DEFAULT PRIVILEGES FOR ROLE {a} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC`, `ALTER DEFAULT PRIVILEGES FOR ROLE {b} REVOKE USAGE ON TYPES FROM PUBLIC, {b}`,
		`ALTER DEFAULT PRIVILEGES FOR ROLE {a} IN SCHEMA "Sch.e ""ma"" ü" GRANT USAGE ON SEQUENCES TO PUBLIC`, `ALTER DEFAULT PRIVILEGES FOR ROLE {a} GRANT USAGE ON SCHEMAS TO {b}`,
		`ALTER DEFAULT PRIVILEGES FOR ROLE {b} REVOKE ALL ON TABLES FROM {b}`, `ALTER DEFAULT PRIVILEGES FOR ROLE {b} IN SCHEMA plain GRANT EXECUTE ON FUNCTIONS TO {c}`,
		`COMMENT ON SCHEMA plain IS 'it''s'`, `COMMENT ON TABLE "Sch.e ""ma"" ü"."Ta.b ""le"" ü" IS E'back\\slash\nline'`, `COMMENT ON COLUMN "Sch.e ""ma"" ü"."Ta.b ""le"" ü"."Co.l ""umn"" ü" IS 'col ü'`,
		`COMMENT ON SEQUENCE "Sch.e ""ma"" ü"."Ta.b ""le"" ü_id_seq" IS 'own'`, `COMMENT ON VIEW "Vi.ew ""v""" IS 'v'`, `COMMENT ON COLUMN "Vi.ew ""v"""."Co.l" IS 'vc'`, `COMMENT ON MATERIALIZED VIEW mat IS 'm'`,
		`COMMENT ON INDEX plain."In.dex ""i""" IS 'i'`, `COMMENT ON CONSTRAINT "Che.ck ""1""" ON "Sch.e ""ma"" ü"."Ta.b ""le"" ü" IS 'c'`, `COMMENT ON TRIGGER "Tri.g" ON two IS 't'`,
		`COMMENT ON POLICY "Po.l" ON two IS 'p'`, `COMMENT ON RULE "Ru.le" ON three IS 'r'`, `COMMENT ON FUNCTION "Fu.nc ""f"" ü"(text, "Do.main"[]) IS 'f'`, `COMMENT ON PROCEDURE act IS 'p'`,
		`COMMENT ON AGGREGATE total(int) IS 'a'`, `COMMENT ON TYPE mood IS 'mood'`, `COMMENT ON DOMAIN "Do.main" IS 'd'`, `COMMENT ON TYPE pair IS 'pair'`, `COMMENT ON COLUMN pair.a IS 'pair a'`, `COMMENT ON STATISTICS st IS 's'`,
		`COMMENT ON COLLATION co IS 'co'`, `COMMENT ON CAST (pair AS mood) IS 'cast'`, `COMMENT ON EVENT TRIGGER ev IS 'ev'`, `COMMENT ON OPERATOR plain.+ (pair, pair) IS 'op'`,
		`COMMENT ON OPERATOR FAMILY fam USING btree IS 'fam'`, `COMMENT ON TEXT SEARCH CONFIGURATION conf IS 'conf'`, `COMMENT ON TEXT SEARCH DICTIONARY dict IS 'dict'`,
		`COMMENT ON FOREIGN DATA WRAPPER "Wr.ap" IS 'w'`, `COMMENT ON SERVER "Ser.ver" IS 's'`, `COMMENT ON FOREIGN TABLE far IS 'far'`, `COMMENT ON TABLE three IS 'by hand'`, `COMMENT ON SEQUENCE "Se.q ""s""" IS 'seq'`,
		`CREATE PUBLICATION "Pub.all ""p""" FOR ALL TABLES WITH (publish = 'insert, truncate')`, `ALTER PUBLICATION some_of ADD TABLE plain.one (id, a) WHERE (a <> 'it''s'), two WHERE (x > 1)`,
		`ALTER PUBLICATION some_of SET (publish_via_partition_root = true, publish = '')`, `CREATE PUBLICATION schemas FOR TABLES IN SCHEMA "Sch.e ""ma"" ü", plain, TABLE parts`, `CREATE PUBLICATION nothing`,
		`ALTER PUBLICATION nothing OWNER TO {a}`, `COMMENT ON PUBLICATION nothing IS 'pub'`,
	}
}

// keptRoles makes three roles with names that need quotes, and gives what puts them into a statement.
func keptRoles(t testing.TB, server *testdb.Server) *strings.Replacer {
	t.Helper()
	suffix := strings.ToLower(rand.Text()[:8])
	var pairs []string
	for mark, name := range map[string]string{"{a}": `Ro.le: "a", ü ` + suffix, "{b}": "PUBLIC " + suffix, "{c}": "group_" + suffix} {
		quoted := engine.Postgres.Ident(name)
		server.Exec(t, "", "CREATE ROLE "+quoted)
		t.Cleanup(func() { server.Exec(t, "", "DROP ROLE "+quoted) })
		pairs = append(pairs, mark, quoted)
	}
	return strings.NewReplacer(pairs...)
}

// keptPair makes a database as its migrations and somebody's hand left it, and one that has only the former.
func keptPair(t *testing.T, base string, byHand ...string) (old, fresh engine.DB, roles *strings.Replacer) {
	t.Helper()
	roles = keptRoles(t, testdb.Postgres(t))
	old, fresh = newDB(t, roles.Replace(base)), newDB(t, roles.Replace(base))
	for _, text := range byHand {
		execIn(t, old, roles.Replace(text))
	}
	return old, fresh, roles
}

func keepsakes(t testing.TB, db engine.DB) []schema.Keepsake {
	t.Helper()
	list, err := db.(engine.Keeper).Keepsakes(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func keep(t testing.TB, db engine.DB, list []schema.Keepsake) (rest []string) {
	t.Helper()
	unkept, err := db.(engine.Keeper).Keep(limit(t), list)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range unkept {
		if u.Refused {
			rest = append(rest, "refused: "+u.String())
		} else {
			rest = append(rest, u.String())
		}
	}
	return rest
}

// TestKeep: a database with the same tables gets everything, seen by Keepsakes and by Inspect, and a second time changes nothing.
func TestKeep(t *testing.T) {
	old, fresh, _ := keptPair(t, keptBase, keptByHand()...)
	list := keepsakes(t, old)
	want := []string{"rows of materialized view public.mat: they are those that the migrations put there: refresh it"}
	for range 2 {
		if diff := cmp.Diff(want, keep(t, fresh, list)); diff != "" {
			t.Fatalf("left out (-want +got):\n%s", diff)
		}
		if lacking := schema.Lacking(list, keepsakes(t, fresh)); len(lacking) > 0 {
			t.Errorf("lacking: %q", lacking)
		}
		if diff := schema.Diff(inspectDB(t, old).Objects, inspectDB(t, fresh).Objects); diff != nil {
			t.Errorf("objects differ: %v", diff)
		}
	}
	// Each object of these kinds that Inspect shows has its keepsake.
	keys := map[string]bool{}
	for _, k := range list {
		if keys[k.Key()] {
			t.Errorf("%s is there twice", k.Key())
		}
		keys[k.Key()] = true
	}
	for _, o := range inspectDB(t, old).Objects {
		if slices.Contains([]string{"owner", "grant", "default grant", "comment", "publication", "extension"}, o.Kind) && !keys[o.Key()] {
			t.Errorf("%s is kept by nobody", o.Key())
		}
	}
}

// TestKeepWhatIsThere: what is gone is given back with the reason, and keeps nothing else from being given.
func TestKeepWhatIsThere(t *testing.T) {
	old, fresh, roles := keptPair(t, keptBase,
		`CREATE TABLE extra (id int, a int)`, `GRANT SELECT ON extra TO {a}`, `GRANT SELECT (a) ON extra TO {a}`, `COMMENT ON TABLE extra IS 'x'`, `CREATE PUBLICATION p FOR TABLE extra, parts, two (id, x)`,
		`GRANT SELECT (x, y) ON two TO {a}`, `COMMENT ON COLUMN two.x IS 'x'`, `GRANT DELETE ON two TO {c}`,
		`GRANT EXECUTE ON FUNCTION twice(int) TO {a}`, `COMMENT ON FUNCTION twice(int) IS 'x'`,
		`CREATE SCHEMA gone`, `GRANT USAGE ON SCHEMA gone TO {a}`, `ALTER DEFAULT PRIVILEGES IN SCHEMA gone GRANT SELECT ON TABLES TO {a}`,
		`GRANT SELECT ON plain.one TO {c}`, `COMMENT ON TABLE plain.one IS 'x'`,
		`COMMENT ON TRIGGER "Tri.g" ON two IS 'x'`, `COMMENT ON INDEX plain."In.dex ""i""" IS 'x'`, `COMMENT ON TYPE mood IS 'x'`)
	execIn(t, fresh, `ALTER TABLE two DROP x CASCADE`, `DROP FUNCTION twice(int)`, `DROP TRIGGER "Tri.g" ON two`, `DROP TYPE mood CASCADE`,
		`DROP TABLE plain.one CASCADE`, `CREATE VIEW plain.one AS SELECT 1 AS id, '' AS a`)
	want := []string{
		`owner gone (schema): schema "gone" does not exist`, `grant gone (schema): it is not there any more`,
		`owner public.extra: relation "public.extra" does not exist`, `owner public.mood (type): type "public.mood" does not exist`,
		`owner public.twice(integer) (function): function public.twice(integer) does not exist`,
		`grant public.extra: it is not there any more`, `grant public.twice(integer) (function): it is not there any more`,
		`grant public.extra.a (column): relation "public.extra" does not exist`, `grant public.two.x (column): column "x" of relation "two" does not exist`,
		`default grant mulligan tables in gone: schema "gone" does not exist`,
		`publication p: relation "public.extra" does not exist`, `publication p: column "x" of relation "two" does not exist`,
		`comment public.mood (type): type "public.mood" does not exist`, `comment public.twice(integer) (function): function public.twice(integer) does not exist`,
		`comment plain.one: "one" is not a table`, `comment plain.one."In.dex ""i""" (index): relation "plain.In.dex "i"" does not exist`,
		`comment public.extra: relation "public.extra" does not exist`, `comment public.two."Tri.g" (trigger): trigger "Tri.g" for table "two" does not exist`,
		`comment public.two.x (column): column "x" of relation "public.two" does not exist`,
		`rows of materialized view public.mat: they are those that the migrations put there: refresh it`,
	}
	if diff := cmp.Diff(want, keep(t, fresh, keepsakes(t, old))); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
	for _, query := range []string{
		`SELECT has_table_privilege(trim('"' from '{c}'), 'two', 'DELETE')`,
		`SELECT has_table_privilege(trim('"' from '{c}'), 'plain.one', 'SELECT')`, // it is a view of that name now
		`SELECT count(*) = 1 FROM pg_publication_tables WHERE pubname = 'p' AND tablename = 'parts_24'`,
	} {
		if !scalar[bool](t, fresh, roles.Replace(query)) {
			t.Errorf("%s: it was not given", query)
		}
	}
}

// TestKeepWithoutRole: of a role that the server does not have nothing is given, and of the others everything.
func TestKeepWithoutRole(t *testing.T) {
	server := testdb.NewPostgres(t)
	elsewhere := testdb.Postgres(t)
	server.Exec(t, "", "CREATE ROLE gone", "CREATE ROLE stays")
	elsewhereRole(t, elsewhere, "stays")
	name, address := server.NewDatabase(t)
	const base = "CREATE TABLE one (id int, a int); CREATE TABLE two (id int)"
	server.Exec(t, name, base, "GRANT SELECT ON one TO gone, stays", "GRANT UPDATE (a) ON one TO gone", "ALTER TABLE two OWNER TO gone", "GRANT SELECT ON two TO stays",
		"ALTER DEFAULT PRIVILEGES FOR ROLE gone GRANT SELECT ON TABLES TO stays", "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO gone, stays", "CREATE PUBLICATION p FOR TABLE one", "ALTER PUBLICATION p OWNER TO gone")
	list := keepsakes(t, openDB(t, address, name))
	fresh := newDB(t, base)
	me := engine.Postgres.Ident(scalar[string](t, fresh, "SELECT current_user"))
	const why = `: there is no role "gone" on this server`
	want := []string{"owner public.two" + why, "grant public.one" + why, "grant public.one.a (column)" + why, "default grant gone tables" + why, "default grant mulligan tables" + why, "publication p" + why,
		"grant public.two: its owner is " + me + ` here, in place of "gone"`}
	if diff := cmp.Diff(want, keep(t, fresh, list)); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
	for query, want := range map[string]bool{
		"SELECT has_table_privilege('stays', 'one', 'SELECT') AND has_table_privilege('stays', 'two', 'SELECT')":         true,
		"SELECT has_table_privilege(current_user, 'two', 'DELETE')":                                                      true, // the owner is another, and can do what the old one could
		"SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = 'p')":                                                 true,
		"SELECT defaclacl::text LIKE '%stays=r/%' FROM pg_default_acl WHERE defaclobjtype = 'r' AND defaclnamespace = 0": true,
	} {
		if got := scalar[bool](t, fresh, query); got != want {
			t.Errorf("%s: %t", query, got)
		}
	}
	s := connect(t, elsewhere.URL(""))
	defer closeServer(t, s)
	forecast, err := s.(engine.Forecaster).Forecast(limit(t), list)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, u := range forecast {
		told = append(told, u.String())
	}
	want = []string{"owner public.two" + why, "grant public.one" + why, "grant public.one.a (column)" + why, "default grant gone tables" + why, "default grant mulligan tables" + why, "publication p" + why}
	for _, w := range want {
		if !slices.Contains(told, w) {
			t.Errorf("the forecast does not say %q: %q", w, told)
		}
	}
}

func elsewhereRole(t testing.TB, server *testdb.Server, name string) {
	t.Helper()
	server.Exec(t, "", "CREATE ROLE "+name)
	t.Cleanup(func() { server.Exec(t, "", "DROP ROLE "+name) })
}

// TestKeepRefused: what the server does not let us do is told apart from what is not there.
func TestKeepRefused(t *testing.T) {
	server := testdb.Postgres(t)
	roles := keptRoles(t, server)
	user := server.NewUser(t)
	const base = "CREATE TABLE one (id int, a int)"
	source := newDB(t, roles.Replace(base+`; CREATE EXTENSION hstore; CREATE EXTENSION file_fdw; ALTER TABLE one OWNER TO {a}; GRANT SELECT ON one TO {b};
		CREATE PUBLICATION p FOR ALL TABLES; ALTER DEFAULT PRIVILEGES FOR ROLE {a} GRANT SELECT ON TABLES TO {b}; COMMENT ON TABLE one IS 'x'`))
	list := keepsakes(t, source)
	name, _ := server.NewDatabase(t)
	server.Exec(t, "", "ALTER DATABASE "+server.Quote(name)+" OWNER TO "+server.SQL(user))
	address := server.URLAs(user, name)
	fresh := openDB(t, address, name)
	execIn(t, fresh, base)
	rest := keep(t, fresh, list)
	want := []string{
		`refused: extension file_fdw: permission denied to create extension "file_fdw"`,
		roles.Replace(`refused: owner public.one: must be member of role {a}`),
		roles.Replace(`refused: default grant {a} tables: must be member of role {a}`),
		`refused: publication p: must be superuser to create FOR ALL TABLES publication`,
		roles.Replace(`grant public.one: its owner is ` + server.SQL(user) + ` here, in place of {a}`),
	}
	for i := range want { // the name of a role in an object's name and in a message is quoted in other ways
		if i < len(rest) && (i == 1 || i == 2 || i == 4) {
			want[i], rest[i] = strings.ReplaceAll(want[i], `""`, `"`), strings.ReplaceAll(rest[i], `""`, `"`)
		}
	}
	if diff := cmp.Diff(want, rest); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
	if !scalar[bool](t, fresh, "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'hstore') AND obj_description('one'::regclass) = 'x'") {
		t.Error("what could be given was not")
	}
}

// TestKeepIsOneStep: where it is interrupted, nothing is given.
func TestKeepIsOneStep(t *testing.T) {
	old, fresh, _ := keptPair(t, keptBase, keptByHand()...)
	before := inspectDB(t, fresh)
	list := keepsakes(t, old)
	list[len(list)-3].Data = []byte("{") // as a manifest that somebody wrote by hand
	if rest, err := fresh.(engine.Keeper).Keep(limit(t), list); err == nil {
		t.Errorf("data that is none was taken: %v", rest)
	}
	// Somebody holds a table: Keep waits for it, after it has given others, and is then cut off.
	other, err := fresh.Session(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	execIn(t, other, "BEGIN", "LOCK TABLE two")
	ctx, cancel := untilBlocked(t, old, scalar[string](t, fresh, "SELECT current_database()"))
	defer cancel()
	if rest, err := fresh.(engine.Keeper).Keep(ctx, keepsakes(t, old)); err == nil {
		t.Errorf("it came to its end: %v", rest)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if diff := schema.Diff(before.Objects, inspectDB(t, fresh).Objects); diff != nil {
		t.Errorf("something was given: %v", diff)
	}
}

// TestKeepOneStatement: a manifest cannot bring a second statement in.
func TestKeepOneStatement(t *testing.T) {
	db := newDB(t, "CREATE TABLE one (id int)")
	rest := keep(t, db, []schema.Keepsake{{Kind: "comment", Name: "public.one", Data: []byte(`{"on":"TABLE public.one IS 'x'; DROP TABLE public.one; COMMENT ON TABLE public.one","text":"x"}`)}})
	if len(rest) != 1 || !strings.Contains(rest[0], "refused: comment public.one: cannot insert multiple commands") {
		t.Errorf("left out: %q", rest)
	}
	if n := scalar[int](t, db, "SELECT count(*) FROM one"); n != 0 {
		t.Errorf("%d rows", n)
	}
}

// untilBlocked ends when a session of a database waits for a lock.
func untilBlocked(t testing.TB, watch engine.DB, name string) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(limit(t))
	go func() {
		for ctx.Err() == nil {
			var blocked bool
			err := watch.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = $1)", name).Scan(&blocked)
			if err != nil || blocked {
				cancel()
			}
		}
	}()
	return ctx, cancel
}
