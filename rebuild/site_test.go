package rebuild_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"mulligan/engine"
	"mulligan/engine/sqlite"
	"mulligan/journal"
	"mulligan/migration/dbmate"
	"mulligan/pipeline"
	"mulligan/rebuild"
	"mulligan/restore"
	"mulligan/schema"
	"mulligan/store"
	"mulligan/store/storetest"
)

// site is an application with a broken database: its ledger lacks what its schema shows.
type site struct {
	dir   string // holds nothing but the database
	state string
	files string
	name  string
	url   engine.URL
	real  engine.Server
	store store.Store
}

// migrations are the application's. The last one is about rows, and the one before it changes the schema.
func migrations() []string {
	return []string{
		`CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, nick TEXT NOT NULL, bio BLOB);
		 CREATE UNIQUE INDEX users_nick ON users (nick);`,
		`CREATE TABLE audit (what TEXT);
		 CREATE TRIGGER users_audit AFTER INSERT ON users BEGIN INSERT INTO audit VALUES (new.nick); END;`,
		`CREATE TABLE roles (name TEXT PRIMARY KEY, power INTEGER NOT NULL DEFAULT 1);
		 INSERT INTO roles VALUES ('admin', 9), ('guest', 0);`,
		`CREATE TABLE security_keys (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users (id), key TEXT);`,
		`ALTER TABLE users ADD COLUMN locale TEXT;`,
		`UPDATE users SET locale = 'of ' || nick;`,
	}
}

// applied is how many of the migrations the old schema shows.
const applied = 4

// memoryDir is a folder that goes with the test, in memory where that can be: these tests sync a lot.
func memoryDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "mulligan-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func newSite(t testing.TB, users int) *site {
	t.Helper()
	root := memoryDir(t)
	s := &site{dir: filepath.Join(root, "db"), state: filepath.Join(root, "state"), files: filepath.Join(root, "migrations"), store: storetest.Memory()}
	for _, d := range []string{s.dir, s.state, s.files} {
		must(t, os.Mkdir(d, 0o700))
	}
	for i, text := range migrations() {
		s.migration(t, i, text)
	}
	s.name = filepath.Join(s.dir, "app.db")
	var err error
	s.url, err = engine.ParseURL("sqlite:" + s.name)
	must(t, err)
	s.real, err = sqlite.Connect(t.Context(), s.url)
	must(t, err)
	must(t, s.real.Create(t.Context(), s.name, nil))
	s.exec(t, migrations()[:applied]...)
	s.exec(t,
		`CREATE TABLE schema_migrations (version varchar(128) primary key)`,
		`INSERT INTO schema_migrations VALUES ('001')`,
		fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
			INSERT INTO users (nick, bio) SELECT 'user' || i || char(9) || 'é\', CASE i %% 3 WHEN 0 THEN x'00ff' WHEN 1 THEN 'text' END FROM n`, users),
		`INSERT INTO users (id, nick) VALUES (1000000, 'gone')`, `DELETE FROM users WHERE id = 1000000`,
		`INSERT INTO security_keys (user_id, key) SELECT id, hex(id) FROM users WHERE id % 2 = 0`,
		`DELETE FROM roles WHERE name = 'guest'`, `INSERT INTO roles VALUES ('owner', 10)`,
	)
	return s
}

func (s *site) migration(t testing.TB, i int, text string) {
	t.Helper()
	path := filepath.Join(s.files, fmt.Sprintf("%03d_step.sql", i+1))
	must(t, os.WriteFile(path, []byte("-- migrate:up\n"+text+"\n-- migrate:down\n"), 0o600))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// exec runs statements on the application's database.
func (s *site) exec(t testing.TB, statements ...string) {
	t.Helper()
	db, err := s.real.Open(t.Context(), s.name)
	must(t, err)
	defer func() { must(t, db.Close()) }()
	for _, text := range statements {
		if _, err := db.ExecContext(t.Context(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

// dump is everything that a database holds, as text; "" where there is none.
func (s *site) dump(t testing.TB, name string) string {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	db, err := s.real.Open(ctx, name)
	if errors.Is(err, engine.ErrNotExist) {
		return ""
	}
	must(t, err)
	defer func() { must(t, db.Close()) }()
	var b strings.Builder
	for _, row := range query(t, db, `SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite!_autoindex%' ESCAPE '!' ORDER BY type, name`) {
		fmt.Fprintln(&b, row)
		if strings.HasPrefix(row, "table|") {
			table := strings.Split(row, "|")[1]
			lines := query(t, db, "SELECT * FROM "+engine.SQLite.Ident(table))
			slices.Sort(lines)
			fmt.Fprintln(&b, strings.Join(lines, "\n"))
		}
	}
	return b.String()
}

func query(t testing.TB, db engine.Querier, text string) (lines []string) {
	t.Helper()
	rows, err := db.QueryContext(context.Background(), text)
	must(t, err)
	defer func() { must(t, rows.Close()) }()
	columns, err := rows.Columns()
	must(t, err)
	for rows.Next() {
		cells := make([]sql.RawBytes, len(columns))
		into := make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		must(t, rows.Scan(into...))
		var line []string
		for _, c := range cells {
			if c == nil {
				line = append(line, "NULL")
				continue
			}
			line = append(line, string(c))
		}
		lines = append(lines, strings.Join(line, "|"))
	}
	must(t, rows.Err())
	return lines
}

// databases lists the files beside the application's database, itself included. Hidden ones are the adapter's
// locks, and drafts that a kill left: no database was ever known by their names.
func (s *site) databases(t testing.TB) (names []string) {
	t.Helper()
	list, err := os.ReadDir(s.dir)
	must(t, err)
	for _, f := range list {
		if !strings.HasPrefix(f.Name(), ".") {
			names = append(names, f.Name())
		}
	}
	return names
}

// settle waits until this process has let go of the database: where a context was cancelled, database/sql
// closes what it had open in its own time. Another process would not see it.
func (s *site) settle(t testing.TB) {
	t.Helper()
	for _, name := range s.databases(t) {
		for until := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
			info, err := s.real.Stat(context.Background(), filepath.Join(s.dir, name))
			if err != nil || info.Sessions == 0 {
				break
			}
			if time.Now().After(until) {
				t.Fatalf("%s is still open", name)
			}
		}
	}
}

// process is one execution of the program on a site.
type process struct {
	rebuild.Run
	journal string
}

// begin makes the first process of a run.
func (s *site) begin(t testing.TB, strategy restore.Strategy) *process {
	t.Helper()
	h, err := rebuild.NewHeader(s.real, s.url, "app", "", strategy, time.Now())
	must(t, err)
	h.Options.Jobs = 2
	return s.process(h)
}

// process makes another process of a run.
func (s *site) process(h rebuild.Header) *process {
	dir := filepath.Join(s.state, string(h.Run))
	return &process{
		Run: rebuild.Run{
			Header: h, Server: s.real, URL: s.url, Tool: dbmate.New([]string{s.files}, schema.Name{}), Store: s.store, Dir: dir,
		},
		journal: filepath.Join(dir, rebuild.JournalName),
	}
}

// execute runs or resumes, with the journal that is there.
func (p *process) execute(t testing.TB, ctx context.Context) error {
	t.Helper()
	j := openJournal(t, p)
	defer func() { must(t, j.Close()) }()
	return p.Execute(ctx, j)
}

func (p *process) undo(t testing.TB) (string, error) {
	t.Helper()
	j := openJournal(t, p)
	defer func() { must(t, j.Close()) }()
	return p.Undo(t.Context(), j)
}

func openJournal(t testing.TB, p *process) *journal.Journal {
	t.Helper()
	if _, err := os.Stat(p.journal); errors.Is(err, os.ErrNotExist) {
		j, err := journal.Create(p.journal, p.Header)
		must(t, err)
		return j
	}
	j, _, err := journal.Open(p.journal)
	must(t, err)
	return j
}

func (p *process) report(t testing.TB) *rebuild.Report {
	t.Helper()
	r, err := rebuild.ReadRun(p.Dir)
	must(t, err)
	return r
}

func strategies() []restore.Strategy { return []restore.Strategy{restore.Beside, restore.InPlace} }

// wantAsItWas says what differs from the database before the run.
func (s *site) wantAsItWas(t testing.TB, before string) {
	t.Helper()
	if now := s.dump(t, s.name); now != before {
		t.Errorf("the database is not as it was:\n%s\nbut:\n%s", before, now)
	}
}

func (s *site) wantAlone(t testing.TB) {
	t.Helper()
	if names := s.databases(t); !slices.Equal(names, []string{"app.db"}) {
		t.Errorf("left behind: %q", names)
	}
}

// wantProved checks a run that came to its end: the new content in place, the old one aside, nothing else.
func (s *site) wantProved(t testing.TB, p *process, before, after string) {
	t.Helper()
	if now := s.dump(t, s.name); now != after {
		t.Errorf("the new database holds\n%s\nwant\n%s", now, after)
	}
	if now := s.dump(t, p.Header.Aside); now != before {
		t.Errorf("the old database, set aside, holds\n%s\nwant\n%s", now, before)
	}
	want := []string{"app.db", filepath.Base(p.Header.Aside)}
	if names := s.databases(t); !slices.Equal(names, want) {
		t.Errorf("there are %q, want %q", names, want)
	}
	if state := p.report(t).State; state != rebuild.StateProved {
		t.Errorf("the report says %q", state)
	}
	if _, err := os.Stat(filepath.Join(p.Dir, "report.json")); err != nil {
		t.Error(err)
	}
}

// result gives what a run makes of a site, by running it on a site like it.
func result(t testing.TB, users int) (before, after string) {
	t.Helper()
	s := newSite(t, users)
	before = s.dump(t, s.name)
	if err := s.begin(t, restore.Beside).execute(t, t.Context()); err != nil {
		t.Fatal(err)
	}
	return before, s.dump(t, s.name)
}

func failure(t testing.TB, err error) *rebuild.Failure {
	t.Helper()
	var f *rebuild.Failure
	if !errors.As(err, &f) {
		t.Fatalf("%v, want a Failure", err)
	}
	return f
}

func on(stage string, outcome pipeline.Outcome, do func()) func(pipeline.Event) {
	return func(e pipeline.Event) {
		if e.Stage == stage && e.Outcome == outcome {
			do()
		}
	}
}

// damage flips a bit in a table's stored rows.
func (s *site) damage(t testing.TB, table string) {
	t.Helper()
	mem := s.store.(*storetest.Mem)
	for _, name := range mem.Names() {
		if strings.Contains(name, "/"+table+"/") {
			data := slices.Clone(mem.Bytes(name))
			data[len(data)/2] ^= 4
			mem.Replace(name, data)
			return
		}
	}
	t.Fatalf("no chunk of table %s in %q", table, mem.Names())
}
