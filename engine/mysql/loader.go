package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"mulligan/engine"
	"mulligan/schema"
)

// Loader fills tables by LOAD DATA LOCAL, or by INSERT statements where the server does not allow that;
// [Loader.Notes] says so. Until Finish it takes off the tables' triggers and, from those that get many rows, the
// secondary indexes that nothing needs meanwhile, and lets foreign keys go unchecked. Rows that share the value
// of a unique index may so be an error of Finish and not of Load.
//
// A table whose storage engine has no transactions cannot give back the rows of a load that failed: after one,
// the loader refuses that table and Finish, and only a new Loader, which empties it, makes it whole.
type Loader struct {
	db      *DB
	pool    *sql.DB // sessions that check no foreign keys
	tables  []*schema.Table
	options *engine.LoadOptions
	local   bool // LOAD DATA LOCAL is allowed
	packet  int  // max_allowed_packet, in bytes
	noUndo  map[string]bool
	indexes map[string]*indexes // of each table

	keeping sync.Mutex // guards state
	state   loadState

	mu     sync.Mutex // guards broken and closed
	broken map[string]bool
	closed bool
}

var _ engine.Loader = (*Loader)(nil)

// Loader makes the tables ready: takes their triggers off and empties them. Their indexes stay on until rows come.
func (db *DB) Loader(ctx context.Context, tables []*schema.Table, o *engine.LoadOptions) (engine.Loader, error) {
	settings := ownSettings(db.Family())
	settings["foreign_key_checks"] = "0"
	if db.Family() == engine.MariaDB {
		settings["system_versioning_alter_history"] = "KEEP"
	}
	pool, err := db.server.loadPool(db.name, settings)
	if err != nil {
		return nil, fmt.Errorf("prepare the load of database %s: %w", db.name, err)
	}
	l := &Loader{db: db, pool: pool, tables: slices.Clone(tables), options: o, broken: map[string]bool{}, noUndo: map[string]bool{}, indexes: map[string]*indexes{}}
	for _, t := range tables {
		l.indexes[t.Name.Table] = &indexes{decided: !strings.EqualFold(t.Storage, "InnoDB")}
	}
	if err := l.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare the load of database %s: %w", db.name, mapped(err)), l.Close())
	}
	return l, nil
}

func (l *Loader) prepare(ctx context.Context) error {
	if l.options.Interrupted() != nil {
		if err := l.endLoads(ctx); err != nil {
			return err
		}
	}
	if err := l.pool.QueryRowContext(ctx, "SELECT @@local_infile, @@max_allowed_packet").Scan(&l.local, &l.packet); err != nil {
		return err
	}
	v := &View{db: l.db}
	unsafe, err := v.withoutTransactions(ctx)
	if err != nil {
		return err
	}
	for table := range unsafe {
		l.noUndo[table] = true
	}
	if state := l.options.Interrupted(); state != nil {
		return l.takeUp(ctx, state)
	}
	if err := l.captureTriggers(ctx); err != nil {
		return err
	}
	if err := l.options.Save(l.state); err != nil {
		return err
	}
	return l.makeReady(ctx)
}

// makeReady takes the triggers off and empties the tables. What was done of it before does no harm.
func (l *Loader) makeReady(ctx context.Context) error {
	if err := l.dropTriggers(ctx); err != nil {
		return err
	}
	for _, t := range l.tables {
		if err := l.empty(ctx, t); err != nil {
			return fmt.Errorf("empty table %s: %w", t.Name, err)
		}
	}
	l.state.Ready = true
	return l.options.Save(l.state)
}

// Empty implements [engine.Loader].
func (l *Loader) Empty(ctx context.Context, t *schema.Table) error {
	l.mu.Lock()
	closed := l.closed
	l.mu.Unlock()
	if closed {
		return fmt.Errorf("empty table %s: the loader is closed", t.Name)
	}
	if err := l.empty(ctx, t); err != nil {
		return fmt.Errorf("empty table %s: %w", t.Name, mapped(err))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.broken, t.Name.Table)
	return nil
}

// empty removes a table's rows. An empty one is left alone: TRUNCATE makes its file anew.
func (l *Loader) empty(ctx context.Context, t *schema.Table) error {
	var one int
	err := l.pool.QueryRowContext(ctx, "SELECT 1 FROM "+ident(t.Name.Table)+" LIMIT 1").Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		_, err = l.pool.ExecContext(ctx, "TRUNCATE TABLE "+ident(t.Name.Table))
	}
	// A system-versioned table has no TRUNCATE (4137), and TRUNCATE takes the DROP privilege.
	if n := number(err); n == 4137 || n == 1142 {
		_, err = l.pool.ExecContext(ctx, "DELETE FROM "+ident(t.Name.Table))
		if err == nil && n == 4137 {
			_, err = l.pool.ExecContext(ctx, "DELETE HISTORY FROM "+ident(t.Name.Table))
		}
	}
	return err
}

// captureTriggers reads the triggers of the tables.
func (l *Loader) captureTriggers(ctx context.Context) error {
	list, err := listCodes(ctx, l.db.DB, l.db.name)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(c code) bool {
		return c.kind != "trigger" || !slices.ContainsFunc(l.tables, func(t *schema.Table) bool { return t.Name.Table == c.table })
	})
	triggers, err := captureCodes(ctx, l.db.DB, l.db.name, list)
	for _, c := range triggers {
		l.state.Triggers = append(l.state.Triggers, keptTrigger{
			Name: c.name, Table: c.table, SQLMode: c.sqlMode, Client: c.client, Collation: c.collation, Text: engine.Verbatim(c.text),
		})
	}
	return err
}

func (l *Loader) dropTriggers(ctx context.Context) error {
	for _, c := range l.state.codes() {
		if _, err := l.pool.ExecContext(ctx, c.drop()); err != nil {
			return fmt.Errorf("take off trigger %s: %w", c.name, err)
		}
	}
	return nil
}

// Notes says what is weaker than asked for, and why; nil = nothing.
func (l *Loader) Notes() []string {
	var notes []string
	if !l.local {
		notes = append(notes, "rows are loaded by INSERT statements, which take several times as long: the server's local_infile is off")
	}
	for _, t := range l.tables {
		if l.noUndo[t.Name.Table] {
			notes = append(notes, fmt.Sprintf("table %s has no transactions (%s): a load that fails leaves rows behind, and Finish then refuses", t.Name, t.Storage))
		}
		x := l.indexes[t.Name.Table]
		x.inUse.RLock()
		refused := x.refused
		x.inUse.RUnlock()
		if refused != nil {
			notes = append(notes, fmt.Sprintf("table %s was loaded with its indexes on, which takes longer: %v", t.Name, refused))
		}
	}
	return notes
}

// Close ends the loader's connections. Triggers and indexes that Finish did not put back are gone.
func (l *Loader) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	return l.pool.Close()
}
