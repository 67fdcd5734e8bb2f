package config

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// sample gives a value for a setting that tells where it came from.
func sample(s setting, from rank) string {
	switch s.value.(type) {
	case bool:
		return fmt.Sprint(from == fromFlag || from == fromFile) // neighbours differ
	case int:
		return fmt.Sprint(50 + int(from))
	}
	switch s.name {
	case "color":
		return map[rank]string{fromDefault: "auto", fromFile: "always", fromEnv: "never", fromFlag: "always"}[from]
	case "url":
		return fmt.Sprintf("mysql://h/rank%d", from)
	}
	return fmt.Sprintf("rank%d", from)
}

// got gives a setting out of Settings as text.
func got(t *testing.T, s Settings, name string) string {
	t.Helper()
	all := map[string]any{
		"target": s.Target, "url": s.URL.Reveal(), "migrations": s.Migrations, "json": s.JSON, "quiet": s.Quiet,
		"verbose": s.Verbose, "yes": s.Yes, "color": s.Color, "jobs": s.Jobs, "state-dir": s.StateDir,
	}
	value, ok := all[name]
	if !ok {
		t.Fatalf("setting %s is not in Settings", name)
	}
	return fmt.Sprint(value)
}

// Each setting, with each set of places that give it: the highest must win.
func TestPrecedence(t *testing.T) {
	for _, s := range settings() {
		for set := range 1 << 3 {
			given := func(from rank) bool { return set&(1<<(from-1)) != 0 }
			if given(fromFile) && !s.inFile {
				continue
			}
			name := s.name
			file, env, args, top := "", []string{}, []string{}, fromDefault
			if given(fromFile) {
				file, top = fmt.Sprintf("settings:\n  %s: %s\n", s.fileKey(), sample(s, fromFile)), fromFile
				name += ",file"
			}
			if given(fromEnv) {
				env, top = append(env, s.variable()+"="+sample(s, fromEnv)), fromEnv
				name += ",env"
			}
			if given(fromFlag) {
				args, top = append(args, "--"+s.name+"="+sample(s, fromFlag)), fromFlag
				name += ",flag"
			}
			t.Run(name, func(t *testing.T) {
				// The working folder lies below the file's, so that relative paths show what they are relative to.
				dir := folder(t, "mulligan.yaml", file, "work/keep", "")
				c, err := Load(Options{Dir: filepath.Join(dir, "work"), Env: env, Flags: flags(t, args...)})
				if err != nil {
					t.Fatal(err)
				}
				want := fmt.Sprint(s.value)
				if top != fromDefault {
					want = sample(s, top)
				}
				switch {
				case s.name == "state-dir" && top == fromDefault:
					want = filepath.Join(dir, ".mulligan")
				case s.path && top == fromFile:
					want = filepath.Join(dir, want)
				case s.path && top != fromDefault:
					want = filepath.Join(dir, "work", want)
				}
				if got := got(t, c.Settings, s.name); got != want {
					t.Errorf("%s = %q, want %q", s.name, got, want)
				}
			})
		}
	}
}

func TestBadSettings(t *testing.T) {
	tests := []struct {
		args, env []string
		want      string
	}{
		{args: []string{"-j", "0"}, want: "--jobs: must be a whole number from 1 to 64"},
		{args: []string{"-j", "65"}, want: "--jobs: must be"},
		{args: []string{"--color", "blue"}, want: "--color: must be auto, always or never"},
		{args: []string{"--url", ""}, want: "--url: must not be empty"},
		{args: []string{"-t", "a/b"}, want: "--target: must be a name"},
		{args: []string{"-q", "-v"}, want: "--quiet: contradicts --verbose: give one of them"},
		{env: []string{"MULLIGAN_JOBS=hunter2"}, want: "MULLIGAN_JOBS: must be a whole number"},
		{env: []string{"MULLIGAN_JOBS=9999999999999999999999"}, want: "MULLIGAN_JOBS: must be a whole number"},
		{env: []string{"MULLIGAN_YES=hunter2"}, want: "MULLIGAN_YES: must be true or false"},
		{env: []string{"MULLIGAN_JOBS=hunter2"}, args: []string{"-j", "1"}, want: "MULLIGAN_JOBS: must be"},
		{env: []string{"MULLIGAN_QUIET=1", "MULLIGAN_VERBOSE=true"}, want: "MULLIGAN_QUIET: contradicts MULLIGAN_VERBOSE"},
	}
	for _, tt := range tests {
		_, err := Load(Options{Dir: t.TempDir(), Env: append([]string{}, tt.env...), Flags: flags(t, tt.args...)})
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v %v: error %v, want %s", tt.args, tt.env, err, tt.want)
		}
	}
}

func TestQuietAndVerboseFromTwoPlaces(t *testing.T) {
	for _, tt := range []struct {
		arg, env       string
		quiet, verbose bool
	}{
		{"-q", "MULLIGAN_VERBOSE=1", true, false},
		{"-v", "MULLIGAN_QUIET=TRUE", false, true},
		{"--json", "MULLIGAN_QUIET=1", true, false},
	} {
		s := load(t, Options{Dir: t.TempDir(), Env: []string{tt.env}, Flags: flags(t, tt.arg)}).Settings
		if s.Quiet != tt.quiet || s.Verbose != tt.verbose {
			t.Errorf("%s %s: quiet %v, verbose %v", tt.arg, tt.env, s.Quiet, s.Verbose)
		}
	}
}

func TestNoColor(t *testing.T) {
	dir := folder(t, "mulligan.yaml", "settings: {color: always}\n")
	for _, tt := range []struct {
		dir, want string
		env, args []string
	}{
		{dir: t.TempDir(), env: []string{"NO_COLOR=1"}, want: "never"},
		{dir: t.TempDir(), env: []string{"NO_COLOR="}, want: "auto"},
		{dir: t.TempDir(), env: []string{"NO_COLOR=1"}, args: []string{"--color", "always"}, want: "always"},
		{dir: dir, env: []string{"NO_COLOR=1"}, want: "always"},
	} {
		if c := load(t, Options{Dir: tt.dir, Env: tt.env, Flags: flags(t, tt.args...)}); c.Settings.Color != tt.want {
			t.Errorf("%v %v: color %s, want %s", tt.env, tt.args, c.Settings.Color, tt.want)
		}
	}
}

func TestApplyEnv(t *testing.T) {
	c := load(t, Options{Dir: folder(t, ".env", "MULLIGAN_STRATEGY=in-place\nMULLIGAN_LIMIT=7\n"), Env: []string{"MULLIGAN_LIMIT=9", "MULLIGAN_PLAN=", "MULLIGAN_JOBS=3"}})
	fs := flags(t)
	strategy, limit, plan := fs.String("strategy", "beside", ""), fs.Int("limit", 1, ""), fs.Bool("plan", false, "")
	given := fs.String("given", "", "")
	if err := fs.Parse([]string{"--given", "x"}); err != nil {
		t.Fatal(err)
	}
	if err := c.ApplyEnv(fs); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{"in-place", 9, false, "x"}, []any{*strategy, *limit, *plan, *given}); diff != "" {
		t.Error(diff)
	}
	bad := load(t, Options{Dir: t.TempDir(), Env: []string{"MULLIGAN_LIMIT=hunter2"}})
	fs = pflag.NewFlagSet("x", pflag.ContinueOnError)
	fs.Int("limit", 1, "")
	if err := bad.ApplyEnv(fs); err == nil || err.Error() != "MULLIGAN_LIMIT: is not what --limit takes: int" {
		t.Errorf("error %v", err)
	}
}
