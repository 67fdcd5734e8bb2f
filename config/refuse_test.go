package config

import (
	"errors"
	"strings"
	"testing"
)

// app puts lines under the one target of a file.
func app(lines ...string) string {
	return "targets:\n  - name: app\n    url: sqlite:x.db\n    " + strings.Join(lines, "\n    ") + "\n"
}

func TestRefusals(t *testing.T) {
	tests := map[string]struct{ file, want, hint string }{
		"unknown key":          {app("migration: {}"), "mulligan.yaml:4:5: targets[0]: unknown key `migration`: did you mean `migrations`?", ""},
		"unknown top key":      {"target: []\n", "1:1: unknown key `target`: did you mean `targets`?", ""},
		"key of another level": {"url_file: x\n", "unknown key `url_file`: it belongs to `targets[]`", ""},
		"key of no level":      {"zzzzzz: x\n", "unknown key `zzzzzz`: known are targets, repository, jobs, notify, settings", ""},
		"case of a key":        {app("Protected: true"), "did you mean `protected`?", ""},
		"secret as a key":      {app("{postgres://u:hunter2@h/d: x}: y"), "", ""},
		"duplicate key":        {app("shadow: a", "shadow: b"), ":5:5: targets[0].shadow: is there twice: first in line 4", ""},
		"duplicate column":     {app("mapping: [{table: t, rename: {\"A.b\": c, \"A.b\": d}}]"), `rename["A.b"]: is there twice`, ""},
		"duplicate target":     {app("protected: true") + "  - {name: APP, url: 'sqlite:y.db'}\n", "mulligan.yaml:5:12: targets[1].name: `APP` is the name of an earlier target, in line 2", ""},
		"no name":              {"targets: [{url: 'sqlite:x.db'}]", "targets[0]: has no `name`", ""},
		"name as a path":       {"targets: [{name: ../x, url: 'sqlite:x.db'}]", "targets[0].name: must be a name of letters", ""},
		"targets as mapping":   {"targets: {app: {url: x}}", "targets: must be a list, not a mapping", ""},
		"target as text":       {"targets: [app]", "targets[0]: must be a mapping, not a single value", ""},
		"list as text":         {app("tables: {include: users}"), "targets[0].tables.include: must be a list, not a single value", "write [a, b], or one line with \"- \" for each"},
		"text as list":         {app("shadow: [a]"), "must be a single value, not a list", ""},
		"unquoted braces":      {app("migrations: {command: [migrate, {to}]}"), "command[1]: must be a single value, not a mapping", "put text with { } or \": \" into quotes"},
		"protected":            {app("protected: maybe"), "mulligan.yaml:4:16: targets[0].protected: must be true or false", ""},
		"protected yes":        {app("protected: yes"), "must be true or false", ""},
		"unknown keep_old":     {app("keep_old: nxt"), "mulligan.yaml:4:15: targets[0].keep_old: `nxt` is not known; allowed are next, always, never", "did you mean next?"},
		"keep_old as number":   {app("keep_old: 3"), "targets[0].keep_old: `3` is not known; allowed are next, always, never", ""},
		"unknown tool":         {app("migrations: {tool: tyeporm}"), "targets[0].migrations.tool: `tyeporm` is not known; allowed are alembic, atlas,", "did you mean typeorm?"},
		"tool needs command":   {app("migrations: {tool: knex}"), "knex needs a `command`", "add `command: [program, argument, …]`"},
		"command as tool":      {app("migrations: {tool: command}"), "needs a `command`", ""},
		"data_source":          {app("migrations: {tool: goose, data_source: x.js}"), "data_source: is for `tool: typeorm` only, and the tool is goose", ""},
		"ledger of a tool":     {app("migrations: {tool: goose, ledger: {column: a, form: stem}}"), "ledger: is for `tool: command` only, and for bun, kysely, node-pg-migrate", ""},
		"ledger of no tool":    {app("migrations: {dir: a, ledger: {column: a, form: stem}}"), "ledger: is for `tool: command` only", ""},
		"ledger, no table":     {app("migrations: {tool: command, command: [x], ledger: {column: a, form: stem}}"), "migrations: has no `table`", ""},
		"ledger, no column":    {app("migrations: {tool: command, command: [x], table: t, ledger: {form: stem}}"), "ledger: has no `column`", ""},
		"ledger, no form":      {app("migrations: {tool: bun, command: [x], ledger: {column: a}}"), "ledger: has no `form`", ""},
		"ledger's form":        {app("migrations: {tool: bun, command: [x], ledger: {column: a, form: stm}}"), "ledger.form: `stm` is not known; allowed are file, stem, digits", "did you mean stem?"},
		"ledger's time":        {app("migrations: {tool: bun, command: [x], ledger: {column: a, form: stem, time: a}}"), "ledger.time: `a` is the name of another column", ""},
		"ledger's value":       {app("migrations: {tool: bun, command: [x], ledger: {column: a, form: stem, values: [{column: a, value: x}]}}"), "values[0].column: `a` is the name of another column", ""},
		"ledger, no value":     {app("migrations: {tool: bun, command: [x], ledger: {column: a, form: stem, values: [{column: b}]}}"), "values[0]: has no `value`", ""},
		"ledger's key":         {app("migrations: {tool: bun, command: [x], ledger: {column: a, from: stem}}"), "unknown key `from`: did you mean `form`?", ""},
		"dir and dirs":         {app("migrations: {dir: a, dirs: [b]}"), "dirs: is given, and so is `dir`", ""},
		"command as text":      {app("migrations: {command: npx prisma migrate}"), "no shell takes a line apart", "write [npx, prisma, migrate, deploy]"},
		"command empty":        {app("migrations: {command: []}"), "must name a program", ""},
		"bootstrap":            {app("migrations: {bootstrap: sync.js}"), "must be a file that ends in .sql, or a command as a list", ""},
		"env":                  {app("migrations: {env: [hunter2]}"), "env[0]: must be NAME=value", ""},
		"env twice":            {app("migrations: {env: [A=1, A=hunter2]}"), "env[1]: sets the same variable as line 4", ""},
		"url and url_file":     {app("url_file: x"), "targets[0].url_file: is given, and so is `url`", ""},
		"empty url":            {"targets: [{name: app, url: ''}]", "targets[0].url: must not be empty", ""},
		"no url":               {"targets: [{name: app}]", "targets[0]: there is no url: set url, url_file or url_command, pass --url, or set DATABASE_URL", ""},
		"two without url":      {"targets: [{name: app}, {name: b}]", "targets[1]: is the second target without a url", ""},
		"include and exclude":  {app("tables: {include: [a, users], exclude: [users]}"), "include[1]: `users` is excluded, too", ""},
		"excluded by pattern":  {app("tables: {include: [users], exclude: ['u*s']}"), "include[0]: `users` is excluded, too", ""},
		"include twice":        {app("tables: {include: [users, users]}"), "include[1]: `users` is there twice", ""},
		"include nothing":      {app("tables: {include: []}"), "is an empty list: leave it out for all tables", ""},
		"include null":         {app("tables: {include: [~]}"), "include[0]: must be a single value, not nothing", ""},
		"where excluded":       {app("tables: {exclude: [log], where: [{table: log, condition: a}]}"), "where[0].table: `log` is excluded, so", ""},
		"where not included":   {app("tables: {include: [a], where: [{table: log, condition: a}]}"), "`log` is not included, so", ""},
		"where twice":          {app("tables: {where: [{table: log, condition: a}, {table: log, condition: b}]}"), "has a condition already", ""},
		"where half":           {app("tables: {where: [{table: log}]}"), "where[0]: has no `condition`", ""},
		"mapping twice":        {app("mapping: [{table: t}, {table: t}]"), "is mapped already", ""},
		"rename and drop":      {app("mapping: [{table: t, rename: {a: b}, drop: [a]}]"), "rename.a: the column is dropped, too", ""},
		"rename onto one":      {app("mapping: [{table: t, rename: {a: c, b: c}}]"), "rename.b: `c` is the new name of another column, too", ""},
		"rename and default":   {app("mapping: [{table: t, rename: {a: b}, default: {b: '1'}}]"), "default.b: the column gets its values by `rename`", ""},
		"keep negative":        {"repository: {keep: {last: -1}}", "repository.keep.last: must be a whole number from 0 to 1000000", ""},
		"keep text":            {"repository: {keep: {daily: seven}}", "repository.keep.daily: must be a whole number", ""},
		"keep huge":            {"repository: {keep: {daily: 99999999999999999999999}}", "must be a whole number", ""},
		"keep nothing":         {"repository: {keep: {last: 0}}", "repository.keep: would keep nothing", ""},
		"job without cron":     {app() + "jobs: [{name: a, do: backup}]", "jobs[0]: has no `cron`", ""},
		"job of no target":     {app() + "jobs: [{name: a, do: backup, cron: x, target: apq}]", "jobs[0].target: `apq` is not known; allowed are app", "did you mean app?"},
		"job twice":            {app() + "jobs: [{name: a, do: drill, cron: x}, {name: a, do: drill, cron: y}]", "jobs[1].name: `a` is the name of an earlier job", ""},
		"job of no kind":       {app() + "jobs: [{name: a, do: restore, cron: x}]", "jobs[0].do: `restore` is not known; allowed are backup, drill", ""},
		"only_ledger":          {app() + "jobs: [{name: a, do: drill, only_ledger: true, cron: x}]", "is for `do: backup` only", ""},
		"max_rto":              {app() + "jobs: [{name: a, do: drill, cron: x, max_rto: 10}]", "max_rto: must be a time above zero with its unit", ""},
		"max_rto of backup":    {app() + "jobs: [{name: a, do: backup, cron: x, max_rto: 10m}]", "max_rto: is for `do: drill` only", ""},
		"notify":               {"notify: [{url: 'https://h/hunter2', on: [always]}]", "notify[0].on[0]: `always` is not known; allowed are failure, success", ""},
		"settings.jobs":        {"settings: {jobs: 65}", "mulligan.yaml:1:18: settings.jobs: must be a whole number from 1 to 64", ""},
		"settings.jobs zero":   {"settings: {jobs: 0}", "must be a whole number from 1 to 64", ""},
		"settings.jobs list":   {"settings: {jobs: [1]}", "settings.jobs: must be a single value, not a list", ""},
		"settings.color":       {"settings: {color: blue}", "settings.color: must be auto, always or never", ""},
		"settings.yes":         {"settings: {yes: true}", "unknown key `yes`: it cannot be set in the file, only by --yes or MULLIGAN_YES", ""},
		"quiet and verbose":    {"settings: {quiet: true, verbose: true}", "settings.quiet: contradicts settings.verbose", ""},
		"unset variable":       {app("shadow: ${GONE}"), "mulligan.yaml:4:13: targets[0].shadow: variable GONE is not set", "set it in the environment or in .env, or give it a default: ${VAR:-default}"},
		"message":              {app("shadow: ${GONE:?ask the admins}"), "variable GONE is not set: ask the admins", ""},
		"unset in a list":      {app("tables:", "  include:", "    - a", "    - ${GONE}"), ":7:11: targets[0].tables.include[1]: variable GONE is not set", ""},
		"variable's value":     {app("migrations: {tool: \"${SECRET}\"}"), "tool: `${SECRET}` is not known; allowed are", ""},
		"tab":                  {"targets:\n\t- name: app\n", "2:", "line 2 is indented with a tab: use spaces"},
		"syntax":               {"targets: [\n  {name: app, url: postgres://u:hunter2@h/d\n", "mulligan.yaml:", ""},
		"reserved sign":        {app() + "jobs: [{cron: @hourly}]", "is not valid YAML", "put text that begins with one of"},
		"second document":      {app() + "---\na: b\n", "holds a second document", ""},
		"list at the top":      {"- a\n", "must be a mapping that begins with `targets:`, not a list", ""},
		"text at the top":      {"hunter2\n", "must be a mapping", ""},
		"unknown alias":        {"targets: *nothing\n", "the alias `nothing` has no anchor before it", ""},
		"circle":               {"targets: &a [*a]\n", "has no anchor before it", ""},
		"unknown tag":          {"targets: !!binary aGk=\n", "the tag `!!binary` is not supported", ""},
		"merge of text":        {app("<<: hunter2"), "`<<` must be followed by a mapping", ""},
		"deep":                 {"targets: " + strings.Repeat("[", 100) + strings.Repeat("]", 100), "is nested more than 64 deep", ""},
		"brackets":             {"targets: " + strings.Repeat("[", 20000), "has more than 10000 brackets", ""},
		"large":                {strings.Repeat("# comment\n", 30000), "is larger than 262144 bytes", ""},
		"utf-16":               {"\xff\xfet\x00", "is written in UTF-16: save it as UTF-8", ""},
		"latin-1":              {"targets: []\n# caf\xe9\n", "mulligan.yaml:2: is not UTF-8 text", ""},
		"nul":                  {"a\x00b", "is not UTF-8 text", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, "mulligan.yaml", tt.file)
			_, err := Load(Options{Dir: dir, Env: []string{"SECRET=hunter2"}})
			fault := (*Error)(nil)
			if !errors.As(err, &fault) {
				t.Fatalf("error %v is no *Error", err)
			}
			if fault.File != "mulligan.yaml" || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error  %v\nwanted %s", err, tt.want)
			}
			if tt.hint != "" && !strings.HasPrefix(fault.Hint, tt.hint) {
				t.Errorf("hint %q, wanted %q", fault.Hint, tt.hint)
			}
			if strings.Contains(err.Error()+fault.Hint, "hunter2") {
				t.Errorf("the secret is in %v, hint %s", err, fault.Hint)
			}
		})
	}
}

func TestAllIsToldAtOnce(t *testing.T) {
	dir := folder(t, "mulligan.yaml", "settings: {jobs: 0}\ntargets:\n  - {name: app, url: 'sqlite:x.db', protected: 1}\n  - {nmae: b, url: 'sqlite:x.db'}\n")
	_, err := Load(Options{Dir: dir, Env: []string{"MULLIGAN_COLOR=blue"}})
	want := strings.Join([]string{
		"MULLIGAN_COLOR: must be auto, always or never",
		"mulligan.yaml:1:18: settings.jobs: must be a whole number from 1 to 64",
		"mulligan.yaml:3:48: targets[0].protected: must be true or false",
		"mulligan.yaml:4:5: targets[1]: has no `name`",
		"mulligan.yaml:4:6: targets[1]: unknown key `nmae`: did you mean `name`?",
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwanted\n%s", err, want)
	}
}
