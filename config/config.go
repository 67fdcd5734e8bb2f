// Package config reads mulligan.yaml, the flags, the environment and .env, and makes one checked [Config] of them.
//
// [AddFlags] declares the global flags, [Load] does the rest: a flag wins over a MULLIGAN_… variable, that over
// the file, and that over the default. DATABASE_URL is the last resort for a url. Without a file, --url (or
// DATABASE_URL) makes a target of its own. [Config.Target] picks the target to work on, and
// [Target.ResolveURL] gets its url, which may run a command.
//
// Promises: Load opens no database and changes nothing. Keys and values keep their case and their dots. All that
// is wrong is told at once, each as an [*Error] with file, line and key. No error, and no printed Config,
// holds a password, a url or the value of a variable. A Config may be used by several goroutines that only read it.
// Every key, flag and variable is described in docs/configuration.md.
package config

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Config is the whole configuration, checked and with absolute paths.
type Config struct {
	Path       string   // of the file; empty = there is none
	Dir        string   // the file's folder, or the working folder without a file
	Targets    []Target // in the order of the file
	Repository Repository
	Jobs       []Job    // for schedule
	Notify     []Notify // for schedule
	Settings   Settings

	env *environment
}

// Target is a database that mulligan looks after.
type Target struct {
	Name       string
	URL        Secret   // empty = URLFile or URLCommand; ask ResolveURL
	URLFile    string   // its first line is the url
	URLCommand []string // the first line that it prints is the url
	Protected  bool     // refuses rebuild, restore and undo, unless its name is repeated
	Migrations Migrations
	Tables     Tables
	Mapping    []Mapping
	Shadow     Secret // url of the server for scratch databases; empty = the target's own
	KeepOld    string // one of KeepOlds: next where the file says nothing

	file, base string // of the configuration, for errors and relative paths
	line       int
	environ    []string // for URLCommand
	broken     bool     // it has a url that could not be read
	faults     []*Error // what keeps it from being used
}

// Migrations says where the migrations are and what runs them.
type Migrations struct {
	Tool       string   // one of Tools; empty = to be detected
	Dir        string   // the folder; empty = Dirs, or none is known
	Dirs       []string // several folders in the place of one
	Table      string   // the ledger; empty = the tool's default
	DataSource string   // typeorm's compiled data source
	Command    []string // what applies them, where we do not; {to} and {url} are replaced by the runner
	Bootstrap  Bootstrap
	Env        Env    // NAME=value for child processes; {url} is replaced by the runner
	Ledger     Ledger // what the rows of a ledger hold that mulligan does not know
}

// Ledger describes the rows of a ledger. The zero Ledger describes nothing: such a ledger is only read, or it is that
// of a tool whose ledger is known.
type Ledger struct {
	Column string  // holds the migration
	Form   string  // what of the file's name it holds: file, stem or digits
	Time   string  // the column that gets the current time; empty = none does
	Values []Value // further columns, each with what it holds in every row
}

// Value is a column of a ledger that always holds the same.
type Value struct {
	Column string
	Value  string
}

// Bootstrap is what makes the base tables before the first migration. The zero Bootstrap is none.
type Bootstrap struct {
	File    string   // an SQL file
	Command []string // or a command
}

// Tables chooses the important tables. Names may hold "*" for any text.
type Tables struct {
	Include []string // empty = all
	Exclude []string
	Where   []Where
}

// Where keeps only some rows of a table.
type Where struct {
	Table     string
	Condition string // SQL
}

// Mapping says where the columns of a table go in a schema that differs.
type Mapping struct {
	Table   string            // as it is in the snapshot
	To      string            // its new name; empty = the same
	Rename  map[string]string // old column to new one
	Drop    []string          // columns without a place
	Default map[string]string // new column to the SQL expression that fills it
}

// Repository is where snapshots live.
type Repository struct {
	URL  string // an absolute folder, or a url
	Keep Keep
}

// Keep says how many snapshots of each kind forget leaves; all zero = nothing is forgotten.
type Keep struct{ Last, Hourly, Daily, Weekly, Monthly, Yearly int }

// Job is work that schedule does.
type Job struct {
	Name       string
	Target     string
	Do         string        // backup, drill, doctor, verify or forget
	OnlyLedger bool          // of backup
	Cron       string        // as it was written
	MaxRTO     time.Duration // of drill; 0 = no limit
	MaxRPO     time.Duration // of drill; 0 = no limit
}

// Notify is who hears how a job ended.
type Notify struct {
	URL Secret
	On  []string // failure, success; both where the file says nothing
}

// Options tell Load where to look. The zero Options are those of the process.
type Options struct {
	File  string         // the configuration; empty = the flag --config, MULLIGAN_CONFIG, or searched from Dir upward
	Dir   string         // the working folder; empty = the process's own
	Env   []string       // NAME=value; nil = os.Environ()
	Flags *pflag.FlagSet // global flags, as AddFlags declares them; only changed ones count; nil = none
}

// Load reads and checks everything. Its errors are one [*Error], or several that are joined.
// Without any file it is no error that there is no target: [Config.Target] says so.
func Load(o Options) (*Config, error) {
	dir, err := workingDir(o.Dir)
	if err != nil {
		return nil, err
	}
	env := newEnvironment(o.Env, dir)
	path, fault := locate(o, env)
	if fault != nil {
		return nil, fault
	}
	c := &Config{Path: path, Dir: dir, env: env}
	if path != "" {
		c.Dir = filepath.Dir(path)
	}
	if fault := env.readDotenv(c.Dir); fault != nil {
		return nil, fault
	}
	r := &reader{builder: builder{lookup: env.lookup, anchors: map[string]*node{}}, dir: c.Dir}
	if path != "" {
		if fault := r.open(path); fault != nil {
			fault.File = env.show(path)
			return nil, fault
		}
	}
	r.document(c)
	for _, f := range r.faults {
		f.File = env.show(path)
	}
	settings, faults := resolve(o.Flags, env, c.Dir, r.settings, env.show(path))
	c.Settings = settings
	faults = append(r.faults, faults...)
	if slices.ContainsFunc(faults, func(f *Error) bool { return !f.missing }) {
		return nil, join(faults) // what follows would complain about the same again
	}
	faults = append(faults, c.finish(env.show(path))...)
	if err := join(c.setAside(faults)); err != nil {
		return nil, err
	}
	return c, nil
}

// locate finds the file: what the caller, the flag or the variable says, else the search.
func locate(o Options, env *environment) (string, *Error) {
	file, key := o.File, "--config"
	if file == "" && o.Flags != nil {
		if f := o.Flags.Lookup("config"); f != nil && f.Changed {
			file = f.Value.String()
		}
	}
	if file == "" {
		file, key = env.real["MULLIGAN_CONFIG"], "MULLIGAN_CONFIG"
	}
	if file == "" {
		return find(env.dir)
	}
	path := absolute(env.dir, file)
	if _, err := readLimited(path); err != nil {
		return "", &Error{File: env.show(path), Key: key, Reason: err.Error()}
	}
	return path, nil
}

// finish puts settings and file together: overrides, fallbacks, and the target that no file names.
func (c *Config) finish(file string) []*Error {
	var faults []*Error
	if c.Repository.URL == "" {
		c.Repository.URL = filepath.Join(c.Settings.StateDir, "snapshots")
	}
	if len(c.Targets) == 0 {
		c.synthesise()
	} else if fault := c.override(); fault != nil {
		faults = append(faults, fault)
	}
	bare := 0 // targets without a url
	for i := range c.Targets {
		t := &c.Targets[i]
		t.file, t.base, t.environ = file, c.Dir, c.env.list()
		t.KeepOld = cmp.Or(t.KeepOld, KeepOlds()[0])
		if t.URL != "" || t.URLFile != "" || len(t.URLCommand) > 0 {
			t.URL = Secret(absoluteURL(t.URL.Reveal(), c.Dir))
			continue
		}
		if t.broken {
			continue
		}
		if bare++; bare > 1 {
			faults = append(faults, &Error{File: file, Line: t.line, Key: targetPath(i),
				Reason: "is the second target without a url: DATABASE_URL can stand for one only"})
			continue
		}
		if value, base, ok := c.env.value("DATABASE_URL"); ok {
			t.URL = Secret(absoluteURL(value, base))
			continue
		}
		faults = append(faults, &Error{File: file, Line: t.line, Key: targetPath(i), Reason: errNoURL.Error(), target: i + 1, missing: true})
	}
	return faults
}

// synthesise makes the one target of a configuration that has none, where a url is given.
func (c *Config) synthesise() {
	url := c.Settings.URL.Reveal()
	if value, base, ok := c.env.value("DATABASE_URL"); ok && url == "" {
		url = absoluteURL(value, base)
	}
	if url == "" {
		return
	}
	name := c.Settings.Target
	if name == "" {
		name = nameOf(url)
	}
	c.Targets = []Target{{Name: name, URL: Secret(url), Migrations: Migrations{Dir: c.Settings.Migrations}}}
}

// override gives --url and --migrations to the target that they are meant for.
func (c *Config) override() *Error {
	s := c.Settings
	if s.Target != "" {
		if _, fault := c.find(s.Target); fault != nil {
			return fault
		}
	}
	if s.URL == "" && s.Migrations == "" {
		return nil
	}
	t, fault := c.find(s.Target)
	if fault != nil {
		key := "--url"
		if s.URL == "" {
			key = "--migrations"
		}
		fault.Key, fault.Reason = key, "is given, but for which target? "+fault.Reason
		return fault
	}
	if s.URL != "" {
		t.URL, t.URLFile, t.URLCommand = s.URL, "", nil
	}
	if s.Migrations != "" {
		t.Migrations.Dir, t.Migrations.Dirs = s.Migrations, nil
	}
	return nil
}

// setAside keeps for later what is missing in a target that is not the chosen one: the variables of
// production need not be set to work on a test database.
func (c *Config) setAside(faults []*Error) []*Error {
	return slices.DeleteFunc(faults, func(f *Error) bool {
		i := f.target - 1
		if !f.missing || i < 0 || i >= len(c.Targets) {
			return false
		}
		t := &c.Targets[i]
		// --url stands in the place of a variable that is not set.
		if strings.HasPrefix(f.Key, targetPath(i)+".url") && c.Settings.URL != "" && t.URL == c.Settings.URL {
			return true
		}
		if c.Settings.Target == "" || c.Settings.Target == t.Name {
			return false
		}
		t.faults = append(t.faults, f)
		return true
	})
}

// Target gives the target of that name, or where name is empty the chosen one (--target), or the only one.
// Errors are [*Error]: no such target (the names are listed), several to choose from, none at all, or
// a variable of the target that is not set.
func (c *Config) Target(name string) (*Target, error) {
	if name == "" {
		name = c.Settings.Target
	}
	t, fault := c.find(name)
	if fault != nil {
		return nil, fault
	}
	if err := join(t.faults); err != nil {
		return nil, err
	}
	return t, nil
}

// Names are the targets' names in the order of the file.
func (c *Config) Names() []string {
	names := make([]string, len(c.Targets))
	for i := range c.Targets {
		names[i] = c.Targets[i].Name
	}
	return names
}

// Environ is the process's environment over that of .env, as NAME=value, for child processes.
func (c *Config) Environ() []string { return c.env.list() }

func (c *Config) find(name string) (*Target, *Error) {
	names := c.Names()
	switch {
	case len(names) == 0:
		fault := &Error{Reason: "there is no target: the configuration names none", Hint: "pass --url and --migrations, or add one under `targets`"}
		if c.Path == "" {
			fault.Reason = "there is no target: no mulligan.yaml here or in a folder above, and no url"
			fault.Hint = "write one with `mulligan init`, or pass --url and --migrations"
		}
		return nil, fault
	case name == "" && len(names) == 1:
		return &c.Targets[0], nil
	case name == "":
		return nil, &Error{Reason: "there are several targets: " + strings.Join(names, ", "), Hint: "say which with --target"}
	}
	if i := slices.Index(names, name); i >= 0 {
		return &c.Targets[i], nil
	}
	fault := &Error{Key: "target " + name, Reason: "there is none of that name; there are: " + strings.Join(names, ", ")}
	if near := Nearest(name, names); near != "" {
		fault.Hint = "did you mean " + near + "?"
	}
	return nil, fault
}
