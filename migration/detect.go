package migration

import (
	"fmt"
	"slices"
	"strings"

	"mulligan/schema"
)

// Fingerprint is a ledger that was found in a database.
type Fingerprint struct {
	Tool  string      `json:"tool"`
	Table schema.Name `json:"table"`
}

// print is how one tool's ledger is known: by its columns, and by its usual name where the columns are common.
type print struct {
	tool    string
	table   string   // usual name; compared without case
	columns []string // all of them must be there; compared without case
	exact   bool     // no other column may be there
	renamed bool     // the columns alone are proof enough: the table may have any name
	with    string   // another table that must exist beside it; empty = none
	without string   // another table that must not exist beside it; empty = none
}

// prints are the ledgers of the tools, from each tool's source or documentation; the more telling first.
func prints() []print {
	return []print{
		{tool: "typeorm", table: "migrations", columns: []string{"id", "timestamp", "name"}, exact: true, renamed: true},
		{tool: "laravel", table: "migrations", columns: []string{"id", "migration", "batch"}, exact: true, renamed: true},
		{tool: "goose", table: "goose_db_version", columns: []string{"id", "version_id", "is_applied", "tstamp"}, exact: true, renamed: true},
		{tool: "golang-migrate", table: "schema_migrations", columns: []string{"version", "dirty"}, exact: true, renamed: true},
		{tool: "ecto", table: "schema_migrations", columns: []string{"version", "inserted_at"}, exact: true},
		{tool: "rails", table: "schema_migrations", columns: []string{"version"}, exact: true, with: "ar_internal_metadata"},
		{tool: "dbmate", table: "schema_migrations", columns: []string{"version"}, exact: true, without: "ar_internal_metadata"},
		{tool: "flyway", table: "flyway_schema_history", columns: []string{"installed_rank", "version", "description", "script", "checksum"}, renamed: true},
		{tool: "prisma", table: "_prisma_migrations", columns: []string{"id", "checksum", "finished_at", "migration_name", "rolled_back_at", "started_at", "applied_steps_count"}, renamed: true},
		{tool: "drizzle", table: "__drizzle_migrations", columns: []string{"id", "hash", "created_at"}},
		{tool: "knex", table: "knex_migrations", columns: []string{"id", "name", "batch", "migration_time"}, exact: true, renamed: true},
		{tool: "sequelize", table: "SequelizeMeta", columns: []string{"name"}, exact: true},
		{tool: "django", table: "django_migrations", columns: []string{"id", "app", "name", "applied"}, exact: true, renamed: true},
		{tool: "alembic", table: "alembic_version", columns: []string{"version_num"}, exact: true, renamed: true},
		{tool: "sqlx", table: "_sqlx_migrations", columns: []string{"version", "description", "installed_on", "success", "checksum", "execution_time"}, renamed: true},
		{tool: "tern", table: "schema_version", columns: []string{"version"}, exact: true},
		{tool: "atlas", table: "atlas_schema_revisions", columns: []string{"version", "description", "applied", "total", "hash", "partial_hashes"}, renamed: true},
		{tool: "sql-migrate", table: "gorp_migrations", columns: []string{"id", "applied_at"}, exact: true},
		{tool: "liquibase", table: "databasechangelog", columns: []string{"id", "author", "filename", "dateexecuted", "orderexecuted", "md5sum"}, renamed: true},
		{tool: "diesel", table: "__diesel_schema_migrations", columns: []string{"version", "run_on"}, exact: true},
		{tool: "kysely", table: "kysely_migration", columns: []string{"name", "timestamp"}, exact: true},
		{tool: "node-pg-migrate", table: "pgmigrations", columns: []string{"id", "name", "run_on"}, exact: true},
		{tool: "bun", table: "bun_migrations", columns: []string{"id", "name", "group_id", "migrated_at"}, renamed: true},
	}
}

// companions are tables that belong to a tool beside its ledger. Their rows are never loaded either.
func companions() []string {
	return []string{
		"knex_migrations_lock", "databasechangeloglock", "ar_internal_metadata", "kysely_migration_lock",
		"bun_migration_locks", "goose_lock", "sqlite_sequence",
	}
}

// Detect finds every ledger among the tables of a database, by table and columns. An application's own
// table that happens to be called "migrations" is none; a ledger under another name is one where its
// columns are telling enough. The order is that of the tables.
func Detect(tables []schema.Table) []Fingerprint {
	var found []Fingerprint
	for i := range tables {
		if tool := toolOf(&tables[i], tables); tool != "" {
			found = append(found, Fingerprint{Tool: tool, Table: tables[i].Name})
		}
	}
	return found
}

// IsCompanion tells the tables that a migration tool keeps beside its ledger: lock tables and the like.
func IsCompanion(n schema.Name) bool {
	return slices.Contains(companions(), strings.ToLower(n.Table))
}

func toolOf(t *schema.Table, tables []schema.Table) string {
	beside := func(name string) bool {
		return slices.ContainsFunc(tables, func(o schema.Table) bool {
			return o.Name.Schema == t.Name.Schema && strings.EqualFold(o.Name.Table, name)
		})
	}
	// A usual name decides before a telling set of columns does.
	for _, named := range []bool{true, false} {
		for _, p := range prints() {
			if strings.EqualFold(p.table, t.Name.Table) != named || !named && !p.renamed || !p.fits(t) {
				continue
			}
			if p.with != "" && !beside(p.with) || p.without != "" && beside(p.without) {
				continue
			}
			return p.tool
		}
	}
	return ""
}

func (p print) fits(t *schema.Table) bool {
	if p.exact && len(t.Columns) != len(p.columns) {
		return false
	}
	for _, want := range p.columns {
		if !slices.ContainsFunc(t.Columns, func(c schema.Column) bool { return strings.EqualFold(c.Name, want) }) {
			return false
		}
	}
	return true
}

// FindLedger finds the one ledger that belongs to a tool. want is the table that the configuration or the
// tool names; among several ledgers only it decides. Errors: [ErrAmbiguous] with all candidates.
func FindLedger(found []Fingerprint, tool string, want schema.Name, configured bool) (*Fingerprint, error) {
	match := func(f Fingerprint) bool {
		return f.Table.Table == want.Table && (want.Schema == "" || f.Table.Schema == want.Schema)
	}
	if configured {
		found = slices.DeleteFunc(slices.Clone(found), func(f Fingerprint) bool { return !match(f) })
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		if found[0].Tool != tool && tool != "" {
			return nil, fmt.Errorf("table %s is the ledger of %s, but the migrations are %s's: %w", found[0].Table, found[0].Tool, tool, ErrAmbiguous)
		}
		return &found[0], nil
	}
	names := make([]string, len(found))
	for i, f := range found {
		names[i] = f.Table.String() + " of " + f.Tool
	}
	return nil, fmt.Errorf("%w: %s", ErrAmbiguous, strings.Join(names, ", "))
}

// CheckColumns refuses a table that has the name of a tool's ledger and other columns than the tool's: it is somebody
// else's. One that is absent, and a tool whose ledger may have any columns, are fine. Errors: [ErrForeign].
func CheckColumns(tables []schema.Table, tool string, want schema.Name) error {
	for i := range tables {
		t := &tables[i]
		if !SameTable(want, t.Name) {
			continue
		}
		known := false
		for _, p := range prints() {
			if p.tool != tool {
				continue
			}
			if known = true; p.fits(t) {
				return nil
			}
		}
		if !known {
			return nil
		}
		columns := make([]string, len(t.Columns))
		for i, c := range t.Columns {
			columns[i] = c.Name
		}
		whose := "no tool that is known"
		if other := toolOf(t, tables); other != "" {
			whose = other
		}
		return fmt.Errorf("table %s: %w: %s; they are those of %s, and not %s's", t.Name, ErrForeign, strings.Join(columns, ", "), whose, tool)
	}
	return nil
}
