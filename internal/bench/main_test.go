package bench

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"mulligan/internal/testdb"
)

// meterVariable turns the test program into a meter: it names the file for the result.
const meterVariable = "MULLIGAN_BENCH_METER"

// made is what a run makes once; TestMain fills it, and the table grows with each case.
var made struct {
	mulligan func() (string, error) // path of the program, built from this tree
	table    table
}

func TestMain(m *testing.M) {
	if file := os.Getenv(meterVariable); file != "" {
		os.Exit(meter(file, os.Args[1:]))
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	folder, err := os.MkdirTemp("", "mulligan-bench-")
	if err == nil && os.Getenv("MULLIGAN_TEST_DIR") == "" {
		err = os.Setenv("MULLIGAN_TEST_DIR", "/tmp") // figures of memory would be of no use
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	flag.Parse()
	if err := flag.Set("test.benchtime", "1x"); err != nil { // a case takes its turns by itself
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	made.mulligan = sync.OnceValues(func() (string, error) { return build(folder) })
	made.table.began = time.Now()
	made.table.load = loadAverage()
	code := testdb.Wrap(m).Run()
	made.table.print(os.Stdout)
	if err := os.RemoveAll(folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func build(folder string) (string, error) {
	program := filepath.Join(folder, "mulligan")
	cmd := exec.Command("go", "build", "-trimpath", "-o", program, "mulligan/cmd/mulligan")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build mulligan: %w\n%s", err, out)
	}
	return program, nil
}

// mulligan is the path of the program.
func mulligan(b *testing.B) string {
	b.Helper()
	program, err := made.mulligan()
	if err != nil {
		b.Fatal(err)
	}
	return program
}

// setting reads a number from the environment.
func setting(b *testing.B, name string, otherwise int) int {
	b.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatalf("%s=%s is not a number above 0", name, text)
	}
	return n
}

// usage is what a process and its children took.
type usage struct {
	Wall, CPU time.Duration
	RSS       int64 // bytes; of the largest process
}

// meter runs a program and writes what it took to a file. It is a process of its own, since on Linux a child
// inherits its parent's mark of the largest memory: this one has little.
func meter(file string, args []string) int {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	began := time.Now()
	err := cmd.Run()
	took := usage{Wall: time.Since(began)}
	if exit, failed := errors.AsType[*exec.ExitError](err); err != nil && (!failed || exit.ProcessState == nil) {
		fmt.Fprintln(os.Stderr, err)
		return 127
	}
	took.CPU, took.RSS = cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), peak(cmd.ProcessState)
	data, fault := json.Marshal(took)
	if fault == nil {
		fault = os.WriteFile(file, data, 0o600)
	}
	if err = errors.Join(err, fault); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// measure runs a program under the meter; what it says is part of its error.
func measure(b *testing.B, p program) (usage, error) {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		return usage{}, err
	}
	file := filepath.Join(b.TempDir(), "usage")
	cmd := exec.CommandContext(b.Context(), self, p.args...)
	cmd.Env = append(p.env, meterVariable+"="+file)
	if out, err := cmd.CombinedOutput(); err != nil {
		return usage{}, fmt.Errorf("%s: %w\n%.2000s", p.name, err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return usage{}, err
	}
	var took usage
	return took, json.Unmarshal(data, &took)
}
