package lock

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// machine is where the number and the start of a process mean one process for ever: a boot of a kernel, and in it the
// namespaces that processes are numbered and their starts counted in. Two containers of one host are two machines.
func machine() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	h := sha256.New()
	fmt.Fprintf(h, "%q", boot)
	for _, space := range []string{"pid", "time"} {
		id, err := os.Readlink("/proc/self/ns/" + space)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // kernels before 5.6 have no namespace of time
			return ""
		}
		fmt.Fprintf(h, "%q", id)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// look gives the start of a process, "" where that cannot be seen, and tells whether there is such a process. One that
// has ended and was not waited for yet has let everything go: there is none. The signal 0 is asked first, since /proc
// may hide the processes of others.
func look(pid int) (start string, alive bool) {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return "", false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", true
	}
	// The name of the program is in brackets and may hold anything; after it come state and, as the 20th, start (proc(5)).
	i := strings.LastIndex(string(stat), ") ")
	if i < 0 {
		return "", true
	}
	fields := strings.Fields(string(stat)[i+2:])
	if len(fields) < 20 {
		return "", true
	}
	return fields[19], fields[0] != "Z" && fields[0] != "X"
}
