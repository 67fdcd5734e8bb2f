// Package lock says who holds a lock, proves that a holder is gone, and locks files.
//
// A [Holder] is one process at one moment. Whoever takes a lock leaves the holder's [Holder.Text] where the next
// one can read it: in the locked file, or in the session that holds a server's lock. The text is no lock, and may be
// one that a dead process left. That the process is gone is proved, never guessed from an age: see [Holder.Gone].
package lock

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

// textLimit is the length of a [Holder.Text], in bytes, that no holder exceeds: PostgreSQL shows 1023 of a statement.
const textLimit = 400

// wordLimit cuts what comes from outside: the longest host name of Linux has 64 bytes.
const wordLimit = 64

// Holder is a process that holds a lock. The zero Holder is one of which nothing is known.
type Holder struct {
	Command string    `json:"command"`       // of mulligan's, "rebuild"
	Run     string    `json:"run,omitempty"` // its id; empty = the command has none
	Host    string    `json:"host"`
	Machine string    `json:"machine,omitempty"` // where numbers and starts of processes mean the same: one boot, one container; empty = not known
	PID     int       `json:"pid"`
	Start   string    `json:"start,omitempty"` // of the process, as its machine counts; empty = not known
	Since   time.Time `json:"since"`           // by the holder's clock
}

// This is the holder that this process is from now on.
func This(command, run string) Holder {
	name, _ := os.Hostname() // without one the host is "", and nothing is proved of it
	pid := os.Getpid()
	start, _ := look(pid)
	return Holder{
		Command: word(command), Run: word(run), Host: word(name), Machine: machine(), PID: pid, Start: start,
		Since: time.Now().UTC().Truncate(time.Second),
	}
}

// word is a text that can stand in an SQL comment, and in a session whose character set nobody knows.
func word(text string) string {
	plain := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || r == '*' {
			return '?'
		}
		return r
	}, text)
	return plain[:min(len(plain), wordLimit)]
}

// Text is the holder in one line of printable ASCII without an asterisk. [Parse] reads it.
func (h Holder) Text() string {
	data, _ := json.Marshal(h) // texts, a number and a time
	return string(data)
}

// Parse reads a [Holder.Text]. One that is not whole, or that says nothing of a process, is false.
func Parse(text string) (h Holder, ok bool) {
	if len(text) > textLimit || json.Unmarshal([]byte(text), &h) != nil || h.PID <= 0 {
		return Holder{}, false
	}
	h.Command, h.Run, h.Host = word(h.Command), word(h.Run), word(h.Host)
	return h, true
}

// String is the holder for people: "mulligan rebuild (run X) on host Y, process 123, since 2026-11-22 21:55:00 UTC".
func (h Holder) String() string {
	if h.PID == 0 {
		return "another run"
	}
	run := ""
	if h.Run != "" {
		run = " (run " + h.Run + ")"
	}
	return fmt.Sprintf("mulligan %s%s on host %s, process %d, since %s UTC", h.Command, run, h.Host, h.PID, h.Since.UTC().Format(time.DateTime))
}

// Here tells whether the holder is on this machine, in a place whose processes can be looked at from here.
func (h Holder) Here() bool {
	name, err := os.Hostname()
	return err == nil && h.Host == word(name) && h.Machine != "" && h.Machine == machine()
}

// Gone tells whether it is proved that the holder's process has ended: it was on this very machine, since its last
// boot, and its number is free or another's now. Of a process elsewhere nothing is ever proved.
func (h Holder) Gone() bool {
	if h.PID <= 0 || h.Start == "" || !h.Here() {
		return false
	}
	start, alive := look(h.PID)
	return !alive || start != "" && start != h.Start
}
