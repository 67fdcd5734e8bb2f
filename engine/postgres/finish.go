package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"mulligan/engine"
	"mulligan/schema"
)

// builders is how many indexes are built at once; the server may use parallel workers for each.
const builders = 2

// Finish implements [engine.Loader]: indexes first, then statistics, which the check of the foreign keys needs, then,
// as one transaction, foreign keys, triggers and sequences. Before each it looks at what is there already.
func (l *loader) Finish(ctx context.Context, sequences []schema.Sequence) error {
	l.ready.Lock()
	l.off = false
	l.ready.Unlock()
	if err := l.finish(ctx, sequences); err != nil {
		return fmt.Errorf("finish the load of database %s: %w", l.db.name, mapped(ctx, err))
	}
	return l.Close()
}

func (l *loader) finish(ctx context.Context, sequences []schema.Sequence) error {
	if err := l.buildIndexes(ctx); err != nil {
		return err
	}
	return l.with(ctx, func(c *pgx.Conn) error {
		for part := range slices.Chunk(l.tables, 100) {
			names := make([]string, len(part))
			for i, t := range part {
				names[i] = table(t.Name)
			}
			if err := together(ctx, c, []string{"ANALYZE " + strings.Join(names, ", ")}); err != nil {
				return fmt.Errorf("gather statistics: %w", err)
			}
		}
		return l.putBack(ctx, c, sequences)
	})
}

func (l *loader) buildIndexes(ctx context.Context) error {
	var missing []index
	err := l.with(ctx, func(c *pgx.Conn) (err error) {
		missing, err = missingIndexes(ctx, c, l.plan.Indexes)
		return err
	})
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(builders)
	for part := range slices.Chunk(missing, max(1, len(missing)/(8*builders))) {
		group.Go(func() error {
			return l.with(ctx, func(c *pgx.Conn) error { return build(ctx, c, part) })
		})
	}
	return group.Wait()
}

// build makes indexes, each in a transaction of its own.
func build(ctx context.Context, c *pgx.Conn, list []index) error {
	err := together(ctx, c, []string{`SELECT pg_catalog.set_config('maintenance_work_mem', '256MB', false)
		WHERE (SELECT setting::bigint FROM pg_catalog.pg_settings WHERE name = 'maintenance_work_mem') < 262144`})
	if err != nil {
		return err
	}
	for _, x := range list {
		err := together(ctx, c, x.create())
		if isState(err, "23505") {
			err = errors.Join(x.Faults.find(ctx, c, "unique index "+string(x.Name), x.Table, "with a value that another row has"), mapped(ctx, err))
		}
		if err != nil {
			return fmt.Errorf("build index %s: %w", x.Name, mapped(ctx, err))
		}
	}
	return nil
}

func (l *loader) putBack(ctx context.Context, c *pgx.Conn, sequences []schema.Sequence) error {
	tx, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	err = l.putBackIn(ctx, c, sequences)
	if err == nil {
		return tx.Commit(ctx)
	}
	err = errors.Join(err, tx.Rollback(context.WithoutCancel(ctx)))
	if isState(err, "23503") {
		err = errors.Join(l.orphans(ctx, c), err)
	}
	return err
}

func (l *loader) putBackIn(ctx context.Context, c *pgx.Conn, sequences []schema.Sequence) error {
	missing, err := missingKeys(ctx, c, l.plan.Keys)
	if err != nil {
		return err
	}
	for _, k := range missing {
		if err := together(ctx, c, k.add()); err != nil {
			return fmt.Errorf("foreign key %s of table %s: %w", k.Name, k.Table, mapped(ctx, err))
		}
	}
	if err := together(ctx, c, l.plan.wake()); err != nil {
		return fmt.Errorf("enable triggers: %w", err)
	}
	for _, s := range sequences {
		_, err := c.Exec(ctx, "SELECT pg_catalog.setval($1::text::pg_catalog.regclass, $2, $3)", table(s.Name), s.Value, s.Called)
		if err != nil {
			return fmt.Errorf("set sequence %s to %d: %w", s.Name, s.Value, mapped(ctx, err))
		}
	}
	return nil
}

// missingIndexes are those that are not there. One that is there is whole: each was built in one transaction.
func missingIndexes(ctx context.Context, c *pgx.Conn, list []index) ([]index, error) {
	names := make([]string, len(list))
	for i, x := range list {
		names[i] = string(x.Name)
	}
	places, err := numbers(ctx, c, "SELECT place - 1 FROM unnest($1::text[]) WITH ORDINALITY u (name, place) WHERE pg_catalog.to_regclass(name) IS NULL", names)
	if err != nil {
		return nil, fmt.Errorf("look which indexes are there: %w", err)
	}
	return chosen(list, places), nil
}

func missingKeys(ctx context.Context, c *pgx.Conn, list []foreignKey) ([]foreignKey, error) {
	var tables, names []string
	for _, k := range list {
		tables, names = append(tables, string(k.Table)), append(names, string(k.Name))
	}
	places, err := numbers(ctx, c, `SELECT place - 1 FROM unnest($1::text[], $2::text[]) WITH ORDINALITY u (owner, name, place)
		WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_constraint c
			WHERE c.conrelid = pg_catalog.to_regclass(u.owner) AND c.contype = 'f' AND pg_catalog.quote_ident(c.conname) = u.name)
		ORDER BY place`, tables, names)
	if err != nil {
		return nil, fmt.Errorf("look which foreign keys are there: %w", err)
	}
	return chosen(list, places), nil
}

func chosen[T any](list []T, places []int) []T {
	var some []T
	for _, i := range places {
		some = append(some, list[i])
	}
	return some
}

func numbers(ctx context.Context, c *pgx.Conn, query string, args ...any) ([]int, error) {
	rows, err := c.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int])
}

// orphans finds the rows without a parent of every foreign key.
func (l *loader) orphans(ctx context.Context, c *pgx.Conn) error {
	var errs []error
	for _, k := range l.plan.Keys {
		errs = append(errs, k.Faults.find(ctx, c, "foreign key "+string(k.Name), k.Table, "without a parent in table "+string(k.Parent)))
	}
	return errors.Join(errs...)
}

// find counts the rows that break a constraint and names some by their keys; nil = there are none.
func (f faults) find(ctx context.Context, c *pgx.Conn, constraint string, table text, fault string) error {
	if f.From == "" {
		return nil
	}
	found := &engine.RowsError{Constraint: constraint, Table: schema.Name{Table: string(table)}, Fault: fault}
	if err := c.QueryRow(ctx, "SELECT pg_catalog.count(*) "+string(f.From)).Scan(&found.Rows); err != nil {
		return fmt.Errorf("%s of table %s: count its faults: %w", constraint, table, mapped(ctx, err))
	}
	if found.Rows == 0 {
		return nil
	}
	if len(f.Keys) == 0 {
		return found
	}
	var columns, shown []string
	for _, k := range f.Keys {
		found.Columns = append(found.Columns, string(k))
		columns = append(columns, "c."+engine.Postgres.Ident(string(k)))
		shown = append(shown, "coalesce("+columns[len(columns)-1]+"::text, 'NULL')")
	}
	rows, err := c.Query(ctx, fmt.Sprintf("SELECT ARRAY[%s] %s ORDER BY %s LIMIT %d", strings.Join(shown, ", "), f.From, strings.Join(columns, ", "), engine.MaxKeys))
	if err == nil {
		found.Keys, err = pgx.CollectRows(rows, pgx.RowTo[[]string])
	}
	if err != nil {
		return errors.Join(found, fmt.Errorf("name its faults: %w", mapped(ctx, err)))
	}
	return found
}
