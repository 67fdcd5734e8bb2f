package bench

import (
	"os"
	"testing"
)

// BenchmarkStart is what a user waits for before anything begins.
func BenchmarkStart(b *testing.B) {
	p := program{name: "mulligan --help", args: []string{mulligan(b), "--help"}, env: os.Environ()}
	for b.Loop() {
		compare(b, "start-up", p)
	}
}
