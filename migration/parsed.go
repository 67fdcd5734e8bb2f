package migration

import (
	"path/filepath"
	"sync"
)

// Parsed remembers what an adapter read out of migration files, by path and content: a ledger that needs it is asked
// once for every migration. It is safe for concurrent use.
type Parsed[T any] struct {
	Parse func(f File) (T, error)

	mu    sync.Mutex // guards known
	known map[[2]string]T
}

// Of gives what a file says. An error is not remembered.
func (p *Parsed[T]) Of(f File) (T, error) {
	if v, ok := p.find(f.Path, f.Hash); ok {
		return v, nil
	}
	v, err := p.Parse(f)
	if err != nil {
		return v, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = map[[2]string]T{}
	}
	p.known[[2]string{f.Path, f.Hash}] = v
	return v, nil
}

// Listed gives what the file of a listed migration says. It is read only where it was not yet.
func (p *Parsed[T]) Listed(m Migration) (T, error) {
	if v, ok := p.find(m.Path, m.Hash); ok {
		return v, nil
	}
	text, err := Reread(m)
	if err != nil {
		var none T
		return none, err
	}
	return p.Of(File{Name: filepath.Base(m.Path), Path: m.Path, Hash: m.Hash, Text: text})
}

func (p *Parsed[T]) find(path, hash string) (T, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v, ok := p.known[[2]string{path, hash}]
	return v, ok
}
