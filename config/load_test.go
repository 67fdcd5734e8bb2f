package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/pflag"
)

// folder makes a folder that holds the files: name, text, name, text …
func folder(t testing.TB, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// flags are the global flags after a command line.
func flags(t testing.TB, args ...string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("mulligan", pflag.ContinueOnError)
	AddFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return fs
}

func load(t *testing.T, o Options) *Config {
	t.Helper()
	if o.Env == nil {
		o.Env = []string{}
	}
	c, err := Load(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func testdata(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func unexported() cmp.Option { return cmpopts.IgnoreUnexported(Config{}, Target{}) }

func TestEveryKeyArrives(t *testing.T) {
	dir := folder(t, "mulligan.yaml", testdata(t, "full.yaml"))
	in := func(path string) string { return filepath.Join(dir, path) }
	got := load(t, Options{Dir: dir, Env: []string{"APP_URL=postgres://u:p@h/app", "TOKEN=a:b\nc"}})
	want := &Config{
		Path: in("mulligan.yaml"), Dir: dir,
		Targets: []Target{
			{
				Name: "app", URL: "postgres://u:p@h/app", Protected: true,
				Migrations: Migrations{
					Tool: "typeorm", Dir: in("src/migrations"), Table: "migrations", DataSource: in("dist/data-source.js"),
					Command:   []string{"npx", "prisma", "migrate", "deploy", ""},
					Bootstrap: Bootstrap{Command: []string{"node", "dist/sync.js"}},
					Env:       Env{"DATABASE_URL={url}", "TOKEN=a:b\nc"},
				},
				Tables: Tables{
					Include: []string{"users", "guilds", "message*", "Order.Items"}, Exclude: []string{"sessions"},
					Where: []Where{{"messages", "created_at > now() - interval '90 days'"}},
				},
				Mapping: []Mapping{
					{Table: "users", Rename: map[string]string{"nick": "nickname"}, Drop: []string{"legacy_flag"}, Default: map[string]string{"locale": "'en'"}},
					{Table: "Order.Items", To: "order.lines", Rename: map[string]string{"Nick.Name": "nickName", "UPPER": "lower"}, Default: map[string]string{"Straße": "0"}},
				},
				Shadow: "postgres://shadow:hush@localhost/", KeepOld: "always",
			},
			{
				Name: "edge", URLFile: in("secrets/edge.url"), KeepOld: "next",
				Migrations: Migrations{Tool: "prisma", Dirs: []string{in("core"), "/abs/extra"}, Command: []string{"./deploy"}, Bootstrap: Bootstrap{File: in("base.sql")}},
			},
			{
				Name: "home", URL: Secret("sqlite:" + in("home.db")), KeepOld: "next",
				Migrations: Migrations{
					Tool: "command", Table: "Done.Steps", Command: []string{"./migrate"},
					Ledger: Ledger{Column: "Step.Name", Form: "stem", Time: "finishedAt", Values: []Value{{"by", "mulligan"}, {"note", ""}, {"level", "3"}}},
				},
			},
			{Name: "vault", URLCommand: []string{"vault", "read", "--field=url", "secret/app"}, KeepOld: "next"},
		},
		Repository: Repository{URL: in("snapshots"), Keep: Keep{7, 24, 7, 4, 12, 1}},
		Jobs: []Job{
			{Name: "ledger-hourly", Target: "app", Do: "backup", OnlyLedger: true, Cron: "@hourly"},
			{Name: "drill", Target: "app", Do: "drill", Cron: "0 5 * * 0", MaxRTO: 10 * time.Minute, MaxRPO: 26 * time.Hour},
		},
		Notify:   []Notify{{URL: "https://ping.example/uuid", On: []string{"failure", "success"}}},
		Settings: Settings{Target: "app", JSON: true, Verbose: true, Color: "never", Jobs: 3, StateDir: in("state")},
	}
	if diff := cmp.Diff(want, got, unexported()); diff != "" {
		t.Error(diff)
	}
}

// Viper lower-cases keys and splits them at dots; names of tables and columns must survive that.
func TestCaseAndDotsSurvive(t *testing.T) {
	dir := folder(t, "mulligan.yaml", `
targets:
  - name: App.Main
    url: sqlite:x.db
    tables: {include: [Order.Items]}
    mapping:
      - {table: Order.Items, rename: {"Nick.Name": nickName, nick.name: other, "a::b": c}}
`)
	target, err := load(t, Options{Dir: dir}).Target("App.Main")
	if err != nil {
		t.Fatal(err)
	}
	want := []Mapping{{Table: "Order.Items", Rename: map[string]string{"Nick.Name": "nickName", "nick.name": "other", "a::b": "c"}}}
	if diff := cmp.Diff(want, target.Mapping); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Order.Items"}, target.Tables.Include); diff != "" {
		t.Error(diff)
	}
}

func TestWindowsFile(t *testing.T) {
	dir := folder(t, "mulligan.yaml", testdata(t, "windows.yaml"))
	c := load(t, Options{Dir: dir})
	if got := c.Targets[0].Tables.Where[0].Condition; got != "a = 1\nAND b = 2\n" {
		t.Errorf("condition = %q", got)
	}
	if got, want := c.Targets[0].URL.Reveal(), "sqlite:"+dir+"/app.db"; got != want {
		t.Errorf("url = %q, want %q", got, want)
	}
}

func TestAnchors(t *testing.T) {
	dir := folder(t, "mulligan.yaml", testdata(t, "anchors.yaml"))
	c := load(t, Options{Dir: dir})
	for i, want := range []string{"db", "other"} {
		if m := c.Targets[i].Migrations; m.Tool != "goose" || m.Dir != filepath.Join(dir, want) {
			t.Errorf("target %d: %+v, want goose in %s", i, m, want)
		}
	}
}

func TestValuesCannotChangeTheStructure(t *testing.T) {
	dir := folder(t, "mulligan.yaml", "targets:\n  - name: app\n    url: ${U}\n    protected: ${P}\n    tables: {include: [\"${T}\"]}\n")
	evil := "a: b\nprotected: false\n\"'{[#"
	c := load(t, Options{Dir: dir, Env: []string{"U=postgres://u:p: #@h/d", "P=true", "T=" + evil}})
	got := c.Targets[0]
	if got.URL.Reveal() != "postgres://u:p: #@h/d" || !got.Protected || got.Tables.Include[0] != evil {
		t.Errorf("values changed: %q %v %q", got.URL.Reveal(), got.Protected, got.Tables.Include)
	}
}

func TestScalarsStayAsWritten(t *testing.T) {
	dir := folder(t, "mulligan.yaml", `
targets:
  - {name: 007, url: sqlite:x.db, tables: {include: [1.10, 0x1F, yes, 1e3, "null", 2026-11-22]}}
`)
	c := load(t, Options{Dir: dir})
	if c.Targets[0].Name != "007" {
		t.Errorf("name = %q", c.Targets[0].Name)
	}
	if diff := cmp.Diff([]string{"1.10", "0x1F", "yes", "1e3", "null", "2026-11-22"}, c.Targets[0].Tables.Include); diff != "" {
		t.Error(diff)
	}
}

func TestNothingToRead(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "comment": "# nothing\n", "null": "~\n", "marker": "---\n", "bom": "\ufeff", "sections": "targets:\njobs:\n# x\n"} {
		t.Run(name, func(t *testing.T) {
			c := load(t, Options{Dir: folder(t, "mulligan.yaml", text)})
			_, err := c.Target("")
			if err == nil || !strings.Contains(err.Error(), "names none") {
				t.Errorf("Target: %v", err)
			}
		})
	}
}

func TestSearch(t *testing.T) {
	const app = "targets: [{name: app, url: \"sqlite:x.db\"}]\n"
	dir := folder(t, "mulligan.yml", app, "a/b/c/keep", "", "other.yaml", strings.Replace(app, "app", "other", 1), "two/mulligan.yaml", app, "two/mulligan.yml", app)
	deep := filepath.Join(dir, "a/b/c")
	if c := load(t, Options{Dir: deep}); c.Path != filepath.Join(dir, "mulligan.yml") || c.Dir != dir {
		t.Errorf("found %q in %q", c.Path, c.Dir)
	}
	explicit := []Options{
		{Dir: deep, File: "../../../other.yaml"},
		{Dir: deep, Flags: flags(t, "-c", "../../../other.yaml")},
		{Dir: deep, Env: []string{"MULLIGAN_CONFIG=" + filepath.Join(dir, "other.yaml")}},
	}
	for i, o := range explicit {
		if c := load(t, o); c.Targets[0].Name != "other" {
			t.Errorf("explicit %d: target %s", i, c.Targets[0].Name)
		}
	}
	for want, o := range map[string]Options{
		"mulligan.yml is beside it": {Dir: filepath.Join(dir, "two"), Env: []string{}},
		"there is no such file":     {Dir: dir, File: "gone.yaml", Env: []string{}},
		"is a folder":               {Dir: dir, File: "a", Env: []string{}},
	} {
		if _, err := Load(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestTargetIsPicked(t *testing.T) {
	two := folder(t, "mulligan.yaml", "targets: [{name: app, url: \"sqlite:a.db\"}, {name: edge, url: \"sqlite:b.db\"}]\n")
	c := load(t, Options{Dir: two})
	for name, want := range map[string]string{
		"app": "", "edge": "",
		"":      "there are several targets: app, edge",
		"ap":    "target ap: there is none of that name; there are: app, edge",
		"EDGE!": "there are: app, edge",
	} {
		got, err := c.Target(name)
		switch {
		case want == "" && (err != nil || got.Name != name):
			t.Errorf("Target(%q) = %v, %v", name, got, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("Target(%q): %v, want %q", name, err, want)
		}
	}
	var fault *Error
	if _, err := c.Target("ap"); !errors.As(err, &fault) || fault.Hint != "did you mean app?" {
		t.Errorf("hint = %+v", fault)
	}
	chosen := load(t, Options{Dir: two, Flags: flags(t, "-t", "edge", "--url", "sqlite:other.db", "--migrations", "m")})
	got, err := chosen.Target("")
	if err != nil || got.Name != "edge" || got.URL.Reveal() != "sqlite:"+two+"/other.db" || got.Migrations.Dir != filepath.Join(two, "m") {
		t.Errorf("chosen: %+v, %v", got, err)
	}
	for _, args := range [][]string{{"--url", "sqlite:x.db"}, {"--migrations", "m"}} {
		if _, err := Load(Options{Dir: two, Env: []string{}, Flags: flags(t, args...)}); err == nil || !strings.Contains(err.Error(), args[0]+": is given, but for which target?") {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// Production's secrets need not be there to work on the test database.
func TestVariablesOfOtherTargetsMayBeMissing(t *testing.T) {
	dir := folder(t, "mulligan.yaml", "targets: [{name: prod, url: \"${PROD_URL}\"}, {name: dev, url: \"sqlite:b.db\"}]\n")
	if _, err := Load(Options{Dir: dir, Env: []string{}}); err == nil || !strings.Contains(err.Error(), "PROD_URL is not set") {
		t.Errorf("no target chosen: %v", err)
	}
	c := load(t, Options{Dir: dir, Flags: flags(t, "-t", "dev")})
	if _, err := c.Target(""); err != nil {
		t.Error(err)
	}
	if _, err := c.Target("prod"); err == nil || !strings.Contains(err.Error(), "mulligan.yaml:1:29: targets[0].url: variable PROD_URL is not set") {
		t.Errorf("Target(prod): %v", err)
	}
	c = load(t, Options{Dir: dir, Flags: flags(t, "-t", "prod", "--url", "sqlite:c.db")})
	if got, err := c.Target(""); err != nil || got.URL.Reveal() != "sqlite:"+dir+"/c.db" {
		t.Errorf("--url in the place of the variable: %v, %v", got, err)
	}
}

func TestWithoutFile(t *testing.T) {
	dir := t.TempDir()
	tests := map[string]struct {
		args, env []string
		name, url string
	}{
		"url":          {args: []string{"--url", "postgres://u:p@h:1/shop?sslmode=disable", "--migrations", "m"}, name: "shop", url: "postgres://u:p@h:1/shop?sslmode=disable"},
		"DATABASE_URL": {args: []string{"--migrations", "m"}, env: []string{"DATABASE_URL=mysql://h/a%20b"}, name: "a_b", url: "mysql://h/a%20b"},
		"variable":     {args: []string{"--migrations", "m"}, env: []string{"DATABASE_URL=mysql://h/a", "MULLIGAN_URL=mysql://h/b"}, name: "b", url: "mysql://h/b"},
		"sqlite":       {args: []string{"--url", "data/shop.db", "--migrations", "m"}, name: "shop", url: dir + "/data/shop.db"},
		"named":        {args: []string{"--url", "sqlite:shop.db", "-t", "mine", "--migrations", "m"}, name: "mine", url: "sqlite:" + dir + "/shop.db"},
		"nameless":     {args: []string{"--url", "postgres://h", "--migrations", "m"}, name: "default", url: "postgres://h"},
		"all signs":    {args: []string{"--url", "postgres://h/../..", "--migrations", "m"}, name: "_..", url: "postgres://h/../.."},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := load(t, Options{Dir: dir, Flags: flags(t, tt.args...), Env: append([]string{}, tt.env...)})
			got, err := c.Target("")
			if err != nil {
				t.Fatal(err)
			}
			url, err := got.ResolveURL(t.Context())
			if got.Name != tt.name || url != tt.url || err != nil || got.Migrations.Dir != filepath.Join(dir, "m") {
				t.Errorf("target %q at %q, migrations in %q, %v", got.Name, url, got.Migrations.Dir, err)
			}
			if want := filepath.Join(dir, ".mulligan", "snapshots"); c.Repository.URL != want {
				t.Errorf("repository %q, want %q", c.Repository.URL, want)
			}
		})
	}
	_, err := load(t, Options{Dir: dir}).Target("")
	if fault := (*Error)(nil); !errors.As(err, &fault) || !strings.Contains(fault.Hint, "--url and --migrations") {
		t.Errorf("no file, no url: %v", err)
	}
}
