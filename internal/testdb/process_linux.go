package testdb

import "syscall"

// attributes makes a program run as account (nil: as we do), in a process group of its own, and
// be signalled by the kernel when we end.
func attributes(account *syscall.Credential, atParentsDeath syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: account, Setpgid: true, Pdeathsig: atParentsDeath}
}
