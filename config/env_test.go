package config

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDotenv(t *testing.T) {
	const file = "\ufeff# comment\r\nexport A=1\r\nQUOTED=\"two words # no comment\"\r\nSINGLE='pa$$w${A}rd'\r\nLINES=\"a\nb\"\nREAL=file\nEMPTY=\nURL=postgres://u:p%23@h/d?x=y=z\n"
	dir := folder(t, ".env", file, "mulligan.yaml", app("migrations: {env: [\"A=${A}\", \"Q=${QUOTED}\", \"S=${SINGLE}\", \"L=${LINES}\", \"R=${REAL}\", \"E=${EMPTY}\", \"U=${URL}\", \"N=${REALEMPTY}\"]}"))
	c := load(t, Options{Dir: dir, Env: []string{"REAL=process", "REALEMPTY=", "=C:=strange"}})
	want := Env{"A=1", "Q=two words # no comment", "S=pa$$w${A}rd", "L=a\nb", "R=process", "E=", "U=postgres://u:p%23@h/d?x=y=z", "N="}
	if got := c.Targets[0].Migrations.Env; !slices.Equal(got, want) {
		t.Errorf("env = %q\nwant  %q", []string(got), []string(want))
	}
	if all := c.Environ(); !slices.Contains(all, "REAL=process") || !slices.Contains(all, "A=1") || slices.Contains(all, "REAL=file") {
		t.Errorf("Environ() = %q", all)
	}
}

func TestDotenvBesideTheFileCounts(t *testing.T) {
	dir := folder(t, "mulligan.yaml", "", ".env", "MULLIGAN_JOBS=7\nDATABASE_URL=sqlite:here.db\nMULLIGAN_STATE_DIR=st\n", "work/.env", "MULLIGAN_JOBS=9\n")
	c := load(t, Options{Dir: dir + "/work"})
	if c.Settings.Jobs != 7 || c.Settings.StateDir != dir+"/st" || c.Targets[0].URL.Reveal() != "sqlite:"+dir+"/here.db" {
		t.Errorf("settings %+v, url %s", c.Settings, c.Targets[0].URL.Reveal())
	}
	if c := load(t, Options{Dir: folder(t, ".env", "MULLIGAN_JOBS=9\n")}); c.Settings.Jobs != 9 {
		t.Errorf("without a file: jobs %d", c.Settings.Jobs)
	}
	if c := load(t, Options{Dir: folder(t, ".env/bin/activate", "a Python environment")}); len(c.Targets) != 0 {
		t.Errorf("a folder called .env: %+v", c.Targets)
	}
}

func TestBadDotenv(t *testing.T) {
	for text, line := range map[string]int{
		"A=1\nhunter2\n":                        2,
		"A=1\n# x\n\nB=\"hunter2\nC=3\n":        4,
		"hunter2 is=the password":               1,
		"A=1\nB='x\ny'\nC@hunter2=1\nD=hunter2": 4,
	} {
		_, err := Load(Options{Dir: folder(t, ".env", text), Env: []string{}})
		if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf(".env:%d: cannot be read", line)) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: error %v, want line %d", text, err, line)
		}
	}
}

func TestDatabaseURLIsTheLastResort(t *testing.T) {
	env := []string{"DATABASE_URL=mysql://h/env"}
	for file, want := range map[string]string{
		"targets: [{name: app}]":                       "mysql://h/env",
		"targets: [{name: app, url: 'mysql://h/own'}]": "mysql://h/own",
	} {
		c := load(t, Options{Dir: folder(t, "mulligan.yaml", file), Env: env})
		if got := c.Targets[0].URL.Reveal(); got != want {
			t.Errorf("%s: url %s", file, got)
		}
	}
	c := load(t, Options{Dir: folder(t, "mulligan.yaml", "targets: [{name: app, url_file: gone}]"), Env: env, Flags: flags(t, "--url", "mysql://h/flag")})
	if url, err := c.Targets[0].ResolveURL(t.Context()); url != "mysql://h/flag" || err != nil {
		t.Errorf("--url over url_file: %s, %v", url, err)
	}
}

func TestNothingPrintsASecret(t *testing.T) {
	dir := folder(t, "mulligan.yaml", testdata(t, "full.yaml"))
	c := load(t, Options{Dir: dir, Env: []string{"APP_URL=postgres://u:hunter2@h/app", "TOKEN=hunter2"}})
	c.env = nil // of no package but this
	for i := range c.Targets {
		c.Targets[i].environ = nil
	}
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%v %+v %#v %v %s", c, *c, *c, c.Targets, data)
	for _, secret := range []string{"hunter2", "hush", "ping.example"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s is in %s", secret, text)
		}
	}
	if !strings.Contains(text, "DATABASE_URL=***") {
		t.Errorf("the names of variables are not in %s", text)
	}
}

// A command that hangs ends with the context.
func TestURLCommandIsInterrupted(t *testing.T) {
	dir := folder(t, "mulligan.yaml", "targets: [{name: app, url_command: [sleep, '600']}]\n")
	c := load(t, Options{Dir: dir, Env: []string{"PATH=" + os.Getenv("PATH")}})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := c.Targets[0].ResolveURL(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "mulligan.yaml:1: target app: url_command: sleep was interrupted") {
		t.Errorf("error %v", err)
	}
}

func TestResolveURL(t *testing.T) {
	dir := folder(t, "url", "\ufeffpostgres://u:p@h/d \r\nsecond line\n", "empty", "\n\n", "lite", "sqlite:a%20b.db?mode=ro\n",
		"printer", "#!/bin/sh\necho \"mysql://$USER_NAME@h/$1\"\npwd\n", "failer", "#!/bin/sh\necho hunter2\necho hunter2 >&2\nexit 3\n")
	for _, name := range []string{"printer", "failer"} {
		if err := os.Chmod(dir+"/"+name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ key, want, err string }{
		{key: "url_file: url", want: "postgres://u:p@h/d"},
		{key: "url_file: lite", want: "sqlite:" + dir + "/a%20b.db?mode=ro"},
		{key: "url_file: gone", err: "there is no such file"},
		{key: "url_file: empty", err: "its first line is empty"},
		{key: "url_command: [./printer, 'a b; false']", want: "mysql://me@h/a b; false"},
		{key: "url_command: [./failer, hunter2]", err: "failer ended with exit status 3; run it yourself to see why"},
		{key: "url_command: ['true']", err: "its first line is empty"},
		{key: "url_command: [no-such-program-anywhere]", err: "is not on the PATH"},
		{key: "url_command: [./url]", err: "url cannot be run"},
		{key: "url: x.db", want: dir + "/x.db"},
		{key: "url: sqlite:///abs.db", want: "sqlite:///abs.db"},
		{key: "url: sqlite://rel.db", want: "sqlite://" + dir + "/rel.db"},
		{key: "url: 'file:./rel.db'", want: "file:" + dir + "/rel.db"},
	} {
		if err := os.WriteFile(dir+"/mulligan.yaml", []byte("targets:\n  - name: app\n    "+tt.key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c := load(t, Options{Dir: dir, Env: []string{"PATH=" + os.Getenv("PATH"), "USER_NAME=me"}})
		got, err := c.Targets[0].ResolveURL(t.Context())
		switch {
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "hunter2")):
			t.Errorf("%s: error %v, want %q", tt.key, err, tt.err)
		case tt.err == "" && (err != nil || got != tt.want):
			t.Errorf("%s: %q, %v, want %q", tt.key, got, err, tt.want)
		}
	}
}
