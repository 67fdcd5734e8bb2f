package config

import (
	"fmt"
	"slices"
	"strings"
)

// maxName is how many letters a target's name may have: it is the name of a folder in the repository.
const maxName = 64

// target reads one of the targets; earlier are those before it.
func (r *reader) target(n *node, index int, earlier []Target) Target {
	f := r.fields(n, "targets[]")
	r.need(n, f, "name")
	t := Target{Name: r.text(f["name"]), Protected: r.flag(f["protected"]), line: n.line}
	if t.Name != "" {
		if reason := checkTargetName(t.Name); reason != "" {
			r.fail(f["name"], "%s", reason)
		}
		// Its folder must be another one on file systems that ignore case, too.
		if i := slices.IndexFunc(earlier, func(o Target) bool { return strings.EqualFold(o.Name, t.Name) }); i >= 0 {
			r.fail(f["name"], "%sis the name of an earlier target, in line %d", shownBefore(f["name"]), earlier[i].line)
		}
	}
	r.url(n, f, &t)
	if shadow := r.text(f["shadow"]); shadow != "" {
		t.Shadow = Secret(absoluteURL(shadow, r.dir))
	}
	t.KeepOld = r.oneOf(f["keep_old"], KeepOlds())
	t.Migrations = r.migrations(f["migrations"])
	t.Tables = r.tables(f["tables"])
	for _, m := range r.list(f["mapping"]) {
		t.Mapping = append(t.Mapping, r.mapTable(m, t.Mapping))
	}
	return t
}

// checkTargetName gives what is wrong with a name, or "".
func checkTargetName(name string) string {
	if len(name) > maxName || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "-") ||
		strings.ContainsFunc(name, func(r rune) bool { return r >= 0x80 || !targetByte(byte(r)) }) {
		return fmt.Sprintf("must be a name of letters a-z, digits, \".\", \"_\" and \"-\", at most %d, and begin with a letter, digit or \"_\"", maxName)
	}
	return ""
}

func targetByte(c byte) bool { return nameByte(c, false) || c == '.' || c == '-' }

// url reads url, url_file or url_command: at most one of them.
func (r *reader) url(n *node, f map[string]*node, t *Target) {
	var given []string
	for _, key := range []string{"url", "url_file", "url_command"} {
		if f[key] != nil {
			given = append(given, key)
		}
	}
	if len(given) > 1 {
		r.fail(f[given[1]], "is given, and so is `%s`: only one of url, url_file and url_command may be", given[0])
		return
	}
	t.URL = Secret(strings.TrimSpace(r.text(f["url"])))
	t.URLFile = r.path(f["url_file"])
	t.URLCommand = r.command(f["url_command"])
	t.broken = len(given) > 0 && t.URL == "" && t.URLFile == "" && len(t.URLCommand) == 0
}

func (r *reader) migrations(n *node) Migrations {
	f := r.fields(n, "targets[].migrations")
	m := Migrations{
		Tool: r.oneOf(f["tool"], Tools()), Dir: r.path(f["dir"]), Table: r.text(f["table"]),
		DataSource: r.path(f["data_source"]), Command: r.command(f["command"]),
		Bootstrap: r.bootstrap(f["bootstrap"]), Env: r.env(f["env"]),
	}
	for _, dir := range r.unique(f["dirs"]) {
		m.Dirs = append(m.Dirs, absolute(r.dir, dir))
	}
	if f["dir"] != nil && f["dirs"] != nil {
		r.fail(f["dirs"], "is given, and so is `dir`: only one of them may be")
	}
	if f["data_source"] != nil && m.Tool != "" && m.Tool != "typeorm" {
		r.fail(f["data_source"], "is for `tool: typeorm` only, and the tool is %s", m.Tool)
	}
	m.Ledger = r.ledger(f["ledger"])
	if f["ledger"] != nil && !slices.Contains(described(), m.Tool) && (m.Tool != "" || f["tool"] == nil) {
		r.fail(f["ledger"], "is for `tool: command` only, and for %s", strings.Join(slices.DeleteFunc(described(), func(t string) bool { return t == "command" }), ", "))
	} else if f["ledger"] != nil && m.Tool == "command" {
		r.need(n, f, "table")
	}
	if m.Tool != "" && !RunsItself(m.Tool) && f["command"] == nil {
		r.fail(f["tool"], "%s needs a `command` that applies the migrations: mulligan does not run it by itself", m.Tool).
			Hint = "add `command: [program, argument, …]`"
	}
	return m
}

// ledger reads what the rows of a ledger hold.
func (r *reader) ledger(n *node) Ledger {
	if n == nil {
		return Ledger{}
	}
	f := r.fields(n, "targets[].migrations.ledger")
	r.need(n, f, "column", "form")
	l := Ledger{Column: r.text(f["column"]), Form: r.oneOf(f["form"], []string{"file", "stem", "digits"}), Time: r.text(f["time"])}
	taken := []string{l.Column}
	once := func(at *node, column string) {
		if column != "" && slices.Contains(taken, column) {
			r.fail(at, "%sis the name of another column of the ledger, too", shownBefore(at))
		}
		taken = append(taken, column)
	}
	once(f["time"], l.Time)
	for _, item := range r.list(f["values"]) {
		v := r.fields(item, "targets[].migrations.ledger.values[]")
		r.need(item, v, "column", "value")
		value := Value{Column: r.text(v["column"])}
		once(v["column"], value.Column)
		if r.is(v["value"], scalar) { // an empty text is one
			value.Value = v["value"].text
		}
		l.Values = append(l.Values, value)
	}
	return l
}

// bootstrap is a file (a text that ends in .sql) or a command (a list).
func (r *reader) bootstrap(n *node) Bootstrap {
	if n == nil || n.bad || n.kind == list {
		return Bootstrap{Command: r.command(n)}
	}
	file := r.path(n)
	if file == "" {
		return Bootstrap{}
	}
	if !strings.HasSuffix(strings.ToLower(file), ".sql") {
		r.fail(n, "must be a file that ends in .sql, or a command as a list").Hint = "write [node, dist/sync.js]"
	}
	return Bootstrap{File: file}
}

// env reads NAME=value. The values may be secrets, so a complaint names the place only.
func (r *reader) env(n *node) Env {
	var env Env
	names := map[string]int{}
	for _, item := range r.list(n) {
		pair := r.text(item)
		if pair == "" {
			continue
		}
		name, _, ok := strings.Cut(pair, "=")
		if !ok || name == "" || strings.ContainsAny(name, " \t\n") {
			r.fail(item, "must be NAME=value")
			continue
		}
		if line, twice := names[name]; twice {
			r.fail(item, "sets the same variable as line %d", line)
		}
		names[name] = item.line
		env = append(env, pair)
	}
	return env
}

func (r *reader) tables(n *node) Tables {
	f := r.fields(n, "targets[].tables")
	t := Tables{Include: r.unique(f["include"]), Exclude: r.unique(f["exclude"])}
	if include := f["include"]; include != nil && include.kind == list && len(include.items) == 0 {
		r.fail(include, "is an empty list: leave it out for all tables")
	}
	for i, name := range t.Include {
		if p := excluded(name, t.Exclude); p != "" && i < len(f["include"].items) {
			r.fail(f["include"].items[i], "%sis excluded, too: take it out of one of the lists", shownBefore(f["include"].items[i]))
		}
	}
	for _, n := range r.list(f["where"]) {
		w := r.fields(n, "targets[].tables.where[]")
		r.need(n, w, "table", "condition")
		where := Where{Table: r.text(w["table"]), Condition: r.text(w["condition"])}
		if where.Table == "" {
			continue
		}
		if excluded(where.Table, t.Exclude) != "" {
			r.fail(w["table"], "%sis excluded, so a condition on it has no effect", shownBefore(w["table"]))
		}
		if len(t.Include) > 0 && excluded(where.Table, t.Include) == "" {
			r.fail(w["table"], "%sis not included, so a condition on it has no effect", shownBefore(w["table"]))
		}
		if slices.ContainsFunc(t.Where, func(o Where) bool { return o.Table == where.Table }) {
			r.fail(w["table"], "%shas a condition already: join the two with AND", shownBefore(w["table"]))
		}
		t.Where = append(t.Where, where)
	}
	return t
}

// excluded gives the pattern that a table's name fits, or "".
func excluded(name string, patterns []string) string {
	for _, p := range patterns {
		if fits(name, p) {
			return p
		}
	}
	return ""
}

// fits tells whether name is the pattern, in which "*" stands for any text.
func fits(name, pattern string) bool {
	if name == pattern {
		return true
	}
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 || !strings.HasPrefix(name, parts[0]) {
		return false
	}
	rest := name[len(parts[0]):]
	last := parts[len(parts)-1]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return strings.HasSuffix(rest, last)
}

// mapTable reads how one table's columns are mapped. Its keys are names of columns, kept as they are.
func (r *reader) mapTable(n *node, earlier []Mapping) Mapping {
	f := r.fields(n, "targets[].mapping[]")
	r.need(n, f, "table")
	m := Mapping{Table: r.text(f["table"]), To: r.text(f["to"]), Drop: r.unique(f["drop"])}
	if m.Table != "" && slices.ContainsFunc(earlier, func(o Mapping) bool { return o.Table == m.Table }) {
		r.fail(f["table"], "%sis mapped already: join the two", shownBefore(f["table"]))
	}
	m.Rename = r.columns(f["rename"])
	m.Default = r.columns(f["default"])
	taken := map[string]bool{} // new names of columns
	if f["rename"] != nil {
		for _, e := range f["rename"].keys {
			to := m.Rename[e.name]
			if to == "" {
				continue
			}
			if taken[to] {
				r.fail(e.value, "%sis the new name of another column, too", shownBefore(e.value))
			}
			taken[to] = true
			if slices.Contains(m.Drop, e.name) {
				r.fail(e.value, "the column is dropped, too")
			}
		}
	}
	if f["default"] != nil {
		for _, e := range f["default"].keys {
			if taken[e.name] {
				r.fail(e.value, "the column gets its values by `rename`, so it has no use for a default")
			}
		}
	}
	return m
}

// columns reads a mapping whose keys are names of columns; nil where there is none.
func (r *reader) columns(n *node) map[string]string {
	if !r.is(n, mapping) {
		return nil
	}
	columns := map[string]string{}
	for _, e := range n.keys {
		if e.name == "" {
			r.fail(e.value, "the name of a column must not be empty")
			continue
		}
		if text := r.text(e.value); text != "" {
			columns[e.name] = text
		}
	}
	return columns
}
