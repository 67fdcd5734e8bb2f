package liquibase

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// lock is the one row of the table that Liquibase keeps beside its ledger. Whoever dies while holding it leaves it held,
// as Liquibase does itself: "liquibase release-locks" frees it.
type lock struct{ ledger schema.Name }

// table is where the lock is: a ledger of another name has it under the default one.
func (l lock) table(f engine.Family) schema.Name {
	name := cased(f, "DATABASECHANGELOGLOCK")
	if strings.EqualFold(l.ledger.Table, "DATABASECHANGELOG") && l.ledger.Table == strings.ToLower(l.ledger.Table) {
		name = strings.ToLower(name)
	}
	return schema.Name{Schema: l.ledger.Schema, Table: name}
}

// Take is [migration.Lock.Take]. The table is made where it is absent.
func (l lock) Take(ctx context.Context, s engine.Session) (func(context.Context) error, error) {
	f := s.Family()
	table := f.Table(l.table(f))
	if err := l.create(ctx, s); err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("take Liquibase's lock: %w", err)
	}
	own := fmt.Sprintf("mulligan on %s, process %d", host, os.Getpid())
	result, err := s.ExecContext(ctx, "UPDATE "+table+" SET LOCKED = TRUE, LOCKGRANTED = CURRENT_TIMESTAMP, LOCKEDBY = "+f.Placeholder(1)+
		" WHERE ID = 1 AND LOCKED = FALSE", own)
	if err != nil {
		return nil, fmt.Errorf("take Liquibase's lock in %s: %w", l.table(f), err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		who, fault := l.Holder(ctx, s)
		return nil, errors.Join(fmt.Errorf("%w by %s (table %s)", migration.ErrHeld, who, l.table(f)), err, fault)
	}
	return func(ctx context.Context) error {
		_, err := s.ExecContext(ctx, "UPDATE "+table+" SET LOCKED = FALSE, LOCKGRANTED = NULL, LOCKEDBY = NULL WHERE ID = 1 AND LOCKEDBY = "+f.Placeholder(1), own)
		if err != nil {
			return fmt.Errorf("free Liquibase's lock in %s: %w", l.table(f), err)
		}
		return nil
	}, nil
}

// create makes the table and its row as Liquibase does.
func (l lock) create(ctx context.Context, s engine.Session) error {
	f := s.Family()
	exists, err := migration.TableExists(ctx, s, l.table(f))
	if err != nil {
		return err
	}
	table := f.Table(l.table(f))
	var statements []string
	if !exists {
		kind, stamp := "BOOLEAN", "TIMESTAMP WITHOUT TIME ZONE"
		switch f {
		case engine.MySQL, engine.MariaDB:
			kind, stamp = "TINYINT(1)", "datetime"
		case engine.SQLite:
			stamp = "TEXT"
		case engine.Postgres:
		}
		statements = []string{"CREATE TABLE " + table + " (ID INTEGER NOT NULL, LOCKED " + kind + " NOT NULL, LOCKGRANTED " + stamp +
			", LOCKEDBY VARCHAR(255), CONSTRAINT " + f.Ident(l.table(f).Table+"_pkey") + " PRIMARY KEY (ID))"}
	}
	statements = append(statements, "INSERT INTO "+table+" (ID, LOCKED) SELECT 1, FALSE WHERE NOT EXISTS (SELECT 1 FROM "+table+" WHERE ID = 1)")
	for _, statement := range statements {
		if _, err := s.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("make Liquibase's lock %s: %w", l.table(f), err)
		}
	}
	return nil
}

// Holder is [migration.Lock.Holder].
func (l lock) Holder(ctx context.Context, q engine.Querier) (string, error) {
	f := q.Family()
	exists, err := migration.TableExists(ctx, q, l.table(f))
	if err != nil || !exists {
		return "", err
	}
	var who, since sql.NullString
	err = q.QueryRowContext(ctx, "SELECT LOCKEDBY, LOCKGRANTED FROM "+f.Table(l.table(f))+" WHERE ID = 1 AND LOCKED = TRUE").Scan(&who, &since)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look for the holder of Liquibase's lock in %s: %w", l.table(f), err)
	}
	text := "somebody without a name"
	if who.String != "" {
		text = who.String
	}
	if since.String != "" {
		text += ", since " + since.String
	}
	return text, nil
}
