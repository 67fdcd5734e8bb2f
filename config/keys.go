package config

import "sort"

// levels are the keys that the file may hold, by the level at which they stand.
func levels() map[string][]string {
	all := map[string][]string{
		"":                                     {"targets", "repository", "jobs", "notify", "settings"},
		"targets[]":                            {"name", "url", "url_file", "url_command", "protected", "migrations", "tables", "mapping", "shadow", "keep_old"},
		"targets[].migrations":                 {"tool", "dir", "dirs", "table", "data_source", "command", "bootstrap", "env", "ledger"},
		"targets[].migrations.ledger":          {"column", "form", "time", "values"},
		"targets[].migrations.ledger.values[]": {"column", "value"},
		"targets[].tables":                     {"include", "exclude", "where"},
		"targets[].tables.where[]":             {"table", "condition"},
		"targets[].mapping[]":                  {"table", "to", "rename", "drop", "default"},
		"repository":                           {"url", "keep"},
		"repository.keep":                      {"last", "hourly", "daily", "weekly", "monthly", "yearly"},
		"jobs[]":                               {"name", "target", "do", "only_ledger", "cron", "max_rto", "max_rpo"},
		"notify[]":                             {"url", "on"},
	}
	for _, s := range settings() {
		if s.inFile {
			all["settings"] = append(all["settings"], s.fileKey())
		}
	}
	return all
}

// home gives the level at which a key is known, other than the one where it was found; "" = nowhere.
func home(key, level string) string {
	var found []string
	for l, keys := range levels() {
		for _, k := range keys {
			if k == key && l != level && l != "" {
				found = append(found, l)
			}
		}
	}
	if len(found) != 1 {
		return ""
	}
	return found[0]
}

// Tools are the names that migrations.tool may have. Those that [RunsItself] does not know need a command.
func Tools() []string {
	tools := []string{
		"typeorm", "goose", "golang-migrate", "dbmate", "command",
		"laravel", "ecto", "rails", "flyway", "prisma", "drizzle", "knex", "sequelize", "django", "alembic", "sqlx",
		"tern", "atlas", "sql-migrate", "liquibase", "diesel", "kysely", "node-pg-migrate", "bun",
	}
	sort.Strings(tools)
	return tools
}

// described are the tools whose ledger can be described in the file.
func described() []string { return []string{"bun", "command", "kysely", "node-pg-migrate"} }

// KeepOlds are the values that keep_old may have: when a database that was set aside is dropped.
func KeepOlds() []string { return []string{"next", "always", "never"} }

// RunsItself tells the tools whose migrations are applied without a command of the user's.
func RunsItself(tool string) bool {
	switch tool {
	case "typeorm", "goose", "golang-migrate", "dbmate", "flyway", "prisma", "drizzle", "sqlx", "sql-migrate", "tern", "atlas", "diesel", "liquibase":
		return true
	}
	return false
}
