package doctor

import (
	"context"
	"errors"
	"slices"
	"strings"

	"mulligan/engine"
	"mulligan/migration"
	"mulligan/schema"
)

// furnish answers a replay that failed. The migrations may need an extension that somebody made by hand and no migration
// makes: then another replay begins with it. An extension is made first only where it turns out so, for a migration
// that makes it itself would fail; which those are, no text is trusted to say, but the replay.
//
// First everything is tried that the live database has and the shadow had not when it failed. A migration that fails
// then, and has the name of one of them in its file, may be the one that makes it: that is left out again.
func (x *examiner) furnish(ctx context.Context) (again bool, err error) {
	if x.fault == nil || errors.Is(x.fault, errors.ErrUnsupported) || errors.Is(x.fault, ErrTimeout) {
		return false, nil
	}
	before := len(x.shadow.first)
	if !x.furnished {
		x.furnished = true
		x.shadow.first, err = x.lacking(ctx)
		return len(x.shadow.first) > 0, err
	}
	x.shadow.first = slices.DeleteFunc(slices.Clone(x.shadow.first), x.namedByFault)
	return len(x.shadow.first) < before, nil
}

// lacking lists the live database's extensions, and the schemas that hold them, which the shadow has not.
func (x *examiner) lacking(ctx context.Context) ([]schema.Keepsake, error) {
	var list []schema.Keepsake
	for _, k := range x.c.Keepsakes {
		if k.Kind == schema.KindExtension || k.Kind == "schema" {
			list = append(list, k)
		}
	}
	if _, ok := x.shadow.db.(engine.Keeper); !ok || len(list) == 0 {
		return nil, nil
	}
	now, err := x.shadow.inspect(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(k schema.Keepsake) bool {
		_, there := now[k.Key()]
		return there
	}), nil
}

func (x *examiner) namedByFault(k schema.Keepsake) bool {
	file, err := migration.ReadFile(x.fault.Path)
	if err != nil {
		return false // nobody knows what it makes
	}
	name, err := schema.ParseName(k.Name)
	return err == nil && strings.Contains(strings.ToLower(file.Text), strings.ToLower(name.Table))
}

// furnish gives the shadow what is to be there first. What the server cannot give the replay will miss.
func (s *shadow) furnish(ctx context.Context) error {
	if len(s.first) == 0 {
		return nil
	}
	_, err := s.db.(engine.Keeper).Keep(ctx, s.first)
	return err
}

// byHand takes out of a state what was made in the shadow first: no migration makes it.
func (x *examiner) byHand(st state) []schema.Object {
	return slices.DeleteFunc(st.objects(), func(o schema.Object) bool {
		return slices.ContainsFunc(x.shadow.first, func(k schema.Keepsake) bool { return k.Key() == o.Key() })
	})
}
