//go:build !linux

package testdb

import "syscall"

// memoryRoot is a folder in memory; only Linux has one that is always there.
func memoryRoot() string { return "" }

// attributes makes a program run as account (nil: as we do), in a process group of its own. Only
// Linux can signal it when we end; elsewhere the reaper does.
func attributes(account *syscall.Credential, _ syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: account, Setpgid: true}
}
