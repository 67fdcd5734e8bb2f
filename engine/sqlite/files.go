package sqlite

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	lib "modernc.org/sqlite/lib"

	"mulligan/engine"
)

// Stat reads the file's first page, without a lock and without making the -shm file of a WAL.
// Info.Sessions counts the processes that have the file open, this one included, as far as
// the operating system tells; 0 where it does not.
func (s *Server) Stat(ctx context.Context, name string) (*engine.Info, error) {
	info, err := s.stat(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("look at database %s: %w", name, err)
	}
	return info, nil
}

func (s *Server) stat(ctx context.Context, name string) (*engine.Info, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	file, err := regular(name)
	if err != nil {
		return nil, err
	}
	out := &engine.Info{Name: name, Owner: owner(file), Bytes: file.Size(), Sessions: sessions(file)}
	if wal, err := os.Stat(name + "-wal"); err == nil {
		out.Bytes += wal.Size()
	}
	out.Properties, err = properties(ctx, name, url.Values{"mode": {"ro"}, "immutable": {"1"}})
	if err != nil && !s.readOnly && torn(name, err) {
		out.Properties, err = properties(ctx, name, url.Values{"mode": {"rw"}})
	}
	if err != nil {
		return nil, err
	}
	out.Properties["mode"] = fmt.Sprintf("%04o", file.Mode().Perm())
	return out, nil
}

// torn tells a file that a killed process has left half written: with its journal it is whole, and whoever opens it
// for writing puts that back.
func torn(name string, err error) bool {
	journal, missing := os.Stat(name + "-journal")
	c := code(err)
	return (c == lib.SQLITE_CORRUPT || c == lib.SQLITE_NOTADB) && missing == nil && journal.Size() > 0
}

// properties reads what Create needs. SQLite itself reads the page: were the file opened and closed
// beside it, the locks that this process has on it would be gone (fcntl(2), "Record locks").
func properties(ctx context.Context, name string, options url.Values) (_ map[string]string, err error) {
	db, err := open(uri(name, options))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, translate(err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	values := map[string]string{}
	// schema_version comes first: it is the one that reads the file, and tells one that is no database.
	for _, key := range []string{"schema_version", "page_size", "encoding", "auto_vacuum", "application_id"} {
		var value string
		if err := conn.QueryRowContext(ctx, "PRAGMA "+key).Scan(&value); err != nil {
			return nil, translate(err)
		}
		values[key] = value
	}
	delete(values, "schema_version")
	values["journal_mode"] = "delete"
	var format []byte
	// Byte 18 is 2 where the file is in WAL mode: SQLite's "Database File Format", section 1.3.3.
	err = conn.QueryRowContext(ctx, "SELECT substr(data, 19, 1) FROM sqlite_dbpage WHERE pgno = 1").Scan(&format)
	if err != nil && values["page_size"] != "" && isEmpty(name) {
		return values, nil // a file of 0 bytes is an empty database and has no page
	}
	if err != nil {
		return nil, translate(err)
	}
	if len(format) == 1 && format[0] == 2 {
		values["journal_mode"] = "wal"
	}
	return values, nil
}

func isEmpty(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Size() == 0
}

// Create builds the database beside its place and links it in: the name is taken by a whole file or not at all.
func (s *Server) Create(ctx context.Context, name string, like *engine.Info) error {
	if err := s.create(ctx, name, like); err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

func (s *Server) create(ctx context.Context, name string, like *engine.Info) (err error) {
	if s.readOnly {
		return fmt.Errorf("the url says mode=ro: %w", engine.ErrDenied)
	}
	if like == nil {
		like = &engine.Info{}
	}
	if len(like.Settings)+len(like.Grants) > 0 {
		return fmt.Errorf("settings %q and grants %q: SQLite has neither: %w", like.Settings, like.Grants, errors.ErrUnsupported)
	}
	if err := free(name); err != nil {
		return err
	}
	if err := sweep(name); err != nil {
		return err
	}
	draft := draftName(name)
	file, err := os.OpenFile(draft, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return folderError(filepath.Dir(name), err)
	}
	defer func() { err = errors.Join(err, removeFiles(draft)) }()
	if err := file.Close(); err != nil {
		return err
	}
	if err := s.shape(ctx, draft, like.Properties); err != nil {
		return err
	}
	if err := dress(draft, like); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := rename(draft, name); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(name))
}

// draftName is where a database is built, beside its place.
func draftName(name string) string {
	return filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+"."+rand.Text()+".new")
}

// sweep removes the drafts of a database that a killed Create has left. Whoever makes, moves or drops a database of the
// name holds the lock on it, so nobody is at work on one.
func sweep(name string) error {
	files, err := os.ReadDir(filepath.Dir(name))
	if err != nil {
		return nil // what is wrong with the folder is told by what comes next
	}
	for _, f := range files {
		rest, ok := strings.CutPrefix(f.Name(), "."+filepath.Base(name)+".")
		random, ends := strings.CutSuffix(rest, ".new")
		if !ok || !ends || len(random) != len(rand.Text()) || strings.Trim(random, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
			continue
		}
		if err := removeFiles(filepath.Join(filepath.Dir(name), f.Name())); err != nil {
			return fmt.Errorf("remove what an earlier try has left: %w", err)
		}
	}
	return nil
}

// shape gives an empty file the properties of another. The order matters: encoding and page size
// hold only until the first page is written, and journal_mode=wal writes it.
func (s *Server) shape(ctx context.Context, file string, properties map[string]string) (err error) {
	db, err := open(s.dsn(file, "rw"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return translate(err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	known := map[string]bool{"mode": true}
	for _, key := range []string{"encoding", "page_size", "auto_vacuum", "application_id", "journal_mode"} {
		known[key] = true
		value := properties[key]
		if value == "" {
			continue
		}
		if _, err := conn.ExecContext(ctx, "PRAGMA "+key+" = "+engine.SQLite.Literal(value)); err != nil {
			return fmt.Errorf("set %s to %s: %w", key, value, translate(err))
		}
	}
	for key := range properties {
		if !known[key] {
			return fmt.Errorf("property %s=%s is not known", key, properties[key])
		}
	}
	// An empty table comes and goes, so that the file has its first page.
	for _, text := range []string{"CREATE TABLE first_page (id)", "DROP TABLE first_page", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		if _, err := conn.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("write the first page: %w", translate(err))
		}
	}
	return nil
}

// dress sets the file's mode and owner, and makes it durable.
func dress(draft string, like *engine.Info) (err error) {
	mode, err := strconv.ParseUint(cmp.Or(like.Properties["mode"], "0600"), 8, 9)
	if err != nil {
		return fmt.Errorf("property mode=%s: %w", like.Properties["mode"], err)
	}
	if err := setOwner(draft, like.Owner); err != nil {
		return err
	}
	if err := os.Chmod(draft, fs.FileMode(mode)); err != nil {
		return err
	}
	file, err := os.OpenFile(draft, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrPermission) {
		return nil // a mode without the owner's rights: SQLite has synced the file's content itself
	}
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// free proves that nothing has the name, and that no journal lies there that a new file would be read with.
func free(name string) error {
	if !filepath.IsAbs(name) {
		return errors.New("it is not an absolute path")
	}
	if _, err := os.Lstat(name); err == nil {
		return engine.ErrExist
	} else if errors.Is(err, fs.ErrPermission) {
		return engine.ErrDenied
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, suffix := range []string{"-wal", "-journal"} {
		if info, err := os.Lstat(name + suffix); err == nil && info.Size() > 0 {
			return fmt.Errorf("%w: %s is left of another database and would be read as part of this one", engine.ErrExist, name+suffix)
		}
	}
	return nil
}

// Drop removes the file and what SQLite keeps beside it. Errors: engine.ErrNotExist, engine.ErrInUse.
func (s *Server) Drop(ctx context.Context, name string) error {
	if err := s.drop(ctx, name); err != nil {
		return fmt.Errorf("drop database %s: %w", name, err)
	}
	return nil
}

func (s *Server) drop(ctx context.Context, name string) error {
	if s.readOnly {
		return fmt.Errorf("the url says mode=ro: %w", engine.ErrDenied)
	}
	if err := sweep(name); err != nil {
		return err
	}
	alone, err := s.guard(ctx, name)
	// A file that SQLite cannot read has no sessions to protect; it goes as it is.
	if c := code(err); err != nil && c != lib.SQLITE_NOTADB && c != lib.SQLITE_CORRUPT {
		return err
	}
	if err == nil {
		if err := alone.release(); err != nil {
			return err
		}
	}
	// The journals go first: one that outlived its database would be read into the next of that name.
	if err := removeFiles(name); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(name))
}

// removeFiles removes a database's files, its own last; those that are not there are fine.
func removeFiles(name string) error {
	for _, suffix := range []string{"-journal", "-wal", "-shm", ""} {
		if err := os.Remove(name + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
