package mysql_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/engine"
	"mulligan/internal/testdb"
)

// TestGrantsAfterRename: grants belong to names, and what takes a table's name takes its grants. Those on a single routine go with
// the routine, which is made anew: they are listed before, with the statement that gives them again.
func TestGrantsAfterRename(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		s, live, fresh, aside := pair(t, server)
		user := server.NewUser(t)
		stay := []string{"SELECT ON `%`.parent", "SELECT (parent_id), UPDATE (parent_id) ON `%`.child", "SELECT ON `%`.b_view", "EVENT ON `%`.*"}
		going := []string{"EXECUTE ON FUNCTION `%`.twice", "EXECUTE, ALTER ROUTINE ON PROCEDURE `%`.fill"}
		for _, g := range slices.Concat(stay, going) {
			server.Exec(t, "", "GRANT "+strings.ReplaceAll(g, "%", live)+" TO "+server.SQL(user))
		}
		again := routineGrants(t, s, live, user)
		before := grantsOf(t, server, user)
		if err := s.(engine.Renamer).Rename(deadline(t), engine.Move{From: live, To: aside}, engine.Move{From: fresh, To: live}); err != nil {
			t.Fatal(err)
		}
		kept := slices.DeleteFunc(slices.Clone(before), func(g string) bool { return strings.Contains(g, " FUNCTION ") || strings.Contains(g, " PROCEDURE ") })
		if diff := cmp.Diff(kept, grantsOf(t, server, user)); diff != "" || len(kept) != len(before)-2 {
			t.Errorf("grants that stay (-want +after):\n%s", diff)
		}
		server.Exec(t, "", again...)
		if diff := cmp.Diff(before, grantsOf(t, server, user)); diff != "" {
			t.Errorf("grants when they were given again (-before +after):\n%s", diff)
		}
		db := server.OpenAs(t, user, live)
		for query, want := range map[string]string{"SELECT name FROM parent WHERE id = 1": "new", "SELECT max(parent_id) FROM child": "1", "SELECT twice(2)": "4", "SELECT max(t) FROM b_view": "14"} {
			var got string
			if err := db.QueryRowContext(deadline(t), query).Scan(&got); err != nil || got != want {
				t.Errorf("%s: %q, %v, want %q", query, got, err, want)
			}
		}
	})
}

// routineGrants gives the statements that the forecast names for an account.
func routineGrants(t testing.TB, s engine.Server, name string, user testdb.User) (statements []string) {
	t.Helper()
	db, err := s.Open(deadline(t), name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	list, err := db.(engine.Keeper).Keepsakes(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	unkept, err := s.(engine.Forecaster).Forecast(deadline(t), list)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range unkept {
		if _, text, ok := strings.Cut(u.Why, "afterwards "); ok && strings.Contains(text, user.Name) && !u.Refused {
			statements = append(statements, text)
		}
	}
	return statements
}

// TestGrantsUnseen: an account that cannot see them says so, and only where there is a routine.
func TestGrantsUnseen(t *testing.T) {
	each(t, func(t *testing.T, server *testdb.Server) {
		name, _ := server.NewDatabase(t)
		user := server.NewUser(t, "ALL ON `"+name+"`.*")
		s := connectTo(t, server.URLAs(user, name))
		defer s.Close()
		look := func() int {
			db, err := s.Open(deadline(t), name)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			list, err := db.(engine.Keeper).Keepsakes(deadline(t))
			if err != nil {
				t.Fatal(err)
			}
			return len(list)
		}
		if n := look(); n != 0 {
			t.Errorf("%d keepsakes without a routine", n)
		}
		server.Exec(t, name, "CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 1")
		if n := look(); n != 1 {
			t.Errorf("%d keepsakes, want one that says that they cannot be seen", n)
		}
	})
}

func grantsOf(t testing.TB, server *testdb.Server, user testdb.User) (list []string) {
	t.Helper()
	for _, row := range server.Query(t, "", "SHOW GRANTS FOR "+server.SQL(user)) {
		list = append(list, row[0])
	}
	slices.Sort(list)
	return list
}
