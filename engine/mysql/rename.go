package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"mulligan/engine"
)

// Rename does what MySQL and MariaDB have no statement for. The base tables (and MariaDB's sequences) of
// all moves go by ONE atomic RENAME TABLE; triggers, views, routines and events are taken out
// and made again in their new place. A database that is emptied, and is no later move's To, is dropped.
// No writer ever finds a table that has triggers without them: see [hiddenTable]. Events that are enabled are disabled
// while their database has a name that mulligan set it aside under.
//
// Before anything is taken out, every definition is written into a table, [journalTable], in the first
// move's From; the RENAME TABLE takes it along, so where it lies tells how far a killed Rename came.
// Called again with the same moves, Rename goes on from there. Should the RENAME TABLE be refused, the
// triggers are put back and nothing has changed.
//
// Limits: a body of a routine, trigger or event that names its database in plain words keeps that name; a view's
// text follows. Table and routine grants belong to names and stay. A foreign key of a database that is
// not moved, and a column default that draws from a sequence of the moved database, are refused.
// Errors: ErrNotExist, ErrExist, ErrDenied; ErrInUse where sessions that the caller may see have
// one of the databases as their own, or hold a metadata lock for ten seconds.
func (s *Server) Rename(ctx context.Context, moves ...engine.Move) error {
	if len(moves) == 0 {
		return nil
	}
	if err := s.rename(ctx, moves); err != nil {
		said := make([]string, len(moves))
		for i, m := range moves {
			said[i] = m.From + " to " + m.To
		}
		return fmt.Errorf("rename database %s: %w", strings.Join(said, ", "), mapped(err))
	}
	return nil
}

func (s *Server) rename(ctx context.Context, moves []engine.Move) (err error) {
	r := &renaming{server: s, moves: moves}
	if err := r.plan(); err != nil {
		return err
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.end()) }()
	moved, err := r.resume(ctx)
	if err != nil {
		return err
	}
	if !moved {
		if err := r.check(ctx); err != nil {
			return err
		}
		if err := r.capture(ctx); err != nil {
			return errors.Join(err, r.giveUp(ctx))
		}
		for _, name := range r.origins() {
			err = errors.Join(err, s.fences.LetGo(name)) // as late as can be: what follows needs the tables to itself
		}
		if err == nil {
			err = r.moveTables(ctx)
		}
		if err != nil {
			return errors.Join(err, r.giveUp(ctx))
		}
	}
	return r.makeAll(ctx)
}

// renaming is one Rename.
type renaming struct {
	server *Server
	moves  []engine.Move
	conn   *sql.Conn         // what changes anything goes through it: see begin
	place  map[string]string // where what lies in a database now will lie in the end
	codes  []placed
	hidden []hiddenTable // the tables that have triggers
	paused []pausedEvent
}

// placed is an object that is made again, with the database that it comes from and goes to.
type placed struct {
	code
	from, to string
}

// plan finds for each database that is there now where its content ends up.
func (r *renaming) plan() error {
	r.place = map[string]string{}
	holder := map[string]string{} // name → the database whose content it holds at this point
	for _, m := range r.moves {
		origin, moved := holder[m.From]
		if !moved {
			origin = m.From
		}
		if m.From == m.To || moved && origin == "" {
			return fmt.Errorf("%w: %s, when its turn comes", engine.ErrNotExist, m.From)
		}
		if holder[m.To] != "" {
			return fmt.Errorf("%w: %s, when its turn comes", engine.ErrExist, m.To)
		}
		holder[m.From], holder[m.To] = "", origin
		r.place[origin] = m.To
	}
	return nil
}

// origins lists the databases that are moved, in the order of their first moves.
func (r *renaming) origins() []string {
	var list []string
	for _, m := range r.moves {
		if _, ok := r.place[m.From]; ok && !slices.Contains(list, m.From) {
			list = append(list, m.From)
		}
	}
	return list
}

// check refuses what cannot be done, before anything is changed.
func (r *renaming) check(ctx context.Context) error {
	if err := r.server.checkUnfinished(ctx, r.moves); err != nil {
		return err
	}
	exists := map[string]bool{}
	for _, m := range r.moves {
		for _, name := range []string{m.From, m.To} {
			if _, known := exists[name]; known {
				continue
			}
			_, err := r.server.Stat(ctx, name)
			if err != nil && !errors.Is(err, engine.ErrNotExist) {
				return err
			}
			exists[name] = err == nil
		}
		if !exists[m.From] {
			return fmt.Errorf("%w: %s", engine.ErrNotExist, m.From)
		}
		if exists[m.To] {
			return fmt.Errorf("%w: %s", engine.ErrExist, m.To)
		}
		exists[m.From], exists[m.To] = false, true
	}
	for _, name := range r.origins() {
		var sessions []string
		var err error
		if !r.server.wasEvicted(name) {
			sessions, err = r.server.await(ctx, name, 2*time.Second)
		}
		if len(sessions) > 0 {
			err = fmt.Errorf("%w: %d sessions use %s", engine.ErrInUse, len(sessions), name)
		}
		if err == nil {
			err = r.server.checkReferences(ctx, name, r.moves)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// capture reads every code object of the databases and writes the journal.
func (r *renaming) capture(ctx context.Context) error {
	r.codes = nil
	for _, name := range r.origins() {
		list, err := listCodes(ctx, r.server.admin, name)
		if err == nil {
			list, err = captureCodes(ctx, r.server.admin, name, list)
		}
		if err != nil {
			return fmt.Errorf("definitions of database %s: %w", name, err)
		}
		for _, c := range list {
			r.codes = append(r.codes, placed{code: c, from: name, to: r.place[name]})
		}
	}
	r.planHiding()
	if err := r.planEvents(ctx); err != nil {
		return err
	}
	return r.writeJournal(ctx)
}

// moveTables makes the new databases, hides the tables with triggers, takes those off and renames all tables.
func (r *renaming) moveTables(ctx context.Context) error {
	for _, name := range r.origins() {
		if err := r.prepareTarget(ctx, name); err != nil {
			return err
		}
	}
	if err := r.hide(ctx); err != nil {
		return fmt.Errorf("hide the tables that have triggers: %w", err)
	}
	if err := r.dropTriggers(ctx); err != nil {
		return err
	}
	steps, err := r.tableSteps(ctx)
	if err == nil {
		err = r.renameTables(ctx, steps)
	}
	if err != nil {
		return fmt.Errorf("move the tables: %w", err)
	}
	return nil
}

// dropTriggers takes the triggers off the hidden tables.
func (r *renaming) dropTriggers(ctx context.Context) error {
	for _, c := range r.codes {
		if c.kind != "trigger" {
			continue
		}
		if _, err := r.conn.ExecContext(ctx, "DROP TRIGGER IF EXISTS "+ident(c.from)+"."+ident(c.name)); err != nil {
			return fmt.Errorf("take off trigger %s: %w", c.name, inUse(err))
		}
	}
	return nil
}

// prepareTarget creates the databases on the way of an origin's content, like the origin.
// One that a move empties first is left as it is here, and altered when its own content is out.
func (r *renaming) prepareTarget(ctx context.Context, origin string) error {
	like, err := r.server.Stat(ctx, origin)
	if err != nil {
		return err
	}
	for at, i := origin, 0; i < len(r.moves); i++ {
		if r.moves[i].From != at {
			continue
		}
		at = r.moves[i].To
		if _, occupied := r.place[at]; occupied {
			continue
		}
		if err := r.server.createOn(ctx, r.conn, at, like); err != nil && !errors.Is(err, engine.ErrExist) {
			return err
		}
	}
	return nil
}

// tableSteps writes one RENAME TABLE's parts: every table of every move, in the order of the moves.
// The journal goes first, with the content of the first move's From.
func (r *renaming) tableSteps(ctx context.Context) ([]string, error) {
	content := map[string][]string{}
	for _, name := range r.origins() {
		tables, err := texts(ctx, r.server.admin, `SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?
			AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE') ORDER BY TABLE_NAME`, name)
		if err != nil {
			return nil, fmt.Errorf("list the tables of %s: %w", name, err)
		}
		content[name] = tables
	}
	var steps []string
	for _, m := range r.moves {
		for _, t := range content[m.From] {
			steps = append(steps, ident(m.From)+"."+ident(t)+" TO "+ident(m.To)+"."+ident(t))
		}
		content[m.From], content[m.To] = nil, content[m.From]
	}
	return steps, nil
}

// giveUp takes back what was done before the tables moved: triggers, names, databases, the journal.
func (r *renaming) giveUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if err := r.again(ctx); err != nil {
		return err
	}
	where, err := r.findJournal(ctx)
	if err != nil || where != r.moves[0].From {
		return err // the tables have moved, or nothing was begun
	}
	hidden, err := r.isHidden(ctx, false)
	if err != nil {
		return err
	}
	if hidden {
		triggers := r.only(isTrigger)
		for i := range triggers {
			triggers[i].to = triggers[i].from
		}
		if err = r.remakeAll(ctx, triggers); err == nil {
			err = r.show(ctx, false)
		}
	}
	if err != nil {
		return fmt.Errorf("put back the tables that have triggers (call again to go on): %w", err)
	}
	for _, m := range r.moves {
		if _, origin := r.place[m.To]; !origin {
			err = errors.Join(err, r.dropEmpty(ctx, m.To))
		}
	}
	if err != nil {
		return err
	}
	return r.dropJournal(ctx, where)
}

// makeAll does what comes after the tables moved. Each step may be done twice.
func (r *renaming) makeAll(ctx context.Context) error {
	where, err := r.findJournal(ctx)
	if err != nil {
		return err
	}
	if err := r.removeOld(ctx, where); err != nil {
		return err
	}
	if err := r.makeCodes(ctx); err != nil {
		return fmt.Errorf("the tables have moved, and calling again goes on: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(r.place)) {
		if !r.isPlace(name) && name != where {
			if err := r.dropEmpty(ctx, name); err != nil {
				return err
			}
		}
	}
	for _, m := range r.moves { // those that content only passed through
		if _, origin := r.place[m.To]; !origin && !r.isPlace(m.To) && m.To != where {
			if err := r.dropEmpty(ctx, m.To); err != nil {
				return err
			}
		}
	}
	return r.dropJournal(ctx, where)
}

// makeCodes makes everything again in its new place. What triggers call is there before they are, they are there
// before their tables have their names, and what reads or changes tables by itself comes last.
func (r *renaming) makeCodes(ctx context.Context) error {
	if err := r.remakeAll(ctx, r.only(func(c placed) bool { return !isTrigger(c) && c.kind != "view" && c.kind != "event" })); err != nil {
		return err
	}
	hidden, err := r.isHidden(ctx, true)
	if err == nil && hidden {
		if err = r.remakeAll(ctx, r.only(isTrigger)); err == nil {
			err = r.show(ctx, true)
		}
	}
	if err != nil {
		return fmt.Errorf("give the tables that have triggers their names: %w", err)
	}
	if err := r.remakeAll(ctx, r.only(func(c placed) bool { return c.kind == "view" })); err != nil {
		return err
	}
	if err := r.keepPaused(ctx); err != nil {
		return err
	}
	return r.remakeAll(ctx, r.only(func(c placed) bool { return c.kind == "event" }))
}

func isTrigger(c placed) bool { return c.kind == "trigger" }

// only lists the objects of some kinds.
func (r *renaming) only(wanted func(placed) bool) []placed {
	return slices.DeleteFunc(slices.Clone(r.codes), func(c placed) bool { return !wanted(c) })
}

// remakeAll makes objects again. One may rest on another that is yet to come: it goes round while something succeeds.
func (r *renaming) remakeAll(ctx context.Context, left []placed) error {
	for len(left) > 0 {
		var next []placed
		var fault error
		for _, c := range left {
			if err := r.remake(ctx, c); err != nil {
				fault = err
				next = append(next, c)
			}
		}
		if len(next) == len(left) {
			return fault
		}
		left = next
	}
	return nil
}

// isPlace tells whether some content ends up in the database.
func (r *renaming) isPlace(name string) bool {
	return slices.Contains(slices.Collect(maps.Values(r.place)), name)
}

// removeOld drops the old code objects, once: after that the journal says so, since the new ones can have the
// same names. Then the databases take on the properties of what they now hold.
func (r *renaming) removeOld(ctx context.Context, where string) error {
	removed, err := r.journalSays(ctx, where, stateRemoved)
	if err != nil || removed {
		return err
	}
	for _, c := range r.codes {
		if c.kind == "trigger" {
			continue
		}
		_, err := r.conn.ExecContext(ctx, "DROP "+strings.ToUpper(c.kind)+" IF EXISTS "+ident(c.from)+"."+ident(c.name))
		if err != nil {
			return fmt.Errorf("take out the old %s %s: %w", c.kind, c.name, inUse(err))
		}
	}
	if err := r.alterTargets(ctx, where); err != nil {
		return err
	}
	return r.journalAdd(ctx, where, stateRemoved)
}

// remake makes an object in its new place, in place of one that an earlier try left there.
func (r *renaming) remake(ctx context.Context, c placed) error {
	err := remakeOn(ctx, r.conn, c)
	for _, statement := range []string{"USE information_schema", setStatement(ownSettings(r.server.traits.Family))} {
		if _, fault := r.conn.ExecContext(ctx, statement); fault != nil {
			return errors.Join(err, fmt.Errorf("end the settings of %s %s: %w", c.kind, c.name, fault))
		}
	}
	return err
}

func remakeOn(ctx context.Context, conn *sql.Conn, c placed) error {
	for _, statement := range []string{"USE " + ident(c.to), c.drop()} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("make %s %s: %w", c.kind, c.name, err)
		}
	}
	return makeCode(ctx, conn, c.code)
}

// dropEmpty drops a database that holds nothing at all; one that is gone is fine.
func (r *renaming) dropEmpty(ctx context.Context, name string) error {
	var n int
	err := r.server.admin.QueryRowContext(ctx, `SELECT
		(SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?) +
		(SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ?) +
		(SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ?)`, name, name, name).Scan(&n)
	if err == nil && n > 0 {
		err = fmt.Errorf("it still holds %d objects", n)
	}
	if err == nil {
		_, err = r.conn.ExecContext(ctx, "DROP DATABASE IF EXISTS "+ident(name))
	}
	if err != nil {
		return fmt.Errorf("drop the emptied database %s: %w", name, inUse(err))
	}
	return nil
}
