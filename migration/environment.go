package migration

import (
	"errors"
	"os"
	"strings"

	"mulligan/engine"
)

// Placeholders replaces {url}, {database}, {host}, {port}, {user}, {password} and {to} in texts for a
// child process: what comes out may hold the password.
func Placeholders(u engine.URL, to ID) *strings.Replacer {
	host, port := u.Hostname(), u.Port()
	if host == "" {
		host = u.Option("host")
	}
	if port == "" {
		switch u.Family() {
		case engine.Postgres:
			port = "5432"
		case engine.MySQL, engine.MariaDB:
			port = "3306"
		case engine.SQLite:
		}
	}
	password, _ := u.Password()
	return strings.NewReplacer("{url}", u.Reveal(), "{database}", u.Database(), "{host}", host, "{port}", port,
		"{user}", u.User(), "{password}", password, "{to}", string(to))
}

// HasSecret tells whether a url holds a password, as one or among its options.
func HasSecret(u engine.URL) bool {
	if password, _ := u.Password(); password != "" {
		return true
	}
	for key := range u.Options() {
		if k := strings.ToLower(key); strings.Contains(k, "password") || strings.Contains(k, "secret") {
			return true
		}
	}
	return false
}

// Environment makes a child process's environment: this process's own, then entries "NAME=value" with
// placeholders, then DATABASE_URL as u. An entry for DATABASE_URL itself counts only where it holds a
// placeholder: one that names a database, in an application's .env file for instance, would send the
// child to that database in place of u. A zero u sets nothing. An entry of another form is an error
// that does not show it.
func Environment(entries []string, u engine.URL, to ID) ([]string, error) {
	const address = "DATABASE_URL"
	env, own := os.Environ(), false
	fill := Placeholders(u, to)
	for _, e := range entries {
		name, value, ok := strings.Cut(e, "=")
		if !ok || name == "" {
			return nil, errors.New("an entry of the environment is not of the form NAME=value")
		}
		filled := fill.Replace(value)
		own = name == address && filled != value || own && name != address
		env = append(env, name+"="+filled)
	}
	if !own && !u.IsZero() {
		env = append(env, address+"="+u.Reveal())
	}
	return env, nil
}
