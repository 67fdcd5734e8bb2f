package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"mulligan/internal/testdb"
)

// loans is how many loans the library of these tests has: enough for each stage to last a moment.
const loans = 10000

// site is a folder with a configuration, and a library at its ninth migration whose ledger says one.
type site struct {
	*place
	t     testing.TB
	dir   string
	env   []string
	limit string // of the size of a file, as ulimit -f takes it; empty = none
	host  string // the name of the machine that the program finds itself on; empty = this one's
}

// emptySite is a folder and an empty database.
func emptySite(t testing.TB, engine string) *site {
	t.Helper()
	return emptySiteOn(t, engine, nil)
}

func emptySiteOn(t testing.TB, engine string, own *testdb.Server) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{place: newPlaceOn(t, engine, filepath.Join(dir, "db"), own), t: t, dir: dir}
	s.env = append(os.Environ(), "DATABASE_URL="+s.url, "HOME="+dir)
	t.Cleanup(func() { leakedInState(t, dir, passwords(s.url)) })
	return s
}

func newSite(t testing.TB, engine string) *site {
	t.Helper()
	return newSiteOn(t, engine, nil)
}

// newSiteOn is newSite on a server of the test's own; nil = the one that tests share.
func newSiteOn(t testing.TB, engine string, own *testdb.Server) *site {
	t.Helper()
	s := emptySiteOn(t, engine, own)
	folder := s.folder()
	if err := apply(s.url, "goose", folder, "20240402090000"); err != nil {
		t.Fatal(err)
	}
	rows, err := os.ReadFile("../../examples/library-rows.sql")
	if err != nil {
		t.Fatal(err)
	}
	s.exec(t, "BEGIN", string(rows), "COMMIT")
	s.exec(t, "DELETE FROM goose_db_version WHERE version_id > 20240105093000")
	s.write("mulligan.yaml", fmt.Sprintf("targets:\n  - name: library\n    url: ${DATABASE_URL}\n    migrations: {tool: goose, dir: %q}\n", folder))
	return s
}

// newLargeSite is newSite with many loans.
func newLargeSite(t testing.TB, engine string) *site {
	t.Helper()
	s := newSite(t, engine)
	s.exec(t, "INSERT INTO loans (book_id, member_id, lent_on) SELECT l.book_id, l.member_id, l.lent_on FROM loans l CROSS JOIN (SELECT id FROM books WHERE id <= 24) b")
	if got := s.value(t, "SELECT count(*) FROM loans"); got != fmt.Sprint(loans) {
		t.Fatalf("the library has %s loans, want %d", got, loans)
	}
	return s
}

func (s *site) folder() string {
	folder, err := filepath.Abs(filepath.Join("../../examples/goose", s.familyDir()))
	if err != nil {
		s.t.Fatal(err)
	}
	return folder
}

func (s *site) write(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// start starts the program in the site's folder.
func (s *site) start(args ...string) *running {
	s.t.Helper()
	if s.limit != "" {
		return startCommand(s.t, s.dir, s.env, "sh", append([]string{"-c", "ulimit -f " + s.limit + `; exec "$0" "$@"`, program}, args...))
	}
	if s.host != "" {
		return startCommand(s.t, s.dir, s.env, "unshare", append(onHost(s.host), args...))
	}
	return startProgram(s.t, s.dir, s.env, args)
}

// onHost are the arguments with which unshare starts the program on a machine of another name, with this one's processes.
// Who is not root is root in a namespace of users first.
func onHost(name string) []string {
	args := []string{"--uts", "sh", "-c", `hostname "$0" && exec "$@"`, name, program}
	if os.Getuid() != 0 {
		args = append([]string{"--map-root-user"}, args...)
	}
	return args
}

// run runs the program to its end and looks at what it said.
func (s *site) run(args ...string) *running {
	s.t.Helper()
	r := s.start(args...)
	s.ended(r)
	return r
}

// ended waits for the end of the program.
func (s *site) ended(r *running) {
	s.t.Helper()
	r.wait()
	leaked(s.t, "the output", r.stdout.String()+r.stderr(), passwords(s.url))
}

// must runs the program, which must exit with a code.
func (s *site) must(code int, args ...string) *running {
	s.t.Helper()
	r := s.run(args...)
	if r.code != code {
		s.t.Fatalf("mulligan %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), r.code, code, r.stderr(), &r.stdout)
	}
	return r
}

// stop runs the program and sends it a signal within a stage.
func (s *site) stop(stage string, sig syscall.Signal, args ...string) *running {
	s.t.Helper()
	r := s.start(args...)
	r.signalAt(within(stage), sig)
	s.ended(r)
	return r
}

// whole checks a rebuilt library.
func (s *site) whole() {
	s.t.Helper()
	for statement, want := range map[string]string{
		"SELECT count(*) FROM loans":                                 fmt.Sprint(loans),
		"SELECT count(*) FROM loans WHERE due_on IS NULL":            "0",
		"SELECT count(*) FROM members WHERE first_name <> ''":        "60",
		"SELECT count(*) FROM goose_db_version WHERE version_id > 0": "12",
	} {
		if got := s.value(s.t, statement); got != want {
			s.t.Errorf("%s: %s, want %s", statement, got, want)
		}
	}
}

// scratches lists the databases that are still there for a run to go on with, or left over.
func (s *site) scratches() (names []string) {
	for _, name := range s.beside(s.t) {
		if !strings.HasPrefix(name, "__mulligan_old_") && !strings.HasPrefix(name, "__mulligan_new_") {
			names = append(names, name)
		}
	}
	return names
}

// stages are the stages of a rebuild, in their order.
func stages() []string {
	return []string{"preflight", "backup", "verify", "create", "replay", "compare-schema", "load", "compare-data", "keep", "advance", "swap", "report"}
}

// within fits the line after which a stage is being done.
func within(stage string) *regexp.Regexp {
	before := ""
	for _, s := range stages() {
		if s == stage {
			break
		}
		before = s
	}
	if before == "" {
		return regexp.MustCompile(`^run `)
	}
	return regexp.MustCompile(`^  [✓·] ` + before + ` `)
}

// TestInterrupted interrupts one rebuild in each of its stages, takes it up each time, and lets it come to its end. What a kill
// leaves is tried in internal/faults.
func TestInterrupted(t *testing.T) {
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			testInterrupted(t, engine)
		})
	}
}

func testInterrupted(t *testing.T, engine string) {
	s := newLargeSite(t, engine)
	carried := []string{"roles", "settings", "authors", "books", "book_events"}
	before := s.dump(t, "", carried...)
	args := []string{"rebuild", "--yes"}
	for _, stage := range stages() {
		if stage == "keep" && engine != "postgres" {
			continue // the others have nothing to do there
		}
		r := s.stop(stage, syscall.SIGINT, args...)
		if !r.signalled {
			t.Fatalf("stage %s did not begin: exit code %d\n%s", stage, r.code, r.stderr())
		}
		t.Logf("interrupted in %s: exit code %d", stage, r.code)
		if r.code == 0 && stage == "report" {
			break // it was quicker than the signal
		}
		s.stopped(r, stage)
		args = []string{"resume"}
	}
	if r := s.must(0, "runs", "list"); !strings.Contains(r.stdout.String(), " proved ") {
		s.must(0, "resume")
	}
	s.whole()
	if after := s.dump(t, "", carried...); after != before {
		t.Error("rows are not what they were")
	}
	if left := s.scratches(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	s.must(exitUsage, "resume")
	s.must(0, "undo", "--yes")
	if got := s.value(t, "SELECT count(*) FROM loans"); got != fmt.Sprint(loans) {
		t.Errorf("after the undo there are %s loans", got)
	}
}

// stopped checks what an interruption leaves.
func (s *site) stopped(r *running, stage string) {
	s.t.Helper()
	if r.code != exitInterrupted {
		s.t.Fatalf("interrupted in %s: exit code %d, want %d\n%s", stage, r.code, exitInterrupted, r.stderr())
	}
	// Before its first stage a run has nothing to go on with.
	if !regexp.MustCompile("hint: (.*`mulligan resume 20|interrupted; nothing was changed)").MatchString(r.stderr()) {
		s.t.Errorf("interrupted in %s: no hint how to go on\n%s", stage, r.stderr())
	}
	if stage == "swap" {
		return // between two names the database may have none
	}
	if got := s.value(s.t, "SELECT count(*) FROM loans"); got != fmt.Sprint(loans) {
		s.t.Errorf("interrupted in %s: the database answers with %s loans", stage, got)
	}
}
