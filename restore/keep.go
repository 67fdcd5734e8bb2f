package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mulligan/engine"
	"mulligan/schema"
)

// keepProof is what keep saw.
type keepProof struct {
	Kept    int             `json:"kept"`              // owners, grants, comments and so on that are as the old database has them
	Left    []engine.Unkept `json:"left,omitempty"`    // what could not be given, or not wholly
	Renamed []string        `json:"renamed,omitempty"` // what is said of an index or a constraint that has another name now; the migrations say it there
}

// keep gives the new database what the old one has besides schema and rows, and no migration makes. It comes before the
// migrations that are still to run: they find the database as they would find the old one, so that what they grant or
// revoke stands, and their new tables get the default privileges.
func (b *Build) keep(ctx context.Context) error {
	p := &keepProof{}
	db, err := b.next(ctx)
	if err != nil {
		return err
	}
	if keeper, ok := db.(engine.Keeper); ok {
		list, err := b.toKeep(ctx, keeper, p)
		if err != nil {
			return err
		}
		rest, err := keeper.Keep(ctx, list)
		if err != nil {
			return err
		}
		p.Left = append(p.Left, rest...)
	}
	if err := b.acceptsUnkept(p.Left); err != nil {
		return err
	}
	b.kept = p
	return nil
}

// toKeep lists what is to be given; what is not, it notes. In the newest schema nobody can tell whether what is there otherwise
// was made by a migration that the old database has not seen: there the migrations are right.
func (b *Build) toKeep(ctx context.Context, keeper engine.Keeper, p *keepProof) ([]schema.Keepsake, error) {
	s, err := b.inspect(ctx)
	if err != nil {
		return nil, err
	}
	now, err := keeper.Keepsakes(ctx)
	if err != nil {
		return nil, err
	}
	_, cosmetic := schema.Split(schema.Diff(b.oldSchema().Objects, s.Without(b.isLedger).Objects))
	there, otherwise := keys(now), keys(schema.Lacking(b.manifest().Keepsakes, now))
	var list []schema.Keepsake
	for _, k := range b.manifest().Keepsakes {
		switch {
		case slices.ContainsFunc(cosmetic, func(c schema.Change) bool { return c.Kind == k.Kind && c.Old == k.Name }):
			p.Renamed = append(p.Renamed, k.Key())
		case b.Options.Newest && k.Kind != "owner" && there[k.Key()] && otherwise[k.Key()]:
			p.Left = append(p.Left, engine.Unkept{Kind: k.Kind, Name: k.Name, Why: "the migrations make it otherwise"})
		default:
			list = append(list, k)
		}
	}
	return list, nil
}

func keys(list []schema.Keepsake) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, k := range list {
		set[k.Key()] = true
	}
	return set
}

// acceptsUnkept refuses to lose what the server does not let us give, unless the user has accepted that.
func (b *Build) acceptsUnkept(left []engine.Unkept) error {
	if b.acceptsDrift() {
		return nil
	}
	var lines []string
	for _, u := range left {
		if u.Refused {
			lines = append(lines, u.String())
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return fmt.Errorf("%w, and the server does not let it be kept:\n  %s", ErrDrift, strings.Join(few(lines), "\n  "))
}

func (b *Build) checkKeep(ctx context.Context) (any, error) {
	if b.kept == nil {
		return nil, errors.New("what is to be kept was not given to its end")
	}
	db, err := b.next(ctx)
	if err != nil {
		return nil, err
	}
	p := keepProof{Left: b.kept.Left, Renamed: b.kept.Renamed}
	keeper, ok := db.(engine.Keeper)
	if !ok {
		return p, nil
	}
	now, err := keeper.Keepsakes(ctx)
	if err != nil {
		return nil, err
	}
	told := map[string]bool{}
	for _, u := range p.Left {
		told[u.Kind+" "+u.Name] = true
	}
	for _, key := range p.Renamed {
		told[key] = true
	}
	all := b.manifest().Keepsakes
	for _, k := range schema.Lacking(all, now) {
		if !told[k.Key()] {
			return nil, fmt.Errorf("%s is not as the old database has it", k.Key())
		}
	}
	for _, k := range all {
		if !told[k.Key()] {
			p.Kept++
		}
	}
	return p, nil
}

func (b *Build) keepKeep(data json.RawMessage) error {
	b.kept = &keepProof{}
	return json.Unmarshal(data, b.kept)
}

// furnish gives the new, empty database what its migrations need and do not make: extensions, as the doctor found out.
func (b *Build) furnish(ctx context.Context) error {
	list := b.first()
	if len(list) == 0 {
		return nil
	}
	db, err := b.next(ctx)
	if err != nil {
		return err
	}
	rest, err := db.(engine.Keeper).Keep(ctx, list)
	if err == nil && len(rest) > 0 {
		err = errors.New(rest[0].String())
	}
	if err != nil {
		return fmt.Errorf("make in database %s what the migrations need: %w", b.Next, err)
	}
	return nil
}

func (b *Build) furnished(ctx context.Context, db engine.DB) error {
	list := b.first()
	if len(list) == 0 {
		return nil
	}
	now, err := db.(engine.Keeper).Keepsakes(ctx)
	if err != nil {
		return err
	}
	if lacking := schema.Lacking(list, now); len(lacking) > 0 {
		return fmt.Errorf("database %s lacks %s, which the migrations need", b.Next, lacking[0].Key())
	}
	return nil
}

func (b *Build) first() []schema.Keepsake {
	var list []schema.Keepsake
	for _, k := range b.manifest().Keepsakes {
		if slices.Contains(b.First, k.Key()) {
			list = append(list, k)
		}
	}
	return list
}
