package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"mulligan/engine"
	"mulligan/schema"
)

// rowKey is what ranges bound: the integer key that is the row's number, or that number by a name that no column has.
// Empty = the table has no such number.
func rowKey(t *schema.Table) string {
	if t.Kind != schema.KindTable || strings.HasPrefix(t.Storage, withoutRowidMark) {
		return ""
	}
	for _, c := range t.Columns {
		if c.Identity == schema.IdentityAuto {
			return engine.SQLite.Ident(c.Name)
		}
	}
	for _, name := range []string{"rowid", "_rowid_", "oid"} {
		if !slices.ContainsFunc(t.Columns, func(c schema.Column) bool { return sameName(c.Name, name) }) {
			return name
		}
	}
	return ""
}

// Ranges splits by row number. A table without one (WITHOUT ROWID, virtual) is one range.
func (v *view) Ranges(ctx context.Context, t *schema.Table, size int64) ([]engine.Range, error) {
	key := rowKey(t)
	if key == "" || size <= 0 {
		return []engine.Range{{}}, nil
	}
	conn, err := v.take(ctx)
	if err != nil {
		return nil, fmt.Errorf("ranges of table %s: %w", t.Name, err)
	}
	bounds, err := split(ctx, conn, t, key, size)
	v.give(conn, err == nil)
	if err != nil {
		return nil, fmt.Errorf("ranges of table %s: %w", t.Name, translate(err))
	}
	ranges := make([]engine.Range, len(bounds)+1)
	for i := range bounds {
		ranges[i].To, ranges[i+1].From = &bounds[i], &bounds[i]
	}
	return ranges, nil
}

// split finds the row numbers at which parts begin, the first part's not among them.
func split(ctx context.Context, conn *sql.Conn, t *schema.Table, key string, size int64) ([]int64, error) {
	var bytes int64
	text := "SELECT (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size)"
	if err := conn.QueryRowContext(ctx, text).Scan(&bytes); err != nil || bytes <= size {
		return nil, err
	}
	text = "SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE name = ? AND aggregate = TRUE"
	if err := conn.QueryRowContext(ctx, text, t.Name.Table).Scan(&bytes); err != nil || bytes <= size {
		return nil, err
	}
	var low, high sql.NullInt64
	from := " FROM main." + engine.SQLite.Table(t.Name)
	for end, place := range map[string]*sql.NullInt64{"min": &low, "max": &high} {
		if err := conn.QueryRowContext(ctx, "SELECT "+end+"("+key+")"+from).Scan(place); err != nil {
			return nil, err
		}
	}
	if !low.Valid || !high.Valid || low.Int64 == high.Int64 {
		return nil, nil
	}
	parts := min((bytes+size-1)/size, 100_000)
	bounds, err := snap(ctx, conn, "SELECT "+key+from+" WHERE "+key+" >= ? ORDER BY "+key+" LIMIT 1", evenly(low.Int64, high.Int64, parts))
	if err != nil || int64(len(bounds)) >= parts/2 {
		return bounds, err
	}
	// The numbers are so uneven that most parts would be empty: count rows in place of numbers.
	return quantiles(ctx, conn, key, from, parts)
}

// evenly cuts the numbers between two into parts of the same width. The distance may be more than an int64 holds.
func evenly(low, high, parts int64) []int64 {
	distance := new(big.Int).Sub(big.NewInt(high), big.NewInt(low))
	var bounds []int64
	for i := int64(1); i < parts; i++ {
		step := new(big.Int).Mul(distance, big.NewInt(i))
		step.Div(step, big.NewInt(parts)).Add(step, big.NewInt(low))
		if b := step.Int64(); b > low && (len(bounds) == 0 || b > bounds[len(bounds)-1]) {
			bounds = append(bounds, b)
		}
	}
	return bounds
}

// snap moves each bound to the next number that a row has, and drops those that then are the same.
func snap(ctx context.Context, conn *sql.Conn, text string, bounds []int64) ([]int64, error) {
	next, err := conn.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	defer next.Close() // a SELECT that was read: its end brings no news
	var out []int64
	last := int64(math.MinInt64)
	for _, b := range bounds {
		if b <= last {
			continue
		}
		if err := next.QueryRowContext(ctx, b).Scan(&last); err != nil {
			return nil, err
		}
		out = append(out, last)
	}
	return out, nil
}

// quantiles finds bounds with as many rows between them, by one look at all row numbers.
func quantiles(ctx context.Context, conn *sql.Conn, key, from string, parts int64) ([]int64, error) {
	var rows int64
	if err := conn.QueryRowContext(ctx, "SELECT count(*)"+from).Scan(&rows); err != nil {
		return nil, err
	}
	step := max(1, (rows+parts-1)/parts)
	text := "SELECT k FROM (SELECT " + key + " AS k, row_number() OVER (ORDER BY " + key + ") AS n" + from + ") WHERE n > 1 AND n % ? = 1 % ?"
	var bounds []int64
	err := each(ctx, conn, text, []any{step, step}, func(scan func(...any) error) error {
		var k int64
		err := scan(&k)
		bounds = append(bounds, k)
		return err
	})
	return bounds, err
}
