package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mulligan/engine"
)

// The keys of [engine.Info]'s properties.
const (
	propEncoding   = "encoding"
	propCollate    = "collate"
	propCtype      = "ctype"
	propProvider   = "provider" // libc, icu or builtin
	propLocale     = "locale"   // ICU's or the built-in provider's
	propRules      = "icu_rules"
	propTablespace = "tablespace"
	propLimit      = "connection_limit"
	propComment    = "comment"
)

// Stat implements [engine.Server]. Settings are lines of the form "name=value", with `role "x": ` before
// those of a role in this database. Grants are GRANT and REVOKE statements that lack "ON DATABASE …".
func (s *server) Stat(ctx context.Context, name string) (*engine.Info, error) {
	info, err := s.stat(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("look at database %s: %w", name, mapped(ctx, err))
	}
	return info, nil
}

// statQuery reads one row of pg_database as JSON, since the columns of the locale change with the version.
const statQuery = `SELECT pg_catalog.to_jsonb(d)::text, pg_catalog.pg_get_userbyid(d.datdba), pg_catalog.pg_encoding_to_char(d.encoding),
		t.spcname, coalesce(pg_catalog.shobj_description(d.oid, 'pg_database'), ''),
		CASE WHEN pg_catalog.has_database_privilege(d.oid, 'CONNECT') OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')
			THEN pg_catalog.pg_database_size(d.oid) ELSE 0 END
	FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace WHERE d.datname = $1`

func (s *server) stat(ctx context.Context, name string) (*engine.Info, error) {
	info := &engine.Info{Name: name}
	var row, encoding, tablespace, comment string
	err := s.pool.QueryRowContext(ctx, statQuery, name).Scan(&row, &info.Owner, &encoding, &tablespace, &comment, &info.Bytes)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, engine.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	if info.Properties, err = properties(row); err != nil {
		return nil, err
	}
	info.Properties[propEncoding] = encoding
	info.Properties[propTablespace] = tablespace
	if comment != "" {
		info.Properties[propComment] = comment
	}
	if info.Settings, err = s.settings(ctx, name); err != nil {
		return nil, err
	}
	if info.Grants, err = s.grants(ctx, name); err != nil {
		return nil, err
	}
	if info.Sessions, err = s.others(ctx, name); err != nil {
		return nil, err
	}
	return info, nil
}

// properties reads what pg_database says of the locale; the columns are of 15, 16 and 17.
func properties(row string) (map[string]string, error) {
	var d struct {
		Collate  string  `json:"datcollate"`
		Ctype    string  `json:"datctype"`
		Provider string  `json:"datlocprovider"`
		Locale15 *string `json:"daticulocale"`
		Locale17 *string `json:"datlocale"`
		Rules    *string `json:"daticurules"`
		Limit    int     `json:"datconnlimit"`
	}
	if err := json.Unmarshal([]byte(row), &d); err != nil {
		return nil, fmt.Errorf("read the row of pg_database: %w", err)
	}
	p := map[string]string{propCollate: d.Collate, propCtype: d.Ctype, propLimit: fmt.Sprint(d.Limit)}
	switch d.Provider {
	case "i":
		p[propProvider] = "icu"
	case "b":
		p[propProvider] = "builtin"
	default:
		p[propProvider] = "libc"
	}
	for key, value := range map[string]*string{propLocale: d.Locale15, propRules: d.Rules} {
		if value != nil {
			p[key] = *value
		}
	}
	if d.Locale17 != nil {
		p[propLocale] = *d.Locale17
	}
	return p, nil
}

func (s *server) texts(ctx context.Context, query string, args ...any) ([]string, error) {
	rows, err := s.pool.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return collect(rows)
}

// collect reads rows of one text each.
func collect(rows *sql.Rows) (list []string, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		list = append(list, text)
	}
	return list, rows.Err()
}

func (s *server) settings(ctx context.Context, name string) ([]string, error) {
	return s.texts(ctx, `SELECT CASE WHEN r.setrole <> 0
			THEN 'role "' || pg_catalog.replace(pg_catalog.pg_get_userbyid(r.setrole), '"', '""') || '": ' ELSE '' END || c COLLATE "C"
		FROM pg_catalog.pg_db_role_setting r JOIN pg_catalog.pg_database d ON d.oid = r.setdatabase,
			pg_catalog.unnest(r.setconfig) c
		WHERE d.datname = $1 ORDER BY 1`, name)
}

// grantsQuery gives nothing where the database has the default privileges, else all of them after two
// REVOKEs, since a default that was taken away must be taken away again.
const grantsQuery = `WITH d AS (SELECT datdba, datacl FROM pg_catalog.pg_database WHERE datname = $1 AND datacl IS NOT NULL),
	a AS (SELECT x.grantee, x.privilege_type, x.is_grantable FROM d, pg_catalog.aclexplode(d.datacl) x GROUP BY 1, 2, 3),
	g AS (SELECT grantee, is_grantable, pg_catalog.string_agg(privilege_type, ', ' ORDER BY privilege_type) AS privileges FROM a GROUP BY 1, 2),
	lines (place, line) AS (
		SELECT 1, 'REVOKE ALL FROM PUBLIC' FROM d
		UNION ALL SELECT 2, 'REVOKE ALL FROM ' || pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(datdba)) FROM d
		UNION ALL SELECT 3, 'GRANT ' || privileges || ' TO '
			|| CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(grantee)) END
			|| CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END FROM g)
	SELECT line FROM lines ORDER BY place, line COLLATE "C"`

func (s *server) grants(ctx context.Context, name string) ([]string, error) {
	return s.texts(ctx, grantsQuery, name)
}

// others counts the sessions of the database that this server did not make.
func (s *server) others(ctx context.Context, name string) (n int, err error) {
	rows, err := s.pool.QueryContext(ctx, `SELECT pid, coalesce(backend_start::text, '') FROM pg_catalog.pg_stat_activity
		WHERE datname = $1 AND backend_type NOT IN ('autovacuum worker', 'parallel worker')`, name)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var b backend
		if err := rows.Scan(&b.pid, &b.start); err != nil {
			return 0, err
		}
		if !s.isMine(b) {
			n++
		}
	}
	return n, rows.Err()
}

// Create implements [engine.Server]. It copies template0, so that nothing is in the new database. When a property
// cannot be given to it, the new database is removed again.
func (s *server) Create(ctx context.Context, name string, like *engine.Info) error {
	if err := s.create(ctx, name, like); err != nil {
		return fmt.Errorf("create database %s: %w", name, mapped(ctx, err))
	}
	return nil
}

func (s *server) create(ctx context.Context, name string, like *engine.Info) error {
	if err := checkName(name); err != nil {
		return err
	}
	later, err := afterCreate(name, like)
	if err != nil {
		return err
	}
	if _, err := s.pool.ExecContext(ctx, createStatement(name, like)); err != nil {
		return err
	}
	for _, text := range later {
		if _, err := s.pool.ExecContext(ctx, text); err != nil {
			err = fmt.Errorf("%s: %w", text, mapped(ctx, err))
			_, drop := s.pool.ExecContext(context.WithoutCancel(ctx), "DROP DATABASE "+ident(name))
			return errors.Join(err, drop)
		}
	}
	return nil
}

func createStatement(name string, like *engine.Info) string {
	var b strings.Builder
	b.WriteString("CREATE DATABASE " + ident(name) + " TEMPLATE template0")
	if like == nil {
		return b.String()
	}
	p := like.Properties
	literal := func(word, key string) {
		if p[key] != "" {
			b.WriteString(" " + word + " " + engine.Postgres.Literal(p[key]))
		}
	}
	if like.Owner != "" {
		b.WriteString(" OWNER " + ident(like.Owner))
	}
	literal("ENCODING", propEncoding)
	literal("LC_COLLATE", propCollate)
	literal("LC_CTYPE", propCtype)
	switch p[propProvider] {
	case "icu":
		b.WriteString(" LOCALE_PROVIDER icu")
		literal("ICU_LOCALE", propLocale)
		literal("ICU_RULES", propRules)
	case "builtin":
		b.WriteString(" LOCALE_PROVIDER builtin")
		literal("BUILTIN_LOCALE", propLocale)
	case "libc":
		b.WriteString(" LOCALE_PROVIDER libc")
	}
	if t := p[propTablespace]; t != "" && t != "pg_default" {
		b.WriteString(" TABLESPACE " + ident(t))
	}
	return b.String()
}

// afterCreate lists the statements that give a new database what CREATE DATABASE cannot. The limit of connections
// comes last: one of 0 would keep us out.
func afterCreate(name string, like *engine.Info) ([]string, error) {
	if like == nil {
		return nil, nil
	}
	var list []string
	database := " ON DATABASE " + ident(name)
	for _, g := range like.Grants {
		words := " TO "
		if strings.HasPrefix(g, "REVOKE ") {
			words = " FROM "
		}
		verb, who, ok := strings.Cut(g, words)
		if !ok || !strings.HasPrefix(verb, "GRANT ") && !strings.HasPrefix(verb, "REVOKE ") {
			return nil, fmt.Errorf("grant %q is not of the form that Stat gives", g)
		}
		list = append(list, verb+database+words+who)
	}
	for _, line := range like.Settings {
		text, err := settingStatement(name, line)
		if err != nil {
			return nil, err
		}
		list = append(list, text)
	}
	if c := like.Properties[propComment]; c != "" {
		list = append(list, "COMMENT ON DATABASE "+ident(name)+" IS "+engine.Postgres.Literal(c))
	}
	if limit := like.Properties[propLimit]; limit != "" && limit != "-1" {
		list = append(list, "ALTER DATABASE "+ident(name)+" CONNECTION LIMIT "+limit)
	}
	return list, nil
}

func settingStatement(database, line string) (string, error) {
	head := "ALTER DATABASE " + ident(database)
	if rest, ok := strings.CutPrefix(line, `role "`); ok {
		role, setting, ok := strings.Cut(rest, `": `)
		if !ok {
			return "", fmt.Errorf("setting %q is not of the form that Stat gives", line)
		}
		head, line = `ALTER ROLE "`+role+`" IN DATABASE `+ident(database), setting
	}
	key, value, ok := strings.Cut(line, "=")
	if !ok {
		return "", fmt.Errorf("setting %q is not of the form that Stat gives", line)
	}
	values := []string{value}
	if isList(key) {
		values = splitList(value)
	}
	for i, v := range values {
		values[i] = engine.Postgres.Literal(v)
	}
	return head + " SET " + settingName(key) + " TO " + strings.Join(values, ", "), nil
}

// settingName quotes the parts of a setting's name: "app.tenant" has two.
func settingName(key string) string {
	parts := strings.Split(key, ".")
	for i, p := range parts {
		parts[i] = ident(p)
	}
	return strings.Join(parts, ".")
}

// isList tells the settings whose stored value is a list of quoted names (GUC_LIST_QUOTE): as one literal, such a
// list would become a single name.
func isList(key string) bool {
	return slices.Contains([]string{
		"local_preload_libraries", "search_path", "session_preload_libraries",
		"shared_preload_libraries", "temp_tablespaces", "unix_socket_directories",
	}, strings.ToLower(key))
}

// splitList reads a list of names, of which some are in double quotes.
func splitList(text string) []string {
	var list []string
	var b strings.Builder
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"' && quoted && i+1 < len(text) && text[i+1] == '"':
			b.WriteByte('"')
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			list = append(list, b.String())
			b.Reset()
		case c == ' ' && !quoted:
		default:
			b.WriteByte(c)
		}
	}
	return append(list, b.String())
}
