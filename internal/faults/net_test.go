package faults

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// wire is a proxy between mulligan and its server, whose connections can be broken.
type wire struct {
	t     testing.TB
	proxy *toxiproxy.Proxy
}

// newWire leads to a server at host:port.
func newWire(t testing.TB, upstream string) *wire {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	w := &wire{t: t, proxy: toxiproxy.NewProxy(server, "wire", "127.0.0.1:0", upstream)}
	if err := w.proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.proxy.Stop)
	return w
}

// toxic puts a disturbance on the wire.
func (w *wire) toxic(kind, stream, attributes string) {
	w.t.Helper()
	text := fmt.Sprintf(`{"name": "%s-%s", "type": "%[1]s", "stream": "%[2]s", "attributes": {%s}}`, kind, stream, attributes)
	if _, err := w.proxy.Toxics.AddToxicJson(strings.NewReader(text)); err != nil {
		w.t.Fatal(err)
	}
}

// cut ends all connections, and lets new ones through.
func (w *wire) cut() {
	w.t.Helper()
	w.proxy.Stop()
	if err := w.proxy.Start(); err != nil {
		w.t.Fatal(err)
	}
}

// mend takes all disturbances away.
func (w *wire) mend() { w.proxy.Toxics.ResetToxics(w.t.Context()) }

// disturbances are what happens to connections. Each is done to a wire in a stage; what it leaves is mended when the
// run has ended.
func disturbances() map[string]func(w *wire, x *trial) {
	return map[string]func(w *wire, x *trial){
		"connection cut": func(w *wire, _ *trial) { w.cut() },
		"connection cut within an answer": func(w *wire, x *trial) {
			w.toxic("limit_data", "downstream", fmt.Sprintf(`"bytes": %d`, 100+x.random.IntN(20_000)))
		},
		"connection cut within a request": func(w *wire, x *trial) {
			w.toxic("limit_data", "upstream", fmt.Sprintf(`"bytes": %d`, 100+x.random.IntN(20_000)))
		},
		"connection stalled, then cut": func(w *wire, _ *trial) {
			w.toxic("timeout", "downstream", `"timeout": 0`)
			w.toxic("timeout", "upstream", `"timeout": 0`)
			timer := time.NewTimer(300 * time.Millisecond)
			<-timer.C
			w.mend()
			w.cut()
		},
		"connection slow": func(w *wire, _ *trial) {
			w.toxic("latency", "downstream", `"latency": 2, "jitter": 2`)
			w.toxic("bandwidth", "upstream", `"rate": 2000`)
		},
	}
}

// TestConnection cuts, stalls and slows the connections of a rebuild in each stage.
func TestConnection(t *testing.T) {
	for _, engine := range some(servers(), "mysql", "mariadb") {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			b := benchOf(t, engine)
			each(t, engine, few(1, 15), func(k int) { b.disturb(t, k) })
		})
	}
}

func (b *bench) disturb(t *testing.T, k int) {
	kinds := []string{"connection cut", "connection cut within an answer", "connection cut within a request", "connection stalled, then cut", "connection slow"}
	if !made.settings.whole() {
		k += int(made.settings.seed) + len(b.engine) // another on each engine
	}
	kind, strategy := kinds[k%len(kinds)], strategies()[k%2]
	x := b.begin(t, kind, k)
	w := newWire(t, b.server.Addr())
	x.site.address = strings.Replace(x.site.address, b.server.Addr(), w.proxy.Listen, 1)
	c := x.site.start(t, "rebuild", "--yes", "--strategy", strategy)
	x.hit(x.stageOf(k/len(kinds)), c, func() { disturbances()[kind](w, x) })
	x.stage = x.site.stage()
	w.mend()
	o := x.after(c, strategy)
	if kind == "connection slow" && c.code != 0 {
		x.violation("a slow connection is no reason to stop: exit code %d", c.code)
	}
	x.finish(o)
}
