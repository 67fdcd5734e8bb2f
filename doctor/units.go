package doctor

import (
	"math"
	"slices"

	"mulligan/migration"
	"mulligan/schema"
)

// unit is a run of migrations, files[from:to], after which the shadow is inspected. An inspection of a large schema
// costs more than most migrations do, so what can be judged together is: a unit of which everything is there, or
// nothing, needs no closer look.
type unit struct{ from, to int }

func (u unit) size() int { return u.to - u.from }

// fine is the size from which on a unit is split into parts and not into single migrations.
const fine = 16

// firstUnits are what the ledger calls applied from the beginning, as one, and what is left.
func (x *examiner) firstUnits() []unit {
	n := x.recordedPrefix()
	var list []unit
	if n > 0 {
		list = append(list, unit{0, n})
	}
	return append(list, x.split(unit{n, len(x.c.Files)})...)
}

// recordedPrefix counts the migrations at the beginning of the files that the ledger calls applied.
func (x *examiner) recordedPrefix() int {
	for i, s := range migration.Compare(x.c.Files, x.c.Records) {
		if s.Verdict != migration.VerdictApplied {
			return i
		}
	}
	return len(x.c.Files)
}

// split cuts a unit into about as many parts as each has migrations, or into single ones. Where the runner cannot tell what
// it sent, only single ones can be judged.
func (x *examiner) split(u unit) []unit {
	stride := 1
	if _, ok := x.c.Tool.Runner.(migration.Stepper); ok && u.size() > fine {
		stride = int(math.Ceil(math.Sqrt(float64(u.size()))))
	}
	var list []unit
	for from := u.from; from < u.to; from += stride {
		list = append(list, unit{from, min(from+stride, u.to)})
	}
	return list
}

// refine splits the units that need a closer look: those that are there in part, those with an object that differs,
// and the one in which the replay ended. As many as there were = no unit does.
func (x *examiner) refine() []unit {
	if x.fault != nil && x.fault.Migration == "" {
		return x.units // nothing was played, or it cannot be said what
	}
	real, _ := x.compare()
	var list []unit
	for u, part := range x.units {
		if part.size() > 1 && x.needsSplit(u, real) {
			list = append(list, x.split(part)...)
		} else {
			list = append(list, part)
		}
	}
	return list
}

func (x *examiner) needsSplit(u int, real []schema.Change) bool {
	if !x.seen[u] {
		part := x.units[u]
		return slices.ContainsFunc(x.c.Files[part.from:part.to], func(m migration.Migration) bool {
			return x.fault != nil && m.ID == x.fault.Migration
		})
	}
	switch t := x.heard[u]; t.trace() {
	case TraceSome, TraceDifferent:
		return true
	case TraceNone:
		return x.units[u].to <= x.recordedPrefix() // what each recorded one lacks is to be told
	case TraceAll:
		return slices.ContainsFunc(real, func(c schema.Change) bool { return t.mentions(keyOf(c)) })
	default:
		return false
	}
}

// unitOf is the index of a migration's unit.
func (x *examiner) unitOf(i int) int {
	return slices.IndexFunc(x.units, func(u unit) bool { return u.from <= i && i < u.to })
}

// has tells whether the schema is taken to have a unit: a migration of it that shows.
func (x *examiner) has(u int) bool {
	part := x.units[u]
	for i := part.from; i < part.to; i++ {
		if x.in[i] && (part.size() == 1 || x.trace(i) != TraceNothing) {
			return true
		}
	}
	return false
}

// onlyMovesData tells whether all that was sent for a migration touches rows.
func (x *examiner) onlyMovesData(i int) bool {
	sent := x.sent[i]
	return len(sent) > 0 && len(migration.MovesData(x.c.Place.Server.Traits().Family, sent)) == len(sent)
}
