package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"mulligan/engine"
	"mulligan/schema"
)

var _ engine.Forecaster = (*server)(nil)

// Forecast implements [engine.Forecaster]: which roles are there, which of them may be made owners, and which versions of
// extensions are installed.
func (s *server) Forecast(ctx context.Context, list []schema.Keepsake) ([]engine.Unkept, error) {
	f := &forecast{}
	var err error
	if f.roles, err = s.set(ctx, "SELECT rolname::text FROM pg_catalog.pg_roles"); err == nil {
		f.member, err = s.set(ctx, "SELECT rolname::text FROM pg_catalog.pg_roles WHERE pg_catalog.pg_has_role(oid, 'MEMBER')")
	}
	if err == nil {
		f.versions, err = s.set(ctx, "SELECT name || ' ' || version FROM pg_catalog.pg_available_extension_versions")
	}
	for _, k := range list {
		if err == nil {
			err = f.judge(k)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("look what the server can keep: %w", mapped(ctx, err))
	}
	return f.list, nil
}

func (s *server) set(ctx context.Context, query string) (map[string]bool, error) {
	texts, err := s.texts(ctx, query)
	set := make(map[string]bool, len(texts))
	for _, t := range texts {
		set[t] = true
	}
	return set, err
}

type forecast struct {
	roles, member, versions map[string]bool
	list                    []engine.Unkept
}

// databaseOwner is a role whose one member is the owner of the database that one is in.
const databaseOwner = "pg_database_owner"

func (f *forecast) judge(k schema.Keepsake) error {
	var d keepsake
	if err := json.Unmarshal(k.Data, &d); err != nil {
		return fmt.Errorf("read what is to be kept of %s: %w", k.Key(), err)
	}
	leave := func(why string, refused bool) {
		f.list = append(f.list, engine.Unkept{Kind: k.Kind, Name: k.Name, Why: why, Refused: refused})
	}
	switch {
	case d.Why != "":
		leave(d.Why, false)
	case k.Kind == kindExtension && !f.versions[partName(k.Name)+" "+d.Version]:
		leave("version "+d.Version+" of it is not installed on this server", true)
	case (k.Kind == kindOwner || k.Kind == kindDefault || k.Kind == kindPublication) && !f.roles[d.Role]:
		leave(noRole(d.Role), false)
	case (k.Kind == kindOwner || k.Kind == kindDefault) && d.Role != databaseOwner && !f.member[d.Role]:
		leave("who runs this is not a member of role "+ident(d.Role), true)
	}
	for _, a := range d.Access {
		if a.To != "" && !f.roles[a.To] {
			leave(noRole(a.To), false)
		}
	}
	return nil
}
