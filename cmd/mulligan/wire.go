package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mulligan/backup"
	"mulligan/config"
	"mulligan/engine"
	"mulligan/engine/mysql"
	"mulligan/engine/postgres"
	"mulligan/engine/sqlite"
	"mulligan/internal/lock"
	"mulligan/migration"
	"mulligan/migration/command"
	"mulligan/restore"
	"mulligan/schema"
	"mulligan/snapshot"
	"mulligan/store"
	"mulligan/store/dir"
)

// errNoSnapshot tells that a snapshot or the repository is not there.
var errNoSnapshot = errors.New("no such snapshot")

// connect opens the server of a url that names a database.
func connect(ctx context.Context, url engine.URL) (engine.Server, error) {
	if url.Database() == "" {
		return nil, usageError{fmt.Errorf("database url %s names no database", url), "add it after the host: …/database"}
	}
	return connectServer(ctx, url)
}

// connectServer opens the server of a url. A new engine is one line here.
func connectServer(ctx context.Context, url engine.URL) (engine.Server, error) {
	connectors := map[engine.Family]func(context.Context, engine.URL) (engine.Server, error){
		engine.Postgres: postgres.Connect,
		engine.MySQL:    mysql.Connect,
		engine.MariaDB:  mysql.Connect,
		engine.SQLite:   sqlite.Connect,
	}
	return connectors[url.Family()](ctx, url)
}

// session is a target with its server connected.
type session struct {
	target *config.Target
	url    engine.URL
	server engine.Server
	tool   *migration.Tool
}

// open connects to the target that the flags choose.
func (a *app) open(ctx context.Context) (*session, error) {
	target, err := a.config.Target(a.config.Settings.Target)
	if err != nil {
		return nil, err
	}
	text, err := target.ResolveURL(ctx)
	if err != nil {
		return nil, err
	}
	return a.openURL(ctx, target, text)
}

func (a *app) openURL(ctx context.Context, target *config.Target, text string) (*session, error) {
	url, err := engine.ParseURL(text)
	if err != nil {
		return nil, usageError{fmt.Errorf("target %s: %w", target.Name, err), "docs/configuration.md shows a url for each engine"}
	}
	tool, err := a.tool(target, url)
	if err != nil {
		return nil, err
	}
	server, err := connect(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", url, err)
	}
	return &session{target, url, server, tool}, nil
}

func ledgerTable(m config.Migrations) (schema.Name, error) {
	if m.Table == "" {
		return schema.Name{}, nil
	}
	name, err := schema.ParseName(m.Table)
	if err != nil {
		return schema.Name{}, usageError{fmt.Errorf("migrations.table: %w", err), ""}
	}
	return name, nil
}

func (a *app) bootstrap(m config.Migrations) (migration.Runner, error) {
	switch {
	case m.Bootstrap.File != "":
		return command.SQLFile(m.Bootstrap.File), nil
	case len(m.Bootstrap.Command) > 0:
		runner, err := command.New(command.Options{Command: m.Bootstrap.Command, Dir: a.config.Dir, Env: a.childEnv(m.Env)})
		if err != nil {
			return nil, usageError{fmt.Errorf("migrations.bootstrap: %w", err), ""}
		}
		return runner, nil
	default:
		return nil, nil
	}
}

// childEnv is what child processes get: .env, then what the configuration says.
func (a *app) childEnv(extra []string) []string { return slices.Concat(a.config.Environ(), extra) }

// repository opens the place of the snapshots.
func (a *app) repository() (store.Store, string, error) {
	url := a.config.Repository.URL
	path := strings.TrimPrefix(url, "file://")
	if strings.Contains(path, "://") {
		return nil, "", usageError{fmt.Errorf("repository.url: only folders are supported, got %s", url), ""}
	}
	s, err := dir.Open(path)
	if err != nil {
		return nil, "", fmt.Errorf("open repository: %w", err)
	}
	return s, path, nil
}

// lockTarget keeps a second run with the same state folder away from a target.
func (a *app) lockTarget(target string, h lock.Holder) (unlock func(), err error) {
	folder := filepath.Join(a.config.Settings.StateDir, "locks")
	if err := a.makeState(folder); err != nil {
		return nil, err
	}
	file, by, err := lock.Try(filepath.Join(folder, strings.ReplaceAll(target, string(filepath.Separator), "_")+".lock"), h)
	if err != nil {
		return nil, fmt.Errorf("lock target %s: %w", target, err)
	}
	if file == nil {
		return nil, fmt.Errorf("lock target %s: %w", target, &engine.LockedError{Holder: by})
	}
	return func() { _ = file.Unlock() }, nil // the lock ends with the process in any case
}

// makeState makes a folder in the state directory, which git must not see.
func (a *app) makeState(folder string) error {
	state := a.config.Settings.StateDir
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("make the state folder: %w", err)
	}
	ignore := filepath.Join(state, ".gitignore")
	if _, err := os.Stat(ignore); errors.Is(err, fs.ErrNotExist) {
		if err := os.WriteFile(ignore, []byte("*\n"), 0o600); err != nil {
			return fmt.Errorf("make the state folder: %w", err)
		}
	}
	return nil
}

func (a *app) runsDir() string { return filepath.Join(a.config.Settings.StateDir, "runs") }

// resolve finds a snapshot by what the user typed.
func (a *app) resolve(ctx context.Context, s store.Store, target, text string) (snapshot.ID, error) {
	id, err := snapshot.Resolve(ctx, s, target, text)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return "", fmt.Errorf("%w: %w", errNoSnapshot, err)
	}
	return id, err
}

func rules(t *config.Target) backup.Rules {
	r := backup.Rules{Include: t.Tables.Include, Exclude: t.Tables.Exclude}
	for _, w := range t.Tables.Where {
		r.Where = append(r.Where, backup.Where{Table: w.Table, Condition: w.Condition})
	}
	return r
}

func mappings(t *config.Target) []restore.Mapping {
	var list []restore.Mapping
	for _, m := range t.Mapping {
		list = append(list, restore.Mapping{Table: m.Table, To: m.To, Rename: m.Rename, Drop: m.Drop, Default: m.Default})
	}
	return list
}
