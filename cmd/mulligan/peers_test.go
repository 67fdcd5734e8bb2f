package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// peersRow is one case in which a dump and load by other tools loses rows, puts them into the wrong column,
// or leaves half a database behind, many of them with exit code 0.
type peersRow struct {
	name string
	do   func(s *site)
}

// peersRows are those cases that can be put to mulligan. In each it either proves the right rows, or
// refuses with an exit code that is not 0 and touches nothing.
func peersRows() []peersRow {
	return []peersRow{
		{"1 into the rebuilt schema: seeded rows, order of foreign keys, triggers, ledger", (*site).rebuiltSame},
		{"2 the same without a superuser's rights", (*site).rebuiltByOwner},
		{"3 into the newer schema: a column was dropped", (*site).rebuiltNewer},
		{"4 the newer schema and no word where the column goes: refused whole", (*site).refusedMisfit},
		{"6 over a database that is migrated already", (*site).restoredOver},
		{"7 the first row written afterwards has a new number", (*site).numbered},
		{"8 one character of a row is changed", func(s *site) { s.refusedAfter(edited) }},
		{"9 a chunk is replaced by a valid empty one", func(s *site) { s.refusedAfter(emptied) }},
		{"10 one bit is flipped", func(s *site) { s.refusedAfter(flipped) }},
		{"10 the end is missing", func(s *site) { s.refusedAfter(shortened) }},
		{"11-13 a newer schema with as many columns: no value lands in another column", (*site).notMisplaced},
		{"14 a data file is cut in half", func(s *site) { s.refusedAfter(halved) }},
		{"14-18 a data file is deleted", func(s *site) { s.refusedAfter(func([]byte) []byte { return nil }) }},
	}
}

// TestPeersTable puts the cases to mulligan on every engine; MySQL and MariaDB take turns.
func TestPeersTable(t *testing.T) {
	for _, engine := range engines() {
		for i, row := range peersRows() {
			if !turn(engine, i) {
				continue
			}
			t.Run(engine+"/"+row.name, func(t *testing.T) {
				t.Parallel()
				s := labSite(t, engine)
				row.do(s)
				if left := s.scratches(); len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
			})
		}
	}
}

// labTables are the tables whose rows no later migration touches.
func labTables() []string { return []string{"roles", "keys", "hens", "eggs", "audit"} }

// labSite is the laboratory: 1000 users with a key each, a role of the user's own beside two that a migration seeds,
// a circle of foreign keys, a trigger that writes, numbered and computed columns; migrated to the second of four.
func labSite(t testing.TB, engine string) *site {
	t.Helper()
	s := emptySite(t, engine)
	if err := os.CopyFS(filepath.Join(s.dir, "migrations"), os.DirFS(filepath.Join("testdata/peers", s.familyDir()))); err != nil {
		t.Fatal(err)
	}
	s.write("mulligan.yaml", labConfig)
	if err := apply(s.url, "goose", filepath.Join(s.dir, "migrations"), "20240102000000"); err != nil {
		t.Fatal(err)
	}
	s.fillLab()
	return s
}

const labConfig = "targets:\n  - name: lab\n    url: ${DATABASE_URL}\n    migrations: {tool: goose, dir: migrations}\n"

func (s *site) fillLab() {
	s.t.Helper()
	var users, keys strings.Builder
	for i := 1; i <= 1000; i++ {
		sep := ", "
		if i == 1 {
			sep = " "
		}
		fmt.Fprintf(&users, "%s(%d, %d, 'nick-%d', 'legacy-%d')", sep, i, i%3+1, i, i)
		fmt.Fprintf(&keys, "%s(%d, %d, 'key-%d')", sep, i, i, i)
	}
	s.exec(s.t, "INSERT INTO roles (id, name) VALUES (3, 'made by a user')",
		"INSERT INTO users (id, role_id, nick, legacy) VALUES"+users.String(),
		"INSERT INTO "+s.quote("keys")+" (id, user_id, name) VALUES"+keys.String())
	circle := []string{"BEGIN", "INSERT INTO hens (id, egg_id) VALUES (1, 12), (2, 11)", "INSERT INTO eggs (id, hen_id) VALUES (11, 1), (12, 2)", "COMMIT"}
	if s.familyDir() == "mysql" {
		circle[0], circle[3] = "SET foreign_key_checks = 0", "SET foreign_key_checks = 1"
	}
	s.exec(s.t, circle...)
	if s.engine == "postgres" {
		s.exec(s.t, "SELECT setval(pg_get_serial_sequence('users', 'id'), 1000)")
	}
}

// proved runs a command that must end in a proof, and checks all rows but the users' columns.
func (s *site) proved(ledger int, args ...string) {
	s.t.Helper()
	before := s.dump(s.t, "", labTables()...)
	s.must(0, args...)
	if s.dump(s.t, "", labTables()...) != before {
		s.t.Error("rows are not what they were")
	}
	s.users(ledger)
}

func (s *site) users(ledger int) {
	s.t.Helper()
	for statement, want := range map[string]string{
		"SELECT count(*) FROM users":                                 "1000",
		"SELECT nick FROM users WHERE id = 77":                       "nick-77",
		"SELECT shout FROM users WHERE id = 77":                      "NICK-77",
		"SELECT count(*) FROM audit":                                 "1000",
		"SELECT count(*) FROM roles":                                 "3",
		"SELECT count(*) FROM goose_db_version WHERE version_id > 0": fmt.Sprint(ledger),
	} {
		if got := s.value(s.t, statement); got != want {
			s.t.Errorf("%s: %s, want %s", statement, got, want)
		}
	}
}

// withoutNewer takes the two later migrations away.
func (s *site) withoutNewer() {
	for _, name := range []string{"20240103000000_drop_legacy.sql", "20240104000000_add_email.sql"} {
		if err := os.Remove(filepath.Join(s.dir, "migrations", name)); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *site) rebuiltSame() {
	s.withoutNewer()
	before := s.dump(s.t, "", "users")
	s.proved(2, "rebuild", "--yes")
	if s.dump(s.t, "", "users") != before {
		s.t.Error("users are not what they were")
	}
}

// rebuiltByOwner is the same by an account that may make databases, and nothing else.
func (s *site) rebuiltByOwner() {
	s.withoutNewer()
	switch s.engine {
	case "sqlite": // the file's owner has every right
	case "postgres":
		u := s.server.NewUser(s.t)
		role := s.server.SQL(u)
		s.exec(s.t, "ALTER ROLE "+role+" CREATEDB", "ALTER DATABASE "+s.quote(s.name)+" OWNER TO "+role)
		rows, err := s.query(s.t, "", "SELECT format('ALTER TABLE %I OWNER TO ', relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'")
		if err != nil {
			s.t.Fatal(err)
		}
		for _, row := range rows {
			s.exec(s.t, row[0]+role)
		}
		s.exec(s.t, "ALTER FUNCTION note_user() OWNER TO "+role)
		s.env = append(s.env, "DATABASE_URL="+s.server.URLAs(u, s.name))
	default:
		pattern := strings.ReplaceAll(s.name, "_", `\_`) + "%"
		s.server.Exec(s.t, "", "SET GLOBAL log_bin_trust_function_creators = ON") // else nobody but an administrator makes a trigger
		u := s.server.NewUser(s.t, "ALL PRIVILEGES ON `"+pattern+"`.*")
		s.env = append(s.env, "DATABASE_URL="+s.server.URLAs(u, s.name))
		// A trigger acts for who made it, so the account makes its own.
		db := s.server.OpenAs(s.t, u, s.name)
		for _, statement := range []string{"DROP TRIGGER users_note",
			"CREATE TRIGGER users_note AFTER INSERT ON users FOR EACH ROW INSERT INTO audit (what) VALUES (concat('user ', NEW.nick))"} {
			if _, err := db.ExecContext(s.t.Context(), statement); err != nil {
				s.t.Fatal(err)
			}
		}
		if err := db.Close(); err != nil {
			s.t.Fatal(err)
		}
	}
	s.proved(2, "rebuild", "--yes")
}

func (s *site) rebuiltNewer() {
	s.proved(4, "rebuild", "--yes")
	if got := s.value(s.t, "SELECT count(*) FROM users WHERE email IS NULL"); got != "1000" {
		s.t.Errorf("%s users have no email, want all", got)
	}
}

// refused runs a command that must be refused, and touch nothing.
func (s *site) refused(args ...string) *running {
	s.t.Helper()
	before := s.dump(s.t, "")
	code := exitFailed
	if slices.Contains(args, "verify") {
		code = exitFindings // it only looks, and has found something
	}
	r := s.must(code, args...)
	if !strings.Contains(r.stderr(), "hint: ") {
		s.t.Errorf("no hint:\n%s", r.stderr())
	}
	if s.dump(s.t, "") != before {
		s.t.Error("the database is not what it was")
	}
	if left := s.beside(s.t); len(left) > 0 {
		s.t.Errorf("left behind: %v", left)
	}
	return r
}

func (s *site) refusedMisfit() {
	r := s.refused("rebuild", "--yes", "--load", "newest")
	if !regexp.MustCompile(`table .*users, column legacy: the table has no column legacy`).MatchString(r.stderr()) {
		s.t.Errorf("the column is not named:\n%s", r.stderr())
	}
}

// restoredOver puts a snapshot back over a database that was migrated and written to since.
func (s *site) restoredOver() {
	before := s.dump(s.t, "", labTables()...)
	s.must(0, "backup")
	if err := apply(s.url, "goose", filepath.Join(s.dir, "migrations"), ""); err != nil {
		s.t.Fatal(err)
	}
	s.exec(s.t, "UPDATE users SET nick = 'spoiled'", "DELETE FROM "+s.quote("keys"))
	s.must(0, "restore", "latest", "--yes")
	if s.dump(s.t, "", labTables()...) != before {
		s.t.Error("rows are not what they were")
	}
	s.users(4)
}

func (s *site) numbered() {
	s.must(0, "rebuild", "--yes")
	s.exec(s.t, "INSERT INTO users (role_id, nick) VALUES (1, 'afterwards')")
	if got := s.value(s.t, "SELECT id FROM users WHERE nick = 'afterwards'"); got != "1001" {
		s.t.Errorf("the new user has number %s, want 1001", got)
	}
	if got := s.value(s.t, "SELECT max(id) FROM audit"); got != "1001" {
		s.t.Errorf("the trigger has written %s rows, want 1001", got)
	}
}

// notMisplaced: by position the old value of legacy would land in email.
func (s *site) notMisplaced() {
	s.refused("rebuild", "--yes", "--load", "newest")
	s.write("mulligan.yaml", labConfig+"    mapping: [{table: users, drop: [legacy], default: {email: \"'none'\"}}]\n")
	s.proved(4, "rebuild", "--yes", "--load", "newest")
	if got := s.value(s.t, "SELECT count(*) FROM users WHERE email = 'none'"); got != "1000" {
		s.t.Errorf("%s users have the email of the mapping, want all", got)
	}
}

// refusedAfter takes a snapshot, changes the file with the users' rows (nil = deletes it), and tries to use it.
func (s *site) refusedAfter(change func([]byte) []byte) {
	s.must(0, "backup")
	files, err := filepath.Glob(filepath.Join(s.dir, ".mulligan/snapshots/lab/*/data/*users/*"))
	if err != nil || len(files) != 1 {
		s.t.Fatalf("chunks of the users: %v, %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		s.t.Fatal(err)
	}
	if data = change(data); data == nil {
		err = os.Remove(files[0])
	} else {
		err = os.WriteFile(files[0], data, 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	for _, args := range [][]string{{"snapshots", "verify"}, {"restore", "latest", "--yes"}, {"restore", "latest", "--yes", "--strategy", "in-place"}} {
		if r := s.refused(args...); !strings.Contains(r.stderr(), "users") {
			s.t.Errorf("mulligan %s: the damaged table is not named:\n%s", args[0], r.stderr())
		}
	}
	_, address := s.copy(s.t)
	s.refused("restore", "latest", "--into", address)
}

// edited changes one character of the rows; the file is whole to zstd.
func edited(data []byte) []byte {
	return compress(bytes.Replace(decompress(data), []byte("nick-500"), []byte("nick-501"), 1))
}

func emptied([]byte) []byte { return compress(nil) }

func flipped(data []byte) []byte {
	data[len(data)/3] ^= 1
	return data
}

func shortened(data []byte) []byte { return data[:len(data)*95/100] }

func halved(data []byte) []byte { return data[:len(data)/2] }

func compress(text []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err) // no option is wrong
	}
	return w.EncodeAll(text, nil)
}

func decompress(data []byte) []byte {
	r, err := zstd.NewReader(bytes.NewReader(data))
	if err != nil {
		panic(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		panic(err)
	}
	return text
}
