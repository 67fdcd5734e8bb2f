package mysql

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A table with triggers cannot go to another database (error 1435): its triggers are dropped before and made again behind. A
// writer must not find it between the two, or its rows would come without what the triggers do. So such a
// table is hidden first: it takes a name that nobody knows, within its database, where the server takes the triggers
// along. Under that name it loses them, moves, and gets them back; then it takes its own name again. At each of
// these steps, and after a kill of ours or of the server's at any of them, a table has its name and its triggers or neither.
//
// LOCK TABLES would not do. It ends with its session, and leaves a table without triggers where we are killed. MariaDB (10.11) refuses
// RENAME TABLE under it (error 1192); and a RENAME TABLE that waits for the locks stands in the queue of its first table
// only, so that writers come in at the others as soon as they are unlocked.

// hiddenTable is a table that has another name for a while.
type hiddenTable struct {
	from, to string // databases
	name     string
	alias    string
}

// aliasOf names the n-th table that is hidden. It is short, since the server derives names of constraints from it.
func aliasOf(n int) string { return "__mulligan_t" + strconv.Itoa(n) }

// planHiding gives every table that has triggers an alias, and lets the triggers be made on it.
func (r *renaming) planHiding() {
	r.hidden = nil
	for i, c := range r.codes {
		if c.kind != "trigger" {
			continue
		}
		at := slices.IndexFunc(r.hidden, func(h hiddenTable) bool { return h.from == c.from && h.name == c.table })
		if at < 0 {
			at = len(r.hidden)
			r.hidden = append(r.hidden, hiddenTable{from: c.from, to: c.to, name: c.table, alias: aliasOf(at + 1)})
		}
		r.codes[i].text = triggerOn(c.text, r.hidden[at].alias)
	}
}

// hide gives the tables their aliases, all of them at once.
func (r *renaming) hide(ctx context.Context) error {
	var steps []string
	for _, h := range r.hidden {
		steps = append(steps, ident(h.from)+"."+ident(h.name)+" TO "+ident(h.from)+"."+ident(h.alias))
	}
	return r.renameTables(ctx, steps)
}

// show gives the hidden tables their names back, all of them at once. They lie where they came from, or where they go.
func (r *renaming) show(ctx context.Context, moved bool) error {
	var steps []string
	for _, h := range r.hidden {
		place := h.from
		if moved {
			place = h.to
		}
		steps = append(steps, ident(place)+"."+ident(h.alias)+" TO "+ident(place)+"."+ident(h.name))
	}
	return r.renameTables(ctx, steps)
}

func (r *renaming) renameTables(ctx context.Context, steps []string) error {
	if len(steps) == 0 {
		return nil
	}
	_, err := r.conn.ExecContext(ctx, "RENAME TABLE "+strings.Join(steps, ", "))
	return inUse(err)
}

// isHidden tells whether the tables have their aliases now. They have them all or none of them.
func (r *renaming) isHidden(ctx context.Context, moved bool) (bool, error) {
	if len(r.hidden) == 0 {
		return false, nil
	}
	h := r.hidden[0]
	place := h.from
	if moved {
		place = h.to
	}
	var n int
	err := r.server.admin.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?",
		place, h.alias).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("look for table %s of %s: %w", h.alias, place, err)
	}
	return n > 0, nil
}
