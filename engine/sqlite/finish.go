package sqlite

import (
	"context"
	"errors"
	"fmt"

	"mulligan/engine"
	"mulligan/schema"
)

// Finish makes indexes and triggers again at their old places, unless an interrupted Finish has, checks foreign keys, sets the
// sequences and looks the tables' pages through, in one transaction.
func (l *loader) Finish(ctx context.Context, sequences []schema.Sequence) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		return fmt.Errorf("finish the load of database %s: the loader has ended", l.name)
	}
	l.off = false
	if err := l.transact(ctx, func() error { return l.finish(ctx, sequences) }); err != nil {
		return fmt.Errorf("finish the load of database %s: %w", l.name, translate(err))
	}
	return l.end()
}

func (l *loader) finish(ctx context.Context, sequences []schema.Sequence) error {
	if err := l.restore(ctx); err != nil {
		return err
	}
	if err := l.checkKeys(ctx); err != nil {
		return err
	}
	if err := l.setSequences(ctx, sequences); err != nil {
		return err
	}
	return l.checkPages(ctx)
}

// restore makes what was taken off, then moves each line of sqlite_schema back to its place there: the order of
// a table's indexes and triggers is the order in which SQLite considers them.
func (l *loader) restore(ctx context.Context) error {
	for _, e := range l.state.Removed {
		there, err := l.has(ctx, e)
		if err != nil {
			return fmt.Errorf("look for %s: %w", e, err)
		}
		if there {
			continue
		}
		if _, err := l.conn.ExecContext(ctx, string(e.Text)); err != nil {
			return errors.Join(l.sharedValues(ctx, e), fmt.Errorf("make %s again: %w", e, err))
		}
	}
	if len(l.state.Removed) == 0 {
		return nil
	}
	if _, err := l.conn.ExecContext(ctx, "PRAGMA writable_schema = ON"); err != nil {
		return err
	}
	for _, e := range l.state.Removed {
		// New lines are at the end, or in the place of one that was dropped: that one moves out of the way first.
		for _, text := range []string{
			"UPDATE sqlite_schema SET rowid = (SELECT max(rowid) + 1 FROM sqlite_schema) WHERE rowid = ?1 AND NOT (type = ?2 AND name = ?3)",
			"UPDATE sqlite_schema SET rowid = ?1 WHERE type = ?2 AND name = ?3 AND rowid <> ?1",
		} {
			if _, err := l.conn.ExecContext(ctx, text, e.Row, e.Kind, string(e.Name)); err != nil {
				return fmt.Errorf("put %s back in its place: %w", e, err)
			}
		}
	}
	_, err := l.conn.ExecContext(ctx, "PRAGMA writable_schema = RESET")
	return err
}

func (l *loader) has(ctx context.Context, e entry) (bool, error) {
	var n int
	err := l.conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE type = ? AND name = ?", e.Kind, string(e.Name)).Scan(&n)
	return n > 0, err
}

func (l *loader) setSequences(ctx context.Context, sequences []schema.Sequence) error {
	counted, err := l.counts(ctx)
	if err != nil {
		return err
	}
	for _, q := range sequences {
		if !counted {
			return fmt.Errorf("set the sequence of table %s: no table has AUTOINCREMENT", q.Name)
		}
		last := q.Value
		if !q.Called {
			last--
		}
		if _, err := l.conn.ExecContext(ctx, "DELETE FROM sqlite_sequence WHERE name = ?", q.Name.Table); err != nil {
			return fmt.Errorf("set the sequence of table %s: %w", q.Name, err)
		}
		if _, err := l.conn.ExecContext(ctx, "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", q.Name.Table, last); err != nil {
			return fmt.Errorf("set the sequence of table %s: %w", q.Name, err)
		}
	}
	return nil
}

// checkPages asks SQLite whether the tables' trees, NOT NULLs and CHECKs are sound.
func (l *loader) checkPages(ctx context.Context) error {
	for _, t := range l.tables {
		var verdict string
		text := "PRAGMA main.quick_check(" + engine.SQLite.Literal(t.Name.Table) + ")"
		if err := l.conn.QueryRowContext(ctx, text).Scan(&verdict); err != nil {
			return fmt.Errorf("check table %s: %w", t.Name, err)
		}
		if verdict != "ok" {
			return fmt.Errorf("check table %s: %s", t.Name, verdict)
		}
	}
	return nil
}
