package child

import "syscall"

// endWithParent asks the kernel to kill the program when the thread that started it ends.
func endWithParent(attributes *syscall.SysProcAttr) { attributes.Pdeathsig = syscall.SIGKILL }
