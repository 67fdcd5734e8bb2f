package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"mulligan/engine"
)

var _ engine.MoveChecker = (*server)(nil)

// CheckMove implements [engine.MoveChecker]: to rename a database takes its ownership and the right to make databases
// (PostgreSQL manual, "ALTER DATABASE"), and it cannot be the one that this server works from. One that others are made from is
// refused: under another name it would not be found there. There is nothing to try out in a probe.
func (s *server) CheckMove(ctx context.Context, name, _ string) error {
	var owner, role string
	var owns, makes, template bool
	err := s.pool.QueryRowContext(ctx, `SELECT pg_catalog.pg_get_userbyid(d.datdba), r.rolname, pg_catalog.pg_has_role(d.datdba, 'USAGE'), r.rolcreatedb OR r.rolsuper, d.datistemplate
		FROM pg_catalog.pg_database d, pg_catalog.pg_roles r WHERE d.datname = $1 AND r.rolname = current_user`, name).Scan(&owner, &role, &owns, &makes, &template)
	if errors.Is(err, sql.ErrNoRows) {
		err = engine.ErrNotExist
	}
	if err != nil {
		return fmt.Errorf("rename database %s: %w", name, mapped(ctx, err))
	}
	var reasons []error
	if !owns {
		reasons = append(reasons, fmt.Errorf("%w: it belongs to role %s, of which %s is no member", engine.ErrDenied, owner, role))
	}
	if !makes {
		reasons = append(reasons, fmt.Errorf("%w: role %s lacks CREATEDB", engine.ErrDenied, role))
	}
	if template {
		reasons = append(reasons, errors.New("it is a template for others: ALTER DATABASE … WITH IS_TEMPLATE false ends that"))
	}
	if name == s.maintenance {
		reasons = append(reasons, errors.New("it is the only database besides which this role can connect to the server, and nobody can rename the one that he is in"))
	}
	if err := errors.Join(reasons...); err != nil {
		return fmt.Errorf("rename database %s: %w", name, err)
	}
	return nil
}
