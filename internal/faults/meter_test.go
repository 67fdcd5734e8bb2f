package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// meter follows what must not grow.
type meter struct {
	mu          sync.Mutex // guards memory
	memory      []int      // the largest resident memory of each mulligan, kB
	connections []int      // on the server
	files       []int      // that the server has open
	scratches   []int      // databases that are neither the site's own nor kept
}

// watch follows the memory of a process until its end. The kernel keeps the high-water mark; the last look counts.
func (m *meter) watch(c *command) {
	path := "/proc/" + strconv.Itoa(c.cmd.Process.Pid) + "/status"
	go func() {
		most := 0
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			text, err := os.ReadFile(path)
			_, mark, found := strings.Cut(string(text), "VmHWM:")
			if err != nil || !found {
				break // it has ended
			}
			fields := strings.Fields(mark)
			if kb, err := strconv.Atoi(fields[0]); err == nil {
				most = max(most, kb)
			}
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if most > 0 {
			m.memory = append(m.memory, most)
		}
	}()
}

// sample counts what is open.
func (m *meter) sample(s *soaker) {
	l := s.library
	v, err := l.relatives(s.t.Context(), s.site.name)
	if err != nil {
		s.t.Fatal(err)
	}
	m.scratches = append(m.scratches, len(sight{relatives: v}.scratches()))
	if l.server == nil {
		return
	}
	query := "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
	if l.engine != "postgres" {
		query = "SHOW PROCESSLIST"
	}
	m.connections = append(m.connections, len(l.server.Query(s.t, "", query)))
	open, err := filepath.Glob("/proc/" + strconv.Itoa(l.server.PID()) + "/fd/*")
	if err != nil {
		s.t.Fatal(err)
	}
	m.files = append(m.files, len(open))
}

// thirds are the first and the last third of a series.
func thirds(list []int) (first, last []int) {
	n := (len(list) + 2) / 3
	return list[:n], list[len(list)-n:]
}

func middle(list []int) int {
	sorted := slices.Sorted(slices.Values(list))
	if len(sorted) == 0 {
		return 0
	}
	return sorted[len(sorted)/2]
}

// String is the series in their first and their last third.
func (m *meter) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	for _, x := range []struct {
		name string
		list []int
	}{{"memory of mulligan, kB", m.memory}, {"connections", m.connections}, {"files open in the server", m.files}, {"scratch databases", m.scratches}} {
		if len(x.list) == 0 {
			continue
		}
		first, last := thirds(x.list)
		fmt.Fprintf(&b, "          %-25s first third: min %d, median %d, max %d; last third: min %d, median %d, max %d\n", x.name,
			slices.Min(first), middle(first), slices.Max(first), slices.Min(last), middle(last), slices.Max(last))
	}
	return b.String()
}

// grown says what is not flat.
func (m *meter) grown() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, list := range map[string][]int{"memory of mulligan": m.memory, "connections": m.connections, "files open in the server": m.files, "scratch databases": m.scratches} {
		// A third more, and some, is what noise may be: a leak grows with every action.
		if first, last := thirds(list); len(list) > 0 && middle(last) > middle(first)*4/3+20 {
			return fmt.Sprintf("%s grow: median %d in the first third, %d in the last", name, middle(first), middle(last))
		}
	}
	return ""
}
