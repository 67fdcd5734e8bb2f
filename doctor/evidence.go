package doctor

import (
	"maps"
	"slices"

	"mulligan/schema"
)

// version is a value that an object has had in the replay; an empty one means that it was not there.
type version struct {
	writer int // index of the unit; -1 = the base
	def    string
}

// vote says what one object tells of a unit that writes it.
type vote int

const (
	there   vote = iota // the live object is as this unit left it, or as a later one did
	missing             // it is as it was before
	other               // it is as no migration leaves it
	unclear             // it was so before, and is so again after
)

// evidence holds what the replay and the live schema say of every migration.
type evidence struct {
	base    state
	deltas  []delta
	live    state             // its objects under the replay's names, where only the names differ
	renamed map[string]string // keys in the replay → names in the live database, of those
	history map[string][]version
}

// gather lays deltas over a base, and a live schema beside them.
func gather(base state, deltas []delta, live state) *evidence {
	e := &evidence{base: base, deltas: deltas, history: map[string][]version{}}
	for _, d := range deltas {
		for _, c := range d.changes {
			key := keyOf(c)
			if e.history[key] == nil {
				e.history[key] = []version{{-1, base[key].Def}}
			}
			e.history[key] = append(e.history[key], version{d.unit, c.New})
		}
	}
	e.live, e.renamed = e.align(live)
	return e
}

func keyOf(c schema.Change) string { return schema.Object{Kind: c.Kind, Name: c.Name}.Key() }

// align gives live objects the names that the replay has for them, where the two differ in nothing else.
func (e *evidence) align(live state) (state, map[string]string) {
	aligned, renamed := maps.Clone(live), map[string]string{}
	wanted := map[string][]schema.Object{} // what the replay has and the live database lacks, by kind and parent
	note := func(key string, o schema.Object) {
		if _, ok := live[key]; !ok && o.Def != "" {
			wanted[schema.Siblings(o)] = append(wanted[schema.Siblings(o)], o)
		}
	}
	for key, o := range e.base {
		note(key, o)
	}
	for _, d := range e.deltas {
		for _, c := range d.changes {
			note(keyOf(c), schema.Object{Kind: c.Kind, Name: c.Name, Def: c.New})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(live)) {
		_, inBase := e.base[key]
		if _, inHistory := e.history[key]; inBase || inHistory {
			continue
		}
		o := live[key]
		for _, w := range wanted[schema.Siblings(o)] {
			if _, taken := aligned[w.Key()]; !taken && schema.SameButName(o, w) {
				delete(aligned, key)
				aligned[w.Key()], renamed[w.Key()] = w, o.Name
				break
			}
		}
	}
	return aligned, renamed
}

// vote asks one object about the unit that wrote it.
func (e *evidence) vote(key string, writer int) vote {
	versions, live := e.history[key], e.live[key].Def
	at := slices.IndexFunc(versions, func(v version) bool { return v.writer == writer })
	before, after := false, false
	for i, v := range versions {
		if v.def == live {
			before, after = before || i < at, after || i >= at
		}
	}
	switch {
	case before && after:
		return unclear
	case after:
		return there
	case before:
		return missing
	default:
		return other
	}
}

// testimony is what all objects of a unit tell together.
type testimony struct {
	there     []schema.Change
	missing   []schema.Change // Old is the live definition, New the migration's
	different []schema.Change // the same
	unclear   []schema.Change
}

func (t testimony) trace() Trace {
	switch {
	case len(t.there) > 0 && len(t.missing) > 0:
		return TraceSome
	case len(t.missing) > 0:
		return TraceNone
	case len(t.different) > 0:
		return TraceDifferent
	case len(t.there) > 0:
		return TraceAll
	default:
		return TraceNothing
	}
}

func (t testimony) mentions(key string) bool {
	is := func(c schema.Change) bool { return keyOf(c) == key }
	return slices.ContainsFunc(t.there, is) || slices.ContainsFunc(t.missing, is) || slices.ContainsFunc(t.different, is)
}

// hear asks every object that a unit writes.
func (e *evidence) hear(d delta) testimony {
	var t testimony
	for _, c := range d.changes {
		if c.Kind == schema.KindColumnOrder {
			continue
		}
		now := schema.Change{Kind: c.Kind, Name: c.Name, Old: e.live[keyOf(c)].Def, New: c.New}
		switch e.vote(keyOf(c), d.unit) {
		case there:
			t.there = append(t.there, c)
		case missing:
			t.missing = append(t.missing, now)
		case other:
			t.different = append(t.different, now)
		case unclear:
			t.unclear = append(t.unclear, c)
		}
	}
	return t
}

// clarify asks again the objects that are now as they were before a unit and after it, when the others have spoken: one
// that an earlier unit has made since, which is surely there, was taken away again.
func (e *evidence) clarify(heard []testimony) {
	for u := range heard {
		t := &heard[u]
		t.unclear = slices.DeleteFunc(t.unclear, func(c schema.Change) bool {
			passed := e.passed(keyOf(c), u, heard)
			if passed {
				t.there = append(t.there, c)
			}
			return passed
		})
	}
}

// passed tells whether each earlier version of an object that is like the live one was surely written over before a unit
// wrote it.
func (e *evidence) passed(key string, writer int, heard []testimony) bool {
	versions, live := e.history[key], e.live[key].Def
	at := slices.IndexFunc(versions, func(v version) bool { return v.writer == writer })
	over := true // some unit between here and there is surely in the schema
	for i := at - 1; i >= 0; i-- {
		if i < at-1 {
			over = over || heard[versions[i+1].writer].trace() == TraceAll
		} else {
			over = false
		}
		if versions[i].def == live && !over {
			return false
		}
	}
	return true
}

// predict composes the state that a set of units would make, from what each changed in the replay of all.
func (e *evidence) predict(in func(unit int) bool) state {
	st := maps.Clone(e.base)
	for _, d := range e.deltas {
		if !in(d.unit) {
			continue
		}
		for _, c := range d.changes {
			st.apply(c)
		}
	}
	return st
}

// lastWriter is the last unit of a set that wrote an object; false = none did.
func (e *evidence) lastWriter(key string, in func(unit int) bool) (unit int, ok bool) {
	for _, v := range slices.Backward(e.history[key]) {
		if v.writer >= 0 && in(v.writer) {
			return v.writer, true
		}
	}
	return 0, false
}
