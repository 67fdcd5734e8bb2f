package postgres

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"mulligan/engine"
	"mulligan/schema"
)

//go:embed keep.sql
var keepQuery string

// The kinds of [schema.Keepsake] that can be given. They are those of the objects that Inspect lists, and so are the names.
const (
	kindSchema      = "schema" // only one that an extension lives in
	kindExtension   = "extension"
	kindOwner       = "owner"
	kindGrant       = "grant"
	kindDefault     = "default grant"
	kindComment     = "comment"
	kindPublication = "publication"
)

// keepsake is the data of a [schema.Keepsake].
type keepsake struct {
	On      string   `json:"on,omitempty"`      // what it is said of, in SQL; of a default grant "TABLES" and its kin
	Column  string   `json:"column,omitempty"`  // in SQL; empty = the whole
	Role    string   `json:"role,omitempty"`    // the owner of what it is said of; of a default grant who makes what it is said of
	Schema  string   `json:"schema,omitempty"`  // of an extension and of a default grant, in SQL; of a schema its name
	Version string   `json:"version,omitempty"` // of an extension
	Text    string   `json:"text,omitempty"`    // of a comment
	Access  []access `json:"access,omitempty"`
	Open    bool     `json:"open,omitempty"`    // everyone has access where there is no such default grant
	All     bool     `json:"all,omitempty"`     // a publication of all tables
	With    string   `json:"with,omitempty"`    // the publication's options, in SQL
	Members []string `json:"members,omitempty"` // the publication's tables and schemas, in SQL
	Why     string   `json:"why,omitempty"`     // it cannot be given; why
}

// access is what one role may do. Who granted it is not kept: in the new database it is always the owner.
type access struct {
	To   string   `json:"to"` // a role; empty = everyone
	May  []string `json:"may"`
	Pass bool     `json:"pass,omitempty"` // with grant option
}

// found is one keepsake of a database.
type found struct {
	schema.Keepsake
	untouched bool
	data      keepsake
}

var _ engine.Keeper = (*database)(nil)

// Keepsakes implements [engine.Keeper].
func (d *database) Keepsakes(ctx context.Context) ([]schema.Keepsake, error) {
	var list []schema.Keepsake
	err := d.with(ctx, func(c *pgx.Conn) error {
		return quietly(ctx, c, func() error {
			all, err := readKeepsakes(ctx, c)
			for _, f := range all {
				if !f.untouched { // what nobody ever granted or revoked is as the server makes it
					list = append(list, f.Keepsake)
				}
			}
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("look what database %s has besides schema and rows: %w", d.name, mapped(ctx, err))
	}
	return list, nil
}

func readKeepsakes(ctx context.Context, c *pgx.Conn) ([]found, error) {
	rows, err := c.Query(ctx, catalogQuery+keepQuery)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (found, error) {
		var f found
		var parts []string
		var suffix, data string
		if err := row.Scan(&f.Kind, &parts, &suffix, &data, &f.untouched); err != nil {
			return f, err
		}
		f.Name = objectName(parts, suffix)
		if err := json.Unmarshal([]byte(data), &f.data); err != nil {
			return f, fmt.Errorf("%s: %w", f.Key(), err)
		}
		f.Data, err = json.Marshal(f.data)
		return f, err
	})
}

// Keep implements [engine.Keeper] in one transaction. Each statement is sent by itself, so that no manifest can hold two.
func (d *database) Keep(ctx context.Context, list []schema.Keepsake) ([]engine.Unkept, error) {
	k := &keeping{}
	if err := k.take(list); err != nil {
		return nil, err
	}
	err := d.with(ctx, func(c *pgx.Conn) (err error) {
		tx, err := c.Begin(ctx)
		if err != nil {
			return err
		}
		k.conn = c
		if err := k.give(ctx); err != nil {
			return errors.Join(err, tx.Rollback(context.WithoutCancel(ctx)))
		}
		return tx.Commit(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("give database %s what the old one has besides schema and rows: %w", d.name, mapped(ctx, err))
	}
	return k.rest, nil
}

// keeping is one Keep.
type keeping struct {
	conn  *pgx.Conn
	want  []found
	roles map[string]bool
	there map[string]*found // what the database has; nil = something was given since the last look
	rest  []engine.Unkept
}

// take reads what is to be given, from a manifest perhaps.
func (k *keeping) take(list []schema.Keepsake) error {
	for _, w := range list {
		f := found{Keepsake: w}
		if err := json.Unmarshal(w.Data, &f.data); err != nil {
			return fmt.Errorf("read what is to be kept of %s: %w", w.Key(), err)
		}
		k.want = append(k.want, f)
	}
	return nil
}

// give goes through the steps. Each begins with a look at what is there: to give an owner changes grants, to take a
// table's grant takes those of its columns.
func (k *keeping) give(ctx context.Context) error {
	if _, err := k.conn.Exec(ctx, "SET LOCAL search_path = ''"); err != nil {
		return err
	}
	var err error
	if k.roles, err = readRoles(ctx, k.conn); err != nil {
		return err
	}
	rest := k.want
	for len(rest) > 0 {
		n := 1
		for n < len(rest) && rest[n].stepOf() == rest[0].stepOf() {
			n++
		}
		if err := k.giveStep(ctx, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return k.confirm(ctx)
}

// stepOf tells which keepsakes can be given without another look.
func (f *found) stepOf() string {
	schemas := strings.HasPrefix(f.data.On, "SCHEMA ")
	return fmt.Sprint(f.Kind, schemas, f.data.Column != "")
}

func (k *keeping) giveStep(ctx context.Context, list []found) error {
	there, err := k.look(ctx)
	if err != nil {
		return err
	}
	for i := range list {
		w := &list[i]
		has := there[w.Key()]
		if has != nil && !has.untouched && slices.Equal(has.Data, w.Data) && w.data.Why == "" {
			continue
		}
		if err := k.giveOne(ctx, w, has); err != nil {
			return err
		}
	}
	return nil
}

func (k *keeping) look(ctx context.Context) (map[string]*found, error) {
	if k.there != nil {
		return k.there, nil
	}
	all, err := readKeepsakes(ctx, k.conn)
	if err != nil {
		return nil, err
	}
	k.there = make(map[string]*found, len(all))
	for i := range all {
		k.there[all[i].Key()] = &all[i]
	}
	return k.there, nil
}

func (k *keeping) giveOne(ctx context.Context, w, has *found) error {
	if why, refused := k.cannot(w, has); why != "" {
		k.leave(w, why, refused)
		return nil
	}
	switch w.Kind {
	case kindSchema:
		return k.try(ctx, w, "CREATE SCHEMA IF NOT EXISTS "+ident(w.data.Schema))
	case kindExtension:
		return k.try(ctx, w, "CREATE EXTENSION "+ident(partName(w.Name))+" SCHEMA "+w.data.Schema+" VERSION "+engine.Postgres.Literal(w.data.Version))
	case kindOwner:
		return k.try(ctx, w, "ALTER "+w.data.On+" OWNER TO "+ident(w.data.Role))
	case kindGrant:
		return k.try(ctx, w, k.grant(w, has)...)
	case kindDefault:
		return k.try(ctx, w, k.defaultGrant(w, has)...)
	case kindComment:
		return k.try(ctx, w, "COMMENT ON "+w.data.On+" IS "+engine.Postgres.Literal(w.data.Text))
	case kindPublication:
		return k.publication(ctx, w, has)
	default:
		k.leave(w, w.data.Why, false)
		return nil
	}
}

// cannot says why a keepsake is not even tried.
func (k *keeping) cannot(w, has *found) (why string, refused bool) {
	switch {
	case w.Kind == kindExtension && has != nil:
		// Its members are those of the version that a migration asked for.
		return fmt.Sprintf("it was version %s in %s, the migrations make version %s in %s", w.data.Version, w.data.Schema, has.data.Version, has.data.Schema), true
	case w.Kind == kindGrant && w.data.Column == "" && has == nil:
		return "it is not there any more", false
	case (w.Kind == kindOwner || w.Kind == kindDefault) && !k.roles[w.data.Role]:
		return noRole(w.data.Role), false
	default:
		return "", false
	}
}

func noRole(name string) string { return "there is no role " + ident(name) + " on this server" }

func (k *keeping) leave(w *found, why string, refused bool) {
	k.rest = append(k.rest, engine.Unkept{Kind: w.Kind, Name: w.Name, Why: why, Refused: refused})
}

// grant lists the statements that replace what is granted. What the old owner has, has whoever owns it here.
func (k *keeping) grant(w, has *found) []string {
	on, column, owner, now := w.data.On, w.data.Column, w.data.Role, []access(nil)
	if has != nil {
		on, owner, now = has.data.On, has.data.Role, has.data.Access
	}
	if column != "" {
		column = " (" + column + ")"
	}
	list := revokes("", column+" ON "+on, now)
	for _, a := range k.present(w) {
		if a.To == w.data.Role {
			a.To = owner
		}
		list = append(list, a.statement("", column, on))
	}
	return list
}

// defaultGrant lists the statements that replace default privileges. Those without a schema stand in the place of the
// server's own, which let everyone use functions and types.
func (k *keeping) defaultGrant(w, has *found) []string {
	head := "ALTER DEFAULT PRIVILEGES FOR ROLE " + ident(w.data.Role) + " "
	now := []access(nil)
	if w.data.Schema != "" {
		head += "IN SCHEMA " + w.data.Schema + " "
	} else {
		now = append(now, access{To: w.data.Role})
	}
	if w.data.Open {
		now = append(now, access{})
	}
	if has != nil {
		now = has.data.Access
	}
	list := revokes(head, " ON "+w.data.On, now)
	for _, a := range k.present(w) {
		list = append(list, a.statement(head, "", w.data.On))
	}
	return list
}

func revokes(head, what string, now []access) []string {
	var list []string
	for _, a := range now {
		if text := head + "REVOKE ALL" + what + " FROM " + a.who() + " CASCADE"; !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return list
}

// present leaves out the roles that this server does not have.
func (k *keeping) present(w *found) []access {
	var list []access
	for _, a := range w.data.Access {
		if a.To == "" || k.roles[a.To] || a.To == w.data.Role {
			list = append(list, a)
			continue
		}
		k.leave(w, noRole(a.To), false)
	}
	return list
}

func (a access) who() string {
	if a.To == "" {
		return "PUBLIC"
	}
	return ident(a.To)
}

func (a access) statement(head, column, on string) string {
	may := make([]string, len(a.May))
	for i, m := range a.May {
		may[i] = m + column
	}
	text := head + "GRANT " + strings.Join(may, ", ") + " ON " + on + " TO " + a.who()
	if a.Pass {
		text += " WITH GRANT OPTION"
	}
	return text
}

// publication makes it anew, since no statement changes all of it. A member that is gone leaves the others.
func (k *keeping) publication(ctx context.Context, w, has *found) error {
	name := ident(partName(w.Name))
	var list []string
	if has != nil {
		list = append(list, "DROP PUBLICATION "+name)
	}
	text := "CREATE PUBLICATION " + name
	if w.data.All {
		text += " FOR ALL TABLES"
	}
	left := len(k.rest)
	if err := k.try(ctx, w, append(list, text+" WITH ("+w.data.With+")")...); err != nil || len(k.rest) > left {
		return err
	}
	for _, m := range w.data.Members {
		if err := k.try(ctx, w, "ALTER PUBLICATION "+name+" ADD "+m); err != nil {
			return err
		}
	}
	if !k.roles[w.data.Role] {
		k.leave(w, noRole(w.data.Role), false)
		return nil
	}
	return k.try(ctx, w, "ALTER PUBLICATION "+name+" OWNER TO "+ident(w.data.Role))
}

// partName reads a name of one part that [objectName] wrote.
func partName(name string) string {
	n, err := schema.ParseName(name)
	if err != nil {
		return name
	}
	return n.Table
}

// try sends statements, all or none. What the server refuses is noted, and the transaction goes on.
func (k *keeping) try(ctx context.Context, w *found, statements ...string) error {
	k.there = nil
	if _, err := k.conn.Exec(ctx, "SAVEPOINT keepsake"); err != nil {
		return err
	}
	for _, text := range statements {
		err := k.conn.PgConn().ExecParams(ctx, text, nil, nil, nil, nil).Read().Err
		var fault *pgconn.PgError
		switch {
		case err == nil:
			continue
		case ctx.Err() != nil || !errors.As(err, &fault):
			return fmt.Errorf("%s: %w", text, err)
		}
		k.leave(w, fault.Message, !isGone(fault.Code))
		_, err = k.conn.Exec(ctx, "ROLLBACK TO SAVEPOINT keepsake")
		return err
	}
	_, err := k.conn.Exec(ctx, "RELEASE SAVEPOINT keepsake")
	return err
}

// isGone tells the server's words for what is not there, or is something else now.
func isGone(code string) bool {
	switch code {
	case "42P01", "42703", "42704", "42883", "3F000", "42809": // undefined table, column, object, function, schema; wrong object type
		return true
	default:
		return false
	}
}

// confirm looks at it all once more: a server may take a statement and do nothing but warn.
func (k *keeping) confirm(ctx context.Context) error {
	there, err := k.look(ctx)
	if err != nil {
		return err
	}
	for i := range k.want {
		w := &k.want[i]
		has := there[w.Key()]
		told := slices.ContainsFunc(k.rest, func(u engine.Unkept) bool { return u.Kind == w.Kind && u.Name == w.Name })
		switch {
		case told, has != nil && slices.Equal(has.Data, w.Data):
		case has == nil:
			k.leave(w, "the server took it and does not have it", true)
		case w.Kind == kindGrant && has.data.Role != w.data.Role:
			k.leave(w, "its owner is "+ident(has.data.Role)+" here, in place of "+ident(w.data.Role), false)
		default:
			k.leave(w, "the server took it and has it otherwise", true)
		}
	}
	return nil
}

func readRoles(ctx context.Context, c *pgx.Conn) (map[string]bool, error) {
	rows, err := c.Query(ctx, "SELECT rolname::text FROM pg_catalog.pg_roles")
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	roles := make(map[string]bool, len(names))
	for _, n := range names {
		roles[n] = true
	}
	return roles, err
}
