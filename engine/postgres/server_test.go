package postgres_test

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/engine/postgres"
	"mulligan/internal/testdb"
	"mulligan/schema"
)

func parse(t testing.TB, text string) engine.URL {
	t.Helper()
	url, err := engine.ParseURL(text)
	if err != nil {
		t.Fatalf("url: %v", err)
	}
	return url
}

func TestConnectErrors(t *testing.T) {
	server := testdb.Postgres(t)
	const secret = `S3cr3t%/?#@:&`
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	wrong := server.URLAs(testdb.User{Name: server.User.Name, Password: secret}, "postgres")
	for name, c := range map[string]struct {
		url  string
		want error
	}{
		"WrongPassword": {wrong, engine.ErrDenied},
		"NoSuchUser":    {server.URLAs(testdb.User{Name: "nobody here", Password: secret}, ""), engine.ErrDenied},
		"NoServer":      {strings.Replace(wrong, server.Addr(), closed, 1), engine.ErrNoServer},
		"NoSocket":      {"postgres://u:" + "S3cr3t%25%2F%3F%23%40%3A%26" + "@/x?host=/nonexistent", engine.ErrNoServer},
		"TLSRequired":   {strings.Replace(wrong, "sslmode=disable", "sslmode=require", 1), engine.ErrNoServer},
		"BadOption":     {strings.Replace(wrong, "sslmode=disable", "sslmode=never", 1), nil},
		"UnknownOption": {strings.Replace(server.URL(""), "sslmode=disable", "sslmode=disable&nothing=1", 1), nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := postgres.Connect(limit(t), parse(t, c.url))
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Fatalf("connect: %v, want %v", err, c.want)
			}
			for _, form := range []string{secret, "S3cr3t", server.User.Password} {
				if strings.Contains(err.Error(), form) {
					t.Errorf("the error %q holds the password", err)
				}
			}
		})
	}
}

func TestConnectWithoutPostgresDatabase(t *testing.T) {
	server := testdb.NewPostgres(t)
	name, _ := server.NewDatabase(t)
	server.Exec(t, "", "CREATE ROLE plain LOGIN PASSWORD 'p'")
	server.Exec(t, name, "DROP DATABASE postgres")
	s := connect(t, server.URLAs(testdb.User{Name: "plain", Password: "p"}, name))
	defer closeServer(t, s)
	if _, err := s.Stat(limit(t), name); err != nil {
		t.Errorf("stat: %v", err)
	}
	server.Exec(t, name, "UPDATE pg_database SET datallowconn = false WHERE datname = 'template1'")
	own := connect(t, server.URLAs(testdb.User{Name: "plain", Password: "p"}, name))
	defer closeServer(t, own)
	if info, err := own.Stat(limit(t), name); err != nil || info.Sessions != 0 {
		t.Errorf("stat: %+v, %v, want no sessions but our own", info, err)
	}
	server.Exec(t, name, "CREATE DATABASE postgres TEMPLATE template0")
}

func closeServer(t testing.TB, s engine.Server) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("close the server: %v", err)
	}
}

func TestCreateLike(t *testing.T) {
	server := testdb.NewPostgres(t)
	s := connect(t, server.URL(""))
	defer closeServer(t, s)
	for _, text := range []string{
		`CREATE ROLE "the ""owner"""`, "CREATE ROLE app", "CREATE ROLE reader",
		`CREATE DATABASE "Old.Db" TEMPLATE template0 OWNER "the ""owner""" ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' LC_COLLATE 'C' LC_CTYPE 'C' CONNECTION LIMIT 7`,
		`ALTER DATABASE "Old.Db" SET search_path = app, "Odd, ""one""", public`, `ALTER DATABASE "Old.Db" SET TimeZone = 'Europe/Berlin'`,
		`ALTER DATABASE "Old.Db" SET app.tenant = 'a=b, c\d''e'`, `ALTER DATABASE "Old.Db" SET work_mem = '12MB'`,
		`ALTER ROLE app IN DATABASE "Old.Db" SET search_path = ''`, `ALTER ROLE "the ""owner""" IN DATABASE "Old.Db" SET statement_timeout = '5s'`,
		`REVOKE ALL ON DATABASE "Old.Db" FROM PUBLIC`, `GRANT CONNECT, TEMPORARY ON DATABASE "Old.Db" TO app WITH GRANT OPTION`,
		`GRANT CREATE ON DATABASE "Old.Db" TO app`, `REVOKE CREATE ON DATABASE "Old.Db" FROM "the ""owner"""`,
		`GRANT CONNECT ON DATABASE "Old.Db" TO reader`, `COMMENT ON DATABASE "Old.Db" IS E'it''s\nold'`,
	} {
		server.Exec(t, "", text)
	}
	like, err := s.Stat(limit(t), "Old.Db")
	if err != nil {
		t.Fatalf("stat: %v", err)
	}
	if err := s.Create(limit(t), "new one", like); err != nil {
		t.Fatalf("create: %v", err)
	}
	got, err := s.Stat(limit(t), "new one")
	if err != nil {
		t.Fatalf("stat: %v", err)
	}
	got.Name, got.Bytes = like.Name, like.Bytes
	if diff := cmp.Diff(like, got); diff != "" {
		t.Errorf("the new database (-want +got):\n%s", diff)
	}
	if len(like.Settings) != 6 || len(like.Grants) < 5 || like.Properties["provider"] != "icu" || like.Properties["connection_limit"] != "7" {
		t.Errorf("stat misses something: %+v", like)
	}
	if path := server.Query(t, "new one", "SHOW search_path")[0][0]; path != `app, "Odd, ""one""", public` {
		t.Errorf("the new database's search_path is %s", path)
	}
	impossible := *like
	impossible.Grants = append(slices.Clone(like.Grants), `GRANT CONNECT TO "no such role"`)
	if err := s.Create(limit(t), "not made", &impossible); err == nil {
		t.Error("a grant to a role that is not there was left out in silence")
	}
	if _, err := s.Stat(limit(t), "not made"); !errors.Is(err, engine.ErrNotExist) {
		t.Errorf("stat after a create that failed: %v, want ErrNotExist", err)
	}
}

func TestNamesTooLong(t *testing.T) {
	s := connect(t, testdb.Postgres(t).URL(""))
	defer closeServer(t, s)
	long := strings.Repeat("ü", 32)
	if err := s.Create(limit(t), long, nil); err == nil {
		t.Error("a name of 64 bytes was cut in silence")
	}
	fits := strings.Repeat("ü", 31) + "x"
	if err := s.Create(limit(t), fits, nil); err != nil {
		t.Fatalf("create: %v", err)
	}
	if err := s.Drop(limit(t), fits); err != nil {
		t.Errorf("drop: %v", err)
	}
}

// TestLowPrivilege does all of a rebuild's steps as a role that owns its database and may create others.
func TestLowPrivilege(t *testing.T) {
	server := testdb.Postgres(t)
	user := server.NewUser(t)
	server.Exec(t, "", "ALTER ROLE "+server.SQL(user)+" CREATEDB")
	address := server.URLAs(user, "postgres")
	s := connect(t, address)
	defer closeServer(t, s)
	old, fresh, aside := newName(t), newName(t), newName(t)
	for _, n := range []string{old, fresh, aside} {
		t.Cleanup(func() { server.DropDatabase(t, n) })
	}
	if err := s.Create(limit(t), old, nil); err != nil {
		t.Fatalf("create: %v", err)
	}
	ddl := strings.ReplaceAll(strings.ReplaceAll(relations, "ALTER TABLE guarded FORCE", "ALTER TABLE guarded NO FORCE"), "postgres_fdw", "")
	rows := strings.Replace(relationRows, "SET session_replication_role = 'local';", "", 1)
	source := openDB(t, address, old)
	execIn(t, source, ddl, rows)
	from, want := inspectDB(t, source), contents(t, source, 10_000)
	like, err := s.Stat(limit(t), old)
	if err != nil {
		t.Fatalf("stat: %v", err)
	}
	if err := s.Create(limit(t), fresh, like); err != nil {
		t.Fatalf("create like: %v", err)
	}
	target := openDB(t, address, fresh)
	execIn(t, target, ddl)
	if err := reload(t, target, want, from.Sequences); err != nil {
		t.Fatalf("reload: %v", err)
	}
	if diff := cmp.Diff(want, contents(t, target, 10_000)); diff != "" {
		t.Errorf("rows (-source +target):\n%s", diff)
	}
	for _, n := range []string{old, fresh} {
		if err := s.(engine.Evicter).Evict(limit(t), n); err != nil {
			t.Fatalf("evict: %v", err)
		}
	}
	if err := s.(engine.Renamer).Rename(limit(t), engine.Move{From: old, To: aside}, engine.Move{From: fresh, To: old}); err != nil {
		t.Fatalf("rename: %v", err)
	}
}

func TestDenied(t *testing.T) {
	server := testdb.Postgres(t)
	user := server.NewUser(t)
	name, _ := server.NewDatabase(t)
	server.Exec(t, name, "CREATE TABLE hidden (id int); CREATE TABLE shown (id int); GRANT SELECT ON shown TO "+server.SQL(user))
	s := connect(t, server.URLAs(user, name))
	defer closeServer(t, s)
	if err := s.Create(limit(t), newName(t), nil); !errors.Is(err, engine.ErrDenied) || !strings.Contains(err.Error(), "42501") {
		t.Errorf("create: %v, want ErrDenied with its SQLSTATE", err)
	}
	db := openDB(t, server.URLAs(user, name), name)
	schema := inspectDB(t, db)
	v, err := db.View(limit(t), 1)
	if err != nil {
		t.Fatalf("view: %v", err)
	}
	defer func() {
		if err := v.Close(); err != nil {
			t.Errorf("close the view: %v", err)
		}
	}()
	for _, tb := range tablesOf(schema) {
		_, err := v.Dump(limit(t), new(strings.Builder), tb, engine.Range{})
		if denied := errors.Is(err, engine.ErrDenied); denied != (tb.Name.Table == "hidden") {
			t.Errorf("dump %s: %v", tb.Name, err)
		}
	}
	if _, err := db.Loader(limit(t), tablesOf(schema), nil); !errors.Is(err, engine.ErrDenied) {
		t.Errorf("loader: %v, want ErrDenied", err)
	}
	server.Exec(t, "", "REVOKE CONNECT ON DATABASE "+server.Quote(name)+" FROM PUBLIC")
	if _, err := s.Open(limit(t), name); !errors.Is(err, engine.ErrDenied) {
		t.Errorf("open: %v, want ErrDenied", err)
	}
	if _, err := s.Stat(limit(t), name); err != nil {
		t.Errorf("stat of a database that one may not enter: %v", err)
	}
}

// TestRowSecurity: rows that a policy hides are an error, never missing in silence.
func TestRowSecurity(t *testing.T) {
	server := testdb.Postgres(t)
	user := server.NewUser(t)
	name, _ := server.NewDatabase(t)
	server.Exec(t, name, "CREATE TABLE guarded (id int); INSERT INTO guarded VALUES (1), (2); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; CREATE POLICY one ON guarded USING (id = 1); GRANT SELECT ON guarded TO "+server.SQL(user))
	db := openDB(t, server.URLAs(user, name), name)
	v, err := db.View(limit(t), 1)
	if err != nil {
		t.Fatalf("view: %v", err)
	}
	defer func() {
		if err := v.Close(); err != nil {
			t.Errorf("close the view: %v", err)
		}
	}()
	if n, err := v.Dump(limit(t), new(strings.Builder), tablesOf(inspectDB(t, db))[0], engine.Range{}); !errors.Is(err, engine.ErrDenied) {
		t.Errorf("dump: %d rows, %v, want ErrDenied", n, err)
	}
}

func TestRenameBlockedByPreparedTransaction(t *testing.T) {
	server := testdb.NewPostgres(t, "-c", "max_prepared_transactions=1")
	name, _ := server.NewDatabase(t)
	server.Exec(t, name, "CREATE TABLE a (id int); BEGIN; INSERT INTO a VALUES (1); PREPARE TRANSACTION 'p'")
	s := connect(t, server.URL(""))
	defer closeServer(t, s)
	err := s.(engine.Renamer).Rename(limit(t), engine.Move{From: name, To: newName(t)})
	if !errors.Is(err, engine.ErrInUse) || !strings.Contains(err.Error(), "prepared transaction") {
		t.Errorf("rename: %v, want ErrInUse that names the prepared transaction", err)
	}
	server.Exec(t, name, "ROLLBACK PREPARED 'p'")
}

func TestScript(t *testing.T) {
	db := newDB(t, "")
	s, err := db.Session(limit(t))
	if err != nil {
		t.Fatalf("session: %v", err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the session: %v", err)
		}
	}()
	const bad = "CREATE TABLE ü (id int);\nSELECT 'ü', nothing FROM ü;"
	var where *engine.ScriptError
	if err := s.Script(context.Background(), bad); !errors.As(err, &where) || where.Offset != strings.Index(bad, "nothing") {
		t.Errorf("script: %v at %+v, want the offset of the unknown column", err, where)
	}
	if n := scalar[int](t, s, "SELECT count(*) FROM pg_class WHERE relname = 'ü'"); n != 0 {
		t.Error("the failed script left a table behind")
	}
	if err := s.Script(context.Background(), "SET search_path = pg_catalog; CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS $x$ SELECT 1; $x$"); err != nil {
		t.Errorf("script: %v", err)
	}
}

// TestScriptOfPgDump runs what pg_dump writes.
func TestScriptOfPgDump(t *testing.T) {
	server := testdb.Postgres(t)
	name, _ := server.NewDatabase(t)
	server.Exec(t, name, relations+`CREATE FUNCTION lines() RETURNS text LANGUAGE sql AS $$ SELECT '
COPY nothing' $$;`)
	server.Exec(t, name, relationRows)
	command := exec.CommandContext(limit(t), server.Tool(t, "pg_dump"), append(server.ClientArgs(), name)...)
	command.Env = server.Env()
	dump, err := command.Output()
	if err != nil {
		t.Fatalf("pg_dump: %v", err)
	}
	db := newDB(t, "")
	s, err := db.Session(limit(t))
	if err != nil {
		t.Fatalf("session: %v", err)
	}
	if err := errors.Join(s.Script(limit(t), string(dump)), s.Close()); err != nil {
		t.Fatalf("script: %v", err)
	}
	source := openDB(t, server.URL(name), name)
	if diff := cmp.Diff(contents(t, source, 1<<40), contents(t, db, 1<<40)); diff != "" {
		t.Errorf("rows (-source +target):\n%s", diff)
	}
	if diff := schema.Diff(inspectDB(t, source).Objects, inspectDB(t, db).Objects); diff != nil {
		t.Errorf("objects: %v", diff)
	}
}

func TestScriptRefuses(t *testing.T) {
	db := newDB(t, "CREATE TABLE a (id int)")
	for name, text := range map[string]string{
		"Connect": "SELECT 1;\n\\connect other\n",
		"NoEnd":   "SELECT 1;\nCOPY a FROM stdin;\n1\n",
		"BadRow":  "SELECT 1;\nCOPY a FROM stdin;\n1\nx\n\\.\n",
	} {
		s, err := db.Session(limit(t))
		if err != nil {
			t.Fatalf("session: %v", err)
		}
		var where *engine.ScriptError
		if err := s.Script(limit(t), text); !errors.As(err, &where) || where.Offset != len("SELECT 1;\n") {
			t.Errorf("%s: %v at %+v", name, err, where)
		}
		if err := s.Close(); err != nil {
			t.Errorf("close the session: %v", err)
		}
	}
}

// TestForcedRowSecurity: policies that bind the owner too do not keep its rows from being loaded, and bind again after.
func TestForcedRowSecurity(t *testing.T) {
	server := testdb.Postgres(t)
	user := server.NewUser(t)
	name, _ := server.NewDatabase(t)
	server.Exec(t, "", "ALTER DATABASE "+server.Quote(name)+" OWNER TO "+server.SQL(user))
	db := openDB(t, server.URLAs(user, name), name)
	execIn(t, db, "CREATE TABLE guarded (id int); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; ALTER TABLE guarded FORCE ROW LEVEL SECURITY; CREATE POLICY one ON guarded USING (id = 1)")
	before := inspectDB(t, db)
	if err := reload(t, db, map[string][]string{"public.guarded": {"1", "2"}}, nil); err != nil {
		t.Fatalf("reload: %v", err)
	}
	if diff := schema.Diff(before.Objects, inspectDB(t, db).Objects); diff != nil {
		t.Errorf("the load changed the schema: %v", diff)
	}
	if n := server.Query(t, name, "SELECT count(*) FROM guarded")[0][0]; n != "2" {
		t.Errorf("%s rows were loaded, want 2", n)
	}
}

// TestSwapUnderReconnectingClients: pools connect again as soon as they are cut off.
func TestSwapUnderReconnectingClients(t *testing.T) {
	server := testdb.Postgres(t)
	live, _ := server.NewDatabase(t)
	fresh, _ := server.NewDatabase(t)
	server.Exec(t, live, "CREATE TABLE is_old (id int)")
	server.Exec(t, fresh, "CREATE TABLE is_new (id int)")
	aside := newName(t)
	t.Cleanup(func() { server.DropDatabase(t, aside) })
	s := connect(t, server.URL(""))
	defer closeServer(t, s)
	ctx, cancel := context.WithCancel(limit(t))
	var clients sync.WaitGroup
	defer func() {
		cancel()
		clients.Wait()
	}()
	for range 4 {
		pool := server.Open(t, live)
		clients.Go(func() {
			for ctx.Err() == nil {
				_, _ = pool.ExecContext(ctx, "SELECT 1") // it fails whenever it is cut off
			}
		})
	}
	for range 5 {
		if err := s.(engine.Evicter).Evict(ctx, live); err != nil {
			t.Fatalf("evict: %v", err)
		}
		if err := s.(engine.Renamer).Rename(ctx, engine.Move{From: live, To: aside}, engine.Move{From: fresh, To: live}); err != nil {
			t.Fatalf("swap: %v", err)
		}
		if err := s.(engine.Evicter).Evict(ctx, live); err != nil {
			t.Fatalf("evict: %v", err)
		}
		if err := s.(engine.Renamer).Rename(ctx, engine.Move{From: live, To: fresh}, engine.Move{From: aside, To: live}); err != nil {
			t.Fatalf("swap back: %v", err)
		}
	}
}

// TestCheckMove asks as roles that may not rename, and about databases that nobody may.
func TestCheckMove(t *testing.T) {
	server := testdb.Postgres(t)
	stranger, owner := server.NewUser(t), server.NewUser(t)
	name, _ := server.NewDatabase(t)
	server.Exec(t, "", "ALTER DATABASE "+server.Quote(name)+" OWNER TO "+server.SQL(owner))
	for _, c := range []struct {
		user         testdb.User
		name, before string
		wants        []string
		denied       bool
	}{
		{stranger, name, "", []string{"belongs to role " + owner.Name, "lacks CREATEDB"}, true},
		{owner, name, "", []string{"lacks CREATEDB"}, true},
		{server.User, name, "ALTER DATABASE " + server.Quote(name) + " WITH IS_TEMPLATE true", []string{"is a template"}, false},
		{server.User, "postgres", "", []string{"the one that he is in"}, false},
		{server.User, name, "ALTER DATABASE " + server.Quote(name) + " WITH IS_TEMPLATE false", nil, false},
		{owner, name, "ALTER ROLE " + server.SQL(owner) + " CREATEDB", nil, false},
	} {
		if c.before != "" {
			server.Exec(t, "", c.before)
		}
		s := connect(t, server.URLAs(c.user, "postgres"))
		err := s.(engine.MoveChecker).CheckMove(limit(t), c.name, "")
		closeServer(t, s)
		if (err != nil) != (c.wants != nil) || errors.Is(err, engine.ErrDenied) != c.denied {
			t.Errorf("database %s as %s: %v", c.name, c.user.Name, err)
		}
		for _, want := range c.wants {
			if err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("database %s as %s: %v, want %q in it", c.name, c.user.Name, err, want)
			}
		}
	}
}
