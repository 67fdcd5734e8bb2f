package schema

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// explainLimit is the longest piece of a definition that an explanation shows, in letters.
const explainLimit = 100

// Explain says a change in one line of plain words. old and new name the two sides, as "the live database" and
// "the replay". Of long definitions it shows the first line in which they differ. The line is never empty, and holds the
// object's kind and name.
func Explain(c Change, old, new string) string {
	head := oneLine(c.Kind + " " + c.Name)
	switch {
	case c.Old == "" && c.New == "":
		return head + ": in neither of " + oneLine(old+" and "+new)
	case c.Old == "":
		return head + ": only in " + oneLine(new)
	case c.New == "":
		return head + ": only in " + oneLine(old)
	}
	was, is, where := firstDifference(c.Old, c.New)
	if where > 0 {
		head += fmt.Sprintf(", line %d", where)
	}
	return oneLine(fmt.Sprintf("%s: %s in %s, %s in %s", head, was, old, is, new))
}

// firstDifference gives what the two sides show of a difference, and the line that it is in; 0 = there is only one.
func firstDifference(old, new string) (was, is string, line int) {
	if oneLine(old) == oneLine(new) {
		return "written", "written with other white space", 0
	}
	a, b := strings.Split(strings.TrimSpace(old), "\n"), strings.Split(strings.TrimSpace(new), "\n")
	if len(a) == 1 && len(b) == 1 {
		was, is = around(oneLine(old), oneLine(new))
		return was, is, 0
	}
	for i := 0; ; i++ {
		var x, y string
		if i < len(a) {
			x = oneLine(a[i])
		}
		if i < len(b) {
			y = oneLine(b[i])
		}
		if x != y {
			was, is = around(x, y)
			return was, is, i + 1
		}
	}
}

// around cuts what two long lines begin with in common, and what is too long.
func around(a, b string) (string, string) {
	if utf8.RuneCountInString(a) <= explainLimit && utf8.RuneCountInString(b) <= explainLimit {
		return orNothing(a), orNothing(b)
	}
	start := 0 // of the word in which they differ
	for i := 0; i < len(a) && i < len(b) && a[i] == b[i]; i++ {
		if a[i] == ' ' {
			start = i + 1
		}
	}
	// some words before it stay, so that one sees where it is
	for words := 0; start > 0 && words < 4; words++ {
		start = strings.LastIndexByte(a[:start-1], ' ') + 1
	}
	return cut(a, start), cut(b, start)
}

func cut(s string, start int) string {
	letters := []rune(s[start:])
	text := string(letters)
	if len(letters) > explainLimit {
		text = string(letters[:explainLimit]) + "…"
	}
	if start > 0 {
		text = "…" + text
	}
	return orNothing(text)
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}
