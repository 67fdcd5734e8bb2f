// Package alembic is the adapter to Alembic (alembic.sqlalchemy.org): a folder of Python files, each of which
// names its revision and the revisions before it, and a ledger of the heads that a database has reached.
//
// The files are read, not run: revision, down_revision, branch_labels and depends_on must be literals. An ID is a
// revision. Since a row of the ledger stands for all revisions before it, a revision can be recorded only
// where those before it are, and Mark writes what alembic upgrade and alembic stamp write: an UPDATE of the row
// before, an INSERT for a new branch, and for a merge DELETEs of the other heads. [Steps] makes Alembic's own command stop midway.
//
// Facts: Alembic 1.8 to 1.16, runtime/migration.py and script/base.py, and its manual, "Working with Branches".
package alembic

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"mulligan/migration"
	"mulligan/schema"
)

// DefaultTable is where Alembic keeps its ledger when its option version_table says nothing else.
const DefaultTable = "alembic_version"

// New joins the revisions of a folder, Alembic's "versions", with their ledger. The zero table is the default one.
//
// A revision on another branch than the ledger's, which is what a late one is, stops "alembic upgrade head".
func New(dir string, table schema.Name) *migration.Tool {
	if table == (schema.Name{}) {
		table.Table = DefaultTable
	}
	scripts := &scripts{Parse: parse}
	return &migration.Tool{
		Name: "alembic", Source: &source{dir: dir, scripts: scripts}, Ledger: &ledger{name: table, scripts: scripts}, Late: migration.LateRefused,
	}
}

// FileTool knows Alembic's files by what they assign.
func FileTool() migration.FileTool {
	return migration.FileTool{Tool: "alembic", Looks: func(dir string) (int, error) {
		files, err := migration.ReadFolder(dir, isScript)
		n := 0
		for _, f := range files {
			if s, err := parse(f); err == nil && s.revision != "" {
				n++
			}
		}
		return n, err
	}}
}

// Steps turns the command that applies everything, "alembic upgrade heads", into those that apply the pending revisions and no
// others: one for each of them that none of the others builds on. The last argument of the command gives way.
func Steps(args []string, _ []migration.Status, pending []migration.Migration) ([][]string, error) {
	if n := len(args); n == 0 || args[n-1] != "head" && args[n-1] != "heads" {
		return nil, fmt.Errorf("%w: the command %q does not end in head or heads, and so cannot be told where to stop", errors.ErrUnsupported, strings.Join(args, " "))
	}
	g, err := lay(&scripts{Parse: parse}, pending, false)
	if err != nil {
		return nil, err
	}
	var list [][]string
	for _, m := range pending {
		if len(g.children(m.ID, nil)) == 0 {
			list = append(list, append(slices.Clone(args[:len(args)-1]), string(m.ID)))
		}
	}
	return list, nil
}
