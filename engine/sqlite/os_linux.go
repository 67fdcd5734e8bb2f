package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"mulligan/engine"
)

// inode tells a folder from another of the same path.
func inode(info fs.FileInfo) string {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("#%d", st.Ino)
	}
	return ""
}

// owner is the file's user and group by number.
func owner(info fs.FileInfo) string {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("%d:%d", st.Uid, st.Gid)
	}
	return ""
}

// setOwner gives a file to a user and group, as owner wrote them; empty = as it is.
func setOwner(name, want string) error {
	info, err := os.Stat(name)
	if err != nil || want == "" || owner(info) == want {
		return err
	}
	var uid, gid int
	if _, err := fmt.Sscanf(want, "%d:%d", &uid, &gid); err != nil {
		return fmt.Errorf("owner %q is no pair of numbers: %w", want, err)
	}
	if err := os.Chown(name, uid, gid); errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("give the file to owner %s: %w", want, engine.ErrDenied)
	} else if err != nil {
		return fmt.Errorf("give the file to owner %s: %w", want, err)
	}
	return nil
}

// sessions counts the processes that have the file open, as far as /proc lets this one see.
func sessions(file fs.FileInfo) int {
	n := 0
	processes, _ := filepath.Glob("/proc/[0-9]*/fd") // its only error is a bad pattern
	for _, folder := range processes {
		if hasOpen(folder, file) {
			n++
		}
	}
	return n
}

// hasOpen tells whether one of a process's descriptors is the file. What cannot be read or has ended is not.
func hasOpen(folder string, file fs.FileInfo) bool {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		path := filepath.Join(folder, e.Name())
		// Pipes and sockets have no path, and need no closer look.
		if target, err := os.Readlink(path); err != nil || !filepath.IsAbs(target) {
			continue
		}
		if info, err := os.Stat(path); err == nil && os.SameFile(info, file) {
			return true
		}
	}
	return false
}

// names counts the file's names.
func names(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink) // its type differs between processors
	}
	return 1
}

// movable says why a file of the folder could not have another name there.
func movable(folder string, file fs.FileInfo) error {
	if err := unix.Access(folder, unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("write to folder %s: %w: %w", folder, engine.ErrDenied, err)
	}
	info, err := os.Stat(folder)
	if err != nil {
		return err
	}
	here, ok1 := info.Sys().(*syscall.Stat_t)
	there, ok2 := file.Sys().(*syscall.Stat_t)
	if ok1 && ok2 && here.Dev != there.Dev {
		return fmt.Errorf("the file lies on another file system than folder %s, where it is mounted: mount the folder", folder)
	}
	return nil
}

// rename moves a file and never replaces another.
func rename(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // the file system or the kernel does not know the flag
		return linkOver(from, to)
	}
	return renameError(to, err)
}
