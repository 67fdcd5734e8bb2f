package faults

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// tool is a migration tool of the user's own, as a shell script with the sqlite3 program, that can be told to misbehave.
// It applies goose's files that the ledger does not name.
const tool = `#!/bin/sh
db=${DATABASE_URL#sqlite:}
case $db in *__mulligan_d??????) mode= ;; *) mode=$(cat mode 2>/dev/null) ;; esac # the doctor's replay goes by
case $mode in
hang) echo $$ >pid; exec sleep 1000 ;;
deaf) trap '' TERM INT HUP; echo $$ >pid; while :; do sleep 1; done ;;
fork) setsid sh -c 'echo $$ >pid; exec sleep 1000' >/dev/null 2>&1 </dev/null & ;;
esac
sqlite3 "$db" 'CREATE TABLE IF NOT EXISTS goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('"'now'"')))' || exit
for f in "$MIGRATIONS"/*.sql; do
	n=${f##*/} n=${n%%_*}
	[ -n "$(sqlite3 "$db" "SELECT 1 FROM goose_db_version WHERE version_id = $n")" ] && continue
	{ echo '.bail on'; echo 'BEGIN;'; sed '/^-- +goose Down/,$d' "$f"; echo "INSERT INTO goose_db_version (version_id, is_applied) VALUES ($n, 1); COMMIT;"; } | sqlite3 "$db" || exit
done
`

// misbehaviours are what a migration command does in the middle of a run.
func misbehaviours() []string {
	return []string{"hang", "fork", "hang, kill -9", "deaf, kill -9", "deaf"}
}

// TestCommand lets a migration command hang, be deaf to signals, or leave a child behind that goes on when it has ended.
// No such process may touch the database again, or hold up the run's end, and none but the last may live on.
func TestCommand(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		b := benchOf(t, "sqlite")
		each(t, "sqlite", few(2, 10), func(k int) { b.misbehave(t, k) })
	})
}

func (b *bench) misbehave(t *testing.T, k int) {
	what, strategy := misbehaviours()[k%5], strategies()[k%2]
	mode, kill, _ := strings.Cut(what, ", ")
	x := b.begin(t, "migration command: "+what, k)
	x.site.write(t, "tool.sh", tool)
	x.site.write(t, "mode", mode)
	x.site.configureCommand(t)
	c := x.site.start(t, "rebuild", "--yes", "--strategy", strategy)
	switch {
	case mode == "fork":
		x.site.wait(c)
	case kill != "":
		x.site.await(t, "pid")
		c.kill()
		x.site.wait(c)
		made.table.killed()
	default:
		x.site.await(t, "pid")
		c.interrupt(t)
		x.site.wait(c)
	}
	x.stage = x.site.stage()
	x.orphan(mode == "fork")
	x.site.write(t, "mode", "")
	if c.code == -1 {
		x.stopped(strategy)
		x.finish(x.recover(strategy))
		return
	}
	x.finish(x.after(c, strategy))
}

// write writes a file into the site's folder.
func (s *site) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.folder, name), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// configureCommand lets the site's tool apply the migrations.
func (s *site) configureCommand(t testing.TB) {
	t.Helper()
	s.write(t, "mulligan.yaml", "targets:\n  - name: library\n    url: ${DATABASE_URL}\n    migrations:\n      tool: goose\n      dir: "+
		migrationsOf(t, s.engine)+"\n      command: [sh, tool.sh]\n      env: [\"MIGRATIONS="+migrationsOf(t, s.engine)+"\"]\n")
}

// await waits until a file of the site is there and not empty, and gives its text. Everything comes to its end within
// the patience of a command, so does this.
func (s *site) await(t testing.TB, name string) string {
	t.Helper()
	text := ""
	if !eventually(patience, func() bool {
		data, err := os.ReadFile(filepath.Join(s.folder, name))
		text = strings.TrimSpace(string(data))
		return err == nil && text != ""
	}) {
		t.Fatalf("%s has not come\n%s", name, &s.log)
	}
	return text
}

// eventually asks again until the answer is yes, or the time is over.
func eventually(limit time.Duration, yes func() bool) bool {
	end := time.Now().Add(limit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !yes() {
		if time.Now().After(end) {
			return false
		}
		<-tick.C
	}
	return true
}

func (c *command) interrupt(t testing.TB) {
	t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
}

// orphan looks for the command's process after the run's end. One that took care to outlive it is ended here; any other
// must have gone with the run.
func (x *trial) orphan(allowed bool) {
	x.t.Helper()
	pid, err := strconv.Atoi(x.site.await(x.t, "pid"))
	if err != nil {
		x.t.Fatal(err)
	}
	gone := func() bool { return syscall.Kill(pid, 0) != nil || zombie(pid) }
	if !allowed && !eventually(5*time.Second, gone) {
		x.violation("the migration command's process lives on after the run")
	}
	if !gone() {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			x.t.Error(err)
		}
	}
	if err := os.Remove(filepath.Join(x.site.folder, "pid")); err != nil {
		x.t.Error(err)
	}
}

// zombie tells a process that has ended and that nobody has asked for.
func zombie(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	_, state, _ := strings.Cut(string(stat), ") ")
	return err == nil && strings.HasPrefix(state, "Z")
}
