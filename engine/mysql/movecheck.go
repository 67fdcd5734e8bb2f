package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mulligan/engine"
)

var _ engine.MoveChecker = (*Server)(nil)

// CheckMove implements [engine.MoveChecker]. Every view, routine, trigger and event is made in the probe as Rename would make it:
// so whatever the server has against one of them, its definer, a privilege, the binary log's
// conditions or that it is broken, is known before.
func (s *Server) CheckMove(ctx context.Context, name, probe string) error {
	if _, err := s.Stat(ctx, name); err != nil {
		return err
	}
	moves := []engine.Move{{From: name, To: name}}
	reasons := []error{s.checkUnfinished(ctx, moves), s.checkReferences(ctx, name, moves), s.checkCodes(ctx, name, probe)}
	if err := errors.Join(reasons...); err != nil {
		return fmt.Errorf("rename database %s: %w", name, mapped(err))
	}
	return nil
}

// checkReferences refuses foreign keys that come in from a database that stays, and defaults that name the database.
func (s *Server) checkReferences(ctx context.Context, name string, moves []engine.Move) error {
	keys, err := foreignKeys(ctx, s.admin, name)
	if err != nil {
		return err
	}
	var reasons []error
	for _, k := range keys {
		if k.parentDatabase == name && !touched(moves, k.childDatabase) {
			reasons = append(reasons, fmt.Errorf("foreign key %s of table %s.%s, which stays, points to table %s.%s",
				k.name, k.childDatabase, k.child, k.parentDatabase, k.parent))
		}
	}
	if s.traits.Family != engine.MariaDB {
		return errors.Join(reasons...)
	}
	columns, err := texts(ctx, s.admin, `SELECT CONCAT(TABLE_NAME, '.', COLUMN_NAME) FROM information_schema.COLUMNS
		WHERE TABLE_SCHEMA = ? AND INSTR(COLUMN_DEFAULT, ?) > 0`, name, ident(name)+".")
	if err == nil && len(columns) > 0 {
		err = fmt.Errorf("%w: columns %s of %s have a default that draws from a sequence of the database by its name",
			errors.ErrUnsupported, strings.Join(columns, ", "), name)
	}
	return errors.Join(append(reasons, err)...)
}

// checkCodes reads what Rename would have to make again, and makes it in the probe.
func (s *Server) checkCodes(ctx context.Context, name, probe string) error {
	list, err := listCodes(ctx, s.admin, name)
	if err != nil || len(list) == 0 {
		return err
	}
	conn, err := s.admin.Conn(ctx)
	if err != nil {
		return err
	}
	t := &trial{conn: conn, name: name, probe: probe, settings: setStatement(ownSettings(s.traits.Family)), tables: map[string]string{}}
	return errors.Join(t.run(ctx, list), discard(conn))
}

// trial makes a database's code objects in another one.
type trial struct {
	conn        *sql.Conn
	name, probe string
	settings    string            // of our own sessions
	tables      map[string]string // table with triggers → its stand-in in the probe
}

func (t *trial) run(ctx context.Context, list []code) error {
	var reasons []error
	var whole []code
	for _, statement := range []string{"USE " + ident(t.name), "SET character_set_results = binary"} {
		if _, err := t.conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	for _, c := range list {
		c, err := readCode(ctx, t.conn, t.name, c)
		if err == nil {
			whole = append(whole, c)
		} else {
			reasons = append(reasons, mapped(err))
		}
	}
	if t.probe != "" {
		reasons = append(reasons, t.tryAll(ctx, whole))
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(reasons...)
}

// tryAll goes round while something succeeds, as Rename does.
func (t *trial) tryAll(ctx context.Context, left []code) error {
	for len(left) > 0 {
		var next []code
		var reasons []error
		for _, c := range left {
			if err := t.try(ctx, c); err != nil {
				next, reasons = append(next, c), append(reasons, mapped(err))
			}
		}
		if len(next) == len(left) {
			return errors.Join(reasons...)
		}
		left = next
	}
	return nil
}

// try makes one object in the probe.
func (t *trial) try(ctx context.Context, c code) error {
	into, before := t.probe, ""
	switch c.kind {
	case "view": // it reads the database's own tables
		into, c.text = t.name, viewIn(c.text, t.probe)
	case "trigger":
		if t.tables[c.table] == "" {
			t.tables[c.table] = aliasOf(len(t.tables) + 1)
		}
		c.text = triggerOn(c.text, t.tables[c.table])
		before = "CREATE TABLE IF NOT EXISTS " + ident(t.probe) + "." + ident(t.tables[c.table]) + " LIKE " + ident(t.name) + "." + ident(c.table)
	case "event":
		c.text = withStatus(c.text, statusDisabled)
	}
	for _, statement := range []string{t.settings, before, "USE " + ident(into)} {
		if statement == "" {
			continue
		}
		if _, err := t.conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("make %s %s: %w", c.kind, c.name, err)
		}
	}
	return makeCode(ctx, t.conn, c)
}

// viewIn puts a database's name before the name of the view that a server-written text makes.
func viewIn(text, database string) string {
	tokens := tokenize(text)
	i := slices.IndexFunc(tokens, isWord("VIEW"))
	if i < 0 || i+1 == len(tokens) {
		return text
	}
	at := tokens[i+1].offset
	return text[:at] + ident(database) + "." + text[at:]
}
