package faults

import (
	"strings"
	"time"
)

// recover ends what a fault has left: by a resume, an undo, or one after the other. They may be killed in their turn.
func (x *trial) recover(strategy string) outcome {
	for kills := 0; kills < 2 && x.random.IntN(10) < 3; kills++ {
		args, limit := []string{"resume"}, x.bench.took
		if x.random.IntN(2) == 0 {
			args, limit = []string{"undo", "--yes"}, x.bench.back
		}
		c := x.site.start(x.t, args...)
		stop := time.AfterFunc(time.Duration(x.random.Int64N(int64(limit+limit/2))), c.kill)
		x.site.wait(c)
		stop.Stop()
		if c.code == -1 {
			made.table.killed()
		}
		x.stopped("in-place") // the stage in the journal may be one that is done again
	}
	o := refused
	choice := x.random.IntN(10)
	if choice < 7 {
		o = x.resume()
	}
	if choice >= 5 && len(x.problems) == 0 {
		o = x.undo()
	}
	return o
}

// resume goes on until the run has come to its end.
func (x *trial) resume() outcome {
	c := x.patiently("resume")
	switch {
	case c.code == 0:
		x.proved()
		return resumed
	case c.code == 2:
		return x.nothingToDo(c)
	case c.code == 3 && undoing(x.site.journal()): // an undo that was killed is ended by an undo, and by nothing else
		return x.undo()
	}
	x.violation("resume: exit code %d", c.code)
	return refused
}

// undo takes the run back.
func (x *trial) undo() outcome {
	c := x.patiently("undo", "--yes")
	switch {
	case c.code == 0:
		x.undone()
		return undone
	case c.code == 2:
		return x.nothingToDo(c)
	}
	x.violation("undo: exit code %d", c.code)
	return refused
}

// nothingToDo checks a command that says that there is no run for it: there never was one, or it has ended.
func (x *trial) nothingToDo(c *command) outcome {
	list := entries(x.site.journal())
	switch {
	case len(list) == 0:
		x.asItWas()
		return refused
	case list[len(list)-1].Kind != "end":
		x.violation("exit code 2 though a run is there to go on with")
		return refused
	case list[len(list)-1].Stage == "undo":
		x.undone()
		return undone
	}
	x.proved()
	return proved
}

// patiently runs a command again while the server still works for the process that was killed: it learns of the
// death of a client when it has something to say to it.
func (x *trial) patiently(args ...string) *command {
	end := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		c := x.site.run(x.t, args...)
		busy := c.code == 11 || c.code == 4 && strings.Contains(c.out.String(), "in use")
		if !busy || time.Now().After(end) {
			return c
		}
		x.asItStood(c)
		<-tick.C
	}
}

// asItStood checks that a command which was only too early has lost nothing.
func (x *trial) asItStood(*command) { x.look() }

// undoing tells a run whose undo was begun and has not come to its end.
func undoing(journal string) bool {
	begun := false
	for _, e := range entries(journal) {
		begun = (begun || e.Kind == "start" && e.Stage == "undo") && !(e.Kind == "end" && e.Stage == "undo")
	}
	return begun
}
