package snapshot

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"mulligan/schema"
)

// Manifest describes one snapshot. It is all that a restore needs to know of the source.
// Fields marked "set by Commit" may be left empty by the caller.
type Manifest struct {
	Format         Format            `json:"format"`         // set by Commit
	Tool           string            `json:"tool"`           // program and version that wrote it: "mulligan 0.1.0"
	ID             ID                `json:"id"`             // set by Commit
	Target         string            `json:"target"`         // set by Commit
	Engine         string            `json:"engine"`         // the engine's family: "postgres", "mysql", "mariadb", "sqlite"
	ServerVersion  string            `json:"serverVersion"`  // as the server says it
	ServerIdentity string            `json:"serverIdentity"` // the same for the server's life
	Database       Database          `json:"database"`
	Started        time.Time         `json:"started"`  // UTC
	Finished       time.Time         `json:"finished"` // UTC; set by Commit where it is zero
	Point          Point             `json:"point"`
	Ledger         *Ledger           `json:"ledger,omitempty"` // nil = the database has none
	Tables         []Table           `json:"tables"`
	Sequences      []schema.Sequence `json:"sequences,omitempty"`
	Excluded       []Excluded        `json:"excluded,omitempty"`  // tables of the source that are not in Tables
	Objects        []schema.Object   `json:"objects,omitempty"`   // of the whole source schema, for comparison
	Keepsakes      []schema.Keepsake `json:"keepsakes,omitempty"` // what the database has besides schema and rows, in an order in which it can be given
	Files          []File            `json:"files,omitempty"`     // set by Commit: the texts that Put wrote
}

// Format is a version of the format.
type Format struct {
	Major int `json:"major"`
	Minor int `json:"minor"`
}

// String writes the version as "1.0".
func (f Format) String() string { return fmt.Sprintf("%d.%d", f.Major, f.Minor) }

// Database is the source database and what is needed to make one like it.
// It has the fields of engine.Info, so that one converts to the other.
type Database struct {
	Name       string            `json:"name"`
	Owner      string            `json:"owner,omitempty"`
	Properties map[string]string `json:"properties"`         // encoding, collation, …; keys are the engine's
	Settings   []string          `json:"settings,omitempty"` // settings kept with the database, in the engine's form
	Grants     []string          `json:"grants,omitempty"`   // grants on the database itself, in the engine's form
	Sessions   int               `json:"sessions,omitempty"` // other sessions that used it
	Bytes      int64             `json:"bytes,omitempty"`    // on disk; 0 = unknown
}

// Point is the moment that the snapshot shows.
// It has the fields of engine.Point, so that one converts to the other.
type Point struct {
	Time     time.Time `json:"time"`               // of the server, UTC
	Position string    `json:"position,omitempty"` // in the server's log, in the engine's words; empty = the server has none
	Readers  int       `json:"readers"`            // connections that read at this moment
	Note     string    `json:"note,omitempty"`     // what was weaker than asked for and why; empty = nothing
}

// Ledger is the migration tool's table as the snapshot's moment shows it.
type Ledger struct {
	Tool      string          `json:"tool"`
	Table     schema.Name     `json:"table"`
	Records   []Record        `json:"records"`             // in the ledger's order
	Recorded  string          `json:"recorded,omitempty"`  // ID of the last migration that the ledger calls applied; empty = none
	Effective string          `json:"effective,omitempty"` // ID of the last migration whose effect the schema has; empty = none, or not looked for
	Files     []MigrationFile `json:"files,omitempty"`     // migrations on disk when the snapshot was made, in the tool's order
}

// Record is one row of a ledger.
type Record struct {
	ID    string            `json:"id"`
	State string            `json:"state"`         // "applied", "failed", "rolled-back"
	At    time.Time         `json:"at,omitzero"`   // zero = the ledger does not keep it
	Raw   map[string]string `json:"raw,omitempty"` // the row as text by column
}

// MigrationFile is one migration on disk.
type MigrationFile struct {
	ID     string `json:"id"`
	Title  string `json:"title,omitempty"`
	SHA256 string `json:"sha256,omitempty"` // lower-case hexadecimal digits over the file; empty = unknown
}

// Table is one table with its rows. The embedded value's own Rows, an estimate, is hidden and not kept.
type Table struct {
	schema.Table
	Rows   int64   `json:"rows"`
	Digest Digest  `json:"digest"`          // of all rows: the sum of the chunks'
	Where  string  `json:"where,omitempty"` // the condition that chose the rows; empty = all of them
	Chunks []Chunk `json:"chunks,omitempty"`
}

// Chunk is a compressed run of one table's rows.
type Chunk struct {
	Table    schema.Name `json:"table"`
	Seq      int         `json:"seq"`
	Rows     int64       `json:"rows"`
	RawBytes int64       `json:"rawBytes"` // before compression, line ends included
	Digest   Digest      `json:"digest"`
	Stored   Sum         `json:"stored"` // of the compressed blob
	Name     string      `json:"name"`   // of the blob within the snapshot; always [ChunkName] of Table and Seq
}

// String names the chunk for messages: "table public.users, chunk 3".
func (c Chunk) String() string { return fmt.Sprintf("table %s, chunk %d", c.Table, c.Seq) }

// Excluded is a table of the source that the snapshot does not carry.
type Excluded struct {
	Name schema.Name `json:"name"`
	Rule string      `json:"rule"` // why: the configuration's words, "ledger", "foreign table", …
}

// File is a text beside the chunks, "schema.sql" for one.
type File struct {
	Name   string `json:"name"`
	Stored Sum    `json:"stored"`
}

// Sum is the size and the SHA-256 of a blob as it is stored.
type Sum struct {
	Size   int64
	SHA256 [32]byte
}

// MarshalJSON writes {"size":n,"sha256":"hexadecimal digits"}.
func (s Sum) MarshalJSON() ([]byte, error) {
	return json.Marshal(jsonSum{Size: s.Size, SHA256: hex.EncodeToString(s.SHA256[:])})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Sum) UnmarshalJSON(b []byte) error {
	var text jsonSum
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	if len(text.SHA256) != 64 || !isHex(text.SHA256) {
		return fmt.Errorf("sha256 %q is not 64 hexadecimal digits", text.SHA256)
	}
	_, err := hex.Decode(s.SHA256[:], []byte(text.SHA256))
	s.Size = text.Size
	return err
}

type jsonSum struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Table finds a table by its exact name; nil = the snapshot does not carry it.
func (m *Manifest) Table(name schema.Name) *Table {
	i := slices.IndexFunc(m.Tables, func(t Table) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return &m.Tables[i]
}

// Rows is the number of rows of all tables.
func (m *Manifest) Rows() int64 {
	var n int64
	for i := range m.Tables {
		n += m.Tables[i].Rows
	}
	return n
}

// Bytes is the size of all rows before compression.
func (m *Manifest) Bytes() int64 {
	var n int64
	for c := range m.chunks {
		n += c.RawBytes
	}
	return n
}

// StoredBytes is the size of all chunks as they are stored.
func (m *Manifest) StoredBytes() int64 {
	var n int64
	for c := range m.chunks {
		n += c.Stored.Size
	}
	return n
}

// chunks yields the chunks of all tables in the manifest's order.
func (m *Manifest) chunks(yield func(Chunk) bool) {
	for i := range m.Tables {
		for _, c := range m.Tables[i].Chunks {
			if !yield(c) {
				return
			}
		}
	}
}

// The manifest's file is these bytes, the manifest as JSON, LF, and one last line that holds the
// SHA-256 of everything before it. Together they are one JSON document. This frame never changes,
// also not in a newer major version.
const (
	frameHead   = `{"manifest":`
	frameTail   = `,"sha256":"`
	frameEnd    = "\"}\n"
	frameLast   = len(frameTail) + 64 + len(frameEnd) // bytes of the last line
	maxManifest = 256 << 20                           // bytes; about a million chunks
)

// encode writes the manifest's file. A text that is not UTF-8 is refused, for JSON would change it.
func (m *Manifest) encode() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(frameHead)
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(m); err != nil {
		return nil, err
	}
	if hasReplaced(b.Bytes()) {
		return nil, errors.New("a text in it is not UTF-8")
	}
	sum := sha256.Sum256(b.Bytes())
	b.WriteString(frameTail + hex.EncodeToString(sum[:]) + frameEnd)
	if b.Len() > maxManifest {
		return nil, fmt.Errorf("it has %d bytes, more than the %d that a reader takes", b.Len(), maxManifest)
	}
	return b.Bytes(), nil
}

// hasReplaced finds the escape that encoding/json writes for bytes that are not UTF-8. The character
// U+FFFD itself it writes as it is, so the escape means nothing else.
func hasReplaced(b []byte) bool {
	for {
		i := bytes.Index(b, []byte(`\ufffd`))
		if i < 0 {
			return false
		}
		before := len(b[:i]) - len(bytes.TrimRight(b[:i], `\`))
		if before%2 == 0 {
			return true
		}
		b = b[i+1:]
	}
}

// decode reads a manifest's file. Errors: [ErrNewer], else [ErrCorrupt].
func decode(b []byte) (*Manifest, error) {
	body, err := unframe(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	var probe struct {
		Format Format `json:"format"`
	}
	if err := json.Unmarshal(body, &probe); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if probe.Format.Major > Major {
		return nil, fmt.Errorf("%w: it is %s, this program reads up to %d", ErrNewer, probe.Format, Major)
	}
	m := new(Manifest)
	if err := json.Unmarshal(body, m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if err := m.validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return m, nil
}

// unframe checks the frame and gives the JSON text of the manifest within.
func unframe(b []byte) ([]byte, error) {
	if len(b) > maxManifest {
		return nil, fmt.Errorf("it has more than %d bytes", maxManifest)
	}
	cut := len(b) - frameLast
	if cut < len(frameHead) || string(b[:len(frameHead)]) != frameHead || b[cut-1] != '\n' {
		return nil, errors.New("it has no manifest's beginning and end")
	}
	sum := sha256.Sum256(b[:cut])
	if string(b[cut:]) != frameTail+hex.EncodeToString(sum[:])+frameEnd {
		return nil, errors.New("its sha256 does not match")
	}
	return b[len(frameHead):cut], nil
}

// validate checks everything in a manifest that does not need the blobs.
func (m *Manifest) validate() error {
	if m.Format.Major != Major || m.Format.Minor < 0 {
		return fmt.Errorf("format %s is not one", m.Format)
	}
	if err := checkPlace(m.Target, m.ID); err != nil {
		return err
	}
	tables := make(map[schema.Name]bool, len(m.Tables))
	blobs := make(map[string]bool)
	for i := range m.Tables {
		t := &m.Tables[i]
		if tables[t.Name] {
			return fmt.Errorf("table %s stands twice", t.Name)
		}
		tables[t.Name] = true
		if err := t.validate(blobs); err != nil {
			return err
		}
	}
	for _, f := range m.Files {
		if err := checkFileName(f.Name); err != nil {
			return err
		}
		if blobs[f.Name] || f.Stored.Size < 0 || f.Stored.Size > maxManifest {
			return fmt.Errorf("file %s stands twice or has an impossible size", f.Name)
		}
		blobs[f.Name] = true
	}
	return nil
}

// validate checks one table, and adds its blobs to those seen before.
func (t *Table) validate(blobs map[string]bool) error {
	columns := make(map[string]bool, len(t.Columns))
	for _, c := range t.Columns {
		if c.Name == "" || columns[c.Name] {
			return fmt.Errorf("table %s: column %q is empty or stands twice", t.Name, c.Name)
		}
		columns[c.Name] = true
	}
	var sum Digest
	for _, c := range t.Chunks {
		if err := c.validate(t.Name); err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
		if blobs[c.Name] {
			return fmt.Errorf("%s stands twice", c)
		}
		blobs[c.Name] = true
		sum = sum.Add(c.Digest)
		if sum.Rows < 0 {
			return fmt.Errorf("table %s: impossible number of rows", t.Name)
		}
	}
	if t.Digest != sum || t.Rows != sum.Rows {
		return fmt.Errorf("table %s: its rows and digest (%d, %s) are not the sum of its chunks' (%s)", t.Name, t.Rows, t.Digest, sum)
	}
	return checkChunkKey(t.Name, 0)
}

func (c Chunk) validate(table schema.Name) error {
	if c.Table != table {
		return fmt.Errorf("it stands under table %s", table)
	}
	if err := checkChunkKey(c.Table, c.Seq); err != nil {
		return err
	}
	if c.Name != ChunkName(c.Table, c.Seq) {
		return fmt.Errorf("blob name %q is not %q", c.Name, ChunkName(c.Table, c.Seq))
	}
	// Each row has at least its line end, and no blob of nothing is a zstd frame.
	if c.Rows < 0 || c.RawBytes < c.Rows || c.Rows == 0 && c.RawBytes != 0 || c.Digest.Rows != c.Rows || c.Stored.Size <= 0 {
		return fmt.Errorf("impossible counts: %d rows, %d bytes, digest %s, %d bytes stored", c.Rows, c.RawBytes, c.Digest, c.Stored.Size)
	}
	return nil
}
