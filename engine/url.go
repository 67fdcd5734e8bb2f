package engine

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// URL says where a database is and how to get in. Its password is never printed:
// String, errors and JSON show "***" in its place, and only [URL.Reveal] gives it out.
// The zero URL is not valid.
type URL struct {
	family Family
	u      url.URL // for SQLite: only Path (absolute) and RawQuery
}

// familyOf knows the ways to write a family; empty = the scheme is unknown.
func familyOf(scheme string) Family {
	switch strings.ToLower(scheme) {
	case "postgres", "postgresql":
		return Postgres
	case "mysql":
		return MySQL
	case "mariadb":
		return MariaDB
	case "sqlite", "sqlite3", "file":
		return SQLite
	default:
		return ""
	}
}

// ParseURL reads
//
//	postgres://user:password@host:port/database?sslmode=…     libpq's options; host=/path for a socket
//	mysql://user:password@host:port/database?socket=/path&tls=…
//	mariadb://…                                               as mysql
//	sqlite:relative/or/absolute.db, sqlite:///absolute.db     or a bare path that ends in .db, .sqlite or .sqlite3
//
// A password with other than letters and digits must be percent-encoded. No error holds the text.
func ParseURL(text string) (URL, error) {
	if text == "" {
		return URL{}, errors.New("database url is empty")
	}
	scheme, rest, ok := strings.Cut(text, ":")
	family := familyOf(scheme)
	if !ok || family == "" {
		return barePath(text)
	}
	if family == SQLite {
		return sqliteURL(rest)
	}
	u, err := url.Parse(text)
	if err != nil {
		return URL{}, fmt.Errorf("database url (%s:…) cannot be read: %w", scheme, parseFault(err))
	}
	// A password with a raw '/', '?' or '#' ends the host early: what follows would pass for a path or an
	// option, and be printed. Its '@' gives it away.
	if u.Fragment != "" || strings.Contains(u.EscapedPath()+u.RawQuery, "@") {
		return URL{}, fmt.Errorf("database url (%s:…) cannot be read: %w", scheme, parseFault(nil))
	}
	u.Path = strings.TrimPrefix(u.Path, "/")
	u.RawPath = ""
	if u.Opaque != "" || u.Host == "" && u.Query().Get("host") == "" && u.Query().Get("socket") == "" && u.User == nil {
		return URL{}, fmt.Errorf("database url (%s:…) has no host: it should look like %s://user:password@host:port/database", scheme, scheme)
	}
	return URL{family: family, u: *u}, nil
}

var errSpecial = errors.New("it is malformed; special characters, an '@' above all, must be percent-encoded wherever they stand")

// parseFault keeps the reason of a parse error and drops the text, which may hold a password.
func parseFault(err error) error {
	var fault *url.Error
	if !errors.As(err, &fault) {
		return errSpecial
	}
	if escape := url.EscapeError(""); errors.As(fault.Err, &escape) {
		return errors.New("a '%' in it is not followed by two hexadecimal digits; write '%' as %25")
	}
	return errSpecial
}

func barePath(text string) (URL, error) {
	path, _, _ := strings.Cut(text, "?")
	switch strings.ToLower(filepath.Ext(path)) {
	case ".db", ".sqlite", ".sqlite3":
		if !strings.Contains(text, "://") {
			return sqliteURL(text)
		}
	}
	if scheme, _, ok := strings.Cut(text, "://"); ok && !strings.ContainsAny(scheme, "@/: ") {
		return URL{}, fmt.Errorf("database url: unknown scheme %q; known are postgres, mysql, mariadb and sqlite", scheme)
	}
	return URL{}, errors.New("database url has no scheme: it should begin with one, as in postgres://…, mysql://…, mariadb://… or sqlite:FILE")
}

func sqliteURL(rest string) (URL, error) {
	path, query, _ := strings.Cut(rest, "?")
	path = strings.TrimPrefix(path, "//")
	if path == "" || path == ":memory:" {
		return URL{}, errors.New("database url: sqlite needs the path of a file")
	}
	unescaped, err := url.PathUnescape(path)
	if err != nil {
		return URL{}, errors.New("database url: a '%' in the path is not followed by two hexadecimal digits; write '%' as %25")
	}
	abs, err := filepath.Abs(unescaped)
	if err != nil {
		return URL{}, fmt.Errorf("database url: absolute path of the file: %w", err)
	}
	return URL{family: SQLite, u: url.URL{Path: abs, RawQuery: query}}, nil
}

// Family is the kind of server.
func (u URL) Family() Family { return u.family }

// Database is the name of the database; for SQLite the absolute path of its file. Empty = none is named.
func (u URL) Database() string { return u.u.Path }

// Host is the server's name and port as they were written.
func (u URL) Host() string { return u.u.Host }

// Hostname and Port are the parts of Host; empty = the engine's default.
func (u URL) Hostname() string { return u.u.Hostname() }

// Port is the server's port as it was written; empty = the engine's default.
func (u URL) Port() string { return u.u.Port() }

// User is the name to log in with; empty = the engine's default.
func (u URL) User() string { return u.u.User.Username() }

// Password gives the password out, for a driver or a child process only.
func (u URL) Password() (password string, set bool) { return u.u.User.Password() }

// Option gives one of the options after the question mark; empty = not set.
func (u URL) Option(key string) string { return u.u.Query().Get(key) }

// Options gives a copy of all options.
func (u URL) Options() url.Values { return u.u.Query() }

// WithDatabase is the same place with another database.
func (u URL) WithDatabase(name string) URL {
	u.u.Path = name
	return u
}

// IsZero tells the zero URL.
func (u URL) IsZero() bool { return u.family == "" }

// String is the url with "***" for the password, and for options that may hold a secret.
func (u URL) String() string {
	if u.IsZero() {
		return ""
	}
	v := u.u
	if _, set := v.User.Password(); set {
		v.User = url.UserPassword(v.User.Username(), "***")
	}
	q := v.Query()
	for key := range q {
		if k := strings.ToLower(key); strings.Contains(k, "password") || strings.Contains(k, "secret") {
			q.Set(key, "***")
		}
	}
	v.RawQuery = q.Encode()
	return strings.ReplaceAll(u.write(v), "%2A%2A%2A", "***")
}

// Reveal is the url with its password, for a driver or a child process only.
func (u URL) Reveal() string { return u.write(u.u) }

// MarshalText is String: a URL in JSON shows no password.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// GoString keeps the password out of %#v.
func (u URL) GoString() string { return "engine.URL(" + u.String() + ")" }

func (u URL) write(v url.URL) string {
	if u.family == SQLite {
		text := "sqlite://" + (&url.URL{Path: v.Path}).EscapedPath()
		if v.RawQuery != "" {
			text += "?" + v.RawQuery
		}
		return text
	}
	v.Path = "/" + v.Path
	v.RawPath = strings.ReplaceAll((&url.URL{Path: v.Path}).EscapedPath(), "@", "%40") // as ParseURL wants it
	return v.String()
}

// Scrub replaces the url's password, plain or percent-encoded, in a text that came from
// outside: a driver's error, a child process's output.
func (u URL) Scrub(text string) string {
	password, set := u.u.User.Password()
	if !set || password == "" {
		return text
	}
	text = strings.ReplaceAll(text, password, "***")
	_, encoded, _ := strings.Cut(u.u.User.String(), ":")
	for _, form := range []string{encoded, url.QueryEscape(password), url.PathEscape(password)} {
		text = strings.ReplaceAll(text, form, "***")
	}
	return text
}
