package backup_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/backup"
	"mulligan/migration"
	"mulligan/schema"
)

func name(text string) schema.Name {
	n, err := schema.ParseName(text)
	if err != nil {
		panic(err)
	}
	return n
}

// table makes a table with a column id, and parents.
func table(text string, parents ...string) schema.Table {
	t := schema.Table{Name: name(text), Kind: schema.KindTable, Columns: []schema.Column{{Name: "id"}}}
	for _, p := range parents {
		t.Parents = append(t.Parents, name(p))
	}
	return t
}

// ledgerTable makes a ledger as a tool does.
func ledgerTable(text string, columns ...string) schema.Table {
	t := schema.Table{Name: name(text), Kind: schema.KindTable}
	for _, c := range columns {
		t.Columns = append(t.Columns, schema.Column{Name: c})
	}
	return t
}

func TestSelect(t *testing.T) {
	dbmate := ledgerTable("schema_migrations", "version")
	shop := []schema.Table{
		dbmate, table("goose_lock"), table("users"), table("guilds", "users"), table("members", "guilds", "users"),
		table("messages"), table("message_parts", "messages"), table(`"Order.Items"`), table(`"a*b"`), table("axb"), table(`"50%"`),
	}
	schemas := []schema.Table{table("public.users"), table("audit.users"), table("audit.log")}
	circle := []schema.Table{table("a", "b"), table("b", "a"), table("c", "c"), table("d")}
	former := []schema.Table{dbmate, ledgerTable("goose_db_version", "id", "version_id", "is_applied", "tstamp"), table("users")}
	for _, c := range []struct {
		what   string
		tables []schema.Table
		rules  backup.Rules
		want   string
		pulled string
	}{
		{"all but companions", shop, backup.Rules{}, `schema_migrations users guilds members messages message_parts "Order.Items" "a*b" axb "50%"`, ""},
		{"only the ledger", shop, backup.Rules{OnlyLedger: true, Include: []string{"users"}}, "schema_migrations", ""},
		{"a ledger cannot be left out", shop, backup.Rules{Include: []string{"users"}, Exclude: []string{"schema_migrations"}}, "schema_migrations users", ""},
		{"the ledger of a former tool", former, backup.Rules{Exclude: []string{"goose_db_version"}}, "schema_migrations users", ""},
		{"a pattern means no ledger", former, backup.Rules{Exclude: []string{"*"}}, "schema_migrations goose_db_version", ""},
		{"a pattern", shop, backup.Rules{Include: []string{"message*"}}, "schema_migrations messages message_parts", ""},
		{"exclude wins", shop, backup.Rules{Include: []string{"m*"}, Exclude: []string{"message*", "members"}}, "schema_migrations", ""},
		{"parents of parents", shop, backup.Rules{Include: []string{"members"}}, "schema_migrations users guilds members", "guilds users"},
		{"an excluded parent is needed", shop, backup.Rules{Include: []string{"message_parts"}, Exclude: []string{"messages"}}, "schema_migrations messages message_parts", "messages"},
		{"a name with a dot", shop, backup.Rules{Include: []string{"Order.Items"}}, `schema_migrations "Order.Items"`, ""},
		{"a name as it is printed", shop, backup.Rules{Include: []string{`"Order.Items"`}}, `schema_migrations "Order.Items"`, ""},
		{"a name that is a pattern, too", shop, backup.Rules{Include: []string{"a*b"}}, `schema_migrations "a*b" axb`, ""},
		{"an escaped sign", shop, backup.Rules{Include: []string{`a\*b`}}, `schema_migrations "a*b"`, ""},
		{"a sign of LIKE is none", shop, backup.Rules{Include: []string{"50%"}}, `schema_migrations "50%"`, ""},
		{"classes", shop, backup.Rules{Include: []string{"[gu]*s"}}, "schema_migrations users guilds", ""},
		{"one letter more is another table", append(slices.Clone(shop), table("xusers")), backup.Rules{Include: []string{"?users"}}, "schema_migrations xusers", ""},
		{"a table of any schema", schemas, backup.Rules{Include: []string{"users"}}, "public.users audit.users", ""},
		{"a table of one schema", schemas, backup.Rules{Include: []string{"audit.users"}}, "audit.users", ""},
		{"all of a schema", schemas, backup.Rules{Include: []string{"audit.*"}}, "audit.users audit.log", ""},
		{"a circle", circle, backup.Rules{Include: []string{"a"}}, "a b", "b"},
		{"a table that refers to itself", circle, backup.Rules{Include: []string{"c"}}, "c", ""},
		{"nothing", nil, backup.Rules{}, "", ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			sel, err := backup.Select(&schema.Schema{Tables: c.tables}, c.rules)
			if err != nil {
				t.Fatal(err)
			}
			var got, pulled []string
			for _, x := range sel.Tables {
				got = append(got, x.Name.String())
			}
			for _, n := range sel.Pulled {
				pulled = append(pulled, n.String())
			}
			if diff := cmp.Diff([]string{c.want, c.pulled}, []string{strings.Join(got, " "), strings.Join(pulled, " ")}); diff != "" {
				t.Errorf("tables and pulled (-want +got):\n%s", diff)
			}
			if n := len(sel.Tables) + len(sel.Excluded); n != len(c.tables) {
				t.Errorf("%d tables are carried or excluded, there are %d", n, len(c.tables))
			}
			for _, e := range sel.Excluded {
				if e.Rule == "" {
					t.Errorf("table %s is left out, and nothing says why", e.Name)
				}
			}
		})
	}
}

func TestSelectWhere(t *testing.T) {
	s := &schema.Schema{Tables: []schema.Table{table("users"), table("shop.items"), table("old.items")}}
	sel, err := backup.Select(s, backup.Rules{Where: []backup.Where{{Table: "users", Condition: "a"}, {Table: "shop.items", Condition: "b"}}})
	if err != nil {
		t.Fatal(err)
	}
	if want := (map[schema.Name]string{name("users"): "a", name("shop.items"): "b"}); !maps.Equal(sel.Where, want) {
		t.Errorf("conditions %v, want %v", sel.Where, want)
	}
}

func TestSelectErrNoTable(t *testing.T) {
	s := &schema.Schema{Tables: []schema.Table{table("users"), table("shop.items")}}
	for what, rules := range map[string]backup.Rules{
		"user":     {Include: []string{"users", "user"}},
		"x*":       {Exclude: []string{"x*"}},
		"[":        {Include: []string{"["}},
		"USERS":    {Include: []string{"USERS"}},
		"us*":      {Where: []backup.Where{{Table: "us*", Condition: "1"}}},
		"items.a":  {Where: []backup.Where{{Table: "items.a", Condition: "1"}}},
		"old.*":    {Include: []string{"old.*"}},
		"?users":   {Exclude: []string{"?users"}},
		".users":   {Exclude: []string{".users"}},
		"sh?items": {Exclude: []string{"sh?items"}},
	} {
		if _, err := backup.Select(s, rules); !errors.Is(err, backup.ErrNoTable) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v, want ErrNoTable that names it", what, err)
		}
	}
}

func TestSelectUnsupported(t *testing.T) {
	for _, kind := range []schema.Kind{schema.KindVirtual, schema.KindForeign} {
		far := table("far")
		far.Kind = kind
		s := &schema.Schema{Tables: []schema.Table{far, table("near"), table("child", "far")}}
		for _, rules := range []backup.Rules{{}, {Include: []string{"child"}}} {
			if _, err := backup.Select(s, rules); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "table far") {
				t.Errorf("%s, %v: %v, want ErrUnsupported that names it", kind, rules, err)
			}
		}
		if sel, err := backup.Select(s, backup.Rules{Include: []string{"near"}}); err != nil || len(sel.Tables) != 1 {
			t.Errorf("%s is not asked for: %v", kind, err)
		}
	}
}

func TestLedger(t *testing.T) {
	goose, mate := migration.Fingerprint{Tool: "goose", Table: name("goose_db_version")}, migration.Fingerprint{Tool: "dbmate", Table: name("app.schema_migrations")}
	for _, c := range []struct {
		what       string
		found      []migration.Fingerprint
		tool, want string
		configured bool
		table      string
		ambiguous  bool
	}{
		{"none", nil, "goose", "goose_db_version", false, "", false},
		{"one", []migration.Fingerprint{goose}, "goose", "goose_db_version", false, "goose_db_version", false},
		{"one of another tool", []migration.Fingerprint{goose}, "dbmate", "schema_migrations", false, "", true},
		{"two", []migration.Fingerprint{goose, mate}, "dbmate", "schema_migrations", false, "", true},
		{"two, one is configured", []migration.Fingerprint{goose, mate}, "dbmate", "schema_migrations", true, "app.schema_migrations", false},
		{"two, one is configured with its schema", []migration.Fingerprint{goose, mate}, "dbmate", "app.schema_migrations", true, "app.schema_migrations", false},
		{"another schema is configured", []migration.Fingerprint{goose, mate}, "dbmate", "other.schema_migrations", true, "", false},
	} {
		got, err := migration.FindLedger(c.found, c.tool, name(c.want), c.configured)
		if errors.Is(err, migration.ErrAmbiguous) != c.ambiguous || err != nil != c.ambiguous {
			t.Errorf("%s: %v", c.what, err)
		}
		if text := ""; err == nil {
			if got != nil {
				text = got.Table.String()
			}
			if text != c.table {
				t.Errorf("%s: %q, want %q", c.what, text, c.table)
			}
		}
	}
}
