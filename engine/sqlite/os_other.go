//go:build !linux

package sqlite

import "io/fs"

// inode is not told here: the folder's path alone is its identity.
func inode(fs.FileInfo) string { return "" }

// owner is not told here.
func owner(fs.FileInfo) string { return "" }

// setOwner leaves the file as it is: owner never gave a name.
func setOwner(string, string) error { return nil }

// sessions is not told here: locks alone show that a file is in use.
func sessions(fs.FileInfo) int { return 0 }

// names is not told here.
func names(fs.FileInfo) uint64 { return 1 }

// movable is not told here: the rename itself shows it.
func movable(string, fs.FileInfo) error { return nil }

// rename moves a file and never replaces another.
func rename(from, to string) error { return linkOver(from, to) }
