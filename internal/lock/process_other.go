//go:build !linux

package lock

// machine is not told here: no holder is ever proved to be gone.
func machine() string { return "" }

// look tells nothing here.
func look(int) (start string, alive bool) { return "", true }
