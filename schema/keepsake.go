package schema

import (
	"bytes"
	"encoding/json"
)

// Keepsake is something that belongs to a database besides its tables and their rows, and that often no migration makes:
// a grant, an owner, a comment, an extension, a publication. Kind and Name are those of the [Object] that shows it,
// where there is one. A manifest holds it, so that a restore on another server has it, too.
type Keepsake struct {
	Kind string          `json:"kind"`
	Name string          `json:"name"`
	Data json.RawMessage `json:"data,omitempty"` // what an adapter needs to give it again, in its own words
}

// Key is what a keepsake is known by, the same as [Object.Key].
func (k Keepsake) Key() string { return k.Kind + " " + k.Name }

// Lacking lists those of want that are otherwise in have, or not there.
func Lacking(want, have []Keepsake) []Keepsake {
	data := make(map[string]json.RawMessage, len(have))
	for _, k := range have {
		data[k.Key()] = k.Data
	}
	var list []Keepsake
	for _, k := range want {
		if found, ok := data[k.Key()]; !ok || !bytes.Equal(found, k.Data) {
			list = append(list, k)
		}
	}
	return list
}

// Covers gives a function that tells whether a change goes away when the keepsakes are given. An extension that the
// migrations make in another version or place does not: its members are what they asked for.
func Covers(list []Keepsake) func(Change) bool {
	keys := make(map[string]bool, len(list))
	for _, k := range list {
		keys[k.Key()] = true
	}
	return func(c Change) bool {
		return keys[c.Kind+" "+c.Name] && (c.Kind != KindExtension || c.Old == "" || c.New == "")
	}
}

// KindExtension is the object that stands for an extension of the server, whose members are no objects of the schema.
const KindExtension = "extension"
