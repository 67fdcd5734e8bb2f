package backup_test

import (
	"context"
	"io"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/backup"
	"mulligan/engine"
	"mulligan/schema"
	"mulligan/snapshot"
	"mulligan/store/storetest"
)

// marked is a database whose marks are the test's, and that tells which tables were read.
type marked struct {
	engine.DB
	marks map[schema.Name]string
	busy  bool
	read  []string
}

func (m *marked) Quiet(context.Context) (bool, error) { return !m.busy, nil }

func (m *marked) Marks(context.Context, []*schema.Table) (map[schema.Name]string, error) {
	return m.marks, nil
}

func (m *marked) View(ctx context.Context, readers int) (engine.View, error) {
	v, err := m.DB.View(ctx, readers)
	return &markedView{v, m}, err
}

type markedView struct {
	engine.View
	m *marked
}

func (v *markedView) Dump(ctx context.Context, out io.Writer, t *schema.Table, r engine.Range) (int64, error) {
	v.m.read = append(v.m.read, t.Name.Table)
	return v.View.Dump(ctx, out, t, r)
}

// With an older snapshot as its base a backup reads those tables alone whose marks are not what they were.
func TestRunFromBase(t *testing.T) {
	users, ledger := schema.Name{Table: "users"}, schema.Name{Table: "schema_migrations"}
	for name, tc := range map[string]struct {
		was, is map[schema.Name]string
		where   string
		busy    bool
		read    []string
	}{
		"one changed":    {map[schema.Name]string{users: "1", ledger: "1"}, map[schema.Name]string{users: "2", ledger: "1"}, "", false, []string{"users"}},
		"none changed":   {map[schema.Name]string{users: "1", ledger: "1"}, map[schema.Name]string{users: "1", ledger: "1"}, "", false, nil},
		"none known":     {nil, map[schema.Name]string{users: "1", ledger: "1"}, "", false, []string{"schema_migrations", "users"}},
		"not known now":  {map[schema.Name]string{users: "", ledger: ""}, nil, "", false, []string{"schema_migrations", "users"}},
		"not quiet":      {map[schema.Name]string{users: "1", ledger: "1"}, map[schema.Name]string{users: "1", ledger: "1"}, "", true, []string{"schema_migrations", "users"}},
		"with condition": {map[schema.Name]string{users: "1", ledger: "1"}, map[schema.Name]string{users: "1", ledger: "1"}, "balance > 0", false, []string{"users"}},
	} {
		t.Run(name, func(t *testing.T) {
			src, s := source(t, 20), storetest.Memory()
			db := &marked{DB: src.DB, marks: tc.was}
			src.DB = db
			o := &backup.Options{Jobs: 1}
			if tc.where != "" {
				o.Rules.Where = []backup.Where{{Table: "users", Condition: tc.where}}
			}
			var told map[schema.Name]string
			o.Marked = func(marks map[schema.Name]string) error { told = marks; return nil }
			first, err := backup.Run(t.Context(), src, s, o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.was, told); diff != "" {
				t.Errorf("marks that were told (-want +got):\n%s", diff)
			}
			reader, err := snapshot.Open(t.Context(), s, "app", first.ID)
			if err != nil {
				t.Fatal(err)
			}
			db.marks, db.busy, db.read = tc.is, tc.busy, nil
			o.Base = &backup.Base{Reader: reader, Marks: tc.was}
			second, err := backup.Run(t.Context(), src, s, o)
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(db.read)
			if diff := cmp.Diff(tc.read, db.read); diff != "" {
				t.Errorf("tables that were read (-want +got):\n%s", diff)
			}
			for i, table := range second.Tables {
				if table.Digest != first.Tables[i].Digest {
					t.Errorf("table %s has digest %s, in the base %s", table.Name, table.Digest, first.Tables[i].Digest)
				}
			}
			if diff := cmp.Diff(lines(t, s, first, "users"), lines(t, s, second, "users")); diff != "" {
				t.Errorf("rows (-base +new):\n%s", diff)
			}
		})
	}
}
