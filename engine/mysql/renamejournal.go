package mysql

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"mulligan/engine"
)

// journalTable holds what a Rename took out, while it runs. Its rows: one with the moves and the properties of
// each database, one for each hidden table and each code object, and at last one that says that the old objects are gone.
const journalTable = "__mulligan_ddl"

// Kinds of rows in the journal that are no code objects.
const (
	stateMoves   = "=moves"
	stateHidden  = "=hidden" // one for each hidden table: its alias is the row's name, its name the body
	statePaused  = "=paused" // one for each event that is disabled in its new place, and was not
	stateRemoved = "=removed"
)

// renameHead is the journal's first row.
type renameHead struct {
	Moves []engine.Move
	Infos map[string]*engine.Info // of each database that is moved
}

// writeJournal makes the journal in the first move's From. All rows come in one transaction: a journal
// without the first row is one of a Rename that had not begun.
func (r *renaming) writeJournal(ctx context.Context) error {
	head := renameHead{Moves: r.moves, Infos: map[string]*engine.Info{}}
	for _, name := range r.origins() {
		info, err := r.server.Stat(ctx, name)
		if err != nil {
			return err
		}
		head.Infos[name] = info
	}
	text, err := json.Marshal(head)
	if err != nil {
		return err
	}
	journal := ident(r.moves[0].From) + "." + ident(journalTable)
	_, err = r.conn.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS "+journal+` (seq int NOT NULL AUTO_INCREMENT PRIMARY KEY,
		kind varchar(20) NOT NULL, name varchar(64) NOT NULL, origin varchar(64) NOT NULL, place varchar(64) NOT NULL,
		settings blob NOT NULL, body longblob NOT NULL) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`)
	if err != nil {
		return fmt.Errorf("make the journal: %w", err)
	}
	tx, err := r.conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	insert := "INSERT INTO " + journal + " (kind, name, origin, place, settings, body) VALUES (?, ?, ?, ?, ?, ?)"
	_, err = tx.ExecContext(ctx, insert, stateMoves, "", "", "", "", text)
	for _, h := range r.hidden {
		if err == nil {
			_, err = tx.ExecContext(ctx, insert, stateHidden, h.alias, h.from, h.to, "", h.name)
		}
	}
	for _, e := range r.paused {
		if err == nil {
			_, err = tx.ExecContext(ctx, insert, statePaused, e.name, e.from, e.to, "", "")
		}
	}
	for i, c := range r.codes {
		if c.kind == "view" {
			r.codes[i].text = requalify(c.text, c.from, c.to)
		}
		settings, fault := json.Marshal([]string{c.sqlMode, c.client, c.collation, c.zone, c.created})
		if err = errors.Join(err, fault); err == nil {
			_, err = tx.ExecContext(ctx, insert, c.kind, c.name, c.from, c.to, settings, []byte(r.codes[i].text))
		}
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write the journal: %w", err), tx.Rollback())
	}
	return tx.Commit()
}

// findJournal tells which database holds the journal; empty = none does.
func (r *renaming) findJournal(ctx context.Context) (string, error) {
	for _, name := range []string{r.moves[0].From, r.place[r.moves[0].From]} {
		var n int
		err := r.server.admin.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?",
			name, journalTable).Scan(&n)
		if err != nil || n > 0 {
			return name, err
		}
	}
	return "", nil
}

// resume looks for the journal of a Rename that was killed. Where the tables had moved it reads the
// journal; where they had not it takes everything back, so that the start is clean.
func (r *renaming) resume(ctx context.Context) (moved bool, err error) {
	where, err := r.findJournal(ctx)
	if err != nil || where == "" {
		return false, err
	}
	begun, err := r.readJournal(ctx, where)
	if err != nil {
		return false, fmt.Errorf("journal of an earlier rename in %s: %w", where, err)
	}
	if where != r.moves[0].From {
		return true, nil
	}
	if !begun {
		return false, r.dropJournal(ctx, where)
	}
	return false, r.giveUp(ctx)
}

// checkUnfinished refuses to begin where another Rename of one of the databases was killed: its
// journal can lie in any database.
func (s *Server) checkUnfinished(ctx context.Context, moves []engine.Move) error {
	holders, err := texts(ctx, s.admin, "SELECT TABLE_SCHEMA FROM information_schema.TABLES WHERE TABLE_NAME = ?", journalTable)
	if err != nil {
		return fmt.Errorf("look for unfinished renames: %w", err)
	}
	for _, holder := range holders {
		head, err := s.readHead(ctx, holder)
		if errors.Is(err, sql.ErrNoRows) {
			continue // it had not begun
		}
		if code := number(err); code == 1049 || code == 1146 {
			continue // another database's, which came to its end meanwhile
		}
		if err != nil {
			return err
		}
		for _, theirs := range head.Moves {
			if touched(moves, theirs.From) || touched(moves, theirs.To) {
				return fmt.Errorf("an earlier rename, %v, is unfinished: it must be ended first, by the same moves", head.Moves)
			}
		}
	}
	return nil
}

// touched tells whether one of the moves is from or to a database.
func touched(moves []engine.Move, name string) bool {
	return slices.ContainsFunc(moves, func(m engine.Move) bool { return m.From == name || m.To == name })
}

// readHead reads the first row of the journal in a database.
func (s *Server) readHead(ctx context.Context, where string) (*renameHead, error) {
	var text []byte
	err := s.admin.QueryRowContext(ctx, "SELECT body FROM "+ident(where)+"."+ident(journalTable)+" WHERE kind = ?", stateMoves).Scan(&text)
	head := &renameHead{}
	if err == nil {
		err = json.Unmarshal(text, head)
	}
	if err != nil {
		return nil, fmt.Errorf("read the journal in %s: %w", where, err)
	}
	return head, nil
}

// readJournal reads the code objects; begun is false where the journal was never filled.
func (r *renaming) readJournal(ctx context.Context, where string) (begun bool, err error) {
	rows, err := r.server.admin.QueryContext(ctx, "SELECT kind, name, origin, place, settings, body FROM "+
		ident(where)+"."+ident(journalTable)+" ORDER BY seq")
	if err != nil {
		return false, err
	}
	r.codes, r.hidden, r.paused = nil, nil, nil
	err = eachRow(rows, func() error {
		var c placed
		var settings, body []byte
		if err := rows.Scan(&c.kind, &c.name, &c.from, &c.to, &settings, &body); err != nil {
			return err
		}
		if c.kind == stateMoves {
			begun = true
			var head renameHead
			if err := json.Unmarshal(body, &head); err != nil {
				return err
			}
			if !slices.Equal(head.Moves, r.moves) {
				return fmt.Errorf("it is of other moves, %v: they must be ended first", head.Moves)
			}
			return nil
		}
		switch c.kind {
		case stateHidden:
			r.hidden = append(r.hidden, hiddenTable{from: c.from, to: c.to, name: string(body), alias: c.name})
			return nil
		case statePaused:
			r.paused = append(r.paused, pausedEvent{c.from, c.to, c.name})
			return nil
		case stateRemoved:
			return nil
		}
		var list [5]string
		if err := json.Unmarshal(settings, &list); err != nil {
			return err
		}
		c.sqlMode, c.client, c.collation, c.zone, c.created = list[0], list[1], list[2], list[3], list[4]
		c.text = string(body)
		r.codes = append(r.codes, c)
		return nil
	})
	return begun, err
}

// alterTargets gives each database the properties of what it holds now.
func (r *renaming) alterTargets(ctx context.Context, where string) error {
	head, err := r.server.readHead(ctx, where)
	if err != nil {
		return err
	}
	for origin, place := range r.place {
		if _, reused := r.place[place]; !reused {
			continue // it was made with them
		}
		options, err := r.server.databaseOptions(head.Infos[origin])
		if err == nil {
			_, err = r.conn.ExecContext(ctx, "ALTER DATABASE "+ident(place)+options)
		}
		if err != nil {
			return fmt.Errorf("set the properties of database %s: %w", place, err)
		}
	}
	return nil
}

func (r *renaming) journalSays(ctx context.Context, where, state string) (said bool, err error) {
	err = r.server.admin.QueryRowContext(ctx, "SELECT COUNT(*) > 0 FROM "+ident(where)+"."+ident(journalTable)+" WHERE kind = ?", state).Scan(&said)
	if err != nil {
		return false, fmt.Errorf("read the journal: %w", err)
	}
	return said, nil
}

func (r *renaming) journalAdd(ctx context.Context, where, state string) error {
	_, err := r.conn.ExecContext(ctx, "INSERT INTO "+ident(where)+"."+ident(journalTable)+
		" (kind, name, origin, place, settings, body) VALUES (?, '', '', '', '', '')", state)
	if err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	return nil
}

func (r *renaming) dropJournal(ctx context.Context, where string) error {
	if _, err := r.conn.ExecContext(ctx, "DROP TABLE IF EXISTS "+ident(where)+"."+ident(journalTable)); err != nil {
		return fmt.Errorf("drop the journal: %w", err)
	}
	return nil
}
