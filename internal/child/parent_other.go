//go:build unix && !linux

package child

import "syscall"

// endWithParent does nothing: only Linux tells a program of its parent's end.
func endWithParent(*syscall.SysProcAttr) {}
