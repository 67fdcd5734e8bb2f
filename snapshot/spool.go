package snapshot

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
)

// spool keeps a blob until it is put: in memory up to a limit, then in a temporary file.
// It sums up what goes through. Not safe for concurrent use.
type spool struct {
	dir    string // of the file; empty = the system's
	limit  int    // bytes in memory
	memory []byte // kept from one blob to the next
	file   *os.File
	named  bool // the file still has its name
	size   int64
	hash   hash.Hash
}

func newSpool(dir string, limit int) *spool {
	return &spool{dir: dir, limit: limit, hash: sha256.New()}
}

// Write adds to the blob.
func (s *spool) Write(p []byte) (int, error) {
	if s.file == nil && len(s.memory)+len(p) > s.limit {
		if err := s.spill(); err != nil {
			return 0, err
		}
	}
	if s.file == nil {
		s.memory = append(s.memory, p...)
	} else if _, err := s.file.Write(p); err != nil {
		return 0, fmt.Errorf("write temporary file: %w", err)
	}
	_, _ = s.hash.Write(p) // a hash never fails
	s.size += int64(len(p))
	return len(p), nil
}

// spill moves the blob from memory to a file, readable by its owner only. The file loses its name at
// once where the system allows that, so that a killed process leaves nothing.
func (s *spool) spill() error {
	f, err := os.CreateTemp(s.dir, "mulligan-chunk-*") // 0600
	if err != nil {
		return fmt.Errorf("make temporary file: %w", err)
	}
	s.file, s.named = f, os.Remove(f.Name()) != nil
	if _, err := f.Write(s.memory); err != nil {
		return fmt.Errorf("write temporary file: %w", err)
	}
	s.memory = s.memory[:0]
	return nil
}

func (s *spool) sum() Sum {
	sum := Sum{Size: s.size}
	s.hash.Sum(sum.SHA256[:0])
	return sum
}

// reader gives the blob from its start. The spool must not be written to any more.
func (s *spool) reader() io.ReadSeeker {
	if s.file != nil {
		return io.NewSectionReader(s.file, 0, s.size)
	}
	return bytes.NewReader(s.memory)
}

// reset makes the spool empty and removes its file.
func (s *spool) reset() error {
	s.memory, s.size = s.memory[:0], 0
	s.hash.Reset()
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	err := f.Close()
	if s.named {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	if err != nil {
		return fmt.Errorf("remove temporary file: %w", err)
	}
	return nil
}
