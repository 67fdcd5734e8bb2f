package migration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"mulligan/engine"
	"mulligan/schema"
)

// NumberLedger is a [Ledger] that keeps one number in one row: the version that the schema has reached. All files up
// to it count as applied, so what it can mark or unmark is only ever the next one or the last. Adapters of tools of
// that kind fill it in. It is safe for concurrent use.
type NumberLedger struct {
	Tool  string                                       // for messages
	Name  schema.Name                                  // the table; without a schema it is where the session's search path finds it
	Make  func(f engine.Family, table string) []string // the statements that create the table, with what the tool puts into a new one
	Only  engine.Family                                // the one family that the tool knows; empty = all
	Dirty string                                       // the column that says a migration was begun and not ended; empty = none does
	Zero  bool                                         // the number 0 says that nothing is applied; else it is the lack of a row
}

var _ Ledger = (*NumberLedger)(nil)

// numbered is the column with the number.
const numbered = "version"

// Table is [Ledger.Table].
func (l *NumberLedger) Table() schema.Name { return l.Name }

// Create is [Ledger.Create].
func (l *NumberLedger) Create(ctx context.Context, q engine.Querier) error {
	if err := l.supports(q.Family()); err != nil {
		return err
	}
	exists, err := TableExists(ctx, q, l.Name)
	if err != nil || exists {
		return err
	}
	for _, statement := range l.Make(q.Family(), q.Family().Table(l.Name)) {
		if _, err := q.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("create ledger %s: %w", l.Name, err)
		}
	}
	return nil
}

func (l *NumberLedger) supports(f engine.Family) error {
	if l.Only == "" || l.Only == f {
		return nil
	}
	return fmt.Errorf("%s works with %s only, and this is %s: %w", l.Tool, l.Only, f, errors.ErrUnsupported)
}

// Number is an ID as a number; one that is none comes before all.
func Number(id ID) int64 {
	n, err := strconv.ParseInt(string(id), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// reached is what the one row says.
type reached struct {
	version int64
	dirty   bool
	none    bool // nothing is applied
	row     bool // there is a row
	raw     map[string]string
}

// read reads the row, whose version must be a number.
func (l *NumberLedger) read(ctx context.Context, q engine.Querier) (reached, error) {
	row, err := l.only(ctx, q)
	if err != nil || row == nil {
		return reached{none: true}, err
	}
	return l.parse(row)
}

// only is the one row; nil = there is none.
func (l *NumberLedger) only(ctx context.Context, q engine.Querier) (map[string]string, error) {
	if err := l.supports(q.Family()); err != nil {
		return nil, err
	}
	rows, err := TableRows(ctx, q, l.Name, "")
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	if len(rows) > 1 {
		return nil, fmt.Errorf("read ledger %s: it has %d rows, and %s keeps one: which version is meant cannot be told", l.Name, len(rows), l.Tool)
	}
	return rows[0], nil
}

func (l *NumberLedger) parse(row map[string]string) (reached, error) {
	version, err := strconv.ParseInt(row[numbered], 10, 64)
	if err != nil {
		return reached{}, fmt.Errorf("read ledger %s: version %q is no number", l.Name, row[numbered])
	}
	at := reached{version: version, row: true, raw: row, none: l.Zero && version == 0}
	at.dirty = l.Dirty != "" && True(row[l.Dirty])
	return at, nil
}

// Records is [Ledger.Records]: a record for every file up to the number. The number itself is a record even
// without a file; what is no number is [Unreadable].
func (l *NumberLedger) Records(ctx context.Context, q engine.Querier, files []Migration) ([]Record, error) {
	row, err := l.only(ctx, q)
	if err != nil || row == nil {
		return nil, err
	}
	at, err := l.parse(row)
	if err != nil {
		return []Record{{State: Unreadable, Raw: row}}, nil
	}
	if at.none {
		return nil, nil
	}
	var records []Record
	for _, m := range files {
		if Number(m.ID) < at.version {
			records = append(records, Record{ID: m.ID, State: Applied})
		}
	}
	last := Record{ID: ID(strconv.FormatInt(at.version, 10)), State: Applied, Raw: at.raw}
	if at.dirty {
		last.State = Failed
	}
	return append(records, last), nil
}

// Mark is [Ledger.Mark]. It sets the number to the last of marks where they follow it without a gap, the
// number's own dirty mark counting as the first; all else would mark, or unmark, others.
func (l *NumberLedger) Mark(ctx context.Context, q engine.Querier, marks, files []Migration) ([]Write, error) {
	at, err := l.read(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("record migrations: %w", err)
	}
	now := at
	for _, m := range marks {
		if err := now.follow(m, files); err != nil {
			return nil, fmt.Errorf("record migration %s in %s: %w", m.ID, l.Name, err)
		}
		now = reached{version: Number(m.ID)}
	}
	if len(marks) == 0 {
		return nil, nil
	}
	return []Write{l.set(q.Family(), at, now, false)}, nil
}

// follow tells whether marking m would mark m and nothing else.
func (at reached) follow(m Migration, files []Migration) error {
	want := Number(m.ID)
	switch {
	case !at.none && !at.dirty && want <= at.version, at.dirty && want < at.version:
		return ErrRecorded
	case at.dirty && want == at.version:
		return nil
	case at.dirty:
		return fmt.Errorf("%w: version %d is dirty", ErrMarksAll, at.version)
	}
	for _, f := range files {
		if n := Number(f.ID); n < want && (at.none || n > at.version) {
			return fmt.Errorf("%w: version %s is not recorded", ErrMarksAll, f.ID)
		}
	}
	return nil
}

// Unmark is [Ledger.Unmark]. It sets the number back to the file before the first of marks, where marks are the
// last that the number stands for: else others would be unmarked, [ErrMarksAll].
func (l *NumberLedger) Unmark(ctx context.Context, q engine.Querier, marks, files []Migration) ([]Write, error) {
	at, err := l.read(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("take records away: %w", err)
	}
	now, moved := at, false
	for _, m := range slices.Backward(marks) {
		switch want := Number(m.ID); {
		case now.none || now.version < want:
			continue
		case now.version > want:
			return nil, fmt.Errorf("take the record of migration %s out of %s: %w: it stands at version %d", m.ID, l.Name, ErrMarksAll, now.version)
		}
		moved = true
		now = below(files, now.version)
	}
	if !moved {
		return nil, nil
	}
	return []Write{l.set(q.Family(), at, now, false)}, nil
}

// below is what the row says when the last file below a version was the last one applied.
func below(files []Migration, version int64) reached {
	at := reached{none: true}
	for _, f := range files {
		if n := Number(f.ID); n < version {
			at = reached{version: n}
		}
	}
	return at
}

// set is the statement that writes a number in place of what is there.
func (l *NumberLedger) set(f engine.Family, at, to reached, dirty bool) Write {
	table := f.Table(l.Name)
	if to.none && !l.Zero {
		return Write{SQL: "DELETE FROM " + table, Rows: AnyRows}
	}
	columns, args := []string{numbered}, []any{to.version}
	if l.Dirty != "" {
		columns, args = append(columns, l.Dirty), append(args, dirty)
	}
	w := Write{SQL: "UPDATE " + table + " SET ", Args: args, Rows: AnyRows} // MySQL counts no row where the row is what it was
	if !at.row {
		cells := make([]Cell, len(columns))
		for i := range columns {
			cells[i] = Cell{Column: columns[i], Value: args[i]}
		}
		return Insertion(f, table, cells)
	}
	for i, c := range columns {
		if i > 0 {
			w.SQL += ", "
		}
		w.SQL += f.Ident(c) + " = " + f.Placeholder(i+1)
	}
	return w
}

// Set writes a number at once, whatever was there.
func (l *NumberLedger) Set(ctx context.Context, q engine.Querier, id ID, dirty bool) error {
	at, err := l.read(ctx, q)
	if err == nil {
		err = Execute(ctx, q, []Write{l.set(q.Family(), at, reached{version: Number(id)}, dirty)})
	}
	if err != nil {
		return fmt.Errorf("set ledger %s to version %s: %w", l.Name, id, err)
	}
	return nil
}
