package config

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// prefix begins the name of every variable that stands for a flag.
const prefix = "MULLIGAN_"

// maxJobs is the most workers that may be asked for.
const maxJobs = 64

// Settings are the global flags, each from the flag, the variable, the file or the default.
type Settings struct {
	Target     string // name; empty = the only one
	URL        Secret // stands in for the target's own; empty = none
	Migrations string // absolute folder, stands in for the target's own; empty = none
	JSON       bool
	Quiet      bool
	Verbose    bool
	Yes        bool
	Color      string // auto, always or never
	Jobs       int    // workers, 1 to 64
	StateDir   string // absolute folder of journals and locks
}

// setting is one global flag.
type setting struct {
	name, short, usage string
	value              any  // the default; its type is the setting's
	inFile             bool // it may stand in the file under "settings"
	path               bool // it is a path
}

func (s setting) variable() string { return Variable(s.name) }

func (s setting) fileKey() string { return strings.ReplaceAll(s.name, "-", "_") }

// settings are the global flags but --config. A file cannot hold yes, which would take the question out of every
// command for good, nor url and migrations, which belong to a target.
func settings() []setting {
	return []setting{
		{name: "target", short: "t", usage: "the `name` of the target to work on", value: "", inFile: true},
		{name: "url", usage: "the database's `url`, in place of the target's", value: ""},
		{name: "migrations", usage: "the `folder` of the migrations, in place of the target's", value: "", path: true},
		{name: "json", usage: "write the result as one JSON document", value: false, inFile: true},
		{name: "quiet", short: "q", usage: "write errors and the result only", value: false, inFile: true},
		{name: "verbose", short: "v", usage: "write every step", value: false, inFile: true},
		{name: "yes", short: "y", usage: "do not ask before something is changed", value: false},
		{name: "color", usage: "`when` to use colours: auto, always or never", value: "auto", inFile: true},
		{name: "jobs", short: "j", usage: "`number` of workers, 1 to 64", value: defaultJobs(), inFile: true},
		{name: "state-dir", usage: "`folder` of journals and locks (default: .mulligan beside the configuration)", value: "", inFile: true, path: true},
	}
}

// defaultJobs leaves a production server room: each worker is a connection that reads at full speed.
func defaultJobs() int { return min(runtime.GOMAXPROCS(0), 4) }

// Variable is the name of the environment variable that stands for a flag: MULLIGAN_STATE_DIR for state-dir.
func Variable(flag string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// AddFlags declares the global flags, with the names, defaults and help that Load and the manual know.
func AddFlags(fs *pflag.FlagSet) {
	fs.StringP("config", "c", "", "the configuration `file` (default: mulligan.yaml here or in a folder above)")
	for _, s := range settings() {
		switch value := s.value.(type) {
		case bool:
			fs.BoolP(s.name, s.short, value, s.usage)
		case int:
			fs.IntP(s.name, s.short, value, s.usage)
		case string:
			fs.StringP(s.name, s.short, value, s.usage)
		}
	}
}

// ApplyEnv sets the flags of fs that were not given from their MULLIGAN_… variables, but for the global ones,
// which Load has read. It is meant for a command's own flags. Its error is an [*Error] without the value.
func (c *Config) ApplyEnv(fs *pflag.FlagSet) error {
	global := map[string]bool{"config": true, "help": true}
	for _, s := range settings() {
		global[s.name] = true
	}
	var faults []*Error
	fs.VisitAll(func(f *pflag.Flag) {
		value, _, ok := c.env.value(Variable(f.Name))
		if !ok || f.Changed || global[f.Name] {
			return
		}
		if err := fs.Set(f.Name, value); err != nil {
			faults = append(faults, &Error{Key: Variable(f.Name), Reason: "is not what --" + f.Name + " takes: " + f.Value.Type()})
		}
	})
	return join(faults)
}

// rank orders the places that a setting may come from.
type rank int

const (
	fromDefault rank = iota
	fromFile
	fromEnv
	fromFlag
)

// resolver finds the settings. Viper holds the layers; each value is checked when it goes in, because
// viper reads "abc" as the number 0.
type resolver struct {
	v       *viper.Viper
	env     *environment
	fileDir string
	file    string // as errors name it
	from    map[string]rank
	faults  []*Error
}

// resolve gives the settings. fileValues are those of the file's "settings" by key, nil where there are none.
func resolve(flags *pflag.FlagSet, env *environment, fileDir string, fileValues map[string]*node, file string) (Settings, []*Error) {
	r := &resolver{
		v:   viper.NewWithOptions(viper.KeyDelimiter("::")),
		env: env, fileDir: fileDir, file: file, from: map[string]rank{},
	}
	fromFiles, fromVariables := map[string]any{}, map[string]any{}
	for _, s := range settings() {
		r.v.SetDefault(s.name, s.value)
		r.readFile(s, fileValues[s.fileKey()], fromFiles)
		r.readEnv(s, fromVariables)
		r.readFlag(s, flags)
	}
	if value, _, ok := env.value("NO_COLOR"); ok && value != "" {
		r.v.SetDefault("color", "never")
	}
	// The environment comes as a map, because viper would read the process's own and not ours;
	// what is merged later wins.
	for _, layer := range []map[string]any{fromFiles, fromVariables} {
		if err := r.v.MergeConfigMap(layer); err != nil {
			r.faults = append(r.faults, &Error{File: file, Reason: "the settings cannot be put together"})
		}
	}
	return r.settings(), r.faults
}

func (r *resolver) settings() Settings {
	s := Settings{
		Target: r.v.GetString("target"), URL: Secret(r.v.GetString("url")), JSON: r.v.GetBool("json"),
		Quiet: r.v.GetBool("quiet"), Verbose: r.v.GetBool("verbose"), Yes: r.v.GetBool("yes"),
		Color: r.v.GetString("color"), Jobs: r.v.GetInt("jobs"),
		Migrations: absolute(r.env.dir, r.v.GetString("migrations")),
		StateDir:   absolute(r.env.dir, r.v.GetString("state-dir")),
	}
	s.URL = Secret(absoluteURL(s.URL.Reveal(), r.env.dir))
	if s.StateDir == "" {
		s.StateDir = absolute(r.fileDir, ".mulligan")
	}
	if s.Quiet && s.Verbose {
		switch quiet, verbose := r.from["quiet"], r.from["verbose"]; {
		case quiet == verbose:
			fault := &Error{Key: r.where("quiet", quiet), Reason: "contradicts " + r.where("verbose", verbose) + ": give one of them"}
			if quiet == fromFile {
				fault.File = r.file
			}
			r.faults = append(r.faults, fault)
		case quiet > verbose:
			s.Verbose = false
		default:
			s.Quiet = false
		}
	}
	return s
}

// where names a setting as the user wrote it.
func (r *resolver) where(name string, from rank) string {
	switch from {
	case fromFlag:
		return "--" + name
	case fromEnv:
		return Variable(name)
	default:
		return "settings." + strings.ReplaceAll(name, "-", "_")
	}
}

func (r *resolver) readFile(s setting, n *node, layer map[string]any) {
	if n == nil || n.bad || !s.inFile {
		return
	}
	if n.kind != scalar {
		r.faults = append(r.faults, &Error{File: r.file, Line: n.line, Column: n.column, Key: n.path, Reason: "must be a single value, not " + string(n.kind)})
		return
	}
	value, reason := s.check(n.text)
	if reason != "" {
		r.faults = append(r.faults, &Error{File: r.file, Line: n.line, Column: n.column, Key: n.path, Reason: reason})
		return
	}
	r.keep(s, value, r.fileDir, fromFile, layer)
}

func (r *resolver) readEnv(s setting, layer map[string]any) {
	text, base, ok := r.env.value(s.variable())
	if !ok {
		return
	}
	value, reason := s.check(text)
	if reason != "" {
		r.faults = append(r.faults, &Error{Key: s.variable(), Reason: reason})
		return
	}
	r.keep(s, value, base, fromEnv, layer)
}

// keep puts a value into a layer, with paths made absolute, as each layer has its own folder.
func (r *resolver) keep(s setting, value any, base string, from rank, layer map[string]any) {
	if text, ok := value.(string); ok && s.path {
		value = absolute(base, text)
	} else if ok && s.name == "url" {
		value = absoluteURL(text, base)
	}
	layer[s.name] = value
	r.from[s.name] = from
}

func (r *resolver) readFlag(s setting, flags *pflag.FlagSet) {
	if flags == nil {
		return
	}
	f := flags.Lookup(s.name)
	if f == nil || !f.Changed {
		return
	}
	_, reason := s.check(f.Value.String())
	if reason == "" {
		if err := r.v.BindPFlag(s.name, f); err != nil {
			reason = "cannot be read"
		}
	}
	if reason != "" {
		r.faults = append(r.faults, &Error{Key: "--" + s.name, Reason: reason})
		return
	}
	r.from[s.name] = fromFlag
}

// check reads a setting's text as its type, and says what is allowed where it is not.
func (s setting) check(text string) (value any, reason string) {
	switch s.value.(type) {
	case bool:
		b, err := strconv.ParseBool(strings.ToLower(text))
		if err != nil {
			return nil, "must be true or false"
		}
		return b, ""
	case int:
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxJobs {
			return nil, fmt.Sprintf("must be a whole number from 1 to %d", maxJobs)
		}
		return n, ""
	}
	switch {
	case text == "":
		return nil, "must not be empty"
	case s.name == "color" && text != "auto" && text != "always" && text != "never":
		return nil, "must be auto, always or never"
	case s.name == "target":
		return text, checkTargetName(text)
	}
	return text, ""
}
