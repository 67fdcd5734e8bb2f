package mysql

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"mulligan/engine"
)

// staleWait is how long a Rename waits for the last statement of one before, in seconds: more than [statementWait].
const staleWait = 3 * statementWait

// begin takes a connection for all that changes anything, and on it a lock for each of the databases. A statement goes on in
// the server when we are killed or give up waiting, and could come to its end after we have looked at what it did. Its
// session holds the locks until then: who has them knows that nothing is under way. Errors: ErrInUse.
func (r *renaming) begin(ctx context.Context) (err error) {
	if r.conn, err = r.server.admin.Conn(ctx); err != nil {
		return err
	}
	var names []string
	for _, m := range r.moves {
		names = append(names, m.From, m.To)
	}
	slices.Sort(names) // two of them never wait for each other
	for _, name := range slices.Compact(names) {
		sum := sha256.Sum256([]byte(name))
		key := "mulligan rename:" + hex.EncodeToString(sum[:20]) // at most 64 characters on MySQL
		var got sql.NullInt64
		err := r.conn.QueryRowContext(ctx, "SELECT GET_LOCK(?, ?)", key, staleWait).Scan(&got)
		if err == nil && got.Int64 != 1 {
			err = fmt.Errorf("%w: another rename of %s is going on", engine.ErrInUse, name)
		}
		if err != nil {
			return errors.Join(err, r.end())
		}
	}
	return nil
}

// again begins anew where the connection is lost, as it is when a statement was given up.
func (r *renaming) again(ctx context.Context) error {
	if r.conn.PingContext(ctx) == nil {
		return nil
	}
	return errors.Join(r.end(), r.begin(ctx))
}

// end lets the connection go, and the locks with it.
func (r *renaming) end() error { return discard(r.conn) }
