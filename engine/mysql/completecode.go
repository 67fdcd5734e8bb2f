package mysql

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mulligan/engine"
)

// makeCodes makes routines, views, triggers and events, each after what it may need.
func (c *completer) makeCodes() error {
	rank := map[string]int{"package": 1, "package body": 2, "function": 3, "procedure": 3, "view": 4, "trigger": 5, "event": 6}
	codes := slices.DeleteFunc(slices.Clone(c.codes), part.extra)
	slices.SortStableFunc(codes, func(a, b part) int {
		return cmp.Or(cmp.Compare(rank[a.Kind], rank[b.Kind]), cmp.Compare(firing(a), firing(b)), cmp.Compare(a.Name, b.Name))
	})
	last := ""
	for _, p := range byUse(codes) {
		if p.Kind == "view" { // its text is written by the server, and means the same under any settings
			c.add(p.missing(), p.New, p)
			continue
		}
		text, settings, err := splitCode(p)
		if err != nil {
			return err
		}
		if settings != last {
			c.add(true, settings)
			last = settings
		}
		c.add(p.missing(), text, p)
	}
	return nil
}

// firing orders the triggers of one table and event.
func firing(p part) string {
	_, number, _ := strings.Cut(lastLine(p.New, 3), " as number ")
	return fmt.Sprintf("%9s", number)
}

// lastLine is the n-th line from the end.
func lastLine(text string, n int) string {
	lines := strings.Split(text, "\n")
	if len(lines) < n {
		return ""
	}
	return lines[len(lines)-n]
}

// byUse puts a view behind those that its text names.
func byUse(list []part) []part {
	var sorted []part
	done := map[string]bool{}
	var visit func(p part)
	visit = func(p part) {
		if done[p.key()] {
			return
		}
		done[p.key()] = true
		for _, other := range list {
			if p.Kind == "view" && other.Kind == "view" && strings.Contains(p.New, ident(other.name)) {
				visit(other)
			}
		}
		sorted = append(sorted, p)
	}
	for _, p := range list {
		visit(p)
	}
	return sorted
}

// splitCode takes apart what [describe] put together: the statement, and the settings that it was made under.
func splitCode(p part) (text, settings string, err error) {
	text, charsets, _ := cutLast(p.New, "\ncharacter_set_client ")
	text, mode, found := cutLast(text, "\nsql_mode ")
	client, collation, both := strings.Cut(charsets, ", collation_connection ")
	if !found || !both {
		return "", "", fmt.Errorf("%s: its definition is not as the adapter writes it: %w", p.key(), errors.ErrUnsupported)
	}
	settings = "SET character_set_client = " + orElse(client, "utf8mb4") + ", collation_connection = " + orElse(collation, "utf8mb4_general_ci") +
		", sql_mode = " + engine.MySQL.Literal(mode)
	switch p.Kind {
	case "trigger":
		text, _, _ = cutLast(text, "\nfires ")
	case "event":
		var zone string
		text, zone, _ = cutLast(text, "\ntime_zone ")
		settings += ", time_zone = " + engine.MySQL.Literal(zone)
	}
	plain := strings.IndexFunc(text, func(r rune) bool { return r >= 0x80 }) < 0
	if !plain && !strings.HasPrefix(client, "utf8") {
		return "", "", fmt.Errorf("%s: it was written in %s, and has other letters than ASCII: %w", p.key(), client, errors.ErrUnsupported)
	}
	return text, settings, nil
}

// cutLast cuts around the last place of sep.
func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
