package doctor

import (
	"slices"
	"strings"

	"mulligan/engine"
)

// Advice is one thing to do about one or more problems.
type Advice struct {
	Before   string   // what to do; with a command, what to look at first
	Command  string   // to be typed; empty = there is none
	After    string   // what would do as well
	Problems int      // that it is about
	About    []string // the migrations of these problems, else their kind

	rank int // advice of lower rank is to be followed first
}

// String is the advice in one line.
func (a Advice) String() string {
	text := a.Before
	if text != "" && a.Command != "" {
		text += ": "
	}
	text += a.Command
	if a.After != "" {
		text += "; " + a.After
	}
	return text
}

// Advice lists what to do about the problems of a diagnosis, each thing once, in the order in which it is to be done.
// What a repair can mend is one command: a repair of only some of it would be refused.
func (d *Diagnosis) Advice() []Advice {
	var list []Advice
	var mend []*Examined
	for _, f := range d.Findings {
		if f.Severity != Problem || f.Fix == "" {
			continue
		}
		a, about := Advice{Before: f.Fix}, f.Kind
		if f.Migration != "" && f.Kind != KindDrift {
			about = string(f.Migration)
		}
		if e := d.Find(f.Migration); e != nil && string(e.Verdict) == f.Kind {
			if e.mending(d.Engine) != byNothing {
				mend = append(mend, e)
				continue
			}
			a = e.advice(d.Engine)
		}
		a.rank = rank(f.Kind)
		list = add(list, a, about)
	}
	if len(mend) > 0 {
		list = append(list, repairs(d.Engine, mend))
	}
	slices.SortStableFunc(list, func(a, b Advice) int { return a.rank - b.rank })
	return list
}

// add counts a problem to its advice.
func add(list []Advice, a Advice, about string) []Advice {
	at := slices.IndexFunc(list, func(b Advice) bool { return b.String() == a.String() })
	if at < 0 {
		at, list = len(list), append(list, a)
	}
	list[at].Problems++
	if !slices.Contains(list[at].About, about) {
		list[at].About = append(list[at].About, about)
	}
	return list
}

// repairRank is after what keeps a repair from being done, and before all else.
const repairRank = 2

func rank(kind string) int {
	switch kind {
	case KindReplay, KindLock:
		return 0
	case string(HalfApplied), string(Dirty), string(Unprovable), string(Duplicate), KindRow:
		return 1
	case KindDrift:
		return 4
	default:
		return 3
	}
}

// mending says how a repair can mend a migration's record.
type mending int

const (
	byNothing    mending = iota // it cannot
	byProof                     // at once
	byCompletion                // after it made what is missing
	byWord                      // if the user says so
)

// mending tells what package repair allows. Of a migration that failed, MySQL and MariaDB keep the rows that it changed.
func (e *Examined) mending(f engine.Family) mending {
	proved := e.Proved && len(e.Data) == 0
	shown := e.Trace != TraceNone && e.Trace != TraceSome && e.Trace != TraceUnknown
	switch e.Verdict {
	case Unrecorded, HalfApplied, Dirty, Unprovable:
	default:
		return byNothing
	}
	switch {
	case proved && e.Verdict == Unrecorded, proved && e.Verdict == Dirty && e.Trace != TraceNothing,
		e.Verdict == Dirty && e.Trace == TraceNone && (len(e.Data) == 0 || f != engine.MySQL && f != engine.MariaDB):
		return byProof
	case e.Trace == TraceSome && e.CanComplete():
		return byCompletion
	case shown && e.Verdict != HalfApplied:
		return byWord
	default:
		return byNothing
	}
}

// repairs is the one repair that mends all of a list.
func repairs(f engine.Family, list []*Examined) Advice {
	a := Advice{Command: "mulligan repair", Problems: len(list), rank: repairRank}
	var rows, differences []string
	complete := false
	for _, e := range list {
		a.About = append(a.About, string(e.ID))
		switch e.mending(f) {
		case byCompletion:
			complete = true
		case byWord:
			if len(e.Data) == 0 && e.Trace != TraceNothing {
				differences = append(differences, string(e.ID))
			} else {
				rows = append(rows, string(e.ID))
			}
		case byProof, byNothing:
		}
	}
	if complete {
		a.Command += " --complete"
	}
	for _, id := range slices.Concat(rows, differences) {
		a.Command += " --assume " + shellWord(id)
	}
	var look []string
	if len(rows) > 0 {
		look = append(look, "look whether what "+strings.Join(rows, ", ")+" does to rows was done")
	}
	if len(differences) > 0 {
		look = append(look, "make sure that the differences of "+strings.Join(differences, ", ")+" do not matter")
	}
	if len(look) > 0 {
		a.Before = strings.Join(look, ", ") + ", then"
	}
	return a
}

// advice says what to do about a verdict.
func (e *Examined) advice(f engine.Family) Advice {
	if e.mending(f) != byNothing {
		return repairs(f, []*Examined{e})
	}
	switch e.Verdict {
	case Unprovable:
		return Advice{Before: "mend the replay first: it ended before this migration"}
	case Dirty:
		if e.Trace == TraceUnknown {
			return Advice{Before: "mend the replay first: it ended before this migration"}
		}
		if e.Trace == TraceNone {
			return Advice{Before: "look whether it changed rows, take that back, and delete its row from the ledger"}
		}
		return Advice{Before: "make what is missing by hand, or take away what is there, then look again"}
	case HalfApplied:
		return Advice{Before: "make what is missing by hand, or take away what is there, then look again"}
	case RecordedMissing:
		return Advice{Command: "mulligan rebuild", After: "or make by hand what is missing"}
	case FileMissing:
		return Advice{Before: "bring the file back, or its new name: what was applied cannot be replayed without it"}
	case Edited:
		return Advice{Before: "bring the file back as it was, and write a new migration for the change"}
	case OutOfOrder:
		return Advice{Command: "mulligan rebuild", After: "it replays the migration in its place; or give that a number above the others"}
	case Duplicate:
		return Advice{Before: "delete all but one of its rows from the ledger"}
	default:
		return Advice{}
	}
}

// Fix says what to do about a verdict, in one line.
func (e *Examined) Fix(f engine.Family) string { return e.advice(f).String() }

// shellWord quotes an argument that a shell would not take for one plain word.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("_-./:@+", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
