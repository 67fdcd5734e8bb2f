package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"mulligan/engine"
)

// Rename moves files within their file system, one at a time and never over another. All files are taken into
// exclusive use first, so that a move that cannot be is refused before any is made; should one
// fail midway, those before it are taken back. Errors: engine.ErrNotExist, engine.ErrExist, engine.ErrInUse.
func (s *Server) Rename(ctx context.Context, moves ...engine.Move) error {
	if s.readOnly {
		return fmt.Errorf("rename databases: the url says mode=ro: %w", engine.ErrDenied)
	}
	if err := checkMoves(moves); err != nil {
		return err
	}
	guards := map[string]*guard{}
	defer func() {
		for _, g := range guards {
			_ = g.release() // a file that was moved was released before; others were only looked at
		}
	}()
	for _, m := range moves {
		if _, err := os.Lstat(m.From); err != nil {
			continue // it comes into being by an earlier move
		}
		if err := s.fences.LetGo(m.From); err != nil {
			return fmt.Errorf("rename database %s: %w", m.From, err)
		}
		g, err := s.patientGuard(ctx, m.From)
		if err != nil {
			return fmt.Errorf("rename database %s: %w", m.From, err)
		}
		guards[m.From] = g
	}
	for i, m := range moves {
		err := errors.Join(sweep(m.To), move(m, guards))
		if err == nil {
			continue
		}
		err = fmt.Errorf("rename database %s to %s: %w", m.From, m.To, err)
		for _, done := range slices.Backward(moves[:i]) {
			err = errors.Join(err, move(engine.Move{From: done.To, To: done.From}, guards))
		}
		return err
	}
	return nil
}

// checkMoves plays the moves on the names alone.
func checkMoves(moves []engine.Move) error {
	there := map[string]error{}
	state := func(name string) error {
		if _, ok := there[name]; !ok {
			there[name] = engine.ErrExist
			if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
				there[name] = free(name)
			}
		}
		return there[name]
	}
	for _, m := range moves {
		if state(m.From) == nil {
			return fmt.Errorf("rename database %s: %w", m.From, engine.ErrNotExist)
		}
		if err := state(m.To); err != nil {
			return fmt.Errorf("rename database %s to %s: %w", m.From, m.To, err)
		}
		there[m.From], there[m.To] = nil, engine.ErrExist
	}
	return nil
}

// move renames one file. Its guard holds it until it has its new name, so that nobody can write into it midway.
func move(m engine.Move, guards map[string]*guard) error {
	g := guards[m.From]
	if g != nil {
		if err := clearJournals(m.From); err != nil {
			return err
		}
	}
	if err := rename(m.From, m.To); err != nil {
		return err
	}
	delete(guards, m.From)
	if g != nil {
		if err := g.release(); err != nil {
			return err
		}
	}
	err := syncFolder(filepath.Dir(m.To))
	if filepath.Dir(m.From) != filepath.Dir(m.To) {
		err = errors.Join(err, syncFolder(filepath.Dir(m.From)))
	}
	return err
}

// clearJournals removes what the guard has emptied: left there it would be read into the next file of that name.
func clearJournals(name string) error {
	if info, err := os.Stat(name + "-wal"); err == nil && info.Size() > 0 {
		return fmt.Errorf("%s still holds changes: %w", name+"-wal", engine.ErrInUse)
	}
	for _, suffix := range []string{"-journal", "-wal", "-shm"} {
		if err := os.Remove(name + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// linkOver is rename where the system has no rename that refuses to replace. Killed between its
// two steps it leaves one file under two names.
func linkOver(from, to string) error {
	if err := os.Link(from, to); err != nil {
		return renameError(to, err)
	}
	return os.Remove(from)
}

func renameError(to string, err error) error {
	switch {
	case errors.Is(err, fs.ErrExist):
		return engine.ErrExist
	case errors.Is(err, fs.ErrNotExist):
		return engine.ErrNotExist
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: %w", to, engine.ErrDenied)
	default:
		return err
	}
}

// guard is a file in exclusive use.
type guard struct {
	pool *sql.DB
	conn *sql.Conn
}

// guardPatience is how long a file is waited for: short uses by others come to their end.
const guardPatience = 2 * time.Second

// patientGuard is guard for a file that others may use for a moment.
func (s *Server) patientGuard(ctx context.Context, name string) (*guard, error) {
	for end := time.Now().Add(guardPatience); ; {
		g, err := s.guard(ctx, name)
		if !errors.Is(err, engine.ErrInUse) || time.Now().After(end) {
			return g, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Millisecond + rand.N(10*time.Millisecond)): // not in step with them
		}
	}
}

// guard takes a file into exclusive use, and leaves nothing of it in a log or a journal.
// Errors: engine.ErrNotExist, engine.ErrInUse where another connection has it, whether it is busy or idle.
func (s *Server) guard(ctx context.Context, name string) (_ *guard, err error) {
	file, err := regular(name)
	if err != nil {
		return nil, err
	}
	if link, err := os.Lstat(name); err != nil || !link.Mode().IsRegular() {
		return nil, errors.Join(err, errors.New("it is a symbolic link: name the file itself"))
	}
	if n := sessions(file); n > 0 {
		return nil, fmt.Errorf("%w: %d processes have the file open", engine.ErrInUse, n)
	}
	pool, err := open(uri(name, url.Values{"mode": {"rw"}}))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, pool.Close())
		}
	}()
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, translate(err)
	}
	// In this locking mode a WAL is used only by a connection that is alone, and the lock outlives the transaction.
	for _, text := range []string{"PRAGMA busy_timeout = 0", "PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE", "COMMIT"} {
		if _, err := conn.ExecContext(ctx, text); err != nil {
			return nil, errors.Join(translate(err), conn.Close())
		}
	}
	var busy, log, done int
	if err := conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &done); err != nil || busy != 0 {
		return nil, errors.Join(fmt.Errorf("write the log back: %w", errors.Join(translate(err), engine.ErrInUse)), conn.Close())
	}
	// Who came between the first look and the lock cannot write while it is held, but has the file under its old name.
	if n := sessions(file); n > 1 {
		return nil, errors.Join(fmt.Errorf("%w: %d other processes have the file open", engine.ErrInUse, n-1), conn.Close())
	}
	return &guard{pool, conn}, nil
}

// release ends the exclusive use; a second release is nil.
func (g *guard) release() error {
	if g.pool == nil {
		return nil
	}
	err := errors.Join(g.conn.Close(), g.pool.Close())
	g.pool = nil
	return err
}
