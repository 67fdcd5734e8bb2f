package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// reader makes the types of the configuration out of the file's nodes, and collects what is wrong.
// Its methods take nil for a key that is not there, and complain once about one that is no good.
type reader struct {
	builder
	dir      string // what paths in the file are relative to
	root     *node
	settings map[string]*node // those of the file, by key; for resolve
}

// open reads the file. Its error is of the whole file: there is nothing to go on with.
func (r *reader) open(path string) *Error {
	data, err := readLimited(path)
	if err != nil {
		return &Error{Reason: err.Error()}
	}
	return r.parse(data)
}

func (r *reader) parse(data []byte) *Error {
	tree, fault := parse(data)
	if fault != nil {
		return fault
	}
	if tree == nil || tree.Type() == ast.NullType {
		return nil // an empty file is one that says nothing
	}
	r.root = r.build(tree, "", 0)
	if r.root.kind != mapping {
		return &Error{Line: 1, Reason: "must be a mapping that begins with `targets:`, not " + string(r.root.kind)}
	}
	return nil
}

// document reads the top level into c.
func (r *reader) document(c *Config) {
	f := r.fields(r.root, "")
	for i, n := range r.list(f["targets"]) {
		c.Targets = append(c.Targets, r.target(n, i, c.Targets))
	}
	r.repository(f["repository"], &c.Repository)
	for _, n := range r.list(f["jobs"]) {
		c.Jobs = append(c.Jobs, r.job(n, c))
	}
	for _, n := range r.list(f["notify"]) {
		c.Notify = append(c.Notify, r.notify(n))
	}
	r.settings = r.fields(f["settings"], "settings")
	for _, fault := range r.faults {
		if index, _, ok := strings.Cut(strings.TrimPrefix(fault.Key, "targets["), "]"); ok && strings.HasPrefix(fault.Key, "targets[") {
			if i, err := strconv.Atoi(index); err == nil {
				fault.target = i + 1
			}
		}
	}
}

// fields gives a mapping's values by key, after refusing keys that the level does not know.
// Keys without a value are left out: a section whose lines are all comments says nothing.
func (r *reader) fields(n *node, level string) map[string]*node {
	fields := map[string]*node{}
	if !r.is(n, mapping) {
		return fields
	}
	known := levels()[level]
	for _, e := range n.keys {
		switch {
		case slices.Contains(known, e.name):
			if e.value.kind != empty || e.value.bad {
				fields[e.name] = e.value
			}
		case level == "" && strings.HasPrefix(e.name, "x-"): // a place for anchors
		default:
			r.unknown(n, e, level, known)
		}
	}
	return fields
}

func (r *reader) unknown(n *node, e entry, level string, known []string) {
	at := &node{line: e.line, column: e.column, path: n.path}
	what := "unknown key"
	if name := say(e.name); name != "" {
		what += " " + name
	}
	switch near, other := Nearest(e.name, known), home(e.name, level); {
	case level == "settings" && slices.Contains([]string{"yes", "url", "migrations", "config"}, e.name):
		r.fail(at, "%s: it cannot be set in the file, only by --%s or %s", what, e.name, Variable(e.name))
	case near != "":
		r.fail(at, "%s: did you mean `%s`?", what, near)
	case other != "":
		r.fail(at, "%s: it belongs to `%s`", what, other)
	default:
		r.fail(at, "%s: known are %s", what, strings.Join(known, ", "))
	}
}

// is tells whether the value is there and has the shape, and complains where it has another.
func (r *reader) is(n *node, want kind) bool {
	if n == nil || n.bad {
		return false
	}
	if n.kind != want {
		fault := r.fail(n, "must be %s, not %s", want, n.kind)
		switch {
		case want == scalar && n.kind == mapping:
			fault.Hint = "put text with { } or \": \" into quotes"
		case want == list && n.kind == scalar:
			fault.Hint = "write [a, b], or one line with \"- \" for each"
		}
		return false
	}
	return true
}

func (r *reader) list(n *node) []*node {
	if !r.is(n, list) {
		return nil
	}
	return n.items
}

// text gives a value that must not be empty.
func (r *reader) text(n *node) string {
	if !r.is(n, scalar) {
		return ""
	}
	if strings.TrimSpace(n.text) == "" {
		r.fail(n, "must not be empty")
		return ""
	}
	return n.text
}

func (r *reader) path(n *node) string { return absolute(r.dir, r.text(n)) }

// texts gives a list of values of which none is empty.
func (r *reader) texts(n *node) []string {
	var out []string
	for _, item := range r.list(n) {
		if t := r.text(item); t != "" {
			out = append(out, t)
		}
	}
	return out
}

// unique is texts, and refuses one that is there twice.
func (r *reader) unique(n *node) []string {
	out := r.texts(n)
	if n != nil && len(out) == len(n.items) {
		for i, t := range out {
			if first := slices.Index(out, t); first < i {
				r.fail(n.items[i], "%sis there twice: first in line %d", shownBefore(n.items[i]), n.items[first].line)
			}
		}
	}
	return out
}

// shownBefore is the value as the file has it and a space, or nothing where it may hold a secret.
func shownBefore(n *node) string {
	if n.shown == "" {
		return ""
	}
	return n.shown + " "
}

// command gives a program and its arguments.
func (r *reader) command(n *node) []string {
	if n != nil && !n.bad && n.kind == scalar {
		r.fail(n, "must be a list of the program and its arguments: no shell takes a line apart").Hint = "write [npx, prisma, migrate, deploy]"
		return nil
	}
	for i, item := range r.list(n) {
		// An empty argument is one, an empty program is none.
		if i == 0 || item.kind != scalar {
			r.text(item)
		}
	}
	if n == nil || n.bad || n.kind != list {
		return nil
	}
	if len(n.items) == 0 {
		r.fail(n, "must name a program")
	}
	var argv []string
	for _, item := range n.items {
		argv = append(argv, item.text)
	}
	return argv
}

func (r *reader) flag(n *node) bool {
	if n == nil || n.bad {
		return false
	}
	if n.kind == scalar && n.text == "true" {
		return true
	}
	if n.kind != scalar || n.text != "false" {
		r.fail(n, "must be true or false")
	}
	return false
}

// count gives a whole number from 0.
func (r *reader) count(n *node) int {
	const most = 1_000_000
	if !r.is(n, scalar) {
		return 0
	}
	v, err := strconv.Atoi(n.text)
	if err != nil || v < 0 || v > most {
		r.fail(n, "must be a whole number from 0 to %d", most)
		return 0
	}
	return v
}

func (r *reader) duration(n *node) time.Duration {
	if !r.is(n, scalar) {
		return 0
	}
	d, err := time.ParseDuration(n.text)
	if err != nil || d <= 0 {
		r.fail(n, "must be a time above zero with its unit: 90s, 10m, 26h")
		return 0
	}
	return d
}

// oneOf gives a value that is one of those allowed.
func (r *reader) oneOf(n *node, allowed []string) string {
	text := r.text(n)
	if text == "" || slices.Contains(allowed, text) {
		return text
	}
	fault := r.fail(n, "%sis not known; allowed are %s", shownBefore(n), strings.Join(allowed, ", "))
	if near := Nearest(text, allowed); near != "" && n.shown != "" {
		fault.Hint = "did you mean " + near + "?"
	}
	return ""
}

// need complains where a key that must be there is not.
func (r *reader) need(n *node, fields map[string]*node, keys ...string) {
	for _, key := range keys {
		if fields[key] == nil && n.kind == mapping {
			r.fail(&node{line: n.line, column: n.column, path: n.path}, "has no `%s`", key)
		}
	}
}

func (r *reader) repository(n *node, repo *Repository) {
	f := r.fields(n, "repository")
	if repo.URL = r.text(f["url"]); !strings.Contains(repo.URL, "://") {
		repo.URL = absolute(r.dir, repo.URL)
	}
	k := r.fields(f["keep"], "repository.keep")
	repo.Keep = Keep{
		Last: r.count(k["last"]), Hourly: r.count(k["hourly"]), Daily: r.count(k["daily"]),
		Weekly: r.count(k["weekly"]), Monthly: r.count(k["monthly"]), Yearly: r.count(k["yearly"]),
	}
	if keep := f["keep"]; len(k) > 0 && repo.Keep == (Keep{}) && !slices.ContainsFunc(keep.keys, func(e entry) bool { return e.value.bad }) {
		r.fail(keep, "would keep nothing: at least one number must be above 0")
	}
}

func (r *reader) job(n *node, c *Config) Job {
	f := r.fields(n, "jobs[]")
	r.need(n, f, "name", "do", "cron")
	j := Job{
		Name: r.text(f["name"]), Target: r.text(f["target"]),
		Do:         r.oneOf(f["do"], []string{"backup", "drill", "doctor", "verify", "forget"}),
		OnlyLedger: r.flag(f["only_ledger"]), Cron: r.text(f["cron"]),
		MaxRTO: r.duration(f["max_rto"]), MaxRPO: r.duration(f["max_rpo"]),
	}
	if j.Name != "" && slices.ContainsFunc(c.Jobs, func(o Job) bool { return o.Name == j.Name }) {
		r.fail(f["name"], "%sis the name of an earlier job", shownBefore(f["name"]))
	}
	names := c.Names()
	switch {
	case j.Target == "" && f["target"] == nil && len(names) == 1:
		j.Target = names[0]
	case j.Target == "" && f["target"] == nil && len(names) > 1:
		r.fail(&node{line: n.line, column: n.column, path: n.path}, "has no `target`: there are %s", strings.Join(names, ", "))
	case j.Target != "" && len(names) > 0 && !slices.Contains(names, j.Target):
		r.oneOf(f["target"], names)
	}
	if j.OnlyLedger && j.Do != "backup" && j.Do != "" {
		r.fail(f["only_ledger"], "is for `do: backup` only")
	}
	for _, key := range []string{"max_rto", "max_rpo"} {
		if f[key] != nil && j.Do != "drill" && j.Do != "" {
			r.fail(f[key], "is for `do: drill` only")
		}
	}
	return j
}

func (r *reader) notify(n *node) Notify {
	f := r.fields(n, "notify[]")
	r.need(n, f, "url")
	to := Notify{URL: Secret(r.text(f["url"])), On: r.unique(f["on"])}
	events := []string{"failure", "success"}
	if f["on"] == nil {
		to.On = events
		return to
	}
	for _, item := range r.list(f["on"]) {
		r.oneOf(item, events)
	}
	return to
}

// targetPath is the path of a target's node, counted from 0.
func targetPath(i int) string { return fmt.Sprintf("targets[%d]", i) }
