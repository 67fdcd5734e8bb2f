package rebuild_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"mulligan/engine"
	"mulligan/rebuild"
	"mulligan/restore"
	"mulligan/schema"
)

type replayed struct {
	Position, Recorded, How string
	Unrecorded              []string
	Differences             int
}

// Where the rows are loaded, by what ledger and schema say.
func TestPosition(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what     string
		change   func(t *testing.T, s *site)
		options  restore.Options
		position string
		want     string // of `SELECT nick || coalesce(locale, '-') FROM users ORDER BY id LIMIT 1`
		fails    error
		says     string
	}{
		{what: "the ledger is right", position: "004", want: "of "},
		{what: "the ledger says less", change: ledger("002"), position: "004", want: "of "},
		{
			what: "one below it is there in part", position: "004", want: "of ",
			change: statements(`DROP TRIGGER users_audit`, `DELETE FROM schema_migrations WHERE version = '002'`),
		},
		{what: "there is no record", change: ledger(), position: "004", want: "of "},
		{what: "there is no ledger", change: statements(`DROP TABLE schema_migrations`), position: "004", want: "of "},
		// What the ledger says more is not believed where the rows do not fit; nothing is lost either way.
		{what: "the ledger says more", change: ledger("001", "002", "003", "004", "005", "006"), position: "004", want: "of "},
		{what: "the ledger says more, and has a hole", change: ledger("001", "003", "006"), position: "004", want: "of "},
		{what: "given by the user", options: restore.Options{At: "005", AcceptDrift: true}, position: "005", want: "of "},
		{what: "given by the user, after the data migration", options: restore.Options{At: "006", AcceptDrift: true}, position: "006", want: "-"},
		{what: "given by the user, too early", options: restore.Options{At: "003"}, fails: restore.ErrMisfit, says: "table security_keys"},
		{what: "drift", change: statements(`CREATE TABLE private (x)`, `INSERT INTO private VALUES (1)`), fails: restore.ErrDrift, says: "table private"},
		{
			what: "drift that rows live in, accepted", change: statements(`CREATE TABLE private (x)`, `INSERT INTO private VALUES (1)`),
			options: restore.Options{AcceptDrift: true}, fails: restore.ErrMisfit, says: "table private",
		},
		{what: "drift in an index", change: statements(`CREATE INDEX mine ON users (bio)`), fails: restore.ErrDrift, says: "mine"},
		{
			what: "drift in an index, accepted", change: statements(`CREATE INDEX mine ON users (bio)`),
			options: restore.Options{AcceptDrift: true}, position: "004", want: "of ",
		},
		{what: "an index of another name", change: statements(`DROP INDEX users_nick`, `CREATE UNIQUE INDEX other ON users (nick)`), position: "004", want: "of "},
		{
			what: "a later migration fails on empty tables", position: "004", want: "of ",
			change: func(t *testing.T, s *site) {
				ledger("001")(t, s)
				s.migration(t, 4, `ALTER TABLE users ADD COLUMN locale TEXT; CREATE TABLE only_full (n INTEGER CHECK (n > 0)); INSERT INTO only_full SELECT count(*) FROM users;`)
			},
		},
		{
			what: "a later migration fails with the rows in place", fails: errAny, says: "run migration 006",
			change: func(t *testing.T, s *site) { s.migration(t, 5, `INSERT INTO nowhere VALUES (1);`) },
		},
		{
			what: "into the newest schema", options: restore.Options{Newest: true}, position: "006", want: "-",
		},
		{
			what: "into the newest schema, that needs a value", fails: restore.ErrMisfit, says: "table users, column zone: the new column is NOT NULL and has no default",
			options: restore.Options{Newest: true},
			change:  func(t *testing.T, s *site) { s.migration(t, 5, newest) },
		},
		{
			what: "into the newest schema, under a mapping", position: "006", want: "fr",
			options: restore.Options{Newest: true, Mapping: []restore.Mapping{{Table: "users", Drop: []string{"bio"}, Default: map[string]string{"zone": "'a\tb'", "locale": "'f' || 'r'"}}}},
			change:  func(t *testing.T, s *site) { s.migration(t, 5, newest) },
		},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := newSite(t, fewUsers)
			ledger("001", "002", "003", "004")(t, s)
			if c.change != nil {
				c.change(t, s)
			}
			before := s.dump(t, s.name)
			p := s.begin(t, restore.Beside)
			c.options.Jobs = 2
			p.Header.Options = c.options
			err := p.execute(t, t.Context())
			if c.fails != nil {
				if f := failure(t, err); f.State != rebuild.AsItWas || c.fails != errAny && !errors.Is(err, c.fails) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("state %d: %v; want %v that says %q", f.State, err, c.fails, c.says)
				}
				s.wantAsItWas(t, before)
				s.wantAlone(t)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			s.wantProved(t, p, before, s.dump(t, s.name))
			var replay replayed
			if !p.report(t).Proof("replay", &replay) || replay.Position != c.position {
				t.Errorf("loaded at %q, want %q (%+v)", replay.Position, c.position, replay)
			}
			db, err := s.real.Open(t.Context(), s.name)
			must(t, err)
			defer func() { must(t, db.Close()) }()
			got := query(t, db, `SELECT coalesce(replace(locale, nick, ''), '-') FROM users GROUP BY 1`)
			if !slices.Equal(got, []string{c.want}) {
				t.Errorf("the rows say %q, want %q", got, c.want)
			}
			if n := query(t, db, `SELECT count(*) FROM schema_migrations`); n[0] != "6" {
				t.Errorf("the ledger holds %s records", n)
			}
		})
	}
}

// errAny stands for an error that is known by its words only.
var errAny = errors.New("any")

// newest has a column less, and one more that nothing fills.
const newest = `CREATE TABLE people (id INTEGER PRIMARY KEY AUTOINCREMENT, nick TEXT NOT NULL, locale TEXT, zone TEXT NOT NULL);
	DROP TABLE users; ALTER TABLE people RENAME TO users;`

func ledger(ids ...string) func(t *testing.T, s *site) {
	return func(t *testing.T, s *site) {
		t.Helper()
		s.exec(t, `DELETE FROM schema_migrations`)
		for _, id := range ids {
			s.exec(t, `INSERT INTO schema_migrations VALUES ('`+id+`')`)
		}
	}
}

func statements(list ...string) func(t *testing.T, s *site) {
	return func(t *testing.T, s *site) { t.Helper(); s.exec(t, list...) }
}

// A loader that lies is found out before the swap.
func TestLoadThatGoesWrong(t *testing.T) {
	t.Parallel()
	first := func(text []byte) (line, rest []byte) {
		i := bytes.IndexByte(text, '\n') + 1
		return text[:i], text[i:]
	}
	for what, c := range map[string]struct {
		rows func([]byte) []byte
		add  int64 // to the number of rows that the loader tells
		sql  string
		want error
		says string
	}{
		"drops a row, and says so":  {rows: func(b []byte) []byte { _, rest := first(b); return rest }, want: restore.ErrData},
		"drops a row":               {rows: func(b []byte) []byte { _, rest := first(b); return rest }, add: 1, want: restore.ErrData, says: "table roles"},
		"adds a row":                {rows: func(b []byte) []byte { return append(b, "late\t1\n"...) }, add: -1, want: restore.ErrData, says: "table roles"},
		"changes a row":             {rows: func(b []byte) []byte { return bytes.Replace(b, []byte("owner"), []byte("Owner"), 1) }, want: restore.ErrData, says: "table roles"},
		"leaves an index off":       {sql: `DROP INDEX users_nick`, want: errAny, says: "not put back"},
		"leaves a trigger off":      {sql: `DROP TRIGGER users_audit`, want: errAny, says: "not put back"},
		"a trigger changes a value": {sql: `UPDATE roles SET power = power + 1 WHERE name = 'owner'`, want: restore.ErrData, says: "table roles"},
		"a trigger adds a row":      {sql: `INSERT INTO audit VALUES ('by a trigger')`, want: restore.ErrData, says: "table audit"},
	} {
		t.Run(what, func(t *testing.T) {
			s := newSite(t, fewUsers)
			before := s.dump(t, s.name)
			p := s.begin(t, restore.Beside)
			p.Server = lyingServer{p.Server, &lies{rows: c.rows, add: c.add, sql: c.sql}}
			err := p.execute(t, t.Context())
			if f := failure(t, err); f.State != rebuild.AsItWas || c.want != errAny && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("state %d: %v; want %v that says %q", f.State, err, c.want, c.says)
			}
			s.wantAsItWas(t, before)
			s.wantAlone(t)
			must(t, s.process(p.Header).execute(t, t.Context()))
		})
	}
}

// lies are what a loader does wrong with table roles, and what is done behind its back after it ended.
type lies struct {
	rows func([]byte) []byte
	add  int64
	sql  string
}

type lyingServer struct {
	engine.Server
	lies *lies
}

func (s lyingServer) Open(ctx context.Context, name string) (engine.DB, error) {
	db, err := s.Server.Open(ctx, name)
	return lyingDB{db, s.lies}, err
}

func (s lyingServer) Rename(ctx context.Context, moves ...engine.Move) error {
	return s.Server.(engine.Renamer).Rename(ctx, moves...)
}

type lyingDB struct {
	engine.DB
	lies *lies
}

func (d lyingDB) Loader(ctx context.Context, tables []*schema.Table, o *engine.LoadOptions) (engine.Loader, error) {
	l, err := d.DB.Loader(ctx, tables, o)
	return lyingLoader{l, d}, err
}

type lyingLoader struct {
	engine.Loader
	db lyingDB
}

func (l lyingLoader) Load(ctx context.Context, t *schema.Table, columns []string, rows io.Reader) (int64, error) {
	if l.db.lies.rows == nil || t.Name.Table != "roles" {
		return l.Loader.Load(ctx, t, columns, rows)
	}
	text, err := io.ReadAll(rows)
	if err != nil {
		return 0, err
	}
	n, err := l.Loader.Load(ctx, t, columns, bytes.NewReader(l.db.lies.rows(text)))
	return n + l.db.lies.add, err
}

func (l lyingLoader) Finish(ctx context.Context, sequences []schema.Sequence) error {
	if err := l.Loader.Finish(ctx, sequences); err != nil || l.db.lies.sql == "" {
		return err
	}
	_, err := l.db.ExecContext(ctx, l.db.lies.sql)
	return err
}
