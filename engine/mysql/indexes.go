package mysql

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"mulligan/schema"
)

// largeLoad is how many bytes of rows a table must get before its indexes come off. Taking them off and
// putting them back are two ALTER TABLE, that took 50 ms together on MariaDB and 200 ms on MySQL with
// everything forced to a busy disk, as much as is won on so many rows (measured, BenchmarkLoad).
const largeLoad = 8 << 20

// peek is how many bytes are read at once to find out how large a load is.
const peek = 128 << 10

// builders is how many tables get their indexes back at once.
const builders = 2

// indexes are the secondary indexes of one table during a load.
type indexes struct {
	seen    atomic.Int64 // bytes of rows that came so far, as long as that decides
	inUse   sync.RWMutex // held by each load for reading, and whole by the one that takes the indexes off
	decided bool         // guarded by inUse: on or off, it stays so until Finish
	off     *removal     // guarded by inUse: nil = the indexes are on
	refused error        // guarded by inUse: why they stayed on although they could go
}

// removal is what was taken off one table, and how it comes back.
type removal struct {
	Clauses []string `json:"clauses"`         // all of the table's clauses as they were
	Drops   []string `json:"drops"`           // names
	Moves   []string `json:"moves,omitempty"` // names of indexes that stay on and stand behind dropped ones
	Adds    []string `json:"adds"`            // clauses of dropped and moved indexes, in their order
}

// remove is the statement that takes the indexes off.
func (r *removal) remove(table string) string {
	return "ALTER TABLE " + ident(table) + " " + strings.Join(dropKeys(r.Drops), ", ")
}

// restore is the statement that puts them back. An index that stayed on is dropped and added in the same
// statement: both servers keep it, and only its place among the others changes.
func (r *removal) restore(table string) string {
	parts := dropKeys(r.Moves)
	for _, clause := range r.Adds {
		parts = append(parts, "ADD "+clause)
	}
	return "ALTER TABLE " + ident(table) + " " + strings.Join(parts, ", ")
}

func dropKeys(names []string) []string {
	var list []string
	for _, name := range names {
		list = append(list, "DROP KEY "+ident(name))
	}
	return list
}

// plainIndex is a clause of SHOW CREATE TABLE that both servers take back as it is. Left out are
// HASH, FULLTEXT, SPATIAL and VECTOR indexes, those on expressions, and invisible or ignored ones.
var plainIndex = regexp.MustCompile("^(?:UNIQUE )?KEY (?:`[^`]*`)+ \\((" + indexPart + "(?:," + indexPart + ")*)\\)(?: USING BTREE)?(?: COMMENT '(?:[^'\\\\]|''|\\\\.)*')?$")

const indexPart = "(?:`[^`]*`)+(?:\\([0-9]+\\))?(?: DESC)?"

var indexColumn = regexp.MustCompile("((?:`[^`]*`)+)(?:\\(([0-9]+)\\))?(?: DESC)?")

// indexColumns gives a plain index's columns in their order; nil = the clause is none.
func indexColumns(clause string) []string {
	m := plainIndex.FindStringSubmatch(clause)
	if m == nil {
		return nil
	}
	var columns []string
	for _, part := range indexColumn.FindAllStringSubmatch(m[1], -1) {
		columns = append(columns, firstName(part[1]))
	}
	return columns
}

// planRemoval decides which indexes of an InnoDB table can be off during a load; nil = none. Those stay on that a foreign key
// needs (keys lists the columns on this table's side of each), that an AUTO_INCREMENT column or the
// order of rows rests on, and that hold a generated column.
//
// The server lists unique indexes first, then the others, then FULLTEXT ones, each kind in the order in which they were
// added. So only such indexes go as have nothing behind them that cannot be moved.
func planRemoval(t *schema.Table, text string, keys [][]string) *removal {
	clauses, options := tableClauses(text)
	if strings.Contains(options, "PARTITION BY") || strings.Contains(options, "WITH SYSTEM VERSIONING") {
		return nil
	}
	r := &removal{Clauses: clauses}
	for _, clause := range clauses {
		kind, name := clauseKind(clause)
		if kind != "index" || name == "PRIMARY" || strings.HasPrefix(clause, "FULLTEXT") {
			continue
		}
		columns := indexColumns(clause)
		switch {
		case columns == nil:
			r.Drops, r.Moves, r.Adds = nil, nil, nil
			continue
		case !needed(t, clause, columns, keys):
			r.Drops = append(r.Drops, name)
		case len(r.Drops) > 0:
			r.Moves = append(r.Moves, name)
		default:
			continue
		}
		r.Adds = append(r.Adds, clause)
	}
	if len(r.Drops) == 0 {
		return nil
	}
	return r
}

// needed tells whether an index must stay on. A table without a primary key is stored in the order of a unique one.
func needed(t *schema.Table, clause string, columns []string, keys [][]string) bool {
	if len(t.Key) == 0 && strings.HasPrefix(clause, "UNIQUE") {
		return true
	}
	for _, name := range columns {
		if c, ok := t.Column(name); !ok || c.Generated || c.Identity == schema.IdentityAuto && name == columns[0] {
			return true
		}
	}
	return slices.ContainsFunc(keys, func(key []string) bool {
		return len(key) <= len(columns) && !slices.ContainsFunc(columns[:len(key)], func(c string) bool { return !containsFold(key, c) })
	})
}

func containsFold(list []string, name string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, name) })
}

// lighten takes the indexes off a table that has turned out to be large. It gives a reader of the same rows.
func (l *Loader) lighten(ctx context.Context, t *schema.Table, x *indexes, rows io.Reader) (io.Reader, error) {
	x.inUse.RLock()
	decided := x.decided
	x.inUse.RUnlock()
	if decided {
		return rows, nil
	}
	var parts []io.Reader
	for x.seen.Load() < largeLoad {
		part, more, err := readPart(rows)
		if err != nil {
			return nil, err
		}
		x.seen.Add(int64(len(part)))
		parts = append(parts, bytes.NewReader(part))
		if !more {
			return io.MultiReader(parts...), nil
		}
	}
	x.inUse.Lock()
	defer x.inUse.Unlock()
	if !x.decided {
		var err error
		x.off, err = l.takeIndexes(ctx, t)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil && number(err) == 0 {
			return nil, fmt.Errorf("take the indexes off: %w", err)
		}
		x.decided, x.refused = true, err
	}
	return io.MultiReader(append(parts, rows)...), nil
}

// readPart reads peek bytes or a little more; fewer where the reader ends. It always offers the reader much room: one that
// gives whole rows only would else give nothing, for ever.
func readPart(r io.Reader) (part []byte, more bool, err error) {
	part = make([]byte, 0, 2*peek)
	for empty := 0; len(part) < peek; {
		n, err := r.Read(part[len(part):cap(part)])
		part = part[:len(part)+n]
		switch {
		case errors.Is(err, io.EOF):
			return part, false, nil
		case err != nil:
			return nil, false, err
		case n > 0:
			empty = 0
		default:
			if empty++; empty == 100 {
				return nil, false, io.ErrNoProgress
			}
		}
	}
	return part, true, nil
}

// takeIndexes uses a session that heeds foreign keys: the server then refuses to drop an index
// that a foreign key needs which the user may not see.
func (l *Loader) takeIndexes(ctx context.Context, t *schema.Table) (*removal, error) {
	table := t.Name.Table
	found, err := foreignKeys(ctx, l.db.DB, l.db.name)
	if err != nil {
		return nil, err
	}
	var keys [][]string
	for _, k := range found {
		if k.childDatabase == l.db.name && k.child == table {
			keys = append(keys, k.childColumns)
		}
		if k.parentDatabase == l.db.name && k.parent == table {
			keys = append(keys, k.parentColumns)
		}
	}
	c, err := readCode(ctx, l.db.DB, l.db.name, code{kind: "table", name: table})
	if err != nil {
		return nil, err
	}
	r := planRemoval(t, c.text, keys)
	if r == nil {
		return nil, nil
	}
	if err := l.keepRemoval(table, r); err != nil {
		return nil, err
	}
	conn, err := l.pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	_, err = conn.ExecContext(ctx, "SET foreign_key_checks = 1")
	if err == nil {
		_, err = conn.ExecContext(ctx, r.remove(table))
	}
	if err = errors.Join(err, discard(conn)); err != nil {
		return nil, err
	}
	return r, nil
}

// putIndexes puts back what was taken off.
func (l *Loader) putIndexes(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(builders)
	for _, t := range l.tables {
		x := l.indexes[t.Name.Table]
		x.inUse.Lock()
		off := x.off
		x.inUse.Unlock()
		if off == nil {
			continue
		}
		group.Go(func() error {
			if err := l.putBack(ctx, t.Name.Table, off); err != nil {
				return fmt.Errorf("put the indexes of table %s back: %w", t.Name, err)
			}
			x.inUse.Lock()
			defer x.inUse.Unlock()
			x.off = nil // so that a Finish that failed can be called again
			return nil
		})
	}
	return group.Wait()
}

func (l *Loader) putBack(ctx context.Context, table string, r *removal) error {
	_, err := l.pool.ExecContext(ctx, r.restore(table))
	if number(err) == 1062 {
		return errors.Join(l.sharedValues(ctx, table, r), err)
	}
	if err != nil {
		return err
	}
	now, err := l.clauses(ctx, table)
	if err != nil {
		return err
	}
	if !slices.Equal(now, r.Clauses) {
		return fmt.Errorf("they are not what they were: the table has %s", strings.Join(now, ", "))
	}
	return nil
}
