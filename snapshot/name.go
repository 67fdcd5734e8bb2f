package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"mulligan/schema"
	"mulligan/store"
)

const (
	manifestName = "manifest.json"
	maxSeq       = 999_999_999 // of a chunk; one table has fewer by far
	maxEncoded   = 120         // bytes of a table's folder name before it is cut
)

// ChunkName is the blob name of a table's chunk within its snapshot:
// "data/public.users/000001.tsv.zst". Different tables have different folders, also on file systems
// that do not tell upper from lower case. The encoding: docs/format.md, "Blob names".
func ChunkName(t schema.Name, seq int) string {
	return fmt.Sprintf("data/%s/%06d.tsv.zst", tableFolder(t), seq)
}

// tableFolder writes a name with [a-z0-9_-] as they are and every other byte as %xx. A long one is
// cut between two characters of the encoding and gets the start of its SHA-256 after a '~', which
// no uncut name holds.
func tableFolder(t schema.Name) string {
	whole := escape(t.Table)
	if t.Schema != "" {
		whole = escape(t.Schema) + "." + whole
	}
	if len(whole) <= maxEncoded {
		return whole
	}
	sum := sha256.Sum256([]byte(whole))
	cut := maxEncoded - 33
	for i := cut - 2; i < cut; i++ {
		if whole[i] == '%' {
			cut = i
		}
	}
	return whole[:cut] + "~" + hex.EncodeToString(sum[:16])
}

func escape(s string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '-' {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

func checkChunkKey(t schema.Name, seq int) error {
	if t.Table == "" {
		return errors.New("a table without a name")
	}
	if seq < 0 || seq > maxSeq {
		return fmt.Errorf("sequence number %d is out of range", seq)
	}
	return nil
}

// checkTarget refuses a target's name that is not one plain part of a path.
func checkTarget(target string) error {
	if err := store.CheckName(target); err != nil || strings.HasPrefix(target, ".") || strings.Contains(target, "/") {
		return fmt.Errorf("target name %q cannot name a folder: %w", target, fs.ErrInvalid)
	}
	return nil
}

// checkFileName refuses names for [Writer.Put] that would meet the manifest or a chunk.
func checkFileName(name string) error {
	if err := store.CheckName(name); err != nil {
		return err
	}
	if strings.Contains(name, "/") || strings.HasPrefix(name, ".") ||
		strings.EqualFold(name, manifestName) || strings.EqualFold(name, "data") {
		return fmt.Errorf("file name %q: %w", name, fs.ErrInvalid)
	}
	return nil
}

// folder is the prefix of all blobs of a snapshot.
func folder(target string, id ID) string { return target + "/" + string(id) + "/" }

// checkPlace checks both parts of a snapshot's place.
func checkPlace(target string, id ID) error {
	if err := checkTarget(target); err != nil {
		return err
	}
	_, err := ParseID(string(id))
	return err
}
