package repair_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mulligan/doctor"
	"mulligan/internal/testengine"
	"mulligan/migration"
	"mulligan/migration/golangmigrate"
	"mulligan/repair"
	"mulligan/schema"
)

// torn are the statements of a migration that a crash stopped after each of them: the webauthn migration of the story.
func torn() []string {
	return []string{
		"CREATE TABLE security_keys (id varchar(20) NOT NULL, user_id integer NOT NULL, counter integer NOT NULL DEFAULT 0, PRIMARY KEY (id))",
		"ALTER TABLE customers ADD COLUMN webauthn_enabled tinyint NOT NULL DEFAULT 0",
		"ALTER TABLE security_keys ADD CONSTRAINT fk_security_keys_user FOREIGN KEY (user_id) REFERENCES customers (id) ON DELETE CASCADE",
	}
}

// onServersWithoutTransactions runs a test where a crash can leave a half of a migration.
func onServersWithoutTransactions(t *testing.T, test func(t *testing.T, open testengine.Open)) {
	t.Run("MariaDB", func(t *testing.T) { test(t, testengine.MariaDB) })
	t.Run("MySQL", func(t *testing.T) { test(t, testengine.MySQL) })
}

// A migration that a crash has torn is told from its statements, refused, and completed on demand: with what is missing,
// and nothing else.
func TestCompletes(t *testing.T) {
	onServersWithoutTransactions(t, func(t *testing.T, open testengine.Open) {
		for done := range len(torn()) + 1 {
			t.Run(fmt.Sprintf("After%d", done), func(t *testing.T) {
				s := newSite(t, open, "dbmate")
				s.add("6_webauthn.sql", strings.Join(torn(), ";\n")+";")
				s.db.Exec(t, "INSERT INTO customers (id, email) VALUES (1, 'a@b')")
				s.db.Exec(t, torn()[:done]...)
				if done == 0 || done == len(torn()) {
					s.wantVerdict("6", map[bool]doctor.Verdict{true: doctor.Pending, false: doctor.Unrecorded}[done == 0])
					return
				}
				s.wantVerdict("6", doctor.HalfApplied)
				before := s.ledger()
				out, err := s.repair(repair.Request{})
				if !errors.Is(err, repair.ErrRefused) || s.ledger() != before {
					t.Errorf("repair: %v, want ErrRefused and nothing written", err)
				}
				if n := len(out.Before.Find("6").Complete); n == 0 || n > len(torn())-done+1 {
					t.Errorf("%d statements are said to be missing: %v", n, out.Before.Find("6").Complete)
				}
				if out, err = s.repair(repair.Request{Complete: true}); err != nil {
					t.Fatalf("repair --complete: %v", err)
				}
				if got := steps(out.Decision); got != "complete 6" || !out.After.Healthy || out.After.Match != doctor.Equal {
					t.Errorf("%s, healthy %t, %s, want complete 6, healthy, equal: %v", got, out.After.Healthy, out.After.Match, out.SQL)
				}
				if log := s.migrate(); log != "" {
					t.Errorf("the tool still finds work: %s", log)
				}
			})
		}
	})
}

// What is missing is not made where the migration moves rows, or where something is there otherwise than it makes it.
func TestDoesNotComplete(t *testing.T) {
	onServersWithoutTransactions(t, func(t *testing.T, open testengine.Open) {
		for name, c := range map[string]struct {
			text string
			then []string
		}{
			"Data":  {strings.Join(torn(), ";\n") + ";\nUPDATE customers SET webauthn_enabled = 0;", torn()[:1]},
			"Other": {strings.Join(torn(), ";\n") + ";", []string{torn()[0], "ALTER TABLE customers ADD COLUMN webauthn_enabled bigint"}},
		} {
			t.Run(name, func(t *testing.T) {
				s := newSite(t, open, "dbmate")
				s.add("6_webauthn.sql", c.text)
				s.db.Exec(t, c.then...)
				before, content := s.ledger(), s.objects()
				if _, err := s.repair(repair.Request{Complete: true}); !errors.Is(err, repair.ErrRefused) {
					t.Errorf("repair --complete: %v, want ErrRefused", err)
				}
				if s.ledger() != before || s.objects() != content {
					t.Error("the refused repair changed something")
				}
			})
		}
	})
}

// golang-migrate's mark of a migration that failed halfway goes when it is completed.
func TestCompletesDirty(t *testing.T) {
	onServersWithoutTransactions(t, func(t *testing.T, open testengine.Open) {
		s := newSite(t, open, "golang-migrate")
		if err := os.WriteFile(filepath.Join(s.dir, "6_webauthn.up.sql"), []byte(strings.Join(torn(), ";\n")), 0o600); err != nil {
			t.Fatal(err)
		}
		s.db.Exec(t, torn()[0], "UPDATE schema_migrations SET version = 6, dirty = true")
		s.tool = golangmigrate.New(s.dir, schema.Name{})
		s.wantVerdict("6", doctor.Dirty)
		out, err := s.repair(repair.Request{Complete: true})
		if err != nil {
			t.Fatalf("repair --complete: %v", err)
		}
		if got := steps(out.Decision); got != "complete 6" || !out.After.Healthy {
			t.Errorf("%s, healthy %t", got, out.After.Healthy)
		}
		s.migrate()
	})
}

// A repair that ends after it has written something says what, whatever ended it.
func TestEndsMidway(t *testing.T) {
	onServersWithoutTransactions(t, func(t *testing.T, open testengine.Open) {
		for stage, want := range map[string]error{"snapshot": nil, "complete": nil, "record": repair.ErrMidway, "examine": repair.ErrUnmended} {
			t.Run(stage, func(t *testing.T) {
				s := newSite(t, open, "dbmate")
				s.add("6_webauthn.sql", strings.Join(torn(), ";\n")+";")
				s.db.Exec(t, torn()[0])
				before := s.ledger()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				run := s.run(repair.Request{Complete: true})
				run.Stage = func(name string) {
					if name == stage {
						cancel()
					}
				}
				out, err := run.Plan(ctx)
				if err != nil {
					t.Fatal(err)
				}
				err = run.Execute(ctx, out)
				if !errors.Is(err, context.Canceled) || want != nil && !errors.Is(err, want) {
					t.Errorf("ended in stage %s: %v, want %v", stage, err, want)
				}
				if want == nil && (errors.Is(err, repair.ErrMidway) || errors.Is(err, repair.ErrUnmended)) {
					t.Errorf("ended in stage %s, before anything was written: %v", stage, err)
				}
				if got := s.ledger() != before; got != (stage == "examine") {
					t.Errorf("ended in stage %s: it wrote the ledger: %t", stage, got)
				}
				if _, err := s.repair(repair.Request{Complete: true}); err != nil {
					t.Errorf("the next repair: %v", err)
				}
				s.wantVerdict("6", doctor.Applied)
			})
		}
	})
}

func (s *site) add(name, up string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte("-- migrate:up\n"+up+"\n-- migrate:down\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) wantVerdict(id migration.ID, want doctor.Verdict) {
	s.t.Helper()
	d, err := doctor.Run(s.t.Context(), s.run(repair.Request{}).Source, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if e := d.Find(id); e == nil || e.Verdict != want {
		s.t.Errorf("migration %s is %+v, want %s", id, e, want)
	}
}

// objects is the schema as text.
func (s *site) objects() string {
	s.t.Helper()
	found, err := s.db.Inspect(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	var b strings.Builder
	for _, o := range found.Objects {
		fmt.Fprintf(&b, "%s: %s\n", o.Key(), o.Def)
	}
	return b.String()
}
