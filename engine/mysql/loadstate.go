package mysql

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	driver "github.com/go-sql-driver/mysql"

	"mulligan/engine"
)

// loadState is the state of a load that can be taken up again. Indexes come into it as they are taken off, each table's by itself.
type loadState struct {
	Ready    bool                `json:"ready"` // triggers are off and tables were emptied: rows may have come since
	Triggers []keptTrigger       `json:"triggers,omitempty"`
	Indexes  map[string]*removal `json:"indexes,omitempty"` // by table; each is off as a whole or not at all
}

type keptTrigger struct {
	Name      string          `json:"name"`
	Table     string          `json:"table"`
	SQLMode   string          `json:"sqlMode"`
	Client    string          `json:"client"`
	Collation string          `json:"collation"`
	Text      engine.Verbatim `json:"text"` // in the character set that it was written in
}

// codes are the triggers in the order in which they are made.
func (s *loadState) codes() []code {
	var list []code
	for _, k := range s.Triggers {
		list = append(list, code{
			kind: "trigger", name: k.Name, table: k.Table, sqlMode: k.SQLMode, client: k.Client, collation: k.Collation, text: string(k.Text),
		})
	}
	return list
}

// keepRemoval writes down which indexes a table is about to lose.
func (l *Loader) keepRemoval(table string, r *removal) error {
	l.keeping.Lock()
	defer l.keeping.Unlock()
	if l.state.Indexes == nil {
		l.state.Indexes = map[string]*removal{}
	}
	l.state.Indexes[table] = r
	return l.options.Save(l.state)
}

// takeUp goes on from where an interrupted load came to. Its triggers are dropped again, should Finish have made some of them
// already: they must be made in their order. Its indexes are looked for.
func (l *Loader) takeUp(ctx context.Context, state []byte) error {
	if err := json.Unmarshal(state, &l.state); err != nil {
		return fmt.Errorf("take up the interrupted load: %w", err)
	}
	if !l.state.Ready {
		return l.makeReady(ctx)
	}
	for table, r := range l.state.Indexes {
		x := l.indexes[table]
		if x == nil {
			return fmt.Errorf("take up the interrupted load: table %s is none of this one", table)
		}
		off, err := l.isOff(ctx, table, r)
		if err != nil {
			return err
		}
		if off {
			x.off, x.decided = r, true
		}
	}
	return l.dropTriggers(ctx)
}

// isOff tells whether a table lacks the indexes: an ALTER TABLE is done as a whole or not at all, on both servers, also
// where the server was killed (MySQL manual, "Atomic Data Definition Statement Support"; MariaDB documentation, "Atomic DDL", since 10.6).
func (l *Loader) isOff(ctx context.Context, table string, r *removal) (bool, error) {
	now, err := l.clauses(ctx, table)
	if err != nil {
		return false, err
	}
	without := slices.DeleteFunc(slices.Clone(r.Clauses), func(clause string) bool {
		kind, name := clauseKind(clause)
		return kind == "index" && slices.Contains(r.Drops, name)
	})
	switch {
	case slices.Equal(now, r.Clauses):
		return false, nil
	case slices.Equal(now, without):
		return true, nil
	}
	return false, fmt.Errorf("table %s is neither as it was before the load nor as the load left it", table)
}

// clauses are a table's as the server writes them now.
func (l *Loader) clauses(ctx context.Context, table string) ([]string, error) {
	c, err := readCode(ctx, l.pool, l.db.name, code{kind: "table", name: table})
	if err != nil {
		return nil, err
	}
	now, _ := tableClauses(c.text)
	return now, nil
}

// loadLock is the lock (GET_LOCK) that every session of a load holds until it ends, with the session's number behind it: so a load
// that is taken up finds the sessions of the one before, which the server may not have missed yet.
const loadLock = "mulligan-load:"

// markedConnector marks each session as one of a load.
type markedConnector struct{ sqldriver.Connector }

// Connect implements [sqldriver.Connector].
func (m markedConnector) Connect(ctx context.Context) (sqldriver.Conn, error) {
	conn, err := m.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	marker, ok := conn.(sqldriver.ExecerContext)
	if !ok {
		return nil, errors.Join(fmt.Errorf("driver: connection of type %T cannot execute", conn), conn.Close())
	}
	if _, err := marker.ExecContext(ctx, "DO GET_LOCK(CONCAT('"+loadLock+"', CONNECTION_ID()), 0)", nil); err != nil {
		return nil, errors.Join(fmt.Errorf("mark the session as one of a load: %w", err), conn.Close())
	}
	return conn, nil
}

// loadPool is pool with marked sessions.
func (s *Server) loadPool(database string, settings map[string]string) (*sql.DB, error) {
	cfg, err := s.poolConfig(database, settings)
	if err != nil {
		return nil, err
	}
	connector, err := driver.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(markedConnector{connector})
	pool.SetMaxIdleConns(idleConns)
	return pool, nil
}

// endLoads ends the sessions of loads of the database, and waits until what they did is done or gone.
func (l *Loader) endLoads(ctx context.Context) error {
	ids, err := l.db.server.sessions(ctx, l.db.name)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := l.endLoad(ctx, id); err != nil {
			return fmt.Errorf("end session %s of the interrupted load: %w", id, err)
		}
	}
	return nil
}

func (l *Loader) endLoad(ctx context.Context, id string) (err error) {
	conn, err := l.db.server.admin.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	var held sql.NullString
	if err := conn.QueryRowContext(ctx, "SELECT IS_USED_LOCK(?)", loadLock+id).Scan(&held); err != nil || held.String != id {
		return err
	}
	// 1094: it has ended by itself. 1095: it is another user's, and waited for.
	if _, err := conn.ExecContext(ctx, "KILL CONNECTION "+id); err != nil && number(err) != 1094 && number(err) != 1095 {
		return err
	}
	var got sql.NullInt64
	err = conn.QueryRowContext(ctx, "SELECT GET_LOCK(?, 60)", loadLock+id).Scan(&got)
	if err == nil && got.Int64 != 1 {
		err = fmt.Errorf("%w: it does not end", engine.ErrInUse)
	}
	if err == nil {
		_, err = conn.ExecContext(ctx, "DO RELEASE_LOCK(?)", loadLock+id)
	}
	return err
}
