// Package snapshot is the snapshot format, version 1: it writes and reads immutable, verified
// copies of tables in a [store.Store].
//
// To write one: [Create] a [Writer], give each run of rows to [Writer.Chunk] from as many goroutines
// as you like, fill in a [Manifest] with the chunks that came back, and [Writer.Commit] it. The
// manifest is written last: until it is there, [List] and [Open] know of no snapshot.
//
// To read one: [Open] gives a [Reader]; [Reader.Rows] streams a chunk's lines and ends in io.EOF only
// where every size, sum, count and digest is right; [Reader.Verify] does so for all of them and makes
// the [Verified] that dangerous steps ask for.
//
// The package knows lines, not cells: the engines write and read those. It never changes a blob.
//
// Snapshots of this major version are read for ever; a newer major version is refused with
// [ErrNewer]; whatever a newer minor version adds is ignored. A flipped bit, a cut, a missing or a
// swapped blob is [ErrCorrupt]. The normative text of the format is docs/format.md.
package snapshot

import "errors"

// The errors that callers branch on. A snapshot that is not there is fs.ErrNotExist, one that is
// there already fs.ErrExist.
var (
	ErrCorrupt = errors.New("snapshot is damaged")
	ErrNewer   = errors.New("snapshot has a newer format than this program reads")
)

// The version of the format that this package writes.
const (
	Major = 1 // one that a program does not know is refused
	Minor = 0 // only adds what an older program may ignore
)
