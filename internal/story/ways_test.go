package story

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// broken is an application whose database is broken the way the issue tells, and what it holds.
func broken(t *testing.T, engine string) (*app, before) {
	t.Helper()
	a := newApp(t, engine, pinned)
	a.breakIt(t, "--synchronize")
	was := before{properties: a.properties(t, a.database), everything: a.everything(t, a.database)}
	was.rows = a.rows(t, a.database, append(carried(), "sessions")...)
	return a, was
}

// TestInPlace rebuilds under the database's own name.
func TestInPlace(t *testing.T) {
	one(t, "mariadb", func(t *testing.T, engine string) {
		a, was := broken(t, engine)
		a.rebuild(t, "--strategy", "in-place")
		a.checkRows(t, was)
		a.checkDatabases(t, was)
		a.checkReport(t)
		a.checkNumbers(t)
		a.ready(t)
		a.undo(t, was)
	})
}

// TestRestoreInto makes a second database from a backup of the broken one, which stays as it is.
func TestRestoreInto(t *testing.T) {
	one(t, "postgres", func(t *testing.T, engine string) {
		a, was := broken(t, engine)
		a.mulligan(t, "backup")
		name, address := a.newDatabase(t)
		a.server.DropDatabase(t, name)
		r := a.tryMulligan(t, a.env("MULLIGAN_INTO="+address), "restore", "latest")
		if r.code != 0 {
			t.Fatalf("mulligan restore: exit %d\n%s%s", r.code, r.stdout, r.stderr)
		}
		if d := difference(was.everything, a.everything(t, a.database)); d != "" {
			t.Errorf("the database that the snapshot is of is not what it was: %s", d)
		}
		if diff := cmp.Diff(append(a.beside(t, a.database), a.beside(t, name)...), []string{}); diff != "" {
			t.Errorf("databases left over (-got +want):\n%s", diff)
		}
		a.database, a.url = name, address
		if got := a.properties(t, name); !cmp.Equal(was.properties, got) {
			t.Errorf("properties of the restored database: %v, were %v", got, was.properties)
		}
		a.checkRows(t, was)
		a.checkNumbers(t)
		a.ready(t)
	})
}

// gate makes a migration of the application wait for a file, where the environment names one.
const gate = `'use strict'
const fs = require('node:fs')
module.exports = async () => {
  const file = process.env.STORY_GATE
  // The doctor's replay, in preflight, goes by.
  if (!file || /__mulligan_d[0-9a-f]{6}(\?|$)/.test(process.env.DATABASE_URL)) return
  fs.writeFileSync(file + '.pid', String(process.pid))
  fs.renameSync(file + '.pid', file + '.reached')
  while (!fs.existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 20))
}
`

// TestKilled ends mulligan with SIGKILL while TypeORM is in the middle of a migration, before and after the rows
// are loaded. TypeORM's process must end with it, so that it never works on behind the back of the second mulligan,
// which takes the run up again at once.
func TestKilled(t *testing.T) {
	stages := map[string]string{"replay": "migrations/1675045120206-webauthn.js", "advance": "migrations/1695000000000-channelPosition.js"}
	one(t, "mysql", func(t *testing.T, engine string) {
		for stage, migration := range stages {
			t.Run(stage, func(t *testing.T) {
				t.Parallel()
				a, was := broken(t, engine)
				a.killIn(t, stage, migration, was)
				if out := a.mulligan(t, "resume"); !strings.Contains(out, "proved: database "+a.database) {
					t.Fatalf("mulligan resume does not say that it proved %s:\n%s", a.database, out)
				}
				a.checkRows(t, was)
				a.checkDatabases(t, was)
				a.ready(t)
			})
		}
	})
}

// killIn kills a rebuild in a stage, while a migration runs, and checks that the database is as it was.
func (a *app) killIn(t *testing.T, stage, migration string, was before) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(a.folder, "gate.js"), []byte(gate), 0o644); err != nil {
		t.Fatal(err)
	}
	a.edit(t, migration, "async up(queryRunner) {", "async up(queryRunner) {\n    await require('../gate')()")
	a.killAt(t, filepath.Join(t.TempDir(), "gate"))
	if d := difference(was.everything, a.everything(t, a.database)); d != "" {
		t.Errorf("the killed run changed the database: %s", d)
	}
	r := a.lastRun(t)
	if got := r.Stages[len(r.Stages)-1].Name; r.State != "unfinished" || got != stage {
		t.Errorf("the killed run is %s in stage %s, not in %s", r.State, got, stage)
	}
}

// killAt starts a rebuild and kills it when the migration waits at the gate.
func (a *app) killAt(t *testing.T, file string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program(t), "rebuild", "--yes")
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = a.folder, a.env("STORY_GATE="+file), &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	reached := wait(t, func() bool {
		_, err := os.Stat(file + ".reached")
		return err == nil
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || !reached {
		t.Fatalf("mulligan was to be killed in the replay: %v\n%s", err, &out)
	}
	a.checkText(t, "the output of the killed mulligan", out.String())
	a.ended(t, file)
}

// ended waits for the end of the process that came to the gate.
func (a *app) ended(t *testing.T, file string) {
	t.Helper()
	pid, err := os.ReadFile(file + ".reached")
	if err != nil {
		t.Fatal(err)
	}
	if !wait(t, func() bool { return !alive(string(pid)) }) {
		t.Errorf("TypeORM's process %s works on after its mulligan was killed", pid)
	}
}

// alive tells whether a process still runs. One that has ended, but whose end nobody has asked for, does not.
func alive(pid string) bool {
	state, err := exec.Command("ps", "-o", "stat=", "-p", pid).Output()
	return err == nil && !strings.HasPrefix(strings.TrimSpace(string(state)), "Z")
}

// wait asks again and again until the answer is yes, for a minute at most.
func wait(t *testing.T, yes func() bool) bool {
	t.Helper()
	tick, end := time.NewTicker(100*time.Millisecond), time.NewTimer(time.Minute)
	defer tick.Stop()
	defer end.Stop()
	for {
		if yes() {
			return true
		}
		select {
		case <-tick.C:
		case <-end.C:
			return false
		}
	}
}
