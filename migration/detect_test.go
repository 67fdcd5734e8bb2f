package migration_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mulligan/migration"
	"mulligan/schema"
)

// table makes a table of "schema.name(column column)"; the schema is optional.
func table(t *testing.T, text string) schema.Table {
	t.Helper()
	name, columns, _ := strings.Cut(strings.TrimSuffix(text, ")"), "(")
	n, err := schema.ParseName(name)
	if err != nil {
		t.Fatal(err)
	}
	made := schema.Table{Name: n, Kind: schema.KindTable}
	for c := range strings.FieldsSeq(columns) {
		made.Columns = append(made.Columns, schema.Column{Name: c})
	}
	return made
}

func TestDetect(t *testing.T) {
	const (
		typeorm  = "migrations(id timestamp name)"
		migrate  = "schema_migrations(version dirty)"
		versions = "schema_migrations(version)"
		internal = "ar_internal_metadata(key value created_at updated_at)"
	)
	tests := []struct {
		name   string
		tables []string
		want   []string // "tool table"
	}{
		{"nothing", []string{"users(id name)"}, nil},
		{"typeorm", []string{typeorm}, []string{"typeorm migrations"}},
		{"laravel", []string{"migrations(id migration batch)"}, []string{"laravel migrations"}},
		{"goose", []string{"goose_db_version(id version_id is_applied tstamp)"}, []string{"goose goose_db_version"}},
		{"golang-migrate", []string{migrate}, []string{"golang-migrate schema_migrations"}},
		{"ecto", []string{"schema_migrations(version inserted_at)"}, []string{"ecto schema_migrations"}},
		{"rails", []string{internal, versions}, []string{"rails schema_migrations"}},
		{"dbmate", []string{versions}, []string{"dbmate schema_migrations"}},
		{"flyway", []string{"flyway_schema_history(installed_rank version description type script checksum installed_by installed_on execution_time success)"}, []string{"flyway flyway_schema_history"}},
		{"prisma", []string{"_prisma_migrations(id checksum finished_at migration_name logs rolled_back_at started_at applied_steps_count)"}, []string{"prisma _prisma_migrations"}},
		{"drizzle", []string{"drizzle.__drizzle_migrations(id hash created_at)"}, []string{"drizzle drizzle.__drizzle_migrations"}},
		{"drizzle 1.0", []string{"__drizzle_migrations(id hash created_at name applied_at)"}, []string{"drizzle __drizzle_migrations"}},
		{"knex", []string{"knex_migrations(id name batch migration_time)", "knex_migrations_lock(index is_locked)"}, []string{"knex knex_migrations"}},
		{"sequelize", []string{"SequelizeMeta(name)"}, []string{"sequelize SequelizeMeta"}},
		{"django", []string{"django_migrations(id app name applied)"}, []string{"django django_migrations"}},
		{"alembic", []string{"alembic_version(version_num)"}, []string{"alembic alembic_version"}},
		{"sqlx", []string{"_sqlx_migrations(version description installed_on success checksum execution_time)"}, []string{"sqlx _sqlx_migrations"}},
		{"tern", []string{"public.schema_version(version)"}, []string{"tern public.schema_version"}},
		{"flyway before 5.0", []string{"schema_version(installed_rank version description type script checksum installed_by installed_on execution_time success)"}, []string{"flyway schema_version"}},
		{"atlas", []string{"atlas_schema_revisions(version description type applied total executed_at execution_time error error_stmt hash partial_hashes operator_version)"}, []string{"atlas atlas_schema_revisions"}},
		{"sql-migrate", []string{"gorp_migrations(id applied_at)"}, []string{"sql-migrate gorp_migrations"}},
		{"liquibase", []string{"DATABASECHANGELOG(ID AUTHOR FILENAME DATEEXECUTED ORDEREXECUTED EXECTYPE MD5SUM)", "DATABASECHANGELOGLOCK(ID LOCKED LOCKGRANTED LOCKEDBY)"}, []string{"liquibase DATABASECHANGELOG"}},
		{"diesel", []string{"__diesel_schema_migrations(version run_on)"}, []string{"diesel __diesel_schema_migrations"}},
		{"kysely", []string{"kysely_migration(name timestamp)", "kysely_migration_lock(id is_locked)"}, []string{"kysely kysely_migration"}},
		{"node-pg-migrate", []string{"pgmigrations(id name run_on)"}, []string{"node-pg-migrate pgmigrations"}},
		{"bun", []string{"bun_migrations(id name group_id migrated_at)"}, []string{"bun bun_migrations"}},

		{"dbmate pointed at golang-migrate's table", []string{migrate, "dbmate.schema_migrations(version)"},
			[]string{"golang-migrate schema_migrations", "dbmate dbmate.schema_migrations"}},
		{"an application's own table", []string{"migrations(id from_country to_country year)"}, nil},
		{"an application's own table, with a column more", []string{"migrations(id timestamp name person_id)"}, nil},
		{"an application's own versions", []string{"versions(version)", "names(name)", "schema_migrations(version author)"}, nil},
		{"renamed typeorm", []string{"ledger(id timestamp name)"}, []string{"typeorm ledger"}},
		{"renamed golang-migrate", []string{"my_versions(version dirty)"}, []string{"golang-migrate my_versions"}},
		{"renamed goose", []string{"audit.goose(id version_id is_applied tstamp)"}, []string{"goose audit.goose"}},
		{"renamed dbmate cannot be told", []string{"dbmate_versions(version)"}, nil},
		{"two tools", []string{typeorm, migrate}, []string{"typeorm migrations", "golang-migrate schema_migrations"}},
		{"several schemas", []string{"a.schema_migrations(version)", "b.schema_migrations(version)", "b.ar_internal_metadata(key value)"},
			[]string{"dbmate a.schema_migrations", "rails b.schema_migrations"}},
		{"upper case", []string{"MIGRATIONS(ID TIMESTAMP NAME)"}, []string{"typeorm MIGRATIONS"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var tables []schema.Table
			for _, text := range tt.tables {
				tables = append(tables, table(t, text))
			}
			var got []string
			for _, f := range migration.Detect(tables) {
				got = append(got, f.Tool+" "+f.Table.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ledgers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestIsCompanion(t *testing.T) {
	for name, want := range map[string]bool{"knex_migrations_lock": true, "DATABASECHANGELOGLOCK": true, "migrations": false, "locks": false} {
		if got := migration.IsCompanion(schema.Name{Table: name}); got != want {
			t.Errorf("IsCompanion(%s) = %t", name, got)
		}
	}
}

func TestSameTable(t *testing.T) {
	tests := []struct {
		ledger, other schema.Name
		want          bool
	}{
		{schema.Name{Table: "a"}, schema.Name{Table: "a"}, true},
		{schema.Name{Table: "a"}, schema.Name{Schema: "public", Table: "a"}, true},
		{schema.Name{Table: "a"}, schema.Name{Schema: "other", Table: "a"}, false},
		{schema.Name{Schema: "s", Table: "a"}, schema.Name{Schema: "s", Table: "a"}, true},
		{schema.Name{Schema: "s", Table: "a"}, schema.Name{Table: "a"}, false},
		{schema.Name{Table: "a"}, schema.Name{Table: "b"}, false},
	}
	for _, tt := range tests {
		if got := migration.SameTable(tt.ledger, tt.other); got != tt.want {
			t.Errorf("SameTable(%v, %v) = %t", tt.ledger, tt.other, got)
		}
	}
}
