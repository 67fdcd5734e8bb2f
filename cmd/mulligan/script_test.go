package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"mulligan/engine"
	"mulligan/internal/testdb"
	"mulligan/migration"
	"mulligan/migration/dbmate"
	"mulligan/migration/golangmigrate"
	"mulligan/migration/goose"
	"mulligan/schema"
)

// TestScript runs the scripts that need no server, on a SQLite file.
func TestScript(t *testing.T) { runScripts(t, "testdata/script/sqlite", "sqlite") }

// TestEngines runs the scripts that mean the same everywhere once on each engine; MySQL and MariaDB take turns.
func TestEngines(t *testing.T) {
	for _, name := range engines() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runScripts(t, "testdata/script/engines", name)
			if name == "sqlite" {
				return
			}
			runScripts(t, "testdata/script/servers", name)
			if own := filepath.Join("testdata/script", name); isFolder(own) {
				runScripts(t, own, name)
			}
		})
	}
}

// turn shares a list of tests between MySQL and MariaDB: they have one adapter, of which the conformance suite asks
// everything on both, and one set of examples. On other engines all are run.
func turn(engine string, i int) bool {
	switch engine {
	case "mysql":
		return i%2 == 0
	case "mariadb":
		return i%2 == 1
	default:
		return true
	}
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// runScripts runs a folder of scripts. Besides testscript's own commands they have
//
//	mulligan ARG…              run the program, which must exit with 0
//	exits CODE mulligan ARG…   run it, and it must exit with that code
//	until REGEXP SIGNAL mulligan ARG…   run it, and send INT or KILL when a line of stderr fits
//	sql [-db NAME] STATEMENT…  or -file FILE: run statements, "" for names as on the engine
//	query [-db NAME] STATEMENT print rows, cells between tabs
//	dump [-db NAME] FILE [TABLE…]   what the engine's stock client dumps
//	databases                  print the databases that were made beside the test's own, as suffixes
//	aside VARIABLE             put the name of the one database that was set aside into a variable
//	apply TOOL FOLDER [TO]     do what the migration tool's own "up" does
//	id VARIABLE                put the snapshot's id that the last command printed into a variable
//	flip FILE…, cut FILE…      change one bit in the middle; take five bytes off the end
//	reseal FILE OLD NEW        change a text in a manifest, and its checksum with it
//	user VARIABLE GRANT…       make an account, VARIABLE_URL and VARIABLE_NAME (DB in a grant is the database)
//
// and the variables DATABASE_URL, DATABASE, ENGINE, FAMILYDIR, EXAMPLES, and COPY_URL and COPY for a database
// that is not there; on a server DEAD_URL, where nobody listens, and WRONG_URL with the password planted-pass-word. No password may ever come out
// of the program, or be in what it keeps.
func runScripts(t *testing.T, folder, engineName string) {
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts in %s: %v", folder, err)
	}
	var mine []string
	for i, file := range files {
		if turn(engineName, i) {
			mine = append(mine, file)
		}
	}
	testscript.Run(t, testscript.Params{
		Files: mine,
		Setup: func(e *testscript.Env) error {
			tb := e.T().(testing.TB)
			p := newPlace(tb, engineName, filepath.Join(e.WorkDir, "db"))
			e.Values[placeKey{}] = p
			e.Setenv("DATABASE_URL", p.url)
			e.Setenv("DATABASE", p.name)
			e.Setenv("ENGINE", p.engine)
			e.Setenv("FAMILYDIR", p.familyDir())
			e.Setenv("EXAMPLES", examples)
			e.Setenv("HOME", e.WorkDir)
			name, address := p.copy(tb)
			e.Setenv("COPY", name)
			e.Setenv("COPY_URL", address)
			if p.server != nil {
				dead, err := url.Parse(p.url)
				if err != nil {
					return err
				}
				dead.Host = "127.0.0.1:1"
				e.Setenv("DEAD_URL", dead.String())
				e.Setenv("WRONG_URL", p.server.URLAs(testdb.User{Name: p.server.User.Name, Password: "planted-pass-word"}, p.name))
			}
			e.Defer(func() { leakedInState(tb, e.WorkDir, passwords(p.url)) })
			return nil
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "sqlite", "postgres", "mariadb", "mysql":
				return name == engineName, nil
			case "server":
				return engineName != "sqlite", nil
			case "root":
				return os.Getuid() == 0, nil
			}
			return false, errors.New("no such condition")
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"mulligan": cmdMulligan, "exits": cmdExits, "until": cmdUntil, "sql": cmdSQL, "query": cmdQuery, "dump": cmdDump,
			"databases": cmdDatabases, "aside": cmdAside, "apply": cmdApply, "user": cmdUser, "flip": cmdFlip, "cut": cmdCut, "id": cmdID, "reseal": cmdReseal,
		},
	})
}

type placeKey struct{}

func placeOf(ts *testscript.TestScript) *place { return ts.Value(placeKey{}).(*place) }

// scriptTB lets a helper that wants a testing.TB fail the script at its line.
type scriptTB struct {
	testing.TB
	ts *testscript.TestScript
}

func (s scriptTB) Helper()                      {}
func (s scriptTB) Context() context.Context     { return context.Background() }
func (s scriptTB) Fatal(args ...any)            { s.ts.Fatalf("%v", args) }
func (s scriptTB) Fatalf(f string, args ...any) { s.ts.Fatalf(f, args...) }
func (s scriptTB) Errorf(f string, args ...any) { s.ts.Fatalf(f, args...) }
func (s scriptTB) Error(args ...any)            { s.ts.Fatalf("%v", args) }

func tbOf(ts *testscript.TestScript) scriptTB { return scriptTB{placeOf(ts).tb, ts} }

func cmdMulligan(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("say which exit code it must have: exits CODE mulligan …")
	}
	runProgram(ts, 0, args)
}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || args[1] != "mulligan" {
		ts.Fatalf("usage: exits CODE mulligan ARG…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	runProgram(ts, want, args[2:])
	if want != exitFindings && want != exitDone && !strings.Contains(ts.ReadFile("stderr"), "hint: ") {
		ts.Fatalf("the error has no hint")
	}
}

func runProgram(ts *testscript.TestScript, want int, args []string) {
	err := ts.Exec(program, args...)
	for _, address := range []string{placeOf(ts).url, ts.Getenv("DATABASE_URL"), ts.Getenv("WRONG_URL"), ts.Getenv("READER_URL")} {
		leaked(tbOf(ts), "the output", ts.ReadFile("stdout")+ts.ReadFile("stderr"), passwords(address))
	}
	got := exitCode(err)
	if got < 0 {
		ts.Fatalf("%v", err)
	}
	if strings.Contains(ts.ReadFile("stderr"), "panic: ") {
		ts.Fatalf("the program panicked")
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// exitCode is how a program ended: -1 = by a signal, or it did not begin.
func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	default:
		return -1
	}
}

func cmdUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 || args[2] != "mulligan" {
		ts.Fatalf("usage: until REGEXP SIGNAL mulligan ARG…")
	}
	var r *running
	for tries := 0; r == nil || r.code == exitLocked && tries < 100; tries++ {
		r = startProgram(tbOf(ts), ts.MkAbs("."), scriptEnv(ts), args[3:])
		r.signalAt(regexp.MustCompile(args[0]), signalOf(tbOf(ts), args[1]))
		r.wait()
	}
	_, err := io.WriteString(ts.Stderr(), r.stderr())
	ts.Check(err)
	_, err = io.WriteString(ts.Stdout(), r.stdout.String())
	ts.Check(err)
	if !r.signalled {
		ts.Fatalf("no line of stderr fits %s", args[0])
	}
	if r.code == 0 {
		ts.Fatalf("it came to its end before the signal")
	}
}

// scriptEnv is the environment of a script's commands.
func scriptEnv(ts *testscript.TestScript) []string {
	env := os.Environ()
	for _, name := range []string{"DATABASE_URL", "DATABASE", "ENGINE", "FAMILYDIR", "EXAMPLES", "HOME", "TMPDIR"} {
		env = append(env, name+"="+ts.Getenv(name))
	}
	return env
}

// database takes "-db NAME" off the arguments.
func database(args []string) (name string, rest []string) {
	if len(args) > 1 && args[0] == "-db" {
		return args[1], args[2:]
	}
	return "", args
}

func cmdSQL(ts *testscript.TestScript, neg bool, args []string) {
	name, args := database(args)
	if len(args) == 2 && args[0] == "-file" {
		args = []string{"BEGIN", ts.ReadFile(args[1]), "COMMIT"}
	}
	switch err := placeOf(ts).try(tbOf(ts), name, args...); {
	case neg && err == nil:
		ts.Fatalf("the statement succeeded")
	case neg:
		ts.Logf("%v", err)
	default:
		ts.Check(err)
	}
}

func cmdQuery(ts *testscript.TestScript, neg bool, args []string) {
	name, args := database(args)
	if len(args) != 1 {
		ts.Fatalf("usage: query [-db NAME] STATEMENT")
	}
	rows, err := placeOf(ts).query(tbOf(ts), name, args[0])
	if neg {
		if err == nil {
			ts.Fatalf("the statement succeeded")
		}
		return
	}
	ts.Check(err)
	var out strings.Builder
	for _, row := range rows {
		out.WriteString(strings.Join(row, "\t") + "\n")
	}
	printed(ts, out.String())
}

func cmdDump(ts *testscript.TestScript, neg bool, args []string) {
	name, args := database(args)
	if neg || len(args) == 0 {
		ts.Fatalf("usage: dump [-db NAME] FILE [TABLE…]")
	}
	text := placeOf(ts).dump(tbOf(ts), name, args[1:]...)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o644))
}

func cmdDatabases(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: databases")
	}
	var out strings.Builder
	for _, name := range placeOf(ts).beside(tbOf(ts)) {
		out.WriteString(name + "\n")
	}
	printed(ts, out.String())
}

// printed is what the script's next stdout command looks at, also where it is nothing.
func printed(ts *testscript.TestScript, text string) {
	_, err := io.WriteString(ts.Stdout(), text)
	ts.Check(err)
}

func cmdAside(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: aside VARIABLE")
	}
	p, found := placeOf(ts), []string{}
	for _, name := range p.beside(tbOf(ts)) {
		if strings.HasPrefix(name, "__mulligan_old_") {
			found = append(found, p.name+name)
		}
	}
	if len(found) != 1 {
		ts.Fatalf("%d databases are set aside: %v", len(found), found)
	}
	ts.Setenv(args[0], found[0])
}

func cmdApply(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: apply TOOL FOLDER [TO]")
	}
	to := ""
	if len(args) == 3 {
		to = args[2]
	}
	switch err := apply(placeOf(ts).url, args[0], ts.MkAbs(args[1]), to); {
	case neg && err == nil:
		ts.Fatalf("the tool succeeded")
	case neg:
		_, werr := io.WriteString(ts.Stderr(), err.Error()+"\n")
		ts.Check(werr)
	default:
		ts.Check(err)
	}
}

// apply does what a migration tool does on its own, up to a migration (empty = all).
func apply(address, tool, folder, to string) error {
	ctx := context.Background()
	u, err := engine.ParseURL(address)
	if err != nil {
		return err
	}
	tools := map[string]*migration.Tool{
		"goose":          goose.New(folder, schema.Name{}),
		"golang-migrate": golangmigrate.New(folder, schema.Name{}),
		"dbmate":         dbmate.New([]string{folder}, schema.Name{}),
	}
	server, err := connect(ctx, u)
	if err != nil {
		return err
	}
	defer server.Close()
	db, err := server.Open(ctx, u.Database())
	if err != nil {
		return err
	}
	return errors.Join(tools[tool].Runner.Run(ctx, migration.Target{URL: u, DB: db}, migration.ID(to), io.Discard), db.Close())
}

func cmdUser(ts *testscript.TestScript, neg bool, args []string) {
	p := placeOf(ts)
	if neg || len(args) == 0 || p.server == nil {
		ts.Fatalf("usage, on a server: user VARIABLE GRANT…")
	}
	var grants []string
	for _, g := range args[1:] {
		grants = append(grants, strings.ReplaceAll(g, "DB", p.server.Quote(p.name)))
	}
	u := p.server.NewUser(tbOf(ts), grants...)
	ts.Setenv(args[0]+"_URL", p.server.URLAs(u, p.name))
	ts.Setenv(args[0]+"_NAME", p.server.SQL(u))
}

// cmdFlip changes one bit in the middle of each file.
func cmdFlip(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range globbed(ts, args) {
		data, err := os.ReadFile(name)
		ts.Check(err)
		data[len(data)/2] ^= 0x10
		ts.Check(os.WriteFile(name, data, 0o600))
	}
}

// cmdCut takes the last bytes off each file.
func cmdCut(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range globbed(ts, args) {
		info, err := os.Stat(name)
		ts.Check(err)
		ts.Check(os.Truncate(name, info.Size()-min(5, info.Size())))
	}
}

func globbed(ts *testscript.TestScript, patterns []string) (names []string) {
	for _, pattern := range patterns {
		found, err := filepath.Glob(ts.MkAbs(pattern))
		ts.Check(err)
		if len(found) == 0 {
			ts.Fatalf("no file is called %s", pattern)
		}
		names = append(names, found...)
	}
	return names
}

func cmdID(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: id VARIABLE")
	}
	found := regexp.MustCompile(`\b20\d{6}T\d{6}Z-[0-9a-f]{6}\b`).FindString(ts.ReadFile("stdout"))
	if found == "" {
		ts.Fatalf("no id in the output")
	}
	ts.Setenv(args[0], found)
}

func cmdReseal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: reseal FILE OLD NEW")
	}
	text, _, ok := strings.Cut(strings.Replace(ts.ReadFile(args[0]), args[1], args[2], 1), `,"sha256":"`+lastSum(ts.ReadFile(args[0])))
	if !ok || !strings.Contains(text, args[2]) {
		ts.Fatalf("%s has no %s, or no checksum at its end", args[0], args[1])
	}
	sum := sha256.Sum256([]byte(text))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text+`,"sha256":"`+hex.EncodeToString(sum[:])+"\"}\n"), 0o600))
}

// lastSum is the checksum at the end of a manifest.
func lastSum(text string) string {
	i := strings.LastIndex(text, `"sha256":"`)
	return strings.TrimRight(text[i+len(`"sha256":"`):], "\"}\n")
}
