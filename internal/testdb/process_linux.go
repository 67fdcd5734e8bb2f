package testdb

import "syscall"

// memoryRoot is a folder in memory with 8 GiB or more to spare, or empty. PostgreSQL's CREATE DATABASE,
// of which each test has one, makes 300 files: measured 20 ms there and 90 to 230 ms on ext4.
func memoryRoot() string {
	const dir, enough = "/dev/shm", 8 << 30
	var fs syscall.Statfs_t
	const tmpfs = 0x01021994 // statfs(2)
	if err := syscall.Statfs(dir, &fs); err != nil || fs.Type != tmpfs || fs.Bavail*uint64(fs.Bsize) < enough {
		return ""
	}
	const writeAndEnter = 3 // access(2), W_OK|X_OK
	if syscall.Access(dir, writeAndEnter) != nil {
		return ""
	}
	return dir
}

// attributes makes a program run as account (nil: as we do), in a process group of its own, and
// be signalled by the kernel when we end.
func attributes(account *syscall.Credential, atParentsDeath syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: account, Setpgid: true, Pdeathsig: atParentsDeath}
}
