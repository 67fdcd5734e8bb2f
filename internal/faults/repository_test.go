package faults

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// damages are what happens to a file of a snapshot; other is one of another table.
func damages() map[string]func(x *trial, file, other string) error {
	return map[string]func(x *trial, file, other string) error{
		"deleted": func(_ *trial, file, _ string) error { return os.Remove(file) },
		"truncated": func(x *trial, file, _ string) error {
			info, err := os.Stat(file)
			if err != nil {
				return err
			}
			return os.Truncate(file, x.random.Int64N(info.Size()))
		},
		"flipped": func(x *trial, file, _ string) error {
			data, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			data[x.random.IntN(len(data))] ^= 1 << x.random.IntN(8)
			return os.WriteFile(file, data, 0o600)
		},
		"swapped": func(_ *trial, file, other string) error {
			a, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			b, err := os.ReadFile(other)
			if err != nil {
				return err
			}
			if bytes.Equal(a, b) {
				return fs.ErrExist
			}
			if err := os.WriteFile(file, b, 0o600); err != nil {
				return err
			}
			return os.WriteFile(other, a, 0o600)
		},
	}
}

// TestRepository damages the snapshot of a run that was stopped after it was verified, or of a backup that is to be
// restored. Nothing may be loaded from it; the old database stays or comes back.
func TestRepository(t *testing.T) {
	for _, engine := range some(engines(), "sqlite") {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			b := benchOf(t, engine)
			trials := few(1, 8)
			if engine == "sqlite" {
				trials = few(2, 30)
			}
			each(t, engine, trials, func(k int) {
				if k%4 == 3 {
					b.damageBackup(t, k)
				} else {
					b.damageRun(t, k)
				}
			})
		})
	}
}

// damageOf chooses how the files are damaged.
func (x *trial) damageOf(k int) string {
	return []string{"flipped", "truncated", "swapped", "deleted"}[(k+k/4+int(made.settings.seed))%4]
}

// damage does it to a random file of the newest snapshot: to the manifest one time in five.
func (x *trial) damage(kind string) {
	x.t.Helper()
	var files []string
	manifest := ""
	err := filepath.WalkDir(filepath.Join(x.site.folder, ".mulligan", "snapshots"), func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir():
		case d.Name() == "manifest.json":
			manifest = path
		case strings.HasSuffix(path, ".zst"):
			files = append(files, path)
		}
		return err
	})
	if err != nil || manifest == "" || len(files) < 2 {
		x.t.Fatalf("the snapshot has %d files: %v\n%s", len(files), err, &x.site.log)
	}
	slices.Sort(files)
	i := x.random.IntN(len(files))
	file, other := files[i], files[(i+1)%len(files)]
	if x.random.IntN(5) == 0 {
		file = manifest
	}
	if err := damages()[kind](x, file, other); err != nil {
		x.t.Fatal(err)
	}
}

// damageRun damages the snapshot of a killed run: a resume must refuse, and an undo needs no snapshot.
func (b *bench) damageRun(t *testing.T, k int) {
	strategy := strategies()[k%2]
	x := b.begin(t, "", k)
	kind := x.damageOf(k)
	x.fault = "repository: file " + kind
	c := x.site.start(t, "rebuild", "--yes", "--strategy", strategy)
	between := []string{"create", "replay", "load", "compare-data", "advance"}[k%5]
	x.hit(between, c, c.kill)
	x.stage = x.site.stage()
	if c.code != -1 { // it was quicker
		x.finish(x.ended(c))
		return
	}
	if x.stage == "swap" || x.stage == "report" || x.stage == "end" { // it was quicker: the snapshot has had its use
		x.finish(x.recover(strategy))
		return
	}
	x.damage(kind)
	x.stopped(strategy)
	if c := x.patiently("resume"); c.code == 0 || c.code == 2 {
		x.violation("resume with a damaged snapshot: exit code %d", c.code)
	} else if c.code == 4 {
		x.asItWas()
	} else {
		x.stopped("in-place")
	}
	o := x.undo()
	x.finish(map[bool]outcome{true: refused, false: o}[len(x.problems) == 0])
}

// damageBackup damages a backup: a restore over the database must refuse and leave it as it is.
func (b *bench) damageBackup(t *testing.T, k int) {
	x := b.begin(t, "", k)
	kind := x.damageOf(k)
	x.fault = "repository: file " + kind + ", then restore"
	if c := x.site.run(t, "backup"); c.code != 0 {
		t.Fatalf("backup: exit code %d\n%s", c.code, &x.site.log)
	}
	x.damage(kind)
	c := x.site.run(t, "restore", "latest", "--yes")
	if c.code == 0 {
		x.violation("a damaged snapshot was restored")
	}
	x.stage = x.site.stage()
	x.asItWas()
	x.finish(refused)
}
