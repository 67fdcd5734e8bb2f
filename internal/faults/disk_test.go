package faults

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// disk is a small file system of its own, mounted over a folder. It takes root: a laboratory without makes its faults by
// a limit of the size of files.
type disk struct {
	t       testing.TB
	folder  string
	covered bool // by a read-only sight of itself
	gone    bool
}

// newDisk mounts a file system over a folder; what is in the folder moves onto it.
func newDisk(t testing.TB, folder string) *disk {
	t.Helper()
	d := &disk{t: t, folder: folder}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	held := folder + ".held"
	if err := os.CopyFS(held, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	d.mount("-t", "tmpfs", "-o", "size=2m,mode=0755", "tmpfs", folder)
	t.Cleanup(func() { // of a test that ended midway
		if !d.gone {
			d.mend()
			d.unmount()
		}
	})
	if err := errors.Join(os.CopyFS(folder, os.DirFS(held)), os.RemoveAll(held)); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *disk) mount(args ...string) {
	d.t.Helper()
	if out, err := exec.Command("mount", args...).CombinedOutput(); err != nil {
		d.t.Fatalf("mount %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (d *disk) filler() string { return filepath.Join(d.folder, "filler") }

// fill takes all room, but for some bytes.
func (d *disk) fill(leave int64) {
	d.t.Helper()
	f, err := os.Create(d.filler())
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		d.t.Fatalf("fill %s: %v", d.folder, err)
	}
	if info, err := f.Stat(); err == nil && info.Size() > leave {
		if err := f.Truncate(info.Size() - leave); err != nil {
			d.t.Fatal(err)
		}
	}
}

// readOnly lets nothing be opened for writing any more: a read-only sight of the folder is laid over it. What is open
// stays open, since a file system with such files cannot be made read-only.
func (d *disk) readOnly() {
	d.t.Helper()
	d.mount("--bind", d.folder, d.folder)
	d.mount("-o", "remount,bind,ro", d.folder)
	d.covered = true
}

// mend makes room again, and lets be written.
func (d *disk) mend() {
	d.t.Helper()
	if d.covered {
		d.unmount()
		d.covered = false
	}
	if err := os.Remove(d.filler()); err != nil && !errors.Is(err, os.ErrNotExist) {
		d.t.Fatal(err)
	}
}

func (d *disk) unmount() {
	d.t.Helper()
	if out, err := exec.Command("umount", "-l", d.folder).CombinedOutput(); err != nil {
		d.t.Errorf("umount %s: %v\n%s", d.folder, err, out)
	}
}

// release takes the file system away; what is on it stays in the folder where it may be needed.
func (d *disk) release(keep bool) {
	d.t.Helper()
	held := d.folder + ".held"
	if keep {
		if err := os.CopyFS(held, os.DirFS(d.folder)); err != nil {
			d.t.Error(err)
		}
	}
	d.unmount()
	d.gone = true
	if keep {
		if err := os.CopyFS(d.folder, os.DirFS(held)); err != nil {
			d.t.Error(err)
		}
	}
}

// diskFaults are what happens to which folder, by the fault's name.
func diskFaults(engine string) []string {
	list := []string{"disk full: state", "disk full: repository", "read-only: state", "read-only: repository"}
	if engine == "sqlite" {
		list = append([]string{"disk full: database", "read-only: database"}, list...)
	}
	return list
}

// TestDisk lets the disk of the state folder, of the repository or of an SQLite database be full, or read-only, from
// some instant of a rebuild on.
func TestDisk(t *testing.T) {
	for _, engine := range some(engines(), "sqlite") {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			b := benchOf(t, engine)
			trials := few(1, 8)
			if engine == "sqlite" {
				trials = few(2, 30)
			}
			each(t, engine, trials, func(k int) {
				if os.Geteuid() == 0 {
					b.breakDisk(t, k)
				} else {
					b.limitFiles(t, k)
				}
			})
		})
	}
}

func (b *bench) breakDisk(t *testing.T, k int) {
	list := diskFaults(b.engine)
	fault, strategy := list[k%len(list)], strategies()[k/len(list)%2]
	x := b.begin(t, fault, k)
	folders := map[string]string{
		"state": filepath.Join(x.site.folder, ".mulligan"), "repository": filepath.Join(x.site.folder, "repository"), "database": filepath.Dir(x.site.name),
	}
	what, where, _ := strings.Cut(fault, ": ")
	x.site.configure(t, migrationsOf(t, b.engine), "repository: {url: ./repository}\n")
	d := newDisk(t, folders[where])
	c := x.site.start(t, "rebuild", "--yes", "--strategy", strategy)
	stage := x.stageOf(k / len(list))
	if where == "repository" { // nothing is written there later on
		stage = []string{"backup", "preflight"}[x.random.IntN(2)]
	}
	x.hit(stage, c, func() {
		if what == "disk full" {
			d.fill(4096 * int64(x.random.IntN(6)))
		} else {
			d.readOnly()
		}
	})
	x.stage = x.site.stage()
	d.mend()
	o := x.after(c, strategy)
	d.release(len(x.problems) > 0)
	x.finish(o)
}

// limitFiles lets no file grow beyond a random size.
func (b *bench) limitFiles(t *testing.T, k int) {
	strategy := strategies()[k%2]
	x := b.begin(t, "files limited", k)
	x.site.wrap = []string{"sh", "-c", "ulimit -f " + decimal(1+x.random.IntN(120)) + `; exec "$0" "$@"`}
	c := x.site.run(t, "rebuild", "--yes", "--strategy", strategy)
	x.stage = x.site.stage()
	x.site.wrap = nil
	x.finish(x.after(c, strategy))
}
