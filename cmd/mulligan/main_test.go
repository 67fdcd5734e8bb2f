package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"mulligan/internal/testdb"
)

// program is the name under which scripts and tests start the whole program as a child process.
const program = "mulligan-under-test"

func TestMain(m *testing.M) {
	testscript.Main(testdb.Wrap(m), map[string]func(){program: main, racer: race})
}
