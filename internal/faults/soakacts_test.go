package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// both sends statements to the database and to its mirror.
func (s *soaker) both(statements ...string) {
	s.t.Helper()
	for _, name := range []string{s.site.name, s.mirror} {
		if err := s.library.exec(s.t.Context(), name, statements...); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *soaker) insert() string {
	n := 1 + s.random.IntN(20)
	for range n {
		s.both(fmt.Sprintf("INSERT INTO loans (book_id, member_id, lent_on) VALUES (%d, %d, '2024-05-%02d')", 1+s.random.IntN(80), 1+s.random.IntN(60), 1+s.random.IntN(28)))
	}
	s.both(fmt.Sprintf("INSERT INTO books (author_id, title, price, published) VALUES (%d, 'Том %d; O''Neil', 12.50, 1999)", 1+s.random.IntN(6), s.random.IntN(1000)))
	return fmt.Sprint(n, " loans, 1 book")
}

func (s *soaker) update() string {
	from := 1 + s.random.IntN(75)
	for id := from; id < from+5; id++ { // one by one: the trigger numbers its rows in the order of the updates
		s.both(fmt.Sprintf("UPDATE books SET copies = copies + 1 WHERE id = %d", id))
	}
	return "copies of books"
}

func (s *soaker) remove() string {
	s.both(fmt.Sprintf("DELETE FROM loans WHERE id %% 11 = %d AND id > 400", s.random.IntN(11)), "DELETE FROM book_events WHERE id > 400")
	return "loans"
}

// addMigration writes a file: a column, a table with rows, a change of rows that may be made twice, one that may not.
func (s *soaker) addMigration() string {
	k := len(s.files)
	m := step{version: fmt.Sprintf("20250101%06d", k)}
	switch s.random.IntN(4) {
	case 0:
		m.up = fmt.Sprintf("ALTER TABLE books ADD COLUMN extra_%d integer DEFAULT %d;\n", k, k)
	case 1:
		m.up = fmt.Sprintf("CREATE TABLE extra_%d (id integer NOT NULL PRIMARY KEY, note varchar(40));\nINSERT INTO extra_%d (id, note) VALUES (1, 'one'), (2, NULL);\n", k, k)
	case 2:
		m.up, m.data = fmt.Sprintf("UPDATE settings SET content = 'greeting %d' WHERE name = 'greeting';\n", k), true
	case 3:
		m.up, m.data, m.once = fmt.Sprintf("INSERT INTO book_events (book_id, message) VALUES (1, 'once %d');\n", k), true, true
	}
	name := filepath.Join(s.site.folder, "migrations", m.version+"_extra.sql")
	if err := os.WriteFile(name, []byte("-- +goose Up\n"+m.up), 0o644); err != nil {
		s.t.Fatal(err)
	}
	s.files = append(s.files, m)
	return m.version
}

// byHand applies the next migration, to the mirror too, and records it or does not.
func (s *soaker) byHand() string {
	if s.applied == len(s.files) {
		return "nothing to apply"
	}
	m := s.files[s.applied]
	s.both(m.up)
	s.applied++
	if m.once || s.random.IntN(2) == 0 {
		s.record(m)
		return m.version + ", recorded"
	}
	return m.version + ", not recorded"
}

func (s *soaker) record(m step) {
	yes := map[bool]string{true: "true", false: "1"}[s.library.engine == "postgres"]
	s.ledger("DELETE FROM "+ledgerTable+" WHERE version_id = "+m.version,
		"INSERT INTO "+ledgerTable+" (version_id, is_applied) VALUES ("+m.version+", "+yes+")")
}

func (s *soaker) ledger(statements ...string) {
	s.t.Helper()
	if err := s.library.exec(s.t.Context(), s.site.name, statements...); err != nil {
		s.t.Fatal(err)
	}
}

// forget takes the record of an applied migration away, of one that the schema shows.
func (s *soaker) forget() string {
	m := s.files[s.random.IntN(s.applied)]
	if m.data || m.version == "20240105093100" {
		return "nothing: it changes rows"
	}
	s.ledger("DELETE FROM " + ledgerTable + " WHERE version_id = " + m.version)
	return m.version
}

// forge records a migration that was not applied, one that the schema would show.
func (s *soaker) forge() string {
	if s.applied == len(s.files) || s.files[s.applied].data {
		return "nothing to forge"
	}
	s.record(s.files[s.applied])
	return s.files[s.applied].version
}

// run runs mulligan under the meter.
func (s *soaker) run(args ...string) *command {
	s.t.Helper()
	c := s.site.start(s.t, args...)
	s.meter.watch(c)
	s.site.wait(c)
	return c
}

func (s *soaker) backup() string {
	if c := s.run("backup"); c.code != 0 {
		s.violation("backup: exit code %d", c.code)
	}
	return "done"
}

func (s *soaker) doctor() string {
	c := s.run("doctor")
	if c.code != 0 && c.code != 1 {
		s.violation("doctor: exit code %d", c.code)
	}
	return fmt.Sprint("exit code ", c.code)
}

func (s *soaker) strategy() string { return strategies()[s.random.IntN(2)] }

// rebuild rebuilds; a proved one has applied what was pending, and so must the mirror.
func (s *soaker) rebuild() string {
	strategy := s.strategy()
	c := s.run("rebuild", "--yes", "--strategy", strategy)
	switch c.code {
	case 0:
		s.advance()
	case 4: // refused: it is as it was, and the mirror says whether that is true
	default:
		s.violation("rebuild: exit code %d", c.code)
	}
	return fmt.Sprintf("%s, exit code %d", strategy, c.code)
}

func (s *soaker) rebuildUndo() string {
	strategy := s.strategy()
	c := s.run("rebuild", "--yes", "--strategy", strategy)
	if c.code != 0 {
		return fmt.Sprintf("%s, exit code %d", strategy, c.code)
	}
	if c := s.run("undo", "--yes"); c.code != 0 {
		s.violation("undo: exit code %d", c.code)
	}
	return strategy
}

// advance does to the mirror what a proved rebuild does to the database.
func (s *soaker) advance() {
	s.t.Helper()
	for _, m := range s.files[s.applied:] {
		if err := s.library.exec(s.t.Context(), s.mirror, m.up); err != nil {
			s.t.Fatal(err)
		}
	}
	s.applied = len(s.files)
}

// kill kills a rebuild, and what takes it up, and brings it to an end.
func (s *soaker) kill() string {
	strategy, runs := s.strategy(), s.runs()
	args, said, run := []string{"rebuild", "--yes", "--strategy", strategy}, strategy, ""
	for range 1 + s.random.IntN(3) {
		c := s.site.start(s.t, args...)
		stop := time.AfterFunc(time.Duration(s.random.Int64N(int64(2*time.Second))), c.kill)
		s.site.wait(c)
		stop.Stop()
		said += fmt.Sprintf(", %s: %d", args[0], c.code)
		if c.code == -1 {
			made.table.killed()
		}
		list := s.runs()
		if slices.Equal(runs, list) {
			return said + ", not begun"
		}
		if s.state() != "" {
			break
		}
		// The run is named: without a name it could be an earlier one that is taken back.
		run = filepath.Base(filepath.Dir(slices.Max(list)))
		args = [][]string{{"resume", run}, {"undo", run, "--yes"}}[s.random.IntN(2)]
	}
	for range 100 {
		switch at := s.state(); {
		case at == "proved":
			s.advance()
			return said + ", proved"
		case at == "undone":
			return said + ", undone"
		case undoing(s.site.journal()):
			args = []string{"undo", run, "--yes"}
		}
		c := s.run(args...)
		said += fmt.Sprintf(", %s: %d", args[0], c.code)
		switch {
		case c.code == 4 && args[0] == "resume": // refused again: it cannot be done, so it is taken back
			args = []string{"undo", run, "--yes"}
		case c.code != 0 && c.code != 11 && c.code != 4 && c.code != 3:
			s.violation("%v: exit code %d", args, c.code)
			return said
		}
		tick := time.NewTimer(50 * time.Millisecond)
		<-tick.C
	}
	s.violation("the run comes to no end: %s", said)
	return said
}

func (s *soaker) runs() []string {
	list, err := filepath.Glob(filepath.Join(s.site.runs(), "*", "journal.jsonl"))
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}

// state is how the newest run ended; empty = it has not.
func (s *soaker) state() string {
	list := entries(s.site.journal())
	if len(list) == 0 || list[len(list)-1].Kind != "end" {
		return ""
	}
	if list[len(list)-1].Stage == "undo" {
		return "undone"
	}
	return "proved"
}

// restart ends the server, in order or as a crash would, and starts it again.
func (s *soaker) restart() string {
	if s.library.server == nil {
		return "there is none"
	}
	if s.random.IntN(2) == 0 {
		s.library.server.Stop(s.t)
	} else {
		s.library.server.Kill(s.t)
	}
	s.library.server.Start(s.t)
	return "done"
}
