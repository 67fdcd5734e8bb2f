package doctor_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"mulligan/doctor"
	"mulligan/engine"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/migration/dbmate"
	"mulligan/migration/drizzle"
	"mulligan/migration/golangmigrate"
	"mulligan/migration/goose"
	"mulligan/migration/sqlx"
	"mulligan/schema"
)

// episode is one migration of a history that went wrong, with what is done of it.
type episode struct {
	statements []string
	done       int // how many of them the database has
	want       doctor.Verdict
}

// history is that of a database whose ledger was emptied: twelve migrations are there, six are not, one is there in
// part, and two change rows only.
func history() []episode {
	there := func(statements ...string) episode { return episode{statements, len(statements), doctor.Unrecorded} }
	not := func(want doctor.Verdict, statements ...string) episode { return episode{statements, 0, want} }
	table := func(name string) string {
		return "CREATE TABLE " + name + " (id integer NOT NULL PRIMARY KEY, n integer)"
	}
	return []episode{
		there("CREATE TABLE users (id integer NOT NULL PRIMARY KEY, email varchar(80))"),
		there(table("posts"), "CREATE INDEX posts_n ON posts (n)"),
		there("ALTER TABLE posts ADD COLUMN body varchar(80)"),
		there("CREATE UNIQUE INDEX users_email ON users (email)"),
		there("CREATE VIEW short_posts AS SELECT id FROM posts"), // the seventeenth takes it away
		{statements: []string{"UPDATE users SET email = lower(email)"}, done: 1, want: doctor.Unprovable},
		there(table("comments")),
		{
			statements: []string{table("likes"), "CREATE INDEX likes_n ON likes (n)", "ALTER TABLE users ADD COLUMN liked integer"},
			done:       2, want: doctor.HalfApplied,
		},
		there("CREATE INDEX comments_n ON comments (n)"),
		not(doctor.OutOfOrder, table("labels")),
		there("ALTER TABLE users ADD COLUMN locale varchar(5) NOT NULL DEFAULT 'en'"),
		there(table("rooms")),
		there("CREATE INDEX rooms_n ON rooms (n)"),
		not(doctor.OutOfOrder, "CREATE INDEX posts_body ON posts (body)"),
		{statements: []string{"INSERT INTO rooms (id, n) VALUES (7, 7)"}, done: 1, want: doctor.Unprovable},
		there(table("guests"), "ALTER TABLE guests ADD COLUMN room integer"),
		there("DROP VIEW short_posts"),
		not(doctor.Pending, table("bills")),
		not(doctor.Pending, "ALTER TABLE bills ADD COLUMN paid integer"),
		not(doctor.Pending, "UPDATE users SET locale = 'de'"),
		not(doctor.Pending, table("taxes")),
	}
}

// An empty ledger but for rows that name nothing on disk, and a schema with holes: each migration is judged by itself.
func TestMixed(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		s := emptySite(t, open, schema.Name{})
		var want []string
		for i, e := range history() {
			id := fmt.Sprintf("%03d", i+1)
			s.write(id+"_step.sql", strings.Join(e.statements, ";\n")+";")
			s.db.Exec(t, e.statements[:e.done]...)
			if i == 1 {
				s.db.Exec(t, "INSERT INTO users (id, email) VALUES (1, 'A@b'), (2, NULL)", "INSERT INTO posts (id, n) VALUES (1, 1)")
			}
			want = append(want, id+" "+string(e.want))
		}
		if err := s.tool.Ledger.Create(t.Context(), s.db.DB); err != nil {
			t.Fatal(err)
		}
		s.db.Exec(t, "INSERT INTO schema_migrations (version) VALUES ('0042'), ('nonsense')")
		d := s.examine()
		if got, want := verdicts(d), strings.Join(append(want, "0042 file-missing", "nonsense file-missing"), ", "); got != want {
			t.Errorf("verdicts\n got %s\nwant %s", got, want)
		}
		if got, want := kinds(d), "2 file-missing, 1 half-applied, 2 out-of-order, 2 unprovable, 12 unrecorded"; got != want {
			t.Errorf("findings %s, want %s: %+v", got, want, d.Drift)
		}
		if d.Recorded != "" || d.Effective != "017" {
			t.Errorf("recorded %q, effective %q, want none and 017", d.Recorded, d.Effective)
		}
		for _, e := range d.Migrations {
			if e.Verdict == doctor.Unrecorded && !e.Proved {
				t.Errorf("migration %s is not proved", e.ID)
			}
		}
		half := d.Find("008")
		if len(half.Missing) != 1 || !strings.HasSuffix(half.Missing[0].Name, "users.liked") || !strings.Contains(strings.Join(half.There, " "), "likes_n") {
			t.Errorf("of the half-applied one there is %v, and missing %v", half.There, half.Missing)
		}
	})
}

// emptySite is an application without migrations, whose ledger has a name.
func emptySite(t *testing.T, open testengine.Open, table schema.Name) *site {
	t.Helper()
	s := &site{t: t, db: open(t), dir: t.TempDir()}
	s.tool = dbmate.New([]string{s.dir}, table)
	return s
}

// lateTool is a tool with the way its files are written.
type lateTool struct {
	name string
	tool func(dir string) *migration.Tool
	file string // its name, with a %d
	text string // with a %s
}

func lateTools() []lateTool {
	return []lateTool{
		{"dbmate", func(dir string) *migration.Tool { return dbmate.New([]string{dir}, schema.Name{}) }, "%d_step.sql", "-- migrate:up\n%s;\n-- migrate:down\n"},
		{"goose", func(dir string) *migration.Tool { return goose.New(dir, schema.Name{}) }, "%d_step.sql", "-- +goose Up\n%s;\n"},
		{"golang-migrate", func(dir string) *migration.Tool { return golangmigrate.New(dir, schema.Name{}) }, "%d_step.up.sql", "%s;\n"},
		{"drizzle", func(dir string) *migration.Tool { return drizzle.New(dir, schema.Name{}, engine.SQLite) }, "%d_step.sql", "%s;\n"},
	}
}

// Two branches were merged: 1, 3 and 5 are applied, 2 and 4 come in late, and somebody has made by hand what 4 makes.
// What becomes of 2 depends on the tool, and is said.
func TestLateBranches(t *testing.T) {
	want := map[string]struct {
		verdicts, says string
		severity       doctor.Severity
	}{
		"dbmate": {"1 applied, 2 out-of-order, 3 applied, 4 unrecorded, 5 applied", "dbmate will run it next", doctor.Warning},
		"goose":  {"1 applied, 2 out-of-order, 3 applied, 4 unrecorded, 5 applied", "goose refuses to run it below what is applied", doctor.Problem},
		"golang-migrate": {
			"1 applied, 2 out-of-order, 3 applied, 4 applied, 5 applied",
			"golang-migrate has silently skipped it here, and always will", doctor.Problem,
		},
		"drizzle": {
			"1_step applied, 2_step out-of-order, 3_step applied, 4_step applied, 5_step applied",
			"drizzle has silently skipped it here, and always will", doctor.Problem,
		},
	}
	for _, l := range lateTools() {
		t.Run(l.name, func(t *testing.T) {
			s := &site{t: t, db: testengine.SQLite(t), dir: t.TempDir()}
			s.tool = l.tool(s.dir)
			l.write(s, 1, 3, 5)
			s.migrate("")
			l.write(s, 1, 2, 3, 4, 5)
			s.db.Exec(t, l.statement(4))
			d := s.examine()
			w := want[l.name]
			if got := verdicts(d); got != w.verdicts {
				t.Fatalf("verdicts\n got %s\nwant %s", got, w.verdicts)
			}
			late := d.Migrations[1]
			if !strings.Contains(late.Why, w.says) {
				t.Errorf("%s: it does not say %q", late.Why, w.says)
			}
			for _, f := range d.Findings {
				if f.Migration == late.ID && f.Severity != w.severity {
					t.Errorf("it is a %s, want a %s", f.Severity, w.severity)
				}
			}
		})
	}
}

func (l lateTool) statement(n int) string {
	return fmt.Sprintf("CREATE TABLE step%d (id integer NOT NULL PRIMARY KEY)", n)
}

// write writes the files of some steps, and the journal of those tools that have one.
func (l lateTool) write(s *site, steps ...int) {
	s.t.Helper()
	var entries []string
	for i, n := range steps {
		s.put(fmt.Sprintf(l.file, n), fmt.Sprintf(l.text, l.statement(n)))
		entries = append(entries, fmt.Sprintf(`{"idx": %d, "version": "6", "when": %d, "tag": "%d_step", "breakpoints": true}`, i, 1700000000000+int64(n), n))
	}
	if l.name == "drizzle" {
		s.put("meta/_journal.json", `{"version": "7", "dialect": "sqlite", "entries": [`+strings.Join(entries, ", ")+`]}`)
	}
}

// A file that was changed after it was applied is told by the ledger's checksum, or by what an earlier snapshot saw.
func TestEdited(t *testing.T) {
	t.Run("Checksum", func(t *testing.T) {
		s := &site{t: t, db: testengine.SQLite(t), dir: t.TempDir()}
		s.tool = sqlx.New(s.dir, schema.Name{})
		s.put("1_users.sql", "CREATE TABLE users (id integer PRIMARY KEY);\n")
		s.put("2_posts.sql", "CREATE TABLE posts (id integer PRIMARY KEY);\n")
		s.migrate("")
		s.put("2_posts.sql", "-- Posts.\nCREATE TABLE posts (id integer PRIMARY KEY);\n")
		if got, want := verdicts(s.examine()), "1 applied, 2 edited"; got != want {
			t.Errorf("verdicts %s, want %s", got, want)
		}
	})
	t.Run("Known", func(t *testing.T) {
		s := newSite(t, testengine.SQLite)
		s.known = s.hashes()
		s.write("5_body.sql", "-- Bodies.\nALTER TABLE posts ADD COLUMN body text;\nCREATE INDEX users_email ON users (email);")
		s.write("6_tags.sql", "CREATE TABLE tags (id integer PRIMARY KEY, name varchar(21));")
		s.forget("6") // what is not recorded may be edited
		d := s.examine()
		if got, want := verdicts(d), "1 applied, 2 applied, 3 applied, 4 applied, 5 edited, 6 unrecorded"; got != want {
			t.Errorf("verdicts %s, want %s", got, want)
		}
		if e := d.Find("6"); e.Proved || len(e.Different) == 0 {
			t.Errorf("the table that 6 makes otherwise is proved: %+v", e)
		}
	})
	t.Run("Renamed", func(t *testing.T) {
		s := newSite(t, testengine.SQLite)
		s.known = s.hashes()
		s.rename("6_tags.sql", "61_labels.sql")
		d := s.examine()
		if got, want := verdicts(d), "1 applied, 2 applied, 3 applied, 4 applied, 5 applied, 61 unrecorded, 6 file-missing"; got != want {
			t.Fatalf("verdicts %s, want %s", got, want)
		}
		if why := d.Migrations[6].Why; !strings.HasSuffix(why, "migration 61 has the very content that it had: it was renamed") {
			t.Errorf("it does not say that the file was renamed: %s", why)
		}
	})
}

// hashes are those of the files as they are.
func (s *site) hashes() map[migration.ID]string {
	s.t.Helper()
	files, err := s.tool.Source.Migrations(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	known := map[migration.ID]string{}
	for _, m := range files {
		known[m.ID] = m.Hash
	}
	return known
}

// A ledger without a unique key can name a migration twice.
func TestDuplicate(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		s := &site{t: t, db: open(t), dir: t.TempDir()}
		s.tool = goose.New(s.dir, schema.Name{})
		s.put("1_users.sql", "-- +goose Up\nCREATE TABLE users (id integer PRIMARY KEY);\n")
		s.put("2_posts.sql", "-- +goose Up\nCREATE TABLE posts (id integer PRIMARY KEY);\n")
		s.migrate("")
		s.db.Exec(t, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (1, true)")
		d := s.examine()
		if got, want := verdicts(d), "1 duplicate, 2 applied"; got != want {
			t.Errorf("verdicts %s, want %s", got, want)
		}
		if e := d.Find("1"); e.Why != "the ledger has 2 records of it" || len(e.Records) != 2 {
			t.Errorf("%s: %v", e.Why, e.Records)
		}
		if got, want := kinds(d), "1 duplicate"; got != want {
			t.Errorf("findings %s, want %s", got, want)
		}
	})
}

// An index or a constraint that was made by hand under another name is no difference, and what holds it is proved.
func TestOtherNames(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		s := newSite(t, open)
		f := s.db.Family()
		s.db.Exec(t, dropIndex(f, "users_email", "users"), "CREATE INDEX made_by_hand ON users (email)")
		switch f {
		case engine.Postgres:
			s.db.Exec(t, "ALTER TABLE posts RENAME CONSTRAINT posts_author TO fk_by_hand")
		case engine.MySQL, engine.MariaDB:
			s.db.Exec(t, "ALTER TABLE posts DROP FOREIGN KEY posts_author",
				"ALTER TABLE posts ADD CONSTRAINT fk_by_hand FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE")
		case engine.SQLite:
		}
		s.forget("2", "5")
		d := s.examine()
		if got, want := verdicts(d), "1 applied, 2 unrecorded, 3 applied, 4 applied, 5 unrecorded, 6 applied"; got != want {
			t.Errorf("verdicts %s, want %s", got, want)
		}
		if d.Match != doctor.Near || len(d.Drift) > 0 || len(d.Cosmetic) == 0 {
			t.Errorf("%s, want near: drift %v, cosmetic %v", d.Match, d.Drift, d.Cosmetic)
		}
		if !d.Find("2").Proved || !d.Find("5").Proved {
			t.Errorf("2 is proved: %t, 5 is proved: %t", d.Find("2").Proved, d.Find("5").Proved)
		}
	})
}

// Names that are hard on quoting, in the migrations and of the ledger.
func TestOddNames(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		s := emptySite(t, open, schema.Name{Table: `Our "Mig'rations".Ü 表`})
		q := s.db.Family().Ident
		odd, other := q(`We"ird .Tab'le`), q("ÜBER 表")
		key := "FOREIGN KEY (" + q("table") + ") REFERENCES " + odd + " (" + q(`a "b"`) + ")"
		s.write("1_odd.sql", "CREATE TABLE "+odd+" ("+q(`a "b"`)+" integer NOT NULL PRIMARY KEY, "+q("the.end")+" varchar(50));")
		s.write("2_über.sql", "CREATE TABLE "+other+" ("+q("SELECT")+" integer NOT NULL PRIMARY KEY, "+q("table")+" integer, "+key+");")
		s.write("3_Index.sql", "CREATE INDEX "+q("In.dex's `name`")+" ON "+odd+" ("+q("the.end")+");")
		s.write("4_Upper.sql", "CREATE TABLE "+q("UPPER")+" ("+q("Id")+" integer NOT NULL PRIMARY KEY);\nALTER TABLE "+odd+" ADD COLUMN "+q("ß")+" integer;")
		s.migrate("")
		if d := s.examine(); !d.Healthy || d.Match != doctor.Equal {
			t.Fatalf("%s: %+v", d.Match, d.Findings)
		}
		s.db.Exec(t, "DELETE FROM "+q(`Our "Mig'rations".Ü 表`)+" WHERE version <> '2'")
		d := s.examine()
		if got, want := verdicts(d), "1 unrecorded, 2 applied, 3 unrecorded, 4 unrecorded"; got != want {
			t.Errorf("verdicts %s, want %s", got, want)
		}
		for _, e := range d.Migrations {
			if !e.Proved {
				t.Errorf("migration %s is not proved", e.ID)
			}
		}
		if got := strings.Join(d.Find("4").Evidence(), "; "); !strings.Contains(got, "UPPER") || !strings.Contains(got, "ß") || strings.Contains(got, "Id") {
			t.Errorf("evidence %s", got)
		}
	})
}

// A migration whose trace is only that something is gone which an earlier one made, and one that changes rows behind
// one that has still to be run: neither needs the user's word.
func TestTail(t *testing.T) {
	testengine.Each(t, func(t *testing.T, open testengine.Open) {
		s := newSite(t, open)
		s.write("7_no_body.sql", "ALTER TABLE posts DROP COLUMN body;")
		s.migrate("")
		s.write("8_likes.sql", "CREATE TABLE likes (id integer PRIMARY KEY);")
		s.write("9_trim.sql", "UPDATE users SET email = trim(email);")
		s.forget("5", "6", "7")
		d := s.examine()
		want := "1 applied, 2 applied, 3 applied, 4 applied, 5 unrecorded, 6 unrecorded, 7 unrecorded, 8 pending, 9 pending"
		if got := verdicts(d); got != want {
			t.Errorf("verdicts\n got %s\nwant %s", got, want)
		}
		if d.Match != doctor.Equal || d.Effective != "7" || !d.Find("7").Proved {
			t.Errorf("%s, effective %s, 7 is proved: %t; want equal, 7, true: %v", d.Match, d.Effective, d.Find("7").Proved, d.Drift)
		}
		if got := strings.Join(d.Find("7").Evidence(), "; "); !strings.HasPrefix(got, "no column ") {
			t.Errorf("what shows it is %q", got)
		}
	})
}

// Whatever stands in the key of a ledger that has lost its types and rules, the schema is judged all the same, and a row
// is never taken for more than it says.
func TestGarbage(t *testing.T) {
	for tool, key := range map[string]string{"dbmate": "version", "goose": "version_id", "golang-migrate": "version", "drizzle": "created_at"} {
		t.Run(tool, func(t *testing.T) {
			l := lateTools()[slices.IndexFunc(lateTools(), func(l lateTool) bool { return l.name == tool })]
			s := &site{t: t, db: testengine.SQLite(t), dir: t.TempDir()}
			s.tool = l.tool(s.dir)
			l.write(s, 1, 2)
			s.migrate("")
			table := engine.SQLite.Table(s.tool.Ledger.Table())
			s.db.Exec(t, "ALTER TABLE "+table+" RENAME TO old", "CREATE TABLE "+table+" AS SELECT * FROM old", "DROP TABLE old")
			for _, value := range []string{"-1", "'x'", "99999999999999999999", "x'00ff'", "''", "NULL"} {
				s.db.Exec(t, "UPDATE "+table+" SET "+key+" = "+value)
				d := s.examine()
				for i, e := range d.Migrations {
					if want := map[bool]doctor.Verdict{true: doctor.Unrecorded, false: doctor.FileMissing}[i < 2]; e.Verdict != want {
						t.Errorf("%s: %s, want migration %s %s", value, verdicts(d), e.ID, want)
					}
				}
				row := len(d.Migrations) == 3 || strings.Contains(kinds(d), "ledger-row")
				if d.Recorded != "" || d.Match != doctor.Equal || !row {
					t.Errorf("%s: recorded %q, %s, %s", value, d.Recorded, d.Match, kinds(d))
				}
			}
		})
	}
}
