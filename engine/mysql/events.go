package mysql

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mulligan/engine"
)

// The words for an event's status in the server's text. A replica's word differs between servers.
const (
	statusEnabled  = "ENABLE"
	statusDisabled = "DISABLE"
)

// statusOf finds an event's status in the text that the server writes: CREATE … EVENT name ON SCHEDULE …
// ON COMPLETION [NOT] PRESERVE status [COMMENT '…'] DO …. Where there is none, from is to.
func statusOf(text string) (from, to int) {
	tokens := tokenize(text)
	for i := range tokens {
		if !isWord("PRESERVE")(tokens[i]) {
			continue
		}
		for j := i + 1; j < len(tokens); j++ {
			if isWord("COMMENT")(tokens[j]) || isWord("DO")(tokens[j]) {
				last := tokens[j-1]
				return tokens[i+1].offset, last.offset + len(last.text)
			}
		}
	}
	return 0, 0
}

// withStatus gives an event another status.
func withStatus(text, status string) string {
	from, to := statusOf(text)
	if from == to {
		return text
	}
	return text[:from] + status + text[to:]
}

// pausedTable names the events that are enabled, but not while their database is set aside: there they would go on changing
// its rows. It lies in that database, and goes when the database has a name of its own again.
const pausedTable = "__mulligan_events"

// pausedEvent is one of them, with the databases that it comes from and goes to.
type pausedEvent struct{ from, to, name string }

// planEvents decides which events are enabled where they go.
func (r *renaming) planEvents(ctx context.Context) error {
	r.paused = nil
	for _, name := range r.origins() {
		waiting, err := pausedEvents(ctx, r.server.admin, name)
		if err != nil {
			return fmt.Errorf("events of %s that were set aside: %w", name, err)
		}
		for i := range r.codes {
			if c := &r.codes[i]; c.kind == "event" && c.from == name {
				r.planEvent(c, slices.Contains(waiting, c.name))
			}
		}
	}
	return nil
}

// planEvent decides for one event. waits = it was set aside before, and is to be enabled when it comes back.
func (r *renaming) planEvent(c *placed, waits bool) {
	from, to := statusOf(c.text)
	enabled := strings.EqualFold(c.text[from:to], statusEnabled)
	switch {
	case engine.IsMarked(c.to) && (enabled || waits):
		c.text = withStatus(c.text, statusDisabled)
		r.paused = append(r.paused, pausedEvent{c.from, c.to, c.name})
	case waits:
		c.text = withStatus(c.text, statusEnabled)
	}
}

// pausedEvents lists the names that [pausedTable] holds, where there is one.
func pausedEvents(ctx context.Context, q querier, database string) ([]string, error) {
	tables, err := texts(ctx, q, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?", database, pausedTable)
	if err != nil || len(tables) == 0 {
		return nil, err
	}
	return texts(ctx, q, "SELECT name FROM "+ident(database)+"."+ident(pausedTable))
}

// keepPaused writes the names of the paused events into their new place, instead of what came along with the tables.
func (r *renaming) keepPaused(ctx context.Context) error {
	var statements []string
	for _, place := range slices.Sorted(maps.Values(r.place)) {
		statements = append(statements, "DROP TABLE IF EXISTS "+ident(place)+"."+ident(pausedTable))
	}
	for _, e := range r.paused {
		table := ident(e.to) + "." + ident(pausedTable)
		statements = append(statements, "CREATE TABLE IF NOT EXISTS "+table+" (name varchar(64) NOT NULL) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
			"INSERT INTO "+table+" VALUES ("+literal(e.name)+")")
	}
	for _, statement := range statements {
		if _, err := r.conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("keep the names of events that are set aside: %w", inUse(err))
		}
	}
	return nil
}
