package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mulligan/internal/testdb"
)

// made is what a run of the laboratory makes once; TestMain fills it, and the table grows with each trial.
var made struct {
	mulligan func() (string, error) // path of the program, built from this tree
	root     string                 // the folder of all trials
	table    table
	benches  benches
	settings settings
}

// settings are what the environment asks for.
type settings struct {
	seed   uint64
	trials int           // kills of mulligan over all engines; 0 = the small set of a plain go test
	limit  time.Duration // when no new kill trial begins any more; 0 = never
	soak   time.Duration // 0 = a moment
	only   string        // one trial: ENGINE/NUMBER
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	folder, err := os.MkdirTemp(memory(), "mulligan-faults-")
	if err == nil {
		made.settings, err = read()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	made.root = folder
	made.mulligan = sync.OnceValues(func() (string, error) { return build(folder) })
	made.table.began = time.Now()
	code := testdb.Wrap(m).Run()
	made.table.print(os.Stdout, made.settings.seed)
	if code != 0 {
		fmt.Fprintf(os.Stderr, "what the failed trials left is kept in %s\n", folder)
		return code
	}
	if err := os.RemoveAll(folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// memory is a folder in memory where the system has one, since a killed process loses nothing of it that a disk
// would keep; empty = the temporary folder.
func memory() string {
	const dir = "/dev/shm"
	if info, err := os.Stat(dir); err != nil || !info.IsDir() || os.Getenv("MULLIGAN_TEST_DIR") != "" {
		return os.Getenv("MULLIGAN_TEST_DIR")
	}
	return dir
}

// read reads the settings.
func read() (s settings, err error) {
	s = settings{seed: 1, only: os.Getenv("MULLIGAN_FAULTS_TRIAL")}
	for name, set := range map[string]func(text string) error{
		"MULLIGAN_FAULTS_SEED":   func(text string) (err error) { s.seed, err = strconv.ParseUint(text, 10, 64); return err },
		"MULLIGAN_FAULTS_TRIALS": func(text string) (err error) { s.trials, err = strconv.Atoi(text); return err },
		"MULLIGAN_FAULTS_TIME":   func(text string) (err error) { s.limit, err = time.ParseDuration(text); return err },
		"MULLIGAN_SOAK_TIME":     func(text string) (err error) { s.soak, err = time.ParseDuration(text); return err },
	} {
		if text := os.Getenv(name); text != "" {
			if err := set(text); err != nil {
				return s, fmt.Errorf("%s=%s: %w", name, text, err)
			}
		}
	}
	return s, nil
}

func build(folder string) (string, error) {
	program := filepath.Join(folder, "mulligan")
	if out, err := exec.Command("go", "build", "-o", program, "mulligan/cmd/mulligan").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build mulligan: %w\n%s", err, out)
	}
	return program, nil
}

// engines are all that a trial runs on, the slowest first.
func engines() []string { return []string{"mysql", "mariadb", "postgres", "sqlite"} }

// whole tells `make faults` from a plain go test.
func (s settings) whole() bool { return s.trials > 0 }

// wants tells whether a trial is to be made: all are, unless one is named.
func (s settings) wants(trial string) bool { return s.only == "" || s.only == trial }

func decimal(k int) string { return strconv.Itoa(k) }

// seedOf is the second half of a trial's random seed.
func seedOf(words ...any) uint64 {
	h := uint64(14695981039346656037) // FNV-1a
	for _, b := range []byte(strings.TrimSpace(fmt.Sprintln(words...))) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}
