package config

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	commandTimeout = 30 * time.Second // of url_command
	maxURL         = 16 << 10         // bytes of the first line of url_file or of url_command's output
)

// ResolveURL gives the target's url: the one that the configuration holds, or the first line of url_file, or
// the first line that url_command prints. The command runs without a shell, in the configuration's folder,
// for at most 30 s or until ctx ends; it runs again in each call. What comes out is a secret.
// Errors are [*Error] and hold neither the url nor anything that the command printed.
func (t *Target) ResolveURL(ctx context.Context) (string, error) {
	var line, key string
	switch {
	case t.URL != "":
		return t.URL.Reveal(), nil
	case t.URLFile != "":
		key = "url_file"
		data, err := readLimited(t.URLFile)
		if err != nil {
			return "", t.fault(key, fmt.Errorf("%s %w", t.URLFile, err))
		}
		line = firstLine(data)
	case len(t.URLCommand) > 0:
		key = "url_command"
		out, err := t.runURLCommand(ctx)
		if err != nil {
			return "", t.fault(key, err)
		}
		line = firstLine(out)
	default:
		return "", t.fault("url", errNoURL)
	}
	if line == "" {
		return "", t.fault(key, errors.New("its first line is empty: it must be the url"))
	}
	return absoluteURL(line, t.base), nil
}

var errNoURL = errors.New("there is no url: set url, url_file or url_command, pass --url, or set DATABASE_URL")

func (t *Target) fault(key string, err error) *Error {
	return &Error{File: t.file, Line: t.line, Key: "target " + t.Name + ": " + key, Reason: err.Error(), cause: err}
}

func (t *Target) runURLCommand(ctx context.Context) ([]byte, error) {
	limited, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	out := &head{}
	cmd := exec.CommandContext(limited, t.URLCommand[0], t.URLCommand[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout = t.base, t.environ, out
	cmd.WaitDelay = time.Second // a child of the command may keep the pipe open
	// The arguments and the output may hold secrets, so only the program is named.
	name := filepath.Base(t.URLCommand[0])
	switch err := cmd.Run(); {
	case err == nil:
		return out.kept, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s was interrupted: %w", name, ctx.Err())
	case limited.Err() != nil:
		return nil, fmt.Errorf("%s did not end within %v", name, commandTimeout)
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("%s is not on the PATH", name)
	default:
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			return nil, fmt.Errorf("%s ended with %s; run it yourself to see why", name, exit.ProcessState)
		}
		return nil, fmt.Errorf("%s cannot be run", name)
	}
}

// head keeps the beginning of what is written to it.
type head struct{ kept []byte }

func (h *head) Write(p []byte) (int, error) {
	h.kept = append(h.kept, p[:min(len(p), maxURL-len(h.kept))]...)
	return len(p), nil
}

func firstLine(data []byte) string {
	line, _, _ := strings.Cut(strings.TrimPrefix(string(data), "\ufeff"), "\n")
	return strings.TrimSpace(line)
}

// absoluteURL makes the path of a SQLite url absolute; any other url stays as it is. The forms are those of
// engine.ParseURL: sqlite:, sqlite3: and file: urls, and a bare path that ends in .db, .sqlite or .sqlite3.
func absoluteURL(text, base string) string {
	prefix, rest := sqlitePath(text)
	path, query, asked := strings.Cut(rest, "?")
	if path == "" || path == ":memory:" || filepath.IsAbs(path) || strings.HasPrefix(path, "/") {
		return text
	}
	// The path in a url is percent-encoded, the base is not yet.
	text = prefix + strings.TrimSuffix((&url.URL{Path: filepath.ToSlash(base)}).EscapedPath(), "/") + "/" + strings.TrimPrefix(path, "./")
	if asked {
		text += "?" + query
	}
	return text
}

// sqlitePath splits a SQLite url into what stands before its path and the path with its options; both are
// empty for any other url.
func sqlitePath(text string) (prefix, path string) {
	scheme, rest, ok := strings.Cut(text, ":")
	if ok {
		switch strings.ToLower(scheme) {
		case "sqlite", "sqlite3", "file":
			path = strings.TrimPrefix(rest, "//")
			return text[:len(text)-len(path)], path
		}
	}
	bare, _, _ := strings.Cut(text, "?")
	switch strings.ToLower(filepath.Ext(bare)) {
	case ".db", ".sqlite", ".sqlite3":
		if !strings.Contains(text, "://") {
			return "", text
		}
	}
	return "", ""
}

// nameOf makes a target's name of the database that a url names; "default" where it names none.
func nameOf(text string) string {
	name := ""
	if _, path := sqlitePath(text); path != "" {
		path, _, _ = strings.Cut(path, "?")
		base := filepath.Base(path)
		name = strings.TrimSuffix(base, filepath.Ext(base))
	} else if u, err := url.Parse(text); err == nil {
		name = strings.Trim(u.Path, "/")
	}
	name = strings.Map(func(r rune) rune {
		if r < 0x80 && targetByte(byte(r)) {
			return r
		}
		return '_'
	}, name)
	name = strings.TrimLeft(name[:min(len(name), maxName)], ".-")
	if strings.Trim(name, "_") == "" {
		return "default"
	}
	return name
}
