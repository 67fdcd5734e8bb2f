package mysql

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"mulligan/schema"
)

// Load adds rows in one transaction. It commits only when the reader ended well, the server took as many
// rows as there were lines, and had nothing to warn of: under LOCAL the server turns every fault
// of a value, strict mode or not, into a warning (MySQL manual, "LOAD DATA Statement").
func (l *Loader) Load(ctx context.Context, t *schema.Table, columns []string, rows io.Reader) (n int64, err error) {
	name := t.Name.Table
	l.mu.Lock()
	refused := l.closed || l.broken[name]
	l.mu.Unlock()
	if refused {
		return 0, fmt.Errorf("load table %s: the loader is closed, or an earlier load of the table failed and could not be taken back", t.Name)
	}
	n, err = l.load(ctx, t, columns, rows)
	if err != nil {
		l.mu.Lock()
		l.broken[name] = l.noUndo[name]
		l.mu.Unlock()
		return 0, fmt.Errorf("load table %s: %w", t.Name, mapped(err))
	}
	return n, nil
}

func (l *Loader) load(ctx context.Context, t *schema.Table, columns []string, rows io.Reader) (n int64, err error) {
	kinds, err := kindsOf(t, columns)
	if err != nil {
		return 0, err
	}
	if x := l.indexes[t.Name.Table]; x != nil {
		if rows, err = l.lighten(ctx, t, x, rows); err != nil {
			return 0, err
		}
		x.inUse.RLock()
		defer x.inUse.RUnlock()
	}
	conn, err := l.pool.Conn(ctx)
	if err != nil {
		return 0, err
	}
	if _, err := conn.ExecContext(ctx, "START TRANSACTION"); err != nil {
		return 0, errors.Join(err, discard(conn))
	}
	source := newSource(ctx, rows, kinds)
	if l.local {
		n, err = l.loadData(ctx, conn, t, kinds, source)
	} else {
		n, err = l.insert(ctx, conn, t, kinds, source)
	}
	// The reader's own error is the cause of whatever the server says of what it got.
	if source.err != nil {
		err = source.err
	} else if ctx.Err() != nil {
		err = ctx.Err()
	} else if err == nil {
		err = source.complete(n)
	}
	if err == nil {
		if _, err = conn.ExecContext(ctx, "COMMIT"); err == nil {
			return n, conn.Close()
		}
	}
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	// Where the rollback cannot be sent the connection is gone, and the server rolls back by itself.
	_, _ = conn.ExecContext(cleanup, "ROLLBACK")
	return 0, errors.Join(err, discard(conn))
}

// kindsOf finds the columns by name, in the order of the cells.
func kindsOf(t *schema.Table, columns []string) ([]schema.Column, error) {
	kinds := make([]schema.Column, len(columns))
	for i, name := range columns {
		c, ok := t.Column(name)
		if !ok || c.Generated {
			return nil, fmt.Errorf("column %s is not one that can be loaded", name)
		}
		kinds[i] = c
	}
	return kinds, nil
}

// loadData streams the source by LOAD DATA LOCAL. The driver's registry of readers is global, hence the unique name.
func (l *Loader) loadData(ctx context.Context, conn *sql.Conn, t *schema.Table, kinds []schema.Column, source *source) (int64, error) {
	name := "mulligan-" + rand.Text()
	driver.RegisterReaderHandler(name, func() io.Reader { return source })
	defer driver.DeregisterReaderHandler(name)
	result, err := conn.ExecContext(ctx, loadStatement(name, t, kinds))
	if err != nil {
		return 0, err
	}
	if err := checkWarnings(ctx, conn, source); err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// loadStatement reads cells straight into columns, but for binary ones, which go through a variable
// and UNHEX. A cell that is not hexadecimal ends in a warning there, never in a NULL.
// Beside a SET clause MariaDB takes a 0 that was read straight into an auto-increment column for no
// value (measured on 10.11, TestAllTypesComeBack): such a column then goes through a variable too.
func loadStatement(reader string, t *schema.Table, kinds []schema.Column) string {
	var targets, sets []string
	binary := slices.ContainsFunc(kinds, func(c schema.Column) bool { return formOf(c) == formBinary })
	for i, c := range kinds {
		v := fmt.Sprintf("@mulligan_%d", i)
		if formOf(c) != formBinary && (!binary || c.Identity != schema.IdentityAuto) {
			targets = append(targets, ident(c.Name))
			continue
		}
		targets = append(targets, v)
		if formOf(c) != formBinary {
			sets = append(sets, ident(c.Name)+" = "+v)
			continue
		}
		bad := "CAST(CONCAT('not hexadecimal: ', LEFT(" + v + ", 20)) AS SIGNED)"
		sets = append(sets, fmt.Sprintf(`%s = IF(%s IS NULL, NULL, IF(LEFT(%[2]s, 2) = '\\x' AND LENGTH(%[2]s) %% 2 = 0, IFNULL(UNHEX(SUBSTR(%[2]s, 3)), %s), %[3]s))`, ident(c.Name), v, bad))
	}
	if len(targets) == 0 {
		targets = []string{"@mulligan_none"}
	}
	statement := "LOAD DATA LOCAL INFILE 'Reader::" + reader + "' INTO TABLE " + ident(t.Name.Table) +
		` CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n' (` + strings.Join(targets, ", ") + ")"
	if len(sets) > 0 {
		statement += " SET " + strings.Join(sets, ", ")
	}
	return statement
}

// warnTruncated is the warning of an ENUM that is given a value that it does not have.
const warnTruncated = "1265"

// checkWarnings makes an error of the last statement's warnings. An ENUM's error value, which reads as an
// empty text, cannot be written without a warning: as many are let pass as the source had such cells.
func checkWarnings(ctx context.Context, conn *sql.Conn, source *source) error {
	var count int64
	if err := conn.QueryRowContext(ctx, "SELECT @@warning_count").Scan(&count); err != nil {
		return err
	}
	if count == 0 {
		return nil
	}
	warnings, err := named(ctx, conn, "SHOW WARNINGS")
	if err != nil {
		return err
	}
	expected := func(w map[string]string) bool { return w["Code"] == warnTruncated }
	if count == source.takeEmptyEnums() && !slices.ContainsFunc(warnings, func(w map[string]string) bool { return !expected(w) }) {
		return nil
	}
	for _, w := range warnings {
		if source.enums == nil || !expected(w) || len(warnings) == 1 {
			return fmt.Errorf("the server would have changed or left out rows: %d warnings, the first: %s (%s)", count, w["Message"], w["Code"])
		}
	}
	return fmt.Errorf("the server would have changed or left out rows: %d warnings", count)
}
