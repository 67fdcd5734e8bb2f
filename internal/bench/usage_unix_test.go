//go:build unix

package bench

import (
	"os"
	"runtime"
	"syscall"
)

// peak is the largest resident memory of a process or any of its children, in bytes. getrusage(2).
func peak(p *os.ProcessState) int64 {
	use, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return int64(use.Maxrss)
	}
	return int64(use.Maxrss) << 10
}
