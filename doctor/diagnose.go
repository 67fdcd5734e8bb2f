package doctor

import (
	"fmt"
	"slices"
	"strings"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// The two sides of a difference, as people read them.
const (
	replaySide = "the replay"
	liveSide   = "the live database"
)

// diagnose makes the document of what was replayed and compared. It asks nobody.
func (x *examiner) diagnose() *Diagnosis {
	c := x.c
	traits := c.Place.Server.Traits()
	d := &Diagnosis{
		Format: Format, Engine: traits.Family, Version: c.Version, Database: c.Database, Tool: c.Tool.Name,
		Ledger: c.Tool.Ledger.Table().String(), Replay: x.fault, Recorded: migration.Position(c.Files, c.Records),
		records: c.Records,
	}
	if c.Version != "" && c.Version != traits.Version {
		d.Warnings = append(d.Warnings, fmt.Sprintf("the shadow server is %s %s and the live one %s: definitions may read differently where nothing differs",
			traits.Family, traits.Version, c.Version))
	}
	real, cosmetic := x.compare()
	d.Match = x.match(real, cosmetic)
	x.migrations(d, real)
	x.drift(d, real, cosmetic)
	if x.fault == nil {
		for _, k := range x.shadow.first {
			d.First = append(d.First, k.Key())
		}
	}
	x.accessDrift(d)
	d.Effective = x.effective(d)
	d.Warnings = append(d.Warnings, x.warnings...)
	d.findings()
	return d
}

// match says how the target and the live schema compare.
func (x *examiner) match(real, cosmetic []schema.Change) Match {
	switch {
	case x.fault != nil && len(real) > 0, x.evidence.base == nil:
		return Unknown
	case len(real) > 0:
		return Differs
	case len(cosmetic) > 0 || len(x.evidence.renamed) > 0:
		return Near
	default:
		return Equal
	}
}

// around collects what the verdicts depend on.
func (x *examiner) around(exact bool) []surroundings {
	ledger := x.standings()
	list := make([]surroundings, len(x.c.Files))
	later, unrecorded := false, false
	for i := range list {
		shown := x.shown(i)
		unrecorded = unrecorded || shown && !ledger[i].recorded && !ledger[i].failed
	}
	beyond := false
	for i := range list {
		list[i].beyond = beyond
		switch x.trace(i) {
		case TraceNone, TraceSome:
			beyond = beyond || !ledger[i].recorded
		case TraceAll, TraceDifferent, TraceBootstrap:
			beyond = false
		case TraceNothing, TraceUnknown:
		}
	}
	for i := len(list) - 1; i >= 0; i-- {
		list[i] = surroundings{beyond: list[i].beyond, later: later, unrecorded: unrecorded, exact: x.fault != nil && exact, late: x.c.Tool.Late, tool: x.c.Tool.Name}
		later = later || x.shown(i)
	}
	return list
}

// shown tells whether the schema shows that a migration ran, be it in part.
func (x *examiner) shown(i int) bool {
	switch x.trace(i) {
	case TraceAll, TraceDifferent, TraceSome, TraceBootstrap:
		return true
	default:
		return false
	}
}

// migrations judges each file, and lists records without one.
func (x *examiner) migrations(d *Diagnosis, real []schema.Change) {
	ledger, around := x.standings(), x.around(len(real) == 0)
	for i, m := range x.c.Files {
		e := Examined{Migration: m, Recorded: ledger[i].recorded, Implied: ledger[i].implied, Records: ledger[i].records, Trace: x.trace(i)}
		e.Data = x.data(i)
		e.Verdict, e.Why = judge(e.Trace, ledger[i], len(e.Data) > 0, around[i])
		x.describe(&e, i)
		e.Proved = x.proves(i, e.Trace, real)
		if e.Trace == TraceSome {
			x.complete(&e, i)
		}
		d.Migrations = append(d.Migrations, e)
	}
	for _, s := range migration.Compare(x.c.Files, x.c.Records)[len(x.c.Files):] {
		if s.Migration.ID == "" {
			d.orphans = append(d.orphans, s) // rows that name nothing
			continue
		}
		if slices.ContainsFunc(s.Records, func(r migration.Record) bool { return r.State != migration.RolledBack }) {
			d.Migrations = append(d.Migrations, Examined{
				Migration: s.Migration, Verdict: FileMissing, Recorded: true, Records: s.Records, Trace: TraceUnknown,
				Why: "the ledger has a record of it, and no file of that name is on disk" + x.perhaps(s.Migration.ID, d),
			})
		}
	}
}

// perhaps names the file that a record without one may have been, before it was renamed.
func (x *examiner) perhaps(id migration.ID, d *Diagnosis) string {
	hash := x.c.Known[id]
	for _, e := range d.Migrations {
		if e.Verdict != Unrecorded && e.Verdict != Unprovable && e.Verdict != Pending {
			continue
		}
		if hash != "" && e.Hash == hash {
			return "; migration " + string(e.ID) + " has the very content that it had: it was renamed"
		}
		if title := titleOf(id); title != "" && title == strings.ToLower(strings.ReplaceAll(e.Title, " ", "")) && e.Verdict == Unrecorded {
			return "; migration " + string(e.ID) + " has the same title: it was perhaps renamed"
		}
	}
	return ""
}

// titleOf is the readable part of an identity, without digits and signs, in lower case.
func titleOf(id migration.ID) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= 0x80 {
			return r
		}
		return -1
	}, strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(string(id), ".js"), ".ts"), ".sql")))
}

// describe lists what the schema shows of a migration.
func (x *examiner) describe(e *Examined, i int) {
	u := x.unitOf(i)
	if x.units[u].size() > 1 {
		return // what several made together is no evidence of one
	}
	t := x.heard[u]
	for _, c := range t.there {
		if c.New == "" {
			e.There = append(e.There, "no "+keyOf(c)) // it takes that away
		} else {
			e.There = append(e.There, keyOf(c))
		}
	}
	e.Missing, e.Different = x.differences(t.missing, e.ID), x.differences(t.different, e.ID)
}

// differences turns what is wanted (New) beside what is there (Old) into differences, whose Old is the replay's.
func (x *examiner) differences(changes []schema.Change, from migration.ID) []Difference {
	var list []Difference
	for _, c := range changes {
		list = append(list, difference(schema.Change{Kind: c.Kind, Name: c.Name, Old: c.New, New: c.Old}, from))
	}
	return list
}

func difference(c schema.Change, from migration.ID) Difference {
	return Difference{Change: c, Text: schema.Explain(c, replaySide, liveSide), From: from}
}

// proves tells whether the live schema has exactly what a migration makes: it is there, the schema that holds it was
// replayed, and none of its objects is among those that differ.
func (x *examiner) proves(i int, t Trace, real []schema.Change) bool {
	if !x.proven || !x.in[i] {
		return false
	}
	switch t {
	case TraceBootstrap:
		return len(real) == 0
	case TraceAll, TraceNothing:
		return !slices.ContainsFunc(x.changesOf(i), func(c schema.Change) bool {
			return slices.ContainsFunc(real, func(r schema.Change) bool { return keyOf(r) == keyOf(c) })
		})
	default:
		return false
	}
}

// changesOf is what the unit of a migration changes.
func (x *examiner) changesOf(i int) []schema.Change {
	u := x.unitOf(i)
	for _, d := range x.evidence.deltas {
		if d.unit == u {
			return d.changes
		}
	}
	return nil
}

// data lists what a migration does to rows: from what was sent for it, else from the signs in its file.
func (x *examiner) data(i int) []DataStatement {
	var list []DataStatement
	if x.sent != nil && x.sent[i] != nil {
		for _, st := range migration.MovesData(x.c.Place.Server.Traits().Family, x.sent[i]) {
			list = append(list, DataStatement{Line: st.Line, Text: migration.Cut(st.Text)})
		}
		return list
	}
	m := x.c.Files[i]
	if m.Path == "" {
		return []DataStatement{{Text: "its file is not known, so nobody can tell what it does to rows"}}
	}
	file, err := migration.ReadFile(m.Path)
	if err != nil {
		return []DataStatement{{Text: "its file cannot be read any more: " + err.Error()}}
	}
	lines := strings.Split(file.Text, "\n")
	for _, n := range migration.DataInCode(file.Text) {
		list = append(list, DataStatement{Line: n, Text: migration.Cut(lines[n-1])})
	}
	return list
}

// complete finds the statements that a half-applied migration still lacks, where a server can write them.
func (x *examiner) complete(e *Examined, i int) {
	completer, ok := x.c.Place.Server.(engine.Completer)
	if !ok {
		return
	}
	var changes []schema.Change
	for _, c := range x.changesOf(i) {
		now := x.evidence.live[keyOf(c)].Def
		if now != c.New {
			changes = append(changes, schema.Change{Kind: c.Kind, Name: c.Name, Old: now, New: c.New})
		}
	}
	list, err := completer.Complete(changes)
	if err != nil { // what is missing is listed all the same
		x.warnings = append(x.warnings, fmt.Sprintf("what migration %s lacks cannot be written as statements: %v", e.ID, err))
		return
	}
	for _, s := range list {
		e.Complete = append(e.Complete, Completion{SQL: s.SQL, Adds: s.Adds})
	}
}

// drift lists the differences that no half-applied migration explains, each with the migration that makes it.
func (x *examiner) drift(d *Diagnosis, real, cosmetic []schema.Change) {
	for _, c := range real {
		if x.half(c) {
			continue
		}
		from := migration.ID("")
		if u, ok := x.evidence.lastWriter(keyOf(c), x.has); ok {
			from = x.c.Files[x.units[u].to-1].ID // a unit of several that wrote it was split
		}
		if d.Match == Unknown && from == "" {
			continue // what was not replayed may make it
		}
		diff := difference(c, from)
		if from == "" && c.Old != "" {
			diff.Text += " (the bootstrap makes it)"
		}
		d.Drift = append(d.Drift, diff)
	}
	for _, c := range cosmetic {
		d.Cosmetic = append(d.Cosmetic, difference(c, ""))
	}
	for key, name := range x.evidence.renamed {
		o := x.evidence.live[key]
		d.Cosmetic = append(d.Cosmetic, Difference{
			Change: schema.Change{Kind: o.Kind, Name: o.Name, Old: o.Name, New: name},
			Text:   fmt.Sprintf("%s %s: called %s in %s", o.Kind, o.Name, name, liveSide),
		})
	}
	slices.SortFunc(d.Cosmetic, func(a, b Difference) int { return strings.Compare(keyOf(a.Change), keyOf(b.Change)) })
}

// half tells whether a difference is told already, by a migration that is there in part.
func (x *examiner) half(c schema.Change) bool {
	return slices.ContainsFunc(x.heard, func(t testimony) bool { return t.trace() == TraceSome && t.mentions(keyOf(c)) })
}

// accessDrift lists owners and grants that differ. They do not count: the replay is somebody else's work.
func (x *examiner) accessDrift(d *Diagnosis) {
	if x.shadow.access == nil {
		return
	}
	_, live := x.c.split(x.c.Live)
	for _, c := range schema.Diff(x.shadow.access, live) {
		if c.New != "" && (c.Kind != "owner" || c.Old != "") { // what the replay has not at all is told elsewhere
			d.Access = append(d.Access, difference(c, ""))
		}
	}
}

// effective is the last migration that the schema shows, and what follows it without a trace and is recorded.
func (x *examiner) effective(d *Diagnosis) migration.ID {
	at := -1
	for i := range x.c.Files {
		if x.in[i] && x.trace(i) != TraceNothing {
			at = i
		}
	}
	for i := at + 1; i < len(x.c.Files) && x.trace(i) == TraceNothing && d.Migrations[i].Recorded; i++ {
		at = i
	}
	if at < 0 {
		return ""
	}
	return x.c.Files[at].ID
}
