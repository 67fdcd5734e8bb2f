// Testreport reads what `go test -json` says and tells it to a person: a line for each package, the whole
// output of what failed and of nothing else, and at the end how many tests passed and failed on each engine.
//
//	go test -json ./... | go run ./internal/testreport
//
// It exits 1 where a test failed, a package did not build, a test began and did not end, or none ran at all.
package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	os.Exit(run(os.Stdin, os.Stdout, os.Stderr))
}

func run(in io.Reader, out, errs io.Writer) int {
	r := newReport(out)
	if err := r.read(in); err != nil {
		fmt.Fprintf(errs, "testreport: read the test output: %v\n", err)
		return 1
	}
	if !r.close() {
		return 1
	}
	return 0
}
