package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"mulligan/engine"
)

var _ engine.Settler = (*Server)(nil)

// Settle ends renames of the databases that were killed, whatever their moves were: the journal has them.
//
// The server ends a statement whose client was killed, so a journal that is found may move while it is looked at. Then
// it is looked for again.
func (s *Server) Settle(ctx context.Context, names ...string) error {
	for {
		holders, err := texts(ctx, s.admin, "SELECT TABLE_SCHEMA FROM information_schema.TABLES WHERE TABLE_NAME = ?", journalTable)
		if err != nil {
			return fmt.Errorf("look for unfinished renames: %w", err)
		}
		moved := false
		for _, holder := range holders {
			switch err := s.settle(ctx, holder, names); {
			case isGone(err) && slices.Contains(names, holder):
				moved = true
			case isGone(err): // another database's, which came to its end meanwhile
			case err != nil:
				return fmt.Errorf("end the rename whose journal is in %s: %w", holder, mapped(err))
			}
		}
		if !moved {
			return nil
		}
	}
}

// isGone tells that a table or a database is not there.
func isGone(err error) bool { return number(err) == 1146 || number(err) == 1049 }

// settle ends the rename whose journal is in a database, if it is of one of the names.
func (s *Server) settle(ctx context.Context, holder string, names []string) (err error) {
	r := &renaming{server: s}
	head, err := s.readHead(ctx, holder)
	empty := errors.Is(err, sql.ErrNoRows)
	switch {
	case empty && slices.Contains(names, holder):
		r.moves = []engine.Move{{From: holder, To: holder}} // for the lock: nothing had been begun
	case empty:
		return nil // another database's, which is being begun
	case err != nil:
		return err
	default:
		touches := func(m engine.Move) bool { return slices.Contains(names, m.From) || slices.Contains(names, m.To) }
		if !slices.ContainsFunc(head.Moves, touches) {
			return nil
		}
		if r.moves = head.Moves; r.plan() != nil {
			return fmt.Errorf("its moves %v make no sense: %w", r.moves, r.plan())
		}
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.end()) }()
	if empty {
		return r.dropJournal(ctx, holder)
	}
	moved, err := r.resume(ctx)
	if err != nil || !moved {
		return err
	}
	return r.makeAll(ctx)
}
