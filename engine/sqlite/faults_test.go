package sqlite_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/engine/sqlite"
	"mulligan/schema"
)

func TestConnectRefuses(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		filepath.Join(folder, "none", "app.db"):                "none",
		filepath.Join(file, "app.db"):                          "file",
		filepath.Join(folder, "app.db") + "?colour=red":        "option colour is not known",
		filepath.Join(folder, "app.db") + "?mode=memory":       "may be ro or rw",
		filepath.Join(folder, "app.db") + "?busy_timeout=long": "milliseconds",
	} {
		u, err := engine.ParseURL("sqlite:" + text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sqlite.Connect(t.Context(), u); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("connect to %s: %v, want an error that says %q", u, err, want)
		}
	}
	u, err := engine.ParseURL("sqlite:" + filepath.Join(folder, "none", "app.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Connect(t.Context(), u); !errors.Is(err, engine.ErrNoServer) {
		t.Errorf("connect where there is no folder: %v, want ErrNoServer", err)
	}
}

func TestWhatIsNoDatabase(t *testing.T) {
	folder := t.TempDir()
	s := connect(t, filepath.Join(folder, "any.db"))
	text := filepath.Join(folder, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is no database\n", 300)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{text: "no SQLite database", folder: "no file", "relative.db": "absolute"} {
		if _, err := s.Open(t.Context(), name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("open %s: %v, want an error that says %q", name, err, want)
		}
		if _, err := s.Stat(t.Context(), name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("stat %s: %v, want an error that says %q", name, err, want)
		}
	}
	if err := s.Create(t.Context(), text, nil); !errors.Is(err, engine.ErrExist) {
		t.Errorf("create over a file: %v, want ErrExist", err)
	}
	if err := s.Drop(t.Context(), text); err != nil {
		t.Errorf("drop a damaged file: %v", err)
	}
}

// A journal or a log that another database left would be read as part of the next file of that name.
func TestLeftOverJournalIsInTheWay(t *testing.T) {
	for _, suffix := range []string{"-wal", "-journal"} {
		s, path := create(t, "CREATE TABLE some (id)")
		name := filepath.Join(filepath.Dir(path), "other.db")
		if err := os.WriteFile(name+suffix, []byte("old frames"), 0o600); err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{
			"create": s.Create(t.Context(), name, nil),
			"rename": s.(engine.Renamer).Rename(t.Context(), engine.Move{From: path, To: name}),
		} {
			if !errors.Is(err, engine.ErrExist) || !strings.Contains(err.Error(), name+suffix) {
				t.Errorf("%s beside a left-over %s: %v, want ErrExist that names it", what, suffix, err)
			}
		}
	}
}

func TestSymbolicLinkIsNotMoved(t *testing.T) {
	s, path := create(t, "CREATE TABLE some (id)")
	link := filepath.Join(filepath.Dir(path), "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := s.(engine.Renamer).Rename(t.Context(), engine.Move{From: link, To: link + "2"}); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("rename: %v", err)
	}
	if err := s.Drop(t.Context(), link); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("drop: %v", err)
	}
	if _, err := s.Stat(t.Context(), path); err != nil {
		t.Error(err)
	}
}

func TestReadOnly(t *testing.T) {
	_, path := create(t, "CREATE TABLE some (id INTEGER PRIMARY KEY); INSERT INTO some VALUES (1)")
	s := connect(t, path+"?mode=ro")
	db := open(t, s, path)
	if _, err := db.ExecContext(t.Context(), "INSERT INTO some VALUES (2)"); err == nil {
		t.Error("a row was written through mode=ro")
	}
	v, err := db.View(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	if p := v.Point(); p.Readers != 1 || !strings.Contains(p.Note, "one reader") {
		t.Errorf("the view of what cannot be written to: %+v", p)
	}
	var b strings.Builder
	tb := schema.Table{Name: schema.Name{Table: "some"}, Kind: schema.KindTable, Columns: []schema.Column{{Name: "id", Type: "INTEGER"}}}
	if n, err := v.Dump(t.Context(), &b, &tb, engine.Range{}); n != 1 || err != nil || b.String() != "1\n" {
		t.Errorf("dump: %d rows, %q, %v", n, b.String(), err)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{"create": s.Create(t.Context(), path+"2", nil), "drop": s.Drop(t.Context(), path)} {
		if !errors.Is(err, engine.ErrDenied) {
			t.Errorf("%s with mode=ro: %v, want ErrDenied", what, err)
		}
	}
}

// held is another process that has a database open; write is sent to it, and answers come back line by line.
type held struct {
	in  io.WriteCloser
	out *bufio.Scanner
}

func hold(t *testing.T, path string) *held {
	t.Helper()
	shell(t, "--version") // says what to install
	cmd := exec.Command("sqlite3", path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := &held{in, bufio.NewScanner(out)}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("sqlite3: %v", err)
		}
	})
	h.say(t, "SELECT count(*) FROM sqlite_master;")
	return h
}

func (h *held) say(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(h.in, text+"\nSELECT 'said';\n"); err != nil {
		t.Fatal(err)
	}
	for h.out.Scan() {
		if h.out.Text() == "said" {
			return
		}
	}
	t.Fatalf("sqlite3 ended: %v", h.out.Err())
}

// Another process that has the file open, idle or busy, keeps it from being moved or dropped.
func TestOtherProcess(t *testing.T) {
	for _, mode := range []string{"delete", "wal", "persist"} {
		for _, text := range []string{"", "BEGIN; SELECT * FROM some;", "BEGIN IMMEDIATE; INSERT INTO some VALUES (1);"} {
			t.Run(mode+" "+text, func(t *testing.T) {
				s, path := create(t, "PRAGMA journal_mode = "+mode+"; CREATE TABLE some (id)")
				h := hold(t, path)
				h.say(t, text)
				info, err := s.Stat(t.Context(), path)
				if err != nil || info.Sessions != 1 {
					t.Errorf("stat: %+v, %v, want 1 session", info, err)
				}
				if err := s.Drop(t.Context(), path); !errors.Is(err, engine.ErrInUse) {
					t.Errorf("drop: %v, want ErrInUse", err)
				}
				if err := s.(engine.Renamer).Rename(t.Context(), engine.Move{From: path, To: path + "2"}); !errors.Is(err, engine.ErrInUse) {
					t.Errorf("rename: %v, want ErrInUse", err)
				}
				h.say(t, "SELECT * FROM some;")
			})
		}
	}
}

// A log that a killed process left is part of its database, and moves with it.
func TestRenameTakesTheLogAlong(t *testing.T) {
	for _, mode := range []string{"wal", "persist", "delete"} {
		t.Run(mode, func(t *testing.T) {
			_, live := create(t, "PRAGMA journal_mode = "+mode+"; CREATE TABLE some (id); INSERT INTO some VALUES (1)")
			h := hold(t, live)
			h.say(t, "INSERT INTO some VALUES (2);")
			// A copy of the files while they are open is what a killed process leaves.
			folder := t.TempDir()
			from, to := filepath.Join(folder, "from.db"), filepath.Join(folder, "to.db")
			for _, suffix := range []string{"", "-wal", "-journal"} {
				data, err := os.ReadFile(live + suffix)
				if errors.Is(err, os.ErrNotExist) {
					continue
				}
				if err == nil {
					err = os.WriteFile(from+suffix, data, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			s := connect(t, from)
			if err := s.(engine.Renamer).Rename(t.Context(), engine.Move{From: from, To: to}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"to.db"}, files(t, folder)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if got := shell(t, to, "SELECT count(*) FROM some; PRAGMA integrity_check; PRAGMA journal_mode"); got != "2\nok\n"+strings.Replace(mode, "persist", "delete", 1)+"\n" {
				t.Errorf("the shell sees %q", got)
			}
		})
	}
}

const killEnv = "MULLIGAN_SQLITE_TEST_FOLDER"

// TestKilled kills a process at many instants of its work and looks at what it left: a file under a
// database's name is whole, and of two names that one database moves between, one has it.
func TestKilled(t *testing.T) {
	if folder := os.Getenv(killEnv); folder != "" {
		work(t, folder)
		return
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for lines := 1; lines <= 25; lines++ {
		folder := t.TempDir()
		cmd := exec.Command(program, "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), killEnv+"="+folder)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewScanner(out)
		for i := 0; i < lines && in.Scan(); i++ {
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the process ended by itself")
		}
		checkLeft(t, folder, lines)
	}
}

// work makes, fills, moves, loads and drops databases, and says each step.
func work(t *testing.T, folder string) {
	s := connect(t, filepath.Join(folder, "any.db"))
	move := func(from, to string) {
		if err := s.(engine.Renamer).Rename(t.Context(), engine.Move{From: from, To: to}); err != nil {
			t.Fatal(err)
		}
		fmt.Println("moved")
	}
	kept := filepath.Join(folder, "kept-a.db")
	for i := 0; ; i++ {
		like := &engine.Info{Properties: map[string]string{"journal_mode": []string{"wal", "delete"}[i%2]}}
		fresh := filepath.Join(folder, "fresh.db")
		if err := s.Create(t.Context(), fresh, like); err != nil {
			t.Fatal(err)
		}
		fmt.Println("created")
		run(t, s, fresh, "BEGIN; CREATE TABLE some (id INTEGER PRIMARY KEY); INSERT INTO some VALUES (1), (2), (3); COMMIT")
		fmt.Println("filled")
		if i == 0 {
			move(fresh, kept)
			continue
		}
		move(kept, filepath.Join(folder, "kept-b.db"))
		move(filepath.Join(folder, "kept-b.db"), kept)
		if err := s.Drop(t.Context(), fresh); err != nil {
			t.Fatal(err)
		}
		fmt.Println("dropped")
	}
}

func checkLeft(t *testing.T, folder string, lines int) {
	t.Helper()
	kept := 0
	for _, name := range files(t, folder) {
		if strings.HasPrefix(name, ".") || !strings.HasSuffix(name, ".db") {
			continue
		}
		if got := shell(t, filepath.Join(folder, name), "PRAGMA integrity_check"); got != "ok\n" {
			t.Errorf("after %d steps %s is damaged: %s", lines, name, got)
		}
		if strings.HasPrefix(name, "kept") {
			kept++
			if got := shell(t, filepath.Join(folder, name), "SELECT count(*) FROM some"); got != "3\n" {
				t.Errorf("after %d steps %s has %s rows", lines, name, got)
			}
		}
	}
	if want := 1; lines >= 3 && kept != want {
		t.Errorf("after %d steps the database that moves has %d names: %q", lines, kept, files(t, folder))
	}
}

func TestCheckMove(t *testing.T) {
	s, path := create(t, "CREATE TABLE t (id INTEGER)")
	folder := filepath.Dir(path)
	link, second := filepath.Join(folder, "link.db"), filepath.Join(folder, "second.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := s.(engine.MoveChecker).CheckMove(t.Context(), path, ""); err != nil {
		t.Errorf("a file that a link leads to: %v", err)
	}
	if err := os.Link(path, second); err != nil {
		t.Fatal(err)
	}
	for name, wants := range map[string][]string{path: {"2 names"}, link: {"symbolic link", "2 names"}} {
		err := s.(engine.MoveChecker).CheckMove(t.Context(), name, "")
		for _, want := range wants {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q in it", name, err, want)
			}
		}
	}
	u, err := engine.ParseURL("sqlite:" + path + "?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	reader, err := sqlite.Connect(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.(engine.MoveChecker).CheckMove(t.Context(), path, ""); !errors.Is(err, engine.ErrDenied) {
		t.Errorf("a url that says mode=ro: %v, want ErrDenied", err)
	}
}
