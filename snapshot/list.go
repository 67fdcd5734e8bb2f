package snapshot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"mulligan/store"
)

// Entry is one snapshot in a list.
type Entry struct {
	Target string
	ID     ID
	// The rest is of the manifest, and zero where Err is not nil.
	Engine   string
	Database string
	Started  time.Time
	Finished time.Time
	Tables   int
	Rows     int64
	RawBytes int64  // rows before compression
	Stored   int64  // bytes of all chunks in the store
	Position string // last migration that the ledger calls applied; empty = none
	Err      error  // why the manifest cannot be read: [ErrCorrupt], [ErrNewer] or the store's; nil = it was read
}

// List reads the manifests of all snapshots of a target, or of all targets where target is empty; the
// newest comes last. One whose manifest cannot be read is in the list with the reason; one without a
// manifest is no snapshot ([Incomplete]). No snapshots is an empty list.
func List(ctx context.Context, s store.Store, target string) ([]Entry, error) {
	places, err := scan(ctx, s, target, true)
	if err != nil {
		return nil, err
	}
	list := make([]Entry, 0, len(places))
	for _, p := range places {
		m, err := open(ctx, s, p.Target, p.ID)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("list snapshots: %w", ctx.Err())
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted meanwhile
		}
		list = append(list, entry(p, m, err))
	}
	return list, nil
}

func entry(p Place, m *Manifest, err error) Entry {
	if err != nil {
		return Entry{Target: p.Target, ID: p.ID, Err: fmt.Errorf("snapshot %s of %s: %w", p.ID, p.Target, err)}
	}
	position := ""
	if m.Ledger != nil {
		position = m.Ledger.Recorded
	}
	return Entry{
		Target: p.Target, ID: p.ID, Engine: m.Engine, Database: m.Database.Name, Position: position,
		Started: m.Started, Finished: m.Finished, Tables: len(m.Tables),
		Rows: m.Rows(), RawBytes: m.Bytes(), Stored: m.StoredBytes(),
	}
}

// Place is where a snapshot is, or would be: its blobs without a look into them.
type Place struct {
	Target   string
	ID       ID
	Stored   int64     // bytes of all its blobs
	Modified time.Time // of its newest blob
}

// Incomplete lists what is left of snapshots that have no manifest: unfinished, or being written
// right now by somebody else, which only the age of Modified can tell. The newest comes last.
func Incomplete(ctx context.Context, s store.Store, target string) ([]Place, error) {
	return scan(ctx, s, target, false)
}

// scan finds the places of a target's blobs, or of all targets', with or without a manifest, the newest last.
func scan(ctx context.Context, s store.Store, target string, complete bool) ([]Place, error) {
	prefix := ""
	if target != "" {
		if err := checkTarget(target); err != nil {
			return nil, fmt.Errorf("list snapshots: %w", err)
		}
		prefix = target + "/"
	}
	found := make(map[string]*Place)
	whole := make(map[string]bool)
	for info, err := range s.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("list snapshots: %w", err)
		}
		parts := strings.SplitN(info.Name, "/", 3)
		if len(parts) < 3 || checkPlace(parts[0], ID(parts[1])) != nil {
			continue // not ours
		}
		key := parts[0] + "/" + parts[1]
		p := found[key]
		if p == nil {
			p = &Place{Target: parts[0], ID: ID(parts[1])}
			found[key] = p
		}
		p.Stored += info.Size
		if info.Modified.After(p.Modified) {
			p.Modified = info.Modified
		}
		whole[key] = whole[key] || parts[2] == manifestName
	}
	var places []Place
	for key, p := range found {
		if whole[key] == complete {
			places = append(places, *p)
		}
	}
	slices.SortFunc(places, func(a, b Place) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Target, b.Target))
	})
	return places, nil
}

// Resolve finds the snapshot that a user means: "latest", a whole ID, or the beginning of one ID.
// The latest is the newest one that was finished, readable or not: an older one is never taken in its
// place. Errors: fs.ErrNotExist where nothing fits, fs.ErrInvalid where several do.
func Resolve(ctx context.Context, s store.Store, target, text string) (ID, error) {
	if err := checkTarget(target); err != nil {
		return "", err
	}
	places, err := scan(ctx, s, target, true)
	if err != nil {
		return "", err
	}
	if text == "latest" && len(places) > 0 {
		return places[len(places)-1].ID, nil
	}
	var fit []string
	for _, p := range places {
		if text != "" && strings.HasPrefix(string(p.ID), text) {
			fit = append(fit, string(p.ID))
		}
	}
	switch len(fit) {
	case 0:
		return "", fmt.Errorf("snapshot %q of %s: %w", text, target, fs.ErrNotExist)
	case 1:
		return ID(fit[0]), nil
	default:
		return "", fmt.Errorf("snapshot %q of %s may be %s: %w", text, target, strings.Join(fit, " or "), fs.ErrInvalid)
	}
}

// Remove deletes a snapshot, or what is left of one: the manifest first, so that nothing half-deleted
// is ever listed. One that is not there is nil.
func Remove(ctx context.Context, s store.Store, target string, id ID) error {
	if err := checkPlace(target, id); err != nil {
		return fmt.Errorf("remove snapshot: %w", err)
	}
	names := []string{folder(target, id) + manifestName}
	for info, err := range s.List(ctx, folder(target, id)) {
		if err != nil {
			return fmt.Errorf("remove snapshot %s of %s: %w", id, target, err)
		}
		names = append(names, info.Name)
	}
	for _, name := range names {
		if err := s.Delete(ctx, name); err != nil {
			return fmt.Errorf("remove snapshot %s of %s: %w", id, target, err)
		}
	}
	return nil
}
