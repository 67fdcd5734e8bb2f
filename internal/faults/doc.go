// Package faults is the laboratory in which mulligan is broken on purpose: it is killed at every line of its
// journal and at random instants, its servers are killed, its connections cut, its disks filled, its
// repository damaged, its rights taken away; and a model that knows the truth looks at what is left of the rows.
//
// It holds tests alone. They are black-box tests: the program is built once and runs as a child process, and what
// is in a database is read by plain SQL, never by mulligan's own code. A plain go test makes a few trials of each
// kind; `make faults` makes as many as are worth a figure and prints one table, fault by engine by stage, with the
// rows that were lost; `make soak` lets random actions work on one database for as long as is asked.
// docs/faults.md is the manual of both.
//
// Each trial has a random number of its own, made of the seed, the engine and the trial's number, so that one that
// failed can be made again alone. What a failed trial leaves is kept, and its folder named.
package faults
