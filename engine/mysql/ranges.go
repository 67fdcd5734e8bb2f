package mysql

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"math"
	"strconv"

	"mulligan/engine"
	"mulligan/schema"
)

// rowFloor is the least that a row is taken to be, in bytes: the server's size of a young table lags behind.
const rowFloor = 40

// maxRanges bounds the parts of one table.
const maxRanges = 10_000

// splitKey is the index whose first column tables are split by; the zero value is none.
type splitKey struct{ column, index string }

// Ranges splits by the values of the first column of the primary key, or else of a unique index,
// that is an integer and never NULL: equal spans between its least and its greatest value. The
// last range is open, so an unsigned value beyond int64 is in it.
func (v *View) Ranges(ctx context.Context, t *schema.Table, size int64) ([]engine.Range, error) {
	whole := []engine.Range{{}}
	parts := min(max(t.Bytes, t.Rows*rowFloor)/max(size, 1), maxRanges)
	if parts < 2 {
		return whole, nil
	}
	key, err := v.splitColumn(ctx, t)
	if err == nil && key.column == "" {
		return whole, nil
	}
	var least, greatest int64
	var found bool
	if err == nil {
		least, greatest, found, err = v.bounds(ctx, t, key)
	}
	if err != nil {
		return nil, fmt.Errorf("split table %s: %w", t.Name, mapped(err))
	}
	if !found {
		return whole, nil
	}
	return spans(least, greatest, parts), nil
}

// spans cuts [least, greatest] into at most n ranges; the first and the last are open to the outside.
func spans(least, greatest, n int64) []engine.Range {
	width := uint64(greatest) - uint64(least) // right even where the difference is beyond int64
	step := width/uint64(n) + 1
	var list []engine.Range
	var from *int64
	for offset := step; offset <= width && offset >= step; offset += step {
		to := int64(uint64(least) + offset)
		list = append(list, engine.Range{From: from, To: &to})
		from = &to
	}
	return append(list, engine.Range{From: from})
}

// bounds reads the least and the greatest key as the view sees them.
func (v *View) bounds(ctx context.Context, t *schema.Table, key splitKey) (least, greatest int64, found bool, err error) {
	in, err := v.acquire(ctx)
	if err != nil {
		return 0, 0, false, err
	}
	var texts [2]string
	err = in.query(ctx, fmt.Sprintf("SELECT CAST(MIN(%[1]s) AS CHAR), CAST(MAX(%[1]s) AS CHAR) FROM %[2]s FORCE INDEX (%[3]s)",
		ident(key.column), ident(t.Name.Table), ident(key.index)), func(cells []sqldriver.Value) error {
		for i, cell := range cells {
			if text, ok := cell.([]byte); ok {
				texts[i] = string(text)
			}
		}
		return nil
	})
	if err = errors.Join(err, v.release(in, err == nil)); err != nil || texts[0] == "" {
		return 0, 0, false, err
	}
	var bounds [2]int64
	for i, text := range texts {
		bounds[i], err = strconv.ParseInt(text, 10, 64)
		if errors.Is(err, strconv.ErrRange) { // unsigned
			bounds[i], err = math.MaxInt64, nil
		}
		if err != nil {
			return 0, 0, false, err
		}
	}
	return bounds[0], bounds[1], true, nil
}

// splitColumn chooses the key to split a table by, once for each table.
func (v *View) splitColumn(ctx context.Context, t *schema.Table) (splitKey, error) {
	v.mu.Lock()
	key, known := v.keys[t.Name]
	v.mu.Unlock()
	if known {
		return key, nil
	}
	err := v.db.QueryRowContext(ctx, `SELECT s.COLUMN_NAME, s.INDEX_NAME FROM information_schema.STATISTICS s
		JOIN information_schema.COLUMNS c ON c.TABLE_SCHEMA = s.TABLE_SCHEMA AND c.TABLE_NAME = s.TABLE_NAME AND c.COLUMN_NAME = s.COLUMN_NAME
		WHERE s.TABLE_SCHEMA = ? AND s.TABLE_NAME = ? AND s.NON_UNIQUE = 0 AND s.SEQ_IN_INDEX = 1 AND s.INDEX_TYPE = 'BTREE'
			AND c.IS_NULLABLE = 'NO' AND c.DATA_TYPE IN ('tinyint', 'smallint', 'mediumint', 'int', 'bigint')
		ORDER BY s.INDEX_NAME <> 'PRIMARY', s.INDEX_NAME LIMIT 1`, v.db.name, t.Name.Table).Scan(&key.column, &key.index)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return key, err
	}
	v.mu.Lock()
	v.keys[t.Name] = key
	v.mu.Unlock()
	return key, nil
}
