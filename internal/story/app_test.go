package story

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mulligan/internal/testdb"
)

// engines are the servers that the example runs on.
func engines() []string { return []string{"mariadb", "mysql", "postgres"} }

// each runs a test on every engine, at once.
func each(t *testing.T, test func(t *testing.T, engine string)) {
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			test(t, engine)
		})
	}
}

// one runs a test on one engine, where what the application and TypeORM do is asked for and not what the server does: that is
// tested with quicker tools.
func one(t *testing.T, engine string, test func(t *testing.T, engine string)) {
	t.Run(engine, func(t *testing.T) {
		t.Parallel()
		test(t, engine)
	})
}

// app is a copy of the example with its packages, and a database of its own.
type app struct {
	engine   string
	folder   string
	server   *testdb.Server
	database string
	url      string // with the password
}

// newApp copies the example and creates its database as the README tells.
func newApp(t *testing.T, engine, typeorm string) *app {
	t.Helper()
	a := &app{engine: engine, folder: t.TempDir()}
	err := filepath.WalkDir(example, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == example {
			return err
		}
		if d.Name() == "node_modules" || d.Name() == ".mulligan" {
			return fs.SkipDir // what somebody left who tried it out
		}
		to := filepath.Join(a.folder, strings.TrimPrefix(path, example))
		if d.IsDir() {
			return os.Mkdir(to, 0o755)
		}
		return copyFile(to, path)
	})
	if err != nil {
		t.Fatal(err)
	}
	if typeorm != "" {
		modules, err := made.packages[typeorm]()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(modules, filepath.Join(a.folder, "node_modules")); err != nil {
			t.Fatal(err)
		}
	}
	a.server = serverOf(t, engine)
	a.database, a.url = a.newDatabase(t)
	t.Cleanup(func() { a.checkSecrets(t) })
	return a
}

func serverOf(t *testing.T, engine string) *testdb.Server {
	t.Helper()
	switch engine {
	case "mariadb":
		return testdb.MariaDB(t)
	case "mysql":
		return testdb.MySQL(t)
	default:
		return testdb.Postgres(t)
	}
}

// newDatabase makes an empty database whose character set, collation and owner are not the server's defaults. All
// that mulligan makes beside it goes with it.
func (a *app) newDatabase(t *testing.T) (name, address string) {
	t.Helper()
	name, address = a.server.NewDatabase(t)
	quoted := a.server.Quote(name)
	if a.engine == "postgres" {
		a.server.Exec(t, "", "DROP DATABASE "+quoted,
			"CREATE DATABASE "+quoted+" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
	} else {
		a.server.Exec(t, "", "ALTER DATABASE "+quoted+" CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
	}
	t.Cleanup(func() {
		for _, other := range a.beside(t, name) {
			a.server.DropDatabase(t, other)
		}
	})
	return name, address
}

// properties are what a database has beside its objects.
func (a *app) properties(t *testing.T, database string) []string {
	t.Helper()
	query := "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata WHERE schema_name = '%s'"
	if a.engine == "postgres" {
		query = "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database WHERE datname = '%s'"
	}
	rows := a.server.Query(t, "", fmt.Sprintf(query, database))
	if len(rows) != 1 {
		t.Fatalf("%d databases are called %s", len(rows), database)
	}
	return rows[0]
}

// beside lists the databases that were made beside one: scratches, those set aside, those undone.
func (a *app) beside(t *testing.T, database string) []string {
	t.Helper()
	query := "SELECT schema_name FROM information_schema.schemata ORDER BY 1"
	if a.engine == "postgres" {
		query = "SELECT datname FROM pg_database ORDER BY 1"
	}
	names := []string{}
	for _, row := range a.server.Query(t, "", query) {
		if strings.HasPrefix(row[0], database+"_") {
			names = append(names, row[0])
		}
	}
	return names
}

// result is how a program ended.
type result struct {
	code           int // -1 = by a signal
	stdout, stderr string
}

// env is the environment of the service and of mulligan.
func (a *app) env(more ...string) []string {
	own := slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "DATABASE_URL=") || strings.HasPrefix(e, "MULLIGAN_")
	})
	return append(append(own, "DATABASE_URL="+a.url), more...)
}

// run runs a program in the application's folder to its end.
func (a *app) run(t *testing.T, env []string, program string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = a.folder, env, &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrNotFound):
		t.Fatalf("%s: %s", program, installHint)
	case err != nil && !errors.As(err, &exit):
		t.Fatalf("%s %v: %v", program, args, err)
	case ctx.Err() != nil:
		t.Fatalf("%s %v: %v\n%s%s", program, args, ctx.Err(), &out, &errs)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// node runs a file of the service.
func (a *app) node(t *testing.T, args ...string) result {
	t.Helper()
	return a.run(t, a.env(), "node", args...)
}

// typeorm runs TypeORM's own command line.
func (a *app) typeorm(t *testing.T, command string) string {
	t.Helper()
	r := a.tryTypeorm(t, command)
	if r.code != 0 {
		t.Fatalf("typeorm %s: exit %d\n%s%s", command, r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

func (a *app) tryTypeorm(t *testing.T, command string) result {
	t.Helper()
	return a.run(t, a.env(), filepath.Join(a.folder, "node_modules", ".bin", "typeorm"), command, "-d", "data-source.js")
}

// breakIt makes the broken database, as the README tells.
func (a *app) breakIt(t *testing.T, args ...string) {
	t.Helper()
	if r := a.node(t, append([]string{"break.js"}, args...)...); r.code != 0 {
		t.Fatalf("break.js: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// ready checks that the service starts, on the rows of the story.
func (a *app) ready(t *testing.T) {
	t.Helper()
	r := a.node(t, "start.js")
	if want := "ready: 300 users, 4000 messages\n"; r.code != 0 || r.stdout != want {
		t.Fatalf("start.js: exit %d\n%s%s\nwant exit 0, %s", r.code, r.stdout, r.stderr, want)
	}
}

// program is mulligan as it is built.
func program(t *testing.T) string {
	t.Helper()
	path, err := made.mulligan()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// tryMulligan runs mulligan in the application's folder.
func (a *app) tryMulligan(t *testing.T, env []string, args ...string) result {
	t.Helper()
	r := a.run(t, env, program(t), args...)
	a.checkText(t, "the output of mulligan "+args[0], r.stdout+r.stderr)
	if strings.Contains(r.stderr, "panic: ") {
		t.Fatalf("mulligan %v panicked:\n%s", args, r.stderr)
	}
	return r
}

// mulligan runs mulligan, which must exit with 0, and returns its result.
func (a *app) mulligan(t *testing.T, args ...string) string {
	t.Helper()
	r := a.tryMulligan(t, a.env(), args...)
	if r.code != 0 {
		t.Fatalf("mulligan %v: exit %d\n%s%s", args, r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// refuses runs mulligan, which must fail with a code and say all the words.
func (a *app) refuses(t *testing.T, env []string, args []string, code int, words ...string) {
	t.Helper()
	r := a.tryMulligan(t, env, args...)
	if r.code != code {
		t.Errorf("mulligan %v: exit %d, want %d\n%s%s", args, r.code, code, r.stdout, r.stderr)
	}
	for _, w := range words {
		if !strings.Contains(r.stderr, w) {
			t.Errorf("mulligan %v does not say %q:\n%s", args, w, r.stderr)
		}
	}
}

// report is what `mulligan runs show --json` says, as far as a script would look.
type report struct {
	Run struct {
		ID       string `json:"run"`
		Command  string `json:"command"`
		Database string `json:"database"`
		Next     string `json:"next"`
		Aside    string `json:"aside"`
		Snapshot string `json:"snapshot"`
	} `json:"run"`
	State  string `json:"state"`
	Stages []struct {
		Name  string          `json:"stage"`
		State string          `json:"state"`
		Proof json.RawMessage `json:"proof"`
	} `json:"stages"`
}

// lastRun is the newest run's report.
func (a *app) lastRun(t *testing.T) report {
	t.Helper()
	var r report
	if err := json.Unmarshal([]byte(a.mulligan(t, "runs", "show", "--json")), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// proof decodes what a stage saw.
func (r report) proof(t *testing.T, stage string) map[string]any {
	t.Helper()
	proof := make(map[string]any)
	for _, s := range r.Stages {
		if s.Name != stage {
			continue
		}
		if s.State != "proved" {
			t.Errorf("stage %s is %s", stage, s.State)
		}
		if err := json.Unmarshal(s.Proof, &proof); err != nil {
			t.Fatalf("proof of stage %s: %v", stage, err)
		}
		return proof
	}
	t.Fatalf("run %s has no stage %s", r.Run.ID, stage)
	return nil
}

// checkSecrets looks for the password in everything that mulligan left on the disk.
func (a *app) checkSecrets(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(a.folder, ".mulligan"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		a.checkText(t, path, string(data))
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// checkText fails the test where the password stands in a text, in any of the forms that it may be written in.
func (a *app) checkText(t *testing.T, where, text string) {
	t.Helper()
	u, err := url.Parse(a.url)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	if len(password) < 8 {
		t.Fatal("the test server's user has no password to look for")
	}
	quoted, err := json.Marshal(password)
	if err != nil {
		t.Fatal(err)
	}
	forms := []string{
		password, strings.TrimPrefix(url.UserPassword("", password).String(), ":"), url.QueryEscape(password), url.PathEscape(password),
		strings.Trim(string(quoted), `"`), strings.Trim(fmt.Sprintf("%q", password), `"`),
	}
	for _, form := range forms {
		if strings.Contains(text, form) {
			t.Errorf("%s holds the password", where)
			return
		}
	}
}

// edit replaces a text in one of the application's files.
func (a *app) edit(t *testing.T, file, from, to string) {
	t.Helper()
	path := filepath.Join(a.folder, file)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(data, []byte(from)) {
		t.Fatalf("%s has no %q any more", file, from)
	}
	if err := os.WriteFile(path, bytes.ReplaceAll(data, []byte(from), []byte(to)), 0o644); err != nil {
		t.Fatal(err)
	}
}
