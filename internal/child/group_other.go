//go:build !unix

package child

import "os/exec"

// group does nothing: without process groups a cancelled context ends the program alone.
func group(*exec.Cmd) {}

func endGroup(*exec.Cmd) {}
