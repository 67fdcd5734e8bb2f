package mysql

import (
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"mulligan/engine"
)

// loadMode is the sql_mode of our own sessions: values are taken as they are or refused. Zero dates,
// days that their month lacks, and zeros in auto-increment columns are values that a table may hold.
const loadMode = "STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION"

// ownSettings are the session variables of our own sessions. They undo what a server's
// configuration could have changed and our statements rely on; none takes a privilege.
func ownSettings(f engine.Family) map[string]string {
	settings := map[string]string{
		"autocommit":            "1",
		"time_zone":             "'+00:00'",
		"timestamp":             "DEFAULT",
		"sql_mode":              "'" + loadMode + "'",
		"sql_quote_show_create": "1",
		"sql_notes":             "1",
		"sql_safe_updates":      "0",
		"sql_big_selects":       "1",
		"sql_select_limit":      "DEFAULT",
		"foreign_key_checks":    "1",
		"lock_wait_timeout":     strconv.Itoa(statementWait),
		"net_read_timeout":      "3600",
		"net_write_timeout":     "3600",
		"wait_timeout":          "2147483",
		"group_concat_max_len":  "1048576",
		"character_set_results": "utf8mb4",
		"character_set_client":  "utf8mb4",
		"collation_connection":  "utf8mb4_bin",
		"completion_type":       "0",
	}
	if f == engine.MariaDB {
		settings["max_statement_time"] = "0"
	} else {
		settings["max_execution_time"] = "0"
		settings["information_schema_stats_expiry"] = "0"
	}
	return settings
}

// setStatement gives a session the settings.
func setStatement(settings map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		list = append(list, name+" = "+settings[name])
	}
	return "SET " + strings.Join(list, ", ")
}

// pool makes a pool of connections to a database ("" = none) whose sessions begin with the settings.
func (s *Server) pool(database string, settings map[string]string) (*sql.DB, error) {
	cfg, err := s.poolConfig(database, settings)
	if err != nil {
		return nil, err
	}
	pool, err := open(cfg)
	if err == nil {
		pool.SetMaxIdleConns(idleConns)
	}
	return pool, err
}

func (s *Server) poolConfig(database string, settings map[string]string) (*driver.Config, error) {
	cfg, err := config(s.url)
	if err != nil {
		return nil, err
	}
	cfg.DBName = database
	cfg.Params = maps.Clone(settings)
	cfg.InterpolateParams = settings != nil // our sql_mode has no NO_BACKSLASH_ESCAPES
	return cfg, nil
}

// idleConns is how many connections stay open: an inspection after each migration should find its own again.
const idleConns = 4

// batchPool makes a pool whose connections take several statements in one text. No text from outside may
// become part of one.
func (s *Server) batchPool(database string) (*sql.DB, error) {
	cfg, err := config(s.url)
	if err != nil {
		return nil, err
	}
	cfg.DBName = database
	cfg.Params = ownSettings(s.traits.Family)
	cfg.MultiStatements = true
	return open(cfg)
}

// plainPool makes a pool for text from outside: the server's own settings, several statements in one text,
// and no connection used twice.
func (s *Server) plainPool(database string) (*sql.DB, error) {
	cfg, err := config(s.url)
	if err != nil {
		return nil, err
	}
	cfg.DBName = database
	cfg.MultiStatements = true
	pool, err := open(cfg)
	if err == nil {
		pool.SetMaxIdleConns(-1)
	}
	return pool, err
}

func open(cfg *driver.Config) (*sql.DB, error) {
	connector, err := driver.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("settings of the connection: %w", err)
	}
	return sql.OpenDB(connector), nil
}

// config writes the url as the driver's settings. No text with a password is made on the way.
func config(u engine.URL) (*driver.Config, error) {
	cfg := driver.NewConfig()
	cfg.Logger = &driver.NopLogger{}
	cfg.MaxAllowedPacket = 0 // as the server says
	cfg.User = u.User()
	cfg.Passwd, _ = u.Password()
	cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(orElse(u.Hostname(), "127.0.0.1"), orElse(u.Port(), "3306"))
	if socket := u.Option("socket"); socket != "" {
		cfg.Net, cfg.Addr = "unix", socket
	}
	cfg.AllowCleartextPasswords = u.Option("allowCleartextPasswords") == "true"
	if err := cfg.Apply(driver.Charset("utf8mb4", "")); err != nil {
		return nil, err
	}
	for name, field := range map[string]*time.Duration{
		"timeout": &cfg.Timeout, "readTimeout": &cfg.ReadTimeout, "writeTimeout": &cfg.WriteTimeout,
	} {
		if text := u.Option(name); text != "" {
			d, err := time.ParseDuration(text)
			if err != nil {
				return nil, fmt.Errorf("database url: option %s: %w", name, err)
			}
			*field = d
		}
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	return cfg, secure(cfg, u)
}

// sslModes are the words of MySQL's own client and of common drivers, in the driver's words.
// VERIFY_CA is taken one step stricter: the host name is checked too.
func sslMode(word string) (mode string, known bool) {
	switch strings.ToLower(strings.ReplaceAll(word, "-", "_")) {
	case "disabled", "disable", "false":
		return "false", true
	case "preferred", "prefer":
		return "preferred", true
	case "required", "require":
		return "skip-verify", true
	case "verify_ca", "verify_identity", "verify_full", "true":
		return "true", true
	}
	return "", false
}

// secure reads the options about encryption; one that it does not know is an error.
func secure(cfg *driver.Config, u engine.URL) error {
	var authority string
	for name := range u.Options() {
		value := u.Option(name)
		switch lower := strings.ToLower(name); {
		case lower == "tls":
			cfg.TLSConfig = value
		case lower == "ssl-mode" || lower == "sslmode":
			mode, known := sslMode(value)
			if !known {
				return fmt.Errorf("database url: option %s has no value %q", name, value)
			}
			cfg.TLSConfig = mode
		case lower == "ssl-ca":
			authority = value
		case strings.HasPrefix(lower, "ssl") || strings.HasPrefix(lower, "tls"):
			return fmt.Errorf("database url: option %s is not known, and encryption is not guessed at: use tls, ssl-mode and ssl-ca", name)
		}
	}
	if authority == "" {
		return nil
	}
	if cfg.TLSConfig != "true" {
		return errors.New("database url: option ssl-ca needs ssl-mode=VERIFY_IDENTITY")
	}
	pem, err := os.ReadFile(authority)
	if err != nil {
		return fmt.Errorf("database url: option ssl-ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return fmt.Errorf("database url: option ssl-ca: %s holds no certificate", authority)
	}
	cfg.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return nil
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
