package faults

import (
	"syscall"
	"testing"
	"time"
)

// servers are the engines that have one.
func servers() []string { return []string{"mysql", "mariadb", "postgres"} }

// few is how many trials of a fault are made on an engine: some in a plain go test, more in `make faults`.
func few(small, large int) int {
	if made.settings.whole() {
		return large
	}
	return small
}

// some are the engines on which a fault is tried: those of a plain go test, which share the faults between them, or all.
func some(all []string, small ...string) []string {
	if made.settings.whole() {
		return all
	}
	return small
}

// each makes trials, one after the other, and stops early where one fails.
func each(t *testing.T, engine string, trials int, try func(k int)) {
	t.Helper()
	for k := range trials {
		if !made.settings.wants(engine+"/"+decimal(k)) || t.Failed() {
			continue
		}
		try(k)
	}
}

// stageOf is the stage at which the k-th trial's fault aims. Those that write come first and often.
func (x *trial) stageOf(k int) string {
	list := []string{"swap", "load", "create", "backup", "replay", "advance", "swap", "preflight", "create", "verify", "compare-schema", "compare-data"}
	if !made.settings.whole() {
		return list[x.random.IntN(len(list))]
	}
	return list[k%len(list)]
}

// hit waits until the run is in a stage, or has ended, and lets a fault happen there: the run is stopped at that instant,
// and goes on when the fault is done. It waits for the run's end, and tells whether the fault came before.
func (x *trial) hit(stage string, c *command, do func()) bool {
	reached, ended := make(chan struct{}), make(chan struct{})
	stop := x.site.at(x.t, starts(stage), time.Duration(x.random.Int64N(int64(x.bench.took/8))), func() {
		_ = c.cmd.Process.Signal(syscall.SIGSTOP) // it may have ended
		close(reached)
	})
	go func() {
		x.site.wait(c)
		close(ended)
	}()
	hit := false
	select {
	case <-reached:
		do()
		_ = c.cmd.Process.Signal(syscall.SIGCONT) // it may have ended
		hit = true
	case <-ended:
	}
	<-ended
	stop()
	return hit
}

// TestServerKilled kills the database server in each stage, as a crash would, and starts it again. It is the server
// that all tests of the package share: they run one after the other.
func TestServerKilled(t *testing.T) {
	for _, engine := range some(servers(), "mariadb", "postgres") {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			b := benchOf(t, engine)
			each(t, engine, few(1, 12), func(k int) { b.killServer(t, k) })
		})
	}
}

func (b *bench) killServer(t *testing.T, k int) {
	strategy := strategies()[k%2]
	x := b.begin(t, "kill -9 of the server", k)
	c := x.site.start(t, "rebuild", "--yes", "--strategy", strategy)
	hit := x.hit(x.stageOf(k), c, func() { b.server.Kill(t) })
	if hit {
		b.server.Start(t)
	}
	x.stage = x.site.stage()
	x.finish(x.after(c, strategy))
}

// after ends a trial whose run was not killed: what its exit code says must be true, and then it is ended or, one time
// in two, taken back.
func (x *trial) after(c *command, strategy string) outcome {
	switch c.code {
	case 0:
		x.proved()
		return proved
	case 3, 130:
		x.stopped(strategy)
		return x.recover(strategy)
	case 2, 4, 10, 11:
		x.asItWas()
		if x.random.IntN(2) == 0 {
			return refused
		}
		return x.recover(strategy)
	}
	x.violation("exit code %d", c.code)
	return refused
}
